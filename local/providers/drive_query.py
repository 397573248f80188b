"""Which files and fields a client of Drive asks for: `q`, `orderBy` and `fields`.

Of the search terms those are known that a file's place, name and type can be found by.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

type File = dict[str, Any]
type Test = Callable[[File], bool]
type Mask = dict[str, "Mask"]

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\['\\])*')|(?P<sign>!=|=|\(|\))|(?P<word>[A-Za-z]+))"
)
_SORT_KEYS: dict[str, Callable[[File], Any]] = {
    "createdTime": lambda file: file["createdTime"],
    "folder": lambda file: not file["mimeType"].endswith(".folder"),
    "modifiedTime": lambda file: file["modifiedTime"],
    "name": lambda file: file["name"].casefold(),
    "name_natural": lambda file: [
        (not part.isdigit(), int(part) if part.isdigit() else 0, part)
        for part in re.split(r"(\d+)", file["name"].casefold())
    ],
    "quotaBytesUsed": lambda file: int(file["quotaBytesUsed"]),
    "recency": lambda file: file["modifiedTime"],
}
FILE_FIELDS = frozenset(
    re.findall(
        r"\w+",
        """
        kind id name mimeType description starred trashed explicitlyTrashed trashingUser
        trashedTime parents properties appProperties spaces version webContentLink
        webViewLink iconLink hasThumbnail thumbnailLink thumbnailVersion viewedByMe
        viewedByMeTime createdTime modifiedTime modifiedByMeTime modifiedByMe
        sharedWithMeTime sharingUser owners teamDriveId driveId lastModifyingUser shared
        ownedByMe capabilities viewersCanCopyContent copyRequiresWriterPermission
        writersCanShare permissions permissionIds hasAugmentedPermissions folderColorRgb
        originalFilename fullFileExtension fileExtension md5Checksum sha1Checksum
        sha256Checksum size quotaBytesUsed headRevisionId contentHints imageMediaMetadata
        videoMediaMetadata isAppAuthorized exportLinks shortcutDetails contentRestrictions
        labelInfo resourceKey linkShareMetadata inheritedPermissionsDisabled
        downloadRestrictions
        """,
    )
)


class InvalidQuery(Exception):
    """A parameter that says nothing; the first argument is its name, the second its value."""


def matching(q: str, root: str) -> Test:
    """Whether a file is wanted; `root` is the id that `root` stands for. Raises InvalidQuery."""
    reader = _Reader(q, root)
    test = reader.either()
    if reader.rest:
        raise InvalidQuery("q", q)
    return test


class _Reader:
    """Reads a query from its beginning to its end."""

    def __init__(self, q: str, root: str) -> None:
        self._q, self._root = q, root
        self.rest = q.strip()

    def either(self) -> Test:
        tests = [self._both()]
        while self._next("or"):
            tests.append(self._both())
        return lambda file: any(test(file) for test in tests)

    def _both(self) -> Test:
        tests = [self._single()]
        while self._next("and"):
            tests.append(self._single())
        return lambda file: all(test(file) for test in tests)

    def _single(self) -> Test:
        if self._next("not"):
            negated = self._single()
            return lambda file: not negated(file)
        if self._next("("):
            test = self.either()
            self._expect(")")
            return test
        kind, value = self._token()
        if kind == "text":
            self._expect("in")
            self._expect("parents")
            folder = self._root if value == "root" else value
            return lambda file: folder in file.get("parents", [])
        return self._compared(value)

    def _compared(self, field: str) -> Test:
        operator = self._token()[1]
        kind, value = self._token()
        match field, operator, kind:
            case "name", "=", "text":  # In whatever case it is written.
                return lambda file: file["name"].casefold() == value.casefold()
            case "name", "contains", "text":  # From the beginning of a name only.
                return lambda file: file["name"].casefold().startswith(value.casefold())
            case "mimeType", "=", "text":
                return lambda file: file["mimeType"] == value
            case "mimeType", "!=", "text":
                return lambda file: file["mimeType"] != value
            case "trashed", ("=" | "!="), "word" if value in ("true", "false"):
                wanted = (value == "true") == (operator == "=")
                return lambda file: file["trashed"] is wanted
        raise InvalidQuery("q", self._q)

    def _token(self) -> tuple[str, str]:
        found = _TOKEN.match(self.rest)
        if found is None or found.lastgroup is None:
            raise InvalidQuery("q", self._q)
        self.rest = self.rest[found.end() :].strip()
        text = found[found.lastgroup]
        if found.lastgroup == "text":
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        return found.lastgroup, text

    def _next(self, wanted: str) -> bool:
        """Whether that comes next, which is then read."""
        found = _TOKEN.match(self.rest)
        there = found is not None and found[0].strip() == wanted
        if there:
            self._token()
        return there

    def _expect(self, wanted: str) -> None:
        if not self._next(wanted):
            raise InvalidQuery("q", self._q)


def ordered(files: Iterable[File], order_by: str) -> list[File]:
    """Files in the order that is asked for; raises InvalidQuery."""
    result = list(files)
    for key in reversed([part.strip() for part in order_by.split(",") if part.strip()]):
        name, _, direction = key.partition(" ")
        if name not in _SORT_KEYS or direction.strip() not in ("", "desc"):
            raise InvalidQuery("orderBy", order_by)
        result.sort(key=_SORT_KEYS[name], reverse=bool(direction))
    return result


def mask(fields: str, known: frozenset[str]) -> Mask:
    """What `a,b(c,d),e/f` asks for, by names; `*` stands for all. Raises InvalidQuery."""
    read, rest = _mask(fields.replace(" ", ""))
    if rest or not read:
        raise InvalidQuery("fields", fields)
    for name, within in read.items():
        file_names = set(within) if name == "files" else set()
        if name not in known | {"*"} or file_names - FILE_FIELDS - {"*"}:
            raise InvalidQuery("fields", fields)
    return read


def _mask(text: str) -> tuple[Mask, str]:
    read: Mask = {}
    while found := re.match(r"([A-Za-z0-9_*]+)", text):
        name, text = found[1], text[found.end() :]
        within: Mask = {}
        if text.startswith("("):
            within, text = _mask(text[1:])
            if not text.startswith(")"):
                return {}, text
            text = text[1:]
        elif text.startswith("/"):
            one = re.match(r"/([A-Za-z0-9_*/]+)(.*)", text)
            if one is None:
                return {}, text
            within, text = _mask(one[1])[0], one[2]
        read[name] = {**read.get(name, {}), **within}
        if not text.startswith(","):
            break
        text = text[1:]
    return read, text


def masked(document: Any, wanted: Mask) -> Any:
    """The parts of a document that are asked for."""
    if not wanted or "*" in wanted:
        return document
    if isinstance(document, list):
        return [masked(one, wanted) for one in document]
    if not isinstance(document, dict):
        return document
    return {
        name: masked(document[name], within) for name, within in wanted.items() if name in document
    }
