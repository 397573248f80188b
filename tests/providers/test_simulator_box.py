"""Box's API as its documentation describes it."""

import base64
import hashlib
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.providers.simulators import Box, access_token, simulator, wait_for

_folders = itertools.count()
_PART = 1024
SESSIONS = "/api/2.0/files/upload_sessions"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    folder = tmp_path_factory.mktemp("box")
    with simulator("box", folder, chunk_minimum=2000, part_size=_PART) as started:
        yield started


@pytest.fixture(scope="module")
def shared(running):
    return Box(running)


@pytest.fixture
def box(running, shared):
    running.clear_faults()
    running.clear_stats()
    running.set_limits({"processing_seconds": 0})
    return shared


@pytest.fixture
def folder(box):
    """The id of a folder of each test's own."""
    made = box.make_folder(f"Folder {next(_folders)}")
    assert made.status_code == 201, made.text
    return made.json()["id"]


def statuses(*answers):
    return [answer.status_code for answer in answers]


def code(answer):
    """What an error says; it says its status, too."""
    document = answer.json()
    assert document["type"] == "error"
    assert document["status"] == answer.status_code
    assert document["request_id"]
    return document["code"]


def sha1(content):
    return hashlib.sha1(content).hexdigest()


def digest(content):
    return {"Digest": f"sha={base64.b64encode(hashlib.sha1(content).digest()).decode()}"}


def only(answer):
    """The file in the list that an upload is answered with."""
    assert answer.status_code == 201, answer.text
    assert answer.json()["total_count"] == 1
    [file] = answer.json()["entries"]
    return file


def path_of(running, box, folder):
    return box.ask("GET", f"/2.0/folders/{folder}").json()["name"]


def test_makes_a_folder_and_tells_of_it(running, box, folder):
    made = box.make_folder("Übersicht #1", folder)

    assert made.status_code == 201
    told = made.json()
    assert (told["type"], told["name"], told["etag"]) == ("folder", "Übersicht #1", "0")
    assert told["id"].isdigit()
    assert told["parent"]["id"] == folder
    above = [entry["id"] for entry in told["path_collection"]["entries"]]
    assert above == ["0", folder]
    found = box.ask("GET", f"/2.0/folders/{told['id']}").json()
    assert found.items() >= told.items()
    assert found["item_collection"]["total_count"] == 0
    assert f"{path_of(running, box, folder)}/Übersicht #1" in running.folders("ann")


def test_tells_of_the_root(box):
    root = box.ask("GET", "/2.0/folders/0").json()

    assert (root["id"], root["name"], root["etag"]) == ("0", "All Files", None)
    assert root["path_collection"] == {"total_count": 0, "entries": []}


def test_rule_g_an_existing_folder_is_refused_and_named(box, folder):
    first = box.make_folder("Reports", folder).json()

    again = box.make_folder("REPORTS", folder)

    assert (again.status_code, code(again)) == (409, "item_name_in_use")
    [conflict] = again.json()["context_info"]["conflicts"]
    assert (conflict["type"], conflict["id"], conflict["name"]) == (
        "folder",
        first["id"],
        "Reports",
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a/b", "item_name_invalid"),
        ("a\\b", "item_name_invalid"),
        (" a", "item_name_invalid"),
        ("a ", "item_name_invalid"),
        (".", "item_name_invalid"),
        ("..", "item_name_invalid"),
        ("a\tb", "item_name_invalid"),
        ("a\ud800", "item_name_invalid"),
        ("n" * 256, "item_name_too_long"),
        ("", "bad_request"),
    ],
)
def test_refuses_names_that_it_does_not_take(running, box, folder, name, told):
    before = running.tree()

    made, uploaded = box.make_folder(name, folder), box.upload(name, b"x", folder)

    assert statuses(made, uploaded) == [400, 400]
    assert code(made) == code(uploaded) == told
    assert running.tree() == before


def test_makes_nothing_in_a_folder_that_is_none(box, folder):
    file = only(box.upload("file", b"x", folder))["id"]

    answers = [box.make_folder("a", parent) for parent in ("999999", file, "none")]
    answers += [box.upload("a", b"x", parent) for parent in ("999999", file)]
    missing = box.ask("POST", "/2.0/folders", {"name": "a"})

    assert statuses(*answers) == [404] * 5
    assert (missing.status_code, code(missing)) == (400, "bad_request")


def test_stores_a_file_and_tells_of_it(running, box, folder):
    file = only(box.upload("Übersicht.pdf", b"content", folder, Content_MD5=sha1(b"content")))

    assert (file["type"], file["name"], file["size"]) == ("file", "Übersicht.pdf", 7)
    assert file["sha1"] == file["file_version"]["sha1"] == sha1(b"content")
    assert (file["etag"], file["sequence_id"], file["item_status"]) == ("0", "0", "active")
    assert file["parent"]["id"] == folder
    assert box.ask("GET", f"/2.0/files/{file['id']}").json() == file
    path = f"{path_of(running, box, folder)}/Übersicht.pdf"
    assert running.files("ann")[path] == hashlib.sha256(b"content").hexdigest()
    some = box.ask("GET", f"/2.0/files/{file['id']}?fields=size,name").json()
    assert some.keys() == {
        *("type", "id", "sequence_id", "etag", "name", "sha1", "file_version", "size")
    }
    assert box.ask("GET", f"/2.0/files/{folder}").status_code == 404


def test_verifies_the_sha1_that_it_is_told(running, box, folder):
    before = running.tree()

    answer = box.upload("file", b"damaged", folder, Content_MD5=sha1(b"content"))

    assert (answer.status_code, code(answer)) == (400, "bad_digest")
    assert running.tree() == before


def test_refuses_a_name_that_is_taken_and_says_by_what(box, folder):
    file = only(box.upload("file", b"content", folder))
    inner = box.make_folder("inner", folder).json()

    again, other = box.upload("FILE", b"other", folder), box.upload("Inner", b"x", folder)

    assert code(again) == code(other) == "item_name_in_use"
    conflict = again.json()["context_info"]["conflicts"]
    assert (conflict["type"], conflict["id"], conflict["sha1"]) == (
        "file",
        file["id"],
        sha1(b"content"),
    )
    assert other.json()["context_info"]["conflicts"]["id"] == inner["id"]
    assert box.make_folder("file", folder).json()["context_info"]["conflicts"][0]["type"] == "file"


def test_wants_the_attributes_in_front_of_the_file(box, folder):
    attributes = json.dumps({"name": "a", "parent": {"id": folder}})
    wrong = [("file", ("a", b"content")), ("attributes", (None, attributes))]

    answer = box.ask("POST", "/api/2.0/files/content", files=wrong)

    assert (answer.status_code, code(answer)) == (400, "metadata_after_file_contents")
    none = box.session.post(f"{box.url}/api/2.0/files/content", data=b"no form", timeout=30)
    assert (none.status_code, code(none)) == (400, "bad_request")


def test_a_form_may_hold_anything(running, box, folder):
    hard = b"\r\n--" * 100_000 + b"\r\n\r\n--\r\n"
    for name, content in (("hard", hard), ("empty", b""), ("line", b"\r\n")):
        assert only(box.upload(name, content, folder))["sha1"] == sha1(content)


def test_a_form_without_an_end_leaves_nothing(running, box, folder):
    before = running.tree()
    attributes = json.dumps({"name": "a", "parent": {"id": folder}})
    head = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
    body = head % b"attributes" + attributes.encode() + b"\r\n" + head % b"file" + b"content"

    answer = box.session.post(
        f"{box.url}/api/2.0/files/content",
        data=body,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
        timeout=30,
    )

    assert (answer.status_code, code(answer)) == (400, "bad_request")
    assert running.tree() == before


def test_a_new_version_keeps_the_id(running, box, folder):
    first = only(box.upload("file", b"content", folder))
    url = f"/api/2.0/files/{first['id']}/content"

    second = only(box.send_form(url, "{}", b"other", If_Match="0"))
    late = box.send_form(url, "{}", b"third", If_Match="0")

    assert (second["id"], second["etag"], second["size"]) == (first["id"], "1", 5)
    assert second["file_version"]["id"] != first["file_version"]["id"]
    assert (late.status_code, code(late)) == (412, "precondition_failed")
    renamed = only(box.send_form(url, '{"name": "renamed"}', b"third"))
    assert (renamed["id"], renamed["name"]) == (first["id"], "renamed")
    assert f"{path_of(running, box, folder)}/file" not in running.files("ann")


def test_says_before_an_upload_whether_it_would_take_it(box, folder):
    ask = {"name": "file", "parent": {"id": folder}, "size": 7}

    free = box.ask("OPTIONS", "/2.0/files/content", ask)
    file = only(box.upload("file", b"content", folder))
    taken = box.ask("OPTIONS", "/2.0/files/content", ask)
    version = box.ask("OPTIONS", f"/2.0/files/{file['id']}/content", {"size": 7})

    assert statuses(free, taken, version) == [200, 409, 200]
    assert free.json()["upload_url"] == f"{box.url}/api/2.0/files/content"
    assert version.json()["upload_url"] == f"{box.url}/api/2.0/files/{file['id']}/content"
    conflict = taken.json()["context_info"]["conflicts"]
    assert (conflict["id"], conflict["sha1"]) == (file["id"], sha1(b"content"))


def test_gives_a_file_back_by_way_of_another_address(box, folder):
    file = only(box.upload("file", b"content", folder))

    answer = box.ask("GET", f"/2.0/files/{file['id']}/content")

    assert (answer.status_code, answer.content) == (302, b"")
    link = answer.headers["Location"]
    nobody = {"Authorization": ""}
    whole = box.ask("GET", link, headers=nobody)
    assert (whole.status_code, whole.content) == (200, b"content")
    part = box.ask("GET", link, headers={**nobody, "Range": "bytes=3-4"})
    assert (part.status_code, part.content) == (206, b"te")
    assert box.ask("GET", link.replace("/d/1/", "/d/1/x"), headers=nobody).status_code == 404


def test_lists_a_folder_by_offset(box, folder):
    for name in ("c", "A", "b"):
        box.upload(name, b"x", folder)
    box.make_folder("z", folder)

    first = box.ask("GET", f"/2.0/folders/{folder}/items?limit=3").json()
    second = box.ask("GET", f"/2.0/folders/{folder}/items?limit=3&offset=3").json()

    assert [entry["name"] for entry in first["entries"]] == ["z", "A", "b"]
    assert [entry["name"] for entry in second["entries"]] == ["c"]
    assert (first["total_count"], first["offset"], second["offset"]) == (4, 0, 3)
    assert first["entries"][1].keys() >= {"type", "id", "etag", "name", "sha1"}
    assert "size" not in first["entries"][1]
    wide = box.ask("GET", f"/2.0/folders/{folder}/items?fields=size,sha1&limit=5000").json()
    assert wide["limit"] == 1000
    assert wide["entries"][1]["size"] == 1
    wrong = box.ask("GET", f"/2.0/folders/{folder}/items?limit=many")
    assert (wrong.status_code, code(wrong)) == (400, "invalid_limit")


def test_lists_a_folder_by_marker(box, folder):
    for name in ("c", "A", "b"):
        box.upload(name, b"x", folder)
    url = f"/2.0/folders/{folder}/items?usemarker=true&limit=2"

    first = box.ask("GET", url).json()
    box.upload("0", b"x", folder)  # What comes before the marker moves nothing.
    second = box.ask("GET", f"{url}&marker={first['next_marker']}").json()

    assert [entry["name"] for entry in first["entries"]] == ["A", "b"]
    assert [entry["name"] for entry in second["entries"]] == ["c"]
    assert second["next_marker"] is None
    assert "total_count" not in first
    assert box.ask("GET", f"{url}&marker=none").status_code == 400


def test_deletes_files_and_folders(running, box, folder):
    inner = box.make_folder("inner", folder).json()["id"]
    file = only(box.upload("file", b"x", inner))["id"]
    late = box.ask("DELETE", f"/2.0/files/{file}", headers={"If-Match": "7"})
    full = box.ask("DELETE", f"/2.0/folders/{inner}")

    assert (late.status_code, code(late)) == (412, "precondition_failed")
    assert (full.status_code, code(full)) == (400, "folder_not_empty")
    assert statuses(
        box.ask("DELETE", f"/2.0/files/{file}"),
        box.ask("DELETE", f"/2.0/files/{file}"),
        box.ask("DELETE", f"/2.0/folders/{folder}?recursive=true"),
        box.ask("GET", f"/2.0/folders/{inner}"),
        box.ask("DELETE", "/2.0/folders/0?recursive=true"),
    ) == [204, 404, 204, 404, 403]


# Uploads in parts


def begin(box, folder, size, name="big"):
    return box.ask("POST", SESSIONS, {"folder_id": folder, "file_size": size, "file_name": name})


def put(box, session, content, start, size, **headers):
    part = content[start : start + _PART]
    told = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{size}", **digest(part)}
    url = session["session_endpoints"]["upload_part"]
    return box.ask("PUT", url, data=part, headers={**told, **headers})


def commit(box, session, content, parts):
    url = session["session_endpoints"]["commit"]
    return box.ask("POST", url, {"parts": parts}, headers=digest(content))


CONTENT = hashlib.shake_256(b"any").digest(2 * _PART + 500)


def test_puts_a_file_together_from_parts_in_any_order(running, box, folder):
    answer = begin(box, folder, len(CONTENT))
    session = answer.json()
    assert (answer.status_code, session["type"]) == (201, "upload_session")
    assert (session["part_size"], session["total_parts"]) == (_PART, 3)
    assert session["session_endpoints"]["upload_part"].startswith(box.url)

    parts = [
        put(box, session, CONTENT, start, len(CONTENT)).json()["part"]
        for start in (2 * _PART, 0, _PART)
    ]

    assert parts[0].keys() == {"part_id", "offset", "size", "sha1"}
    assert (parts[0]["offset"], parts[0]["size"]) == (2 * _PART, 500)
    listed = box.ask("GET", session["session_endpoints"]["list_parts"]).json()
    assert listed["entries"] == [parts[1], parts[2], parts[0]]
    assert listed["total_count"] == 3
    status = box.ask("GET", session["session_endpoints"]["status"]).json()
    assert status["num_parts_processed"] == 3
    file = only(commit(box, session, CONTENT, parts))
    assert (file["name"], file["sha1"], file["etag"]) == ("big", sha1(CONTENT), "0")
    path = f"{path_of(running, box, folder)}/big"
    assert running.files("ann")[path] == hashlib.sha256(CONTENT).hexdigest()
    assert box.ask("GET", session["session_endpoints"]["status"]).status_code == 404


def test_asks_to_wait_until_the_parts_are_processed(running, box, folder):
    session = begin(box, folder, len(CONTENT)).json()
    parts = [
        put(box, session, CONTENT, start, len(CONTENT)).json()["part"]
        for start in range(0, len(CONTENT), _PART)
    ]
    running.set_limits({"processing_seconds": 60})

    early = commit(box, session, CONTENT, parts)

    assert early.status_code == 202
    assert 1 <= int(early.headers["Retry-After"]) <= 60
    running.set_limits({"processing_seconds": 0})
    assert only(commit(box, session, CONTENT, parts))["size"] == len(CONTENT)


def test_refuses_parts_that_are_none_of_the_session(box, folder):
    session = begin(box, folder, len(CONTENT)).json()
    size = len(CONTENT)
    good = put(box, session, CONTENT, 0, size)

    shifted = put(box, session, CONTENT, 10, size)
    other_size = put(box, session, CONTENT, _PART, size + 1)
    beyond = put(box, session, CONTENT, 0, size, **{"Content-Range": f"bytes 4096-5119/{size}"})
    damaged = put(box, session, CONTENT, _PART, size, **digest(b"other"))
    undigested = put(box, session, CONTENT, _PART, size, Digest="")

    assert statuses(good, shifted, other_size, beyond) == [200, 416, 416, 416]
    assert (damaged.status_code, code(damaged)) == (400, "digest_mismatch")
    assert (undigested.status_code, code(undigested)) == (400, "missing_digest")
    assert box.ask("GET", session["session_endpoints"]["list_parts"]).json()["total_count"] == 1


def test_a_part_that_is_there_is_taken_again_but_no_other(box, folder):
    session = begin(box, folder, len(CONTENT)).json()
    first = put(box, session, CONTENT, 0, len(CONTENT))

    again = put(box, session, CONTENT, 0, len(CONTENT))
    other = put(box, session, bytes(len(CONTENT)), 0, len(CONTENT))

    assert again.json() == first.json()
    assert (other.status_code, code(other)) == (409, "range_overlaps_existing_part")


def test_makes_no_file_of_parts_that_are_not_all_there(running, box, folder):
    session = begin(box, folder, len(CONTENT)).json()
    parts = [put(box, session, CONTENT, start, len(CONTENT)).json()["part"] for start in (0, _PART)]

    missing = commit(box, session, CONTENT, parts)
    parts.append(put(box, session, CONTENT, 2 * _PART, len(CONTENT)).json()["part"])
    unnamed = commit(box, session, CONTENT, parts[:2])
    damaged = commit(box, session, b"other", parts)

    assert statuses(missing, unnamed, damaged) == [400, 400, 400]
    assert code(damaged) == "digest_mismatch"
    assert f"{path_of(running, box, folder)}/big" not in running.files("ann")
    assert commit(box, session, CONTENT, parts).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        ({"file_size": 1999}, 400, "file_size_too_small"),
        ({"file_size": "large"}, 400, "invalid_file_size"),
        ({"file_size": None}, 400, "missing_file_size"),
        ({"file_name": None}, 400, "missing_file_name"),
        ({"file_name": "a/b"}, 400, "item_name_invalid"),
        ({"folder_id": None}, 400, "missing_destination"),
        ({"folder_id": "999999"}, 404, "not_found"),
        ({"file_name": "taken"}, 409, "item_name_in_use"),
    ],
)
def test_begins_no_upload_that_would_be_refused(box, folder, changes, status, told):
    box.upload("taken", b"x", folder)
    ask = {"folder_id": folder, "file_size": 5000, "file_name": "big"}

    answer = box.ask("POST", SESSIONS, {**ask, **changes})

    assert (answer.status_code, code(answer)) == (status, told)


def test_an_upload_that_is_broken_off_is_forgotten(box, folder):
    session = begin(box, folder, len(CONTENT)).json()
    put(box, session, CONTENT, 0, len(CONTENT))

    assert statuses(
        box.ask("DELETE", session["session_endpoints"]["abort"]),
        put(box, session, CONTENT, 0, len(CONTENT)),
        box.ask("DELETE", session["session_endpoints"]["abort"]),
    ) == [204, 404, 404]


def test_a_new_version_comes_in_parts_too(box, folder):
    file = only(box.upload("file", b"content", folder))
    url = f"/api/2.0/files/{file['id']}/upload_sessions"
    session = box.ask("POST", url, {"file_size": len(CONTENT)}).json()
    parts = [
        put(box, session, CONTENT, start, len(CONTENT)).json()["part"]
        for start in range(0, len(CONTENT), _PART)
    ]

    made = only(commit(box, session, CONTENT, parts))

    assert (made["id"], made["etag"], made["name"]) == (file["id"], "1", "file")


def test_a_session_is_for_whoever_began_it(running, box, folder):
    session = begin(box, folder, len(CONTENT)).json()
    other = Box(running, "bob")

    assert put(other, session, CONTENT, 0, len(CONTENT)).status_code == 404
    assert other.ask("GET", f"/2.0/folders/{folder}").status_code == 404


def test_has_no_more_room_than_the_quota_allows(running):
    small = Box(running, "small")
    running.add_account("small", storage_quota=3000)
    ask = {"name": "a", "parent": {"id": "0"}, "size": 3001}

    answers = [
        small.upload("a", b"x" * 3001),
        small.ask("OPTIONS", "/2.0/files/content", ask),
        begin(small, "0", 3001),
    ]

    assert statuses(*answers) == [403] * 3
    assert {code(answer) for answer in answers} == {"storage_limit_exceeded"}
    assert only(small.upload("a", b"x" * 3000))["size"] == 3000


def test_of_two_that_upload_to_one_place_at_once_one_is_refused(running, box, folder):
    second_begun = threading.Event()

    def body():
        yield b'--b\r\nContent-Disposition: form-data; name="attributes"\r\n\r\n'
        yield json.dumps({"name": "file", "parent": {"id": folder}}).encode()
        yield b'\r\n--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ncontent'
        assert second_begun.wait(10)
        yield b"\r\n--b--\r\n"

    def slow():
        return box.session.post(
            f"{box.url}/api/2.0/files/content",
            data=body(),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
            timeout=30,
        )

    arriving = running.folder / "arriving"
    with ThreadPoolExecutor() as threads:
        first = threads.submit(slow)
        wait_for(lambda: any(arriving.iterdir()))
        beside = Box(running)
        second = beside.upload("file", b"content", folder)
        assert only(beside.upload("other", b"content", folder))["size"] == 7
        second_begun.set()
        assert first.result().status_code == 201

    assert (second.status_code, code(second)) == (409, "name_temporarily_reserved")
    third = box.upload("file", b"content", folder)
    assert (third.status_code, code(third)) == (409, "item_name_in_use")


def test_lets_nobody_in_without_a_token_that_is_good(running, box):
    url = "/2.0/folders/0"
    good = box.ask("GET", url, headers={"Authorization": f"Bearer {access_token(running)}"})
    running.expire_tokens("ann")
    expired = box.ask("GET", url)
    running.revoke_tokens("ann")
    revoked = box.ask("GET", url)
    del box.session.headers["Authorization"]
    nobody = box.ask("GET", url)
    box.session.headers["Authorization"] = f"Bearer {access_token(running)}"

    assert statuses(good, expired, revoked, nobody) == [200, 401, 401, 401]
    assert 'error="invalid_token"' in expired.headers["WWW-Authenticate"]
    assert "expired" in expired.headers["WWW-Authenticate"]
    assert 'error="invalid_token"' in revoked.headers["WWW-Authenticate"]
    assert nobody.headers["WWW-Authenticate"] == 'Bearer realm="Service"'
    assert expired.content == b""


def test_knows_nothing_at_other_paths(box):
    assert (
        statuses(
            box.ask("GET", "/2.0/nothing"),
            box.ask("PUT", "/2.0/folders", {}),
            box.send_form("/2.0/files/content", "{}", b"x"),  # That is on another host.
        )
        == [404] * 3
    )
