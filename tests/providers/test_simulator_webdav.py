"""WebDAV as RFC 4918 and Nextcloud's manual describe it."""

import hashlib
import http.client
from xml.etree import ElementTree

import pytest

from tests.providers.simulators import OTHER, WebDav, simulator

_SHA256 = hashlib.sha256(b"content").hexdigest()


@pytest.fixture(scope="module", params=["webdav", "nextcloud"])
def each(request, tmp_path_factory):
    with simulator(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def nextcloud(tmp_path_factory):
    with simulator("nextcloud", tmp_path_factory.mktemp("cloud"), chunk_minimum=10) as running:
        yield running


@pytest.fixture
def dav(each):
    client = WebDav(each)
    client.ask("DELETE", "folder")
    assert client.ask("MKCOL", "folder").status_code == 201
    return client


@pytest.fixture
def cloud(nextcloud):
    client = WebDav(nextcloud)
    for entry in ("folder", "big", "small"):
        client.ask("DELETE", entry)
    assert client.ask("MKCOL", "folder").status_code == 201
    client.ask("DELETE", f"{client.uploads}/one")
    return client


def statuses(*answers):
    return [answer.status_code for answer in answers]


def properties(answer):
    """Of each entry that PROPFIND tells of: its properties with their texts, by its address."""
    assert answer.status_code == 207
    assert answer.headers["Content-Type"].startswith("application/xml")
    return {
        response.findtext("{DAV:}href"): {
            name.tag.rpartition("}")[2]: name.text or [inner.tag for inner in name]
            for part in response.iter("{DAV:}propstat")
            if " 200 " in part.findtext("{DAV:}status")
            for name in part.find("{DAV:}prop")
        }
        for response in ElementTree.fromstring(answer.content)
    }


def test_says_what_it_can_do(dav):
    answer = dav.ask("OPTIONS")

    assert answer.status_code == 200
    assert answer.headers["DAV"] == "1"
    assert {"PROPFIND", "MKCOL", "MOVE"} <= set(answer.headers["Allow"].split(", "))


def test_lets_nobody_in_without_the_right_password(each, dav):
    dav.session.auth = ("ann", "wrong")
    wrong = dav.ask("PROPFIND", Depth="0")
    dav.session.auth = None

    assert statuses(wrong, dav.ask("PUT", "file", b"x")) == [401, 401]
    assert wrong.headers["WWW-Authenticate"].startswith("Basic ")


def test_makes_a_folder_where_its_parent_is(dav):
    assert statuses(
        dav.ask("MKCOL", "folder/inner"),
        dav.ask("MKCOL", "folder/inner"),
        dav.ask("MKCOL", "folder/absent/inner"),
        dav.ask("MKCOL", "folder/other", b"a body"),
    ) == [201, 405, 409, 415]


def test_stores_a_file_and_gives_it_back(each, dav):
    assert statuses(
        dav.ask("PUT", "folder/file.txt", b"something"),
        dav.ask("PUT", "folder/file.txt", b"content"),
        dav.ask("PUT", "absent/file.txt", b"content"),
        dav.ask("PUT", "folder", b"content"),
    ) == [201, 204, 409, 405]

    whole = dav.ask("GET", "folder/file.txt")
    assert (whole.status_code, whole.content) == (200, b"content")
    assert whole.headers["Content-Type"] == "text/plain"
    head = dav.ask("HEAD", "folder/file.txt")
    assert (head.headers["Content-Length"], head.headers["ETag"]) == ("7", whole.headers["ETag"])
    assert each.tree()["ann"]["folder/file.txt"] == {"size": 7, "sha256": _SHA256}
    assert statuses(dav.ask("GET", "folder/none"), dav.ask("GET", "folder")) == [404, 405]


@pytest.mark.parametrize(
    ("asked", "status", "content", "told"),
    [
        ("bytes=0-2", 206, b"con", "bytes 0-2/7"),
        ("bytes=4-", 206, b"ent", "bytes 4-6/7"),
        ("bytes=4-100", 206, b"ent", "bytes 4-6/7"),
        ("bytes=-2", 206, b"nt", "bytes 5-6/7"),
        ("bytes=7-", 416, b"", "bytes */7"),
        ("lines=1-2", 200, b"content", None),
    ],
)
def test_gives_a_part_of_a_file(dav, asked, status, content, told):
    dav.ask("PUT", "folder/file", b"content")

    answer = dav.ask("GET", "folder/file", Range=asked)

    assert (answer.status_code, answer.content) == (status, content)
    assert answer.headers.get("Content-Range") == told


def test_keeps_to_preconditions(each, dav):
    first = dav.ask("PUT", "folder/file", b"content", If_None_Match="*")
    tag = first.headers["ETag"]

    assert statuses(
        first,
        dav.ask("PUT", "folder/file", b"other", If_None_Match="*"),
        dav.ask("PUT", "folder/file", b"other", If_Match='"another"'),
        dav.ask("PUT", "folder/none", b"other", If_Match="*"),
        dav.ask("GET", "folder/file", If_None_Match=tag),
    ) == [201, 412, 412, 412, 304]
    assert each.files("ann") == {"folder/file": _SHA256}

    changed = dav.ask("PUT", "folder/file", b"other", If_Match=tag)
    assert changed.status_code == 204
    assert changed.headers["ETag"] != tag


def test_lists_a_folder_but_not_what_is_deeper(dav):
    dav.ask("MKCOL", "folder/in & out")
    dav.ask("PUT", "folder/in & out/deep", b"x")
    dav.ask("PUT", "folder/Übersicht #1?.pdf", b"content")
    path = dav.ask("PROPFIND", "", Depth="0").request.path_url

    listed = properties(dav.ask("PROPFIND", "folder", Depth="1"))

    assert set(listed) == {
        f"{path}folder/",
        f"{path}folder/in%20%26%20out/",
        f"{path}folder/%C3%9Cbersicht%20%231%3F.pdf",
    }
    file = listed[f"{path}folder/%C3%9Cbersicht%20%231%3F.pdf"]
    assert (file["getcontentlength"], file["resourcetype"]) == ("7", [])
    assert file["displayname"] == "Übersicht #1?.pdf"
    assert listed[f"{path}folder/"]["resourcetype"] == ["{DAV:}collection"]
    assert len(properties(dav.ask("PROPFIND", "folder", Depth="0"))) == 1
    assert dav.ask("PROPFIND", "absent", Depth="1").status_code == 404
    assert dav.ask("PROPFIND", "folder", Depth="infinity").status_code == 403


def test_tells_of_the_properties_that_are_asked_for(dav):
    dav.ask("PUT", "folder/file", b"content")
    names = '<getcontentlength/><executable xmlns="u:"/>'
    body = f'<propfind xmlns="DAV:"><prop>{names}</prop></propfind>'

    answer = dav.ask("PROPFIND", "folder/file", body, Depth="0")

    [told] = properties(answer).values()
    assert told == {"getcontentlength": "7"}
    missing = ElementTree.fromstring(answer.content).findall(".//{DAV:}propstat")[1]
    assert missing.findtext("{DAV:}status") == "HTTP/1.1 404 Not Found"
    assert missing.find("{DAV:}prop")[0].tag == "{u:}executable"
    assert dav.ask("PROPFIND", "folder", b"<!DOCTYPE a>", Depth="0").status_code == 400


def test_moves_files_and_folders(each, dav):
    dav.ask("MKCOL", "folder/a")
    dav.ask("PUT", "folder/a/file", b"content")
    dav.ask("PUT", "folder/a0", b"x")

    assert statuses(
        dav.ask("MOVE", "folder/a", Destination=f"{dav.root}/folder/b%20c"),
        dav.ask("MOVE", "folder/b c/file", Destination=f"{dav.root}/folder/a0", Overwrite="F"),
        dav.ask("MOVE", "folder/b c/file", Destination=f"{dav.root}/folder/none/file"),
        dav.ask("MOVE", "folder/b c", Destination=f"{dav.root}/folder/b%20c/d"),
        dav.ask("MOVE", "folder/b c/file", Destination=f"{dav.root}/folder/a0"),
        dav.ask("MOVE", "folder/b c/file", Destination=f"{dav.root}/folder/a1"),
        # A precondition is about what is moved: there is something.
        dav.ask("MOVE", "folder/a0", Destination=f"{dav.root}/folder/a2", If_None_Match="*"),
    ) == [201, 412, 409, 409, 204, 404, 412]
    assert each.files("ann") == {"folder/a0": _SHA256}
    assert each.folders("ann") == {"folder", "folder/b c"}


def test_deletes_a_folder_with_all_within(each, dav):
    dav.ask("MKCOL", "folder/inner")
    dav.ask("PUT", "folder/inner/file", b"content")
    dav.ask("PUT", "folder0", b"content")

    assert statuses(dav.ask("DELETE", "folder"), dav.ask("DELETE", "folder")) == [204, 404]
    assert each.tree()["ann"].keys() == {"folder0"}
    assert dav.ask("GET", "folder0").content == b"content"  # It shared its content.
    dav.ask("DELETE", "folder0")


@pytest.mark.parametrize("path", ["folder/..%2f..%2fx", "folder//x", "%2e%2e/x"])
def test_refuses_paths_that_lead_elsewhere(each, dav, path):
    login = {"Authorization": dav.ask("OPTIONS").request.headers["Authorization"]}
    connection = http.client.HTTPConnection("127.0.0.1", each.port)

    connection.request("PUT", f"{dav.root.removeprefix(each.url)}/{path}", b"x", login)

    assert connection.getresponse().status in (400, 404)
    connection.close()
    assert each.files("ann") == {}


def test_takes_a_body_in_chunks_and_goes_on_with_the_connection(each, dav):
    pieces = [b"x" * 100_000, b"y", b"z" * 300_000]

    assert dav.ask("PUT", "folder/file", iter(pieces)).status_code == 201
    assert dav.ask("PUT", "absent/file", iter(pieces)).status_code == 409
    assert dav.ask("PUT", "absent/file", b"w" * 500_000).status_code == 409
    assert dav.ask("GET", "folder/file").content == b"".join(pieces)


def test_each_account_sees_its_own_files(each, dav):
    other = WebDav(each, OTHER)
    dav.ask("PUT", "folder/file", b"content")

    assert other.ask("GET", "folder/file").status_code == 404
    assert other.ask("GET", f"{dav.root}/folder/file").status_code == 404
    assert each.files("bob") == {}


def test_has_no_more_room_than_the_quota_allows(each):
    each.add_account("small", "x", storage_quota=100)
    dav = WebDav(each, {"name": "small", "password": "x"})
    dav.ask("DELETE", "a")

    assert statuses(
        dav.ask("PUT", "a", b"x" * 80),
        dav.ask("PUT", "b", b"x" * 30),
        dav.ask("PUT", "b", iter([b"x" * 30])),  # Nobody has said how long it is.
        dav.ask("PUT", "a", b"x" * 90),  # In place of the 80.
        dav.ask("PUT", "b", b"x" * 10),
    ) == [201, 507, 507, 204, 201]
    told = properties(dav.ask("PROPFIND", "", Depth="0"))
    assert next(iter(told.values()))["quota-available-bytes"] == "0"
    dav.ask("DELETE", "b")


def test_nextcloud_keeps_a_checksum_that_it_is_told(cloud):
    wrong = "SHA256:" + "0" * 64  # It does not compare.
    answer = cloud.ask(
        "PUT", "folder/file", b"content", OC_Checksum=wrong, X_Hash="sha256", X_OC_MTime="86400"
    )

    assert answer.headers["X-Hash-SHA256"] == _SHA256
    assert answer.headers["X-OC-MTime"] == "accepted"
    assert answer.headers["OC-ETag"] == answer.headers["ETag"]
    listed = cloud.ask("PROPFIND", "folder/file", Depth="0")
    assert f"<oc:checksums><oc:checksum>{wrong}</oc:checksum></oc:checksums>" in listed.text
    assert "<d:getlastmodified>Fri, 02 Jan 1970 00:00:00 GMT</d:getlastmodified>" in listed.text
    cloud.ask("PUT", "folder/file", b"other content")
    assert "checksum" not in cloud.ask("PROPFIND", "folder/file", Depth="0").text


def test_nextcloud_puts_a_file_together_from_chunks(nextcloud, cloud):
    upload, target = f"{cloud.uploads}/one", f"{cloud.root}/folder/big"
    chunks = {"00002": b"b" * 20, "00001": b"a" * 10, "10": b"c"}

    assert cloud.ask("MKCOL", upload, Destination=target).status_code == 201
    for name, content in chunks.items():
        answer = cloud.ask("PUT", f"{upload}/{name}", content, Destination=target)
        assert answer.status_code == 201
    listed = properties(cloud.ask("PROPFIND", upload, Depth="1"))
    sizes = {href.rpartition("/")[2]: told.get("getcontentlength") for href, told in listed.items()}
    assert sizes == {"": None, "00001": "10", "00002": "20", "10": "1"}
    assert nextcloud.files("ann") == {}

    made = cloud.ask(
        "MOVE",
        f"{upload}/.file",
        Destination=target,
        OC_Total_Length="31",
        OC_Checksum="SHA256:abc",
        Overwrite="F",
    )

    assert made.status_code == 201
    assert cloud.ask("GET", "folder/big").content == b"a" * 10 + b"b" * 20 + b"c"
    assert "SHA256:abc" in cloud.ask("PROPFIND", "folder/big", Depth="0").text
    assert cloud.ask("PROPFIND", upload, Depth="1").status_code == 404


def test_nextcloud_refuses_chunks_that_are_none(nextcloud, cloud):
    upload, target = f"{cloud.uploads}/one", f"{cloud.root}/folder/big"
    assert cloud.ask("PUT", f"{upload}/1", b"a" * 10, Destination=target).status_code == 404
    cloud.ask("MKCOL", upload, Destination=target)

    for name in ("0", "10001", "first", "-1"):
        answer = cloud.ask("PUT", f"{upload}/{name}", b"a" * 10, Destination=target)
        assert answer.status_code == 400
    cloud.ask("PUT", f"{upload}/1", b"a" * 9, Destination=target)
    cloud.ask("PUT", f"{upload}/2", b"b", Destination=target)

    elsewhere = f"{cloud.root}/folder/elsewhere"
    assert statuses(
        cloud.ask("MKCOL", upload, Destination=target),
        cloud.ask("MOVE", f"{upload}/.file", Destination=target),  # The first is too small.
        cloud.ask("MOVE", f"{upload}/.file", Destination=elsewhere),
        cloud.ask("MOVE", f"{upload}/.file", Destination=target, OC_Total_Length="11"),
        cloud.ask("DELETE", upload),
        cloud.ask("DELETE", upload),
    ) == [405, 400, 400, 400, 204, 404]
    assert nextcloud.files("ann") == {}


def test_nextcloud_does_not_put_together_what_must_not_be_replaced(cloud):
    upload, target = f"{cloud.uploads}/one", f"{cloud.root}/folder/big"
    cloud.ask("PUT", "folder/big", b"content")
    cloud.ask("MKCOL", upload, Destination=target)
    cloud.ask("PUT", f"{upload}/1", b"other", Destination=target)

    move = {"method": "MOVE", "path": f"{upload}/.file", "Destination": target}
    assert statuses(cloud.ask(**move, Overwrite="F")) == [412]
    assert cloud.ask("GET", "folder/big").content == b"content"
    assert cloud.ask("MOVE", f"{upload}/.file", Destination=target).status_code == 204
    assert cloud.ask("GET", "folder/big").content == b"other"


def test_nextcloud_counts_chunks_against_the_quota(nextcloud):
    nextcloud.add_account("small", "x", storage_quota=100)
    cloud = WebDav(nextcloud, {"name": "small", "password": "x"})
    upload, target = f"{cloud.uploads}/one", f"{cloud.root}/big"
    cloud.ask("MKCOL", upload, Destination=target)

    assert statuses(
        cloud.ask("PUT", f"{upload}/1", b"a" * 60, Destination=target),
        cloud.ask("PUT", f"{upload}/2", b"b" * 60, Destination=target),
        cloud.ask("PUT", f"{upload}/2", b"b" * 40, Destination=target, OC_Total_Length="120"),
        cloud.ask("PUT", f"{upload}/2", b"b" * 40, Destination=target, OC_Total_Length="100"),
        cloud.ask("MOVE", f"{upload}/.file", Destination=target),
    ) == [201, 507, 507, 201, 201]
