"""Lists that are read page by page.

A cursor says where the next page begins. It is opaque but not secret, and anybody can write one: a
route takes from it only where to go on, never what the caller may see.
"""

import base64
import json
from collections.abc import Mapping
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import BaseModel, Field

from shared.problems import Problem

LONGEST_CURSOR = 2048

Limit = Annotated[int, Query(ge=1, le=100, description="How many items a page has at most")]
"""For a route's parameter: `limit: Limit = DEFAULT_LIMIT`."""

DEFAULT_LIMIT = 20

Cursor = Annotated[str | None, Query(description="`next` of the page before")]
"""For a route's parameter: `cursor: Cursor = None`."""


class Page[Item](BaseModel):
    """Some items of a list, and where the next ones are."""

    items: list[Item]
    next: str | None = Field(default=None, description="The next page's `cursor`; null on the last")


def encode_cursor(position: Mapping[str, str]) -> str:
    """Write a position, such as the key of the last item, as a cursor."""
    text = json.dumps(dict(position), separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, keys: set[str]) -> dict[str, str]:
    """Read a cursor that has just these keys; Problem 400 for anything else."""
    position = _position_in(cursor) if len(cursor) <= LONGEST_CURSOR else None
    if not isinstance(position, dict) or set(position) != keys:
        raise _invalid()
    if not all(isinstance(value, str) and _is_text(value) for value in position.values()):
        raise _invalid()
    return position


def _position_in(cursor: str) -> Any:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (RecursionError, ValueError):
        return None


def _is_text(value: str) -> bool:
    """JSON can hold halves of characters, which no store takes."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _invalid() -> Problem:
    return Problem(400, "invalid-cursor", "The cursor is none that this list gave out.")
