"""What is to be in a customer's storage, and what is, for whoever compares the two."""

from collections.abc import Mapping
from hashlib import sha256

from local.providers.client import RunningSimulator
from replication.rules.due_dates import BusinessCalendar
from replication.rules.paths import document_path, folders_of
from replication.rules.periods import Period
from replication.rules.templates import known, render
from shared.customers import Entity


def wanted_documents(
    entity: Entity, folder: str, period: Period, standing: Mapping[str, bytes]
) -> dict[str, str]:
    """The documents of an entity's new period, by their paths, each with its SHA-256.

    `standing` are those that every period begins with, by paths below the period's folder.
    """
    calendar = BusinessCalendar(
        weekend=entity.weekend, holidays=entity.holidays, closed_on=entity.closed_on
    )
    templates = [known(name) for name in entity.templates]
    contents = dict(standing)
    contents |= dict(render(one, entity.name, period, calendar) for one in templates)
    folders = folders_of(folder, period, entity.folders, [one.folder for one in templates])
    return {
        document_path(folder, period, path, folders): sha256(content).hexdigest()
        for path, content in contents.items()
    }


def documents_there(simulator: RunningSimulator, account: str) -> dict[str, str]:
    """An account's documents, below the place where its books are, each with its SHA-256."""
    found = simulator.files(account)
    if simulator.profile != "s3":
        return found
    # The bucket comes first, and a folder is an empty object.
    below = {path.partition("/")[2]: digest for path, digest in found.items()}
    return {path: digest for path, digest in below.items() if not path.endswith("/")}
