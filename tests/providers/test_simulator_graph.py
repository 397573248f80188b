"""Microsoft Graph's files, version 1.0, as its documentation describes them."""

import base64
import hashlib
import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
import requests
from requests.exceptions import ConnectionError as Reset

from local.providers.client import SimulatorError
from local.providers.hashes import Hashed, QuickXorHash
from tests.providers.cloud_drives import Graph
from tests.providers.simulators import ACCOUNT, OTHER, TOKENS, simulator, wait_for

_KIB_320 = 320 * 1024
_PERSONAL = {"name": "pia", "refresh_token": "pia's", "drive_type": "personal", **TOKENS}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator("graph", tmp_path_factory.mktemp("graph")) as started:
        started.add_account(**_PERSONAL)
        yield started


@pytest.fixture(scope="module")
def of_business(running):
    return Graph(running)


@pytest.fixture(scope="module")
def of_pia(running):
    return Graph(running, _PERSONAL)


@pytest.fixture
def graph(running, of_business):
    running.clear_faults()
    running.clear_stats()
    return of_business


@pytest.fixture
def personal(running, of_pia):
    running.clear_faults()
    return of_pia


@pytest.fixture
def folder():
    """The name of a folder of each test's own, which is not there yet."""
    return f"Folder {next(_numbers)}"


@pytest.fixture
def limited(running):
    """Limits that hold for one test."""

    def change(**limit):
        running.set_limits({"limits": [{"scope": "provider", "seconds": 600, **limit}]})

    yield change
    change(units=None)


def refusal(answer):
    """Status and code."""
    assert answer.json()["error"]["message"]
    return answer.status_code, answer.json()["error"]["code"]


def inner(answer):
    return answer.json()["error"]["innerError"]["code"]


def names(answer):
    return [item["name"] for item in answer.json()["value"]]


def quick_xor_hash(content):
    """Bit by bit, as the specification has it."""
    ring = [0] * 160
    for index, byte in enumerate(content):
        for bit in range(8):
            ring[(index * 11 + bit) % 160] ^= byte >> bit & 1
    number = sum(bit << place for place, bit in enumerate(ring)) ^ len(content) << 96
    return base64.b64encode(number.to_bytes(20, "little")).decode()


@pytest.mark.parametrize("size", [0, 1, 7, 159, 160, 161, 1000, 163_840, 163_841])
def test_hashes_as_the_specification_says(size):
    content = hashlib.shake_256(b"any").digest(size)
    hashed = Hashed([content[:100], content[100:]])

    assert b"".join(hashed) == content
    assert hashed.quick_xor == quick_xor_hash(content)


def test_hashes_the_same_in_whatever_pieces_content_comes():
    content = hashlib.shake_256(b"any").digest(500_000)
    whole, parts = QuickXorHash(), QuickXorHash()
    whole.update(content)
    for start in range(0, len(content), 7777):
        parts.update(content[start : start + 7777])

    assert whole.digest() == parts.digest()


def test_knows_users_by_their_tokens_and_lets_each_reach_the_own_drive(running, graph):
    assert graph.ask("GET", "/root").status_code == 200
    mine = graph.ask("GET", f"{graph.url}/v1.0/me/drive").json()
    assert graph.ask("GET", f"{graph.url}/v1.0/drives/{mine['id']}/root").status_code == 200
    foreign = running.drive_id("bob")
    assert refusal(graph.ask("GET", f"{graph.url}/v1.0/drives/{foreign}/root")) == (
        404,
        "itemNotFound",
    )
    for header in ({"Authorization": None}, {"Authorization": "Bearer invented"}):
        refused = graph.ask("GET", "/root", headers=header)
        assert refusal(refused) == (401, "InvalidAuthenticationToken")
    other = Graph(running, OTHER)
    running.expire_tokens("bob")
    expired = other.ask("GET", "/root")
    assert refusal(expired) == (401, "InvalidAuthenticationToken")
    assert "expired" in expired.json()["error"]["message"]


def test_rule_a_and_f_throttled_requests_count_and_say_when_and_what_is_left(graph, limited):
    limited(units=10)
    units = [graph.ask("GET", "/root") for _ in range(9)]
    refused = [graph.ask("GET", "/root/children") for _ in range(3)]

    told = [answer.headers.get("RateLimit-Remaining") for answer in units]
    assert told == [None] * 7 + ["2", "1"]
    assert units[8].headers["RateLimit-Limit"] == "10"
    assert 1 <= int(units[8].headers["RateLimit-Reset"]) <= 600
    assert {refusal(answer) for answer in refused} == {(429, "activityLimitReached")}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 600 for answer in refused)
    assert refused[0].headers["RateLimit-Remaining"] == "0"
    limited(units=15)
    assert graph.ask("GET", "/root").status_code == 429  # 9, and 6 that were refused.


@pytest.mark.parametrize(
    ("cost", "method", "path"),
    [
        (1, "GET", "/root"),
        (1, "GET", "/root:/file:/content"),
        (2, "GET", "/root/children"),
        (2, "POST", "/root/children"),
        (2, "PUT", "/root:/file:/content"),
        (2, "POST", "/root:/file:/createUploadSession"),
        (2, "PATCH", "/root:/file"),
        (2, "DELETE", "/root:/nothing"),
        (5, "GET", "/root/permissions"),
    ],
)
def test_rule_f_weighs_requests(graph, limited, cost, method, path):
    limited(units=1000, headers_from=0)
    before = graph.ask("GET", "/root")
    after = graph.ask(method, path)
    limited(headers_from=0.8)

    left = [int(answer.headers["RateLimit-Remaining"]) for answer in (before, after)]
    assert left[0] - left[1] == cost


def test_rule_f_answers_a_spike_with_503_and_shuts_out_whoever_goes_on(tmp_path):
    limits = [{"scope": "provider", "units": None}, {"scope": "spikes", "units": 1}]
    block = {"after": 3, "within": 60, "seconds": 600}
    with simulator("graph", tmp_path, limits=limits) as running:
        words = running.limits()["block"]["replies"]
        running.set_limits({"block": {**block, "replies": words}})
        graph = Graph(running)

        statuses = [graph.ask("GET", "/root/children") for _ in range(4)]

        assert [answer.status_code for answer in statuses] == [503, 503, 429, 429]
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in statuses)
        assert int(statuses[3].headers["Retry-After"]) > 590
        running.set_limits({"limits": [{"scope": "spikes", "units": None}]})
        assert graph.ask("GET", "/root").status_code == 429
        assert running.stats()["throttled_by_scope"] == {"spikes": 2, "block": 3}


def test_rule_g_an_existing_folder_is_refused_or_gets_another_name(running, graph, folder):
    made = graph.make_folder(folder)
    refused = [graph.make_folder(folder), graph.make_folder(folder.upper())]
    by_default = graph.make_folder(folder, behaviour=None)
    replaced = graph.make_folder(folder, behaviour="replace")
    renamed = graph.make_folder(folder, behaviour="rename")

    assert (made.status_code, made.json()["folder"]) == (201, {"childCount": 0})
    for answer in (*refused, by_default, replaced):
        assert refusal(answer) == (409, "nameAlreadyExists")
    assert (renamed.status_code, renamed.json()["name"]) == (201, f"{folder} 1")
    found = graph.ask("GET", f"/root:/{folder.lower()}").json()
    assert found["id"] == made.json()["id"]
    assert {folder, f"{folder} 1"} <= running.folders("ann")


def test_rule_h_an_upload_whose_reply_was_lost_can_be_seen(running, graph, folder):
    running.set_faults({"action": "lose_reply", "method": "PUT", "times": 2, "each_path": True})
    path = f"{folder}/report.pdf"
    for _ in range(2):
        with pytest.raises(Reset):
            graph.put(path, b"content", "fail")
        running.set_faults()
        assert refusal(graph.put(path, b"content", "fail")) == (409, "nameAlreadyExists")
        running.set_faults({"action": "lose_reply", "method": "PUT", "times": 1})
        path = f"{folder}/another.pdf"

    seen = graph.ask("GET", f"/root:/{folder}/report.pdf").json()
    assert (seen["size"], seen["file"]["hashes"]["quickXorHash"]) == (7, quick_xor_hash(b"content"))


def test_rule_h_a_last_fragment_whose_reply_was_lost_can_be_seen(running, graph, folder):
    graph.make_folder(folder)
    session = graph.begin(f"{folder}/big").json()["uploadUrl"]
    running.set_faults({"action": "lose_reply", "method": "PUT", "times": 1})
    with pytest.raises(Reset):
        graph.send("PUT", session, "0-6/7", b"content")

    assert refusal(graph.send("PUT", session, "0-6/7", b"content")) == (404, "itemNotFound")
    assert graph.send("GET", session).status_code == 404
    seen = graph.ask("GET", f"/root:/{folder}/big").json()
    assert seen["file"]["hashes"]["quickXorHash"] == quick_xor_hash(b"content")
    assert refusal(graph.begin(f"{folder}/big")) == (409, "nameAlreadyExists")


def test_shows_an_item_with_all_that_is_documented(graph, folder):
    made = graph.put(f"{folder}/Report.pdf", b"content").json()
    above = graph.ask("GET", f"/root:/{folder}").json()

    assert made["file"]["mimeType"] == "application/pdf"
    assert (made["name"], made["size"]) == ("Report.pdf", 7)
    drive = graph.base.rpartition("/")[2]
    assert made["parentReference"] == {
        "driveType": "business",
        "driveId": drive,
        "id": above["id"],
        "name": folder,
        "path": f"/drives/{drive}/root:/{quote(folder)}",
    }
    assert (above["folder"]["childCount"], above["size"]) == (1, 7)
    assert re.fullmatch(r"01[A-Z2-7]{32}", made["id"])
    assert re.fullmatch(r'"\{[0-9A-F-]{36}\},1"', made["eTag"])
    assert re.fullmatch(r'"c:\{[0-9A-F-]{36}\},1"', made["cTag"])
    some = graph.ask("GET", f"/items/{made['id']}?$select=id,size").json()
    assert set(some) == {"@odata.context", "id", "size"}
    root = graph.ask("GET", "/root").json()
    assert (root["root"], root["name"]) == ({}, "root")
    assert above["parentReference"]["id"] == root["id"]


def test_only_a_personal_drive_tells_cryptographic_hashes(graph, personal, folder):
    made = personal.put(f"{folder}/file", b"content").json()
    of_business = graph.put(f"{folder}/file", b"content").json()

    assert made["file"]["hashes"] == {
        "quickXorHash": quick_xor_hash(b"content"),
        "sha1Hash": hashlib.sha1(b"content").hexdigest().upper(),
        "sha256Hash": hashlib.sha256(b"content").hexdigest().upper(),
    }
    assert of_business["file"]["hashes"] == {"quickXorHash": quick_xor_hash(b"content")}
    drive = personal.ask("GET", f"{personal.url}/v1.0/me/drive").json()
    assert (drive["driveType"], len(drive["id"])) == ("personal", 16)
    assert made["id"].startswith(f"{drive['id']}!")


def test_reaches_items_by_ids_and_paths_in_any_case(graph, folder):
    made = graph.make_folder(folder).json()
    file = graph.ask(
        "PUT",
        f"/items/{made['id']}:/a b #1%.txt:/content".replace("#", "%23").replace("%.", "%25."),
        data=b"x",
    )

    assert file.json()["name"] == "a b #1%.txt"
    for path in (
        f"/items/{file.json()['id']}",
        f"/root:/{folder}/a b %231%25.txt",
        f"/root:/{folder.upper()}/A B %231%25.TXT:",
        f"/items/{made['id']}:/a b %231%25.txt:",
        f"/items/root:/{folder}/a b %231%25.txt",
    ):
        assert graph.ask("GET", path).json()["id"] == file.json()["id"], path
    assert names(graph.ask("GET", f"/root:/{folder}:/children")) == ["a b #1%.txt"]
    for path in ("/items/invented", f"/items/01{'A' * 32}", f"/root:/{folder}/nothing"):
        assert refusal(graph.ask("GET", path)) == (404, "itemNotFound")
    assert graph.ask("GET", "/root/thumbnails").status_code == 405
    assert graph.ask("GET", f"{graph.url}/v1.0/groups").status_code == 400


def test_uploads_where_the_conflict_is_settled_as_asked(running, graph, folder):
    path = f"{folder}/file.txt"
    first = graph.put(path, b"one")
    replaced = graph.put(f"{folder}/FILE.txt", b"two two")
    failed = graph.put(path, b"three", "fail")
    renamed = graph.put(path, b"four", "rename")

    assert (first.status_code, replaced.status_code) == (201, 200)
    assert (replaced.json()["id"], replaced.json()["size"]) == (first.json()["id"], 7)
    assert replaced.json()["cTag"] != first.json()["cTag"]
    assert refusal(failed) == (409, "nameAlreadyExists")
    assert (renamed.status_code, renamed.json()["name"]) == (201, "file 1.txt")
    by_id = graph.ask("PUT", f"/items/{first.json()['id']}/content", data=b"five!")
    assert (by_id.status_code, by_id.json()["size"]) == (200, 5)
    there = {path: size for path, size in running.files("ann").items() if path.startswith(folder)}
    assert set(there) == {f"{folder}/file.txt", f"{folder}/file 1.txt"}


def test_makes_the_folders_that_a_path_goes_through_and_none_for_a_session(graph, folder):
    assert graph.put(f"{folder}/a/b/file", b"x").status_code == 201
    assert names(graph.ask("GET", f"/root:/{folder}/a:/children")) == ["b"]
    assert refusal(graph.begin(f"{folder}/c/file")) == (404, "itemNotFound")
    assert refusal(graph.make_folder("d", f"root:/{folder}/c:")) == (404, "itemNotFound")
    assert refusal(graph.put(f"{folder}/a/b/file/below", b"x")) == (409, "nameAlreadyExists")


def test_changes_only_what_has_not_changed_meanwhile(graph, folder):
    made = graph.put(f"{folder}/file", b"one").json()
    url = f"/root:/{folder}/file"
    newer = graph.put(f"{folder}/file", b"two", If_Match=made["eTag"])

    assert newer.status_code == 200
    stale = {"If-Match": made["eTag"]}
    answers = [
        graph.put(f"{folder}/file", b"three", If_Match=made["eTag"]),
        graph.put(f"{folder}/file", b"three", If_None_Match="*"),
        graph.ask("PATCH", url, json={"name": "other"}, headers=stale),
        graph.ask("DELETE", url, headers=stale),
        graph.ask("POST", f"{url}:/createUploadSession", json={}, headers=stale),
    ]
    assert {refusal(answer) for answer in answers} == {(412, "resourceModified")}
    renamed = graph.ask(
        "PATCH", url, json={"name": "other"}, headers={"If-Match": newer.json()["cTag"]}
    )
    assert renamed.json()["cTag"] == newer.json()["cTag"]
    assert renamed.json()["eTag"] != newer.json()["eTag"]


@pytest.mark.parametrize(
    "name",
    [
        *(f"a{character}b" for character in '"*:<>?\\|'),
        " leading", "trailing ", "dot.", ".lock", "con", "PRN", "aux", "NUL", "COM0", "com9",
        "LPT0", "lpt9", "a_vti_b", "Desktop.ini", "~$draft.docx",
    ],
)  # fmt: skip
def test_refuses_names_that_are_reserved(graph, folder, name):
    graph.make_folder(folder)

    made = graph.make_folder(name, f"root:/{folder}:")
    put = graph.put(quote(f"{folder}/{name}"), b"x")

    assert refusal(made) == (400, "invalidRequest")
    assert put.status_code == 400
    assert names(graph.ask("GET", f"/root:/{folder}:/children")) == []


def test_takes_names_that_only_look_reserved(graph, personal, folder):
    graph.make_folder(folder)
    for name in ("CON.txt", "COM10", "a.lock", "draft~$", "vti", "Überblick & 'more'"):
        assert graph.make_folder(name, f"root:/{folder}:").status_code == 201
    assert personal.make_folder("dot.").status_code == 201


def test_refuses_paths_that_are_too_long(graph, folder):
    step = "s" * 99
    path = f"{folder}/{step}/{step}/{step}"
    longest = 400 - len(path) - 1

    assert graph.put(f"{path}/{'f' * longest}", b"x").status_code == 201
    refused = graph.put(f"{path}/{'f' * (longest + 1)}", b"x")
    assert (*refusal(refused), inner(refused)) == (400, "invalidRequest", "pathIsTooLong")


def test_lists_page_by_page(graph, folder):
    for number in range(5):
        graph.put(f"{folder}/{number}", b"x")
    pages = [graph.ask("GET", f"/root:/{folder}:/children?$top=2&$select=name").json()]
    while "@odata.nextLink" in pages[-1]:
        pages.append(graph.ask("GET", pages[-1]["@odata.nextLink"]).json())

    listed = [[item["name"] for item in page["value"]] for page in pages]
    assert listed == [["0", "1"], ["2", "3"], ["4"]]
    assert set(pages[2]["value"][0]) == {"name"}
    for wrong in ("$top=0", "$top=many", "$skiptoken=*"):
        assert graph.ask("GET", f"/root/children?{wrong}").status_code == 400


def test_sends_to_an_address_that_needs_no_token_for_content(running, graph, folder):
    made = graph.put(f"{folder}/file.txt", b"content").json()

    sent = graph.ask("GET", f"/items/{made['id']}/content")

    assert (sent.status_code, sent.content) == (302, b"")
    address, nobody = sent.headers["Location"], {"Authorization": None}
    whole = graph.ask("GET", address, headers=nobody)
    part = graph.ask("GET", address, headers={**nobody, "Range": "bytes=2-3"})
    assert (whole.content, whole.headers["Content-Type"]) == (b"content", "text/plain")
    assert (part.status_code, part.content) == (206, b"nt")
    assert graph.ask("GET", made["@microsoft.graph.downloadUrl"], headers=nobody).ok
    assert graph.ask("GET", address + "0", headers=nobody).status_code == 401
    assert refusal(graph.ask("GET", f"/root:/{folder}:/content")) == (400, "invalidRequest")
    running.restart()
    assert requests.get(address, timeout=30).content == b"content"


def test_renames_moves_and_deletes(running, graph, folder):
    made = graph.put(f"{folder}/a/file", b"content").json()
    target = graph.make_folder("b", f"root:/{folder}:").json()
    url = f"/items/{made['id']}"

    moved = graph.ask("PATCH", url, json={"name": "moved", "parentReference": {"id": target["id"]}})
    case = graph.ask("PATCH", url, json={"name": "MOVED"})
    graph.put(f"{folder}/a/taken", b"other")
    by_path = {"path": f"/drive/root:/{folder}/a"}
    taken = graph.ask("PATCH", url, json={"name": "taken", "parentReference": by_path})
    cycle = graph.ask(
        "PATCH", f"/items/{target['id']}", json={"parentReference": {"id": target["id"]}}
    )

    assert (moved.json()["id"], moved.json()["name"]) == (made["id"], "moved")
    assert moved.json()["parentReference"]["id"] == target["id"]
    assert case.json()["name"] == "MOVED"
    assert refusal(taken) == (409, "nameAlreadyExists")
    assert refusal(cycle) == (400, "invalidRequest")
    said = {
        "name": "taken",
        "parentReference": by_path,
        "@microsoft.graph.conflictBehavior": "replace",
    }
    assert graph.ask("PATCH", url, json=said).json()["name"] == "taken"
    assert graph.ask("GET", f"/root:/{folder}/a/taken").json()["id"] == made["id"]
    assert graph.ask("DELETE", f"/root:/{folder}").status_code == 204
    assert graph.ask("GET", url).status_code == 404
    assert not [path for path in running.tree()["ann"] if path.startswith(folder)]
    assert refusal(graph.ask("DELETE", "/root")) == (403, "accessDenied")


def test_takes_a_file_in_fragments(graph, folder):
    graph.make_folder(folder)
    content = hashlib.shake_256(b"any").digest(2 * _KIB_320 + 5)
    total, last = len(content), _KIB_320 - 1
    begun = graph.begin(f"{folder}/big.bin")
    session = begun.json()["uploadUrl"]
    assert (begun.status_code, begun.json()["nextExpectedRanges"]) == (200, ["0-"])

    first = graph.send("PUT", session, f"0-{last}/{total}", content[:_KIB_320])
    again = graph.send("PUT", session, f"0-{last}/{total}", content[:_KIB_320])
    early = graph.send("PUT", session, f"{last + 2}-{last + 2}/{total}", b"x")
    other = graph.send("PUT", session, f"{last + 1}-{total}/{total + 1}", content[_KIB_320:] + b"x")
    state = graph.send("GET", session)
    done = graph.send("PUT", session, f"{_KIB_320}-{total - 1}/{total}", content[_KIB_320:])

    assert (first.status_code, first.json()["nextExpectedRanges"]) == (202, [f"{_KIB_320}-"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", first.json()["expirationDateTime"])
    assert (*refusal(again), inner(again)) == (416, "invalidRange", "fragmentOverlap")
    assert (*refusal(early), inner(early)) == (416, "invalidRange", "fragmentOutOfOrder")
    assert (*refusal(other), inner(other)) == (400, "invalidRequest", "fragmentLengthMismatch")
    assert (state.status_code, state.json()["nextExpectedRanges"]) == (200, [f"{_KIB_320}-"])
    assert (done.status_code, done.json()["size"]) == (201, total)
    assert done.json()["file"]["hashes"]["quickXorHash"] == quick_xor_hash(content)
    for said in ({"item": {"@microsoft.graph.conflictBehavior": "replace"}}, {}):
        url = f"/root:/{folder}/big.bin:/createUploadSession"
        replaced = graph.ask("POST", url, json=said).json()["uploadUrl"]
        assert graph.send("PUT", replaced, "0-2/3", b"new").status_code == 200


def test_a_session_ignores_fragments_that_do_not_come_whole(running, graph, folder):
    graph.make_folder(folder)
    session = graph.begin(f"{folder}/file").json()["uploadUrl"]
    running.set_faults({"action": "truncate", "method": "PUT", "keep_bytes": 4, "times": 1})
    with pytest.raises(Reset):
        graph.send("PUT", session, "0-6/7", b"content")
    short = graph.send("PUT", session, "0-7/8", b"content")

    assert refusal(short) == (400, "invalidRequest")
    assert graph.send("GET", session).json()["nextExpectedRanges"] == ["0-"]
    with_token = graph.ask(
        "PUT", session, data=b"content", headers={"Content-Range": "bytes 0-6/7"}
    )
    assert with_token.status_code == 401
    for said in ("", "0-6/*", "*/7", "6-0/7", "nonsense"):
        assert graph.send("PUT", session, said, b"content").status_code == 400
    assert graph.send("PUT", session, "0-6/7", b"content").status_code == 201


def test_fragments_that_are_no_multiples_fail_in_the_end(graph, folder):
    graph.make_folder(folder)
    session = graph.begin(f"{folder}/file").json()["uploadUrl"]

    assert graph.send("PUT", session, "0-25/128", b"x" * 26).status_code == 202
    assert graph.send("PUT", session, "26-127/128", b"x" * 102).status_code == 400
    assert graph.ask("GET", f"/root:/{folder}/file").status_code == 404


def test_a_session_may_be_cancelled_and_expires(running, graph, folder):
    graph.make_folder(folder)
    session = graph.begin(f"{folder}/file").json()["uploadUrl"]
    taken = graph.begin(f"{folder}/FILE", "replace")
    assert refusal(taken) == (409, "nameAlreadyExists")  # It is being uploaded.
    assert graph.send("DELETE", session).status_code == 204
    assert refusal(graph.send("GET", session)) == (404, "itemNotFound")
    session = graph.begin(f"{folder}/file").json()["uploadUrl"]
    running.set_limits({"session_seconds": 0})
    expired = graph.send("PUT", session, "0-6/7", b"content")
    running.set_limits({"session_seconds": 604_800})

    assert refusal(expired) == (404, "itemNotFound")


def test_a_conflict_in_the_end_leaves_the_session(graph, personal, folder):
    graph.make_folder(folder)
    session = graph.begin(f"{folder}/file").json()["uploadUrl"]
    graph.put(f"{folder}/file", b"meanwhile")

    refused = graph.send("PUT", session, "0-6/7", b"content")

    assert refusal(refused) == (409, "nameAlreadyExists")
    assert graph.send("GET", session).json()["nextExpectedRanges"] == []
    said = {"name": "file", "@microsoft.graph.conflictBehavior": "rename"}
    said["@microsoft.graph.sourceUrl"] = session
    done = graph.ask("PUT", f"/root:/{folder}", json=said)
    assert (done.status_code, done.json()["name"]) == (201, "file 1")
    assert graph.send("GET", session).status_code == 404
    assert refusal(graph.begin(f"{folder}/file")) == (409, "nameAlreadyExists")
    personal.put(f"{folder}/file", b"there")
    assert personal.begin(f"{folder}/file").status_code == 200  # It will be told in the end.


def test_completes_a_session_only_when_asked_to(graph, folder):
    graph.make_folder(folder)
    session = graph.begin(f"{folder}/file", deferCommit=True).json()["uploadUrl"]

    assert graph.send("PUT", session, "0-6/7", b"content").status_code == 202
    assert graph.ask("GET", f"/root:/{folder}/file").status_code == 404
    assert graph.send("POST", session).status_code == 201
    other = graph.begin(f"{folder}/other", item={"name": "another"})
    assert refusal(other) == (400, "invalidRequest")


def test_locks_an_item_while_it_is_written_if_told_to(running, graph, folder):
    running.set_limits({"lock": "file"})
    running.set_faults({"action": "delay", "path": f"{folder}/slow", "seconds": 0.5})

    with ThreadPoolExecutor() as threads:
        slow = threads.submit(Graph(running).put, f"{folder}/slow", b"content")
        wait_for(lambda: running.fault_hits() == [1])
        locked = graph.put(f"{folder}/slow", b"other")
        assert graph.put(f"{folder}/beside", b"other").status_code == 201
        assert slow.result().status_code == 201
    running.set_limits({"lock": None})

    assert refusal(locked) == (423, "resourceLocked")


def test_locks_one_path_for_as_long_as_it_is_told_to(running, graph, folder):
    with pytest.raises(SimulatorError, match="knows no locks"):
        running.hold_lock("ann", f"{folder}/file", 60)
    running.set_limits({"lock": "file"})
    running.hold_lock("ann", f"{folder}/file", 60)

    locked = graph.put(f"{folder}/file", b"content")
    assert graph.put(f"{folder}/beside", b"content").status_code == 201
    running.hold_lock("ann", f"{folder}/file", 0)
    assert graph.put(f"{folder}/file", b"content").status_code == 201
    running.set_limits({"lock": None})

    assert refusal(locked) == (423, "resourceLocked")


def test_has_no_more_room_than_the_quota_allows(running):
    small = {"name": "small", "refresh_token": "small's", **TOKENS}
    running.add_account(**small, storage_quota=100)
    graph = Graph(running, small)
    graph.put("a", b"x" * 100)

    assert refusal(graph.put("b", b"x")) == (507, "quotaLimitReached")
    assert refusal(graph.begin("b", item={"fileSize": 1})) == (507, "quotaLimitReached")
    session = graph.begin("b").json()["uploadUrl"]
    assert refusal(graph.send("PUT", session, "0-0/1", b"x")) == (507, "quotaLimitReached")
    quota = graph.ask("GET", "").json()["quota"]
    assert (quota["total"], quota["used"], quota["remaining"]) == (100, 100, 0)


def test_goes_on_with_items_and_sessions_after_it_was_killed(tmp_path):
    with simulator("graph", tmp_path) as running:
        graph = Graph(running)
        made = graph.put("folder/file", b"content").json()
        session = graph.begin("folder/big").json()["uploadUrl"]
        total = _KIB_320 + 1
        graph.send("PUT", session, f"0-{_KIB_320 - 1}/{total}", b"x" * _KIB_320)

        running.restart()

        again = graph.ask("GET", f"/items/{made['id']}").json()
        assert {**again, "@microsoft.graph.downloadUrl": ""} == {
            **made,
            "@microsoft.graph.downloadUrl": "",
        }
        assert graph.send("GET", session).json()["nextExpectedRanges"] == [f"{_KIB_320}-"]
        done = graph.send("PUT", session, f"{_KIB_320}-{_KIB_320}/{total}", b"y")
        assert done.json()["size"] == total
        assert set(running.tree()[ACCOUNT["name"]]) == {"folder", "folder/file", "folder/big"}


def test_faults_name_an_item_by_its_path(running, graph, folder):
    made = graph.make_folder(folder).json()
    session = graph.begin(f"{folder}/session").json()["uploadUrl"]
    running.set_faults(
        {"action": "status", "status": 500, "path": f"{folder}/new", "kind": "create_folder"},
        {"action": "status", "status": 502, "path": f"{folder}/file", "kind": "upload"},
        {"action": "status", "status": 503, "path": f"{folder}/session", "method": "PUT"},
    )

    by_id = graph.ask("PUT", f"/items/{made['id']}:/file:/content", data=b"x")
    assert by_id.status_code == 502
    assert graph.make_folder("new", f"items/{made['id']}").status_code == 500
    assert graph.send("PUT", session, "0-0/1", b"x").status_code == 503
    assert running.fault_hits() == [1, 1, 1]
    assert running.stats()["by_account"] == {"ann": 5}


@pytest.mark.parametrize(
    "said",
    [
        [],
        {"name": 1, "folder": {}},
        {"name": "x", "folder": 1},
        {"name": "x"},
        {"name": "x", "folder": {}, "fileSystemInfo": {"createdDateTime": 5}},
        {"item": "x"},
        {"item": {"fileSize": "much"}},
        {"parentReference": "root"},
        {"@microsoft.graph.sourceUrl": 5},
    ],
)
def test_refuses_what_is_not_of_the_right_type(graph, said):
    assert graph.ask("POST", "/root/children", json=said).status_code == 400
    assert graph.ask("PATCH", "/root:/nothing", json=said).status_code in (400, 404)
