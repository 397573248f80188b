"""Documents come into their folders once; what is somebody's own is left alone."""

import json

import pytest

from replication.storage.interface import Pause
from shared.errors import AmbiguousError, StorageRefused, TransientError
from tests.unit.aws_errors import raises

from .entity_support import FOLDER

MODULE = "replication.upload_folders"
"""The step that needs most: all three find what it uses."""

CHECKLIST = f"{FOLDER}/Checklists/Month-end checklist.csv"
BANK = f"{FOLDER}/Bank"


def put(entity, name, content=b"any"):
    entity.around.put_document(f"documents/1003/north/{name}", content)


@pytest.fixture
def ready(entity):
    """An entity with two documents besides its checklist."""

    def make(**changed):
        entity.set_up(**changed)
        put(entity, "Bank/a.pdf", b"first")
        put(entity, "Bank/b.pdf", b"second")
        return entity

    return make


def test_puts_standing_documents_and_those_of_templates_into_their_folders(ready):
    entity = ready()

    output = entity.all_steps()

    assert output["status"] == "done"
    assert set(entity.storage.files) == {f"{BANK}/a.pdf", f"{BANK}/b.pdf", CHECKLIST}
    assert entity.storage.files[f"{BANK}/a.pdf"] == b"first"
    tally = output["cursor"]["tally"]
    assert (tally["uploaded"], tally["folders"], tally["calls"]) == (3, 6, 9)
    assert tally["bytes"] == sum(map(len, entity.storage.files.values()))
    assert tally["busy_ms"] > 0


def test_does_not_look_into_folders_that_were_made_just_now(ready):
    entity = ready()

    entity.all_steps()

    assert entity.storage.of("find") == []


def test_looks_once_into_each_folder_that_was_there(ready):
    entity = ready()
    entity.storage.folders += ["North", FOLDER]

    entity.all_steps()

    assert sorted(entity.storage.of("find")) == [BANK, f"{FOLDER}/Checklists"]


def test_makes_folders_that_only_a_document_asks_for(entity):
    entity.set_up()
    put(entity, "Audit/2025/letter.pdf")

    output = entity.all_steps()

    assert f"{FOLDER}/Audit/2025/letter.pdf" in entity.storage.files
    assert f"{FOLDER}/Audit" in entity.storage.folders
    assert output["cursor"]["tally"]["folders"] == 8


def test_leaves_alone_and_reports_what_is_somebodys_own(ready):
    entity = ready()
    entity.storage.folders += ["North", FOLDER, BANK]
    entity.storage.files[f"{BANK}/a.pdf"] = b"with their remarks"

    output = entity.all_steps()

    assert output["status"] == "done"
    assert entity.storage.files[f"{BANK}/a.pdf"] == b"with their remarks"
    assert output["cursor"]["tally"]["conflicts"] == 1
    noted = json.loads(entity.around.document("reports/2026-12-all/1003/north.json"))
    assert noted == {"conflicts": ["Bank/a.pdf"], "illegal": []}


def test_what_is_there_already_is_not_counted_as_uploaded(ready):
    entity = ready()
    entity.all_steps()

    tally = entity.all_steps()["cursor"]["tally"]

    assert (tally["identical"], tally.get("uploaded", 0), tally.get("bytes", 0)) == (3, 0, 0)


def test_a_name_that_is_not_possible_fails_the_entity_after_all_others_have_arrived(ready):
    entity = ready()
    put(entity, "Bank/Why?.pdf")

    with pytest.raises(StorageRefused, match="NameIllegal: 1 names"):
        entity.all_steps()

    assert {f"{BANK}/a.pdf", f"{BANK}/b.pdf", CHECKLIST} == set(entity.storage.files)
    noted = json.loads(entity.around.document("reports/2026-12-all/1003/north.json"))
    assert noted["illegal"] == ["Bank/Why?.pdf"]


def before_upload(entity):
    output = entity.step("create_folders")
    return entity.step("apply_templates", output["cursor"])["cursor"]


def test_goes_on_behind_the_last_document_when_its_time_is_up(ready):
    entity = ready()
    cursor = before_upload(entity)
    entity.storage.before["upload", f"{BANK}/b.pdf"] = [raises(Pause(None))]

    first = entity.step("upload_folders", cursor)
    assert first["status"] == "more"
    assert first["cursor"]["position"]["after"] == "documents/1003/north/Bank/a.pdf"
    second = entity.step("upload_folders", json.loads(json.dumps(first["cursor"])))

    assert second["status"] == "done"
    assert entity.storage.of("upload").count(f"{BANK}/a.pdf") == 1
    assert second["cursor"]["tally"]["uploaded"] == 3


def test_keeps_what_a_long_upload_needs_to_go_on(ready):
    entity = ready()
    cursor = before_upload(entity)
    entity.storage.before["upload", f"{BANK}/a.pdf"] = [raises(Pause(None))]

    output = entity.step("upload_folders", cursor)

    assert output["cursor"]["position"]["progress"] == {"begun": True}


def test_after_a_lost_reply_it_looks_before_it_uploads(ready):
    entity = ready()
    cursor = before_upload(entity)
    entity.storage.after["upload", f"{BANK}/b.pdf"] = [raises(AmbiguousError("reply lost"))]

    first = entity.step("upload_folders", cursor)
    assert (first["status"], first["cursor"]["fresh"]) == ("more", False)
    second = entity.step("upload_folders", first["cursor"])

    assert second["status"] == "done"
    assert second["cursor"]["tally"]["identical"] == 1
    assert entity.storage.files[f"{BANK}/b.pdf"] == b"second"


def test_an_error_that_passes_is_raised_where_nothing_has_arrived(ready):
    entity = ready()
    cursor = before_upload(entity)
    failure = TransientError("HTTP502", "any")
    entity.storage.before["create_folder", BANK] = []
    entity.storage.before["upload", f"{BANK}/a.pdf"] = [raises(failure)]
    cursor["position"] = {"source": 0, "after": "", "progress": {"begun": True}}

    with pytest.raises(TransientError, match="HTTP502"):
        entity.step("upload_folders", cursor)


def test_reads_more_than_one_page_of_documents(entity):
    entity.set_up(templates=())
    for number in range(7):
        put(entity, f"Bank/{number}.pdf", str(number).encode())
    cursor = before_upload(entity)

    assert entity.step("upload_folders", cursor, KEYS_AT_ONCE=3)["status"] == "done"

    assert len(entity.storage.files) == 7


def test_goes_on_among_names_with_spaces_and_umlauts(entity):
    """Their order is that of S3, whatever an engine makes of encoded keys."""
    entity.set_up(templates=())
    names = ["Bank/a.pdf", "Bank/Über sicht.txt", "Bank/b c.pdf", "Bank/(1).pdf", "Zoll/ä.pdf"]
    for name in names:
        put(entity, name, name.encode())
    cursor = before_upload(entity)
    status = "more"
    for name in names:
        entity.storage.before["upload", f"{FOLDER}/{name}"] = [raises(Pause(None))]
    while status == "more":
        output = entity.step("upload_folders", cursor)
        cursor, status = output["cursor"], output["status"]

    assert entity.storage.files == {f"{FOLDER}/{name}": name.encode() for name in names}


def test_leaves_out_the_empty_objects_by_which_consoles_mark_folders(entity):
    entity.set_up(templates=())
    put(entity, "Bank/", b"")
    put(entity, "Bank/a.pdf")

    entity.all_steps()

    assert list(entity.storage.files) == [f"{BANK}/a.pdf"]


def test_a_dry_run_writes_nothing_and_says_what_is_in_the_way(ready):
    entity = ready(dry_run=True)
    entity.storage.folders += ["North", FOLDER, BANK]
    entity.storage.files |= {f"{BANK}/a.pdf": b"theirs", f"{BANK}/b.pdf": b"second"}
    put(entity, "Bank/Why?.pdf")

    output = entity.all_steps()

    assert output["status"] == "done"
    assert {kind for kind, _ in entity.storage.asked} == {"find", "verify"}
    tally = output["cursor"]["tally"]
    assert (tally["conflicts"], tally["identical"], tally["uploaded"]) == (1, 1, 1)
    assert tally["illegal"] == 1


def test_gives_back_what_was_granted_and_not_used(ready):
    entity = ready()

    output = entity.all_steps()

    assert "grants" not in output["cursor"] or output["cursor"]["grants"] == []


def test_neither_logs_nor_says_the_name_of_a_document(entity, capsys):
    entity.set_up()
    put(entity, "Bank/Divorce of Mr Smith.pdf")
    entity.storage.folders += ["North", FOLDER, BANK]
    entity.storage.files[f"{BANK}/Divorce of Mr Smith.pdf"] = b"theirs"

    output = entity.all_steps()

    assert output["cursor"]["tally"]["conflicts"] == 1
    assert "Divorce" not in capsys.readouterr().out
