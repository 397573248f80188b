"""Reading what a WebDAV server says of its files: a multi-status reply (RFC 4918, 13)."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from replication.storage.interface import Found

LARGEST_BYTES = 64 * 1024 * 1024
"""A folder of some 100,000 files."""

PROPERTIES = b"""<?xml version="1.0" encoding="utf-8"?>
<d:propfind xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns"><d:prop>\
<d:resourcetype/><d:getcontentlength/><d:getetag/><oc:checksums/>\
</d:prop></d:propfind>"""
"""The body of a PROPFIND. Servers that know no checksums leave them out."""

_DAV = "{DAV:}"
_CHECKSUMS = "{http://owncloud.org/ns}checksums"
_SHA256 = re.compile(r"\bSHA256:([0-9a-f]{64})\b", re.IGNORECASE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*", re.IGNORECASE)
_NO_LIST = "the server's reply is no list of files: is the location WebDAV?"
_LENGTH = re.compile(r"[0-9]{1,18}")
_OK = re.compile(r"HTTP/\S+ 200\b")


class ReplyNotUnderstood(Exception):
    """It is no such reply, or too long; the message says what a person should do."""


@dataclass(frozen=True)
class Entry:
    """A file or a folder. `path` is decoded, in NFC, without a `/` at its end; a size that the
    server does not tell is -1.
    """

    path: str
    is_folder: bool
    found: Found


class _Builder(ET.TreeBuilder):
    """Makes an entry of each response as it ends, and keeps nothing else of it."""

    def __init__(self, asked: str) -> None:
        super().__init__()
        self._asked = asked
        self.entries: list[Entry] = []

    def doctype(self, name: str, pubid: str, system: str) -> NoReturn:
        """Nobody who means well declares entities here."""
        raise ReplyNotUnderstood("the server's reply has a DOCTYPE: is the location WebDAV?")

    def end(self, tag: str) -> ET.Element:
        element = super().end(tag)
        if tag == f"{_DAV}response":
            self.entries.append(_entry(element, self._asked))
            element.clear()
        return element


def read_multistatus(pieces: Iterable[bytes], asked: str) -> list[Entry]:
    """Read a reply to a request for the path `asked`."""
    builder, size = _Builder(asked), 0
    parser = ET.XMLParser(target=builder)  # noqa: S314 - no entities, and a bound on the length
    try:
        for piece in pieces:
            size += len(piece)
            if size > LARGEST_BYTES:
                raise ReplyNotUnderstood("a folder has too many files: move some elsewhere")
            parser.feed(piece)
        root = parser.close()
    except (ET.ParseError, ValueError, LookupError):  # The latter two of an unknown encoding.
        raise ReplyNotUnderstood(_NO_LIST) from None
    if root.tag != f"{_DAV}multistatus":
        raise ReplyNotUnderstood(_NO_LIST)
    return builder.entries


def _entry(response: ET.Element, asked: str) -> Entry:
    path = _ORIGIN.sub("", (response.findtext(f"{_DAV}href") or "").strip(), count=1)
    if not path.startswith("/"):
        path = f"{asked}/{path}"
    properties = {
        given.tag: given
        for propstat in response.iterfind(f"{_DAV}propstat")
        if _OK.match(propstat.findtext(f"{_DAV}status", "").strip())
        for given in propstat.iterfind(f"{_DAV}prop/*")
    }
    kind = properties.get(f"{_DAV}resourcetype")
    checksum = _SHA256.search(_text(properties.get(_CHECKSUMS)))
    length = _text(properties.get(f"{_DAV}getcontentlength"))
    etag = _text(properties.get(f"{_DAV}getetag"))
    return Entry(
        path=unicodedata.normalize("NFC", unquote(path)).rstrip("/"),
        is_folder=kind is not None and kind.find(f"{_DAV}collection") is not None,
        found=Found(
            size=int(length) if _LENGTH.fullmatch(length) else -1,
            sha256=checksum[1].lower() if checksum else None,
            etag=_strong(etag),
        ),
    )


def _strong(etag: str) -> str | None:
    """An ETag that a condition may name; some servers forget its quotes here."""
    if etag.startswith("W/") or not etag.strip('"'):
        return None
    return etag if etag.startswith('"') else f'"{etag}"'


def _text(element: ET.Element | None) -> str:
    return "" if element is None else " ".join(element.itertext()).strip()
