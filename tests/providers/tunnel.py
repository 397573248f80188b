"""A proxy for clients whose provider's address cannot be changed: whatever host they ask for by
HTTPS, they reach a simulator.
"""

import datetime
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PIECE = 1 << 16


@dataclass(frozen=True)
class Tunnel:
    """`certificate` is a file with what the client has to trust."""

    url: str
    certificate: Path


@contextmanager
def tunnel(port: int, hosts: list[str], folder: Path) -> Iterator[Tunnel]:
    """One to the simulator at a port, for these hosts."""
    certificate, key = _made_up(hosts, folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with self.request.makefile("rb", buffering=0) as head:
                while head.readline().strip():
                    pass  # CONNECT and its headers: every host is the simulator.
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                with (
                    context.wrap_socket(self.request, server_side=True) as client,
                    socket.create_connection(("127.0.0.1", port)) as simulator,
                ):
                    back = threading.Thread(target=_pump, args=(simulator, client), daemon=True)
                    back.start()
                    _pump(client, simulator)
                    back.join()
            except ssl.SSLError:
                return  # The client does not trust it, or has gone.

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Tunnel(f"http://127.0.0.1:{server.server_address[1]}", certificate)
        server.shutdown()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return  # One of them has gone; so does the other.


def _made_up(hosts: list[str], folder: Path) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulator")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
