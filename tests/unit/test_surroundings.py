"""What conftest.py promises to every other test."""

import json
import os
import socket

import pytest

from .template import ACCOUNT, REGION, REPOSITORY, template

EVENTS = sorted((REPOSITORY / "events").rglob("*.json"))


def test_a_network_connection_fails_the_test():
    with pytest.raises(pytest.fail.Exception, match="network connection"), socket.socket() as s:
        s.connect(("192.0.2.1", 80))


def test_nothing_of_the_host_is_left():
    assert "AWS_ENDPOINT_URL" not in os.environ
    assert "AWS_PROFILE" not in os.environ
    assert os.environ["AWS_ACCESS_KEY_ID"] == "nobodys-key"


@pytest.mark.parametrize("logical_id", template().of_type("AWS::Serverless::Function"))
def test_every_function_has_an_environment_of_resolved_values(logical_id):
    module = template().resources[logical_id]["Properties"]["Handler"].removesuffix(".handler")

    environment = template().environment_of(module)

    assert all("{" not in value for value in environment.values())
    assert environment["POWERTOOLS_SERVICE_NAME"] == "aftercall"


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_events_name_the_resources_of_the_template(path):
    buckets = {template().name(bucket) for bucket in template().of_type("AWS::S3::Bucket")}

    named = set(_buckets(json.loads(path.read_text())))

    assert named <= buckets


@pytest.mark.parametrize("name", ["on_recording_created", "on_execution_ended"])
def test_messages_come_from_the_queue_of_their_function(name):
    function = template().function_of(f"post_call.{name}")
    [source] = template().resources[function]["Properties"]["Events"].values()
    path = REPOSITORY / "events" / "post_call" / f"{name}.json"

    [record] = json.loads(path.read_text())["Records"]

    assert record["eventSourceARN"] == template().resolve(source["Properties"]["Queue"])
    body = json.loads(record["body"])
    assert (body["account"], body["region"]) == (ACCOUNT, REGION)


def test_events_of_all_steps_are_of_one_call(event_of):
    events = [
        event_of(f"post_call.{path.stem}") for path in EVENTS if path.parent.name == "post_call"
    ]

    assert len({event["call_id"] for event in events if "call_id" in event}) == 1


def _buckets(value: object) -> list[str]:
    if isinstance(value, list):
        return [bucket for item in value for bucket in _buckets(item)]
    if not isinstance(value, dict):
        return []
    own = [value["bucket"]] if isinstance(value.get("bucket"), str) else []
    return own + [bucket for item in value.values() for bucket in _buckets(item)]
