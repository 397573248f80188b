"""What each storage provider documents of its limits and replies, as the simulator keeps it.

A profile holds the limits (several scopes at once), the replies to requests that are too many,
locks, what a folder that exists already comes to, and latency. `adjusted` changes one while the
simulator runs, in the form in which `PUT /_simulator/limits` takes it: any fields of a profile;
`limits` names only what changes in a scope.

    {"limits": [{"scope": "account", "units": 500}], "latency": {"seconds": 0.05}}

Figures marked as a guess are published by nobody: they are there to have a limit at all.
"""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

type Kind = Literal[
    "create_folder", "find", "upload", "read", "download", "move", "delete", "other", "token"
]
"""What a request does; `find` lists a folder, `read` fetches one file or what is said of it, which
is `download` where a provider counts that apart, `token` asks for an access token."""

type Rotation = Literal["same", "added", "replaced"]
"""Whether a client that comes with a refresh token is given a new one, and if so, whether the one
that it came with stays good."""

WRITES: frozenset[str] = frozenset({"create_folder", "upload", "move", "delete"})


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Reply(_Settings):
    """An answer as the provider words it; `retry_after` says in which form it asks to wait.

    In its body `{name}` and `{id}` stand for what is concerned, `"{wait}"` for the seconds.
    """

    status: int
    body: str = ""
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    retry_after: Literal["absent", "seconds", "date"] = "absent"


class Limit(_Settings):
    """One scope: so many units in so many seconds, for everybody or for each account or prefix.

    A `window` slides: what was used in the last `seconds`. A `bucket` holds `units` and is filled
    again within `seconds`. A request costs its kind's weight, else `weight`, and `per_byte` of its
    body. `units` of None is no limit. Where `headers_from` of the units are used up, each answer
    says how many are left. `replies` take turns; without any the profile's do.
    """

    scope: str
    units: float | None = Field(gt=0)
    seconds: float = Field(gt=0)
    per: Literal["all", "account", "prefix"] = "account"
    shape: Literal["window", "bucket"] = "window"
    weight: float = 1
    weights: dict[Kind, float] = {}
    per_byte: float = 0
    headers_from: float | None = None
    replies: tuple[Reply, ...] = ()


class Block(_Settings):
    """Whoever is refused `after` times within `within` seconds is shut out for `seconds`."""

    after: int
    within: float
    seconds: float
    replies: tuple[Reply, ...]


class Latency(_Settings):
    """Seconds that an answer takes, by itself and by each byte that comes or goes."""

    seconds: float = Field(default=0, ge=0)
    per_byte: float = Field(default=0, ge=0)
    jitter: float = Field(default=0, ge=0)


class Profile(_Settings):
    """One provider.

    `lock` is what one writer at a time holds: a file, or all of an account. `existing_folder` is
    what WebDAV answers to making a folder that there is. `chunk_minimum` is the smallest part of an
    upload (S3, Nextcloud), what a part's size is a multiple of (Drive, Graph), or the smallest file
    that may come in parts (Box), `part_size` how large Box wants them, and `processing_seconds` how
    long after the last of them a file can be made of them. An upload in parts is forgotten where
    none has come for `session_seconds` (Drive, Graph); `strict_sessions` is whether its address
    refuses an access token, which Graph may do or not.
    `rotation` is what becomes of refresh tokens; None of a provider that knows none.
    """

    name: str
    dialect: Literal["webdav", "nextcloud", "s3", "dropbox", "box", "drive", "graph"]
    limits: tuple[Limit, ...]
    replies: tuple[Reply, ...]
    block: Block | None = None
    lock: Literal["file", "account"] | None = None
    lock_reply: Reply | None = None
    existing_folder: Reply | None = None
    chunk_minimum: int = 5 * 1024 * 1024
    session_seconds: float = Field(default=7 * 86_400, ge=0)
    strict_sessions: bool = True
    part_size: int = 8 * 1024 * 1024
    processing_seconds: float = Field(default=0, ge=0)
    rotation: Rotation | None = None
    token_seconds: float = Field(default=3600, ge=0)
    latency: Latency = Latency()


def adjusted(profile: Profile, changes: dict[str, Any]) -> Profile:
    """A profile with changes; raises pydantic's ValidationError where they make no sense."""
    fields = profile.model_dump()
    limits = {limit["scope"]: limit for limit in fields["limits"]}
    for change in changes.get("limits", []):
        limits[change.get("scope")] = {**limits.get(change.get("scope"), {}), **change}
    return Profile.model_validate({**fields, **changes, "limits": list(limits.values())})


def sabre(exception: str, message: str) -> str:
    """An error's body as Nextcloud and other servers built on SabreDAV send it."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<d:error xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns">'
        f"<s:exception>{exception}</s:exception><s:message>{message}</s:message></d:error>"
    )


_XML = "application/xml; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"
_ALREADY_THERE = Reply(
    status=405,
    body=sabre(
        "Sabre\\DAV\\Exception\\MethodNotAllowed",
        "The resource you tried to create already exists",
    ),
    content_type=_XML,
)


def _drive(status: int, reason: str, message: str) -> Reply:
    errors = [{"domain": "usageLimits", "reason": reason, "message": message}]
    error = {"errors": errors, "code": status, "message": message}
    return Reply(status=status, body=json.dumps({"error": error}))


def _dropbox(reason: str) -> Reply:
    error = {"reason": {".tag": reason}, "retry_after": "{wait}"}
    body = json.dumps({"error_summary": f"{reason}/.", "error": error})
    return Reply(status=429, body=body, retry_after="seconds")


def _graph(status: int, code: str, message: str) -> Reply:
    body = json.dumps({"error": {"code": code, "message": message}})
    return Reply(
        status=status, body=body, retry_after="seconds" if status in (429, 503) else "absent"
    )


_WEBDAV_BUSY = Reply(status=429, body="Too Many Requests\n", content_type=_TEXT)
_WEBDAV_REPLIES = (
    _WEBDAV_BUSY,
    _WEBDAV_BUSY.model_copy(update={"retry_after": "seconds"}),
    Reply(status=503, body="Service Unavailable\n", content_type=_TEXT),
    _WEBDAV_BUSY.model_copy(update={"retry_after": "date"}),
)

_NEXTCLOUD_BUSY = Reply(
    status=429,
    body=sabre("OCA\\DAV\\Connector\\Sabre\\Exception\\TooManyRequests", "Too many requests"),
    content_type=_XML,
)
_NEXTCLOUD_DOWN = Reply(
    status=503,
    body=sabre("Sabre\\DAV\\Exception\\ServiceUnavailable", "Service unavailable"),
    content_type=_XML,
)

_DRIVE_USER = _drive(403, "userRateLimitExceeded", "User Rate Limit Exceeded")
_DRIVE_PROJECT = _drive(403, "rateLimitExceeded", "Rate Limit Exceeded")
_DRIVE_DAY = _drive(403, "dailyLimitExceeded", "Daily Limit Exceeded")
_DRIVE_UPLOADED = (
    _drive(403, "userRateLimitExceeded", "User rate limit exceeded."),
    _drive(403, "quotaExceeded", "Quota exceeded."),
)

_DROPBOX_BUSY = _dropbox("too_many_requests")


def _box(status: int, code: str, message: str) -> Reply:
    body = {
        "type": "error",
        "status": status,
        "code": code,
        "help_url": "https://developer.box.com/guides/api-calls/permissions-and-errors/common-errors/",
        "message": message,
        "request_id": "abcdef123456",
    }
    retry_after: Literal["seconds", "absent"] = "seconds" if status == 429 else "absent"
    return Reply(status=status, body=json.dumps(body), retry_after=retry_after)


_BOX_BUSY = _box(429, "rate_limit_exceeded", "Request rate limit exceeded, please try again later")
_BOX_RESERVED = _box(
    409, "name_temporarily_reserved", "The item name is reserved by another processing item."
)

_GRAPH_BUSY = _graph(429, "activityLimitReached", "Application is over its quota.")
_GRAPH_SPIKE = _graph(503, "serviceNotAvailable", "The service is too busy.")

S3 = Profile(
    name="s3",
    dialect="s3",
    limits=(
        Limit(
            scope="writes",  # At least so many for each prefix; more after growing for a while.
            units=3500,
            seconds=1,
            per="prefix",
            shape="bucket",
            weights={"find": 0, "read": 0},
        ),
        Limit(
            scope="reads",
            units=5500,
            seconds=1,
            per="prefix",
            shape="bucket",
            weight=0,
            weights={"find": 1, "read": 1},
        ),
    ),
    replies=(
        Reply(
            status=503,
            body='<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
            "<Message>Please reduce your request rate.</Message></Error>",
            content_type="application/xml",
        ),
    ),
)

WEBDAV = Profile(
    name="webdav",
    dialect="webdav",
    limits=(Limit(scope="server", units=50, seconds=2, per="all", shape="bucket"),),  # A guess.
    replies=_WEBDAV_REPLIES,
    existing_folder=_ALREADY_THERE,
)

NEXTCLOUD = Profile(
    name="nextcloud",
    dialect="nextcloud",
    limits=(Limit(scope="server", units=50, seconds=2, per="all", shape="bucket"),),  # A guess.
    replies=(_NEXTCLOUD_BUSY, _NEXTCLOUD_DOWN),
    lock="file",
    lock_reply=Reply(
        status=423,
        body=sabre("OCA\\DAV\\Connector\\Sabre\\Exception\\FileLocked", '"{name}" is locked'),
        content_type=_XML,
    ),
    existing_folder=_ALREADY_THERE,
)

# Of newer projects, in which Google counts quota units.
_DRIVE_WEIGHTS: dict[Kind, float] = {"find": 100, "read": 5, "download": 200, "other": 5}

DRIVE = Profile(
    name="drive",
    dialect="drive",
    limits=(
        Limit(
            scope="account",
            units=325_000,
            seconds=60,
            weight=50,
            weights=_DRIVE_WEIGHTS,
            replies=(_DRIVE_USER,),
        ),
        Limit(
            scope="provider",
            units=1_000_000,
            seconds=60,
            per="all",
            weight=50,
            weights=_DRIVE_WEIGHTS,
        ),
        Limit(
            scope="uploaded bytes",
            units=750e9,
            seconds=86_400,
            weight=0,
            per_byte=1,
            replies=_DRIVE_UPLOADED,
        ),
        Limit(scope="day", units=None, seconds=86_400, per="all", replies=(_DRIVE_DAY,)),
    ),
    # Sometimes it says 429.
    replies=(_DRIVE_PROJECT, _DRIVE_PROJECT, _drive(429, "rateLimitExceeded", "Too Many Requests")),
    chunk_minimum=256 * 1024,
    rotation="same",
)

DRIVE_BY_REQUESTS = {
    "limits": [
        {"scope": "account", "units": 12_000, "weight": 1, "weights": {}},
        {"scope": "provider", "units": 12_000, "weight": 1, "weights": {}},
    ]
}
"""Changes of Drive's profile, for projects that used Drive before May 2026."""

DROPBOX = Profile(
    name="dropbox",
    dialect="dropbox",
    limits=(Limit(scope="account", units=600, seconds=60),),  # A guess.
    replies=(
        _DROPBOX_BUSY,
        _DROPBOX_BUSY,
        Reply(status=429, body="Too many requests", content_type=_TEXT, retry_after="seconds"),
    ),
    lock="account",
    lock_reply=_dropbox("too_many_write_operations"),
    rotation="same",
    token_seconds=14_400,
)

BOX = Profile(
    name="box",
    dialect="box",
    limits=(
        Limit(scope="account", units=1000, seconds=60, weights={"upload": 0}),
        Limit(scope="uploads", units=240, seconds=60, weight=0, weights={"upload": 1}),
    ),
    replies=(_BOX_BUSY,),
    lock="file",  # Of two that upload to the same place at once, one is refused.
    lock_reply=_BOX_RESERVED,
    chunk_minimum=20_000_000,
    rotation="replaced",
)

# "other" is whatever has to do with permissions; what is downloaded comes from another service.
_GRAPH_WEIGHTS: dict[Kind, float] = {
    "create_folder": 2,
    "find": 2,
    "upload": 2,
    "move": 2,
    "delete": 2,
    "download": 0,
    "other": 5,
}

GRAPH = Profile(
    name="graph",
    dialect="graph",
    limits=(
        Limit(
            scope="provider",  # An application in the smallest tenant.
            units=1200,
            seconds=60,
            per="all",
            weights=_GRAPH_WEIGHTS,
            headers_from=0.8,
        ),
        Limit(
            scope="spikes",  # A guess.
            units=400,
            seconds=1,
            per="all",
            weights=_GRAPH_WEIGHTS,
            replies=(_GRAPH_SPIKE,),
        ),
    ),
    replies=(_GRAPH_BUSY,),
    block=Block(after=300, within=60, seconds=600, replies=(_GRAPH_BUSY,)),  # A guess.
    lock_reply=_graph(423, "resourceLocked", "The resource you are attempting to access is locked"),
    chunk_minimum=320 * 1024,
    rotation="added",
)

PROFILES = {
    profile.name: profile for profile in (S3, WEBDAV, NEXTCLOUD, DRIVE, DROPBOX, BOX, GRAPH)
}
