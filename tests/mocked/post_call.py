"""Every path of `post_call` and of the engine's machine that it starts."""

from functools import partial
from typing import Any

from tests.mocked.case import Case
from tests.mocks import MOCKS
from tests.workflow.post_call import mocked_input

GIVEN = {
    "post_call": mocked_input,
    "transcribe_embedded": lambda: {
        "call_id": "any-call",
        "work": {"bucket": "any", "prefix": "work/any-call/1"},
    },
}

CLAIMED = "Prepare Call > Claim Call"
FETCHED = f"{CLAIMED} > Fetch Recording > Which Speech Engine?"
TRANSCRIBED = f"{FETCHED} > Transcribe Embedded"
BRANCHES = (
    "Categorise Call | Find Personal Data | Measure Conversation | Score Sentiment | Summarise Call"
)
STORED = f"{TRANSCRIBED} > Analyse Conversation ({BRANCHES}) > Store Analysis"
PUBLISHED = f"{STORED} > Publish Call Analysed > Needs Follow-up?"
FOLLOWED_UP = f"{PUBLISHED} > Publish Follow-up Requested > Call Analysed"
QUARANTINED = f"{CLAIMED} > Fetch Recording > Quarantine Recording"
RECORDED = "Record Failure > Call Failed"

STORED_ANALYSIS = MOCKS["post_call"]["answers"]["Store Analysis"]
UNREADABLE = {
    "empty": "RecordingEmpty",
    "headerless": "RecordingHeaderless",
    "no_audio": "RecordingNotAudio",
    "too_large": "RecordingTooLarge",
    "too_long": "RecordingTooLong",
    "truncated": "RecordingTruncated",
    "unsupported": "RecordingUnsupported",
}


def analysed(name: str, path: str = FOLLOWED_UP, **values: Any) -> Case:
    """A case that ends well: its output is what was stored, and nothing else."""
    stored = STORED_ANALYSIS | {"needs_follow_up": path == FOLLOWED_UP}
    answers = {"Store Analysis": stored}
    return Case("post_call", name, path, stored, answers=answers, **values)


def failed(name: str, until: str, state: str, error: str, **values: Any) -> Case:
    """A case whose failure is recorded."""
    path = f"{until} > {RECORDED}"
    return Case("post_call", name, path, blamed={state: error}, **values)


PLANNED = "Prepare Transcription > Plan Chunks"
TRANSCRIBING = f"{PLANNED} > Transcribe Chunks (Transcribe Chunk | Transcribe Chunk)"
JOINED = f"{TRANSCRIBING} > Join Transcript"
transcription = partial(Case, "transcribe_embedded")
TRANSCRIPT = MOCKS["transcribe_embedded"]["answers"]["Join Transcript"]

CASES = [
    Case(
        "post_call",
        "call_is_analysed_already",
        f"{CLAIMED} > Call Already Processed",
        throws={"Claim Call": ["DynamoDB.ConditionalCheckFailedException"]},
    ),
    analysed("claiming_is_throttled_once", throws={"Claim Call": ["DynamoDB.ThrottlingException"]}),
    analysed("everything_is_throttled_once"),
    analysed("every_function_fails_transiently_once"),
    analysed("nothing_to_follow_up", f"{PUBLISHED} > Call Analysed"),
    analysed("analyses_late"),
    analysed("takes_over"),
    Case(
        "post_call",
        "claim_is_lost",
        f"{STORED} > Call Taken Over",
        error="ClaimLost",
        throws={"Store Analysis": ["ClaimLost"]},
    ),
    failed("claim_is_denied", CLAIMED, "claim_call", "DynamoDB.AmazonDynamoDBException"),
    *(
        failed(
            f"recording_is_{what}",
            QUARANTINED,
            "fetch_recording",
            error,
            throws={"Fetch Recording": [error]},
        )
        for what, error in UNREADABLE.items()
    ),
    failed(
        "the_way_of_a_failure_is_throttled_once",
        QUARANTINED,
        "fetch_recording",
        "RecordingNotAudio",
    ),
    failed(
        "the_way_of_a_failure_fails_transiently_once",
        QUARANTINED,
        "fetch_recording",
        "RecordingNotAudio",
    ),
    Case(
        "post_call",
        "quarantine_is_denied",
        f"{QUARANTINED} > {RECORDED}",
        blamed={"fetch_recording": "RecordingNotAudio", "quarantine_recording": "AccessDenied"},
    ),
    failed(
        "fetching_never_succeeds",
        f"{CLAIMED} > Fetch Recording",
        "fetch_recording",
        "TransientError",
    ),
    failed(
        "engine_is_unknown",
        f"{FETCHED} > Speech Engine Unknown",
        "which_speech_engine",
        "SpeechEngineUnknown",
        parameters={"SpeechEngine": "other_engine"},
    ),
    failed(
        "fetched_nothing",
        TRANSCRIBED,
        "transcribe_embedded",
        "StepFunctions.ExecutionLimitExceededException",
        throws={"Transcribe Embedded": ["StepFunctions.ExecutionLimitExceededException"]},
    ),
    failed(
        "one_analysis_fails",
        f"{TRANSCRIBED} > Analyse Conversation (Score Sentiment)",
        "analyse_conversation",
        "KeyError",
    ),
    failed("storing_is_denied", STORED, "store_analysis", "AccessDenied"),
    failed(
        "bus_stays_throttled",
        f"{STORED} > Publish Call Analysed",
        "publish_call_analysed",
        "EventBridge.ThrottlingException",
    ),
    failed(
        "follow_up_is_refused",
        f"{PUBLISHED} > Publish Follow-up Requested",
        "publish_follow_up_requested",
        "EventBridge.AccessDeniedException",
    ),
    Case(
        "post_call",
        "failure_is_not_recorded",
        f"{CLAIMED} > Fetch Recording > Record Failure > Failure Not Recorded",
        blamed={"fetch_recording": "RecordingMissing"},
        error="AccessDeniedException",
    ),
    transcription("everything_is_throttled_once", JOINED, output=TRANSCRIPT),
    transcription("every_function_fails_transiently_once", JOINED, output=TRANSCRIPT),
    transcription("plan_fails", PLANNED, error="SpeechEngineMissing"),
    transcription(
        "chunk_fails",
        f"{PLANNED} > Transcribe Chunks (Transcribe Chunk)",
        error="SpeechEngineMissing",
    ),
    transcription("join_fails", JOINED, error="KeyError"),
]
