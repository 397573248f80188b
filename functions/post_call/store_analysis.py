"""Put the five analyses together and store the call: one document, one row.

The unredacted transcript and the redacted document lie in buckets of their own, each under the
call's id and the version of its analysis. Both are written before the row that points at them, and
the row changes only while this execution owns the call: whoever reads the row finds both. A second
run, whose first reply was lost, finds the row stored and gives the same answer.
"""

from os import environ
from typing import Any, NotRequired, TypedDict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.analysis import AnalysisOutput
from post_call.calls_table import get_call, store_analysed_call
from post_call.model import CallDocument, S3Pointer
from post_call.recording_object import RecordingObject
from post_call.rules.analysis_document import Analyses, assemble, call_row
from post_call.work_documents import RecordingDocument, Work, work_pointer
from shared.documents import read_json, write_json
from shared.errors import ClaimLost
from shared.observability import count, logger, step
from shared.times import format_time, now

TRANSCRIPTS_BUCKET_NAME = environ["TRANSCRIPTS_BUCKET_NAME"]
ANALYSES_BUCKET_NAME = environ["ANALYSES_BUCKET_NAME"]
