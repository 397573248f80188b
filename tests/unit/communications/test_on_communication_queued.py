"""The worker: at most one message reaches the recipient, whatever happens around it."""

import json
from types import SimpleNamespace

import pytest
from botocore.client import BaseClient
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from communications.rules.queue_messages import MessageRejected, check_channel, parse_message
from shared.times import format_time, now
from tests.unit.aws_errors import fails_with, raises, reply_is_lost

from .factories import (
    ANY_JSON,
    BODY,
    ID,
    NOW,
    PHONE,
    RECIPIENT,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_sms,
    any_unknown,
    later,
)
from .surroundings import FAR_AHEAD, LONG_AGO, batch, failed_ids, record

MODULE = "communications.on_communication_queued"
URL = "https://any.example"


@pytest.fixture
def module(step):
    return step(MODULE)


@pytest.fixture
def deliver(module, context):
    """Hand messages to the worker; gives its answer."""

    def run(*bodies, **options):
        return module.handler(batch(*bodies), options.get("context", context))

    return run


def body(communication_id=ID, **changed):
    values = {
        "primaryId": communication_id,
        "operation": "send.communications",
        "createdBy": "sarah.k",
        "created": "2026-03-02T09:16:04Z",
    }
    return values | changed


def fails(deliver, *bodies):
    """Deliver messages of which all fail."""
    with pytest.raises(Exception, match="All records failed"):
        deliver(*bodies)


DONE = {"batchItemFailures": []}

# --- sending


def test_sends_an_e_mail_and_marks_it_with_the_id_of_the_provider(
    module, around, event_of, context, cloud
):
    around.put(any_communication())

    result = module.handler(event_of(MODULE), context)

    [mail] = around.mails()
    after = around.get()
    assert result == DONE
    assert (mail.source, mail.destinations["ToAddresses"]) == (
        "service@aftercall.example",
        [RECIPIENT],
    )
    assert (mail.subject, mail.body) == ("Your parcel", BODY)
    assert (after.state, after.sent, after.provider_message_id) == ("SENT", 1, mail.id)
    assert (after.attempts, after.version) == (1, 3)
    assert around.queued() == []


def test_tells_ses_of_which_attempt_an_e_mail_is_and_where_to_report(
    deliver, around, cloud, monkeypatch
):
    around.put(any_communication(attempts=2))
    asked = spy(monkeypatch, "SendEmail")

    deliver(body())

    [given] = asked
    assert given["ConfigurationSetName"] == cloud.name("EmailConfigurationSet")
    assert given["Tags"] == [
        {"Name": "communication_id", "Value": ID},
        {"Name": "attempt", "Value": "3"},
    ]


def spy(monkeypatch, operation):
    """What AWS is asked by an operation."""
    real, asked = BaseClient._make_api_call, []

    def call(client, name, arguments):
        if name == operation:
            asked.append(arguments)
        return real(client, name, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return asked


def test_sends_an_sms(deliver, around, monkeypatch):
    around.put(any_sms())
    asked = spy(monkeypatch, "Publish")

    assert deliver(body(operation="send.sms")) == DONE

    assert around.texts() == [(PHONE, BODY)]
    assert around.get().sent == 1
    assert around.get().provider_message_id
    assert asked[0]["MessageAttributes"]["AWS.SNS.SMS.SMSType"]["StringValue"] == "Transactional"


def test_fills_a_template_when_it_is_sent(deliver, around):
    fields = {"name": "John Smith", "case_number": "7", "status": "opened"}
    around.put(any_communication(template="case_update", fields=fields, subject=None, body=None))

    deliver(body())

    assert around.mails()[0].subject == "Your case 7: opened"


def test_what_is_sent_leaves_the_index_and_expires_some_day(deliver, around, monkeypatch):
    around.put(any_communication())
    monkeypatch.setattr("communications.communications_table.now", lambda: later(days=3))

    deliver(body())

    assert "open_state" not in around.item()
    assert around.item()["expires_at"] == 1772442964 + (3 + 400) * 86400


# --- duplicates


def test_sends_once_when_the_message_arrives_twice(deliver, around):
    around.put(any_communication())

    deliver(body())
    result = deliver(body())

    assert result == DONE
    assert len(around.mails()) == 1
    assert around.get().version == 3


def test_sends_once_when_one_batch_holds_two_messages(deliver, around):
    around.put(any_communication())

    assert deliver(body(), body()) == DONE

    assert len(around.mails()) == 1


@pytest.mark.parametrize(
    "record",
    [
        any_sent(),
        any_failed(),
        any_failed(state="DEAD_LETTER"),
        any_unknown(),
        any_communication(state="DISCARDED"),
        any_sending(claimed_by="another-message", due_at=FAR_AHEAD),
    ],
    ids=lambda record: record.state,
)
def test_sends_nothing_for_a_message_too_many(deliver, around, record, capsys):
    around.put(record)

    result = deliver(body())

    assert result == DONE
    assert around.mails() == []
    assert around.get() == record
    assert '"DuplicateMessage":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize(
    "claim",
    [
        {"claimed_by": "message-1", "due_at": FAR_AHEAD},
        {"claimed_by": "another-message", "due_at": LONG_AGO},
    ],
    ids=["redelivered", "lease over"],
)
def test_does_not_know_what_came_of_a_worker_that_died(deliver, around, claim):
    around.put(any_sending(**claim))

    result = deliver(body())

    assert result == DONE
    assert around.mails() == []
    assert (around.get().state, around.get().error) == ("UNKNOWN", "WorkerLost")


def test_leaves_a_worker_that_comes_back_meanwhile_its_last_word(deliver, around, intercept):
    around.put(any_sending(claimed_by="message-1"))
    intercept("PutItem", before=lambda: around.put(any_sent(version=3)))

    assert deliver(body()) == DONE

    assert around.get().state == "SENT"


def test_sends_nothing_where_another_worker_was_faster_with_its_claim(deliver, around, intercept):
    around.put(any_communication())
    claim = any_sending(claimed_by="another-message", due_at=FAR_AHEAD)
    intercept("PutItem", before=lambda: around.put(claim))

    result = deliver(body())

    assert result == DONE
    assert around.mails() == []
    assert around.get() == claim


# --- waiting


def test_a_message_that_comes_early_goes_back_for_the_rest_of_its_delay(
    deliver, around, monkeypatch
):
    early = any_communication(not_before="2026-03-02T09:21:04Z")
    around.put(early)
    for name in (MODULE, "communications.outbox"):
        monkeypatch.setattr(f"{name}.now", lambda: NOW)

    result = deliver(body())

    assert result == DONE
    assert around.mails() == []
    assert around.get() == early
    assert around.delays() == [300]
    assert around.bodies()[0]["primaryId"] == ID


def test_a_message_that_is_hours_early_waits_as_long_as_sqs_can(deliver, around):
    around.put(any_communication(not_before=FAR_AHEAD))

    deliver(body())

    assert around.delays() == [900]


def test_claims_nothing_with_too_little_time_left(deliver, around, context, module):
    around.put(any_communication())
    milliseconds = module.SLOWEST_SEND_MILLISECONDS - 1
    hurried = SimpleNamespace(**vars(context), get_remaining_time_in_millis=lambda: milliseconds)

    with pytest.raises(Exception, match="NoTimeLeft"):
        deliver(body(), context=hurried)

    assert around.get() == any_communication()
    assert around.mails() == []


# --- refusals and broken connections

LOST = [
    pytest.param({"after": reply_is_lost}, id="the connection closed after it was sent"),
    pytest.param({"before": raises(ReadTimeoutError(endpoint_url=URL))}, id="no answer in time"),
    pytest.param({"before": raises(ConnectionClosedError(endpoint_url=URL))}, id="closed"),
    pytest.param({"before": raises(SSLError(endpoint_url=URL, error="any"))}, id="broken TLS"),
    pytest.param({"before": fails_with("InternalFailure", status=500)}, id="500"),
    pytest.param({"before": fails_with("503", status=503)}, id="503 of nobody knows whom"),
    pytest.param({"before": fails_with("GatewayTimeout", status=504)}, id="504"),
    pytest.param(
        {"before": raises(IncompleteReadError(actual_bytes=1, expected_bytes=2))}, id="half a reply"
    ),
    pytest.param({"before": raises(ResponseStreamingError(error="any"))}, id="broken off"),
]


@pytest.mark.parametrize("trouble", LOST)
@pytest.mark.parametrize(
    ("communication", "operation"), [(any_communication(), "SendEmail"), (any_sms(), "Publish")]
)
def test_what_may_have_gone_out_is_never_sent_again(
    deliver, around, intercept, trouble, communication, operation
):
    around.put(communication)
    intercept(operation, **trouble)

    result = deliver(body())
    reached = len(around.mails() + around.texts())
    again = deliver(body(), body())

    assert result == again == DONE
    assert around.get().state == "UNKNOWN"
    assert len(around.mails() + around.texts()) == reached
    assert reached == ("after" in trouble)
    assert around.queued() == []


@pytest.mark.parametrize(
    "trouble",
    [
        raises(EndpointConnectionError(endpoint_url=URL)),
        raises(ConnectTimeoutError(endpoint_url=URL)),
        raises(ProxyConnectionError(proxy_url=URL)),
        raises(NoCredentialsError()),
        raises(CredentialRetrievalError(provider="any", error_msg="any")),
        raises(ParamValidationError(report="any")),
        fails_with("AccountSendingPausedException"),
        fails_with("ConfigurationSetSendingPausedException"),
        fails_with("ServiceUnavailable", status=503),
        fails_with("RequestExpired"),
    ],
)
@pytest.mark.parametrize(
    ("communication", "operation"), [(any_communication(), "SendEmail"), (any_sms(), "Publish")]
)
def test_what_was_not_taken_on_is_queued_again_with_a_delay(
    deliver, around, intercept, trouble, communication, operation
):
    around.put(communication)
    intercept(operation, before=trouble)

    result = deliver(body())

    after = around.get()
    [delay] = around.delays()
    assert result == DONE
    assert (after.state, after.tries, after.sent) == ("QUEUED", 1, 0)
    assert after.not_before > format_time(now())
    assert 14 <= delay <= 31
    assert around.bodies()[0]["createdBy"] == "sarah.k"


def test_what_was_queued_again_is_sent_in_the_end(deliver, around, intercept, monkeypatch):
    around.put(any_communication())
    intercept("SendEmail", before=raises(EndpointConnectionError(endpoint_url=URL)))
    deliver(body())
    moment = now().replace(year=2998)
    monkeypatch.setattr(f"{MODULE}.now", lambda: moment)

    deliver(around.bodies()[0])

    assert (around.get().state, around.get().attempts) == ("SENT", 2)
    assert len(around.mails()) == 1


def test_a_throttle_uses_up_no_try(deliver, around, intercept):
    around.put(any_communication())
    intercept("SendEmail", before=fails_with("Throttling"))

    deliver(body())

    after = around.get()
    assert (after.state, after.tries, after.throttles) == ("QUEUED", 0, 1)
    assert len(around.queued()) == 1


def test_the_last_try_makes_a_dead_letter(deliver, around, intercept):
    around.put(any_communication(tries=4))
    intercept("SendEmail", before=fails_with("ServiceUnavailable", status=503))

    deliver(body())

    assert around.get().state == "DEAD_LETTER"
    assert around.item()["open_state"] == "DEAD_LETTER"
    assert around.queued() == []


def test_a_refusal_for_good_fails_at_once(deliver, around, intercept):
    around.put(any_communication())
    intercept("SendEmail", before=fails_with("MessageRejected"))

    result = deliver(body())

    after = around.get()
    assert result == DONE
    assert (after.state, after.error_class, after.error) == (
        "FAILED",
        "permanent",
        "MessageRejected",
    )
    assert (around.item()["open_state"], around.item()["open_at"]) == ("FAILED", after.created_at)
    assert around.queued() == []


@pytest.mark.parametrize("recipient", [RECIPIENT, "John.Smith@EXAMPLE.com"])
def test_sends_nothing_to_who_is_suppressed(deliver, around, recipient):
    around.put(any_communication(recipient=recipient))
    around.suppress(RECIPIENT, "complaint")

    deliver(body())

    after = around.get()
    assert around.mails() == []
    assert (after.state, after.error) == ("FAILED", "Suppressed")
    assert "complaint" in after.cause


def test_sends_nothing_to_who_has_answered_stop(deliver, around):
    around.put(any_sms(recipient="+12025550199"))

    deliver(body())

    assert around.texts() == []
    assert (around.get().state, around.get().error) == ("FAILED", "OptedOut")


def test_fails_what_its_template_has_no_fields_for_any_more(deliver, around):
    around.put(any_communication(template="case_update", fields={"more": "any"}, body=None))

    deliver(body())

    assert (around.get().state, around.get().error) == ("FAILED", "TemplateInvalid")


@pytest.mark.parametrize(
    "trouble",
    [
        fails_with("InternalFailure", status=500),
        raises(ReadTimeoutError(endpoint_url=URL)),
        raises(ConnectionClosedError(endpoint_url=URL)),
    ],
)
def test_a_lost_reply_about_the_recipient_is_no_lost_message(deliver, around, intercept, trouble):
    around.put(any_sms())
    intercept("CheckIfPhoneNumberIsOptedOut", before=trouble)

    assert deliver(body()) == DONE

    assert around.texts() == []
    assert (around.get().state, around.get().tries, around.get().attempts) == ("QUEUED", 1, 1)
    assert len(around.queued()) == 1


@pytest.mark.parametrize(
    "trouble",
    [fails_with("ThrottlingException"), raises(ConnectionClosedError(endpoint_url=URL))],
)
def test_a_list_of_suppressions_that_cannot_be_read_is_no_lost_message(
    deliver, around, intercept, trouble
):
    around.put(any_communication())
    intercept("GetItem", before=trouble, nth=2)

    assert deliver(body()) == DONE

    assert around.mails() == []
    assert (around.get().state, around.get().tries) == ("QUEUED", 1)
    assert len(around.queued()) == 1


def test_a_recipient_that_can_never_be_looked_up_is_given_up_in_the_end(deliver, around, intercept):
    around.put(any_communication(tries=4))
    intercept("GetItem", before=fails_with("ThrottlingException"), nth=2)

    deliver(body())

    assert (around.get().state, around.get().error) == ("DEAD_LETTER", "ThrottlingException")


@pytest.mark.parametrize(
    ("communication", "operation", "nth"),
    [(any_communication(), "GetItem", 2), (any_sms(), "CheckIfPhoneNumberIsOptedOut", 1)],
)
def test_looks_for_obstacles_before_it_claims(
    deliver, around, intercept, communication, operation, nth
):
    around.put(communication)
    found = []
    intercept(operation, before=lambda: found.append(around.get()), nth=nth)

    deliver(body())

    assert found == [communication]
    assert around.get().state == "SENT"


def test_claims_nothing_where_it_may_not_look(deliver, around, intercept):
    around.put(any_communication())
    intercept("GetItem", before=fails_with("AccessDeniedException"), nth=2)

    fails(deliver, body())

    assert around.get() == any_communication()
    assert around.mails() == []


# --- the record cannot be written


@pytest.mark.parametrize(
    "trouble", [{"before": fails_with("InternalServerError", status=500)}, {"after": reply_is_lost}]
)
def test_sends_nothing_where_the_claim_is_not_known_to_be_written(
    deliver, around, intercept, trouble
):
    around.put(any_communication())
    intercept("PutItem", **trouble)

    fails(deliver, body())

    assert around.mails() == []


def test_a_send_that_could_not_be_recorded_has_an_unknown_end_and_no_second_mail(
    deliver, around, intercept
):
    around.put(any_communication())
    intercept("PutItem", before=fails_with("InternalServerError", status=500), nth=2)
    fails(deliver, body())
    assert len(around.mails()) == 1

    result = deliver(body())

    assert result == DONE
    assert around.get().state == "UNKNOWN"
    assert len(around.mails()) == 1


def test_logs_what_the_provider_calls_it_before_that_is_recorded(
    deliver, around, intercept, capsys
):
    around.put(any_communication())
    intercept("PutItem", before=fails_with("InternalServerError", status=500), nth=2)

    fails(deliver, body())

    [mail] = around.mails()
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [accepted] = [line for line in logged if line.get("message") == "provider accepted"]
    assert (accepted["communication_id"], accepted["provider_message_id"]) == (ID, mail.id)


def test_a_send_whose_record_was_written_is_known_when_the_message_comes_again(
    deliver, around, intercept
):
    around.put(any_communication())
    intercept("PutItem", after=reply_is_lost, nth=2)
    fails(deliver, body())

    assert deliver(body()) == DONE

    assert around.get().state == "SENT"
    assert len(around.mails()) == 1


def test_what_the_provider_told_faster_than_its_reply_stays(deliver, around, intercept):
    around.put(any_communication())
    bounced = any_failed(attempts=1, version=3, error="Bounced")
    intercept("SendEmail", after=lambda: around.put(bounced))

    assert deliver(body()) == DONE

    assert around.get() == bounced


def test_a_message_that_cannot_be_queued_again_comes_back_by_itself(deliver, around, intercept):
    around.put(any_communication())
    intercept("SendEmail", before=fails_with("ServiceUnavailable", status=503))
    intercept("SendMessage", before=fails_with("InternalError", status=500))

    fails(deliver, body())

    assert around.get().state == "QUEUED"
    assert deliver(body()) == DONE
    assert len(around.queued()) == 1


# --- messages that mean nothing


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("Peter Miller", "body: "),
        ("{}", "primaryId: Field required"),
        ("[1]", "body: "),
        (body(primaryId=7), "primaryId: "),
        (body(operation="send.fax"), "operation: "),
        (body(createdBy=""), "createdBy: "),
        (body(created="yesterday"), "created: "),
        (body("nobody"), "there is no communication with this primaryId"),
        (body(operation="send.sms"), "operation send.sms does not fit the channel email"),
    ],
)
def test_puts_a_message_aside_that_means_nothing_and_says_why(
    deliver, around, broken, reason, capsys
):
    around.put(any_communication())

    result = deliver(broken)

    [(kept, told)] = around.dead_letters()
    assert result == DONE
    assert kept == (broken if isinstance(broken, str) else json.dumps(broken))
    assert told.startswith(reason)
    assert around.get() == any_communication()
    assert "Miller" not in told + capsys.readouterr().out


def test_an_sms_is_no_e_mail(deliver, around):
    around.put(any_sms())

    deliver(body(operation="send.email"))

    assert len(around.dead_letters()) == 1
    assert around.texts() == []


SQS_TEXT = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cn"]), min_size=1, max_size=200
)
ALMOST = st.fixed_dictionaries(
    {name: st.just(value) | ANY_JSON for name, value in body().items()},
    optional={"more": ANY_JSON},
)


@given(st.lists(SQS_TEXT | (ANY_JSON | ALMOST).map(json.dumps), min_size=1, max_size=4))
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_each_message_is_handled_or_put_aside_or_comes_again(module, around, context, bodies):
    around.put(any_sent())
    aside = len(around.dead_letters())
    good = json.dumps(body())

    result = module.handler(batch(good, *bodies), context)

    settled_as_duplicates = [text for text in bodies if names_the_sent_one(text)]
    put_aside = len(around.dead_letters()) - aside
    failed = failed_ids(result)
    assert put_aside + len(failed) + len(settled_as_duplicates) == len(bodies)
    assert "message-1" not in failed
    assert all(reason for _, reason in around.dead_letters())
    assert around.mails() == []


def names_the_sent_one(text):
    try:
        message = parse_message(text)
        check_channel(message, "email")
    except MessageRejected:
        return False
    return message.primary_id == ID


# --- batches and logs


def test_fails_only_the_message_that_failed(deliver, around, intercept):
    around.put(*(any_communication(communication_id=one) for one in ("c1", "c2", "c3")))
    intercept("PutItem", before=fails_with("ThrottlingException"), nth=3)

    result = deliver(body("c1"), body("c2"), body("c3"))

    assert failed_ids(result) == ["message-2"]
    assert [around.get(one).state for one in ("c1", "c2", "c3")] == ["SENT", "QUEUED", "SENT"]
    assert len(around.mails()) == 2


def test_fails_a_message_that_cannot_be_put_aside(deliver, around, intercept):
    around.put(any_communication())
    intercept("SendMessage", before=fails_with("InternalError", status=500))

    assert failed_ids(deliver("broken", body())) == ["message-1"]


@pytest.mark.parametrize(
    "trouble",
    [
        {},
        {"before": fails_with("MessageRejected")},
        {"before": fails_with("ServiceUnavailable", status=503)},
        {"after": reply_is_lost},
    ],
)
def test_logs_what_came_of_it_and_neither_recipient_nor_text(
    deliver, around, intercept, capsys, trouble
):
    around.put(any_communication())
    if trouble:
        intercept("SendEmail", **trouble)

    deliver(body(), "Peter Miller")

    logged = capsys.readouterr().out
    assert f'"communication_id":"{ID}"' in logged
    for word in (RECIPIENT, "example.com", BODY, "parcel", "Miller"):
        assert word not in logged


def test_logs_neither_recipient_nor_text_of_what_it_cannot_record(
    deliver, around, intercept, capsys
):
    around.put(any_communication())
    intercept("PutItem", before=fails_with("AccessDeniedException"), nth=2)

    with pytest.raises(Exception, match="All records failed") as raised:
        deliver(body())

    for word in (RECIPIENT, BODY):
        assert word not in capsys.readouterr().out + str(raised.value)


def test_reads_the_message_id_that_sqs_gave(module, around, context, monkeypatch):
    around.put(any_communication())
    claims = spy(monkeypatch, "PutItem")

    module.handler({"Records": [record(body(), "c80e8021")]}, context)

    assert claims[0]["Item"]["claimed_by"] == {"S": "c80e8021"}
