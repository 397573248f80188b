"""An entity in the hands of a step that talks to its storage provider.

Each request is paid from the quota that all workers share, and what was granted and is not used
yet goes on to the next step.
"""

import os
from dataclasses import dataclass
from functools import cached_property

from replication.entity_work import Work
from replication.governor import Governor, scopes_of
from replication.meter import GovernedMeter
from replication.rules.limits import limits_of
from replication.scopes import scope_ids
from replication.storage.accounts import open_storage
from replication.storage.interface import Storage, Throttled
from shared.customers import StorageAccount
from shared.errors import AmbiguousError, StorageRefused
from shared.observability import logger

PROVIDER_LIMITS = os.environ["PROVIDER_LIMITS"]


@dataclass
class StorageWork(Work):
    """See `Work`; the connection and the quota are opened when they are first needed."""

    @property
    def account(self) -> StorageAccount:
        account = self.customer.storage
        if account is None or account.provider != self.event["provider"]:
            raise StorageRefused(
                "AccountMissing",
                "the customer's storage account was removed or moved to another provider since"
                " this was planned: ask for the period again",
            )
        return account

    @cached_property
    def meter(self) -> GovernedMeter:
        event = self.event
        limits = limits_of(event["provider"], PROVIDER_LIMITS)
        scopes = scopes_of(limits, scope_ids(event["customer_id"], self.account))
        return GovernedMeter(
            Governor(event["provider"], scopes),
            deadline=self.deadline,
            holder=f"{event['replication_id']}/{event['batch']}/{event['attempt']}",
            carried=self.cursor.pop("grants", None),
        )

    @cached_property
    def storage(self) -> Storage:
        storage = open_storage(self.account, self.meter)
        storage.go_on(self.folders, self.cursor.setdefault("notes", {}))
        return storage

    def is_legal(self, path: str | None, below: str) -> bool:
        """Whether the provider takes a path; noted where not. `below` is the path to report, and
        `path` is None where it leads elsewhere.
        """
        if path is not None and self.storage.illegal(path) is None:
            return True
        self.counts["illegal"] += 1
        self.problems.append(("illegal", below))
        return False

    def place_of(self, document: str) -> str | None:
        """Where a document goes; None, and noted, where it cannot lie there."""
        try:
            path = self.path_of(document)
        except ValueError:
            path = None
        return path if self.is_legal(path, document) else None

    def make_folder(self, folder: str) -> bool:
        """Make a folder; False where it was there, or may have been. A dry run only counts it."""
        made = True
        if not self.dry_run:
            try:
                made = self.storage.create_folder(folder)
            except AmbiguousError:
                self.storage.create_folder(folder)  # Now it is there, or is made.
                made = False
        self.counts["folders"] += made
        return made

    def held_up(self, refusal: Throttled) -> None:
        """Tell everybody, and whoever is on call: some codes say that it goes on tomorrow."""
        logger.info("refused by the provider", code=refusal.code, seconds=refusal.retry_after)
        self.meter.throttled(refusal)

    def let_go(self) -> None:
        if self._has_meter:
            self.meter.release()

    @property
    def _has_meter(self) -> bool:
        return "meter" in self.__dict__

    def end(self, *, for_good: bool) -> None:
        if not self._has_meter:
            return
        if not for_good:
            self.cursor["grants"] = self.meter.carried()
        self.meter.close()
        self.counts.update(self.meter.tally())
