"""Opening a case: whom it is about, what its call was about, and its clocks."""

import pytest
from botocore.exceptions import ClientError

from shared.errors import TransientError
from tests.unit.aws_errors import fails_with, reply_is_lost

from .factories import any_queue, any_ticket, at, later

MODULE = "tickets.open_case"
CONTACT = {"name": "Jane Doe", "email": "jane.doe@example.com"}
WORDS = "I want to cancel, John Smith"


@pytest.fixture
def module(load):
    return load(MODULE)


@pytest.fixture
def event(event_of):
    return event_of(MODULE)


@pytest.fixture
def pointer(cloud):
    return {"analysis_bucket": cloud.name("AnalysesBucket"), "analysis_key": "analyses/any/1.json"}


@pytest.fixture
def put_analysis(cloud, pointer):
    """Store a call's redacted analysis."""

    def put(reasons=("complaint",), **metadata):
        turn = {
            "ParticipantRole": "CUSTOMER",
            "Content": WORDS,
            "BeginOffsetMillis": 4000,
            "EndOffsetMillis": 6000,
            "Sentiment": "NEGATIVE",
        }
        document = {
            "Transcript": [turn],
            "Categories": {"MatchedCategories": ["CancellationRisk"], "MatchedDetails": {}},
            "Aftercall": {"follow_up_reasons": list(reasons), "metadata": metadata},
        }
        cloud.put_json(
            {"bucket": pointer["analysis_bucket"], "key": pointer["analysis_key"]}, document
        )

    return put


def new(**changed):
    return any_ticket("NEW", **changed)


def of_call(pointer, **changed):
    """A ticket as a call's event opens it: it has a pointer, and the general queue."""
    return new(queue="general", contact=None, call=pointer | {"reasons": ["complaint"]}, **changed)


def test_starts_the_clocks_from_when_the_ticket_was_created(module, around, event, context, clock):
    around.put(new())
    clock(later(minutes=10))

    assert module.handler(event, context) == {"opened": True}

    after = around.get()
    assert (after.state, after.version) == ("QUEUED", 2)
    assert after.clocks["first_response"].due_at == after.due_at == at(hours=1)
    assert after.clocks["solution"].due_at == at(hours=8)
    [entry] = around.history()
    assert (entry.event, entry.by, entry.at) == ("opened", "workflow", at(minutes=10))


def test_tells_the_customer(module, around, cloud, event, context):
    around.put(new())
    published = cloud.watch_bus()

    module.handler(event, context)

    [told] = published()
    assert told["detail"]["data"]["template"] == "case_opened"
    assert told["detail"]["data"]["recipient"] == "john.smith@example.com"
    assert around.outbox() == []


def test_asks_what_is_on_file_of_the_customer(module, around, event, context):
    around.put_customer(phone="+12025550101")
    around.put(new(customer_id="1001", contact=None))

    module.handler(event, context)

    contact = around.get().contact
    assert (contact.name, contact.email) == ("John Smith", "john.smith@example.com")
    assert contact.phone == "+12025550101"


def test_a_contact_that_was_given_counts_more(module, around, event, context):
    around.put_customer()
    around.put(new(customer_id="1001", contact=CONTACT))

    module.handler(event, context)

    assert around.get().contact.email == "jane.doe@example.com"


def test_a_customer_who_is_gone_keeps_no_case_from_being_opened(module, around, event, context):
    around.put(new(customer_id="1001", contact=None))

    assert module.handler(event, context) == {"opened": True}

    after = around.get()
    assert (after.state, after.contact, around.outbox()) == ("QUEUED", None, [])


def test_takes_from_the_analysis_what_the_call_was_about(
    module, around, put_analysis, pointer, event, context
):
    put_analysis(["cancellation_risk"], customer_id="1001")
    around.put_customer()
    around.put(of_call(pointer, priority="normal"))

    module.handler(event, context)

    after = around.get()
    assert (after.customer_id, after.contact.email) == ("1001", "john.smith@example.com")
    assert after.priority == "high"
    assert after.call.reasons == ("cancellation_risk",)
    assert after.call.categories == ("CancellationRisk",)
    assert [quote.text for quote in after.call.quotes] == [WORDS]
    assert after.queue == "general"


def test_a_call_goes_to_the_queue_that_wants_it(
    module, around, put_analysis, pointer, event, context
):
    around.put_queue(
        any_queue(name="claims", follow_up_reasons=["complaint"], required_skills=["refunds"])
    )
    put_analysis(["complaint"])
    around.put(of_call(pointer))

    module.handler(event, context)

    after = around.get()
    assert (after.queue, after.required_skills) == ("claims", ("refunds",))
    assert after.clocks["first_response"].due_at == at(hours=1)


def test_an_analysis_without_reasons_leaves_those_of_the_event(
    module, around, put_analysis, pointer, event, context
):
    put_analysis([])
    around.put(of_call(pointer))

    module.handler(event, context)

    assert around.get().priority == "high"


NOT_OF_ITS_SHAPE = [None, [], {}, {"Aftercall": None}, {"Aftercall": {}, "Transcript": [WORDS]}]


@pytest.mark.parametrize("document", ["nothing", *NOT_OF_ITS_SHAPE])
def test_a_case_is_opened_although_its_analysis_cannot_be_read(
    module, around, cloud, pointer, event, context, capsys, document
):
    if document != "nothing":
        bucket, key = pointer.values()
        cloud.put_json({"bucket": bucket, "key": key}, document)
    around.put_queue(any_queue(name="claims", follow_up_reasons=["complaint"]))
    around.put(of_call(pointer))

    assert module.handler(event, context) == {"opened": True}

    after = around.get()
    assert (after.state, after.priority, after.queue) == ("QUEUED", "high", "claims")
    assert after.call.reasons == ("complaint",)
    assert WORDS not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDenied", ClientError), ("SlowDown", TransientError)]
)
def test_an_analysis_that_cannot_be_read_is_a_failure(
    module, around, pointer, event, context, intercept, code, error
):
    around.put(of_call(pointer))
    intercept("GetObject", before=fails_with(code))

    with pytest.raises(error):
        module.handler(event, context)

    assert around.get().state == "NEW"


def test_what_is_open_already_is_left_as_it_is(module, around, event, context):
    ticket = around.put(any_ticket("PENDING"), run=2)

    output = module.handler(event | {"run": 2}, context)

    assert output == {"opened": True}
    assert around.get() == ticket


def test_an_older_execution_steps_back(module, around, event, context):
    ticket = around.put(new(), run=2)

    assert module.handler(event, context) == {"opened": False}

    assert around.get() == ticket


def test_steps_back_where_another_takes_over_meanwhile(module, around, event, context, intercept):
    around.put(new())
    intercept("TransactWriteItems", before=lambda: around.put(new(), run=2))

    module.handler(event, context)

    assert around.get() == new()


def test_opens_a_case_that_was_commented_on_meanwhile(module, around, event, context, intercept):
    around.put(new())
    intercept("TransactWriteItems", before=lambda: around.put(new(version=2)))

    module.handler(event, context)

    assert (around.get().state, around.get().version) == ("QUEUED", 3)


@pytest.mark.parametrize("operation", ["TransactWriteItems", "PutEvents", "UpdateItem"])
def test_a_second_run_opens_nothing_twice(
    module, around, cloud, event, context, intercept, operation
):
    around.put(new())
    published = cloud.watch_bus()
    intercept(operation, after=reply_is_lost)
    with pytest.raises(TransientError):
        module.handler(event, context)

    assert module.handler(event, context) == {"opened": True}

    assert around.events() == ["opened"]
    assert len({told["detail"]["event_id"] for told in published()}) == 1
    assert around.outbox() == []


def test_logs_no_words_of_a_customer(module, around, put_analysis, pointer, event, context, capsys):
    put_analysis(customer_id="1001")
    around.put_customer()
    around.put(of_call(pointer, description=WORDS))

    module.handler(event, context)

    logged = capsys.readouterr().out
    assert "case opened" in logged
    for word in ("cancel", "John", "example.com", "analyses/"):
        assert word not in logged
