"""Simulators of storage providers for tests, and whoever asks them."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import requests
from botocore.config import Config

from local.providers.client import Simulator

TOKENS = {"client_id": "the client", "client_secret": "its secret"}
ACCOUNT = {
    "name": "ann",
    "password": "a secret",
    "access_key_id": "AKIDANN",
    **TOKENS,
    "refresh_token": "ann's refresh token",
}
OTHER = {
    "name": "bob",
    "password": "another",
    "access_key_id": "AKIDBOB",
    **TOKENS,
    "refresh_token": "bob's refresh token",
}


@contextmanager
def simulator(profile: str, folder: Path, **settings: Any) -> Iterator[Simulator]:
    """One with two accounts, and without limits unless the settings say which."""
    with Simulator(profile, folder, accounts=[ACCOUNT, OTHER], settings=settings) as running:
        if "limits" not in settings:
            running.set_limits({"limits": unlimited(running)})
        yield running


def unlimited(running: Simulator) -> list[dict[str, Any]]:
    return [{"scope": limit["scope"], "units": None} for limit in running.limits()["limits"]]


class WebDav:
    """An account's files as a client sees them."""

    def __init__(self, running: Simulator, account: dict[str, str] = ACCOUNT) -> None:
        self.root = running.files_url(account["name"])
        self.uploads = running.uploads_url(account["name"])
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.auth = (account["name"], account["password"])

    def ask(self, method: str, path: str = "", data: Any = None, **headers: str) -> Any:
        """`path` within the account's files, or a URL; headers with `_` for `-`."""
        url = path if path.startswith("http") else f"{self.root}/{quote(path)}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, url, data=data, headers=named, timeout=30)


def access_token(running: Simulator, account: str = "ann") -> str:
    """A new one, for a refresh token that nobody else uses."""
    refresh_token = uuid.uuid4().hex
    running.add_account(account, **TOKENS, refresh_token=refresh_token)
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **TOKENS}
    with requests.Session() as session:
        session.trust_env = False
        return session.post(running.token_url, form, timeout=30).json()["access_token"]


class Dropbox:
    """An account's files as a client of the API sees them."""

    def __init__(self, running: Simulator, account: str = "ann") -> None:
        self.url = running.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {access_token(running, account)}"

    def rpc(self, function: str, **argument: Any) -> Any:
        """Ask an endpoint whose argument is the body; `files/` goes in front."""
        return self.session.post(f"{self.url}/2/files/{function}", json=argument, timeout=30)

    def content(self, function: str, data: Any = b"", **argument: Any) -> Any:
        """Ask an endpoint whose argument is a header, because the body is content."""
        headers = {
            "Dropbox-API-Arg": json.dumps(argument),
            "Content-Type": "application/octet-stream",
        }
        url = f"{self.url}/2/files/{function}"
        return self.session.post(url, data=data, headers=headers, timeout=30)


class Box:
    """An account's files as a client of the API sees them."""

    def __init__(self, running: Simulator, account: str = "ann") -> None:
        self.url = running.url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {access_token(running, account)}"

    def ask(self, method: str, path: str, document: Any = None, **more: Any) -> Any:
        """Ask for a path of the simulator's, or a URL of its own; redirects are not followed."""
        url = path if path.startswith("http") else f"{self.url}{path}"
        return self.session.request(
            method, url, json=document, timeout=30, allow_redirects=False, **more
        )

    def make_folder(self, name: str, parent: str = "0") -> Any:
        return self.ask("POST", "/2.0/folders", {"name": name, "parent": {"id": parent}})

    def upload(self, name: str, content: Any, parent: str = "0", **headers: str) -> Any:
        """Headers with `_` for `-`."""
        attributes = json.dumps({"name": name, "parent": {"id": parent}})
        return self.send_form("/api/2.0/files/content", attributes, content, **headers)

    def send_form(self, path: str, attributes: str, content: Any, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        parts = {"attributes": (None, attributes), "file": ("any name", content)}
        return self.ask("POST", path, files=parts, headers=named)


def s3_client(running: Simulator, account: dict[str, str] = ACCOUNT) -> Any:
    """It asks once: what a simulator refuses stays refused."""
    return boto3.client(
        "s3",
        endpoint_url=running.url,
        region_name="us-east-1",
        aws_access_key_id=account["access_key_id"],
        aws_secret_access_key="unchecked",
        config=Config(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
            proxies={},
        ),
    )


def wait_for(condition: Callable[[], Any], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
