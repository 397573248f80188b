"""What Dropbox and Box have in common with all simulators: limits, faults, a life after a kill."""

import base64
import hashlib
import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from requests.exceptions import ConnectionError as Reset

from tests.providers.simulators import Box, Dropbox, simulator, unlimited

_names = itertools.count()
_SHA256 = hashlib.sha256(b"content").hexdigest()


class InDropbox:
    """What the tests ask of a Dropbox. Names are those of files in the root."""

    made = 200

    def __init__(self, running, account="ann"):
        self.client = Dropbox(running, account)

    def list(self):
        return self.client.rpc("list_folder", path="")

    def upload(self, name, content=b"content"):
        return self.client.content("upload", content, path=f"/{name}")

    def verified_upload(self, name, content, wanted):
        blocks = hashlib.sha256(hashlib.sha256(wanted).digest()).hexdigest()
        return self.client.content("upload", content, path=f"/{name}", content_hash=blocks)


class InBox:
    """The same of a Box."""

    made = 201

    def __init__(self, running, account="ann"):
        self.client = Box(running, account)

    def list(self):
        return self.client.ask("GET", "/2.0/folders/0/items")

    def upload(self, name, content=b"content"):
        return self.client.upload(name, content)

    def verified_upload(self, name, content, wanted):
        return self.client.upload(name, content, Content_MD5=hashlib.sha1(wanted).hexdigest())


_CLIENTS = {"dropbox": InDropbox, "box": InBox}


@pytest.fixture(scope="module", params=["dropbox", "box"])
def running(request, tmp_path_factory):
    settings = {"chunk_minimum": 10, "part_size": 10}
    with simulator(request.param, tmp_path_factory.mktemp(request.param), **settings) as started:
        yield started


@pytest.fixture(scope="module")
def shared(running):
    return _CLIENTS[running.profile](running)


@pytest.fixture
def cloud(running, shared):
    running.clear_faults()
    running.set_limits({"limits": unlimited(running), "latency": {"seconds": 0}})
    running.clear_stats()
    return shared


@pytest.fixture
def client(cloud):
    """The provider's own, for what the other does not have."""
    return cloud.client


of_box = pytest.mark.parametrize("running", ["box"], indirect=True)
of_dropbox = pytest.mark.parametrize("running", ["dropbox"], indirect=True)


@pytest.fixture
def name():
    """A file's that nobody has used."""
    return f"file {next(_names)}"


def statuses(*answers):
    return [answer.status_code for answer in answers]


def test_rule_a_whoever_keeps_asking_stays_shut_out(running, cloud):
    running.set_limits({"limits": [{"scope": "account", "units": 1, "seconds": 1}]})
    assert cloud.list().status_code == 200
    until = time.monotonic() + 2

    while time.monotonic() < until:
        answer = cloud.list()
        assert answer.status_code == 429

    time.sleep(int(answer.headers["Retry-After"]))  # As it asks for.
    assert cloud.list().status_code == 200


@pytest.fixture
def newcomers(running, cloud):
    """Two accounts that have asked for nothing yet."""
    return [_CLIENTS[running.profile](running, f"newcomer {next(_names)}") for _ in range(2)]


def test_rule_b_of_several_scopes_the_first_to_trip_answers(running, newcomers):
    cho, dee = newcomers
    limits = [
        {"scope": "account", "units": 2, "seconds": 600},
        {"scope": "provider", "units": 3, "seconds": 600, "per": "all"},
    ]
    running.set_limits({"limits": limits})

    answers = [cho.list(), cho.list(), cho.list(), dee.list()]

    assert statuses(*answers) == [200, 200, 429, 429]
    assert running.stats()["throttled_by_scope"] == {"account": 1, "provider": 1}


@of_box
def test_rule_e_box_has_a_bucket_of_its_own_for_uploads(running, newcomers):
    cho = newcomers[0]
    limits = [
        {"scope": "account", "units": 3, "seconds": 600},
        {"scope": "uploads", "units": 2, "seconds": 600},
    ]
    running.set_limits({"limits": limits})
    answers = [cho.upload(f"limited {number}") for number in range(3)]
    lists = [cho.list() for _ in range(4)]

    assert statuses(*answers) == [201, 201, 429]
    assert statuses(*lists) == [200, 200, 200, 429]
    assert running.stats()["throttled_by_scope"] == {"uploads": 1, "account": 1}
    assert 1 <= int(answers[2].headers["retry-after"]) <= 600
    assert answers[2].json()["code"] == "rate_limit_exceeded"


def lost(running, name, ask, *asked, **more):
    """Ask for something whose reply gets lost."""
    running.set_faults({"action": "lose_reply", "path": f"*{name}*", "times": 1})
    with pytest.raises(Reset):
        ask(*asked, **more)


@of_dropbox
def test_rule_h_an_upload_to_dropbox_whose_reply_was_lost_can_be_seen(running, client, name):
    dropbox = client
    upload = {"path": f"/{name}", "mode": "add"}
    lost(running, name, dropbox.content, "upload", b"content", **upload)

    again = dropbox.content("upload", b"content", **upload)
    strict = dropbox.content("upload", b"content", **upload, strict_conflict=True)
    seen = dropbox.rpc("get_metadata", path=f"/{name}").json()

    assert statuses(again, strict) == [200, 409]
    assert again.json()["rev"] == seen["rev"]  # It was not written twice.
    whole = hashlib.sha256(hashlib.sha256(b"content").digest()).hexdigest()
    assert seen["content_hash"] == whole


@of_dropbox
def test_rule_h_what_was_appended_to_a_session_in_dropbox_can_be_seen(running, client, name):
    dropbox = client
    session = dropbox.content("upload_session/start", b"first ").json()["session_id"]
    cursor, commit = {"session_id": session, "offset": 6}, {"path": f"/{name}"}
    lost(running, session, dropbox.content, "upload_session/append_v2", b"last", cursor=cursor)

    again = dropbox.content("upload_session/append_v2", b"last", cursor=cursor)
    assert again.json()["error"] == {".tag": "incorrect_offset", "correct_offset": 10}
    cursor["offset"] = 10
    lost(running, name, dropbox.content, "upload_session/finish", cursor=cursor, commit=commit)

    again = dropbox.content("upload_session/finish", cursor=cursor, commit=commit)
    assert again.json()["error"]["lookup_failed"] == {".tag": "not_found"}
    assert dropbox.rpc("get_metadata", path=f"/{name}").json()["size"] == 10


@of_box
def test_rule_h_an_upload_to_box_whose_reply_was_lost_can_be_seen(running, client, name):
    box = client
    lost(running, name, box.upload, name, b"content")

    again = box.upload(name, b"content")
    ask = {"name": name, "parent": {"id": "0"}, "size": 7}
    before = box.ask("OPTIONS", "/2.0/files/content", ask)

    assert statuses(again, before) == [409, 409]
    for answer in (again, before):
        conflict = answer.json()["context_info"]["conflicts"]
        assert conflict["sha1"] == hashlib.sha1(b"content").hexdigest()
        assert box.ask("GET", f"/2.0/files/{conflict['id']}").json()["size"] == 7


@of_box
def test_rule_h_parts_in_box_whose_reply_was_lost_can_be_seen(running, client, name):
    box = client
    session, content = begun_in_box(box, name)
    digest = digest_of(content)
    put = {"data": content, "headers": {**digest, "Content-Range": "bytes 0-9/10"}}
    url = session["session_endpoints"]["upload_part"]
    lost(running, session["id"], box.ask, "PUT", url, **put)

    listed = box.ask("GET", session["session_endpoints"]["list_parts"]).json()["entries"]
    assert box.ask("PUT", url, **put).json()["part"] == listed[0]
    commit = session["session_endpoints"]["commit"]
    lost(running, name, box.ask, "POST", commit, {"parts": listed}, headers=digest)

    assert box.ask("POST", commit, {"parts": listed}, headers=digest).status_code == 404
    taken = box.upload(name, b"").json()["context_info"]["conflicts"]
    assert taken["sha1"] == hashlib.sha1(content).hexdigest()


def begun_in_box(box, name):
    """An upload session for ten bytes, and these."""
    ask = {"folder_id": "0", "file_size": 10, "file_name": name}
    return box.ask("POST", "/api/2.0/files/upload_sessions", ask).json(), b"0123456789"


def digest_of(content):
    return {"Digest": f"sha={base64.b64encode(hashlib.sha1(content).digest()).decode()}"}


def test_faults_find_a_file_by_its_path(running, cloud, name):
    running.set_faults(
        {"action": "status", "status": 503, "kind": "upload", "path": name, "times": 1},
        {"action": "refuse", "path": f"{name} too"},
    )

    first, other, again = (cloud.upload(each) for each in (name, f"{name} 2", name))
    with pytest.raises(Reset):
        cloud.upload(f"{name} too")

    assert statuses(first, other, again) == [503, cloud.made, cloud.made]
    assert running.fault_hits() == [1, 1]
    assert f"{name} too" not in running.files("ann")


def test_a_file_that_was_cut_off_is_stored_unless_its_hash_was_told(running, cloud, name):
    running.set_faults({"action": "truncate", "kind": "upload", "keep_bytes": 4})

    with pytest.raises(Reset):
        cloud.upload(name, b"content" * 100_000)
    with pytest.raises(Reset):
        cloud.verified_upload(f"{name} 2", b"content", b"content")

    assert running.tree()["ann"][name] == {
        "size": 4,
        "sha256": hashlib.sha256(b"cont").hexdigest(),
    }
    assert f"{name} 2" not in running.files("ann")


def test_takes_its_time_by_request_and_by_byte(running, cloud, name):
    running.set_limits({"latency": {"seconds": 0.1, "per_byte": 0.0001}})
    began = time.monotonic()

    assert cloud.upload(name, b"x" * 1000).status_code == cloud.made
    assert time.monotonic() - began >= 0.2


def test_counts_what_it_is_asked(running, cloud, name):
    cloud.upload(name)
    cloud.upload(name, b"other")
    cloud.list()

    stats = running.stats()

    assert stats["by_kind"] == {"upload": 2, "find": 1}
    assert stats["by_kind_and_status"][f"upload {cloud.made}"] == 1
    assert stats["by_kind_and_status"]["upload 409"] == 1
    assert stats["by_account"] == {"ann": 3}


def test_many_at_once_lose_nothing(running, cloud):
    def work(number):
        client = _CLIENTS[running.profile](running)
        found = []
        for file in range(5):
            while (answer := client.upload(f"many {number} {file}")).status_code == 429:
                pass  # Somebody else writes: all will have had their turn.
            found.append(answer.status_code)
        return found

    with ThreadPoolExecutor(10) as threads:
        found = list(threads.map(work, range(10)))

    assert found == [[cloud.made] * 5] * 10
    files = {path for path in running.files("ann") if path.startswith("many ")}
    assert files == {f"many {number} {file}" for number in range(10) for file in range(5)}


def test_dropbox_goes_on_after_it_was_killed(tmp_path):
    with simulator("dropbox", tmp_path) as running:
        dropbox = Dropbox(running)
        dropbox.content("upload", b"content", path="/Folder/file")
        session = dropbox.content("upload_session/start", b"first ").json()["session_id"]
        page = dropbox.rpc("list_folder", path="", limit=1, recursive=True).json()
        before = running.tree()

        running.restart()

        assert running.tree() == before
        assert dropbox.rpc("get_metadata", path="/folder/FILE").json()["size"] == 7
        rest = dropbox.rpc("list_folder/continue", cursor=page["cursor"]).json()
        assert [entry["name"] for entry in rest["entries"]] == ["file"]
        finish = {"cursor": {"session_id": session, "offset": 6}, "commit": {"path": "/big"}}
        assert dropbox.content("upload_session/finish", b"last", **finish).status_code == 200
        whole = hashlib.sha256(b"first last").hexdigest()
        assert running.files("ann") == {"Folder/file": _SHA256, "big": whole}


def test_box_goes_on_after_it_was_killed(tmp_path):
    with simulator("box", tmp_path, chunk_minimum=10, part_size=10) as running:
        box = Box(running)
        file = box.upload("file", b"content").json()["entries"][0]
        session, content = begun_in_box(box, "big")
        digest = digest_of(content)
        put = {"data": content, "headers": {**digest, "Content-Range": "bytes 0-9/10"}}
        part = box.ask("PUT", session["session_endpoints"]["upload_part"], **put).json()["part"]

        running.restart()

        assert box.ask("GET", f"/2.0/files/{file['id']}").json() == file
        commit = urlsplit(session["session_endpoints"]["commit"]).path
        made = box.ask("POST", commit, {"parts": [part]}, headers=digest)
        assert json.loads(made.content)["entries"][0]["size"] == 10
        assert running.files("ann")["file"] == _SHA256
