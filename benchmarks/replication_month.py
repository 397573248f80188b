"""The month that is replicated before and after: customers, documents, and what must arrive."""

import json
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.replication_bounds import DEAREST, Need, bucket
from customers.table import save_customer, save_entity
from local.cloud.client import Cloud
from local.providers.accounts import open_account
from local.providers.client import Simulator
from replication.rules.due_dates import BusinessCalendar
from replication.rules.limits import documented, limits_of
from replication.rules.paths import document_path, folder_names, folders_of
from replication.rules.periods import Period
from replication.rules.templates import known, render
from shared.customers import Customer, Entity, StorageAccount

PROFILES = {
    "webdav": "nextcloud",
    "s3": "s3",
    "dropbox": "dropbox",
    "drive": "drive",
    "graph": "graph",
    "box": "box",
}
NAMES = {
    "webdav": "Nextcloud",
    "s3": "S3",
    "dropbox": "Dropbox",
    "drive": "Drive",
    "graph": "Graph",
    "box": "Box",
}
RATES: dict[str, dict[str, float]] = {
    "webdav": {"server": 5},
    "s3": {"server": 8},
    "dropbox": {"account": 0.75},
    "drive": {"provider": 250, "account": 37.5},
    "graph": {"tenant": 1.5},
    "box": {"account": 3, "uploads": 0.75},
}
"""The limits in units a second, by provider and scope: those that are documented would be far too
high for a laptop. What is made at Drive costs 50 units, at Graph 2.
"""

OF_ACCOUNTS = 0.5
"""A provider with quotas for each account only has that part of the customers of another one: each
of its accounts adds to what a laptop has to do.
"""

OF_ALL = frozenset({"server", "provider"})
"""Scopes in which all customers' requests count; in all others each customer has a quota."""

_OWN_NAMES = {"s3": {"server": "server"}, "graph": {"tenant": "provider"}}
_UNLIMITED = {"s3": ("writes", "reads"), "drive": ("uploaded bytes",), "graph": ("spikes",)}
FOLDERS = (
    *("Bank", "Payroll", "Suppliers", "Customers", "Freight/Bills", "Freight/Tolls", "Fuel"),
    *("Fixed assets", "Taxes", "Contracts", "Insurance", "Übersicht"),
)
TEMPLATES = ("month-end-checklist", "bank-reconciliation")
OF_OTHERS = "Camera uploads"
"""What other programs write into customers' storage lies there, and is none of our business."""

LATENCY = {"seconds": 0.05, "jitter": 0.03}
"""What the simulators take for an answer."""


@dataclass
class Month:
    """Customers with entities at some providers. `rates` are the providers' limits, as in RATES;
    customers are shared out so that each quota of all customers forces about the same time.
    """

    cloud: Cloud
    rates: dict[str, dict[str, float]]
    number: int
    entities_each: int
    documents_each: int
    seed: int
    customers: dict[str, str] = field(default_factory=dict)
    """Provider by customer."""

    entities: dict[str, list[Entity]] = field(default_factory=dict)
    """By customer."""

    contents: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    """By customer and entity, documents by their paths in the period's folder."""

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        for number, provider in enumerate(shared_out(self.number, self.rates)):
            customer_id = f"m{number:03}"
            self.customers[customer_id] = provider
            self.entities[customer_id] = [
                self._entity(chance, customer_id, each) for each in range(self.entities_each)
            ]

    def _entity(self, chance: random.Random, customer_id: str, number: int) -> Entity:
        entity_id = f"e{number:03}"
        folders = chance.sample(FOLDERS, chance.randint(3, 9))
        documents = chance.randint(self.documents_each // 2, self.documents_each * 3 // 2)
        self.contents[customer_id, entity_id] = {
            f"{chance.choice(folders)}/Document {each:03}.bin": chance.randbytes(
                chance.randint(500, 30_000)
            )
            for each in range(documents)
        }
        return Entity(
            customer_id=customer_id,
            entity_id=entity_id,
            name=f"Depot {customer_id} {number}",
            folders=tuple(folders),
            templates=TEMPLATES,
            holidays="DE",
        )

    # --- before

    def store_documents(self) -> None:
        """Put what every period begins with into our own bucket."""
        bucket = self.cloud.outputs["DocumentsBucketName"]
        objects = [
            (f"documents/{customer_id}/{entity_id}/{path}", content)
            for (customer_id, entity_id), contents in self.contents.items()
            for path, content in contents.items()
        ]
        s3 = self.cloud.s3
        with ThreadPoolExecutor(4) as threads:
            put = lambda one: s3.put_object(  # noqa: E731
                Bucket=bucket, Key=one[0], Body=one[1], ChecksumAlgorithm="SHA256"
            )
            list(threads.map(put, objects))

    @contextmanager
    def providers(self, folder: Path) -> Iterator[dict[str, Simulator]]:
        """Simulators on which nothing is yet, with an account for each customer."""
        with ExitStack() as stack:
            simulators = {
                provider: stack.enter_context(
                    Simulator(
                        PROFILES[provider], folder / provider, settings=self._settings(provider)
                    )
                )
                for provider in self.rates
            }
            table = self.cloud.outputs["CustomersTableName"]
            for customer_id, provider in self.customers.items():
                account = open_account(self.cloud.endpoint, simulators[provider], customer_id)
                self._store(table, customer_id, account)
            for simulator in simulators.values():
                simulator.clear_stats()  # Buckets were made.
            yield simulators

    def _settings(self, provider: str) -> dict[str, Any]:
        limits = limits_at(provider, self.rates[provider])
        limits += [{"scope": scope, "units": None} for scope in _UNLIMITED.get(provider, ())]
        return {"limits": limits, "latency": LATENCY}

    def _store(self, table: str, customer_id: str, account: StorageAccount) -> None:
        customer = Customer(customer_id=customer_id, name=f"Haulier {customer_id}", storage=account)
        save_customer(self.cloud.dynamodb, table, customer)
        for entity in self.entities[customer_id]:
            save_entity(self.cloud.dynamodb, table, entity)

    # --- what it takes

    def number_of_entities(self, provider: str) -> int:
        return sum(
            len(self.entities[customer_id])
            for customer_id, own in self.customers.items()
            if own == provider
        )

    def requests(self, provider: str, period: Period) -> int:
        """How many are needed if each folder and each document takes one."""
        return sum(len(self.wanted(one, period)) for one in self._of(provider))

    def needs(self, provider: str, period: Period, others: float = 0.0) -> list[Need]:
        """What these requests cost in each quota, of whoever has the most to do in it; `others` is
        what somebody else takes of each account's.
        """
        found = []
        for limit in limits_of(provider, limits_text({provider: self.rates[provider]})):
            if limit.scope not in self.rates[provider]:
                continue  # The simulator has no limit of this scope here.
            costs = [
                sum(
                    limit.cost("create_folder" if content is None else "upload")
                    for content in self.wanted(customer_id, period).values()
                )
                for customer_id in self._of(provider)
            ]
            of_all = limit.scope in OF_ALL
            units = sum(costs) if of_all else max(costs, default=0)
            of_others = 0.0 if of_all else others
            found.append(
                Need(units, limit.rate, of_all, of_others, limit.mean_cost(), dearest(limit.costs))
            )
        return found

    def _of(self, provider: str) -> list[str]:
        return [customer_id for customer_id, own in self.customers.items() if own == provider]

    def next_documents(
        self, customer_id: str, there: dict[str, dict[str, Any]], period: Period
    ) -> list[str]:
        """The document that is to be put next, of each entity whose folders are there and whose
        documents are not yet.
        """
        names = folder_names([(one.entity_id, one.name) for one in self.entities[customer_id]])
        following = []
        for entity in self.entities[customer_id]:
            folder = names[entity.entity_id]
            folders = self._folders(entity, folder, period)
            if not all(one in there for one in folders):
                continue
            paths = [
                document_path(folder, period, path, folders)
                for path in sorted(self.contents[customer_id, entity.entity_id])
            ]
            following += [path for path in paths if path not in there][:1]
        return following

    def _folders(self, entity: Entity, folder: str, period: Period) -> list[str]:
        of_templates = [known(name).folder for name in entity.templates]
        return folders_of(folder, period, entity.folders, of_templates)

    # --- after

    def wanted(self, customer_id: str, period: Period) -> dict[str, str | None]:
        """All that a customer is to have: the SHA-256 of each document, None of a folder."""
        entities = self.entities[customer_id]
        names = folder_names([(entity.entity_id, entity.name) for entity in entities])
        wanted: dict[str, str | None] = {}
        for entity in entities:
            folder = names[entity.entity_id]
            folders = self._folders(entity, folder, period)
            wanted |= dict.fromkeys(folders)
            calendar = BusinessCalendar(
                weekend=entity.weekend, holidays=entity.holidays, closed_on=entity.closed_on
            )
            contents = dict(self.contents[customer_id, entity.entity_id])
            contents |= dict(
                render(known(name), entity.name, period, calendar) for name in entity.templates
            )
            for path, content in contents.items():
                place = document_path(folder, period, path, folders)
                wanted[place] = sha256(content).hexdigest()
        return wanted

    def faults(self, simulators: dict[str, Simulator], period: Period) -> dict[str, int]:
        """How much is missing, extra or different, compared byte for byte."""
        faults = {"missing": 0, "extra": 0, "different": 0}
        trees = {provider: one.tree() for provider, one in simulators.items()}
        for customer_id, provider in self.customers.items():
            wanted = self.wanted(customer_id, period)
            there = {
                _below_place(path, provider): None if path.endswith("/") else entry["sha256"]
                for path, entry in trees[provider][customer_id].items()
            }
            there = {
                path: digest
                for path, digest in there.items()
                if path.partition("/")[0] not in ("", OF_OTHERS)
            }
            faults["missing"] += len(wanted.keys() - there.keys())
            faults["extra"] += len(there.keys() - wanted.keys())
            faults["different"] += sum(
                there[path] != wanted[path] for path in wanted.keys() & there.keys()
            )
        return faults


def _below_place(path: str, provider: str) -> str:
    """Below the place where a customer's books are; a folder without the `/` that S3 gives it."""
    return path.partition("/")[2].rstrip("/") if provider == "s3" else path


def shared_out(number: int, rates: dict[str, dict[str, float]]) -> list[str]:
    """A provider for each of so many customers, mixed as customers are, one of each at least."""
    of_all = {
        provider: min(
            limit.rate / limit.mean_cost()
            for limit in limits_of(provider, limits_text(rates))
            if limit.scope in OF_ALL & own.keys()
        )
        for provider, own in rates.items()
        if OF_ALL & own.keys()
    }
    usual = OF_ACCOUNTS * sum(of_all.values()) / len(of_all) if of_all else 1.0
    weights = {provider: of_all.get(provider, usual) for provider in rates}
    given = dict.fromkeys(rates, 0)
    order = []
    for _ in range(number):
        # Whoever is furthest behind its share is next.
        provider = min(rates, key=lambda one: (given[one] + 0.5) / weights[one])
        given[provider] += 1
        order.append(provider)
    return order


def limits_at(provider: str, rates: dict[str, float]) -> list[dict[str, Any]]:
    """A simulator's limits, as buckets."""
    limits = []
    for scope, rate in rates.items():
        units = bucket(rate, dearest(_costs(provider, scope)))
        limits.append(
            {
                "scope": _OWN_NAMES.get(provider, {}).get(scope, scope),
                "per": "all" if scope in OF_ALL else "account",
                "shape": "bucket",
                "units": units,
                "seconds": units / rate,
            }
        )
    return limits


def limits_text(rates: dict[str, dict[str, float]]) -> str:
    """The same limits as the parameter ProviderLimits, as published ones; what a request costs is
    as documented.
    """
    limits = {
        provider: [
            {
                "scope": scope,
                "rate": rate,
                "burst": bucket(rate, dearest(_costs(provider, scope))) / 2,
                "published": True,
                "costs": _costs(provider, scope),
                "one_writer": provider == "dropbox",
            }
            for scope, rate in own.items()
        ]
        for provider, own in rates.items()
    }
    return json.dumps(limits, separators=(",", ":"))


def dearest(costs: Mapping[str, float]) -> float:
    return max([DEAREST, *costs.values()])


def _costs(provider: str, scope: str) -> dict[str, float]:
    found = [one for one in documented()[provider] if one.scope == scope]
    return dict(found[0].costs) if found else {}


def months() -> Iterator[Period]:
    """One month after another: each is replicated once."""
    period = Period.of(datetime.now(UTC).date())
    while True:
        period = period.following
        yield period
