"""The deployed cloud for whole stories."""

from pathlib import Path

import pytest

from local.demo.customers import save_customers
from tests import recordings
from tests.cloud import INSTANCE, Recording, TestCloud, running_cloud, stop_cloud
from tests.tickets import Tickets

REAL_CALLS = Path(__file__).parents[3] / "shared" / "data" / "calls"
"""Recordings of strangers, which are no part of this project."""

CALL_BACKS = "call-backs"
"""The queue of unhappy calls, and the skill that it takes."""


@pytest.fixture(scope="session")
def cloud() -> TestCloud:
    """The laptop cloud, deployed; the same for all suites of a run."""
    return running_cloud()


@pytest.fixture(scope="session")
def tickets(cloud: TestCloud) -> Tickets:
    """The API of tickets. Unhappy calls come to a queue of their own."""
    tickets = Tickets(cloud, INSTANCE)
    reasons = ["customer_sentiment_low", "cancellation_risk", "supervisor_request"]
    tickets.store_queue(CALL_BACKS, follow_up_reasons=reasons, required_skills=[CALL_BACKS])
    return tickets


@pytest.fixture(scope="session")
def samples(cloud: TestCloud, tickets: Tickets) -> dict[str, Recording]:
    """All samples, dropped at once, by the first part of their names; their customers are known,
    and there is a queue for the unhappy ones.
    """
    save_customers(cloud)
    paths = [*recordings.SAMPLES.glob("*.flac"), *recordings.SAMPLES.glob("broken/*.wav")]
    return {
        ("broken" if path.suffix == ".wav" else path.name.partition("_")[0]): cloud.drop(
            path.name, path.read_bytes()
        )
        for path in paths
    }


@pytest.fixture(scope="session")
def all_real_calls(cloud: TestCloud, samples: dict[str, Recording]) -> dict[str, Recording]:
    """The short real recordings, dropped after the samples; none where there is no such folder."""
    names = [
        "test_audio.mp3",
        "whatstheweatherlike.opus",
        "test_audio_stereo.wav",
        "commercial_mono.wav",
        "missing_wav_header.wav",
        "audio_silence_padding.wav",
    ]
    there = names if REAL_CALLS.is_dir() else []
    return {name: cloud.drop(name, (REAL_CALLS / name).read_bytes()) for name in there}


def pytest_sessionfinish(session: pytest.Session) -> None:
    stop_cloud()
