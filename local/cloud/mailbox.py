"""What went out from the laptop cloud to people: e-mails as SES keeps them, SMS as SNS does."""

import textwrap
from collections.abc import Iterator
from typing import Any

import requests

_EMAILS = "/_aws/ses"
_SMS = "/_aws/sns/sms-messages"
_SECONDS = 30
_WIDTH = 92


def describe(endpoint: str, to: str = "") -> Iterator[str]:
    """The e-mails, then the SMS, each newest last; `to` is an address or a number, or its part."""
    emails = [email for email in _emails(endpoint) if to in _recipients(email)]
    for email in emails:
        time = email["Timestamp"][:19].replace("T", " ")
        yield f"{time}  e-mail to {_recipients(email)}"
        yield _indented(f"Subject: {email.get('Subject', '')}")
        yield from _body((email.get("Body") or {}).get("text_part") or "")
    texts = [message for message in _sms(endpoint) if to in message["PhoneNumber"]]
    for message in texts:
        yield f"SMS to {message['PhoneNumber']}"
        yield from _body(message["Message"])
    yield f"{len(emails)} e-mails, {len(texts)} SMS. When SMS were sent the emulator does not say."


def _emails(endpoint: str) -> list[dict[str, Any]]:
    """What LocalStack keeps; only the route of a service in use exists."""
    reply = requests.get(f"{endpoint}{_EMAILS}", timeout=_SECONDS)
    messages: list[dict[str, Any]] = reply.json()["messages"] if reply.ok else []
    return sorted(messages, key=lambda message: str(message["Timestamp"]))


def _sms(endpoint: str) -> list[dict[str, Any]]:
    """By number, for LocalStack gives them so."""
    reply = requests.get(f"{endpoint}{_SMS}", timeout=_SECONDS)
    by_number: dict[str, list[dict[str, Any]]] = reply.json()["sms_messages"] if reply.ok else {}
    return [message for number in sorted(by_number) for message in by_number[number]]


def _recipients(email: dict[str, Any]) -> str:
    lists = email.get("Destination", {}).values()
    return ", ".join(recipient for recipients in lists for recipient in recipients)


def _body(text: str) -> Iterator[str]:
    yield ""
    for line in text.splitlines():
        yield _indented(line)
    yield ""


def _indented(line: str) -> str:
    indent = " " * 4
    return textwrap.fill(line, _WIDTH, initial_indent=indent, subsequent_indent=indent)
