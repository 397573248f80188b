"""Say in a few references what the call was about, how it ended and what was promised."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.analysis import AnalysisInput, AnalysisOutput, leave_result, read_transcript
from post_call.rules.summary import summarise
from shared.observability import step


@step
def handler(event: AnalysisInput, context: LambdaContext) -> AnalysisOutput:
    transcript = read_transcript(event)
    summary = summarise(transcript, duration_ms=transcript["Aftercall"]["duration_ms"])
    return leave_result(event, "summary", summary)
