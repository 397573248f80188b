"""From state to state: what may follow what, and what always holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.rules.email_events import EmailEvent, has_arrived, with_event
from communications.rules.lifecycle import (
    LEASE,
    LONGEST_DELAY_SECONDS,
    MOST_LOST_MESSAGES,
    MOST_THROTTLES,
    Limits,
    NotPossible,
    abandoned,
    after_send,
    claimed,
    delay_seconds,
    discarded,
    queued_again,
    read,
    redriven,
    resolved,
    retried,
)
from communications.rules.send_outcomes import Accepted, Failed, ReplyLost, Throttled, TryAgain
from shared.times import format_time
from tests.unit.template import template

from .factories import (
    LIMITS,
    NOW,
    RECIPIENT,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_unknown,
    later,
)

STATES = ("QUEUED", "SENDING", "SENT", "DEAD_LETTER", "FAILED", "UNKNOWN", "DISCARDED")


def any_in(state, **changed):
    made = {
        "SENDING": any_sending,
        "FAILED": any_failed,
        "UNKNOWN": any_unknown,
        "SENT": any_sent,
    }.get(state, any_communication)
    return made(**{"state": state} | changed)


def sent_with(outcome, *, jitter=1.0, limits=LIMITS, **changed):
    """What comes of one send that is under way."""
    return after_send(any_sending(**changed), 1, outcome, NOW, limits, jitter)


def events_of(communication):
    return [entry.event for entry in communication.history]


# --- reading a message


@pytest.mark.parametrize(
    ("communication", "reading"),
    [
        (any_communication(), "claim"),
        (any_communication(not_before=format_time(later(seconds=1))), "early"),
        (any_sending(), "taken"),
        (any_sending(claimed_by="this-message"), "lost"),
        (any_sending(due_at=format_time(later(seconds=-1))), "lost"),
        (any_sending(due_at=format_time(NOW)), "taken"),
        *((any_in(state), "settled") for state in STATES if state not in ("QUEUED", "SENDING")),
    ],
)
def test_a_message_means_what_the_state_still_asks_for(communication, reading):
    assert read(communication, "this-message", NOW) == reading


def test_a_claim_says_by_whom_how_often_and_until_when():
    claim = claimed(any_communication(attempts=2, version=7), "message-1", NOW)

    assert (claim.state, claim.claimed_by) == ("SENDING", "message-1")
    assert (claim.attempts, claim.version) == (3, 8)
    assert claim.due_at == "2026-03-02T09:17:34Z"


def test_a_claim_forgets_the_provider_s_id_of_the_attempt_before():
    again = any_communication(attempts=1, provider_message_id="provider-1")

    assert claimed(again, "message-2", NOW).provider_message_id is None


def test_a_claim_outlives_the_worker_that_made_it():
    worker = template().function_of("communications.on_communication_queued")
    own = template().resources[worker]["Properties"]

    timeout = (template().function_globals | own)["Timeout"]

    assert LEASE.total_seconds() == 90 > timeout


# --- after a send


def test_an_accepted_message_is_sent():
    after = sent_with(Accepted("provider-1"), tries=2, error="Before", error_class="transient")

    assert (after.state, after.sent, after.provider_message_id) == ("SENT", 1, "provider-1")
    assert (after.error, after.error_class, after.cause, after.failed_at) == (None,) * 4
    assert after.history[-1].event == "sent"
    assert after.history[-1].attempt == 1


def test_a_lost_reply_leaves_the_end_unknown():
    after = sent_with(ReplyLost("ReadTimeoutError", "any cause"))

    assert (after.state, after.sent) == ("UNKNOWN", 0)
    assert (after.error_class, after.error) == ("unknown", "ReadTimeoutError")
    assert after.failed_at == format_time(NOW)
    assert after.history[-1].event == "reply_lost"


def test_a_refusal_fails_at_once_however_many_tries_are_left():
    after = sent_with(Failed("MessageRejected", "any cause"))

    assert (after.state, after.error_class) == ("FAILED", "permanent")
    assert (after.error, after.cause) == ("MessageRejected", "any cause")


def test_what_may_be_tried_again_waits_its_delay():
    after = sent_with(TryAgain("ServiceUnavailable", "any cause"))

    assert (after.state, after.tries, after.claimed_by) == ("QUEUED", 1, None)
    assert after.not_before == format_time(later(seconds=30))
    assert after.due_at == format_time(later(seconds=30, minutes=15))
    assert events_of(after)[-1] == "failed"


def test_a_throttle_uses_up_no_try():
    after = sent_with(Throttled("Throttling", "any cause"), tries=2, throttles=1)

    assert (after.state, after.tries, after.throttles) == ("QUEUED", 2, 2)
    assert after.not_before == format_time(later(seconds=60))


def test_another_failure_ends_a_row_of_throttles():
    after = sent_with(TryAgain("ServiceUnavailable", "any cause"), throttles=MOST_THROTTLES - 1)

    assert (after.state, after.tries, after.throttles) == ("QUEUED", 1, 0)


def test_throttles_in_a_row_leave_one_entry():
    first = sent_with(Throttled("Throttling", "any cause"))
    second = after_send(
        claimed(first, "message-2", NOW), 2, Throttled("Throttling", ""), NOW, LIMITS, 1.0
    )

    assert events_of(second).count("throttled") == 1


def test_a_message_that_is_throttled_for_ever_is_given_up():
    after = sent_with(Throttled("Throttling", "any cause"), throttles=MOST_THROTTLES - 1)

    assert (after.state, after.error_class) == ("DEAD_LETTER", "throttled")


def test_the_last_try_makes_a_dead_letter_that_rests():
    after = sent_with(TryAgain("ServiceUnavailable", "any cause"), tries=2)

    assert (after.state, after.error_class) == ("DEAD_LETTER", "transient")
    assert after.due_at == format_time(later(hours=1))
    assert after.version == 3
    assert events_of(after)[-2:] == ["failed", "dead_lettered"]


def test_without_dead_letters_left_the_last_try_fails():
    after = sent_with(TryAgain("ServiceUnavailable", "any"), tries=2, dead_letters_left=0)

    assert (after.state, after.error_class) == ("FAILED", "transient")


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_a_dead_letter_comes_back_as_often_as_is_allowed_and_then_fails(allowed):
    limits = Limits(tries=2, base_seconds=1, dead_letter_seconds=60)
    communication = any_communication(dead_letters_left=allowed)
    moment, sends, letters = NOW, 0, 0

    while communication.state != "FAILED":
        moment += LEASE
        if communication.state == "DEAD_LETTER":
            letters += 1
            communication = queued_again(communication, moment)
            assert communication.tries == 0
        communication = claimed(communication, f"message-{sends}", moment)
        sends += 1
        communication = after_send(
            communication, sends, TryAgain("Any", "any"), moment, limits, 0.5
        )

    assert (letters, sends) == (allowed, 2 * (allowed + 1))


@pytest.mark.parametrize("state", [s for s in STATES if s not in ("SENDING", "UNKNOWN")])
def test_a_late_reply_changes_nothing_of_what_went_on_without_it(state):
    record = any_in(state, attempts=1)

    assert after_send(record, 1, Accepted("provider-1"), NOW, LIMITS, 0.5) is None


def test_a_reply_of_an_earlier_attempt_changes_nothing():
    assert after_send(any_sending(attempts=2), 1, Accepted("any"), NOW, LIMITS, 0.5) is None


def test_a_worker_that_was_given_up_may_still_tell_what_came_of_it():
    lost = abandoned(any_sending(), NOW)

    after = after_send(lost, 1, Accepted("provider-1"), NOW, LIMITS, 0.5)

    assert (after.state, after.sent, after.error) == ("SENT", 1, None)


def test_a_worker_that_is_gone_leaves_the_end_unknown():
    after = abandoned(any_sending(), NOW)

    assert (after.state, after.error_class, after.error) == ("UNKNOWN", "unknown", "WorkerLost")


# --- what arrived during a send

UNSENT = [
    TryAgain("ServiceUnavailable", "any cause"),
    Throttled("Throttling", "any cause"),
    Failed("MessageRejected", "any cause"),
    ReplyLost("ReadTimeoutError", "any cause"),
]


def delivered(attempt):
    return EmailEvent.model_validate(
        {
            "eventType": "Delivery",
            "mail": {
                "messageId": f"provider-{attempt}",
                "destination": [RECIPIENT],
                "tags": {"communication_id": ["any"], "attempt": [attempt]},
            },
        }
    )


def meanwhile_delivered(**changed):
    """A second send is under way while an event proves that the first arrived."""
    return with_event(any_sending(attempts=2, version=5, **changed), delivered(1), NOW)


@pytest.mark.parametrize("tries", [0, 2])
@pytest.mark.parametrize("outcome", UNSENT)
def test_what_arrived_by_an_earlier_attempt_is_not_sent_again(outcome, tries):
    sending = meanwhile_delivered(tries=tries)

    after = after_send(sending, 2, outcome, NOW, LIMITS, 0.5)

    assert (sending.state, after.state, after.sent) == ("SENDING", "SENT", 1)
    assert (after.error, after.error_class, after.cause, after.failed_at) == (None,) * 4
    assert (after.version, after.provider_message_id) == (7, "provider-1")


def test_what_arrived_by_an_earlier_attempt_is_sent_although_the_worker_is_gone():
    after = abandoned(meanwhile_delivered(), NOW)

    assert (after.state, after.sent, after.version) == ("SENT", 1, 7)
    assert (after.error, after.error_class, after.cause, after.failed_at) == (None,) * 4
    assert events_of(after)[-2:] == ["delivered", "reply_lost"]


@pytest.mark.parametrize(
    ("outcome", "state"),
    list(zip(UNSENT, ("QUEUED", "QUEUED", "FAILED", "UNKNOWN"), strict=True)),
)
def test_what_arrived_at_another_address_is_sent_again(outcome, state):
    sending = meanwhile_delivered(recipient_since=1)

    after = after_send(sending, 2, outcome, NOW, LIMITS, 0.5)

    assert (after.state, after.sent) == (state, 0)


def test_what_arrived_at_another_address_says_nothing_of_a_worker_that_is_gone():
    assert abandoned(meanwhile_delivered(recipient_since=1), NOW).state == "UNKNOWN"


# --- delays


@given(
    tries=st.integers(1, 10_000),
    base=st.integers(1, 900),
    jitter=st.floats(0, 1),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_no_delay_is_longer_than_sqs_takes(tries, base, jitter):
    assert 1 <= delay_seconds(tries, base, jitter) <= LONGEST_DELAY_SECONDS


@given(st.integers(1, 30), st.integers(1, 900), st.floats(0, 1))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_delays_grow(tries, base, jitter):
    assert delay_seconds(tries, base, jitter) <= delay_seconds(tries + 1, base, jitter)


def test_delays_double_and_are_spread_over_their_second_half():
    assert [delay_seconds(tries, 30, 1.0) for tries in range(1, 8)] == [
        *(30, 60, 120, 240, 480, 900, 900)
    ]
    assert (delay_seconds(3, 30, 0.0), delay_seconds(3, 30, 0.5)) == (60, 90)


# --- what is overdue


def overdue_at(moment):
    return {"due_at": format_time(moment)}


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_queued_again_before_its_time(state):
    assert queued_again(any_in(state, **overdue_at(later(seconds=1))), NOW) is None


@pytest.mark.parametrize("state", ["SENT", "FAILED", "UNKNOWN", "DISCARDED"])
def test_nothing_is_queued_again_that_waits_for_nobody(state):
    assert queued_again(any_in(state, **overdue_at(NOW)), NOW) is None


def test_a_dead_letter_that_has_rested_is_queued_with_all_its_tries():
    letter = any_failed(
        state="DEAD_LETTER", tries=3, throttles=2, lost_messages=1, **overdue_at(NOW)
    )

    after = queued_again(letter, NOW)

    assert (after.state, after.tries, after.throttles, after.lost_messages) == ("QUEUED", 0, 0, 0)
    assert (after.dead_letters_left, after.error, after.failed_at) == (1, None, None)
    assert after.not_before == format_time(NOW)


def test_a_send_that_is_overdue_has_an_unknown_end():
    assert queued_again(any_sending(**overdue_at(NOW)), NOW).state == "UNKNOWN"


def test_a_lost_message_is_waited_for_twice_as_long_each_time():
    communication, moment, waited = any_communication(**overdue_at(NOW)), NOW, []
    for _ in range(3):
        communication = queued_again(communication, moment)
        waited.append(communication.due_at)

        assert communication.state == "QUEUED"
        communication = communication.model_copy(update=overdue_at(moment))

    assert waited == [format_time(later(minutes=minutes)) for minutes in (30, 60, 120)]


def test_a_message_that_is_lost_for_ever_fails():
    overdue = any_communication(lost_messages=MOST_LOST_MESSAGES, **overdue_at(NOW))

    after = queued_again(overdue, NOW)

    assert (after.state, after.error, after.error_class) == ("FAILED", "MessageLost", "transient")


# --- what people and redrives do


@pytest.mark.parametrize("state", STATES)
def test_only_what_failed_can_be_retried(state):
    if state in ("FAILED", "DEAD_LETTER"):
        assert retried(any_in(state), "any", NOW).state == "QUEUED"
    else:
        with pytest.raises(NotPossible, match=state):
            retried(any_in(state), "any", NOW)


def test_a_retry_gives_one_series_of_tries_and_ends_what_a_redrive_began():
    failed = any_failed(tries=3, dead_letters_left=2, redrive_run="run-1", redrives=1)

    after = retried(failed, "sarah.k", NOW)

    assert (after.tries, after.dead_letters_left, after.redrive_run) == (0, 0, None)
    assert (after.error, after.error_class, after.cause, after.failed_at) == (None,) * 4
    assert (after.history[-1].event, after.history[-1].by) == ("retried", "sarah.k")
    assert (after.attempts, after.redrives) == (5, 1)


def test_a_retry_keeps_the_address_that_it_corrects():
    after = retried(any_failed(version=7), "sarah.k", NOW, "jane@example.com")

    assert after.recipient == "jane@example.com"
    assert after.version == 8
    assert events_of(after)[-2:] == ["recipient_changed", "retried"]
    assert after.history[-2].detail == RECIPIENT
    assert after.recipient_since == after.attempts == 5


@pytest.mark.parametrize("recipient", [None, "", RECIPIENT])
def test_a_retry_to_the_same_address_changes_none(recipient):
    after = retried(any_failed(), "sarah.k", NOW, recipient)

    assert (after.recipient, after.recipient_since) == (RECIPIENT, 0)
    assert "recipient_changed" not in events_of(after)


@pytest.mark.parametrize("state", STATES)
def test_only_what_failed_for_good_can_be_redriven(state):
    if state == "FAILED":
        assert redriven(any_in(state), "run-1", "any", NOW).state == "QUEUED"
    else:
        with pytest.raises(NotPossible, match=state):
            redriven(any_in(state), "run-1", "any", NOW)


def test_a_redrive_counts_and_says_of_which_run():
    after = redriven(any_failed(redrives=1), "run-1", "service", NOW)

    assert (after.redrives, after.redrive_run, after.dead_letters_left) == (2, "run-1", 0)
    assert after.history[-1].detail == "run-1"


@pytest.mark.parametrize("state", STATES)
def test_what_is_being_sent_or_done_with_cannot_be_discarded(state):
    if state in ("SENDING", "SENT", "DISCARDED"):
        with pytest.raises(NotPossible, match=state):
            discarded(any_in(state), "any", "any reason", NOW)
    else:
        after = discarded(any_in(state), "sarah.k", "any reason", NOW)
        assert (after.state, after.sent, after.error) == ("DISCARDED", 0, None)
        assert (after.history[-1].by, after.history[-1].detail) == ("sarah.k", "any reason")


@pytest.mark.parametrize("state", [state for state in STATES if state != "UNKNOWN"])
def test_only_an_unknown_end_can_be_resolved(state):
    with pytest.raises(NotPossible, match=state):
        resolved(any_in(state), "any", True, "any", NOW)


def test_a_person_finds_that_it_was_sent():
    after = resolved(any_unknown(), "sarah.k", True, "The customer has it.", NOW)

    assert (after.state, after.sent, after.error) == ("SENT", 1, None)
    assert after.history[-1].detail == "The customer has it."


def test_a_person_finds_that_it_was_not_sent_so_it_can_be_retried():
    after = resolved(any_unknown(), "sarah.k", False, "Nothing arrived.", NOW)

    assert (after.state, after.sent) == ("FAILED", 0)
    assert (after.error_class, after.error) == ("transient", "ReadTimeoutError")
    assert retried(after, "sarah.k", NOW).state == "QUEUED"


# --- what always holds

OUTCOMES = st.sampled_from(
    [
        Accepted("provider-1"),
        TryAgain("ServiceUnavailable", "any"),
        Throttled("Throttling", "any"),
        Failed("MessageRejected", "any"),
        ReplyLost("ReadTimeoutError", "any"),
    ]
)
EVENTS = st.builds(
    lambda name, attempt, kind: EmailEvent.model_validate(
        {
            "eventType": name,
            "mail": {
                "messageId": "provider-1",
                "destination": [],
                "tags": {"communication_id": ["any"], "attempt": [attempt]},
            },
            "bounce": {"bounceType": kind},
        }
    ),
    st.sampled_from(["Send", "Delivery", "DeliveryDelay", "Bounce", "Complaint", "Reject"]),
    st.integers(1, 3),
    st.sampled_from(["Permanent", "Transient"]),
)


def reached():
    """A record in each state, made by the rules themselves."""
    queued = any_communication()
    sending = claimed(queued, "message-1", NOW)
    ends = {
        "SENT": Accepted("provider-1"),
        "FAILED": Failed("MessageRejected", "any"),
        "UNKNOWN": ReplyLost("ReadTimeoutError", "any"),
    }
    limits = Limits(tries=1, base_seconds=30, dead_letter_seconds=60)
    return {
        "QUEUED": queued,
        "SENDING": sending,
        "DEAD_LETTER": after_send(sending, 1, TryAgain("Any", "any"), NOW, limits, 0.5),
        "DISCARDED": discarded(queued, "p", "any", NOW),
    } | {state: after_send(sending, 1, end, NOW, LIMITS, 0.5) for state, end in ends.items()}


REACHED = reached()


def possible(rule):
    """A rule that gives None where it is not possible."""

    def apply(communication, moment):
        try:
            return rule(communication, moment)
        except NotPossible:
            return None

    return apply


def claims(communication, moment):
    if read(communication, "message-1", moment) != "claim":
        return None
    return claimed(communication, "message-1", moment)


def takes_reply(outcome):
    return lambda found, at: after_send(found, found.attempts, outcome, at, LIMITS, 0.5)


OPERATIONS = st.one_of(
    st.just(claims),
    st.just(claims),
    OUTCOMES.map(takes_reply),
    st.just(lambda found, at: queued_again(found, at)),
    st.just(possible(lambda found, at: retried(found, "p", at))),
    st.just(possible(lambda found, at: retried(found, "p", at, "jane@example.com"))),
    st.just(possible(lambda found, at: redriven(found, "run-1", "p", at))),
    st.just(possible(lambda found, at: discarded(found, "p", "any", at))),
    st.booleans().map(
        lambda sent: possible(lambda found, at: resolved(found, "p", sent, "any", at))
    ),
    EVENTS.map(
        lambda event: (
            lambda found, at: (
                with_event(found, event, at) if event.attempt <= found.attempts else None
            )
        )
    ),
)


@given(st.sampled_from(STATES), st.lists(st.tuples(OPERATIONS, st.integers(0, 7200)), max_size=30))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_whatever_happens_in_whatever_order_the_record_stays_true(state, steps):
    before, moment = REACHED[state], NOW
    for operation, seconds in steps:
        moment = moment.fromtimestamp(moment.timestamp() + seconds, moment.tzinfo)
        after = operation(before, moment)
        if after is None:
            continue
        assert (after.sent == 1) == (after.state == "SENT")
        assert after.version == before.version + 1
        assert after.attempts - before.attempts == (operation is claims)
        assert operation is not claims or before.state == "QUEUED"
        assert after.history[: len(before.history)] == before.history
        assert after.redrives >= before.redrives
        assert 0 <= after.dead_letters_left <= before.dead_letters_left
        assert (after.error is None) == (after.error_class is None) == (after.failed_at is None)
        assert after.error is not None or after.state not in ("FAILED", "UNKNOWN", "DEAD_LETTER")
        told = {entry.event for entry in after.history}
        if after.state == "SENT" and "resolved" not in told:
            assert after.provider_message_id == "provider-1"
            assert has_arrived(after)
        assert not has_arrived(after) or after.state in ("SENDING", "SENT", "DISCARDED")
        before = after
