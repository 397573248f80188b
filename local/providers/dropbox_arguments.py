"""What clients may ask of Dropbox, and how it says no.

Bad input is answered with 400 and plain text; an endpoint's own errors with 409 and a tagged union
in JSON; see Dropbox's page on error handling and its API specification (Stone).
"""

import itertools
import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from local.providers.messages import Refused, Response

TEXT = "text/plain; charset=utf-8"
_READ_PATH = re.compile(r"(/(.|[\r\n])*|id:.*)|(rev:[0-9a-f]{9,})|(ns:[0-9]+(/.*)?)")
_WRITE_PATH = re.compile(r"(/(.|[\r\n])*)|(ns:[0-9]+(/.*)?)|(id:.*)")
_ROOT_PATH = re.compile(r"(/(.|[\r\n])*)?|id:.*|(ns:[0-9]+(/.*)?)")
_UNSAVED = {"desktop.ini", "thumbs.db", ".ds_store", "icon\r", ".dropbox", ".dropbox.attr"}
_TEMPORARY = re.compile(r"~\$.*|\.~.*|~.*\.tmp", re.IGNORECASE | re.DOTALL)
_MALFORMED = re.compile(r"[\0\\\x7f]|\s$")
_LONGEST_NAME = 255
_dots = itertools.cycle(("", ".", "..", "..."))


class _Argument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _path(pattern: re.Pattern[str]) -> BeforeValidator:
    def matching(value: Any) -> Any:
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise ValueError(f"'{value}' did not match pattern '{pattern.pattern}'")
        return value

    return BeforeValidator(matching)


def _tagged(value: Any) -> Any:
    """A union's member without a value may be written as its name alone."""
    return {".tag": value} if isinstance(value, str) else value


ReadPath = Annotated[str, _path(_READ_PATH)]
WritePath = Annotated[str, _path(_WRITE_PATH)]
RootPath = Annotated[str, _path(_ROOT_PATH)]
ContentHash = Annotated[str, Field(min_length=64, max_length=64)]


class WriteMode(_Argument):
    """What becomes of a file that is there."""

    tag: Literal["add", "overwrite", "update"] = Field(alias=".tag")
    update: Annotated[str, Field(min_length=9, pattern="^[0-9a-f]+$")] | None = None

    @model_validator(mode="after")
    def _has_its_value(self) -> Self:
        if (self.tag == "update") != (self.update is not None):
            raise ValueError("a revision is for 'update', and 'update' needs one")
        return self


ADD = WriteMode.model_validate({".tag": "add"})


class CreateFolder(_Argument):
    path: WritePath
    autorename: bool = False


class GetMetadata(_Argument):
    path: ReadPath
    include_media_info: bool = False
    include_deleted: bool = False
    include_has_explicit_shared_members: bool = False
    include_property_groups: Any = None


class ListFolder(_Argument):
    path: RootPath
    recursive: bool = False
    include_media_info: bool = False
    include_deleted: bool = False
    include_has_explicit_shared_members: bool = False
    include_mounted_folders: bool = True
    include_non_downloadable_files: bool = True
    include_property_groups: Any = None
    shared_link: Any = None
    limit: int | None = Field(default=None, ge=1, le=2000)


class Continue(_Argument):
    cursor: str = Field(min_length=1)


class Delete(_Argument):
    path: WritePath
    parent_rev: str | None = None


class Download(_Argument):
    path: ReadPath
    rev: str | None = None


class Commit(_Argument):
    """Where content goes."""

    path: WritePath
    mode: Annotated[WriteMode, BeforeValidator(_tagged)] = ADD
    autorename: bool = False
    client_modified: Annotated[str | None, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")] = (
        None
    )
    mute: bool = False
    property_groups: Any = None
    strict_conflict: bool = False


class Upload(Commit):
    content_hash: ContentHash | None = None


class Cursor(_Argument):
    """How much of an upload the client believes to be there."""

    session_id: str
    offset: int = Field(ge=0)


class Start(_Argument):
    close: bool = False
    session_type: Any = None
    content_hash: ContentHash | None = None


class Append(_Argument):
    cursor: Cursor
    close: bool = False
    content_hash: ContentHash | None = None


class Finish(_Argument):
    cursor: Cursor
    commit: Commit
    content_hash: ContentHash | None = None


class FinishBatch(_Argument):
    entries: list[Finish] = Field(max_length=1000)


class Poll(_Argument):
    async_job_id: str = Field(min_length=1)


def parsed[A: BaseModel](shape: type[A], text: bytes | str, function: str, where: str) -> A:
    """An argument from its JSON; raises Refused with 400."""
    try:
        document = json.loads(text)
        json.dumps(document, ensure_ascii=False).encode()  # Half a character cannot be stored.
    except ValueError:
        raise bad_input(function, f"{where}: could not decode input as JSON") from None
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise bad_input(function, f"{where}: {field}: {message}") from None


def bad_input(function: str, message: str) -> Refused:
    text = f'Error in call to API function "{function}": {message}'
    return Refused(Response(400, text.encode(), {"Content-Type": TEXT}))


def failure(*tags: str, **fields: Any) -> dict[str, Any]:
    """A tagged union: each tag holds the next, the last one the fields."""
    *outer, last = tags
    union: dict[str, Any] = {".tag": last, **fields}
    for tag in reversed(outer):
        union = {".tag": tag, tag: union}
    return union


def refused(union: dict[str, Any], status: int = 409) -> Refused:
    """An endpoint's error. Its summary ends in dots at random, so that nobody compares it."""
    document = {"error_summary": f"{'/'.join(_tags(union))}/{next(_dots)}", "error": union}
    body = json.dumps(document).encode()
    return Refused(Response(status, body, {"Content-Type": "application/json"}))


def _tags(union: dict[str, Any]) -> list[str]:
    inner = [value for value in union.values() if isinstance(value, dict) and ".tag" in value]
    return [union[".tag"], *(_tags(inner[0]) if inner else [])]


class WriteFailed(Exception):
    """Something cannot be written; the arguments are the tags of a WriteError."""


def checked_for_reading(path: str) -> str | None:
    """A path without the slash in front; None where it cannot be any entry's."""
    names = path.removeprefix("/").split("/")
    return None if any(_is_malformed(name) for name in names) else "/".join(names)


def checked_for_writing(path: str) -> str:
    """A path without the slash in front; raises WriteFailed."""
    names = path.removeprefix("/").split("/")
    if not path.startswith("/") or any(_is_malformed(name) for name in names):
        raise WriteFailed("malformed_path")
    if any(name.lower() in _UNSAVED or _TEMPORARY.fullmatch(name) for name in names):
        raise WriteFailed("disallowed_name")
    return "/".join(names)


def _is_malformed(name: str) -> bool:
    return name in ("", ".", "..") or len(name) > _LONGEST_NAME or bool(_MALFORMED.search(name))
