"""One call, as a person reads it: where it stands, and what was found in it."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from local.cloud.client import Cloud
from local.cloud.settings import CloudError

WIDTH = 92


def describe(cloud: Cloud, id_begins: str) -> Iterator[str]:
    """The call's record, then its summary and redacted transcript where it was analysed."""
    row = find(cloud, id_begins)
    for name in sorted(row):
        yield f"{name:20} {json.dumps(row[name], default=str, ensure_ascii=False)}"
    if row["state"] == "ANALYSED":
        yield from describe_document(cloud.document(row["analysis_bucket"], row["analysis_key"]))


def find(cloud: Cloud, id_begins: str) -> dict[str, Any]:
    """The one call whose id begins so."""
    pages = cloud.dynamodb.get_paginator("scan").paginate(
        TableName=cloud.outputs["CallsTableName"],
        FilterExpression="begins_with(call_id, :begin) AND #item = :call",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":begin": {"S": id_begins}, ":call": {"S": "call"}},
        ProjectionExpression="call_id",
    )
    found = [item["call_id"]["S"] for page in pages for item in page["Items"]]
    if len(found) != 1:
        raise CloudError(f"{len(found)} calls have an id that begins with {id_begins!r}.")
    call = cloud.call(found[0])
    if call is None:
        raise CloudError(f"the call {found[0]} was deleted meanwhile.")
    return call


def describe_document(document: dict[str, Any]) -> Iterator[str]:
    yield "\n" + document["Aftercall"]["summary"] + "\n"
    for turn in document["Transcript"]:
        seconds = turn["BeginOffsetMillis"] // 1000
        head = f"{seconds // 60}:{seconds % 60:02} {turn['ParticipantRole']:9}"
        yield textwrap.fill(
            turn["Content"],
            WIDTH,
            initial_indent=f"{head} {turn['Sentiment'].lower():9} ",
            subsequent_indent=" " * (len(head) + 11),
        )
