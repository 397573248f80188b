"""The Lambda Runtime API for one process: hands it invocations, takes back what becomes of them.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, served on a loopback port of its
own, so that nothing a dead process has left on a connection can reach its successor.
"""

import re
import socket
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue

_PREFIX = "/2018-06-01/runtime"
_NEXT = f"{_PREFIX}/invocation/next"
_INIT_ERROR = f"{_PREFIX}/init/error"
_OUTCOME = re.compile(rf"{_PREFIX}/invocation/(?P<id>[^/]+)/(?P<kind>response|error)")


@dataclass(frozen=True)
class Invocation:
    """One event for the function, with what the Lambda context is made of."""

    request_id: str
    function_arn: str
    trace_id: str
    deadline_ms: int
    payload: bytes


@dataclass(frozen=True)
class Ready:
    """The process asks for an invocation: it has been initialised, or is done with the last."""


@dataclass(frozen=True)
class Responded:
    """The handler returned."""

    body: bytes


@dataclass(frozen=True)
class Failed:
    """The handler raised; the body is the error document that the runtime client made."""

    body: bytes


@dataclass(frozen=True)
class InitFailed:
    """The handler could not be loaded."""

    body: bytes


@dataclass(frozen=True)
class Exited:
    """The process has gone; negative is a signal, as in subprocess. Posted by who waits for it."""

    returncode: int


@dataclass(frozen=True)
class TimedOut:
    """Nothing came in time. Never posted: it is what waiting ends in."""


type Event = Ready | Responded | Failed | InitFailed | Exited
type Outcome = Event | TimedOut


class RuntimeApi:
    """Serves one process. `events` is what it did, in order."""

    def __init__(self) -> None:
        self.events: SimpleQueue[Event] = SimpleQueue()
        self.offered: SimpleQueue[Invocation | None] = SimpleQueue()
        self._server = _Server(self)
        threading.Thread(target=self._server.accept, name="lambda-runtime-api", daemon=True).start()

    @property
    def address(self) -> str:
        """What belongs into AWS_LAMBDA_RUNTIME_API."""
        return "{}:{}".format(*self._server.server_address)

    def offer(self, invocation: Invocation) -> None:
        """Answer the process's pending or next request for an invocation."""
        self.offered.put(invocation)

    def close(self) -> None:
        """Stop serving; a pending request for an invocation ends unanswered."""
        self._server.socket.shutdown(socket.SHUT_RDWR)
        self.offered.put(None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api

    def accept(self) -> None:
        """Serve until the socket is shut down; `serve_forever` would wake up twice a second."""
        with self.socket:
            while True:
                try:
                    connection, address = self.socket.accept()
                except OSError:
                    return
                self.process_request(connection, address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path != _NEXT:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self.server.api.events.put(Ready())
        invocation = self.server.api.offered.get()
        if invocation is None:
            self.close_connection = True
            return
        self._answer(
            HTTPStatus.OK,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        body = self._read_body()
        if outcome := _OUTCOME.fullmatch(self.path):
            kind = Responded if outcome["kind"] == "response" else Failed
            self.server.api.events.put(kind(body))
        elif self.path == _INIT_ERROR:
            self.server.api.events.put(InitFailed(body))
        else:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        self._answer(HTTPStatus.ACCEPTED, b'{"status":"OK"}')

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # Trailers, up to the empty line.
        return b"".join(chunks)

    def _answer(
        self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response_only(status)
        # Without a content type the runtime client's native half crashes.
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
