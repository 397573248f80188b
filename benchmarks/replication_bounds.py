"""The time that a month's quotas force, whatever is asked for it.

Each is a lower bound: it takes each folder and each document for one request, a quota's bucket for
full in the beginning and again after a time in which nothing is served, and all requests for sent
in the moment in which they may be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

BUCKET_SECONDS = 2.0
"""For so long a provider's unused units are kept, as in local/providers/profiles.py."""

DEAREST = 2.0
"""Units of the dearest request, where nothing else is said."""


@dataclass(frozen=True)
class Need:
    """What a month costs in one quota: that of all customers, or of the one with most to do.

    `others` is how many units a second somebody else takes of it.
    """

    units: float
    rate: float
    of_all: bool
    others: float = 0.0
    each: float = 1.0
    """Units of a folder or a document."""

    dearest: float = DEAREST

    @property
    def bucket(self) -> float:
        return bucket(self.rate, self.dearest)

    @property
    def seconds(self) -> float:
        """Until it is served. What others take of the quota is not there for us, but for their
        last unit, which they may take too late.
        """
        units = max(self.units - self.bucket, 0.0)
        return max(units / self.rate, (units - self.each) / (self.rate - self.others))


def bucket(rate: float, dearest: float = DEAREST) -> float:
    """How many units a quota's bucket holds. With less than two of the dearest requests it could
    take one only now and then.
    """
    return max(rate * BUCKET_SECONDS, 2 * dearest)


def steady(needs: Iterable[Need]) -> float:
    return max(need.seconds for need in needs)


def interrupted(needs: Iterable[Need], seconds: float) -> float:
    """Where for so many seconds nothing is served; then the buckets are full again."""
    return max(
        need.seconds + max(seconds - need.bucket / need.rate, 0.0) if need.seconds else 0.0
        for need in needs
    )


def halved(needs: Iterable[Need], after: float) -> float:
    """Where each limit is half as high after so many seconds."""
    seconds = steady(needs)
    return min(seconds, after) + 2 * max(seconds - after, 0.0)


def until_tomorrow(needs: Iterable[Need], left: float, midnight: float) -> float:
    """Where a day's quota ends, and `left` is what cannot be served before midnight, so many
    seconds after the beginning. Whose requests are left nobody knows: so only the quota of all
    customers counts then.
    """
    rest = [replace(need, units=left * need.each).seconds for need in needs if need.of_all]
    return midnight + max(rest, default=0.0)


def of_scenario(
    scenario: str,
    needs: Mapping[str, list[Need]],
    *,
    storm_seconds: float = 0.0,
    days: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, float]:
    """By provider. `days` are those whose day ends: what is left then, and when the next begins."""
    half = max(steady(own) for own in needs.values()) / 2
    bounds = {}
    for provider, own in needs.items():
        if scenario == "storm":
            bounds[provider] = interrupted(own, storm_seconds)
        elif scenario == "halved":
            bounds[provider] = halved(own, half)
        elif days and provider in days:
            bounds[provider] = until_tomorrow(own, *days[provider])
        else:
            bounds[provider] = steady(own)
    return bounds
