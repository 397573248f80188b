"""Which names OneDrive and SharePoint take, as "Restrictions and limitations in OneDrive and
SharePoint" lists them.
"""

import re

from local.providers.graph_errors import invalid

_PATH_MAXIMUM = 400
_FORBIDDEN = frozenset('"*:<>?/\\|')
_RESERVED = re.compile(r"\.lock|CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9]|desktop\.ini", re.IGNORECASE)


def check_name(name: str, *, personal: bool) -> None:
    """Raises Refused for a name that no file or folder may have."""
    if not name or name in (".", "..") or _FORBIDDEN & set(name) or any(c < " " for c in name):
        raise invalid("The provided name cannot contain any of the characters that are reserved.")
    if name != name.strip(" ") or (name.endswith(".") and not personal):
        raise invalid("The provided name begins or ends with a character that is not allowed.")
    if _RESERVED.fullmatch(name) or "_vti_" in name.lower() or name.startswith("~$"):
        raise invalid("The provided name is reserved.")


def check_path(path: str) -> None:
    """Raises Refused for the path of a file, with all its folders, that is too long."""
    if len(path) > _PATH_MAXIMUM:
        raise invalid("The path is too long.", "pathIsTooLong")


def renamed(name: str, number: int) -> str:
    """Another name for a file or folder whose own is taken."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem} {number}.{suffix}" if dot and stem else f"{name} {number}"
