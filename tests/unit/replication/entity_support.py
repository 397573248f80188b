"""An entity in a batch, and a customer's storage that keeps the promises of its interface."""

import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from replication.storage.interface import Document, Found, Meter
from shared.customers import StorageAccount
from shared.errors import TransientError

from .factories import any_batch, any_customer, any_entity, any_replication, refs, started

FOLDER = "North/2026-12"
NO_WAITS = json.dumps(
    {"webdav": [{"scope": "server", "rate": 100_000, "burst": 100, "published": True}]}
)


class FakeStorage:
    """Folders and files of one customer; each request is paid by the meter of the step."""

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.files: dict[str, bytes] = {}
        self.account: StorageAccount | None = None
        self.meter: Meter | None = None
        self.asked: list[tuple[str, str]] = []
        self.before: dict[tuple[str, str], list[Callable[[], Any]]] = {}
        """What happens before a request is done: it may raise."""

        self.after: dict[tuple[str, str], list[Callable[[], Any]]] = {}
        self.not_possible = {"?": "has a question mark"}
        self.part_bytes: int | None = None
        """Documents of more are sent in parts, each a request; None sends them whole."""

        self.parts: dict[str, bytes] = {}
        """What has arrived of documents that are sent in parts."""

        self.notes: dict[str, Any] = {}
        """What goes from step to step."""

    def _request(self, operation: str, path: str) -> None:
        assert self.meter is not None
        self.meter.spend(operation)
        self.asked.append((operation, path))
        for happens in self.before.pop((operation, path), []):
            happens()

    def _answer(self, operation: str, path: str) -> None:
        for happens in self.after.pop((operation, path), []):
            happens()

    def illegal(self, path: str) -> str | None:
        return next((why for sign, why in self.not_possible.items() if sign in path), None)

    def go_on(self, folders: Any, notes: dict[str, Any]) -> None:
        self.notes = notes

    def create_folder(self, path: str) -> bool:
        self._request("create_folder", path)
        parent = path.rpartition("/")[0]
        if parent and parent not in self.folders:
            raise TransientError("FolderMissing", "the folder above is not there")
        new = path not in self.folders
        if new:
            self.folders.append(path)
        self._answer("create_folder", path)
        return new

    def find(self, folder: str) -> dict[str, Found]:
        self._request("find", folder)
        return {
            path.rpartition("/")[2]: Found(len(content), None)
            for path, content in self.files.items()
            if path.rpartition("/")[0] == folder
        }

    def upload(
        self, path: str, document: Document, *, there: Found | None, progress: dict[str, Any]
    ) -> str:
        self._request("upload", path)
        if path.rpartition("/")[0] not in self.folders:
            raise TransientError("FolderMissing", "the folder above is not there")
        content = self._sent(path, document, progress)
        if path in self.files:
            outcome = "identical" if self.files[path] == content else "conflict"
        else:
            self.files[path], outcome = content, "uploaded"
        self._answer("upload", path)
        progress.clear()
        return outcome

    def _sent(self, path: str, document: Document, progress: dict[str, Any]) -> bytes:
        """What has arrived; in parts behind those that did before, of the same document."""
        if self.part_bytes is None:
            return content_of(document)
        if progress.get("sha256") != document.sha256:
            progress |= {"sha256": document.sha256, "sent": 0}
            self.parts[path] = b""
        while (sent := progress["sent"]) < document.size:
            self._request("upload", path)
            length = min(self.part_bytes, document.size - sent)
            with document.read(sent, length) as pieces:
                self.parts[path] += b"".join(pieces)
            progress["sent"] = sent + length
        return self.parts.pop(path)

    def same(self, path: str, found: Found, document: Document) -> bool:
        self._request("verify", path)
        return self.files[path] == content_of(document)

    def of(self, operation: str) -> list[str]:
        """The paths of all requests of a kind, in order."""
        return [path for kind, path in self.asked if kind == operation]


def content_of(document: Document) -> bytes:
    with document.read(0, document.size) as pieces:
        return b"".join(pieces)


class Entity:
    """One entity of a batch, and the steps that work on it."""

    def __init__(self, load: Any, around: Any, context: Any, monkeypatch: Any) -> None:
        self.load, self.around, self.context = load, around, context
        self.monkeypatch = monkeypatch
        self.storage = FakeStorage()
        self.limits = NO_WAITS
        self.now: float | None = None
        """What the steps take for the time, but for the quota, which has the real one."""

        self.said: list[Any] = []
        """The outputs of all steps, as JSON has them."""

    def set_up(self, *, dry_run: bool = False, **changed: Any) -> None:
        self.load("replication.upload_folders")
        self.around.put_customer(any_customer(), any_entity(**changed))
        self.around.put(any_replication(dry_run=dry_run))
        self.around.put(started(any_batch(entities=refs("north"))))
        self.dry_run = dry_run

    def step(self, name: str, cursor: dict[str, Any] | None = None, **constants: Any) -> Any:
        """Run a step as the machine does, with some constants of its module changed."""
        module = self.load(f"replication.{name}", PROVIDER_LIMITS=self.limits)
        for constant, value in constants.items():
            self.monkeypatch.setattr(module, constant, value)
        self._use_storage()
        self._use_clock()
        event = {"replication_id": "2026-12-all", "provider": "webdav", "batch": 1, "attempt": 1}
        event |= {"position": 0, "customer_id": "1003", "entity_id": "north"}
        event |= {"period": "2026-12", "dry_run": self.dry_run, "cursor": cursor}
        output = module.handler(json.loads(json.dumps(event)), self.context)
        self.said.append(json.loads(json.dumps(output)))
        return self.said[-1]

    def _use_clock(self) -> None:
        if self.now is not None:
            clock = SimpleNamespace(time=lambda: self.now)
            self.monkeypatch.setattr(sys.modules["replication.entity_work"], "time", clock)

    def passes(self, seconds: float) -> Callable[[], None]:
        """For what happens at a request: so much time passes."""

        def later() -> None:
            assert self.now is not None
            self.now += seconds

        return later

    def _use_storage(self) -> None:
        """Have the step that is loaded find this storage."""
        if work := sys.modules.get("replication.storage_work"):

            def open_storage(account: Any, meter: Meter) -> FakeStorage:
                self.storage.account, self.storage.meter = account, meter
                return self.storage

            self.monkeypatch.setattr(work, "open_storage", open_storage)

    def noted(self, batch: int = 1) -> dict[str, list[str]]:
        """What is in the way of the entity, as its report document says."""
        key = f"reports/2026-12-all/1003/north/webdav-{batch}.json"
        found: dict[str, list[str]] = json.loads(self.around.document(key))
        return found

    def until_done(self, name: str, cursor: dict[str, Any] | None) -> Any:
        """Run a step again and again, as long as it says that there is more."""
        output = self.step(name, cursor)
        while output["status"] == "more":
            output = self.step(name, output["cursor"])
        return output

    def all_steps(self) -> Any:
        """All three, one after another; the last one's output."""
        output = self.step("create_folders")
        assert output["status"] == "done"
        output = self.step("apply_templates", output["cursor"])
        assert output["status"] == "done"
        return self.step("upload_folders", output["cursor"])
