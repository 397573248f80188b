"""What folders and documents are called, and which there are."""

import unicodedata
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replication.rules.paths import document_path, folder_names, folders_of
from replication.rules.periods import Period

DECEMBER = Period.parse("2026-12")
DECOMPOSED = unicodedata.normalize("NFD", "Malmö")


# --- names of entities' folders


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Gothenburg depot", "Gothenburg depot"),
        ("Malmö", "Malmö"),
        (DECOMPOSED, "Malmö"),
        ("Import/Export", "Import-Export"),
        ("a\\b\tc\x00d\x85e", "a-b-c-d-e"),
        (" . Smith & Co. ", "Smith & Co"),
        ("..", "e1"),
        (" \u00a0", "e1"),
        ("../../etc", "-..-etc"),
    ],
)
def test_an_entitys_folder_is_called_like_it_without_what_no_folder_can_be_called(name, folder):
    assert folder_names([("e1", name)]) == {"e1": folder}


def test_an_id_that_has_to_serve_as_a_name_does_not_end_with_a_dot():
    assert folder_names([("e1..", ".")]) == {"e1..": "e1"}


@pytest.mark.parametrize(
    "names",
    [
        ("Depot", "Depot"),
        ("Depot", "DEPOT"),
        ("Straße", "STRASSE"),
        (DECOMPOSED, "malmÖ"),
        ("Depot", " Depot."),
        ("a/b", "a-b"),
    ],
)
def test_entities_that_would_share_a_folder_all_get_their_ids_behind_it(names):
    found = folder_names([("e1", names[0]), ("e2", names[1]), ("e3", "other")])

    assert found["e1"].endswith(" (e1)")
    assert found["e2"].endswith(" (e2)")
    assert found["e3"] == "other"


@pytest.mark.parametrize("turned", [False, True])
def test_a_name_that_looks_like_one_with_an_id_is_told_apart_too(turned):
    entities = [("e1", "X"), ("e2", "X"), ("e3", "x (E2)")]

    found = folder_names(entities[::-1] if turned else entities)

    assert found == {"e1": "X (e1)", "e2": "X (e2)", "e3": "x (E2) (e3)"}


def test_ids_that_differ_in_case_only_are_told_apart_too():
    found = folder_names([("a", "X"), ("A", "X")])

    assert found == {"a": "X (a ca978112)", "A": "X (A 559aead0)"}


IDS = st.text("aAb1", min_size=1, max_size=2)
NAMES = st.one_of(
    st.sampled_from(["X", "x", "X (a)", "x (A)", "X (a) (b)", ".", "a"]),
    st.text(min_size=1, max_size=5),
)


@given(st.dictionaries(IDS, NAMES, max_size=8))
def test_no_two_entities_share_a_folder_in_any_order(entities):
    found = folder_names(list(entities.items()))

    assert found == folder_names(list(entities.items())[::-1])
    assert len({name.casefold() for name in found.values()}) == len(entities)
    for name in found.values():
        assert name == name.strip(" .")
        assert name
        assert not set(name) & set("/\\\n\0")
        assert unicodedata.is_normalized("NFC", name)


# --- folders of a period


def test_a_period_has_all_its_folders_and_those_above_them_in_order():
    found = folders_of("Depot", DECEMBER, ["Bank", "Freight/Bills/Old", "Freight"], ["Checklists"])

    assert found == [
        "Depot",
        "Depot/2026-12",
        "Depot/2026-12/Checklists",
        "Depot/2026-12/Bank",
        "Depot/2026-12/Freight",
        "Depot/2026-12/Freight/Bills",
        "Depot/2026-12/Freight/Bills/Old",
    ]


@pytest.mark.parametrize(
    ("folders", "templates", "found"),
    [
        ([], [], []),
        (["", "/"], [], []),
        (["/a//b/"], [], ["a", "a/b"]),
        (["a", "A", "a/"], [], ["a"]),
        (["a/b", "A/c"], [], ["a", "a/b", "a/c"]),
        (["checklists/own"], ["Checklists"], ["Checklists", "Checklists/own"]),
        (["Malmö", DECOMPOSED], [], ["Malmö"]),
        (["ß", "SS"], [], ["ß"]),
    ],
)
def test_folders_are_cleaned_and_no_two_are_the_same(folders, templates, found):
    below = folders_of("Depot", DECEMBER, folders, templates)[2:]

    assert below == [f"Depot/2026-12/{path}" for path in found]


@pytest.mark.parametrize("folder", ["..", ".", "a/../b", "./a", "a/ .. "])
@pytest.mark.parametrize("kind", ["entity", "own", "template"])
def test_a_folder_never_leads_elsewhere(folder, kind):
    with pytest.raises(ValueError, match="must not lead elsewhere"):
        folders_of(
            folder if kind == "entity" else "Depot",
            DECEMBER,
            [folder] if kind == "own" else [],
            [folder] if kind == "template" else [],
        )


@pytest.mark.parametrize("folder", ["", "/"])
def test_an_entitys_folder_has_a_name(folder):
    with pytest.raises(ValueError, match="must have a name"):
        folders_of(folder, DECEMBER, [], [])


SEGMENTS = st.sampled_from(["a", "A", "b", "ö", unicodedata.normalize("NFD", "ö"), "ß", "SS", ""])
FOLDERS = st.lists(st.lists(SEGMENTS, max_size=4).map("/".join), max_size=6)


@given(FOLDERS, FOLDERS)
def test_every_folder_comes_once_and_after_the_one_it_lies_in(own, templates):
    found = folders_of("Depot", DECEMBER, own, templates)

    assert len({path.casefold() for path in found}) == len(found)
    for number, path in enumerate(found):
        parent = path.rpartition("/")[0]
        assert not parent or parent in found[:number]


# --- documents


def test_a_document_lies_in_its_entitys_period():
    assert document_path("Depot", DECEMBER, "Bank/a.csv") == "Depot/2026-12/Bank/a.csv"
    assert document_path("Depot", DECEMBER, "a.csv") == "Depot/2026-12/a.csv"
    assert document_path(DECOMPOSED, DECEMBER, f"/{DECOMPOSED}//a.csv") == (
        "Malmö/2026-12/Malmö/a.csv"
    )


@given(FOLDERS, st.lists(SEGMENTS, max_size=4).map("/".join))
def test_a_document_lies_in_a_folder_that_is_made_however_that_is_written(own, folder):
    made = folders_of("Depot", DECEMBER, own, [])

    path = document_path("Depot", DECEMBER, f"{folder}/A.csv", made)

    wanted = folders_of("Depot", DECEMBER, [folder], [])[-1]
    assert path.casefold() == f"{wanted}/A.csv".casefold()
    names = path.split("/")[:-1]
    for prefix in accumulate(names, "{}/{}".format):
        same = [one for one in made if one.casefold() == prefix.casefold()]
        assert prefix in (same or [prefix])


@pytest.mark.parametrize("path", ["", "/", "..", "../a.csv", "a/./b.csv"])
def test_a_document_has_a_name_and_lies_nowhere_else(path):
    with pytest.raises(ValueError, match="must"):
        document_path("Depot", DECEMBER, path)


def test_a_document_lies_in_a_folder_that_is_written_otherwise_at_any_depth():
    folders = ["Depot", "Depot/2026-12", "Depot/2026-12/Bank"]

    path = document_path("Depot", DECEMBER, "bank/2026/a.csv", folders)

    assert path == "Depot/2026-12/Bank/2026/a.csv"
