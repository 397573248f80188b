"""Each function in Lambda's own image, started by SAM CLI."""

import socket
import subprocess

import pytest
import requests

from local.cloud.client import wait_until
from local.cloud.issuer import issue_token
from local.cloud.settings import ROOT
from tests.cloud import INSTANCE, TestCloud
from tests.containers.conftest import Answer, sam_command
from tests.unit.aws_actions import load
from tests.unit.template import template

FUNCTIONS = sorted(template().of_type("AWS::Serverless::Function"))
EXPECTED = {*load("shared.errors").definitions, "LookupError", "NoSuchKey", "ExecutionDoesNotExist"}
"""What a step may say of a sample event, whose call, ticket or execution does not exist."""

WITH_WORDS = {
    "ClientError": "(404) when calling the HeadObject operation",
    "BatchProcessingError": "ExecutionDoesNotExist",
}
"""Errors that may mean anything, and what must be in their messages."""


@pytest.mark.parametrize("logical_id", FUNCTIONS)
def test_a_function_answers_its_event(logical_id: str, answers: dict[str, Answer]) -> None:
    answer = answers[logical_id]

    if answer.error in WITH_WORDS:
        assert WITH_WORDS[answer.error] in answer.message, answer.log
    else:
        assert answer.error is None or answer.error in EXPECTED, answer.log


def test_the_api_is_served_to_whoever_has_a_token(cloud: TestCloud) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"

    def listening() -> bool | None:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0 or None

    with subprocess.Popen(sam_command("sam-api", "--port", str(port)), cwd=ROOT) as process:
        try:
            wait_until(listening, 120, "sam local start-api")
            token = issue_token(INSTANCE, "tester", ["operator"])
            known = requests.get(
                f"{url}/replications", headers={"Authorization": f"Bearer {token}"}, timeout=120
            )
            unknown = requests.get(f"{url}/replications", timeout=120)
        finally:
            process.terminate()
            process.wait(60)

    assert (known.status_code, unknown.status_code) == (200, 401)
    assert "items" in known.json()
