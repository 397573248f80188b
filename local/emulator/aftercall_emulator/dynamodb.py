"""DynamoDB served by moto, inside the emulator's process: nothing to download, nothing to start.

moto checks a condition and writes in separate steps, and a transaction is a series of writes that
is undone on failure; under threads it loses updates and shows half a transaction. So one lock
holds every operation, reads too. It is one for all tables, because a transaction spans several,
and it costs no throughput: moto's operations never wait, they only compute, and the interpreter
lets one thread compute at a time anyway.
"""

import threading

from localstack.aws.api import RequestContext, ServiceRequest, ServiceResponse
from localstack.aws.api.core import ServiceRequestHandler
from localstack.aws.api.dynamodb import DynamodbApi
from localstack.aws.skeleton import DispatchTable
from localstack.services.moto import MotoFallbackDispatcher
from localstack.services.plugins import Service, aws_provider

from aftercall_emulator.dynamodb_transactions import copy_only_what_changes

_ONE_AT_A_TIME = threading.Lock()


class MotoDynamoDBProvider(DynamodbApi):
    """Implements nothing itself, so that every operation falls through to moto."""


@aws_provider(api="dynamodb", name="moto")
def dynamodb() -> Service:
    """The provider that PROVIDER_OVERRIDE_DYNAMODB=moto selects."""
    copy_only_what_changes()
    return Service.for_provider(MotoDynamoDBProvider(), serialised_dispatch_table)


def serialised_dispatch_table(provider: MotoDynamoDBProvider) -> DispatchTable:
    """moto's operations, one at a time."""
    operations = MotoFallbackDispatcher(provider)
    return {name: _serialised(operation) for name, operation in operations.items()}


def _serialised(operation: ServiceRequestHandler) -> ServiceRequestHandler:
    def handle(context: RequestContext, request: ServiceRequest) -> ServiceResponse | None:
        with _ONE_AT_A_TIME:
            return operation(context, request)

    return handle
