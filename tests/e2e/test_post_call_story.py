"""Whole calls: recordings are dropped where a telephone system drops them, and what is found in
them is read as a person would read it.
"""

from dataclasses import dataclass
from typing import Any

import pytest

from post_call.rules.word_errors import word_errors
from samples.make_samples import parse_script
from tests import recordings
from tests.cloud import Recording, TestCloud


@dataclass(frozen=True)
class Heard:
    """A call's row, and its documents where it has some."""

    row: dict[str, Any]
    document: dict[str, Any]
    original: dict[str, Any]

    def text(self, role: str | None = None) -> str:
        turns = self.original["Transcript"]
        return " ".join(t["Content"] for t in turns if role in (None, t["ParticipantRole"]))


@pytest.fixture(scope="module")
def real_calls(all_real_calls: dict[str, Recording]) -> dict[str, Recording]:
    """The short real recordings; without them there is nothing to test."""
    if not all_real_calls:
        pytest.skip("the folder with real recordings is not beside this checkout")
    return all_real_calls


def hear(cloud: TestCloud, recording: Recording) -> Heard:
    row = cloud.ended(recording.call_id)
    assert row["state"] == "ANALYSED", (row.get("error"), row.get("cause"))
    return Heard(row, cloud.analysis(row), cloud.original(row))


def word_error_rate(name: str, heard: Heard) -> float:
    """Against the sample's script; the roles one after the other, as talk may overlap."""
    for file in recordings.SAMPLES.glob("*.script.md"):
        script = parse_script(file.read_text())
        if script.file_name.startswith(f"{name}_"):
            lines = sorted(script.lines, key=lambda line: line.role)
            said = f"{heard.text('AGENT')} {heard.text('CUSTOMER')}"
            return word_errors(" ".join(line.text for line in lines), said).rate
    raise LookupError(name)


def test_a_resolved_billing_question_needs_nobody(
    cloud: TestCloud, samples: dict[str, Recording]
) -> None:
    heard = hear(cloud, samples["Billing"])

    assert {"BillingQuestion", "Refund", "SatisfiedCustomer"} <= set(heard.row["categories"])
    assert heard.row["follow_up_reasons"] == []
    assert float(heard.row["customer_sentiment"]) > 0
    assert (heard.row["agent"], heard.row["customer_id"]) == ("SarahK", "1001")
    assert heard.row["created_at"] == "2026-03-02T09:14:05Z"
    assert heard.document["ContentMetadata"]["Output"] == "Redacted"
    assert cloud.heard("FollowUpRequested", heard.row["call_id"]) == []
    assert word_error_rate("Billing", heard) < 0.2


def test_an_unresolved_outage_asks_for_a_follow_up(
    cloud: TestCloud, samples: dict[str, Recording]
) -> None:
    heard = hear(cloud, samples["Outage"])

    event = cloud.event("FollowUpRequested", heard.row["call_id"])
    reasons = {"customer_sentiment_low", "cancellation_risk", "supervisor_request"}
    assert {"CancellationRisk", "TechnicalProblem"} <= set(heard.row["categories"])
    assert reasons <= set(event["detail"]["data"]["reasons"])
    assert float(heard.row["customer_sentiment"]) <= -1
    assert word_error_rate("Outage", heard) < 0.2


def test_a_delivery_question_is_only_filed(cloud: TestCloud, samples: dict[str, Recording]) -> None:
    heard = hear(cloud, samples["Delivery"])

    assert "OrderStatus" in heard.row["categories"]
    assert heard.row["follow_up_reasons"] == []
    assert cloud.heard("FollowUpRequested", heard.row["call_id"]) == []
    assert word_error_rate("Delivery", heard) < 0.3


def test_a_broken_upload_is_put_aside_and_somebody_is_told(
    cloud: TestCloud, samples: dict[str, Recording]
) -> None:
    row = cloud.ended(samples["broken"].call_id)

    assert (row["state"], row["error"]) == ("FAILED", "RecordingTruncated")
    assert "RecordingTruncated" in cloud.alert(row["call_id"])


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("test_audio.mp3", 1),
        ("whatstheweatherlike.opus", 1),
        ("test_audio_stereo.wav", 2),
        ("commercial_mono.wav", 1),
        ("audio_silence_padding.wav", 1),
    ],
)
def test_real_recordings_in_every_format_are_analysed(
    cloud: TestCloud, real_calls: dict[str, Recording], name: str, channels: int
) -> None:
    heard = hear(cloud, real_calls[name])

    roles = {participant["ParticipantRole"] for participant in heard.document["Participants"]}
    assert heard.row["channels"] == channels
    assert roles == ({"UNKNOWN"} if channels == 1 else {"AGENT", "CUSTOMER"})


def test_a_real_question_is_understood(cloud: TestCloud, real_calls: dict[str, Recording]) -> None:
    heard = hear(cloud, real_calls["whatstheweatherlike.opus"])

    assert "weather" in heard.text()


def test_a_real_recording_without_its_header_is_rejected(
    cloud: TestCloud, real_calls: dict[str, Recording]
) -> None:
    row = cloud.ended(real_calls["missing_wav_header.wav"].call_id)

    assert (row["state"], row["error"]) == ("FAILED", "RecordingHeaderless")
