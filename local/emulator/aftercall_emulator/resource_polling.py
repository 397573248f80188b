"""A resource that is not ready at once is asked again after a tenth of a second, not a second.

CloudFormation here makes and updates resources one after another, and a Lambda function is never
ready the first time it is asked: for fourteen functions, seconds of nothing but waiting added up to
most of a deployment.
"""

from functools import partialmethod
from typing import Any

from botocore.waiter import Waiter
from localstack.runtime import hooks
from localstack.utils.patch import patch

SECONDS = 0.1
ATTEMPTS = 3000
"""Five minutes, as long as the waiter waits by itself."""


@hooks.on_infra_start()
def poll_resources_quickly() -> None:
    """Change how the loop that makes a resource waits, and how a function's update does."""
    from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

    loop = ResourceProviderExecutor.deploy_loop
    ResourceProviderExecutor.deploy_loop = partialmethod(loop, sleep_time=SECONDS)

    @patch(Waiter.wait)
    def wait(fn: Any, waiter: Waiter, **arguments: Any) -> None:
        if waiter.name == "FunctionUpdatedV2":
            arguments.setdefault("WaiterConfig", {"Delay": SECONDS, "MaxAttempts": ATTEMPTS})
        fn(waiter, **arguments)
