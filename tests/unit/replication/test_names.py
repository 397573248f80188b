"""A name that a provider does not take is written otherwise, and can always be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.storage.names import BOX, DRIVE, DROPBOX, GRAPH, meant

ALL = [BOX, DRIVE, DROPBOX, GRAPH]
NAMES = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1) | (
    st.text(st.sampled_from("aA1 .~?:*‛？：␠␡\x00\x1f\x7fcCoOnN_vti"), min_size=1)
)


@given(st.sampled_from(ALL), NAMES)
def test_what_is_written_is_what_was_meant(names, name):
    assert meant(names.written(name)) == name


@given(st.sampled_from(ALL), NAMES)
def test_nothing_is_written_that_the_provider_does_not_take(names, name):
    written = names.written(name)

    assert not set(written) & set(names.nowhere)
    assert written[0] not in names.not_first
    assert written[-1] not in names.not_last
    assert names.inside is None or not names.inside.search(written)
    assert names.reserved is None or not names.reserved.fullmatch(written)


@given(st.sampled_from(ALL), NAMES, NAMES)
def test_two_names_never_become_one(names, one, other):
    assert (names.written(one) == names.written(other)) == (one == other)


@pytest.mark.parametrize(
    "name", ["Month-end checklist.csv", "Zürich 2026", ".config", "a~b", "日報"]
)
def test_an_ordinary_name_stays_as_it_is(name):
    assert {names.written(name) for names in ALL} == {name}


@pytest.mark.parametrize(
    ("names", "name", "written"),
    [
        (GRAPH, "What? Why*.pdf", "What？ Why＊.pdf"),
        (GRAPH, "~$report.docx", "～$report.docx"),
        (GRAPH, "Ltd.", "Ltd．"),
        (GRAPH, "CON", "ＣON"),
        (GRAPH, "a_vti_vti_b", "a＿vti＿vti_b"),
        (GRAPH, " both ", "␠both␠"),
        (GRAPH, "already？", "already‛？"),
        (DROPBOX, "desktop.ini", "ｄesktop.ini"),
        (DROPBOX, "a\\b ", "a＼b␠"),
        (BOX, "..", "．."),
        (DRIVE, "a‛b", "a‛‛b"),
    ],
)
def test_what_cannot_be_is_written_with_what_looks_alike(names, name, written):
    assert names.written(name) == written


@given(st.sampled_from(ALL), NAMES)
def test_what_is_written_is_read(names, name):
    assert names.read(names.written(name)) == name


def test_what_nobody_of_us_writes_so_is_somebody_else_s():
    theirs = "a\N{FULLWIDTH DIGIT ONE}"

    assert DRIVE.read(theirs) is None
    assert GRAPH.read("What\N{FULLWIDTH QUESTION MARK}") == "What?"


def test_a_path_keeps_its_folders():
    assert GRAPH.path_written("North/2026-12/A: B") == "North/2026-12/A： B"
