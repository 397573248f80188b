"""What the recipient reads: templates with their fields, or a text of its own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communications.rules.templates import (
    FOLDER,
    LONGEST_SMS,
    SUBJECT,
    TemplateInvalid,
    check_fields,
    names,
    text_of,
)

from .factories import any_communication, any_sms

CASE = {"name": "John Smith", "case_number": "20260302-0001", "status": "opened"}


def any_case(**changed_fields):
    return any_communication(
        template="case_update", fields=CASE | changed_fields, subject=None, body=None
    )


def test_fills_a_template_and_takes_its_first_line_as_the_subject():
    text = text_of(any_case())

    assert text.subject == "Your case 20260302-0001: opened"
    assert text.body.startswith("Hello John Smith,\n")
    assert text.body.endswith("Your service team")
    assert "$" not in text.body


def test_fills_a_template_of_an_sms():
    text = text_of(any_sms(template="case_update", fields=CASE, body=None))

    assert (text.subject, text.body) == (
        "",
        "Hello John Smith, your case 20260302-0001 is now: opened",
    )


def test_a_text_of_its_own_is_sent_as_it_is():
    text = text_of(any_communication(subject="Any subject", body="It costs $5, $name.\n\nBye"))

    assert (text.subject, text.body) == ("Any subject", "It costs $5, $name.\n\nBye")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028", "\x0b", "\x85"])
def test_a_subject_of_its_own_is_one_line(newline):
    subject = f"Your parcel{newline}Bcc: everybody@example.com"

    assert text_of(any_communication(subject=subject)).subject == (
        "Your parcel Bcc: everybody@example.com"
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r", "\u2028", "\x0b", "\x85"])
def test_a_field_cannot_break_out_of_the_subject(newline):
    text = text_of(any_case(status=f"open{newline}Bcc: everybody@example.com"))

    assert text.subject == "Your case 20260302-0001: open Bcc: everybody@example.com"
    assert text.body.startswith("Hello John Smith,\n")


def test_a_field_is_not_a_template():
    text = text_of(any_case(name="$status ${case_number} $$"))

    assert text.body.startswith("Hello $status ${case_number} $$,")


@given(st.dictionaries(st.sampled_from(list(CASE)), st.text(max_size=500)))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_whatever_the_fields_hold_the_subject_is_one_line_and_the_letter_begins_as_written(fields):
    text = text_of(any_case(**fields))

    assert len(text.subject.splitlines()) == 1
    assert text.body.startswith("Hello ")


@pytest.mark.parametrize("missing", list(CASE))
def test_names_a_field_that_is_missing(missing):
    fields = {name: value for name, value in CASE.items() if name != missing}

    with pytest.raises(TemplateInvalid, match=f"needs the fields {missing}$"):
        check_fields("case_update", "email", fields)


def test_refuses_a_field_that_the_template_does_not_name():
    with pytest.raises(TemplateInvalid, match="has no field"):
        check_fields("case_update", "email", CASE | {"more": "any"})


def test_does_not_quote_a_field_that_it_does_not_know():
    with pytest.raises(TemplateInvalid) as raised:
        check_fields("case_update", "email", CASE | {"Peter Miller": "any"})

    assert "Miller" not in str(raised.value)


@pytest.mark.parametrize("name", ["nothing", "", "../templates/case_update", "case_update.email"])
def test_knows_only_the_templates_that_there_are(name):
    with pytest.raises(
        TemplateInvalid, match=r"callback_confirmation, case_.*, case_update"
    ) as raised:
        check_fields(name, "email", {})

    assert not name or repr(name) not in str(raised.value)


def test_a_template_need_not_have_a_text_for_each_channel(monkeypatch, tmp_path):
    (tmp_path / "letter.email.txt").write_text("Subject: any\nany")
    monkeypatch.setattr("communications.rules.templates.FOLDER", tmp_path)
    monkeypatch.setattr("communications.rules.templates.names", lambda: frozenset({"letter"}))

    with pytest.raises(TemplateInvalid, match="no text for sms"):
        check_fields("letter", "sms", {})


def test_a_stored_communication_whose_template_has_changed_is_refused():
    with pytest.raises(TemplateInvalid):
        text_of(any_case(more="any"))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.name)
def test_every_template_is_complete(path):
    name, channel, _ = path.name.split(".")
    text = path.read_text()

    assert name in names()
    assert channel in ("email", "sms")
    assert text.startswith(SUBJECT) == (channel == "email")
    assert channel == "email" or len(text) < LONGEST_SMS / 2
