"""Documents come into their folders once; what is somebody's own is left alone."""

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
    assert entity.storage.folders[-2:] == [f"{FOLDER}/Audit", f"{FOLDER}/Audit/2025"]
    assert output["cursor"]["tally"]["folders"] == 8
    assert entity.storage.of("find") == []


def test_looks_into_a_folder_that_only_a_document_asks_for_where_it_may_have_been(entity):
    entity.set_up(templates=())
    put(entity, "Audit/letter.pdf")
    entity.storage.folders += ["North", FOLDER, f"{FOLDER}/Audit"]
    entity.storage.files[f"{FOLDER}/Audit/letter.pdf"] = b"theirs"

    output = entity.all_steps()

    assert entity.storage.of("find") == [f"{FOLDER}/Audit"]
    assert entity.storage.files[f"{FOLDER}/Audit/letter.pdf"] == b"theirs"
    assert output["cursor"]["tally"]["conflicts"] == 1
    assert output["cursor"]["tally"]["folders"] == 3


def test_a_document_lies_in_the_folder_that_differs_in_case_only(entity):
    entity.set_up(templates=())
    put(entity, "BANK/a.pdf")

    entity.all_steps()

    assert list(entity.storage.files) == [f"{BANK}/a.pdf"]


def test_makes_a_folder_again_that_somebody_has_removed(ready):
    entity = ready()
    cursor = before_upload(entity)
    entity.storage.folders.remove(BANK)

    output = entity.until_done("upload_folders", cursor)

    assert output["status"] == "done"
    assert set(entity.storage.files) == {f"{BANK}/a.pdf", f"{BANK}/b.pdf", CHECKLIST}
    assert output["cursor"]["tally"]["uploaded"] == 3


def test_leaves_alone_and_reports_what_is_somebodys_own(ready):
    entity = ready()
    entity.storage.folders += ["North", FOLDER, BANK]
    entity.storage.files[f"{BANK}/a.pdf"] = b"with their remarks"

    output = entity.all_steps()

    assert output["status"] == "done"
    assert entity.storage.files[f"{BANK}/a.pdf"] == b"with their remarks"
    assert output["cursor"]["tally"]["conflicts"] == 1
    assert entity.noted() == {"conflicts": ["Bank/a.pdf"], "illegal": []}


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
    assert entity.noted() == {"conflicts": [], "illegal": ["Bank/Why?.pdf"]}


def test_a_folder_whose_name_is_not_possible_keeps_its_documents_out(ready):
    entity = ready(folders=("Bank", "Why?"))
    put(entity, "Why?/a.pdf")
    output = entity.step("create_folders")
    output = entity.step("apply_templates", output["cursor"])

    with pytest.raises(StorageRefused, match="NameIllegal: 2 names"):
        entity.step("upload_folders", output["cursor"])

    assert {f"{BANK}/a.pdf", f"{BANK}/b.pdf", CHECKLIST} == set(entity.storage.files)
    assert entity.noted()["illegal"] == ["Why?", "Why?/a.pdf"]


def test_a_document_that_leads_elsewhere_is_noted_and_the_others_arrive(ready):
    entity = ready()
    put(entity, "../../South/a.pdf")

    with pytest.raises(StorageRefused, match="NameIllegal: 1 names") as refused:
        entity.all_steps()

    assert {f"{BANK}/a.pdf", f"{BANK}/b.pdf", CHECKLIST} == set(entity.storage.files)
    assert entity.noted()["illegal"] == ["../../South/a.pdf"]
    assert "South" not in str(refused.value)


def test_a_document_in_the_place_of_a_template_keeps_the_first_of_both(ready):
    entity = ready()
    put(entity, "Checklists/Month-end checklist.csv", b"their own list")

    output = entity.all_steps()

    assert entity.storage.files[CHECKLIST] == b"their own list"
    assert output["cursor"]["tally"]["conflicts"] == 1
    assert entity.noted()["conflicts"] == ["Checklists/Month-end checklist.csv"]


def before_upload(entity):
    output = entity.step("create_folders")
    return entity.step("apply_templates", output["cursor"])["cursor"]


def test_goes_on_behind_the_last_document_when_its_time_is_up(ready):
    entity = ready()
    cursor = before_upload(entity)
    entity.storage.before["upload", f"{BANK}/b.pdf"] = [raises(Pause(None))]

    first = entity.step("upload_folders", cursor)
    assert first["status"] == "more"
    second = entity.step("upload_folders", first["cursor"])

    assert second["status"] == "done"
    assert entity.storage.of("upload").count(f"{BANK}/a.pdf") == 1
    assert second["cursor"]["tally"]["uploaded"] == 3


def test_comes_to_all_that_are_left_where_the_last_document_has_been_removed(ready):
    entity = ready()
    cursor = before_upload(entity)
    entity.storage.before["upload", f"{BANK}/b.pdf"] = [raises(Pause(None))]
    first = entity.step("upload_folders", cursor)
    entity.around.delete_document("documents/1003/north/Bank/a.pdf")
    put(entity, "Bank/0.pdf")

    second = entity.step("upload_folders", first["cursor"])

    assert second["status"] == "done"
    assert {f"{BANK}/0.pdf", f"{BANK}/b.pdf", CHECKLIST} <= set(entity.storage.files)


@pytest.fixture
def long_upload(ready):
    """A document of four parts, of which two have arrived when the step's time is up."""
    entity = ready(templates=())
    cursor = before_upload(entity)
    put(entity, "Bank/a.pdf", b"one two thr four")
    entity.storage.part_bytes = 4
    path = ("upload", f"{BANK}/a.pdf")

    def third_part():
        if len(entity.storage.parts.get(path[1], b"")) == 8:
            raise Pause(None)
        entity.storage.before[path] = [third_part]

    entity.storage.before[path] = [third_part]
    output = entity.step("upload_folders", cursor)
    assert output["status"] == "more"
    assert entity.storage.parts[path[1]] == b"one two "
    return entity, output["cursor"]


def test_a_long_upload_goes_on_in_another_invocation_where_it_was(long_upload):
    entity, cursor = long_upload
    asked = len(entity.storage.of("upload"))

    output = entity.step("upload_folders", cursor)

    assert output["status"] == "done"
    assert entity.storage.files[f"{BANK}/a.pdf"] == b"one two thr four"
    assert len(entity.storage.of("upload")[asked:]) == 3 + 3  # Two parts are left; b has two.
    assert output["cursor"]["tally"]["bytes"] == 16 + 6


def test_a_document_that_is_replaced_meanwhile_arrives_as_it_is_now(long_upload):
    entity, cursor = long_upload
    put(entity, "Bank/a.pdf", b"another and longer document")

    output = entity.step("upload_folders", cursor)

    assert entity.storage.files[f"{BANK}/a.pdf"] == b"another and longer document"
    assert output["cursor"]["tally"]["bytes"] == 27 + 6


def test_a_document_that_is_removed_while_it_is_sent_is_left_out(long_upload):
    entity, cursor = long_upload
    entity.around.delete_document("documents/1003/north/Bank/a.pdf")

    output = entity.step("upload_folders", cursor)

    assert output["status"] == "done"
    assert entity.storage.files == {f"{BANK}/b.pdf": b"second"}


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
    entity.storage.before["upload", f"{BANK}/a.pdf"] = [raises(failure)]

    with pytest.raises(TransientError, match="HTTP502"):
        entity.step("upload_folders", cursor)


def test_parts_that_have_arrived_are_progress(ready):
    entity = ready(templates=())
    cursor = before_upload(entity)
    entity.storage.part_bytes = 4
    failing = raises(TransientError("HTTP502", "any"))
    path = ("upload", f"{BANK}/b.pdf")

    def second_part():
        if entity.storage.parts.get(path[1]):
            failing()
        entity.storage.before[path] = [second_part]

    entity.storage.before[path] = [second_part]
    first = entity.step("upload_folders", cursor)
    second = entity.step("upload_folders", first["cursor"])

    assert (first["status"], second["status"]) == ("more", "done")
    assert entity.storage.files[f"{BANK}/b.pdf"] == b"second"


def test_reads_more_than_one_page_of_documents(entity):
    entity.set_up(templates=())
    names = [f"{number}.pdf" for number in range(7)]
    for name in names:
        put(entity, f"Bank/{name}", name.encode())
    cursor = before_upload(entity)
    entity.storage.before["upload", f"{BANK}/5.pdf"] = [raises(Pause(None))]

    first = entity.step("upload_folders", cursor, KEYS_AT_ONCE=3)
    second = entity.step("upload_folders", first["cursor"], KEYS_AT_ONCE=3)

    assert (first["status"], second["status"]) == ("more", "done")
    assert entity.storage.files == {f"{BANK}/{name}": name.encode() for name in names}
    assert second["cursor"]["tally"]["uploaded"] == 7


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
    before = dict(entity.storage.files)
    put(entity, "Bank/Why?.pdf")

    output = entity.all_steps()

    assert output["status"] == "done"
    assert {kind for kind, _ in entity.storage.asked} == {"find", "verify"}
    assert (entity.storage.folders, entity.storage.files) == (["North", FOLDER, BANK], before)
    tally = output["cursor"]["tally"]
    assert (tally["conflicts"], tally["identical"], tally["uploaded"]) == (1, 1, 1)
    assert tally["illegal"] == 1
    assert entity.noted() == {"conflicts": ["Bank/a.pdf"], "illegal": ["Bank/Why?.pdf"]}


def test_a_dry_run_counts_each_folder_that_would_be_made_once(entity):
    entity.set_up(dry_run=True, templates=())
    for name in ("Audit/2025/a.pdf", "Audit/2025/b.pdf", "Audit/c.pdf", "Bank/a.pdf"):
        put(entity, name)
    cursor = before_upload(entity)
    for folder in ("Audit/2025", "Audit"):
        entity.storage.before["find", f"{FOLDER}/{folder}"] = [raises(Pause(None))]

    output = entity.until_done("upload_folders", cursor)

    assert len(entity.said) == 5
    assert (output["cursor"]["tally"]["folders"], entity.storage.folders) == (5 + 2, [])


def test_neither_logs_nor_says_the_name_of_a_document(entity, capsys):
    entity.set_up()
    for name in ("Divorce of Mr Smith.pdf", "Divorce of Mr Smith?.pdf"):
        put(entity, f"Bank/{name}")
        put(entity, f"Divorces/{name}")
    entity.storage.folders += ["North", FOLDER, BANK]
    entity.storage.files[f"{BANK}/Divorce of Mr Smith.pdf"] = b"theirs"
    cursor = before_upload(entity)
    for stop in (Pause(None), TransientError("HTTP502", "any"), AmbiguousError("lost")):
        entity.storage.before["upload", CHECKLIST] = [raises(stop)]
        output = entity.step("upload_folders", cursor)
        assert output["status"] == "more"

    with pytest.raises(StorageRefused, match="NameIllegal") as refused:
        entity.step("upload_folders", output["cursor"])

    everything = f"{entity.said} {refused.value} {capsys.readouterr().out}"
    assert "NameIllegal" in everything
    assert "Divorce" not in everything
    assert "Smith" not in everything
