"""Storing tickets: a change with all that it touches, or nothing of it; and lists of them."""

from importlib import import_module

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import TransientError
from tests.unit.aws_errors import aws_error, fails_with, raises, reply_is_lost
from tickets.rules.lifecycle import commented
from tickets.rules.ticket import Change, Entry

from .factories import ID, any_queue, any_representative, any_ticket, any_tier, at, later
from .surroundings import JANE, OTHER, SARAH, THIRD, any_notice


@pytest.fixture
def table(load):
    load("tickets.watch_cases")
    return import_module("tickets.tickets_table")


def changed(before, *, notices=(), events=("commented",), **values):
    """A change of a ticket to the next version."""
    entries = [Entry(at=at(), by=JANE, event=event) for event in events]
    after = before.updated(version=before.version + 1, **values)
    return Change(before=before, after=after, entries=entries, notices=notices)


def assigned(before, to=SARAH):
    return changed(before, state="ASSIGNED", assignee=to, events=("assigned",))


def freed(before):
    return changed(before, state="WAITING", assignee=None, events=("declined",))


@pytest.fixture
def everything(around):
    """All that a change could touch, to compare."""

    def read(*ids):
        tickets = [(around.item(one), around.workflow(one), around.history(one)) for one in ids]
        return tickets, around.loads()

    return read


# --- new tickets


def test_reads_what_was_stored(table, around):
    ticket = any_ticket(
        customer_id="1001",
        contact={"name": "Ä\n", "email": None, "phone": "+12025550101"},
        call={"analysis_bucket": "b", "analysis_key": "k", "quotes": [{**QUOTE}]},
        clocks={"solution": {"started_at": at(), "target_seconds": 9, "due_at": at(hours=1)}},
        pauses=[{"began_at": at(), "ended_at": None}],
    )

    assert table.create(ticket, Entry(at=at(), by=JANE, event="created")) is True

    assert table.get(ID) == around.get() == ticket


QUOTE = {"role": "CUSTOMER", "text": "any", "at_ms": 0}


def test_does_not_know_what_is_not_there(table):
    assert table.get(ID) is None
    assert table.get_entry(ID, 1) is None
    assert table.page_of_history(ID, 10) == ([], None)


def test_stores_a_new_one_with_its_history_and_has_the_machine_look_at_it(table, around, clock):
    clock(later())

    table.create(any_ticket("WAITING"), Entry(at=at(), by=JANE, event="created", after="NEW"))

    assert around.history() == [Entry(at=at(), by=JANE, event="created", after="NEW")]
    workflow = around.workflow()
    assert (workflow["run"], workflow["restarts"], workflow["outbox"]) == (1, 0, {})
    assert (workflow["watched"], workflow["attention_at"]) == ("yes", at(seconds=60))


def test_stores_a_new_one_once(table, around, everything):
    table.create(any_ticket("WAITING"), Entry(at=at(), by=JANE, event="created"))
    before = everything(ID)

    assert table.create(any_ticket(), Entry(at=at(), by=SARAH, event="created")) is False

    assert everything(ID) == before


def test_a_new_one_whose_first_reply_was_lost_is_recognised(table, around, monkeypatch):
    twice(monkeypatch)

    assert table.create(any_ticket("WAITING"), Entry(at=at(), by=JANE, event="created")) is True

    assert around.events() == ["created"]


def twice(monkeypatch):
    """Send each transaction twice, as a client does whose first reply was lost."""
    real = BaseClient._make_api_call

    def call(client, name, arguments):
        if name == "TransactWriteItems":
            real(client, name, arguments)
        return real(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)


# --- changes


def test_stores_a_change_with_its_history_and_its_notices(table, around, clock):
    before = around.put(any_ticket("WAITING"))
    made = changed(before, notices=[any_notice()], events=("queue_changed", "skills_changed"))
    clock(later(hours=1))

    assert table.save(made) is True

    assert around.get() == made.after
    assert around.events() == ["queue_changed", "skills_changed"]
    workflow = around.workflow()
    assert workflow["outbox"] == {any_notice().notice_id: any_notice().model_dump()}
    assert workflow["attention_at"] == at(hours=1, seconds=60)
    assert workflow["run"] == 1


def test_keeps_the_notices_that_are_still_to_be_sent(table, around):
    before = around.put(
        any_ticket("WAITING"), outbox={"1-0-a": any_notice(notice_id="1-0-a").model_dump()}
    )

    table.save(changed(before, notices=[any_notice(notice_id="2-0-b")]))

    assert sorted(around.workflow()["outbox"]) == ["1-0-a", "2-0-b"]


def test_changes_only_the_version_that_was_read(table, around, everything):
    before = around.put(any_ticket())
    around.put_representative(any_representative(load=1))
    table.save(changed(before, subject="first"))
    state = everything(ID)

    made = freed(before).model_copy(update={"notices": (any_notice(),)})
    assert table.save(made) is False

    assert everything(ID) == state


def test_who_gets_a_ticket_has_one_more_and_who_loses_it_one_less(table, around, clock):
    before = around.put(any_ticket("WAITING"))
    around.put_representative(any_representative(), any_representative(JANE))
    clock(later(hours=1))

    first = assigned(before)
    assert table.save(first)
    assert around.loads() == {SARAH: 1, JANE: 0}
    second = assigned(first.after, JANE)
    assert table.save(second)
    assert around.loads() == {SARAH: 0, JANE: 1}
    assert table.save(freed(second.after))
    assert around.loads() == {SARAH: 0, JANE: 0}


def test_who_got_a_ticket_waits_their_turn(table, around, clock):
    around.put_representative(any_representative())
    representatives = import_module("tickets.representatives_table")
    clock(later(hours=1))

    made = assigned(around.put(any_ticket("WAITING")))
    table.save(made)
    turn = representatives.get_representative(SARAH).turn
    clock(later(hours=2))
    table.save(freed(made.after))

    assert turn == later(hours=1).timestamp() * 1_000_000
    assert representatives.get_representative(SARAH).turn == turn


def test_a_change_that_moves_nobody_changes_no_load(table, around):
    before = around.put(any_ticket())
    around.put_representative(any_representative(load=1))

    table.save(changed(before, state="PENDING"))

    assert around.loads() == {SARAH: 1}


@pytest.mark.parametrize("full", [{"capacity": 2, "load": 2}, {"active": False}, {"capacity": 0}])
def test_nobody_gets_more_than_they_have_room_for(table, around, everything, full):
    before = around.put(any_ticket("WAITING"))
    around.put_representative(any_representative(**full))
    state = everything(ID)

    with pytest.raises(table.RepresentativeFull):
        table.save(assigned(before))

    assert everything(ID) == state


def test_nobody_who_is_not_there_gets_a_ticket(table, around):
    before = around.put(any_ticket("WAITING"))

    with pytest.raises(table.RepresentativeFull):
        table.save(assigned(before))

    assert around.get() == before


def test_nobody_has_less_than_none_and_a_wrong_load_keeps_no_ticket(table, around):
    before = around.put(any_ticket())
    around.put_representative(any_representative(load=0))

    assert table.save(freed(before))

    assert around.loads() == {SARAH: 0}
    assert around.get().assignee is None


def test_two_changes_are_stored_together(table, around):
    one, other = around.put(any_ticket()), around.put(any_ticket(ticket_id=OTHER))
    around.put_representative(any_representative(load=2))
    ended = changed(one, state="MERGED", assignee=None, merged_into=OTHER, events=("merged",))

    assert table.save(ended, changed(other, events=("merged",), notices=[any_notice()])) is True

    assert (around.get().version, around.get(OTHER).version) == (2, 2)
    assert (around.events(), around.events(OTHER)) == (["merged"], ["merged"])
    assert (around.outbox(), around.outbox(OTHER)) == ([], ["case_update"])
    assert around.loads() == {SARAH: 1}


@pytest.mark.parametrize("stale", [ID, OTHER])
def test_of_two_changes_none_is_stored_where_one_is_stale(table, around, everything, stale):
    tickets = [around.put(any_ticket("WAITING", ticket_id=one)) for one in (ID, OTHER)]
    around.put(any_ticket("WAITING", ticket_id=stale, version=9))
    state = everything(ID, OTHER)

    assert table.save(*[changed(one) for one in tickets]) is False

    assert everything(ID, OTHER) == state


def test_what_one_ticket_gives_and_another_takes_is_no_move(table, around):
    one, other = around.put(any_ticket()), around.put(any_ticket("WAITING", ticket_id=OTHER))
    around.put_representative(any_representative(load=1, capacity=1))

    assert table.save(freed(one), assigned(other)) is True

    assert around.loads() == {SARAH: 1}


def test_an_execution_changes_its_own_ticket_only(table, around, everything):
    before = around.put(any_ticket("WAITING"), run=2)
    state = everything(ID)

    with pytest.raises(table.RunOver):
        table.save(changed(before), run=1)
    assert everything(ID) == state

    assert table.save(changed(before), run=2) is True
    assert around.workflow()["run"] == 2


def test_a_stale_version_says_so_before_anything_else(table, around):
    before = around.put(any_ticket("WAITING"), run=2)
    around.put(any_ticket("WAITING", version=2), run=2)

    assert table.save(assigned(before), run=1) is False


def test_who_takes_a_ticket_up_again_takes_the_next_run(table, around):
    before = around.put(any_ticket("WAITING"), run=3)

    table.save(changed(before), new_run=True)

    assert around.workflow()["run"] == 4


def test_a_change_whose_first_reply_was_lost_is_recognised(table, around, monkeypatch):
    before = around.put(any_ticket("WAITING"))
    around.put_representative(any_representative())
    twice(monkeypatch)

    assert table.save(assigned(before)) is True

    assert around.loads() == {SARAH: 1}
    assert (around.get().version, around.events()) == (2, ["assigned"])


def test_a_change_that_was_stored_twice_in_a_row_by_different_people_is_not(table, around):
    before = around.put(any_ticket("WAITING"))
    made = changed(before, subject="the same")

    assert table.save(made) is True
    assert table.save(made) is False

    assert around.events() == ["commented"]


def cancelled(*codes):
    error = aws_error("TransactionCanceledException", operation="TransactWriteItems")
    error.response["CancellationReasons"] = [{"Code": code} for code in codes]
    return raises(error)


def test_gives_up_for_now_where_collisions_do_not_end(table, around, monkeypatch, at_once):
    before = around.put(any_ticket("WAITING"))
    real = BaseClient._make_api_call
    fail, tries = cancelled("TransactionConflict", "None"), []

    def call(client, name, arguments):
        if name != "TransactWriteItems":
            return real(client, name, arguments)
        tries.append(name)
        return fail()

    monkeypatch.setattr(BaseClient, "_make_api_call", call)

    with pytest.raises(TransientError, match="TransactionConflict"):
        table.save(changed(before))

    assert len(tries) == table._MOST_COLLISIONS
    assert len(at_once) == len(tries) - 1  # Nobody waits before giving up.
    assert sum(at_once) < 4
    assert around.get() == before


@pytest.mark.parametrize(
    "code", ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"]
)
def test_a_cancellation_that_passes_is_waited_for(table, around, intercept, at_once, code):
    before = around.put(any_ticket("WAITING"))
    intercept("TransactWriteItems", before=cancelled("None", code, "None"))

    assert table.save(changed(before)) is True

    assert len(at_once) == 1
    assert around.events() == ["commented"]


def test_a_cancellation_that_does_not_pass_is_a_fault(table, around, intercept, at_once):
    before = around.put(any_ticket("WAITING"))
    intercept("TransactWriteItems", before=cancelled("None", "ValidationError"))

    with pytest.raises(ClientError, match="TransactionCanceled"):
        table.save(changed(before))

    assert at_once == []
    assert around.get() == before


def test_a_condition_that_does_not_hold_counts_more_than_a_collision(table, around, intercept):
    before = around.put(any_ticket("WAITING"))
    intercept(
        "TransactWriteItems", before=cancelled("ConditionalCheckFailed", "TransactionConflict")
    )

    assert table.save(changed(before)) is False


@pytest.mark.parametrize(
    "trouble",
    [
        {"before": fails_with("ThrottlingException")},
        {"before": fails_with("TransactionInProgressException")},
        {"after": reply_is_lost},
    ],
)
def test_a_failure_that_passes_is_left_to_whoever_tries_again(table, around, intercept, trouble):
    before = around.put(any_ticket("WAITING"))
    intercept("TransactWriteItems", **trouble)

    with pytest.raises(TransientError):
        table.save(changed(before))


def test_another_refusal_goes_through(table, around, intercept):
    before = around.put(any_ticket("WAITING"))
    intercept("TransactWriteItems", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDenied"):
        table.save(changed(before))


# --- rules


def rule(ticket):
    return changed(ticket, subject=ticket.subject + "!")


def test_applies_a_rule_to_the_ticket_as_it_is(table, around):
    around.put(any_ticket("WAITING", subject="A lost parcel"))

    after = table.change(ID, rule)

    assert after == around.get()
    assert (after.version, after.subject) == (2, "A lost parcel!")


def test_applies_it_again_to_what_somebody_faster_left(table, around, intercept):
    around.put(any_ticket("WAITING"))
    meanwhile = any_ticket("WAITING", version=5, subject="Found")
    intercept("TransactWriteItems", before=lambda: around.put(meanwhile))

    after = table.change(ID, rule)

    assert (after.version, after.subject) == (6, "Found!")


def test_stores_nothing_where_the_rule_finds_nothing_to_do(table, around, everything):
    before = around.put(any_ticket("WAITING"))
    state = everything(ID)

    assert table.change(ID, lambda _: None) == before

    assert everything(ID) == state


def test_gives_up_for_now_where_others_keep_changing_it(table, around):
    around.put(any_ticket("WAITING"))

    def overtaken(ticket):
        around.put(ticket.updated(version=ticket.version + 1))
        return rule(ticket)

    with pytest.raises(TransientError, match="Conflict"):
        table.change(ID, overtaken)


def test_a_ticket_that_is_not_there_is_a_fault(table):
    with pytest.raises(LookupError):
        table.change(ID, rule)


def test_a_rule_of_an_older_execution_changes_nothing(table, around):
    before = around.put(any_ticket("WAITING"), run=2)

    with pytest.raises(table.RunOver):
        table.change(ID, rule, run=1)

    assert around.get() == before


# --- columns


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        *(("NEW", "open"), ("QUEUED", "open"), ("WAITING", "open"), ("ASSIGNED", "open")),
        *(("IN_PROGRESS", "open"), ("PENDING", "open"), ("RESOLVED", "open")),
        *(("CLOSED", "ended"), ("EXHAUSTED", "ended"), ("MERGED", "ended")),
    ],
)
def test_a_ticket_is_found_by_its_phase_and_what_waits_by_its_promise(table, around, state, phase):
    around.put(any_ticket(state, due_at=at(hours=4)))

    item = around.item()
    assert item["phase"] == phase
    assert ("waiting" in item) == (state in ("QUEUED", "WAITING"))


def test_what_waits_is_listed_by_promises_and_what_has_none_comes_last(table, around):
    around.put(any_ticket("WAITING", ticket_id=THIRD, due_at=None))
    around.put(
        any_ticket(
            "WAITING", ticket_id=OTHER, due_at=at(hours=8), tier=2, required_skills=["refunds"]
        )
    )
    around.put(any_ticket("QUEUED", due_at=at(hours=4), declined_by=[SARAH]))
    around.put(any_ticket(ticket_id="4", due_at=at(hours=1)))

    found = list(table.waiting())

    assert [one.ticket_id for one in found] == [ID, OTHER, THIRD]
    assert [one.serve_by for one in found] == [at(hours=4), at(hours=8), table.FAR]
    assert (found[0].declined_by, found[1].tier) == ((SARAH,), 2)
    assert found[1].required_skills == ("refunds",)


def test_lists_what_waits_however_many_pages_there_are(table, around, monkeypatch):
    for number in range(9):
        around.put(any_ticket("WAITING", ticket_id=f"t{number}", due_at=at(hours=number)))
    monkeypatch.setattr("moto.dynamodb.models.table.RESULT_SIZE_LIMIT", 2000)

    assert [one.ticket_id for one in table.waiting()] == [f"t{number}" for number in range(9)]


def test_a_ticket_of_which_nothing_is_promised_is_read_as_it_was_stored(table, around):
    ticket = around.put(any_ticket("WAITING", due_at=None))

    assert table.get(ID) == ticket


def test_a_promise_that_is_none_is_read_as_it_was_stored(table, around):
    queue = any_queue(tiers=(any_tier(update=None),))
    around.put(any_ticket())

    after = table.change(ID, lambda it: commented(it, queue, at(), SARAH, "any text", True))

    assert after.clocks["update"].target_seconds is None
    assert table.get(ID) == after


@pytest.mark.parametrize("due_at", [None, at(hours=4)])
def test_a_ticket_waits_as_the_index_will_have_it(table, around, due_at):
    ticket = around.put(any_ticket("WAITING", due_at=due_at, declined_by=[SARAH], preferred=JANE))

    assert [table.as_waiting(ticket)] == list(table.waiting())


def test_what_waits_no_more_is_listed_no_more(table, around):
    around.put_representative(any_representative())
    table.save(assigned(around.put(any_ticket("WAITING"))))

    assert list(table.waiting()) == []
    assert "waiting" not in around.item()


def test_nobody_s_ticket_is_in_nobody_s_list(table, around):
    around.put_representative(any_representative(load=1))
    table.save(freed(around.put(any_ticket())))

    assert "assignee" not in around.item()


# --- lists


def put_some(around, count, **changed):
    """Tickets, the first first; every third is urgent."""
    for number in range(count):
        priority = "urgent" if number % 3 == 0 else "normal"
        ticket_id, number = f"t{number:02}", f"20260302-{number:05}"
        around.put(
            any_ticket("WAITING", ticket_id=ticket_id, number=number, priority=priority, **changed)
        )


def pages(table, limit, column="phase", value="open", **equal):
    start, found = None, []
    while True:
        index = {"customer_id": "by_customer"}.get(column, f"by_{column}")
        tickets, start = table.page_of(index, column, value, equal=equal, limit=limit, start=start)
        found.append([ticket["ticket_id"] for ticket in tickets])
        if start is None:
            return found


def latest_first(*numbers):
    return [f"t{number:02}" for number in sorted(numbers, reverse=True)]


def test_a_page_is_the_latest_first(table, around):
    put_some(around, 5)

    assert pages(table, 2) == [["t04", "t03"], ["t02", "t01"], ["t00"]]
    assert pages(table, 5) == [latest_first(*range(5))]
    assert pages(table, 100) == [latest_first(*range(5))]


def test_an_empty_list_is_one_empty_page(table):
    assert pages(table, 2) == [[]]


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(limit=st.integers(1, 8), at_once=st.integers(1, 8), most=st.integers(1, 4))
def test_pages_hold_each_ticket_once_however_they_are_read(
    table, around, monkeypatch, limit, at_once, most
):
    monkeypatch.setattr(table, "_READ_AT_ONCE", at_once)
    monkeypatch.setattr(table, "_MOST_READS_OF_A_PAGE", most)
    put_some(around, 7)

    found = pages(table, limit, priority="urgent")

    assert [one for page in found for one in page] == latest_first(0, 3, 6)
    assert all(len(page) <= limit for page in found)


def test_lists_only_what_was_asked_for(table, around):
    put_some(around, 3, customer_id="1001", assignee=SARAH)
    around.put(any_ticket("CLOSED", ticket_id=OTHER, customer_id="1001"))

    assert pages(table, 9, "phase", "ended") == [[OTHER]]
    assert pages(table, 9, "customer_id", "1001", phase="open") == [latest_first(0, 1, 2)]
    assert pages(table, 9, "customer_id", "1002") == [[]]
    theirs = {"state": "WAITING", "queue": "parcels", "priority": "urgent"}
    assert pages(table, 9, "assignee", SARAH, **theirs) == [["t00"]]
    assert pages(table, 9, "assignee", JANE) == [[]]


# --- history


def test_gives_the_first_entry_of_a_change(table, around):
    before = around.put(any_ticket("WAITING"))
    table.save(changed(before, events=("queue_changed", "skills_changed")))

    assert table.get_entry(ID, 2).event == "queue_changed"
    assert table.get_entry(ID, 1) is None
    assert table.get_entry(ID, 3) is None


def test_reads_a_history_page_by_page(table, around):
    ticket = around.put(any_ticket("WAITING", version=8))
    around.put(any_ticket("WAITING", ticket_id=OTHER))
    table.save(changed(around.get(OTHER)))
    for events in (("opened", "waits"), ("assigned",), ("accepted", "commented")):
        made = changed(ticket, events=events)
        assert table.save(made)
        ticket = made.after

    first, after = table.page_of_history(ID, 3)
    second, end = table.page_of_history(ID, 3, after)

    assert [one.event for one in first] == ["opened", "waits", "assigned"]
    assert [one.event for one in second] == ["accepted", "commented"]
    assert end is None


CALLS = {
    "GetItem": lambda table: table.get(ID),
    "Query": lambda table: list(table.waiting()),
}


@pytest.mark.parametrize("operation", CALLS)
def test_a_throttle_passes(table, intercept, operation):
    intercept(operation, before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError):
        CALLS[operation](table)
