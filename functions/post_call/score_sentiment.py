"""Score the sentiment of each turn and each participant, and how it changed during the call."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.analysis import AnalysisInput, AnalysisOutput, leave_result, read_transcript
from post_call.rules.sentiment import measure_sentiment
from shared.observability import step


@step
def handler(event: AnalysisInput, context: LambdaContext) -> AnalysisOutput:
    return leave_result(event, "sentiment", measure_sentiment(read_transcript(event)))
