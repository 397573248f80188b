"""What the five analysing steps have in common: their input, and how they leave their result."""

from collections.abc import Mapping
from typing import Any, TypedDict

from post_call.model import CallDocument, S3Pointer
from post_call.work_documents import Work, work_pointer
from shared.documents import read_json, write_json


class AnalysisInput(TypedDict):
    call_id: str
    work: Work
    transcript: S3Pointer


class AnalysisOutput(TypedDict):
    document: S3Pointer


def read_transcript(event: AnalysisInput) -> CallDocument:
    transcript: CallDocument = read_json(**event["transcript"])
    return transcript


def leave_result(event: AnalysisInput, name: str, result: Mapping[str, Any]) -> AnalysisOutput:
    """Write a step's result as `<name>.json` among the attempt's documents."""
    pointer = work_pointer(event["work"], f"{name}.json")
    write_json(**pointer, document=result)
    return {"document": pointer}
