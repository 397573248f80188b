"""The one document that describes a call, and the small types that steps pass on.

`CallDocument` has the shape of Amazon Transcribe Call Analytics output, whatever engine made it
(https://docs.aws.amazon.com/transcribe/latest/dg/call-analytics-batch.html). What that schema does
not know is in one side object, `Aftercall`, whose keys are snake_case. Offsets are milliseconds
from the recording's start, loudness is in decibels as Amazon reports it (0 to 100), sentiment
scores run from -5 to 5.
"""

from typing import Literal, NotRequired, TypedDict

Role = Literal["AGENT", "CUSTOMER", "UNKNOWN"]
"""`UNKNOWN`: both people on one channel; a role is never invented."""

Sentiment = Literal["POSITIVE", "NEUTRAL", "NEGATIVE", "MIXED"]


class S3Pointer(TypedDict):
    """Where a document is; what goes through a state machine instead of the document."""

    bucket: str
    key: str


class Item(TypedDict):
    """A word or a punctuation mark; punctuation has no offsets."""

    Type: Literal["pronunciation", "punctuation"]
    Content: str
    Confidence: NotRequired[str]
    BeginOffsetMillis: NotRequired[int]
    EndOffsetMillis: NotRequired[int]


class CharacterOffsets(TypedDict):
    Begin: int
    End: int


class Detected(TypedDict):
    CharacterOffsets: CharacterOffsets


class Turn(TypedDict):
    """One participant's talk until somebody else speaks or a long pause follows."""

    Id: str
    ParticipantRole: Role
    Content: str
    BeginOffsetMillis: int
    EndOffsetMillis: int
    Items: NotRequired[list[Item]]
    LoudnessScores: NotRequired[list[float | None]]
    Sentiment: NotRequired[Sentiment]
    IssuesDetected: NotRequired[list[Detected]]
    OutcomesDetected: NotRequired[list[Detected]]
    ActionItemsDetected: NotRequired[list[Detected]]


class Participant(TypedDict):
    ParticipantRole: Role


class ContentMetadata(TypedDict):
    Output: Literal["Raw", "Redacted"]
    RedactionTypes: NotRequired[list[str]]


class Instance(TypedDict):
    BeginOffsetMillis: int
    EndOffsetMillis: int
    DurationMillis: int


class TimeRange(TypedDict):
    BeginOffsetMillis: int
    EndOffsetMillis: int


class PeriodScore(TypedDict):
    Score: float
    BeginOffsetMillis: int
    EndOffsetMillis: int


class Additions(TypedDict):
    """What Amazon's schema does not know; `speech` is spans of voice activity in milliseconds.

    The transcript comes with engine, duration_ms and, from the embedded engine, speech; Store
    Analysis adds the rest.
    """

    engine: dict[str, str]
    duration_ms: int
    speech: NotRequired[dict[Role, list[tuple[int, int]]]]
    call_id: NotRequired[str]
    version: NotRequired[int]
    created_at: NotRequired[str]
    recording: NotRequired[dict[str, object]]
    metadata: NotRequired[dict[str, str]]
    sentiment_trend: NotRequired[dict[Role, object]]
    summary: NotRequired[str]
    follow_up_reasons: NotRequired[list[str]]


class CallDocument(TypedDict):
    """A transcript, and after analysis the whole analysed call."""

    JobStatus: Literal["COMPLETED"]
    LanguageCode: str
    JobName: str
    Channel: Literal["VOICE"]
    Participants: list[Participant]
    ContentMetadata: ContentMetadata
    Transcript: list[Turn]
    ConversationCharacteristics: NotRequired[dict[str, object]]
    Categories: NotRequired[dict[str, object]]
    Aftercall: NotRequired[Additions]
