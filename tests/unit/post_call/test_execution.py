"""Ids of calls and names of executions."""

import re

import pytest

from post_call.execution import call_id_of, execution_name

ETAG = "8ea993ce39703fd28628ec97af5a9eb2"


@pytest.mark.parametrize("name", ["fetch_recording", "quarantine_recording", "record_failure"])
def test_the_events_have_the_id_of_their_recording(event_of, name):
    event = event_of(f"post_call.{name}")
    recording = event["recording"]

    assert event["call_id"] == call_id_of(recording["bucket"], recording["key"], recording["etag"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("b", "a/b.wav", ETAG), ("b", "a-b.wav", ETAG)),
        (("b", "a", ETAG), ("ba", "", ETAG)),
        (("b", 'a", "c', ETAG), ("b", "a", f'c", "{ETAG}')),
        (("b", "a.wav", ETAG), ("b", "A.wav", ETAG)),
        (("b", "é", ETAG), ("b", "e\u0301", ETAG)),
    ],
)
def test_what_differs_has_another_id(one, other):
    assert call_id_of(*one) != call_id_of(*other)


def test_an_etag_is_the_same_with_and_without_quotes():
    assert call_id_of("b", "k", f'"{ETAG}"') == call_id_of("b", "k", ETAG)


@pytest.mark.parametrize("attempt", [1, 2, 9_999])
def test_every_attempt_has_a_name_that_step_functions_takes(attempt):
    name = execution_name(call_id_of("b", "k", ETAG), attempt)

    assert re.fullmatch(r"[0-9A-Za-z_-]{1,80}", name)


def test_attempts_have_different_names():
    call_id = call_id_of("b", "k", ETAG)

    assert len({execution_name(call_id, attempt) for attempt in range(1, 30)}) == 29
