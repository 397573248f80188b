"""HTTP/1.1 in front of a gate: one thread for each connection, which is kept alive."""

import io
import re
import socket
import struct
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote

from local.providers.gate import Gate
from local.providers.messages import (
    PIECE,
    Body,
    BrokenOff,
    Part,
    Refused,
    Request,
    Reset,
    Response,
)

_IDLE_SECONDS = 300


class Server(ThreadingHTTPServer):
    """Listens as soon as it is made; `serve_forever` answers."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, host: str, port: int, gate: Gate) -> None:
        super().__init__((host, port), _Handler)
        self.gate = gate


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: Server

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # The client has gone: there is nobody to tell.

    def handle_expect_100(self) -> bool:
        """A client that asks first is told to send its body once that is wanted."""
        return True

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        asks = (self.headers.get("Expect") or "").lower() == "100-continue"
        begin = self._continue if asks else lambda: None
        body = Body(self.rfile, self._length(), begin)  # type: ignore[arg-type]
        try:
            self._send(
                self.server.gate.answer(self._request(body)), unasked=asks and not body.begun
            )
        except Refused as refusal:
            self._send(refusal.response, unasked=asks and not body.begun)
        except (Reset, BrokenOff):
            self._reset()
            return
        if not self.close_connection:
            self._drain(body)

    do_OPTIONS = do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815
    do_PROPFIND = do_MKCOL = do_MOVE = do_COPY = do_PROPPATCH = do_LOCK = _serve  # noqa: N815

    def _length(self) -> int | None:
        if "chunked" in (self.headers.get("Transfer-Encoding") or "").lower():
            return None
        length = self.headers.get("Content-Length") or "0"
        return int(length) if length.isdigit() else 0

    def _request(self, body: Body) -> Request:
        # A client that takes the simulator for a proxy names the host, too (RFC 9112, 3.2.2).
        target, _, query = re.sub(r"^https?://[^/?]*", "", self.path).partition("?")
        try:
            path = unquote(target, errors="strict")
        except UnicodeDecodeError:
            raise Refused(Response(400)) from None
        return Request(
            self.command,
            path,
            dict(parse_qsl(query, keep_blank_values=True)),
            self.headers,
            io.BufferedReader(body, PIECE),
            self._length(),
        )

    def _continue(self) -> None:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _send(self, response: Response, *, unasked: bool) -> None:
        """Answer; a client that has not been asked for its body may send it or not, so that what
        comes next on this connection cannot be told: it is closed."""
        status, body = response.status, response.body
        headers = {"Date": formatdate(usegmt=True), "Server": "simulator", **response.headers}
        if status not in (204, 304):
            headers.setdefault("Content-Length", str(response.length))
        if unasked and self._length() != 0:
            self.close_connection = True
        if self.close_connection:
            headers["Connection"] = "close"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} {_phrase(status)}\r\n{lines}\r\n".encode("latin-1", "replace")
        try:
            if self.command == "HEAD" or status in (204, 304):
                self.wfile.write(head)
            elif isinstance(body, Part):
                self.wfile.write(head)
                self.connection.sendfile(body.file, body.start, body.length or None)
            else:
                self.wfile.write(head + body)
        finally:
            response.close()

    def _drain(self, body: Body) -> None:
        """Read what nobody has read of a body, or the next request would begin in its midst."""
        rest = bytearray(PIECE)
        try:
            while body.readinto(rest):
                pass
        except BrokenOff:
            self.close_connection = True

    def _reset(self) -> None:
        """Close with a reset (RST): what lingers is thrown away."""
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.rfile.close()
        self.connection.close()
        self.close_connection = True


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
