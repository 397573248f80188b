"""What a team may say of a queue, and what the queue promises then."""

import pytest
from pydantic import ValidationError

from tickets.rules.business_hours import Calendar
from tickets.rules.queue import DAY, GENERAL, LONGEST, Manager, Queue, Targets, Tier

from .factories import any_queue, any_targets, any_tier

PRIORITIES = ("urgent", "high", "normal", "low")


@pytest.mark.parametrize(
    ("kind", "seconds"), [("first_response", 60), ("update", 120), ("solution", 180)]
)
def test_targets_are_found_by_the_clock_that_they_are_for(kind, seconds):
    assert Targets(first_response=60, update=120, solution=180).seconds(kind) == seconds


def test_news_need_not_be_promised():
    assert Targets(first_response=60, solution=180).seconds("update") is None


@pytest.mark.parametrize("missing", PRIORITIES)
def test_a_tier_names_the_priority_that_it_has_no_targets_for(missing):
    targets = {name: any_targets() for name in PRIORITIES if name != missing}

    with pytest.raises(ValidationError, match=f"targets are missing for {missing}"):
        Tier(targets=targets)


def test_a_tier_knows_no_other_priority():
    with pytest.raises(ValidationError):
        Tier(targets={name: any_targets() for name in (*PRIORITIES, "very_high")})


def test_a_queue_promises_what_its_tiers_say_by_priority():
    first, second = any_tier(solution=1000), any_tier(solution=2000)
    queue = any_queue(tiers=(first, second))

    assert queue.targets(1, "normal").solution == 1000
    assert queue.targets(1, "urgent").solution == 500
    assert queue.targets(2, "normal").solution == 2000


def test_a_tier_that_was_taken_away_promises_what_the_top_one_does():
    queue = any_queue(tiers=(any_tier(solution=1000), any_tier(solution=2000)))

    assert queue.targets(3, "low").solution == 2000


@pytest.mark.parametrize(
    "way", [{"email": "a@example.com"}, {"phone": "+12025550101"}], ids=["email", "phone"]
)
def test_one_way_to_a_manager_is_enough(way):
    assert Manager(**way)


def test_a_manager_whom_nothing_reaches_is_refused():
    with pytest.raises(ValidationError, match="needs an email or a phone"):
        Manager()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Parcels"},
        {"name": ""},
        {"name": "9parcels"},
        {"name": "p" * 41},
        {"tiers": ()},
        {"tiers": (any_tier(),) * 10},
        {"warn_percent": 0},
        {"warn_percent": 100},
        {"return_seconds": 0},
        {"pending_seconds": LONGEST + 1},
        {"reopen_seconds": 0},
        {"required_skills": ("Two words",)},
        {"required_skills": ("spanish",) * 21},
        {"follow_up_reasons": ("Complaint",)},
        {"managers": ({"email": "nobody"},)},
        {"managers": ({"phone": "0123"},)},
        {"managers": ({"phone": "+0123456789"},)},
        {"something": "else"},
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(ValidationError):
        any_queue(**wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"name": "a"},
        {"name": "parcels-2_x"},
        {"warn_percent": 1},
        {"warn_percent": 99},
        {"return_seconds": 1},
        {"pending_seconds": LONGEST},
        {"tiers": (any_tier(),) * 9},
    ],
    ids=str,
)
def test_settings_may_go_to_their_bounds(right):
    assert any_queue(**right)


ONE_MINUTE_A_WEEK = Calendar(hours={"monday": (("09:00", "09:01"),)})


@pytest.mark.parametrize(
    "promise",
    [
        {"tiers": (any_tier(solution=DAY),)},
        {"tiers": (any_tier(), any_tier(update=DAY))},
        {"return_seconds": DAY},
    ],
    ids=str,
)
def test_what_the_opening_hours_do_not_reach_within_years_cannot_be_promised(promise):
    short = {"tiers": (any_tier(first_response=60, update=60, solution=60),), "return_seconds": 60}
    assert any_queue(**short, calendar=ONE_MINUTE_A_WEEK)

    with pytest.raises(ValidationError, match="not open for so long"):
        any_queue(**short | promise, calendar=ONE_MINUTE_A_WEEK)


def test_a_refusal_does_not_quote_what_was_said():
    with pytest.raises(ValidationError) as raised:
        any_queue(managers=({"email": "peter miller"},))

    assert "miller" not in str(raised.value)


def test_a_queue_that_says_little_is_always_open_and_needs_no_skills():
    queue = Queue(name="any", tiers=(any_tier(),))

    assert queue.required_skills == queue.managers == queue.follow_up_reasons == ()
    assert len(queue.calendar.hours) == len(queue.on_call.hours) == 7
    assert (queue.warn_percent, queue.return_seconds) == (80, 900)
    assert (queue.pending_seconds, queue.reopen_seconds) == (7 * DAY, 14 * DAY)


def test_a_queue_comes_back_from_json_as_it_was():
    assert Queue.model_validate(GENERAL.model_dump(mode="json")) == GENERAL


@pytest.mark.parametrize("kind", ["first_response", "update", "solution"])
def test_the_general_queue_promises_more_the_more_urgent_a_ticket_is(kind):
    promised = [GENERAL.targets(1, priority).seconds(kind) for priority in PRIORITIES]

    assert promised == sorted(set(promised))


@pytest.mark.parametrize("priority", PRIORITIES)
def test_the_general_queue_promises_a_first_response_before_a_solution(priority):
    targets = GENERAL.targets(1, priority)

    assert targets.first_response <= targets.update <= targets.solution
