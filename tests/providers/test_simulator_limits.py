"""The limits of storage providers, on a clock that tests turn."""

import pytest
from pydantic import ValidationError

from local.providers.limiter import Call, Decision, Limiter
from local.providers.profiles import BOX, GRAPH, PROFILES, S3, WEBDAV, Limit, adjusted


class Turned:
    """A limiter and the clock that it reads."""

    def __init__(self, *limits: Limit, profile=WEBDAV):
        self.now = 1000.0
        self.profile = profile.model_copy(update={"limits": limits}) if limits else profile
        self.limiter = Limiter(self.profile, lambda: self.now)

    def ask(self, kind="find", account="ann", **more) -> Decision:
        return self.limiter.charge(Call(kind, account, **more))

    def refused_by(self, kind="find", account="ann", **more) -> str | None:
        refusal = self.ask(kind, account, **more).refusal
        return refusal.scope if refusal else None


@pytest.mark.parametrize("shape", ["window", "bucket"])
def test_rule_a_throttled_requests_count_against_the_quota(shape):
    turned = Turned(Limit(scope="account", units=1, seconds=10, shape=shape))

    assert turned.refused_by() is None
    turned.now += 5
    assert turned.refused_by() == "account"
    turned.now += 6  # Without the second request, a third could go now.
    assert turned.refused_by() == "account"
    turned.now += 20
    assert turned.refused_by() is None


@pytest.mark.parametrize("shape", ["window", "bucket"])
@pytest.mark.parametrize(("late", "scope"), [(-0.001, "account"), (0.001, None)])
def test_a_request_is_taken_after_the_seconds_that_were_told_and_not_before(shape, late, scope):
    limit = Limit(scope="account", units=5, seconds=10, shape=shape, weights={"upload": 2})
    turned = Turned(limit)
    while turned.refused_by() is None:
        turned.now += 0.5

    turned.now += turned.ask("upload").refusal.wait + late

    assert turned.refused_by("upload") == scope


def test_rule_b_of_several_scopes_the_first_to_trip_wins():
    turned = Turned(
        Limit(scope="account", units=3, seconds=60),
        Limit(scope="provider", units=4, seconds=60, per="all"),
    )

    assert [turned.refused_by() for _ in range(4)] == [None, None, None, "account"]
    assert turned.refused_by(account="bob") == "provider"
    assert turned.refused_by() == "account"


def test_rule_e_box_counts_uploads_apart():
    turned = Turned(profile=BOX)

    assert {turned.refused_by("upload") for _ in range(240)} == {None}
    assert turned.refused_by("upload") == "uploads"
    assert {turned.refused_by("find") for _ in range(1000)} == {None}
    assert turned.refused_by("find") == "account"
    assert turned.refused_by("upload", account="bob") is None
    turned.now += 61
    assert turned.refused_by("upload") is None


def test_rule_f_graph_weighs_requests():
    turned = Turned(profile=GRAPH)
    for kind in ("upload", "create_folder", "find") * 100:  # 600 units
        turned.now += 0.01
        assert turned.refused_by(kind) is None
    for _ in range(600):
        turned.now += 0.01
        assert turned.refused_by("read") is None

    assert turned.refused_by("read") == "provider"


def test_rule_f_graph_tells_what_is_left_from_80_percent_on():
    turned = Turned(profile=GRAPH)

    for _ in range(959):
        turned.now += 0.01
        assert turned.ask("read").headers == {}
    for left in (240, 239):
        turned.now += 0.01
        assert turned.ask("read").headers == {
            "RateLimit-Limit": "1200",
            "RateLimit-Remaining": str(left),
            "RateLimit-Reset": "60",
        }
    turned.now += 60
    assert turned.ask("read").headers == {}


def test_rule_f_graph_answers_a_spike_with_503():
    turned = Turned(profile=GRAPH)

    refusals = [turned.ask("read").refusal for _ in range(401)]

    assert refusals[:400] == [None] * 400
    assert (refusals[400].scope, refusals[400].reply.status) == ("spikes", 503)


def test_rule_f_graph_blocks_whoever_goes_on_and_on():
    turned = Turned(profile=GRAPH)
    for _ in range(1200):
        turned.now += 0.01
        turned.ask("read")

    scopes = [turned.refused_by("read") for _ in range(301)]

    assert scopes[:299] == ["provider"] * 299
    assert scopes[299:] == ["block"] * 2
    turned.now += 500  # The window has long been empty.
    assert turned.ask("read").refusal.wait == pytest.approx(100)
    assert turned.refused_by("read", account="bob") is None
    turned.now += 101
    assert turned.refused_by("read") is None


def test_s3_counts_by_prefix_and_reads_apart_from_writes():
    turned = Turned(profile=S3)

    assert {turned.refused_by("upload", prefix="bucket/a") for _ in range(3500)} == {None}
    assert turned.refused_by("upload", prefix="bucket/a") == "writes"
    assert turned.refused_by("upload", prefix="bucket/b") is None
    assert {turned.refused_by("read", prefix="bucket/a") for _ in range(5500)} == {None}
    assert turned.refused_by("read", prefix="bucket/a") == "reads"


def test_drive_counts_the_bytes_of_a_day():
    turned = Turned(profile=PROFILES["drive"])

    assert turned.refused_by("upload", size=700 * 10**9) is None
    assert turned.refused_by("upload", size=60 * 10**9) == "uploaded bytes"
    turned.now += 43_200
    assert turned.refused_by("upload", size=1) == "uploaded bytes"
    assert turned.refused_by("find") is None


def test_what_was_used_stays_used_when_a_provider_halves_its_quota():
    turned = Turned(Limit(scope="account", units=10, seconds=60))
    for _ in range(5):
        turned.ask()

    turned.limiter.adjust(adjusted(turned.profile, {"limits": [{"scope": "account", "units": 5}]}))

    assert turned.refused_by() == "account"


def test_replies_take_turns():
    turned = Turned(Limit(scope="server", units=1, seconds=60))
    turned.ask()

    forms = [turned.ask().refusal.reply.retry_after for _ in range(5)]

    assert forms == ["absent", "seconds", "absent", "date", "absent"]


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": [{"scope": "server", "units": 0}]},
        {"limits": [{"scope": "of nobody", "units": 5}]},
        {"latency": {"seconds": -1}},
        {"unheard": "of"},
    ],
)
def test_refuses_settings_that_make_no_sense(changes):
    with pytest.raises(ValidationError):
        adjusted(WEBDAV, changes)


def test_without_units_there_is_no_limit():
    turned = Turned(profile=adjusted(WEBDAV, {"limits": [{"scope": "server", "units": None}]}))

    assert {turned.refused_by() for _ in range(10_000)} == {None}
