"""Names that a provider does not take, written otherwise and so that they can be read back.

A character that cannot be in a name becomes one that looks alike: `?` is written `？`, a space at
the end `␠`. A name that has such a character itself gets a `‛` in front of it. A reserved name has
its first character written otherwise. So two names never become one, and whoever reads a folder
finds the names that were meant.
"""

import re
from dataclasses import dataclass

QUOTE = "‛"
_CONTROLS = {chr(code): chr(0x2400 + code) for code in range(0x20)}
_WIDE = {chr(code): chr(0xFF00 + code - 0x20) for code in range(0x21, 0x7F)}
_ALIKE = _CONTROLS | _WIDE | {" ": "␠", "\x7f": "␡"}
_PLAIN = {alike: plain for plain, alike in _ALIKE.items()}

CONTROLS = "".join(_CONTROLS) + "\x7f"


@dataclass(frozen=True)
class Names:
    """What one provider does not take: characters anywhere, at the beginning, at the end, before
    something (`inside` matches one character), and whole names.
    """

    nowhere: str = ""
    not_first: str = ""
    not_last: str = ""
    inside: re.Pattern[str] | None = None
    reserved: re.Pattern[str] | None = None

    def written(self, name: str) -> str:
        """A name as the provider has it."""
        last = len(name) - 1
        written = "".join(
            self._character(character, is_first=position == 0, is_last=position == last)
            for position, character in enumerate(name)
        )
        if self.inside is not None:
            written = self.inside.sub(lambda found: _ALIKE[found[0]], written)
        if self.reserved is not None and self.reserved.fullmatch(written):
            return _ALIKE[written[0]] + written[1:]
        return written

    def _character(self, character: str, *, is_first: bool, is_last: bool) -> str:
        if (
            character in self.nowhere
            or (is_first and character in self.not_first)
            or (is_last and character in self.not_last)
        ):
            return _ALIKE[character]
        return QUOTE + character if character in _PLAIN or character == QUOTE else character

    def read(self, written: str) -> str | None:
        """The name that a provider's name stands for; None where nobody of us writes it so: it is
        somebody else's, and in the way of nothing.
        """
        name = meant(written)
        return name if self.written(name) == written else None

    def path_written(self, path: str) -> str:
        return "/".join(map(self.written, path.split("/")))


def meant(written: str) -> str:
    """The name that a provider's name stands for."""
    return re.sub(
        f"{QUOTE}(.)|(.)",
        lambda found: found[1] or _PLAIN.get(found[2], found[2]),
        written,
        flags=re.DOTALL,
    )


def illegal(path: str, names: Names, longest: int) -> str | None:
    """Why a path cannot be, however its names are written, in words that go on from it; None if it
    can. `longest` is how many characters a name may have.
    """
    for name in path.split("/"):
        if not name:
            return "has a part that is empty"
        if any("\ud800" <= character <= "\udfff" for character in name):
            return "has a character that is none"
        if len(names.written(name)) > longest:
            return f"has a part of more than {longest} characters"
    return None


DROPBOX = Names(
    nowhere="\\" + CONTROLS,
    not_last=" ",
    reserved=re.compile(
        r"\.{1,2}|desktop\.ini|thumbs\.db|\.ds_store|icon\r|\.dropbox|\.dropbox\.attr"
        r"|~\$.*|\.~.*|~.*\.tmp",
        re.IGNORECASE,
    ),
)
BOX = Names(nowhere="\\" + CONTROLS, not_first=" ", not_last=" ", reserved=re.compile(r"\.{1,2}"))
DRIVE = Names(nowhere="\x00", reserved=re.compile(r"\.{1,2}"))
GRAPH = Names(
    nowhere='"*:<>?\\|' + CONTROLS,
    not_first=" ~",
    not_last=" .",
    inside=re.compile("_(?=vti_)", re.IGNORECASE),
    reserved=re.compile(
        r"\.lock|con|prn|aux|nul|com[0-9]|lpt[0-9]|desktop\.ini|\.{1,2}", re.IGNORECASE
    ),
)
