"""Faults on demand, as the clients of the services meet them."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from aftercall_emulator.faults import PATH, Faults, read_rules
from botocore.exceptions import ClientError, ConnectionClosedError

from local.cloud.faults import clear_faults, hits, set_faults
from local.cloud.settings import CloudError

SENDER = "centre@example.org"
SEND_EMAIL = {"service": "ses", "operation": "SendEmail"}
PUBLISH = {"service": "sns", "operation": "Publish"}
NUMBER = "+12025550123"


@pytest.fixture
def set_rules(emulator) -> Iterator[Callable[..., None]]:
    """Puts rules, which are gone after the test."""
    yield lambda *rules: set_faults(emulator.url, list(rules))
    clear_faults(emulator.url)


@pytest.fixture
def send_email(emulator) -> Callable[[str], str]:
    """Sends an e-mail once; its message id."""
    ses = emulator.client("ses")
    ses.verify_email_identity(EmailAddress=SENDER)

    def send(recipient: str) -> str:
        return ses.send_email(
            Source=SENDER,
            Destination={"ToAddresses": [recipient]},
            Message={"Subject": {"Data": "any"}, "Body": {"Text": {"Data": "any"}}},
        )["MessageId"]

    return send


def received_by(emulator, recipient: str) -> int:
    """How many e-mails somebody has got."""
    mails = requests.get(f"{emulator.url}/_aws/ses", timeout=10).json()["messages"]
    return sum(mail.get("Destination") == {"ToAddresses": [recipient]} for mail in mails)


def test_a_rejected_e_mail_is_refused_with_the_error_and_reaches_nobody(
    emulator, set_rules, send_email
):
    set_rules({**SEND_EMAIL, "action": "reject", "code": "Throttling", "status": 400})

    with pytest.raises(ClientError) as error:
        send_email("rejected@example.com")

    assert error.value.response["Error"]["Code"] == "Throttling"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert received_by(emulator, "rejected@example.com") == 0
    assert hits(emulator.url) == [1]


def test_without_further_words_a_service_is_unavailable(set_rules, emulator):
    set_rules({**PUBLISH, "recipient": NUMBER, "action": "reject"})

    with pytest.raises(ClientError, match="ServiceUnavailable") as error:
        emulator.client("sns").publish(PhoneNumber=NUMBER, Message="any")

    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_an_error_comes_in_the_protocol_of_its_service(set_rules, emulator):
    code = "ProvisionedThroughputExceededException"
    rule = {"service": "dynamodb", "operation": "ListTables"}
    set_rules({**rule, "action": "reject", "code": code, "status": 400, "message": "Slow down."})
    client = emulator.client("dynamodb")

    with pytest.raises(client.exceptions.ProvisionedThroughputExceededException) as error:
        client.list_tables()

    assert error.value.response["Error"]["Message"] == "Slow down."


def test_a_lost_reply_breaks_the_connection_after_the_e_mail_was_sent(
    emulator, set_rules, send_email
):
    set_rules({**SEND_EMAIL, "recipient": "lost@*", "action": "lose_reply", "times": 1})

    with pytest.raises(ConnectionClosedError):
        send_email("lost@example.com")

    assert received_by(emulator, "lost@example.com") == 1
    assert send_email("lost@example.com")


def test_a_reply_is_lost_before_its_first_byte(set_rules, emulator):
    set_rules({"service": "sqs", "operation": "ListQueues", "action": "lose_reply"})

    with pytest.raises(ConnectionClosedError) as error:
        emulator.client("sqs").list_queues()

    assert "Connection was closed before we received a valid response" in str(error.value)


def test_a_delayed_reply_comes_late_and_keeps_nobody_else_waiting(emulator, set_rules, send_email):
    set_rules({**SEND_EMAIL, "recipient": "slow@*", "action": "delay", "seconds": 1.5})

    with ThreadPoolExecutor(1) as threads:
        begin = time.monotonic()
        slow = threads.submit(send_email, "slow@example.com")
        send_email("quick@example.com")
        quick_seconds = time.monotonic() - begin
        assert slow.result(30)
        slow_seconds = time.monotonic() - begin

    assert quick_seconds < 1.4
    assert slow_seconds >= 1.5
    assert received_by(emulator, "slow@example.com") == 1


def test_times_count_for_each_recipient_and_the_next_rule_follows(set_rules, emulator):
    sns = emulator.client("sns")
    set_rules(
        {**PUBLISH, "recipient": "+1*", "action": "reject", "code": "First", "times": 1},
        {**PUBLISH, "recipient": "+1*", "action": "reject", "code": "Second", "times": 1},
    )

    def outcome(number: str) -> str:
        try:
            sns.publish(PhoneNumber=number, Message="any")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "sent"

    assert [outcome(NUMBER) for _ in range(3)] == ["First", "Second", "sent"]
    assert outcome("+12025550199") == "First"
    assert outcome("+442079460000") == "sent"
    assert hits(emulator.url) == [2, 1]


def test_a_rule_with_a_recipient_leaves_topics_alone(set_rules, emulator):
    sns = emulator.client("sns")
    topic = sns.create_topic(Name="left-alone")["TopicArn"]
    set_rules({**PUBLISH, "recipient": "*", "action": "reject"})

    sns.publish(TopicArn=topic, Message="any")

    assert hits(emulator.url) == [0]


def test_rules_stay_until_others_take_their_place_or_they_are_removed(
    emulator, set_rules, send_email
):
    set_rules({**SEND_EMAIL, "action": "reject"})
    with pytest.raises(CloudError):
        set_rules({"service": "ses"})
    assert len(hits(emulator.url)) == 1

    clear_faults(emulator.url)

    assert hits(emulator.url) == []
    assert send_email("anybody@example.com")


def test_a_hit_of_many_at_once_counts_exactly():
    faults = Faults()
    faults._rules = read_rules(
        b'{"rules": [{"service": "ses", "operation": "SendEmail", "action": "reject", "times": 5}]}'
    )

    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: faults.take("ses", "SendEmail", "a@b"), range(100)))

    assert len([rule for rule in taken if rule]) == 5


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("reject", "is not an object"),
        ({"service": "ses", "operation": "SendEmail"}, "action is missing"),
        ({**SEND_EMAIL, "action": "explode"}, "action explode is unknown"),
        ({**SEND_EMAIL, "action": "reject", "time": 1}, "time is unknown"),
        ({**SEND_EMAIL, "action": "reject", "times": 0}, "times is not between"),
        ({**SEND_EMAIL, "action": "reject", "times": True}, "times is not of type int"),
        ({**SEND_EMAIL, "action": "reject", "status": 200}, "status is not between 400 and 599"),
        ({**SEND_EMAIL, "action": "reject", "seconds": 1}, "seconds is only for delay"),
        ({**SEND_EMAIL, "action": "lose_reply", "code": "A"}, "code is only for reject"),
        ({**SEND_EMAIL, "action": "delay"}, "seconds is missing"),
        ({**SEND_EMAIL, "action": "delay", "seconds": 1e9}, "seconds is not between"),
        ({"service": "ses", "operation": "SendMail", "action": "reject"}, "no operation SendMail"),
        ({"service": "post", "operation": "Send", "action": "reject"}, "no service post"),
        (
            {"service": "sqs", "operation": "ListQueues", "action": "reject", "recipient": "*"},
            "recipient is only for",
        ),
    ],
)
def test_says_which_rule_is_invalid_and_why(rule, reason, set_rules):
    with pytest.raises(CloudError, match=f"^rule 2: .*{reason}"):
        set_rules({**SEND_EMAIL, "action": "reject"}, rule)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"rules": {}}', b"{"])
def test_refuses_a_body_that_holds_no_rules(body, emulator):
    reply = requests.put(f"{emulator.url}{PATH}", data=body, timeout=10)

    assert reply.status_code == 400
    assert "the body is not" in reply.json()["error"]
