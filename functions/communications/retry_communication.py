"""Ask the API to send one failed communication once more.

The API decides: whoever has changed it since it was listed wins, and the limit of redrives holds.
Its answer is the result; only an API that cannot be reached is a failure.
"""

from os import environ
from typing import TypedDict

import requests
from aws_lambda_powertools.utilities.typing import LambdaContext
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from communications.rules.redrive_outcomes import Retry as RetryResult
from shared.errors import RedriveRefused, TransientError
from shared.observability import step
from shared.service_token import forget_service_token, service_token

API_BASE_URL = environ["API_BASE_URL"]
SECONDS_TO_CONNECT, SECONDS_TO_READ = 3, 15

_SKIPPED = frozenset({404, 409, 412})
"""Answers that say: not this one, not now."""


class Input(TypedDict):
    run_id: str
    communication_id: str
    version: int


def _session() -> requests.Session:
    """Connections are kept; what was not answered is asked again at once, for asking twice is safe:
    the API knows the run.
    """
    session = requests.Session()
    again = Retry(
        total=2,
        backoff_factor=0.3,
        status_forcelist=(502, 503, 504),
        allowed_methods=None,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=again))
    return session


_connections = _session()


@step
def handler(event: Input, context: LambdaContext) -> RetryResult:
    reply = ask(event)
    if reply.status_code == 401:
        forget_service_token()
        reply = ask(event)
    if reply.status_code == 202:
        return {"communication_id": event["communication_id"], "result": "queued"}
    code = problem_code(reply)
    if reply.status_code in _SKIPPED:
        return {"communication_id": event["communication_id"], "result": "skipped", "error": code}
    if reply.status_code == 429 or reply.status_code >= 500:
        raise TransientError(code, f"the API answered {reply.status_code}")
    raise RedriveRefused(f"The API answered {reply.status_code} ({code}).")


def ask(event: Input) -> requests.Response:
    """Post the retry, in the name of the service."""
    try:
        return _connections.post(
            f"{API_BASE_URL}/communications/{event['communication_id']}/retry",
            json={"run_id": event["run_id"]},
            headers={
                "Authorization": f"Bearer {service_token()}",
                "If-Match": f'"{event["version"]}"',
            },
            timeout=(SECONDS_TO_CONNECT, SECONDS_TO_READ),
        )
    except requests.RequestException as error:
        raise TransientError(type(error).__name__, "the API could not be reached") from error


def problem_code(reply: requests.Response) -> str:
    """The kind of the problem that the API reports, as a word."""
    try:
        problem = reply.json()
    except requests.JSONDecodeError:
        return "NoProblemDetails"
    kind = problem.get("type") if isinstance(problem, dict) else None
    return str(kind or "unknown").rpartition("/")[2][:100]
