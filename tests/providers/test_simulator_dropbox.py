"""Dropbox's API as its documentation describes it."""

import hashlib
import http.client
import itertools
import json

import pytest

from tests.providers.simulators import Dropbox, access_token, simulator

_EMPTY = hashlib.sha256(b"").hexdigest()
_folders = itertools.count()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator("dropbox", tmp_path_factory.mktemp("dropbox")) as started:
        yield started


@pytest.fixture(scope="module")
def shared(running):
    return Dropbox(running)


@pytest.fixture
def dropbox(running, shared):
    running.clear_faults()
    running.clear_stats()
    return shared


@pytest.fixture
def folder(dropbox):
    """A folder of each test's own."""
    path = f"/Folder {next(_folders)}"
    assert dropbox.rpc("create_folder_v2", path=path).status_code == 200
    return path


def statuses(*answers):
    return [answer.status_code for answer in answers]


def tags(answer):
    """What an endpoint's error says, from the outside in."""
    assert answer.status_code == 409, answer.text
    union, found = answer.json()["error"], []
    while union is not None:
        found.append(union[".tag"])
        union = next((inner for inner in union.values() if isinstance(inner, dict)), None)
    assert answer.json()["error_summary"].startswith("/".join(found) + "/")
    return found


def content_hash(content):
    """As Dropbox's page on it has it."""
    blocks = [content[at : at + 4194304] for at in range(0, len(content), 4194304)]
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


def names(answer):
    return [entry["name"] for entry in answer.json()["entries"]]


def test_makes_a_folder_with_those_above_it(running, dropbox, folder):
    answer = dropbox.rpc("create_folder_v2", path=f"{folder}/A/b")

    metadata = answer.json()["metadata"]
    assert metadata["name"] == "b"
    assert metadata["path_display"] == f"{folder}/A/b"
    assert metadata["path_lower"] == f"{folder}/A/b".lower()
    assert metadata["id"].startswith("id:")
    assert ".tag" not in metadata
    assert {f"{folder[1:]}/A", f"{folder[1:]}/A/b"} <= running.folders("ann")


def test_rule_g_an_existing_folder_is_refused_or_renamed(dropbox, folder):
    again = dropbox.rpc("create_folder_v2", path=folder.upper())
    renamed = dropbox.rpc("create_folder_v2", path=folder, autorename=True)
    third = dropbox.rpc("create_folder_v2", path=folder, autorename=True)

    assert tags(again) == ["path", "conflict", "folder"]
    assert renamed.json()["metadata"]["path_display"] == f"{folder} (2)"
    assert third.json()["metadata"]["path_display"] == f"{folder} (3)"


def test_a_file_is_in_the_way_of_folders(dropbox, folder):
    dropbox.content("upload", b"x", path=f"{folder}/file")

    at, below = (
        dropbox.rpc("create_folder_v2", path=f"{folder}/file{rest}") for rest in ("", "/a/b")
    )
    upload = dropbox.content("upload", b"x", path=f"{folder}/FILE/inner")

    assert tags(at) == ["path", "conflict", "file"]
    assert tags(below) == ["path", "conflict", "file_ancestor"]
    assert tags(upload) == ["path", "conflict", "file_ancestor"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/a//b", "malformed_path"),
        ("/a/", "malformed_path"),
        ("/../a", "malformed_path"),
        ("/a\\b", "malformed_path"),
        ("/a ", "malformed_path"),
        ("/" + "n" * 256, "malformed_path"),
        ("/Thumbs.db", "disallowed_name"),
        ("/a/.DS_Store", "disallowed_name"),
        ("/~$report.docx", "disallowed_name"),
    ],
)
def test_refuses_paths_and_names_that_it_does_not_save(running, dropbox, path, told):
    before = running.tree()

    assert tags(dropbox.rpc("create_folder_v2", path=path)) == ["path", told]
    assert tags(dropbox.content("upload", b"x", path=path)) == ["path", told]
    assert running.tree() == before


def test_stores_a_file_and_tells_of_it(running, dropbox, folder):
    path, content = f"{folder}/Sub/Übersicht #1.pdf", b"content" * 1000
    made = dropbox.content(
        "upload", content, path=path, client_modified="2026-11-02T03:04:05Z", mute=True
    ).json()

    assert made["size"] == 7000
    assert made["client_modified"] == "2026-11-02T03:04:05Z"
    assert made["content_hash"] == content_hash(content)
    assert len(made["rev"]) >= 9
    assert ".tag" not in made
    assert running.files("ann")[path[1:]] == hashlib.sha256(content).hexdigest()
    told = dropbox.rpc("get_metadata", path=path.lower()).json()
    assert told == {".tag": "file", **made}
    assert dropbox.rpc("get_metadata", path=made["id"]).json() == told
    parent = dropbox.rpc("get_metadata", path=f"{folder}/sub").json()
    assert (parent[".tag"], parent["name"]) == ("folder", "Sub")
    assert tags(dropbox.rpc("get_metadata", path=f"{folder}/none")) == ["path", "not_found"]
    assert tags(dropbox.rpc("get_metadata", path="id:none")) == ["path", "not_found"]


def test_the_hash_of_content_goes_over_blocks_of_4_mib(dropbox, folder):
    for content in (b"", b"x" * 4194304, b"x" * 4194305, b"x" * 9_000_000):
        made = dropbox.content("upload", content, path=f"{folder}/file", mode="overwrite").json()
        assert made["content_hash"] == content_hash(content)
    assert content_hash(b"") == _EMPTY


def test_verifies_the_hash_that_it_is_told(running, dropbox, folder):
    arguments = {"path": f"{folder}/file", "content_hash": content_hash(b"content")}

    assert tags(dropbox.content("upload", b"damaged", **arguments)) == ["content_hash_mismatch"]
    assert not running.files("ann").keys() & {f"{folder[1:]}/file"}
    assert dropbox.content("upload", b"content", **arguments).status_code == 200


def test_adds_a_file_only_where_there_is_no_other(dropbox, folder):
    path = f"{folder}/File.txt"
    first = dropbox.content("upload", b"content", path=path).json()

    same = dropbox.content("upload", b"content", path=path.upper())
    strict = dropbox.content("upload", b"content", path=path, strict_conflict=True)
    other = dropbox.content("upload", b"other", path=path)
    renamed = dropbox.content("upload", b"other", path=path, autorename=True)

    assert same.json() == first  # Nothing is written.
    assert tags(strict) == tags(other) == ["path", "conflict", "file"]
    assert renamed.json()["name"] == "File (2).txt"
    assert tags(dropbox.content("upload", b"x", path=folder)) == ["path", "conflict", "folder"]


def test_replaces_a_file_when_it_is_told_to(dropbox, folder):
    path = f"{folder}/file"
    first = dropbox.content("upload", b"content", path=path).json()
    overwritten = dropbox.content("upload", b"second", path=path, mode="overwrite").json()
    update = {".tag": "update", "update": first["rev"]}

    late = dropbox.content("upload", b"third", path=path, mode=update)
    copy = dropbox.content("upload", b"third", path=path, mode=update, autorename=True)
    current = {".tag": "update", "update": overwritten["rev"]}
    updated = dropbox.content("upload", b"third", path=path, mode=current)

    assert overwritten["id"] == first["id"]
    assert overwritten["rev"] != first["rev"]
    assert tags(late) == ["path", "conflict", "file"]
    assert copy.json()["name"] == "file (conflicted copy)"
    assert (updated.status_code, updated.json()["size"]) == (200, 5)


def test_content_whose_commit_failed_can_be_committed_elsewhere(dropbox, folder):
    dropbox.content("upload", b"first", path=f"{folder}/file")
    failed = dropbox.content("upload", b"other", path=f"{folder}/file").json()

    cursor = {"session_id": failed["error"]["upload_session_id"], "offset": 5}
    made = dropbox.content(
        "upload_session/finish", cursor=cursor, commit={"path": f"{folder}/other"}
    )

    assert (made.status_code, made.json()["content_hash"]) == (200, content_hash(b"other"))


def test_lists_a_folder_page_by_page(dropbox, folder):
    for name in ("c", "a", "b/deep", "d"):
        dropbox.content("upload", b"x", path=f"{folder}/{name}")

    first = dropbox.rpc("list_folder", path=folder, limit=3)
    second = dropbox.rpc("list_folder/continue", cursor=first.json()["cursor"])

    assert names(first) == ["a", "b", "c"]
    assert [entry[".tag"] for entry in first.json()["entries"]] == ["file", "folder", "file"]
    assert names(second) == ["d"]
    assert (first.json()["has_more"], second.json()["has_more"]) == (True, False)
    assert folder[1:] in names(dropbox.rpc("list_folder", path=""))
    below = names(dropbox.rpc("list_folder", path=folder, recursive=True))
    assert below == [folder[1:], "a", "b", "deep", "c", "d"]


def test_goes_on_from_a_list_with_what_is_new(dropbox, folder):
    dropbox.content("upload", b"x", path=f"{folder}/a")
    cursor = dropbox.rpc("list_folder", path=folder).json()["cursor"]

    nothing = dropbox.rpc("list_folder/continue", cursor=cursor)
    dropbox.content("upload", b"x", path=f"{folder}/b")

    assert names(nothing) == []
    assert names(dropbox.rpc("list_folder/continue", cursor=nothing.json()["cursor"])) == ["b"]


def test_cannot_list_what_is_no_folder(dropbox, folder):
    dropbox.content("upload", b"x", path=f"{folder}/a")

    assert tags(dropbox.rpc("list_folder", path=f"{folder}/a")) == ["path", "not_folder"]
    assert tags(dropbox.rpc("list_folder", path=f"{folder}/b")) == ["path", "not_found"]
    assert dropbox.rpc("list_folder", path="/").status_code == 400
    assert dropbox.rpc("list_folder/continue", cursor="none").status_code == 400


def test_gives_a_file_back(dropbox, folder):
    made = dropbox.content("upload", b"content", path=f"{folder}/Übersicht").json()

    whole = dropbox.session.post(
        f"{dropbox.url}/2/files/download",
        headers={"Dropbox-API-Arg": json.dumps({"path": f"{folder}/übersicht"})},
        timeout=30,
    )

    assert (whole.status_code, whole.content) == (200, b"content")
    assert json.loads(whole.headers["Dropbox-API-Result"]) == made
    assert whole.headers["Content-Type"] == "application/octet-stream"
    part = dropbox.session.get(
        f"{dropbox.url}/2/files/download",
        params={"arg": json.dumps({"path": made["id"]})},
        headers={"Range": "bytes=3-4"},
        timeout=30,
    )
    assert (part.status_code, part.content) == (206, b"te")
    assert tags(dropbox.content("download", path=folder)) == ["path", "not_file"]
    assert tags(dropbox.content("download", path=f"{folder}/none")) == ["path", "not_found"]


def test_deletes_a_folder_with_all_within(running, dropbox, folder):
    made = dropbox.content("upload", b"x", path=f"{folder}/a/b").json()

    deleted = dropbox.rpc("delete_v2", path=f"{folder}/A")

    assert deleted.json()["metadata"][".tag"] == "folder"
    assert not [path for path in running.tree()["ann"] if path.startswith(f"{folder[1:]}/")]
    assert tags(dropbox.rpc("delete_v2", path=f"{folder}/a")) == ["path_lookup", "not_found"]
    assert tags(dropbox.rpc("delete_v2", path=made["id"])) == ["path_lookup", "not_found"]


def test_puts_a_file_together_from_an_upload_session(running, dropbox, folder):
    session = dropbox.content("upload_session/start", b"first ").json()["session_id"]
    answer = dropbox.content(
        "upload_session/append_v2", b"second ", cursor={"session_id": session, "offset": 6}
    )
    assert (answer.status_code, answer.text) == (200, "null")

    made = dropbox.content(
        "upload_session/finish",
        b"third",
        cursor={"session_id": session, "offset": 13},
        commit={"path": f"{folder}/file"},
    )

    assert made.json()["content_hash"] == content_hash(b"first second third")
    digest = hashlib.sha256(b"first second third").hexdigest()
    assert running.files("ann")[f"{folder[1:]}/file"] == digest


def test_tells_the_right_offset_of_a_session(dropbox, folder):
    session = dropbox.content("upload_session/start", b"first").json()["session_id"]
    cursor, commit = {"session_id": session, "offset": 4}, {"path": f"{folder}/file"}

    appended = dropbox.content("upload_session/append_v2", b"x", cursor=cursor)
    finished = dropbox.content("upload_session/finish", b"", cursor=cursor, commit=commit)
    unknown = {"session_id": "none", "offset": 0}

    assert tags(appended) == ["incorrect_offset"]
    assert appended.json()["error"]["correct_offset"] == 5
    assert tags(finished) == ["lookup_failed", "incorrect_offset"]
    assert finished.json()["error"]["lookup_failed"]["correct_offset"] == 5
    assert tags(dropbox.content("upload_session/append_v2", b"x", cursor=unknown)) == ["not_found"]


def test_appends_nothing_to_a_session_that_is_closed(dropbox, folder):
    session = dropbox.content("upload_session/start", b"first", close=True).json()["session_id"]
    cursor = {"session_id": session, "offset": 5}

    appended = dropbox.content("upload_session/append_v2", b"x", cursor=cursor)
    made = dropbox.content(
        "upload_session/finish", cursor=cursor, commit={"path": f"{folder}/file"}
    )

    assert tags(appended) == ["closed"]
    assert (made.status_code, made.json()["size"]) == (200, 5)


def test_another_account_does_not_see_a_session(running, dropbox):
    session = dropbox.content("upload_session/start", b"first").json()["session_id"]

    answer = Dropbox(running, "bob").content(
        "upload_session/append_v2", b"x", cursor={"session_id": session, "offset": 5}
    )

    assert tags(answer) == ["not_found"]


def batch_of(dropbox, folder):
    """Entries of a batch: one that is right, one that is open, one that is in the way."""
    dropbox.content("upload", b"there", path=f"{folder}/taken")
    entries = []
    for name, close in (("a", True), ("open", False), ("taken", True)):
        session = dropbox.content("upload_session/start", b"x", close=close).json()["session_id"]
        cursor = {"session_id": session, "offset": 1}
        entries.append({"cursor": cursor, "commit": {"path": f"{folder}/{name}"}})
    return entries


def check_batch(entries):
    success, not_closed, conflict = entries
    assert (success[".tag"], success["name"], success["size"]) == ("success", "a", 1)
    assert not_closed["failure"]["lookup_failed"] == {".tag": "not_closed"}
    assert conflict["failure"]["path"]["conflict"] == {".tag": "file"}


def test_commits_many_files_at_once(running, dropbox, folder):
    running.clear_stats()
    answer = dropbox.rpc("upload_session/finish_batch_v2", entries=batch_of(dropbox, folder))

    check_batch(answer.json()["entries"])
    assert running.stats()["by_kind"] == {"upload": 2, "other": 3}  # One of them the batch.


def test_commits_many_files_in_the_background(dropbox, folder):
    job = dropbox.rpc("upload_session/finish_batch", entries=batch_of(dropbox, folder)).json()
    assert job[".tag"] == "async_job_id"
    check = {"async_job_id": job["async_job_id"]}

    first, second = (dropbox.rpc("upload_session/finish_batch/check", **check) for _ in range(2))

    assert first.json() == {".tag": "in_progress"}
    assert second.json()[".tag"] == "complete"
    check_batch(second.json()["entries"])
    unknown = dropbox.rpc("upload_session/finish_batch/check", async_job_id="none")
    assert tags(unknown) == ["invalid_async_job_id"]


def test_a_request_carries_150_mib_at_most(running, dropbox):
    for function in ("upload", "upload_session/start"):
        argument = {"path": "/large"} if function == "upload" else {}
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
        connection.putrequest("POST", f"/2/files/{function}")
        connection.putheader("Authorization", dropbox.session.headers["Authorization"])
        connection.putheader("Dropbox-API-Arg", json.dumps(argument))
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(150 * 1024**2 + 1))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 409
        assert json.loads(answer.read())["error"] == {".tag": "payload_too_large"}
        connection.close()


def test_has_no_more_room_than_the_quota_allows(running):
    running.add_account("small", storage_quota=10)
    small = Dropbox(running, "small")
    running.add_account("small", storage_quota=10)

    upload = small.content("upload", b"x" * 11, path="/a")
    session = small.content("upload_session/start", b"x" * 11).json()["session_id"]
    finish = small.content(
        "upload_session/finish",
        cursor={"session_id": session, "offset": 11},
        commit={"path": "/a"},
    )

    assert tags(upload) == tags(finish) == ["path", "insufficient_space"]
    assert small.content("upload", b"x" * 10, path="/a").status_code == 200


@pytest.mark.parametrize(
    ("function", "argument", "told"),
    [
        ("get_metadata", {"path": "no slash"}, "path: 'no slash' did not match pattern"),
        ("get_metadata", {}, "path: Field required"),
        ("get_metadata", {"path": "/a", "colour": 1}, "colour"),
        ("list_folder", {"path": "", "limit": 0}, "limit"),
        ("get_metadata", {"path": "/\ud800"}, "could not decode input as JSON"),
        ("no_such_function", {}, 'Unknown API function: "files/no_such_function"'),
    ],
)
def test_answers_bad_input_in_plain_text(dropbox, function, argument, told):
    answer = dropbox.rpc(function, **argument)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert told in answer.text


def test_wants_the_argument_of_content_in_ascii_and_the_right_type(running, dropbox):
    url, login = f"{running.url}/2/files/upload", dropbox.session.headers["Authorization"]
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    headers = {"Authorization": login, "Content-Type": "application/octet-stream"}

    raw = '{"path": "/Übersicht"}'.encode().decode("latin-1")
    connection.request("POST", "/2/files/upload", b"x", {**headers, "Dropbox-API-Arg": raw})
    unescaped = connection.getresponse()
    connection.close()
    typed = dropbox.session.post(
        url,
        data=b"x",
        headers={"Dropbox-API-Arg": '{"path": "/a"}', "Content-Type": "text/html"},
        timeout=30,
    )

    assert (unescaped.status, typed.status_code) == (400, 400)
    assert 'Bad HTTP "Content-Type" header' in typed.text


def test_lets_nobody_in_without_a_token_that_is_good(running, dropbox):
    token = access_token(running)
    ask = {"Authorization": f"Bearer {token}"}
    good = dropbox.session.post(
        f"{running.url}/2/files/list_folder", json={"path": ""}, headers=ask, timeout=30
    )
    running.expire_tokens("ann")
    expired = dropbox.rpc("list_folder", path="")
    running.revoke_tokens("ann")
    revoked = dropbox.rpc("list_folder", path="")
    dropbox.session.headers["Authorization"] = "Basic YW5uOnNlY3JldA=="
    basic = dropbox.rpc("list_folder", path="")
    del dropbox.session.headers["Authorization"]
    nobody = dropbox.rpc("list_folder", path="")
    dropbox.session.headers["Authorization"] = f"Bearer {access_token(running)}"

    assert statuses(good, expired, revoked, basic, nobody) == [200, 401, 401, 400, 400]
    assert expired.json()["error"] == {".tag": "expired_access_token"}
    assert expired.json()["error_summary"].startswith("expired_access_token/")
    assert revoked.json()["error"] == {".tag": "invalid_access_token"}


def test_each_account_sees_its_own_files(running, dropbox, folder):
    other = Dropbox(running, "bob")
    made = dropbox.content("upload", b"x", path=f"{folder}/file").json()

    assert tags(other.rpc("get_metadata", path=f"{folder}/file")) == ["path", "not_found"]
    assert tags(other.rpc("get_metadata", path=made["id"])) == ["path", "not_found"]
