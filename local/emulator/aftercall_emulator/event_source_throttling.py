"""An event source whose function is throttled tries again soon, as on AWS.

LocalStack gives the batch up: a queue's messages then stay invisible until its visibility timeout
has passed (six minutes for ours), each time one step nearer to the dead-letter queue.
"""

import time
from typing import Any

from botocore.exceptions import ClientError
from localstack.services.lambda_.event_source_mapping.senders.lambda_sender import LambdaSender
from localstack.utils.patch import patch

PAUSE_SECONDS = 0.5
GIVE_UP_SECONDS = 120.0
"""Well before a visibility timeout ends; what is delivered meanwhile would be delivered twice."""


def retry_throttled_event_sources() -> None:
    """To be called when Lambda is first used; at the emulator's start it would make it slower."""

    @patch(LambdaSender.send_events)
    def send_events(fn: Any, sender: LambdaSender, events: Any) -> Any:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return fn(sender, events)
            except ClientError as error:
                throttled = error.response["Error"]["Code"] == "TooManyRequestsException"
                if not throttled or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)
