"""A month begins: customers' entities get their new folders, checklists and documents, in storage
of their own, while one provider is busy and one customer has changed their password.
"""

import csv
import io
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.tree import Tree

from customers.table import save_customer, save_entity
from local.cloud.client import Cloud
from local.cloud.issuer import issue_token
from local.cloud.settings import CloudError
from local.demo.api import Api
from local.demo.customers import sample_customers, sample_entities
from local.demo.options import Options
from local.providers.accounts import (
    open_account,
    secret_name,
    store_credentials,
    stored_credentials,
)
from local.providers.client import RunningSimulator
from local.providers.contents import documents_there, wanted_documents
from local.providers.storages import storages
from replication.rules.paths import folder_names
from replication.rules.periods import Period
from shared.customers import Customer, Entity
from shared.times import parse_time

DEADLINE_SECONDS = 180
REQUESTS_PER_SECOND = 12
"""What the simulated Nextcloud allows: so few that the quota is what takes the time."""

REFUSES_SECONDS = 3
NAMES = {"webdav": "Nextcloud", "s3": "S3"}
OF_SAMPLES = {"1002": "webdav", "1003": "s3"}
MORE_CUSTOMERS = 10
LOCKED_OUT = "2002"
"""Who has changed their password, and told nobody."""

SHOWN, SHOWN_CHECKLIST = "1002", "Checklists/Month-end checklist.csv"


@dataclass
class Scene:
    """The storage that customers have, and what is to be there in the end."""

    cloud: Cloud
    console: Console
    api: Api
    simulators: dict[str, RunningSimulator]
    period: Period
    entities: list[str] = field(default_factory=list)
    """As the API names them."""

    wanted: dict[str, dict[str, str]] = field(default_factory=dict)
    """By customer, the path of each document and the SHA-256 of its content."""


def show(cloud: Cloud, console: Console, options: Options) -> bool:
    """Replicate a month; whether in the end all has arrived, and nothing else."""
    console.rule("Replication")
    folder = options.instance.folder / "providers" / f"{datetime.now(UTC):%Y%m%d%H%M%S}"
    limit = {"scope": "server", "units": REQUESTS_PER_SECOND, "seconds": 1, "shape": "bucket"}
    latency = {"latency": {"seconds": 0.05}}
    settings = {"limits": [limit]} | latency
    with storages(options.instance, folder, nextcloud=settings, s3=latency) as (dav, s3):
        token = issue_token(options.instance, "operator", ["operator"])
        api = Api(cloud.outputs["ApiBaseUrl"], token)
        scene = Scene(cloud, console, api, {"webdav": dav, "s3": s3}, next_period(api))
        prepare(scene)
        return play(scene)


def next_period(api: Api) -> Period:
    """The first month that nobody has asked for yet: each is replicated once."""
    asked = {one["period"] for one in api.get("/replications?limit=100")["items"]}
    period = Period.of(datetime.now(UTC).date()).following
    while str(period) in asked:
        period = period.following
    return period


# --- before


def prepare(scene: Scene) -> None:
    """Customers with accounts, and a document with which every period of an entity begins."""
    customers = [one for one in sample_customers() if one.customer_id in OF_SAMPLES]
    entities = [one for one in sample_entities() if one.customer_id in OF_SAMPLES]
    for number in range(1, MORE_CUSTOMERS + 1):
        customers.append(Customer(customer_id=f"20{number:02}", name=f"Corner shop {number}"))
        entities.append(
            Entity(
                customer_id=f"20{number:02}",
                entity_id="shop",
                name=f"Corner shop {number}",
                folders=("Bank", "Payroll", "Suppliers/Invoices"),
                templates=("month-end-checklist", "bank-reconciliation"),
                holidays="DE",
            )
        )
    table = scene.cloud.outputs["CustomersTableName"]
    for customer in customers:
        simulator = scene.simulators[provider_of(customer.customer_id)]
        account = open_account(scene.cloud.endpoint, simulator, customer.customer_id)
        stored = customer.model_copy(update={"storage": account})
        save_customer(scene.cloud.dynamodb, table, stored)
        own = [one for one in entities if one.customer_id == customer.customer_id]
        scene.wanted[customer.customer_id] = documents_of(scene, own)
        for entity in own:
            save_entity(scene.cloud.dynamodb, table, entity)
    scene.entities += [f"{one.customer_id}/{one.entity_id}" for one in entities]
    number = sum(map(len, scene.wanted.values()))
    scene.console.print(
        f"{len(customers)} customers keep the books of {len(entities)} entities in S3, or in a "
        f"Nextcloud that takes {REQUESTS_PER_SECOND} requests a second. {scene.period} is due: "
        f"{number} documents in their folders."
    )


def provider_of(customer_id: str) -> str:
    return OF_SAMPLES.get(customer_id) or ("s3" if int(customer_id) % 2 == 0 else "webdav")


def documents_of(scene: Scene, entities: list[Entity]) -> dict[str, str]:
    """Every document that a customer is to get, worked out here once more."""
    found: dict[str, str] = {}
    folders = folder_names([(entity.entity_id, entity.name) for entity in entities])
    for entity in entities:
        chart = f"number,account\r\n1000,Bank of {entity.name}\r\n1200,Receivables\r\n".encode()
        scene.cloud.s3.put_object(
            Bucket=scene.cloud.outputs["DocumentsBucketName"],
            Key=f"documents/{entity.customer_id}/{entity.entity_id}/Bank/Chart of accounts.csv",
            Body=chart,
            ChecksumAlgorithm="SHA256",
        )
        standing = {"Bank/Chart of accounts.csv": chart}
        folder = folders[entity.entity_id]
        found |= wanted_documents(entity, folder, scene.period, standing)
    return found


# --- the month


def play(scene: Scene) -> bool:
    """Replicate it: most arrives at once, the rest after somebody has put something right."""
    begin = time.monotonic()
    name, endpoint = secret_name(LOCKED_OUT), scene.cloud.endpoint
    right = stored_credentials(endpoint, name)
    store_credentials(endpoint, name, dict.fromkeys(right, "AFORMERONE"))
    asked = scene.api.post(
        "/replications",
        {"period": str(scene.period), "entities": scene.entities},
        "demo replication",
    )
    path = f"/replications/{asked['replication_id']}"
    scene.console.print(
        f"POST /replications: {asked['replication_id']} is accepted. Somewhere on the way the "
        f"Nextcloud refuses everything for {REFUSES_SECONDS} s, and customer {LOCKED_OUT} has "
        "changed their password."
    )
    watch(scene, path, begin, refuse_on_the_way=True)
    for cause in scene.api.get(f"{path}/report")["failures"]:
        names = ", ".join(cause["examples"])
        scene.console.print(f"  failed: {names}: {cause['cause']}", style="red", markup=False)
    store_credentials(endpoint, name, right)
    scene.console.print("The new password is stored, and what failed is tried again:")
    scene.api.post(f"{path}/retry", {}, "demo retry")
    found = watch(scene, path, begin)
    print_table(scene, found)
    print_tree(scene)
    print_checklist(scene)
    complete = compare(scene)
    print_what_next(scene, path)
    return complete and found["state"] == "FINISHED" and found["failed"] == 0


def watch(
    scene: Scene, path: str, begin: float, *, refuse_on_the_way: bool = False
) -> dict[str, Any]:
    """Show how far it is until it has ended; what it is then."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    refusal = Refusal(scene.simulators["webdav"]) if refuse_on_the_way else None
    with Live(console=scene.console, refresh_per_second=4, transient=True) as live:
        while True:
            found: dict[str, Any] = scene.api.get(path)
            seconds = time.monotonic() - begin
            if scene.console.is_terminal:
                live.update(dial(found, seconds))
            else:
                scene.console.print(f"  {seconds:5.1f} s  {found['situation']}", markup=False)
            if found["state"] in ("FINISHED", "FAILED", "CANCELLED"):
                break
            if time.monotonic() > deadline:
                raise CloudError(f"{found['situation']} `make logs F=Replication` may tell why.")
            if refusal:
                refusal.look(found)
            time.sleep(0.5 if scene.console.is_terminal else 4)
    if scene.console.is_terminal:
        scene.console.print(f"  {seconds:5.1f} s  {found['situation']}", markup=False)
    scene.simulators["webdav"].clear_faults()
    return found


@dataclass
class Refusal:
    """A provider that refuses everything for a while, once some entities are done."""

    simulator: RunningSimulator
    until: float | None = None

    def look(self, found: dict[str, Any]) -> None:
        [done] = [one["done"] for one in found["providers"] if one["provider"] == "webdav"] or [0]
        if self.until is None and done >= 2:
            busy = {"action": "status", "status": 429, "headers": {"Retry-After": "2"}}
            self.simulator.set_faults(busy)
            self.until = time.monotonic() + REFUSES_SECONDS
        elif self.until is not None and time.monotonic() >= self.until:
            self.simulator.clear_faults()


def dial(found: dict[str, Any], seconds: float) -> Table:
    """The replication dial: each provider's progress, workers and quota."""
    table = Table(title=f"{seconds:4.0f} s  {found['situation']}", title_justify="left")
    for heading in ("provider", "entities", "", "workers", "requests/min", "refused", "forecast"):
        table.add_column(heading)
    for one in found["providers"]:
        ended, total = one["done"] + one["failed"], max(one["entities"], 1)
        table.add_row(
            NAMES[one["provider"]],
            f"{ended} of {one['entities']}",
            "█" * round(20 * ended / total) + "░" * (20 - round(20 * ended / total)),
            f"{one['workers']} of {one['workers_wanted']}",
            str(one["calls_per_minute"]),
            str(one["counts"].get("throttled", 0)),
            one["forecast"][11:19] if one["forecast"] else "",
        )
    return table


# --- after


def print_table(scene: Scene, found: dict[str, Any]) -> None:
    table = Table(title="Replication", title_justify="left")
    for heading in (
        "provider",
        "entities",
        "requests",
        "refused",
        "seconds",
        "quota alone",
        "state",
    ):
        table.add_column(heading, justify="left" if heading in ("provider", "state") else "right")
    for one in found["providers"]:
        stats = scene.simulators[one["provider"]].stats()
        seconds = (parse_time(one["finished_at"]) - parse_time(one["began_at"])).total_seconds()
        bound = stats["requests"] / REQUESTS_PER_SECOND
        table.add_row(
            NAMES[one["provider"]],
            str(one["entities"]),
            str(stats["requests"]),
            str(stats["by_status"].get("429", 0)),
            f"{seconds:.0f}",
            f"{bound:.0f}" if one["provider"] == "webdav" else "-",
            f"[green]{one['state']}[/]" if not one["failed"] else f"[red]{one['state']}[/]",
        )
    scene.console.print()
    scene.console.print(table)


def print_tree(scene: Scene) -> None:
    """What one customer finds in their own storage."""
    simulator = scene.simulators[provider_of(SHOWN)]
    paths = sorted({*simulator.files(SHOWN), *simulator.folders(SHOWN)})
    tree = Tree(f"Customer {SHOWN} finds in their {NAMES[provider_of(SHOWN)]}:")
    branches: dict[str, Tree] = {"": tree}
    for path in paths:
        parent, _, name = path.rpartition("/")
        branches[path] = branches[parent].add(name)
    scene.console.print(tree, markup=False)


def print_checklist(scene: Scene) -> None:
    """A checklist, read back from the customer's storage."""
    simulator = scene.simulators[provider_of(SHOWN)]
    [path] = [one for one in simulator.files(SHOWN) if one.endswith(SHOWN_CHECKLIST)]
    rows = list(csv.reader(io.StringIO(download(scene, path).decode("utf-8-sig"))))
    for row in rows[:8]:
        scene.console.print("    " + "  ".join(row), markup=False, overflow="ellipsis")


def compare(scene: Scene) -> bool:
    """Whether each customer has what they were to get, byte for byte, and nothing else."""
    counts = Counter[str]()
    for customer_id, wanted in scene.wanted.items():
        simulator = scene.simulators[provider_of(customer_id)]
        there = documents_there(simulator, customer_id)
        counts["arrived"] += sum(there.get(path) == digest for path, digest in wanted.items())
        counts["wanted"] += len(wanted)
        counts["extra"] += len(set(there) - set(wanted))
    good = counts["arrived"] == counts["wanted"] and not counts["extra"]
    scene.console.print(
        f"{counts['arrived']} of {counts['wanted']} documents have arrived byte for byte; "
        f"{counts['extra']} that nobody had asked for.",
        style="green" if good else "red",
    )
    return good


def download(scene: Scene, path: str) -> bytes:
    account = stored_credentials(scene.cloud.endpoint, secret_name(SHOWN))
    url = scene.simulators["webdav"].own_files_url(SHOWN)
    reply = requests.get(
        f"{url}/{quote(path)}", auth=(account["username"], account["password"]), timeout=10
    )
    reply.raise_for_status()
    return reply.content


def print_what_next(scene: Scene, path: str) -> None:
    base_url = scene.cloud.outputs["ApiBaseUrl"]
    scene.console.print("\nThe API is at", f"{base_url}{path}", soft_wrap=True)
    scene.console.print("  make token ROLE=operator    a token for it")
