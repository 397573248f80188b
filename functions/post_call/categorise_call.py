"""Put the call into categories by phrase rules, and find its issues, outcomes and action items."""

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.analysis import AnalysisInput, AnalysisOutput, leave_result, read_transcript
from post_call.rules.categories import categorise
from post_call.rules.issues import find_issues
from shared.observability import step


@step
def handler(event: AnalysisInput, context: LambdaContext) -> AnalysisOutput:
    transcript = read_transcript(event)
    result = {"categories": categorise(transcript), "findings": find_issues(transcript)}
    return leave_result(event, "categories", result)
