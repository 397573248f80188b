"""Requests that hold only for the version their caller has seen, or that must not count twice."""

import re

from shared.problems import Problem

_ENTITY_TAG = re.compile(r'"(0|[1-9][0-9]{0,17})"', re.ASCII)
_IDEMPOTENCY_KEY = re.compile(r"[ -~]{1,128}", re.ASCII)


def entity_tag(version: int) -> str:
    """Write a version as the value of an ETag header."""
    return f'"{version}"'


def version_of(if_match: str | None) -> int | None:
    """Read the version that an If-Match header asks for; None without one, and for `*`.

    One strong tag that `entity_tag` wrote is understood; anything else is a Problem 400.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _ENTITY_TAG.fullmatch(if_match.strip())
    if tag is None:
        raise Problem(400, "invalid-if-match", "If-Match must be one ETag that this API gave out.")
    return int(tag[1])


def checked_idempotency_key(value: str | None) -> str | None:
    """Give back the value of an Idempotency-Key header if it is one; Problem 400 if it is not."""
    if value is not None and not _IDEMPOTENCY_KEY.fullmatch(value):
        raise Problem(
            400, "invalid-idempotency-key", "Idempotency-Key must be 1 to 128 ASCII characters."
        )
    return value
