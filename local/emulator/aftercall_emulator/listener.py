"""The gateway listens where GATEWAY_LISTEN says, or the emulator does not start.

LocalStack's twisted server takes only the port from GATEWAY_LISTEN and listens on all interfaces,
and when the port is taken it prints "Ready." all the same.
"""

from types import SimpleNamespace

from localstack import config
from localstack.runtime import hooks
from twisted.internet import endpoints
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IReactorTCP
from twisted.python.failure import Failure


@hooks.on_runtime_create()
def listen_on_configured_host() -> None:
    """Give the server module, and it alone, an endpoint that knows the interface."""
    from localstack.runtime.server import twisted as server

    server.endpoints = SimpleNamespace(
        TCP4ServerEndpoint=_ConfiguredEndpoint,
        TCP6ServerEndpoint=endpoints.TCP6ServerEndpoint,
    )


class _ConfiguredEndpoint(endpoints.TCP4ServerEndpoint):
    """An IPv4 endpoint on the host that GATEWAY_LISTEN names for its port."""

    def __init__(self, reactor: IReactorTCP, port: int) -> None:
        hosts = {listen.port: listen.host for listen in config.GATEWAY_LISTEN}
        super().__init__(reactor, port, interface=hosts[port])

    def listen(self, factory: IProtocolFactory) -> "Deferred[IListeningPort]":
        """Raise at once when the port cannot be had, instead of leaving it in the Deferred."""
        failures: list[Failure] = []
        listening = super().listen(factory).addErrback(failures.append)
        if failures:
            failures[0].raiseException()
        return listening
