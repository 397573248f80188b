"""Google Drive, version 3, as its documentation describes it."""

import hashlib
import http.client
import itertools
from urllib.parse import urlsplit

import pytest
from requests.exceptions import ConnectionError as Reset

from local.providers.profiles import DRIVE_BY_REQUESTS
from tests.providers.cloud_drives import FOLDER, Drive
from tests.providers.simulators import OTHER, simulator, wait_for

_KIB_256 = 256 * 1024
_numbers = itertools.count()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator("drive", tmp_path_factory.mktemp("drive")) as started:
        yield started


@pytest.fixture(scope="module")
def shared(running):
    return Drive(running)


@pytest.fixture
def drive(running, shared):
    running.clear_faults()
    running.clear_stats()
    return shared


@pytest.fixture
def folder(drive):
    """The id of a folder of each test's own."""
    return drive.make_folder(f"Folder {next(_numbers)}").json()["id"]


@pytest.fixture
def limited(running):
    """Limits that hold for one test."""
    yield lambda scope, units: running.set_limits(
        {"limits": [{"scope": scope, "units": units, "seconds": 600}]}
    )
    scopes = [limit["scope"] for limit in running.limits()["limits"]]
    running.set_limits({"limits": [{"scope": scope, "units": None} for scope in scopes]})


def reason(answer):
    """Status, reason and domain of a refusal, whose parts agree with each other."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert error["message"] == error["errors"][0]["message"]
    return answer.status_code, error["errors"][0]["reason"], error["errors"][0]["domain"]


def _upload(drive, kind):
    return f"{drive.url}/upload/drive/v3/files?uploadType={kind}"


def test_knows_users_by_their_tokens_and_shows_each_the_own_files(running, drive):
    made = drive.make_folder("of ann").json()["id"]

    unknown = drive.ask("GET", "/files", headers={"Authorization": "Bearer unknown"})
    nobody = drive.ask("GET", "/files", headers={"Authorization": None})
    foreign = Drive(running, OTHER).ask("GET", f"/files/{made}")

    assert reason(unknown) == reason(nobody) == (401, "authError", "global")
    assert unknown.json()["error"]["errors"][0]["location"] == "Authorization"
    assert reason(foreign) == (404, "notFound", "global")
    running.expire_tokens("bob")
    assert Drive(running, OTHER).find("trashed = false") == []


def test_rule_a_throttled_requests_count_against_the_quota(running, limited):
    running.add_account(
        "cho", client_id="the client", client_secret="its secret", refresh_token="cho's"
    )
    cho = Drive(running, {"name": "cho", "refresh_token": "cho's"})
    running.set_limits({"limits": [{"scope": "account", "units": 5, "seconds": 1}]})
    assert cho.ask("GET", "/about?fields=user").status_code == 200

    asked = [cho.ask("GET", "/about?fields=user").status_code for _ in range(40)]
    limited("account", 30)

    assert asked == [403] * 40
    assert cho.ask("GET", "/about?fields=user").status_code == 403


def test_rule_b_and_c_the_first_scope_to_trip_answers_403_with_its_reason(running, limited, drive):
    limited("provider", 1)
    project = [drive.ask("GET", "/about?fields=user") for _ in range(4)][1:]
    limited("account", 1)
    user = [drive.ask("GET", "/about?fields=user") for _ in range(3)][1:]

    assert [reason(answer)[1] for answer in project] == ["rateLimitExceeded"] * 3
    assert [answer.status_code for answer in project].count(429) == 1
    assert {reason(answer) for answer in user} == {(403, "userRateLimitExceeded", "usageLimits")}
    assert not any("Retry-After" in answer.headers for answer in project + user)


def test_rule_c_a_day_that_is_used_up_is_told_apart(running, limited, drive):
    limited("day", 1)
    drive.ask("GET", "/about?fields=user")
    day = drive.ask("GET", "/about?fields=user")
    limited("day", 1000)
    limited("uploaded bytes", 10)

    uploads = [drive.ask("POST", _upload(drive, "media"), data=b"x" * 11) for _ in range(2)]

    assert reason(day) == (403, "dailyLimitExceeded", "usageLimits")
    assert [reason(answer)[:2] for answer in uploads] == [
        (403, "userRateLimitExceeded"),
        (403, "quotaExceeded"),
    ]
    assert uploads[0].json()["error"]["message"] == "User rate limit exceeded."


def test_a_list_of_a_folder_that_is_not_there_is_refused_without_its_id(drive):
    reply = drive.ask("GET", "/files", params={"q": f"'{drive.new_id()}' in parents"})

    assert reason(reply) == (404, "notFound", "global")
    assert reply.json()["error"]["message"] == "File not found: ."


def test_counts_quota_units(tmp_path):
    with simulator("drive", tmp_path, limits=[{"scope": "account", "units": 410}]) as running:
        drive = Drive(running)
        file = drive.upload({"name": "file"}, b"content").json()["id"]  # 50
        drive.find("trashed = false")  # 100
        assert drive.ask("GET", f"/files/{file}?alt=media").status_code == 200  # 200
        drive.new_id()  # 5
        assert drive.ask("GET", f"/files/{file}").status_code == 200  # 5
        drive.ask("DELETE", f"/files/{file}")  # 50

        assert drive.ask("GET", f"/files/{file}").status_code == 403
        assert running.stats()["throttled_by_scope"] == {"account": 1}


def test_counts_requests_in_older_projects(tmp_path):
    limits = [{**limit, "units": 2} for limit in DRIVE_BY_REQUESTS["limits"]]
    with simulator("drive", tmp_path, limits=limits) as running:
        drive = Drive(running)
        drive.find("trashed = false")
        assert drive.ask("GET", "/about?fields=user").status_code == 200
        assert drive.ask("GET", "/about?fields=user").status_code == 403


def test_rule_g_makes_a_duplicate_where_a_folder_of_that_name_is(running, drive, folder):
    made = [drive.make_folder("twice", folder) for _ in range(3)]

    assert [answer.status_code for answer in made] == [200] * 3
    assert len({answer.json()["id"] for answer in made}) == 3
    assert drive.find(f"'{folder}' in parents") == ["twice"] * 3
    file = drive.upload({"name": "file", "parents": [made[1].json()["id"]]}, b"content").json()
    assert drive.find(f"'{made[1].json()['id']}' in parents and name = 'file'") == ["file"]
    assert drive.find(f"'{made[0].json()['id']}' in parents") == []
    drive.ask("DELETE", f"/files/{made[1].json()['id']}")
    assert drive.ask("GET", f"/files/{file['id']}").status_code == 404
    assert drive.find(f"'{folder}' in parents") == ["twice"] * 2


@pytest.mark.parametrize("kind", ["folder", "multipart", "resumable"])
def test_rule_h_a_creation_whose_reply_was_lost_is_known_by_its_id(running, drive, folder, kind):
    said = {"id": drive.new_id(), "name": "report.pdf", "parents": [folder]}

    def create():
        if kind == "folder":
            return drive.make_folder("report.pdf", folder, id=said["id"])
        if kind == "multipart":
            return drive.upload(said, b"content")
        return drive.ask("POST", _upload(drive, "resumable"), json=said)

    if kind == "resumable":
        session = drive.begin(said, 7)
        running.set_faults({"action": "lose_reply", "method": "PUT", "times": 1})
        with pytest.raises(Reset):
            drive.send(session, "0-6/7", b"content")
        assert drive.send(session, "*/7").json()["id"] == said["id"]
    else:
        running.set_faults({"action": "lose_reply", "method": "POST", "times": 1})
        with pytest.raises(Reset):
            create()

    assert reason(create()) == (409, "fileIdInUse", "global")
    seen = drive.ask("GET", f"/files/{said['id']}?fields=md5Checksum,name").json()
    assert drive.find(f"'{folder}' in parents") == ["report.pdf"]
    expected = {} if kind == "folder" else {"md5Checksum": hashlib.md5(b"content").hexdigest()}
    assert seen == {"name": "report.pdf", **expected}


def test_an_id_that_nobody_gave_out_is_not_usable(drive):
    for invented in ("1" + "A" * 32, "report", drive.new_id()[:-2] + "xx"):
        refused = drive.make_folder("folder", id=invented)
        assert reason(refused) == (400, "invalid", "global")
        assert refused.json()["error"]["message"] == "The provided file ID is not usable."


def test_shows_what_is_asked_for_of_a_file(drive, folder):
    content = b"content"
    made = drive.upload({"name": "Report 1/2.pdf", "parents": [folder]}, content).json()

    assert made["kind"] == "drive#file"
    assert (made["name"], made["mimeType"]) == ("Report 1/2.pdf", "application/pdf")
    assert (made["size"], made["parents"], made["trashed"]) == ("7", [folder], False)
    for name in ("md5", "sha1", "sha256"):
        assert made[f"{name}Checksum"] == hashlib.new(name, content).hexdigest()
    by_default = drive.ask("GET", f"/files/{made['id']}").json()
    assert set(by_default) == {"kind", "id", "name", "mimeType"}
    some = drive.ask("GET", f"/files/{made['id']}?fields=id, version,headRevisionId").json()
    assert set(some) == {"id", "version", "headRevisionId"}
    wrong = drive.ask("GET", f"/files/{made['id']}?fields=id,sizes")
    assert reason(wrong) == (400, "invalidParameter", "global")
    root = drive.ask("GET", "/files/root?fields=*").json()
    assert (root["name"], root["mimeType"], "parents" in root) == ("My Drive", FOLDER, False)
    assert drive.ask("GET", f"/files/{folder}?fields=parents").json() == {"parents": [root["id"]]}


def test_fetches_content_whole_and_in_part(drive, folder):
    file = drive.upload({"name": "file", "parents": [folder]}, b"content").json()["id"]

    whole = drive.ask("GET", f"/files/{file}?alt=media")
    part = drive.ask("GET", f"/files/{file}?alt=media", headers={"Range": "bytes=2-3"})
    none = drive.ask("GET", f"/files/{file}?alt=media", headers={"Range": "bytes=7-"})

    assert (whole.content, whole.headers["Content-Type"]) == (b"content", "application/pdf")
    assert (part.status_code, part.content) == (206, b"nt")
    assert part.headers["Content-Range"] == "bytes 2-3/7"
    assert none.status_code == 416
    refused = drive.ask("GET", f"/files/{folder}?alt=media")
    assert reason(refused) == (403, "fileNotDownloadable", "global")


def test_finds_files_by_place_name_type_and_trash(drive, folder):
    names = ["it's", "back\\slash", "Über", "über", "other"]
    for name in names:
        drive.upload({"name": name, "parents": [folder]}, b"x")
    drive.make_folder("within", folder)
    here = f"'{folder}' in parents"

    assert drive.find(f"{here} and name = 'it\\'s'") == ["it's"]
    assert drive.find(f"{here} and name='back\\\\slash'") == ["back\\slash"]
    assert sorted(drive.find(f"name = 'ÜBER' and {here}")) == ["Über", "über"]
    assert drive.find(f"{here} and mimeType = '{FOLDER}'") == ["within"]
    assert len(drive.find(f"{here} and mimeType != '{FOLDER}' and trashed = false")) == 5
    assert drive.find(f"{here} and (name = 'other' or name contains 'wi')", orderBy="name") == [
        "other",
        "within",
    ]
    assert drive.find(f"{here} and not mimeType = '{FOLDER}' and trashed=true") == []
    everything = drive.find(here, orderBy="folder,name desc")
    assert everything == ["within", *sorted(names, key=str.casefold, reverse=True)]
    assert drive.find("'root' in parents and name = 'it\\'s'") == []


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ({"q": "name = unquoted"}, "q"),
        ({"q": "name = 'a' and"}, "q"),
        ({"q": "colour = 'red'"}, "q"),
        ({"q": "('a' in parents"}, "q"),
        ({"q": "trashed = 'maybe'"}, "q"),
        ({"orderBy": "colour"}, "orderBy"),
        ({"pageSize": "0"}, "pageSize"),
        ({"pageSize": "1001"}, "pageSize"),
        ({"pageToken": "invented"}, "pageToken"),
        ({"fields": "files(id"}, "fields"),
        ({"fields": "files(colour)"}, "fields"),
        ({"fields": "colour"}, "fields"),
    ],
)
def test_says_which_parameter_it_does_not_understand(drive, query, location):
    refused = drive.ask("GET", "/files", params=query)

    assert refused.status_code == 400
    assert refused.json()["error"]["errors"][0]["location"] == location


def test_lists_page_by_page(drive, folder):
    for number in range(5):
        drive.upload({"name": f"{number}", "parents": [folder]}, b"")
    query = {"q": f"'{folder}' in parents", "pageSize": 2, "orderBy": "name"}
    pages = [drive.ask("GET", "/files", params=query).json()]
    while "nextPageToken" in pages[-1]:
        token = {"pageToken": pages[-1]["nextPageToken"]}
        pages.append(drive.ask("GET", "/files", params={**query, **token}).json())

    assert [[file["name"] for file in page["files"]] for page in pages] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]
    assert pages[0]["kind"] == "drive#fileList"
    assert set(pages[0]["files"][0]) == {"kind", "id", "name", "mimeType"}


def test_renames_moves_and_throws_away(running, drive, folder):
    other = drive.make_folder("other", folder).json()["id"]
    made = drive.upload({"name": "file", "parents": [folder]}, b"content").json()
    url = f"/files/{made['id']}"

    move = {"addParents": other, "removeParents": folder, "fields": "name,parents,version"}
    moved = drive.ask("PATCH", url, params=move, json={"name": "moved"}).json()
    thrown = drive.ask("PATCH", f"/files/{other}", json={"trashed": True})

    assert (moved["name"], moved["parents"]) == ("moved", [other])
    assert int(moved["version"]) > int(made["version"])
    assert thrown.status_code == 200
    state = drive.ask("GET", f"{url}?fields=trashed,explicitlyTrashed,parents").json()
    assert state == {"trashed": True, "explicitlyTrashed": False, "parents": [other]}
    assert drive.find(f"'{folder}' in parents and trashed = false") == []
    assert drive.find(f"'{folder}' in parents and trashed = true") == ["other"]
    assert not [path for path in running.tree()["ann"] if path.endswith("moved")]
    drive.ask("PATCH", f"/files/{other}", json={"trashed": False})
    assert drive.find(f"'{other}' in parents and trashed = false") == ["moved"]
    assert any(path.endswith("other/moved") for path in running.files("ann"))


def test_says_what_cannot_be_done_with_a_file(drive, folder):
    within = drive.make_folder("within", folder).json()["id"]
    file = drive.upload({"name": "file", "parents": [folder]}, b"x").json()["id"]

    def patched(file_id, said=None, **query):
        return reason(drive.ask("PATCH", f"/files/{file_id}", params=query, json=said or {}))

    assert patched("nothing") == (404, "notFound", "global")
    assert patched(file, {"parents": [within]}) == (403, "fieldNotWritable", "global")
    assert patched(file, addParents=within) == (403, "cannotAddParent", "global")
    cycle = {"addParents": within, "removeParents": folder}
    assert patched(within, **cycle) == (400, "badRequest", "global")
    assert patched("root", {"trashed": True}) == (403, "insufficientFilePermissions", "global")
    assert reason(drive.ask("DELETE", "/files/root"))[1] == "insufficientFilePermissions"
    assert reason(drive.make_folder("x", "nothing")) == (404, "notFound", "global")
    assert reason(drive.make_folder("x", file)) == (403, "parentNotAFolder", "global")
    assert (
        reason(drive.ask("POST", "/files", json={"name": "x", "parents": [folder, within]}))[0]
        == 400
    )
    assert reason(drive.ask("POST", "/files", data="{")) == (400, "parseError", "global")
    assert reason(drive.ask("GET", "/about")) == (400, "required", "global")
    assert drive.ask("GET", "/changes").status_code == 404


def test_uploads_media_alone_and_replaces_it(running, drive, folder):
    url = f"{drive.url}/upload/drive/v3/files"
    headers = {"Content-Type": "text/plain"}
    made = drive.ask(
        "POST", f"{url}?uploadType=media&fields=*", data=b"one", headers=headers
    ).json()

    assert (made["name"], made["mimeType"], made["size"]) == ("Untitled", "text/plain", "3")
    replaced = drive.ask(
        "PATCH", f"{url}/{made['id']}?uploadType=media&fields=*", data=b"another"
    ).json()
    assert (replaced["id"], replaced["size"]) == (made["id"], "7")
    assert replaced["headRevisionId"] != made["headRevisionId"]
    renamed = drive.upload({"name": "named"}, b"x", file_id=made["id"]).json()
    assert (renamed["id"], renamed["name"], renamed["size"]) == (made["id"], "named", "1")
    assert running.files("ann")["named"] == hashlib.sha256(b"x").hexdigest()
    empty = drive.ask("POST", "/files?fields=size,md5Checksum", json={"name": "empty"}).json()
    assert empty == {"size": "0", "md5Checksum": hashlib.md5(b"").hexdigest()}


def test_takes_five_megabytes_with_what_is_said_of_them(drive, folder):
    most = 5 * 1024**2
    assert drive.upload({"name": "large", "parents": [folder]}, b"x" * most).json()["size"] == str(
        most
    )
    assert (
        drive.upload({"name": "larger", "parents": [folder]}, b"x" * (most + 1)).status_code == 413
    )
    unended = drive.ask(
        "POST",
        _upload(drive, "multipart"),
        data=b'--edge\r\n\r\n{"name": "unended"}\r\n--edge\r\n\r\ncontent',
        headers={"Content-Type": "multipart/related; boundary=edge"},
    )
    assert reason(unended) == (400, "badRequest", "global")
    assert drive.find(f"'{folder}' in parents") == ["large"]


def test_takes_a_file_in_chunks(running, drive, folder):
    content = hashlib.shake_256(b"any").digest(2 * _KIB_256 + 5)
    total = len(content)
    session = drive.begin({"name": "big.bin", "parents": [folder]}, total)

    states = [drive.send(session, f"*/{total}")]
    states.append(drive.send(session, f"0-{_KIB_256 - 1}/{total}", content[:_KIB_256]))
    states.append(drive.send(session, f"*/{total}"))
    again = drive.send(session, f"0-{_KIB_256 - 1}/{total}", content[:_KIB_256])
    odd = drive.send(session, f"{_KIB_256}-{_KIB_256 + 9}/{total}", b"x" * 10)
    done = drive.send(session, f"{_KIB_256}-{total - 1}/{total}", content[_KIB_256:])

    assert [state.status_code for state in states] == [308] * 3
    ranges = [state.headers.get("Range") for state in states]
    assert ranges == [None, "bytes=0-262143", "bytes=0-262143"]
    assert (again.status_code, odd.status_code) == (400, 400)
    assert done.status_code == 200
    assert done.json() == {
        "id": done.json()["id"],
        "name": "big.bin",
        "size": str(total),
        "md5Checksum": hashlib.md5(content).hexdigest(),
        "parents": [folder],
    }
    assert drive.send(session, f"*/{total}").json() == done.json()
    assert drive.ask("GET", f"/files/{done.json()['id']}?alt=media").content == content
    other = drive.begin({"name": "renamed.bin"}, 3, file_id=done.json()["id"])
    replaced = drive.ask("PUT", other, data=b"new", headers={"Authorization": None}).json()
    assert (replaced["id"], replaced["name"]) == (done.json()["id"], "renamed.bin")
    assert drive.find(f"'{folder}' in parents") == ["renamed.bin"]


def test_keeps_what_has_come_of_a_chunk_when_the_client_goes_away(running, drive, folder):
    session = drive.begin({"name": "broken", "parents": [folder]}, 1000)
    parts = urlsplit(session)
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    connection.putrequest("PUT", f"{parts.path}?{parts.query}")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"x" * 400)
    wait_for(lambda: any(file.stat().st_size for file in (running.folder / "arriving").iterdir()))
    connection.close()
    wait_for(lambda: running.stats()["by_kind_and_status"].get("upload reset") == 1)

    assert drive.send(session, "*/1000").headers["Range"] == "bytes=0-399"
    assert drive.send(session, "400-999/1000", b"y" * 600).json()["size"] == "1000"


def test_forgets_an_upload_that_nothing_comes_to(running, drive, folder):
    session = drive.begin({"name": "late", "parents": [folder]}, 10)
    running.set_limits({"session_seconds": 0})
    expired = drive.send(session, "*/10")
    running.set_limits({"session_seconds": 604_800})

    assert reason(expired) == (404, "notFound", "global")
    assert drive.send(session + "x", "*/10").status_code == 404


@pytest.mark.parametrize("said", ["0-4/9", "1-10/10", "5-4/10", "nonsense", "0-9/11"])
def test_refuses_a_chunk_that_does_not_fit(drive, folder, said):
    session = drive.begin({"name": "odd", "parents": [folder]}, 10)

    assert drive.send(session, said, b"x" * 10).status_code == 400
    assert "Range" not in drive.send(session, "*/10").headers


def test_has_no_more_room_than_the_quota_allows(running):
    small = {
        "name": "small",
        "client_id": "the client",
        "client_secret": "its secret",
        "refresh_token": "small's",
    }
    running.add_account(**small, storage_quota=100)
    drive = Drive(running, small)
    drive.upload({"name": "a"}, b"x" * 100)

    refused = drive.upload({"name": "b"}, b"x")

    assert reason(refused) == (403, "storageQuotaExceeded", "global")
    quota = drive.ask("GET", "/about?fields=storageQuota").json()["storageQuota"]
    assert (quota["limit"], quota["usage"]) == ("100", "100")


def test_faults_name_a_file_by_its_path(running, drive, folder):
    name = drive.ask("GET", f"/files/{folder}").json()["name"]
    running.set_faults(
        {"action": "status", "status": 503, "path": f"{name}/report.pdf", "times": 2},
        {"action": "status", "status": 500, "path": f"{name}/new", "kind": "create_folder"},
        {"action": "status", "status": 502, "path": name, "kind": "find"},
    )

    assert drive.upload({"name": "report.pdf", "parents": [folder]}, b"x").status_code == 503
    begun = drive.ask(
        "POST",
        _upload(drive, "resumable"),
        json={"name": "report.pdf", "parents": [folder]},
    )
    assert begun.status_code == 503
    assert drive.upload({"name": "report.pdf", "parents": [folder]}, b"x").status_code == 200
    assert drive.make_folder("new", folder).status_code == 500
    assert drive.ask("GET", "/files", params={"q": f"'{folder}' in parents"}).status_code == 502
    assert running.fault_hits() == [2, 1, 1]


def test_a_truncated_upload_does_not_pass_the_checksum(running, drive, folder):
    said = {"id": drive.new_id(), "name": "whole", "parents": [folder]}
    session = drive.begin({"name": "resumed", "parents": [folder]}, 7)
    truncate = {"action": "truncate", "kind": "upload", "keep_bytes": 4, "each_path": True}
    running.set_faults({**truncate, "times": 1})
    with pytest.raises(Reset):
        drive.upload(said, b"content")
    with pytest.raises(Reset):
        drive.send(session, "0-6/7", b"content")

    assert reason(drive.upload(said, b"content")) == (409, "fileIdInUse", "global")
    seen = drive.ask("GET", f"/files/{said['id']}?fields=md5Checksum").json()
    assert seen == {"md5Checksum": hashlib.md5(b"cont").hexdigest()}
    assert drive.send(session, "*/7").headers["Range"] == "bytes=0-3"


def test_goes_on_with_files_ids_and_uploads_after_it_was_killed(tmp_path):
    with simulator("drive", tmp_path) as running:
        drive = Drive(running)
        made = drive.upload({"name": "file"}, b"content").json()
        reserved = drive.new_id()
        session = drive.begin({"name": "big"}, _KIB_256 + 1)
        drive.send(session, f"0-{_KIB_256 - 1}/{_KIB_256 + 1}", b"x" * _KIB_256)

        running.restart()

        assert drive.ask("GET", f"/files/{made['id']}?fields=*").json() == made
        assert drive.make_folder("reserved", id=reserved).json()["id"] == reserved
        assert drive.new_id() != reserved
        done = drive.send(session, f"{_KIB_256}-{_KIB_256}/{_KIB_256 + 1}", b"y")
        assert done.json()["size"] == str(_KIB_256 + 1)
        assert set(running.tree()["ann"]) == {"file", "reserved", "big"}


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"name": 1},
        {"id": True},
        {"parents": "root"},
        {"parents": [1]},
        {"mimeType": {}},
        {"trashed": "yes"},
        {"modifiedTime": 5},
        {"createdTime": "yesterday"},
    ],
)
def test_refuses_what_is_not_of_the_right_type(drive, said):
    assert drive.ask("POST", "/files", json=said).status_code == 400
    assert drive.ask("PATCH", "/files/nothing", json=said).status_code in (400, 404)
