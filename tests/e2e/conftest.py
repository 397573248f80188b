"""The deployed cloud for whole stories."""

import pytest

from tests.cloud import TestCloud, running_cloud, stop_cloud


@pytest.fixture(scope="session")
def cloud() -> TestCloud:
    """The laptop cloud, deployed; the same for all suites of a run."""
    return running_cloud()


def pytest_sessionfinish(session: pytest.Session) -> None:
    stop_cloud()
