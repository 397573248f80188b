"""Message templates: `templates/<name>.<channel>.txt`, with `$field` where a field's value goes.

An e-mail's first line is its subject. All fields that a template names must be given, and no more.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import Template

from communications.rules.communication import Channel, Communication

FOLDER = Path(__file__).parents[1] / "templates"
SUBJECT = "Subject: "
LONGEST_SMS = 1600
"""Characters that SNS takes; it sends them in as many parts as it needs."""


class TemplateInvalid(Exception):
    """A template is not there, or its fields are not those given; quotes nothing that was given."""


@dataclass(frozen=True)
class Text:
    """What the recipient reads."""

    subject: str
    body: str


@cache
def names() -> frozenset[str]:
    return frozenset(path.name.partition(".")[0] for path in FOLDER.glob("*.txt"))


@cache
def _text(name: str, channel: Channel) -> str:
    if name not in names():
        raise TemplateInvalid(
            f"there is no template of this name; there are {', '.join(sorted(names()))}"
        )
    path = FOLDER / f"{name}.{channel}.txt"
    if not path.is_file():
        raise TemplateInvalid(f"template {name} has no text for {channel}")
    return path.read_text()


def check_fields(name: str, channel: Channel, fields: dict[str, str]) -> None:
    """Raise TemplateInvalid unless the fields are just those that the template names."""
    wanted = set(Template(_text(name, channel)).get_identifiers())
    missing = sorted(wanted - set(fields))
    if missing:
        raise TemplateInvalid(f"template {name} needs the fields {', '.join(missing)}")
    if set(fields) > wanted:
        raise TemplateInvalid(f"template {name} has no fields but {', '.join(sorted(wanted))}")


def text_of(communication: Communication) -> Text:
    """The text to be sent."""
    if communication.template is None:
        return Text(_one_line(communication.subject or ""), communication.body or "")
    template, fields = communication.template, communication.fields
    check_fields(template, communication.channel, fields)
    text = _text(template, communication.channel)
    subject, body = "", text
    if communication.channel == "email":
        subject, _, body = text.removeprefix(SUBJECT).partition("\n")
    return Text(
        _one_line(Template(subject).substitute(fields)), Template(body).substitute(fields).strip()
    )


def _one_line(subject: str) -> str:
    """A newline would end the header; what came after it would be another."""
    return " ".join(subject.split())
