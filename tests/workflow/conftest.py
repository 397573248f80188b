"""The deployed cloud for the workflow tests, and the transitions that they took."""

from collections import ChainMap
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.cloud.faults import clear_faults, set_faults
from tests.cloud import INSTANCE, TestCloud, running_cloud, stop_cloud
from tests.communications import FAULTS, Communications
from tests.tickets import Tickets
from tests.workflow import communications as communications_machines
from tests.workflow import post_call as post_call_machines
from tests.workflow import tickets as ticket_machines
from tests.workflow.machines import Machines
from tests.workflow.started_calls import StartedCalls
from tests.workflow.transitions import Coverage

HERE = Path(__file__).parent
_coverage: pytest.StashKey[Coverage] = pytest.StashKey()


@pytest.fixture(scope="session")
def cloud() -> TestCloud:
    """The laptop cloud, deployed; the same for all suites of a run."""
    return running_cloud()


@pytest.fixture(scope="session")
def machines(cloud: TestCloud, request: pytest.FixtureRequest) -> Iterator[Machines]:
    """The state machines; when all tests are done, what was taken of them is counted."""
    began = datetime.now(UTC)
    variants = [
        suite.VARIANTS for suite in (post_call_machines, communications_machines, ticket_machines)
    ]
    machines = Machines(cloud, ChainMap(*variants))
    yield machines
    coverage = Coverage()
    for arn, name in machines.all():
        for execution in cloud.executions(arn):
            if execution["startDate"] >= began:
                coverage.add(name, cloud.history(execution["executionArn"]))
    request.config.stash[_coverage] = coverage


@pytest.fixture(scope="session")
def tickets(cloud: TestCloud) -> Tickets:
    """The API of tickets. Those of unhappy calls require a skill that nobody has: no test's people
    get them.
    """
    tickets = Tickets(cloud, INSTANCE)
    tickets.store_queue("general", required_skills=["general"])
    return tickets


@pytest.fixture(scope="session")
def calls(
    cloud: TestCloud, machines: Machines, tickets: Tickets, request: pytest.FixtureRequest
) -> StartedCalls:
    """The calls of `post_call`: all are started where many tests ask for them."""
    calls = StartedCalls(cloud, machines)
    asking = [item for item in request.session.items if item.path.name == "test_post_call.py"]
    if len(asking) > 5:
        calls.begin()
    return calls


@pytest.fixture(scope="session")
def communications(cloud: TestCloud) -> Iterator[Communications]:
    """The API, the mailbox and the queue; recipients have their fates."""
    set_faults(cloud.endpoint, FAULTS)
    yield Communications(cloud, INSTANCE)
    clear_faults(cloud.endpoint)


def whole_suite(config: pytest.Config) -> bool:
    """Whether every workflow test was asked for."""
    chosen = [Path(argument).resolve() for argument in config.args if "::" not in argument]
    options = config.option
    narrowed = options.keyword or options.markexpr or getattr(options, "lf", False)
    return not narrowed and any(HERE.is_relative_to(path) for path in chosen)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A transition that no test takes fails the whole suite; then the cloud stops."""
    coverage = session.config.stash.get(_coverage, None)
    passed = session.exitstatus == pytest.ExitCode.OK
    counts = coverage and passed and whole_suite(session.config)
    if counts and (coverage.untaken() or coverage.unknown()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    stop_cloud()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    coverage = config.stash.get(_coverage, None)
    if coverage:
        terminalreporter.section("transitions taken by state machines")
        for line in coverage.table():
            terminalreporter.write_line(line)
