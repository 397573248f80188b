"""A simulator as tests, the demo and benchmarks use it: its controls, and a process of its own.

with Simulator("nextcloud", folder, accounts=[{"name": "ann", "password": "secret"}]) as cloud:
    upload(cloud.url, ...)
    cloud.set_limits({"limits": [{"scope": "server", "units": 10}]})
    assert cloud.stats()["throttled"] == 0
"""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from local.providers.graph_items import drive_id

_ROOT = Path(__file__).resolve().parent.parent.parent
_SECONDS = 30


class SimulatorError(Exception):
    """A simulator did not start, or refused a command."""


class RunningSimulator:
    """One that runs, wherever that is: what it says, and what it can be told.

    Functions find it at `url`, this process at `own_url`.
    """

    def __init__(self, profile: str, url: str, port: int) -> None:
        self.profile, self.url, self.port = profile, url, port

    @property
    def own_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def files_url(self, account: str) -> str:
        """Where an account's files begin, with no slash at the end (WebDAV)."""
        return f"{self.url}/remote.php/dav/files/{account}" if self._nextcloud else self.url

    def own_files_url(self, account: str) -> str:
        """The same, as this process finds it."""
        return self.files_url(account).replace(self.url, self.own_url, 1)

    def uploads_url(self, account: str) -> str:
        """Where uploads in chunks are (Nextcloud)."""
        return f"{self.url}/remote.php/dav/uploads/{account}"

    @property
    def _nextcloud(self) -> bool:
        return self.profile == "nextcloud"

    def stats(self) -> dict[str, Any]:
        """What was asked and answered since it started, or since `clear_stats`."""
        return self._ask("GET", "stats")

    def clear_stats(self) -> None:
        self._ask("DELETE", "stats")

    def limits(self) -> dict[str, Any]:
        """The profile in force."""
        return self._ask("GET", "limits")

    def set_limits(self, changes: dict[str, Any]) -> None:
        """Change the profile, as `profiles.adjusted` says."""
        self._ask("PUT", "limits", changes)

    def set_faults(self, *rules: dict[str, Any]) -> None:
        """Put these faults in place of all others (see faults.py)."""
        self._ask("PUT", "faults", {"rules": rules})

    def clear_faults(self) -> None:
        self._ask("DELETE", "faults")

    def fault_hits(self) -> list[int]:
        """How often each fault has hit, in their order."""
        return [rule["hits"] for rule in self._ask("GET", "faults")["rules"]]

    def tree(self) -> dict[str, dict[str, dict[str, Any]]]:
        """By account and path: `size` and `sha256`, which is None of a folder.

        A path in S3 begins with the bucket."""
        return self._ask("GET", "tree")

    def files(self, account: str) -> dict[str, str]:
        """An account's files: SHA-256 by path."""
        tree = self.tree()[account]
        return {path: entry["sha256"] for path, entry in tree.items() if entry["sha256"]}

    def folders(self, account: str) -> set[str]:
        """The paths of an account's folders (WebDAV)."""
        return {path for path, entry in self.tree()[account].items() if not entry["sha256"]}

    def add_account(
        self,
        name: str,
        password: str = "",
        access_key_id: str | None = None,
        storage_quota: int | None = None,
        client_id: str = "",
        client_secret: str = "",
        refresh_token: str | None = None,
        drive_type: str = "business",
    ) -> None:
        """Make an account, or change it; the access key's id is the name unless it is said.

        A refresh token becomes good for it, besides those that are. `drive_type` is Microsoft
        Graph's: "personal", "business" or "documentLibrary"."""
        account = {"name": name, "password": password, "storage_quota": storage_quota}
        account |= {"client_id": client_id, "client_secret": client_secret}
        account |= {"drive_type": drive_type}
        account |= {"access_key_id": access_key_id or name, "refresh_token": refresh_token}
        self._ask("POST", "accounts", account)

    def drive_id(self, account: str, drive_type: str = "business") -> str:
        """The id of an account's drive (Microsoft Graph)."""
        return drive_id(account, drive_type)

    @property
    def token_url(self) -> str:
        """Where access tokens are given out (OAuth 2)."""
        paths = {"drive": "/token", "graph": "/common/oauth2/v2.0/token"}
        return self.url + paths.get(self.profile, "/oauth2/token")

    def revoke_tokens(self, account: str) -> None:
        """Void an account's tokens, as when its owner withdraws the consent."""
        self._ask("POST", "revoked", {"account": account})

    def expire_tokens(self, account: str) -> None:
        """Make an account's access tokens too old; its refresh tokens stay good."""
        self._ask("POST", "expired", {"account": account})

    def hold_lock(self, account: str, path: str, seconds: float) -> None:
        """Keep everybody from writing at a path for so long, as if another program did; where all
        of an account is one lock, whatever the path."""
        self._ask("POST", "locked", {"account": account, "path": path, "seconds": seconds})

    def _ask(self, method: str, route: str, document: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, f"/_simulator/{route}", body)
            reply = connection.getresponse()
            answer = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != http.client.OK:
            raise SimulatorError(answer["error"])
        return answer


class Simulator(RunningSimulator):
    """One simulator. It ends with this process at the latest, however that ends.

    `url` is known once it has started, and stays the same when it is started again.
    """

    def __init__(
        self,
        profile: str,
        folder: Path,
        *,
        accounts: Iterable[dict[str, Any]] = (),
        settings: dict[str, Any] | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(profile, "", port)
        self.folder = folder
        self._accounts, self._settings = list(accounts), settings or {}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it answers; raises SimulatorError."""
        command = [sys.executable, "-m", "local.providers", self.profile, "--with-parent"]
        command += ["--folder", str(self.folder), "--port", str(self.port)]
        command += ["--settings", json.dumps(self._settings)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(command, cwd=_ROOT, text=True, **pipes)
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._process.stdout.readline()
        if not line:
            raise SimulatorError(f"the simulator ended with {self._process.wait()}")
        listening = json.loads(line)
        self.url, self.port = listening["url"], listening["port"]
        while self._accounts:
            self.add_account(**self._accounts.pop())

    def stop(self) -> None:
        """End it; it keeps what it has stored."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a crash would, in the midst of whatever it does."""
        self._end(kill=True)

    def restart(self) -> None:
        """Kill it and start it again at the same port: it goes on with what it had stored."""
        self.kill()
        self.start()

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        process.wait()
        for pipe in filter(None, (process.stdin, process.stdout)):
            pipe.close()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the simulator does not run"  # noqa: S101
        return self._process.pid
