"""What came of a batch, in counts and in words that name nobody."""

import pytest

from communications.rules.redrive_outcomes import (
    added,
    is_healed,
    is_settled,
    report_of,
    result_of,
    text_of,
)

from .factories import (
    RECIPIENT,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_unknown,
)

RUN = "run-1"


def retry(communication_id, result="queued", error=None):
    made = {"communication_id": communication_id, "result": result}
    return made if error is None else made | {"error": error}


@pytest.mark.parametrize(
    ("communication", "result"),
    [
        (any_sent(), "sent"),
        (any_failed(), "failed"),
        (any_unknown(), "unknown"),
        (any_communication(state="DISCARDED"), "skipped"),
        (any_communication(redrive_run=RUN), "waiting"),
        (any_sending(redrive_run=RUN), "waiting"),
        (any_failed(state="DEAD_LETTER", redrive_run=RUN), "waiting"),
        (any_communication(redrive_run="run-2"), "skipped"),
        (any_communication(), "skipped"),
    ],
)
def test_each_state_is_a_result(communication, result):
    assert result_of(communication, RUN) == result


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
        any_sent(communication_id="a"),
        any_failed(communication_id="b"),
        any_communication(communication_id="c", redrive_run=RUN),
    ]

    report = report_of(retries, now, RUN)

    assert report["total"] == 6
    assert report["counts"] == {
        "sent": 1,
        "failed": 1,
        "waiting": 1,
        "skipped": 2,
        "not_reached": 1,
    }
    assert report["causes"] == {"ServiceUnavailable": 1, "stale-version": 1, "TransientError": 1}


def test_keeps_the_ten_commonest_causes():
    retries = [
        retry(f"{number}-{copy}", "skipped", f"cause-{number}")
        for number in range(12)
        for copy in range(number + 1)
    ]

    causes = report_of(retries, [], RUN)["causes"]

    assert list(causes) == [f"cause-{number}" for number in range(11, 1, -1)]


def test_a_batch_is_settled_when_none_of_it_waits():
    waiting = report_of(
        [retry("a")], [any_communication(communication_id="a", redrive_run=RUN)], RUN
    )
    failed = report_of([retry("a")], [any_failed(communication_id="a")], RUN)

    assert (is_settled(waiting), is_settled(failed)) == (False, True)


def test_a_batch_is_healed_when_all_of_it_was_sent():
    sent = report_of([retry("a")], [any_sent(communication_id="a")], RUN)
    mixed = report_of([retry("a"), retry("b", "skipped", "any")], [any_sent()], RUN)

    assert (is_healed(sent), is_healed(mixed)) == (True, False)


def test_says_it_in_words_that_name_nobody():
    retries = [retry("a"), retry("b"), retry("c", "skipped", "stale-version")]
    now = [any_sent(communication_id="a"), any_failed(communication_id="b")]

    text = text_of(report_of(retries, now, RUN), RUN, 2)

    assert text.splitlines() == [
        "Redrive run-1, batch 2: 3 communications.",
        "  1 sent",
        "  1 failed again",
        "  1 skipped, for somebody else is at them or they may not be redriven",
        "Causes:",
        "  ServiceUnavailable: 1",
        "  stale-version: 1",
    ]
    assert RECIPIENT not in text


def test_a_batch_without_causes_speaks_of_none():
    text = text_of(report_of([retry("a")], [any_sent(communication_id="a")], RUN), RUN, 1)

    assert "Causes" not in text


def test_adds_reports_up():
    one = {"total": 2, "counts": {"sent": 1, "failed": 1}, "causes": {"Bounced": 1}}
    other = {"total": 3, "counts": {"failed": 3}, "causes": {"Bounced": 2, "Any": 1}}

    assert added([one, other]) == {
        "total": 5,
        "counts": {"sent": 1, "failed": 4},
        "causes": {"Bounced": 3, "Any": 1},
    }
    assert added([]) == {"total": 0, "counts": {}, "causes": {}}
