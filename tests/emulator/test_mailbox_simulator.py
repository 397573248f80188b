"""How e-mails fare with the simulator's addresses, as the events and the mailbox tell it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import requests
from aftercall_emulator.mailbox_simulator import Outcome, events_of, outcome_for

from tests.emulator.support import eventually

SENDER = "Contact Centre <centre@example.org>"
ALL_EVENTS = ("send", "delivery", "bounce", "complaint")


@dataclass
class MailService:
    """A configuration set whose events come to a queue."""

    emulator: object
    set_name: str
    queue: str

    def send(self, *recipients: str) -> str:
        """Send an e-mail; its message id."""
        reply = self.emulator.client("ses").send_email(
            Source=SENDER,
            Destination={"ToAddresses": list(recipients)},
            Message={"Subject": {"Data": "any"}, "Body": {"Text": {"Data": "any"}}},
            ConfigurationSetName=self.set_name,
            Tags=[{"Name": "attempt", "Value": "7"}],
        )
        return reply["MessageId"]

    def events(self, count: int) -> dict[str, dict]:
        """The next events by their type: so many, and of each type one."""
        queues, found = self.emulator.client("sqs"), []

        def all_there() -> bool:
            reply = queues.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            for message in reply.get("Messages", []):
                found.append(json.loads(message["Body"]))
                queues.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count

        eventually(all_there, f"{count} events")
        by_type = {event["eventType"]: event for event in found}
        assert len(by_type) == len(found) == count
        return by_type

    def mailbox(self, message_id: str) -> list[dict]:
        """What LocalStack's mailbox has under an id."""
        url = f"{self.emulator.url}/_aws/ses"
        return requests.get(url, params={"id": message_id}, timeout=10).json()["messages"]


@pytest.fixture
def mail_service(emulator, request) -> Callable[..., MailService]:
    """Makes a configuration set with a destination for some types of events."""

    def make(*event_types: str) -> MailService:
        name = f"mail-{abs(hash(request.node.name))}"
        ses, sns, queues = (emulator.client(service) for service in ("ses", "sns", "sqs"))
        topic = sns.create_topic(Name=name)["TopicArn"]
        queue = queues.create_queue(QueueName=name)["QueueUrl"]
        ses.verify_email_identity(EmailAddress="centre@example.org")
        ses.create_configuration_set(ConfigurationSet={"Name": name})
        ses.create_configuration_set_event_destination(
            ConfigurationSetName=name,
            EventDestination={
                "Name": name,
                "Enabled": True,
                "MatchingEventTypes": list(event_types or ALL_EVENTS),
                "SNSDestination": {"TopicARN": topic},
            },
        )
        sns.subscribe(  # After the destination, so that its validation does not come here.
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:us-east-1:000000000000:{name}",
            Attributes={"RawMessageDelivery": "true"},
        )
        return MailService(emulator, name, queue)

    return make


@pytest.mark.parametrize(
    ("recipient", "outcome"),
    [
        ("success@simulator.amazonses.com", Outcome.DELIVERED),
        ("bounce@simulator.amazonses.com", Outcome.BOUNCED),
        ("bounce+label@simulator.amazonses.com", Outcome.BOUNCED),
        ("A Name <Bounce+A@Simulator.AmazonSES.com>", Outcome.BOUNCED),
        ("suppressionlist@simulator.amazonses.com", Outcome.SUPPRESSED),
        ("complaint@simulator.amazonses.com", Outcome.COMPLAINED),
        ("ooto@simulator.amazonses.com", Outcome.REPLIED_AUTOMATICALLY),
        ("bounce@example.com", Outcome.DELIVERED),
        ("bounce@simulator.amazonses.com.example.com", Outcome.DELIVERED),
        ("bouncer@simulator.amazonses.com", Outcome.DELIVERED),
    ],
)
def test_knows_the_simulators_addresses_and_their_labels(recipient, outcome):
    assert outcome_for(recipient) is outcome


def test_each_recipient_of_an_e_mail_fares_on_their_own():
    recipients = [f"{name}@simulator.amazonses.com" for name in ("bounce", "complaint", "ooto")]

    events = list(events_of([*recipients, "a@example.com"], datetime.now(UTC)))

    assert [e.type for e in events] == ["Send", "Delivery", "Bounce", "Complaint", "Bounce"]
    assert events[1].content["recipients"] == [*recipients[1:], "a@example.com"]


@pytest.mark.parametrize("recipient", ["customer@example.com", "success@simulator.amazonses.com"])
def test_an_e_mail_is_sent_and_delivered(recipient, mail_service):
    service = mail_service()

    message_id = service.send(recipient)

    events = service.events(2)
    assert events["Send"]["send"] == {}
    assert events["Delivery"]["delivery"]["recipients"] == [recipient]
    [kept] = service.mailbox(message_id)
    assert kept["Destination"] == {"ToAddresses": [recipient]}


def test_every_event_describes_the_e_mail(mail_service):
    service = mail_service()

    message_id = service.send("bounce@simulator.amazonses.com")

    for event in service.events(2).values():
        mail = event["mail"]
        assert datetime.strptime(mail.pop("timestamp"), "%Y-%m-%dT%H:%M:%S.%fZ")
        assert mail == {
            "source": SENDER,
            "sourceArn": "arn:aws:ses:us-east-1:000000000000:identity/centre@example.org",
            "sendingAccountId": "000000000000",
            "messageId": message_id,
            "destination": ["bounce@simulator.amazonses.com"],
            "headersTruncated": False,
            "tags": {
                "attempt": ["7"],
                "ses:configuration-set": [service.set_name],
                "ses:from-domain": ["example.org"],
                "ses:operation": ["SendEmail"],
            },
        }


@pytest.mark.parametrize(
    ("name", "sub_type", "diagnosis"),
    [("bounce", "General", "550 5.1.1"), ("suppressionlist", "Suppressed", "suppressed sending")],
)
def test_what_bounces_for_good_reaches_nobody(name, sub_type, diagnosis, mail_service):
    service = mail_service()
    recipient = f"{name}+label@simulator.amazonses.com"

    message_id = service.send(recipient)

    events = service.events(2)
    assert set(events) == {"Send", "Bounce"}
    bounce = events["Bounce"]["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == ("Permanent", sub_type)
    [bounced] = bounce["bouncedRecipients"]
    assert (bounced["emailAddress"], bounced["action"]) == (recipient, "failed")
    assert diagnosis in bounced["diagnosticCode"]
    assert bounce["feedbackId"]
    assert service.mailbox(message_id) == []


def test_an_automatic_reply_is_a_transient_bounce_of_what_was_delivered(mail_service):
    service = mail_service()

    message_id = service.send("ooto@simulator.amazonses.com")

    events = service.events(3)
    assert set(events) == {"Send", "Delivery", "Bounce"}
    bounce = events["Bounce"]["bounce"]
    assert (bounce["bounceType"], bounce["bounceSubType"]) == ("Transient", "General")
    assert bounce["bouncedRecipients"] == [{"emailAddress": "ooto@simulator.amazonses.com"}]
    assert len(service.mailbox(message_id)) == 1


def test_a_complaint_comes_of_what_was_delivered(mail_service):
    service = mail_service()

    service.send("complaint@simulator.amazonses.com")

    events = service.events(3)
    assert set(events) == {"Send", "Delivery", "Complaint"}
    complaint = events["Complaint"]["complaint"]
    assert complaint["complaintFeedbackType"] == "abuse"
    assert complaint["complainedRecipients"] == [
        {"emailAddress": "complaint@simulator.amazonses.com"}
    ]


def test_publishes_only_what_the_destination_asks_for(mail_service):
    service = mail_service("bounce")

    service.send("customer@example.com")
    service.send("ooto@simulator.amazonses.com")

    assert set(service.events(1)) == {"Bounce"}


def test_an_e_mail_that_reaches_one_of_two_is_in_the_mailbox(mail_service):
    service = mail_service("bounce")

    message_id = service.send("bounce@simulator.amazonses.com", "customer@example.com")

    assert len(service.mailbox(message_id)) == 1
