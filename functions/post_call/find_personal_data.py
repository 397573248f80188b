"""Find where personal data is spoken, so that what is stored for many eyes leaves it out."""

from dataclasses import asdict

from aws_lambda_powertools.utilities.typing import LambdaContext

from post_call.analysis import AnalysisInput, AnalysisOutput, leave_result, read_transcript
from post_call.rules.personal_data import find_personal_data
from shared.observability import step


@step
def handler(event: AnalysisInput, context: LambdaContext) -> AnalysisOutput:
    spans = find_personal_data(read_transcript(event)["Transcript"])
    return leave_result(event, "personal_data", {"spans": [asdict(span) for span in spans]})
