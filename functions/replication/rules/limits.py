"""What storage providers allow: `limits.json`, whose `format` explains every key.

Whoever knows the limits of a server replaces scopes of that list by the parameter ProviderLimits,
such as {"webdav": [{"scope": "server", "rate": 5, "burst": 5, "published": true}]}.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from replication.storage.interface import Operation

OF_PUBLISHED, OF_GUESSED = 0.97, 0.9


class Limit(BaseModel):
    """One scope of a provider's limits; rates are units per second."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Literal["provider", "server", "account"]
    rate: float = Field(gt=0)
    burst: float = Field(ge=1)
    published: bool
    costs: Mapping[Operation, float] = {}
    one_writer: bool = False
    source: str = ""

    @property
    def ceiling(self) -> float:
        """The rate that is never gone beyond."""
        return self.rate * (OF_PUBLISHED if self.published else OF_GUESSED)

    def cost(self, operation: Operation) -> float:
        """Units of one request."""
        return self.costs.get(operation, 1.0)


_LIMITS = TypeAdapter(dict[str, tuple[Limit, ...]])


@cache
def limits_of(provider: str, overrides: str = "") -> tuple[Limit, ...]:
    """The scopes of a provider; `overrides` is JSON text as above, or nothing.

    Raises LookupError for a provider that nobody knows, ValueError where the overrides are wrong.
    """
    known = _documented()
    if provider not in known:
        raise LookupError(f"there is no provider {provider!r}; there are {', '.join(known)}")
    changed = _changed(overrides)
    if unknown := set(changed) - set(known):
        raise ValueError(f"ProviderLimits names unknown providers: {', '.join(sorted(unknown))}")
    scopes = {limit.scope: limit for limit in (*known[provider], *changed.get(provider, ()))}
    return tuple(scopes.values())


@cache
def _documented() -> dict[str, tuple[Limit, ...]]:
    document = json.loads(Path(__file__).with_suffix(".json").read_text())
    del document["format"]
    return _LIMITS.validate_python(document)


def _changed(overrides: str) -> dict[str, tuple[Limit, ...]]:
    if not overrides:
        return {}
    try:
        return _LIMITS.validate_json(overrides)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"ProviderLimits is wrong at {where or 'its top'}: {first['msg']}"
        ) from error
