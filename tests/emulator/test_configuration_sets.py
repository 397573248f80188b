"""Configuration sets of SES, made by the emulator's real CloudFormation."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.emulator.support import eventually

SENDER = "centre@example.org"
WAITING = {"Delay": 0.1, "MaxAttempts": 600}
TEMPLATE = {
    "Resources": {
        "EventsTopic": {"Type": "AWS::SNS::Topic"},
        "EventsQueue": {"Type": "AWS::SQS::Queue"},
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "EventsTopic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["EventsQueue", "Arn"]},
                "RawMessageDelivery": True,
            },
        },
        "Set": {
            "Type": "AWS::SES::ConfigurationSet",
            "Properties": {
                "ReputationOptions": {"ReputationMetricsEnabled": True},
                "SuppressionOptions": {"SuppressedReasons": ["BOUNCE"]},
            },
        },
        "Destination": {
            "Type": "AWS::SES::ConfigurationSetEventDestination",
            "DependsOn": "Subscription",
            "Properties": {
                "ConfigurationSetName": {"Ref": "Set"},
                "EventDestination": {
                    "Enabled": True,
                    "MatchingEventTypes": ["send", "delivery", "bounce", "complaint"],
                    "SnsDestination": {"TopicARN": {"Ref": "EventsTopic"}},
                },
            },
        },
    },
    "Outputs": {
        "Set": {"Value": {"Ref": "Set"}},
        "Destination": {"Value": {"Ref": "Destination"}},
        "Queue": {"Value": {"Ref": "EventsQueue"}},
    },
}


class Stacks:
    """Stacks of one test."""

    def __init__(self, emulator) -> None:
        self._formation = emulator.client("cloudformation")
        self.names: list[str] = []

    def create(self, name: str, template: dict) -> dict[str, str]:
        """A new stack's outputs."""
        self.names.append(name)
        self._formation.create_stack(StackName=name, TemplateBody=json.dumps(template))
        return self._outputs(name, "stack_create_complete")

    def update(self, name: str, template: dict) -> dict[str, str]:
        """A changed stack's outputs."""
        self._formation.update_stack(StackName=name, TemplateBody=json.dumps(template))
        return self._outputs(name, "stack_update_complete")

    def delete(self, name: str) -> None:
        self.names.remove(name)
        self._formation.delete_stack(StackName=name)
        waiter = self._formation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=name, WaiterConfig=WAITING)

    def _outputs(self, name: str, state: str) -> dict[str, str]:
        self._formation.get_waiter(state).wait(StackName=name, WaiterConfig=WAITING)
        stack = self._formation.describe_stacks(StackName=name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture
def stacks(emulator) -> Iterator[Stacks]:
    """Stacks that are gone after the test."""
    stacks = Stacks(emulator)
    yield stacks
    for name in [*stacks.names]:
        stacks.delete(name)


@pytest.fixture
def send(emulator) -> Callable[[str], str]:
    """Sends an e-mail with a configuration set; its message id."""
    ses = emulator.client("ses")
    ses.verify_email_identity(EmailAddress=SENDER)

    def send(configuration_set: str) -> str:
        reply = ses.send_email(
            Source=SENDER,
            Destination={"ToAddresses": ["customer@example.com"]},
            Message={"Subject": {"Data": "any"}, "Body": {"Text": {"Data": "any"}}},
            ConfigurationSetName=configuration_set,
            Tags=[{"Name": "attempt", "Value": "7"}],
        )
        return reply["MessageId"]

    return send


def received(emulator, queue: str, count: int) -> list[str]:
    """The queue's next messages."""
    queues, bodies = emulator.client("sqs"), []

    def all_there() -> bool:
        reply = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for message in reply.get("Messages", []):
            bodies.append(message["Body"])
            queues.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(bodies) >= count

    eventually(all_there, f"{count} messages")
    return bodies


def test_events_of_an_e_mail_reach_the_queue_behind_the_destination(emulator, stacks, send):
    outputs = stacks.create("mail", TEMPLATE)

    message_id = send(outputs["Set"])

    validated, *events = received(emulator, outputs["Queue"], 3)
    assert validated == "Successfully validated SNS topic for Amazon SES event publishing."
    events = [json.loads(event) for event in events]
    assert sorted(event["eventType"] for event in events) == ["Delivery", "Send"]
    for event in events:
        assert event["mail"]["messageId"] == message_id
        assert event["mail"]["tags"]["attempt"] == ["7"]


def test_names_come_from_stack_and_logical_id_and_ref_gives_them(emulator, stacks):
    outputs = stacks.create("names", TEMPLATE)

    described = emulator.client("ses").describe_configuration_set(
        ConfigurationSetName=outputs["Set"], ConfigurationSetAttributeNames=["eventDestinations"]
    )

    assert outputs["Set"].startswith("names-Set-")
    assert outputs["Destination"].startswith("names-Destination-")
    assert [d["Name"] for d in described["EventDestinations"]] == [outputs["Destination"]]


def test_an_update_changes_which_events_are_published_and_keeps_the_names(emulator, stacks, send):
    before = stacks.create("changing", TEMPLATE)
    template = deepcopy(TEMPLATE)
    resources = template["Resources"]
    resources["Set"]["Properties"]["SendingOptions"] = {"SendingEnabled": True}
    destination = resources["Destination"]["Properties"]["EventDestination"]
    destination["MatchingEventTypes"] = ["delivery"]

    after = stacks.update("changing", template)

    assert after == before
    send(after["Set"])
    _, _, event = received(emulator, after["Queue"], 3)  # Each destination is validated first.
    assert json.loads(event)["eventType"] == "Delivery"


def test_another_name_is_another_set_to_which_the_destination_moves(emulator, stacks, send):
    before = stacks.create("renamed", TEMPLATE)
    template = deepcopy(TEMPLATE)
    template["Resources"]["Set"]["Properties"]["Name"] = "chosen"

    after = stacks.update("renamed", template)

    assert (after["Set"], after["Destination"]) == ("chosen", before["Destination"])
    send("chosen")
    assert len(received(emulator, after["Queue"], 4)) == 4
    sets = emulator.client("ses").list_configuration_sets()["ConfigurationSets"]
    assert before["Set"] not in [found["Name"] for found in sets]


def test_a_deleted_stack_leaves_no_set(emulator, stacks):
    outputs = stacks.create("leaving", TEMPLATE)

    stacks.delete("leaving")

    with pytest.raises(ClientError, match="does not exist"):
        emulator.client("ses").describe_configuration_set(ConfigurationSetName=outputs["Set"])


def test_a_second_destination_of_a_set_fails_and_says_why(emulator, stacks):
    template = deepcopy(TEMPLATE)
    second = deepcopy(template["Resources"]["Destination"])
    template["Resources"]["Second"] = second | {"DependsOn": "Destination"}

    with pytest.raises(WaiterError):
        stacks.create("greedy", template)

    events = emulator.client("cloudformation").describe_stack_events(StackName="greedy")
    reasons = [event.get("ResourceStatusReason", "") for event in events["StackEvents"]]
    assert "the emulator keeps one event destination a configuration set" in reasons


def test_a_taken_name_fails_and_stays_with_who_has_it(emulator, stacks):
    template = {"Resources": {"Set": deepcopy(TEMPLATE["Resources"]["Set"])}}
    template["Resources"]["Set"]["Properties"]["Name"] = "taken"
    ses = emulator.client("ses")
    ses.create_configuration_set(ConfigurationSet={"Name": "taken"})

    with pytest.raises(WaiterError):
        stacks.create("late", template)
    stacks.delete("late")

    assert ses.describe_configuration_set(ConfigurationSetName="taken")
