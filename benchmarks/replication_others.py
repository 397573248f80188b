"""Somebody else's programs in the customers' storage, which hold its locks while ours writes.

At Dropbox, where an account has one writer, each customer's own program uploads files of its own
into a folder beside ours. These are real requests: each has the account's lock for some seconds, or
is refused where we have it, and each is charged to the account's quota, as the simulator counts an
account's requests whoever sends them. Nobody tells the governor.

At a Nextcloud, OneDrive and Box a lock is a file's. A program that has the same folder in hand is
played there: the simulator locks the document of each customer that we should put next, for some
seconds, as if it were being written. That costs no request. Drive and S3 know no locks.
"""

import json
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests

from benchmarks.replication_month import NAMES, OF_OTHERS, Month
from local.providers.accounts import secret_name, stored_credentials
from local.providers.client import Simulator
from replication.rules.periods import Period

LOCK_SECONDS = 4.0
SECONDS_BETWEEN = 20.0
SECONDS_BETWEEN_FILES = 10.0
MOST_OF_QUOTA = 0.1
"""Of an account's quota, their part at most."""

ONE_WRITER = "dropbox"
FILE_LOCKS = ("webdav", "graph", "box")
CONTENT_BYTES = 20_000


@dataclass
class Others:
    """All of these programs, while `running`."""

    month: Month
    simulators: dict[str, Simulator]
    period: Period
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    """By provider: their `requests`, those that were `refused`, those of them `locked` out, and how
    often they have `held` a lock.
    """

    def __post_init__(self) -> None:
        self._stop, self._mutex = threading.Event(), threading.Lock()
        self._chance = random.Random(self.month.seed)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = list(self._threads())
        for thread in threads:
            thread.daemon = True
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _threads(self) -> Iterator[threading.Thread]:
        for provider in filter(self.month.rates.__contains__, (ONE_WRITER, *FILE_LOCKS)):
            self.counts[provider] = Counter()
            if provider == ONE_WRITER:
                slow = {"action": "delay", "path": f"{OF_OTHERS}/*", "seconds": LOCK_SECONDS}
                self.simulators[provider].set_faults(slow)
            else:
                self.simulators[provider].set_limits({"lock": "file"})
                yield threading.Thread(target=self._lock, args=(provider,))
        for customer_id, provider in self.month.customers.items():
            if provider == ONE_WRITER:
                yield threading.Thread(target=self._write, args=(customer_id,))

    def notes(self) -> list[str]:
        """What came of it. What the simulator counts as locked was ours or theirs."""
        lines = []
        for provider, counts in self.counts.items():
            ours = self.simulators[provider].stats()["locked"] - counts["locked"]
            theirs = (
                f"{counts['requests']} uploads by others, {counts['refused']} of them refused; "
                if provider == ONE_WRITER
                else ""
            )
            lines.append(
                f"{NAMES[provider]}: {theirs}a lock was held {counts['held']} times by others, for"
                f" {LOCK_SECONDS:g} s each; {ours} requests of ours met one"
            )
        return lines

    def _count(self, provider: str, **more: int) -> None:
        with self._mutex:
            self.counts[provider].update(more)

    # --- one writer at a time

    def _write(self, customer_id: str) -> None:
        """Upload one file after another. What is refused is left, and the next one's turn comes."""
        simulator = self.simulators[ONE_WRITER]
        between = seconds_between(self.month.rates[ONE_WRITER]["account"])
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self._token(customer_id, session)}"
            due = time.monotonic() + self._chance.uniform(0, between)
            for number in range(1_000_000):
                if self._stop.wait(max(due - time.monotonic(), 0.0)):
                    return
                self._upload(session, f"{simulator.own_url}/2/files/upload", number)
                due += between

    def _upload(self, session: requests.Session, url: str, number: int) -> None:
        argument = {"path": f"/{OF_OTHERS}/Photo {number:05}.jpg", "mode": "add"}
        headers = {
            "Content-Type": "application/octet-stream",
            "Dropbox-API-Arg": json.dumps(argument),
        }
        content = secrets.token_bytes(CONTENT_BYTES)
        reply = session.post(url, content, headers=headers, timeout=60)
        locked = "too_many_write_operations" in reply.text
        done, refused = reply.status_code == 200, reply.status_code == 429
        if not done and not refused:
            reply.raise_for_status()
        self._count(ONE_WRITER, requests=1, refused=refused, locked=locked, held=done)

    def _token(self, customer_id: str, session: requests.Session) -> str:
        """An access token of this program's own, by a consent of its own."""
        simulator = self.simulators[ONE_WRITER]
        credentials = stored_credentials(self.month.cloud.endpoint, secret_name(customer_id))
        app = {name: credentials[name] for name in ("client_id", "client_secret")}
        refresh_token = secrets.token_hex(16)
        simulator.add_account(customer_id, **app, refresh_token=refresh_token)
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **app}
        reply = session.post(f"{simulator.own_url}/oauth2/token", form, timeout=60)
        reply.raise_for_status()
        token: str = reply.json()["access_token"]
        return token

    # --- locks of files

    def _lock(self, provider: str) -> None:
        simulator, wait = self.simulators[provider], self._chance.uniform(0, SECONDS_BETWEEN_FILES)
        while not self._stop.wait(wait):
            wait = SECONDS_BETWEEN_FILES
            trees = simulator.tree()
            for customer_id, own in self.month.customers.items():
                if own != provider:
                    continue
                for path in self.month.next_documents(customer_id, trees[customer_id], self.period):
                    simulator.hold_lock(customer_id, path, LOCK_SECONDS)
                    self._count(provider, held=1)


def seconds_between(rate: float) -> float:
    """From one file of somebody else's to the next, in an account of so many requests a second."""
    return max(SECONDS_BETWEEN, 1 / (MOST_OF_QUOTA * rate))
