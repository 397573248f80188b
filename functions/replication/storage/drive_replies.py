"""What Google Drive says: of files, and of why it refuses a request."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from replication.storage.hashes import Digest
from replication.storage.interface import Found, Throttled
from replication.storage.json_api import Answer, Reply
from replication.storage.replies import retry_after
from shared.errors import StorageRefused

FOLDER = "application/vnd.google-apps.folder"
FILE_FIELDS = "id,name,mimeType,size,sha256Checksum,md5Checksum,createdTime,trashed"
LIST_FIELDS = f"nextPageToken,incompleteSearch,files({FILE_FIELDS})"

_GOOGLES_CLOCK = ZoneInfo("America/Los_Angeles")
"""Where Google's days begin: then what a day allows is there again."""


class File(Reply):
    """A file or a folder, as far as `FILE_FIELDS` asks for it."""

    id: str = Field(min_length=1)
    name: str = ""
    size: int = -1
    sha256: str | None = Field(default=None, alias="sha256Checksum")
    md5: str | None = Field(default=None, alias="md5Checksum")
    created: str = Field(default="", alias="createdTime")
    trashed: bool = False
    seen_later: bool = Field(default=False, exclude=True)
    """Not told by the request that made it: somebody may have changed it since."""

    @property
    def age(self) -> tuple[str, str]:
        """By which files are in order, the oldest first; it is the same for everybody who looks."""
        return self.created, self.id

    @property
    def found(self) -> Found:
        """As it lies there. What has no checksum is one of Google's own kinds of documents, or a
        shortcut: it has no bytes that could be compared. Files of long ago have the older checksum.
        """
        if self.sha256 is not None:
            return Found(self.size, self.sha256, digest=Digest("sha256", self.sha256))
        if self.md5 is not None:
            return Found(self.size, None, digest=Digest("md5", self.md5))
        return Found(-1, None)


class Page(Reply):
    files: tuple[File, ...] = ()
    next: str | None = Field(default=None, alias="nextPageToken")
    incomplete: bool = Field(default=False, alias="incompleteSearch")


class Ids(Reply):
    ids: tuple[str, ...] = Field(min_length=1)


# --- refusals

_MAY_NOT = "the account may not do this in the folder: give it the right to edit there"
_REFUSALS = {
    "accessNotConfigured": (
        "ApiNotEnabled",
        "the app's Google Cloud project does not have the Google Drive API: enable it there",
    ),
    "activeItemCreationLimitExceeded": (
        "StorageFull",
        "the account has as many items as Google allows: remove some, the trash included",
    ),
    "appNotAuthorizedToFile": (
        "CredentialsRefused",
        "the app may only see files that it made itself: consent again with the scope"
        " .../auth/drive",
    ),
    "domainPolicy": (
        "CredentialsRefused",
        "the administrators of the organisation do not let this app use Drive: have them allow it",
    ),
    "forbidden": ("CredentialsRefused", _MAY_NOT),
    "insufficientFilePermissions": ("CredentialsRefused", _MAY_NOT),
    "insufficientParentPermissions": ("CredentialsRefused", _MAY_NOT),
    "insufficientPermissions": (
        "CredentialsRefused",
        "the account has not consented to what is needed: consent again with the scope"
        " .../auth/drive",
    ),
    "myDriveHierarchyDepthLimitExceeded": (
        "NameIllegal",
        "Drive takes no folders of this depth: have fewer of them below each other",
    ),
    "numChildrenInNonRootLimitExceeded": (
        "FolderFull",
        "the folder has as many items as Google allows: move some of them elsewhere",
    ),
    "storageQuotaExceeded": (
        "StorageFull",
        "the account has no space left: free some, or buy more; a service account has none of its"
        " own and needs a shared drive",
    ),
    "teamDriveFileLimitExceeded": (
        "StorageFull",
        "the shared drive has as many items as Google allows: remove some, or take another one",
    ),
    "teamDriveHierarchyTooDeep": (
        "NameIllegal",
        "Drive takes no folders of this depth: have fewer of them below each other",
    ),
    "teamDriveMembershipRequired": (
        "CredentialsRefused",
        "the account is no member of the shared drive: make it one that may add files",
    ),
}
_OF_A_MOMENT = {
    "rateLimitExceeded": None,
    "sharingRateLimitExceeded": "account",
    "userRateLimitExceeded": "account",
}
"""Each with the level whose quota it was. Where a user has uploaded 750 GB in a day, Drive says
`userRateLimitExceeded`, too, and says so for hours: nothing tells the two apart.
"""

_OF_A_DAY = {
    "dailyLimitExceeded": ("DailyLimitUntilTomorrow", "provider"),
    "quotaExceeded": ("UploadLimitUntilTomorrow", "account"),
}


class NotThere(Exception):
    """No file or folder has the id, or the account may not see it."""


def meaning(answer: Answer) -> Exception | None:
    """What a refusal means; None where only its status says it."""
    status, reason = answer.status, _reason(answer)
    if reason in _OF_A_DAY:
        code, level = _OF_A_DAY[reason]
        return Throttled(code, seconds_until_tomorrow(time.time()), level=level)
    if reason in _OF_A_MOMENT or status == 429:
        whose = _OF_A_MOMENT.get(reason)
        return Throttled(reason or "HTTP429", retry_after(answer.headers), level=whose)
    if reason in _REFUSALS:
        return StorageRefused(*_REFUSALS[reason])
    return NotThere() if status == 404 else None


def seconds_until_tomorrow(now: float) -> float:
    """Until Google's next day begins."""
    here = datetime.fromtimestamp(now, _GOOGLES_CLOCK)
    tomorrow = here.date() + timedelta(days=1)
    begins = datetime.combine(tomorrow, datetime.min.time(), _GOOGLES_CLOCK)
    return begins.timestamp() - now


class _Detail(Reply):
    reason: str = ""


class _Error(Reply):
    errors: tuple[_Detail, ...] = ()


class _Refusal(Reply):
    error: _Error = _Error()


def _reason(answer: Answer) -> str:
    """Google's word for the refusal; empty where there is none."""
    try:
        errors = _Refusal.model_validate(answer.document).error.errors
    except ValidationError:
        return ""
    return errors[0].reason if errors else ""
