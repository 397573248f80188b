"""Measure how the conversation went: who talked how long, silences, interruptions, talk speed."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.analysis import AnalysisInput, AnalysisOutput, leave_result, read_transcript
from post_call.rules.conversation_measures import measure_conversation
from shared.observability import step


@step
def handler(event: AnalysisInput, context: LambdaContext) -> AnalysisOutput:
    transcript = read_transcript(event)
    made_by = transcript["Aftercall"]
    measures = measure_conversation(
        transcript, duration_ms=made_by["duration_ms"], speech=made_by.get("speech")
    )
    return leave_result(event, "measures", measures)
