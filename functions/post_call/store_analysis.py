"""Put the five analyses together and store the call: one document, one row.

The unredacted transcript and the redacted document lie in buckets of their own, each under the
call's id and the version of its analysis. Both are written before the row that points at them, and
the row changes only while this execution owns the call: whoever reads the row finds both. A second
run, whose first reply was lost, finds the row stored and gives the same answer.
"""

from os import environ
from typing import Any, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.analysis import AnalysisOutput
from post_call.calls_table import get_call, store_analysed_call
from post_call.model import CallDocument, S3Pointer
from post_call.rules.analysis_document import Analyses, Described, assemble, call_row
from post_call.rules.personal_data import Span
from post_call.work_documents import RecordingDocument, Work, work_pointer
from shared.documents import read_json, write_json
from shared.errors import ClaimLost
from shared.observability import count, logger, step
from shared.times import format_time, now

TRANSCRIPTS_BUCKET_NAME = environ["TRANSCRIPTS_BUCKET_NAME"]
ANALYSES_BUCKET_NAME = environ["ANALYSES_BUCKET_NAME"]


class AnalysesInput(TypedDict):
    measures: AnalysisOutput
    sentiment: AnalysisOutput
    personal_data: AnalysisOutput
    categories: AnalysisOutput
    summary: AnalysisOutput


class Input(TypedDict):
    call_id: str
    execution_arn: str
    work: Work
    transcript: S3Pointer
    analyses: AnalysesInput


class Output(TypedDict):
    call_id: str
    analysis: S3Pointer
    needs_follow_up: bool
    follow_up_reasons: list[str]
    stored_at: str


@step
def handler(event: Input, context: LambdaContext) -> Output:
    row = owned_row(event)
    if row["state"] != "ANALYSED":
        row = store(event, version=int(row.get("analysis_version", 0)) + 1, before=row)
    count("CallAnalysed")
    logger.info("analysis stored", version=int(row["analysis_version"]))
    return {
        "call_id": event["call_id"],
        "analysis": {"bucket": row["analysis_bucket"], "key": row["analysis_key"]},
        "needs_follow_up": bool(row["follow_up_reasons"]),
        "follow_up_reasons": row["follow_up_reasons"],
        "stored_at": row["stored_at"],
    }


def owned_row(event: Input) -> dict[str, Any]:
    """The call's row, if this execution still owns the call."""
    row = get_call(event["call_id"])
    if row is None or row["execution_arn"] != event["execution_arn"]:
        raise ClaimLost("Another execution has taken the call over; its analysis will stand.")
    return row


def store(event: Input, version: int, before: dict[str, Any]) -> dict[str, Any]:
    """Write both documents, then the row; gives the row."""
    transcript: CallDocument = read_json(**event["transcript"])
    recording: RecordingDocument = read_json(**work_pointer(event["work"], "recording.json"))
    analyses = read_analyses(event["analyses"])
    call = Described(
        call_id=event["call_id"],
        version=version,
        created_at=recording["created_at"],
        metadata=recording["metadata"],
        recording={**recording["audio"], "sha256": recording["sha256"]},
    )
    name = f"{event['call_id']}/{version}.json"
    original: S3Pointer = {"bucket": TRANSCRIPTS_BUCKET_NAME, "key": f"transcripts/{name}"}
    analysis: S3Pointer = {"bucket": ANALYSES_BUCKET_NAME, "key": f"analyses/{name}"}
    write_json(**original, document=transcript)
    write_json(**analysis, document=assemble(transcript, analyses, call))
    row = call_row(analyses, call, analysis=analysis, transcript=original)
    row["stored_at"] = format_time(now())
    if not store_analysed_call(event["call_id"], event["execution_arn"], row, before):
        raise ClaimLost("Another execution took the call over while this one stored it.")
    return row


def read_analyses(found: AnalysesInput) -> Analyses:
    categories = read_json(**found["categories"]["document"])
    spans = read_json(**found["personal_data"]["document"])["spans"]
    return Analyses(
        measures=read_json(**found["measures"]["document"]),
        sentiment=read_json(**found["sentiment"]["document"]),
        personal_data=[Span(**span) for span in spans],
        categories=categories["categories"],
        findings=categories["findings"],
        summary=read_json(**found["summary"]["document"]),
    )
