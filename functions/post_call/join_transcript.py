"""Join the words of all chunks into one transcript in the shape of Amazon's Call Analytics.

The output, a pointer to `transcript.json`, is the same whatever engine made the transcript.
"""

from collections import defaultdict
from typing import TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.model import CallDocument, Role, S3Pointer
from post_call.rules.turns import Word, make_turns
from post_call.work_documents import PlanDocument, RecordingDocument, Work, work_pointer
from shared.documents import read_json, write_json
from shared.observability import count, logger, step

ENGINE = {"name": "embedded", "recogniser": "PocketSphinx 5", "model": "en-us"}
LANGUAGE_CODE = "en-US"


class Input(TypedDict):
    call_id: str
    work: Work


class Output(TypedDict):
    transcript: S3Pointer


@step
def handler(event: Input, context: LambdaContext) -> Output:
    work = event["work"]
    recording: RecordingDocument = read_json(**work_pointer(work, "recording.json"))
    plan: PlanDocument = read_json(**work_pointer(work, "plan.json"))
    transcript = transcript_document(event["call_id"], recording, plan, read_words(work, plan))
    pointer = work_pointer(work, "transcript.json")
    write_json(**pointer, document=transcript)
    count("CallTranscribed")
    logger.info("transcript joined", turns=len(transcript["Transcript"]))
    return {"transcript": pointer}


def read_words(work: Work, plan: PlanDocument) -> dict[Role, list[Word]]:
    """Every chunk's words, in order, by who speaks on its channel."""
    words: dict[Role, list[Word]] = defaultdict(list)
    for number, channel in enumerate(plan["chunk_channels"]):
        chunk = read_json(**work_pointer(work, f"chunks/{number}.words.json"))
        words[plan["channels"][channel]["role"]] += [Word(**word) for word in chunk]
    return words


def transcript_document(
    call_id: str,
    recording: RecordingDocument,
    plan: PlanDocument,
    words: dict[Role, list[Word]],
) -> CallDocument:
    channels = plan["channels"]
    return {
        "JobStatus": "COMPLETED",
        "LanguageCode": LANGUAGE_CODE,
        "JobName": call_id,
        "Channel": "VOICE",
        "Participants": [{"ParticipantRole": channel["role"]} for channel in channels],
        "ContentMetadata": {"Output": "Raw"},
        "Transcript": make_turns(
            words, {channel["role"]: channel["loudness"] for channel in channels}
        ),
        "Aftercall": {
            "engine": ENGINE,
            "duration_ms": recording["audio"]["duration_ms"],
            "speech": {channel["role"]: channel["speech"] for channel in channels},
        },
    }
