"""A call between two steps: its row, and the documents that earlier steps left."""

from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from post_call.model import CallDocument, Role

from .factories import any_dialogue

SAID: tuple[tuple[Role, str], ...] = (
    ("AGENT", "Thank you for calling Blue River. How can I help you?"),
    ("CUSTOMER", "My name is Peter Miller and I was charged twice. I am very angry."),
    ("AGENT", "I am sorry. I will call you back tomorrow."),
    ("CUSTOMER", "My card number is 4111 1111 1111 1111. I want to cancel my contract."),
)
UPLOAD = {
    "recording_version_id": "3HL4kqtJvjVBH40Nrjfkd2QkPr1mTqAx",
    "uploaded_at": "2026-03-02T09:16:02Z",
}
"""The columns that say from which upload a call's row comes: that of the events in events/."""
LONG_AGO, FAR_AHEAD = "2026-03-02T16:16:04Z", "2999-01-01T00:00:00Z"
"""Ends of leases: run out, and not."""
WORDS_OF_CUSTOMERS = ("Miller", "4111", "charged", "angry")

_serialise = TypeSerializer().serialize
_deserialise = TypeDeserializer().deserialize


def any_transcript(*said: tuple[Role, str]) -> CallDocument:
    """A transcript as Join Transcript leaves it."""
    document = any_dialogue(*(said or SAID), items=True)
    end = document["Transcript"][-1]["EndOffsetMillis"]
    document["Aftercall"] = {"engine": {"name": "embedded"}, "duration_ms": end + 1000}
    return document


def any_recording_document(event: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """`recording.json` as Fetch Recording leaves it."""
    return {
        "call_id": event["call_id"],
        "object": event.get("recording", {}),
        "sha256": "0" * 64,
        "created_at": "2026-03-02T09:14:05Z",
        "agent_channel": 0,
        "metadata": {"agent": "SarahK", "customer_id": "1001", "guid": "7f3a01"},
        "audio": {
            "format": "FLAC",
            "subtype": "PCM_16",
            "channels": 2,
            "sample_rate": 16_000,
            "duration_ms": 69_748,
        },
    } | changed


def work_document(event: dict[str, Any], name: str) -> dict[str, str]:
    return {"bucket": event["work"]["bucket"], "key": f"{event['work']['prefix']}/{name}"}


def put_call(cloud, call_id: str, execution_arn: str, **attributes: Any) -> None:
    """Write a call's row, PROCESSING with a good lease unless something else is named."""
    row = {
        "call_id": call_id,
        "item": "call",
        "state": "PROCESSING",
        "execution_arn": execution_arn,
        "attempt": 1,
        "created_at": "2026-03-02T09:16:02Z",
        "lease_expires_at": FAR_AHEAD,
        **UPLOAD,
    } | attributes
    cloud.dynamodb.put_item(
        TableName=cloud.name("CallsTable"),
        Item={name: _serialise(value) for name, value in row.items()},
    )


def row_of(cloud, call_id: str, item: str = "call") -> dict[str, Any] | None:
    reply = cloud.dynamodb.get_item(
        TableName=cloud.name("CallsTable"),
        Key={"call_id": {"S": call_id}, "item": {"S": item}},
        ConsistentRead=True,
    )
    return _plain(reply["Item"]) if "Item" in reply else None


def query(cloud, index: str, attribute: str, value: str) -> list[dict[str, Any]]:
    reply = cloud.dynamodb.query(
        TableName=cloud.name("CallsTable"),
        IndexName=index,
        KeyConditionExpression="#key = :value",
        ExpressionAttributeNames={"#key": attribute},
        ExpressionAttributeValues={":value": {"S": value}},
    )
    return [_plain(item) for item in reply["Items"]]


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _deserialise(value) for name, value in item.items()}
