"""The limits of each provider, from `limits.json`, and what somebody has set in their place.

What is set replaces a provider's scope of that name, or is added:
`{"webdav": [{"scope": "server", "rate": 5, "burst": 5, "published": true}]}`.
"""

from functools import cache
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from replication.rules.quota import Limit

LEVELS = frozenset({"account", "provider", "server"})
"""Scopes that every provider may be limited in, besides those that are documented."""

_DOCUMENTED = Path(__file__).with_name("limits.json")


class DocumentedLimit(Limit):
    """A limit and, in words, where it comes from."""

    source: str = Field(min_length=1)


_FILE = TypeAdapter(dict[str, tuple[DocumentedLimit, ...]])
_OVERRIDES = TypeAdapter(dict[str, tuple[Limit, ...]])


@cache
def documented() -> dict[str, tuple[DocumentedLimit, ...]]:
    """All limits that this project documents, by provider."""
    return _FILE.validate_json(_DOCUMENTED.read_text())


@cache
def limits_of(provider: str, overrides: str = "") -> tuple[Limit, ...]:
    """A provider's limits, with JSON text of what is set in place of documented ones.

    Raises ValueError for a provider that nobody knows, and for text that makes no sense.
    """
    known = documented()
    if provider not in known:
        raise ValueError(f"there are no limits of a storage provider {provider!r}")
    own = [Limit(**one.model_dump(exclude={"source"})) for one in known[provider]]
    replaced = _parsed(overrides).get(provider, ())
    scopes = {one.scope for one in replaced}
    return tuple([one for one in own if one.scope not in scopes] + list(replaced))


@cache
def _parsed(overrides: str) -> dict[str, tuple[Limit, ...]]:
    """All of the text is looked at, whichever provider is asked for."""
    if not overrides.strip():
        return {}
    try:
        parsed = _OVERRIDES.validate_json(overrides)
    except ValidationError as error:
        raise ValueError(f"ProviderLimits: {_first(error)}") from None
    for provider, limits in parsed.items():
        if provider not in documented():
            names = ", ".join(sorted(documented()))
            raise ValueError(f"ProviderLimits: {provider!r} is none of the providers {names}")
        _check_scopes(provider, limits)
    return parsed


def _check_scopes(provider: str, limits: tuple[Limit, ...]) -> None:
    scopes = [one.scope for one in limits]
    if len(scopes) != len(set(scopes)):
        raise ValueError(f"ProviderLimits: {provider!r} has two limits of one scope")
    known = LEVELS | {one.scope for one in documented()[provider]}
    if unknown := sorted(set(scopes) - known):
        raise ValueError(
            f"ProviderLimits: {provider!r} has no scope {unknown[0]!r}, only "
            + ", ".join(sorted(known))
        )


def _first(error: ValidationError) -> str:
    """Where the first thing is that is wrong, and what."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
