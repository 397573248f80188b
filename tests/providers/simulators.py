"""Simulators of storage providers for tests, and whoever asks them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import requests
from botocore.config import Config

from local.providers.client import Simulator

ACCOUNT = {"name": "ann", "password": "a secret", "access_key_id": "AKIDANN"}
OTHER = {"name": "bob", "password": "another", "access_key_id": "AKIDBOB"}


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
