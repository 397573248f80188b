"""What went out to people, as a person reads it."""

from typing import Any

import pytest
import requests

from local.cloud import mailbox

EMAILS = {
    "messages": [
        {
            "Timestamp": "2026-03-02T09:15:00.000000",
            "Destination": {"ToAddresses": ["later@example.com"]},
            "Subject": "Second",
            "Body": {"html_part": None, "text_part": "Later words."},
        },
        {
            "Timestamp": "2026-03-02T09:14:05.000000",
            "Destination": {"ToAddresses": ["sooner@example.com"]},
            "Subject": "First",
            "Body": {"html_part": None, "text_part": "Sooner words."},
        },
    ]
}
SMS = {
    "sms_messages": {
        "+12025550102": [{"PhoneNumber": "+12025550102", "Message": "One"}],
        "+12025550101": [
            {"PhoneNumber": "+12025550101", "Message": "Two"},
            {"PhoneNumber": "+12025550101", "Message": "Three"},
        ],
    }
}


class Reply:
    def __init__(self, document: dict[str, Any] | None) -> None:
        self.document, self.ok = document, document is not None

    def json(self) -> dict[str, Any] | None:
        return self.document


@pytest.fixture
def answers(monkeypatch):
    """What the emulator answers, by path; a service not in use has no route."""
    given: dict[str, dict[str, Any] | None] = {
        "http://emulator/_aws/ses": EMAILS,
        "http://emulator/_aws/sns/sms-messages": SMS,
    }
    monkeypatch.setattr(requests, "get", lambda url, timeout: Reply(given.get(url)))
    return given


def test_lists_emails_newest_last_then_sms_by_number(answers):
    lines = list(mailbox.describe("http://emulator"))

    heads = [line for line in lines if line.startswith(("2026", "SMS"))]
    assert heads == [
        "2026-03-02 09:14:05  e-mail to sooner@example.com",
        "2026-03-02 09:15:00  e-mail to later@example.com",
        *["SMS to +12025550101"] * 2,
        "SMS to +12025550102",
    ]
    assert lines.index("    Two") < lines.index("    Three")
    assert lines[-1].startswith("2 e-mails, 3 SMS.")


def test_shows_only_what_went_to_the_recipient_asked_for(answers):
    lines = list(mailbox.describe("http://emulator", "later@"))

    assert "    Later words." in lines
    assert "    Sooner words." not in lines
    assert lines[-1].startswith("1 e-mails, 0 SMS.")


def test_is_empty_where_nothing_was_ever_sent(answers):
    answers.clear()

    assert [line[:16] for line in mailbox.describe("http://emulator")] == ["0 e-mails, 0 SMS"]
