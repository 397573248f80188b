"""A resource that is not ready at once is asked again after a tenth of a second, not a second.

CloudFormation here creates resources one after another, and every Lambda function answers "in
progress" the first time: for fourteen functions that was a quarter of a minute of each deployment.
"""

from functools import partialmethod

from localstack.runtime import hooks

SECONDS = 0.1


@hooks.on_infra_start()
def poll_resources_quickly() -> None:
    """Change the default of the loop that waits for each resource."""
    from localstack.services.cloudformation.resource_provider import ResourceProviderExecutor

    loop = ResourceProviderExecutor.deploy_loop
    ResourceProviderExecutor.deploy_loop = partialmethod(loop, sleep_time=SECONDS)
