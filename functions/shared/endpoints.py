"""Who may be told secrets, or be believed: a server over TLS, or this very machine.

In containers an emulator and its simulators are machines of their own, on a network that nobody
else is on: PLAIN_HTTP_HOSTS names them, with commas between. The template leaves it empty on AWS.
"""

import os
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def trusted_endpoint(setting: str, url: str) -> str:
    """Give back the URL of a server; ValueError if somebody could read or change what passes
    between it and us. `setting` is what the message tells to correct.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise ValueError(f"{setting} must be a URL such as https://server.example/path")
    if parts.scheme == "http" and host not in _LOOPBACK | _on_a_network_of_our_own():
        raise ValueError(
            f"{setting} is plain http and its host is not this machine: give it an https:// URL;"
            " http:// is for 127.0.0.1, localhost and [::1] alone"
        )
    return url


def _on_a_network_of_our_own() -> frozenset[str]:
    names = os.environ.get("PLAIN_HTTP_HOSTS", "").split(",")  # Where nothing is said, nobody is.
    return frozenset(name.strip() for name in names) - {""}
