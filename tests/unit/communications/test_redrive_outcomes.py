"""What came of a batch, in counts and in words that name nobody."""

import pytest

from communications.rules.communication import Entry
from communications.rules.redrive_outcomes import (
    added,
    is_healed,
    is_settled,
    is_unconfirmed,
    report_of,
    text_of,
)

from .factories import (
    RECIPIENT,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_sms,
    any_unknown,
)

RUN = "run-1"
SENT_SMS = {"state": "SENT", "sent": 1, "attempts": 1}


def retry(communication_id, result="queued", error=None):
    made = {"communication_id": communication_id, "result": result}
    return made if error is None else made | {"error": error}


def redriven(made, communication_id="a", **changed):
    """A communication that this run has redriven."""
    return made(**{"communication_id": communication_id, "redrive_run": RUN} | changed)


def told(*events, attempt=1):
    return [Entry(at="any", by="provider", event=event, attempt=attempt) for event in events]


# --- counting


@pytest.mark.parametrize("answer", ["queued", "skipped", "not_reached"])
@pytest.mark.parametrize(
    ("communication", "result"),
    [
        (redriven(any_sent), "sent"),
        (redriven(any_failed), "failed"),
        (redriven(any_unknown), "unknown"),
        (redriven(any_communication, state="DISCARDED"), "skipped"),
        (redriven(any_communication), "waiting"),
        (redriven(any_sending), "waiting"),
        (redriven(any_failed, state="DEAD_LETTER"), "waiting"),
    ],
    ids=lambda value: getattr(value, "state", value),
)
def test_counts_what_the_run_redrove_by_its_state_whatever_the_api_answered(
    communication, result, answer
):
    report = report_of([retry("a", answer, "any-answer")], [communication], RUN)

    assert report["counts"] == {result: 1}
    assert report["causes"] == ({communication.error: 1} if communication.error else {})


@pytest.mark.parametrize("run", [None, "run-2"])
@pytest.mark.parametrize("made", [any_sent, any_failed, any_unknown, any_communication])
@pytest.mark.parametrize(
    ("answer", "result"),
    [("queued", "skipped"), ("skipped", "skipped"), ("not_reached", "not_reached")],
)
def test_what_the_run_did_not_redrive_counts_by_the_answer(made, run, answer, result):
    communication = made(communication_id="a", redrive_run=run)

    report = report_of([retry("a", answer, "any-answer")], [communication], RUN)

    assert report["counts"] == {result: 1}
    assert report["causes"] == {"any-answer": 1}


def test_counts_results_and_causes():
    retries = [
        retry("a"),
        retry("b"),
        retry("c"),
        retry("d", "skipped", "stale-version"),
        retry("e", "not_reached", "TransientError"),
        retry("f"),
    ]
    now = [
        redriven(any_sent, "a", history=told("delivered")),
        redriven(any_failed, "b"),
        redriven(any_communication, "c"),
    ]

    assert report_of(retries, now, RUN) == {
        "total": 6,
        "counts": {"sent": 1, "failed": 1, "waiting": 1, "skipped": 2, "not_reached": 1},
        "causes": {"ServiceUnavailable": 1, "stale-version": 1, "TransientError": 1},
        "unconfirmed": 0,
    }


def test_keeps_the_ten_commonest_causes():
    retries = [
        retry(f"{number}-{copy}", "skipped", f"cause-{number}")
        for number in range(12)
        for copy in range(number + 1)
    ]

    causes = report_of(retries, [], RUN)["causes"]

    assert list(causes) == [f"cause-{number}" for number in range(11, 1, -1)]


# --- what is confirmed


@pytest.mark.parametrize("event", ["delivered", "complained", "resolved"])
def test_an_e_mail_is_confirmed_by_who_knows_that_it_arrived(event):
    assert not is_unconfirmed(any_sent(attempts=2, history=told(event, attempt=2)))


@pytest.mark.parametrize("event", ["sent", "accepted", "delayed"])
def test_that_an_e_mail_is_on_its_way_confirms_nothing(event):
    assert is_unconfirmed(any_sent(attempts=2, history=told(event, attempt=2)))


def test_what_an_earlier_attempt_was_told_confirms_nothing_of_the_last():
    assert is_unconfirmed(any_sent(attempts=2, history=told("delivered", attempt=1)))


@pytest.mark.parametrize("made", [any_failed, any_unknown, any_communication, any_sending])
def test_only_what_was_sent_waits_for_a_confirmation(made):
    assert not is_unconfirmed(made())


def test_of_an_sms_nobody_tells_anything_more():
    assert not is_unconfirmed(any_sms(**SENT_SMS))


# --- a whole batch


@pytest.mark.parametrize(
    ("communication", "settled"),
    [
        (redriven(any_sent, history=told("delivered")), True),
        (redriven(any_sent), False),
        (redriven(any_sms, **SENT_SMS), True),
        (redriven(any_failed), True),
        (redriven(any_unknown), True),
        (redriven(any_communication), False),
        (redriven(any_sending), False),
        (any_sent(communication_id="a"), True),
        (any_communication(communication_id="a"), True),
    ],
)
def test_a_batch_is_settled_when_none_of_it_waits_or_may_still_come_back(communication, settled):
    assert is_settled(report_of([retry("a")], [communication], RUN)) is settled


def test_counts_what_is_sent_and_unconfirmed():
    now = [
        redriven(any_sent, "a"),
        redriven(any_sent, "b"),
        redriven(any_sent, "c", history=told("delivered")),
    ]

    report = report_of([retry("a"), retry("b"), retry("c")], now, RUN)

    assert (report["counts"], report["unconfirmed"]) == ({"sent": 3}, 2)


def test_a_batch_is_healed_when_all_of_it_was_sent():
    sent = report_of([retry("a")], [redriven(any_sent)], RUN)
    mixed = report_of([retry("a"), retry("b", "skipped", "any")], [redriven(any_sent)], RUN)

    assert (is_healed(sent), is_healed(mixed)) == (True, False)


def test_says_it_in_words_that_name_nobody():
    retries = [
        retry("a"),
        retry("b"),
        retry("c", "skipped", "stale-version"),
        retry("d", "not_reached", "TransientError"),
    ]
    now = [redriven(any_sent, "a"), redriven(any_failed, "b")]

    text = text_of(report_of(retries, now, RUN), "Redrive run-1, batch 2")

    assert text.splitlines() == [
        "Redrive run-1, batch 2: 4 communications.",
        "  1 sent",
        "  1 failed again",
        "  1 skipped, for they have changed meanwhile or may not be redriven",
        "  1 not redriven, for the API did not take them",
        "Causes:",
        "  ServiceUnavailable: 1",
        "  stale-version: 1",
        "  TransientError: 1",
    ]
    assert RECIPIENT not in text


def test_a_batch_without_causes_speaks_of_none():
    text = text_of(report_of([retry("a")], [redriven(any_sent)], RUN), "Any")

    assert text == "Any: 1 communications.\n  1 sent"


def test_adds_reports_up():
    one = {"total": 2, "counts": {"sent": 1, "failed": 1}, "causes": {"Bounced": 1}}
    other = {"total": 3, "counts": {"failed": 3}, "causes": {"Bounced": 2, "Any": 1}}

    assert added([one | {"unconfirmed": 1}, other | {"unconfirmed": 2}]) == {
        "total": 5,
        "counts": {"sent": 1, "failed": 4},
        "causes": {"Bounced": 3, "Any": 1},
        "unconfirmed": 3,
    }
    assert added([]) == {"total": 0, "counts": {}, "causes": {}, "unconfirmed": 0}
