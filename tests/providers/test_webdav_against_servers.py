"""The WebDAV client against servers that others have written, and against our own simulators."""

import shutil
import socket
import subprocess
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3.connection
from cheroot.wsgi import Server as CherootServer
from wsgidav.wsgidav_app import WsgiDAVApp

from replication.storage import webdav
from replication.storage.webdav import WebDav
from replication.storage.webdav_requests import connect
from shared.errors import StorageRefused, TransientError
from tests.providers.accounts import CONTENT, DOCUMENT, put
from tests.providers.simulators import ACCOUNT, simulator, wait_for
from tests.storages import BytesDocument, Purse

USER, PASSWORD = "ann", "a sécret"
ODD = "Bücher 50% & mehr/#1? ; 'a+b' (ä@ö) 日本"
"""A folder and a name that need encoding in a URL, in XML, or in both."""


@dataclass
class Place:
    """A server's URL of a folder, and a look behind it."""

    url: str
    read: Callable[[str], bytes | None]
    write: Callable[[str, bytes], Any]
    password: str = PASSWORD
    strict: bool = True
    """Whether the server heeds If-None-Match and If-Match when a file is put, and tells a folder
    that it makes from one that is there. Those built on golang.org/x/net/webdav do neither.
    """


@contextmanager
def wsgidav_server(folder: Path) -> Iterator[Place]:
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/dav": str(folder)},
            "simple_dc": {"user_mapping": {"*": {USER: {"password": PASSWORD}}}},
            "verbose": 0,
            "logging": {"enable": False},
        }
    )
    server = CherootServer(("127.0.0.1", 0), app)
    server.prepare()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield on_disk(f"http://127.0.0.1:{server.bind_addr[1]}/dav", folder)
    finally:
        server.stop()
        thread.join()


@contextmanager
def rclone_server(folder: Path) -> Iterator[Place]:
    if shutil.which("rclone") is None:
        pytest.skip("rclone is not installed: its WebDAV server is not tried")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    arguments = ["rclone", "serve", "webdav", str(folder), "--addr", address]
    arguments += [
        "--user",
        USER,
        "--pass",
        PASSWORD,
        "--config",
        "/dev/null",
        "--dir-cache-time",
        "0s",
    ]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as server:
        try:
            host, port = address.split(":")
            wait_for(lambda: socket.socket().connect_ex((host, int(port))) == 0)
            yield on_disk(f"http://{address}", folder, strict=False)
        finally:
            server.terminate()


@contextmanager
def simulated_server(profile: str, folder: Path) -> Iterator[Place]:
    with simulator(profile, folder) as running:
        session = connect({"username": ACCOUNT["name"], "password": ACCOUNT["password"]})
        root = running.files_url(ACCOUNT["name"])

        def read(path: str) -> bytes | None:
            reply = session.get(f"{root}/{webdav.quote(path)}")
            return reply.content if reply.status_code == 200 else None

        def write(path: str, content: bytes) -> None:
            assert session.put(f"{root}/{webdav.quote(path)}", data=content).status_code < 300

        yield Place(root, read, write, password=ACCOUNT["password"])


def on_disk(url: str, folder: Path, **more: Any) -> Place:
    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.exists() else None

    return Place(url, read, lambda path, content: (folder / path).write_bytes(content), **more)


SERVERS = {
    "wsgidav": wsgidav_server,
    "rclone": rclone_server,
    "simulator": lambda folder: simulated_server("webdav", folder),
    "simulator of Nextcloud": lambda folder: simulated_server("nextcloud", folder),
}


@pytest.fixture(scope="module", params=SERVERS)
def place(request, tmp_path_factory):
    with SERVERS[request.param](tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def purse():
    return Purse()


@pytest.fixture
def storage(place, purse):
    session = connect({"username": USER, "password": place.password})
    yield WebDav(place.url, session, purse)
    session.close()


@pytest.fixture
def opened(monkeypatch):
    """The connections that are opened from now on."""
    made: list[object] = []
    connect = urllib3.connection.HTTPConnection.connect

    def noted(connection: urllib3.connection.HTTPConnection) -> None:
        made.append(connection)
        connect(connection)

    monkeypatch.setattr(urllib3.connection.HTTPConnection, "connect", noted)
    return made


def test_makes_a_folder_once(storage, folder, place, purse):
    assert storage.create_folder(f"{folder}/2026-11")
    assert storage.create_folder(f"{folder}/2026-11") != place.strict

    assert purse.counts() == {"create_folder": 2} | ({"find": 1} if place.strict else {})


def test_begins_again_where_the_folder_above_is_gone(storage, folder):
    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        storage.create_folder(f"{folder}/gone/2026-11")
    with pytest.raises(TransientError, match=r"^FolderMissing: "):
        put(storage, f"{folder}/gone/any.pdf")


def test_says_that_a_file_has_the_folders_name(storage, folder):
    put(storage, f"{folder}/2026-11")

    with pytest.raises(StorageRefused, match=r"^NameTaken: a file"):
        storage.create_folder(f"{folder}/2026-11")


def test_finds_nothing_in_a_folder_that_is_not_there(storage, folder):
    assert storage.find(f"{folder}/gone") == {}
    assert storage.find(folder) == {}


def test_finds_the_files_of_a_folder_and_not_those_below(storage, folder):
    storage.create_folder(f"{folder}/below")
    put(storage, f"{folder}/a.pdf")
    put(storage, f"{folder}/below/b.pdf")

    [(name, found)] = storage.find(folder).items()

    assert (name, found.size) == ("a.pdf", len(CONTENT))
    assert found.etag


def test_puts_a_document_and_verifies_it(storage, folder, place, purse):
    put(storage, f"{folder}/first")  # From now on the server is known.
    purse.spent.clear()

    assert put(storage, f"{folder}/a.pdf") == "uploaded"

    assert place.read(f"{folder}/a.pdf") == CONTENT
    looked = [] if place.strict else ["find"]
    verified = [] if "remote.php" in place.url else ["verify"]
    assert purse.spent == [*looked, "upload", *verified]


def test_puts_an_empty_document(storage, folder, place):
    assert put(storage, f"{folder}/empty", BytesDocument(b"")) == "uploaded"
    assert place.read(f"{folder}/empty") == b""
    there = storage.find(folder)["empty"]
    assert put(storage, f"{folder}/empty", BytesDocument(b""), there) == "identical"


def test_names_of_every_kind_arrive_as_they_are(storage, folder, place):
    below, name = ODD.split("/")
    assert storage.illegal(f"{folder}/{ODD}") is None
    assert storage.create_folder(f"{folder}/{below}")
    assert storage.create_folder(f"{folder}/{below}") != place.strict

    assert put(storage, f"{folder}/{ODD}") == "uploaded"

    assert place.read(f"{folder}/{ODD}") == CONTENT
    assert set(storage.find(f"{folder}/{below}")) == {name}


def test_tells_names_composed_however_they_lie_there(storage, folder, place):
    place.write(f"{folder}/" + unicodedata.normalize("NFD", "Übersicht"), b"")

    assert set(storage.find(folder)) == {unicodedata.normalize("NFC", "Übersicht")}


def test_the_same_document_is_found_to_be_there(storage, folder, purse):
    put(storage, f"{folder}/a.pdf")
    there = storage.find(folder)["a.pdf"]
    purse.spent.clear()

    assert put(storage, f"{folder}/a.pdf", there=there) == "identical"

    assert "upload" not in purse.spent
    assert storage.same(f"{folder}/a.pdf", there, DOCUMENT)
    assert not storage.same(f"{folder}/a.pdf", there, BytesDocument(CONTENT[::-1]))
    assert not storage.same(f"{folder}/a.pdf", there, BytesDocument(CONTENT + b"."))


@pytest.mark.parametrize(
    "other", [CONTENT[::-1], CONTENT + b"more", b"short"], ids=["same size", "longer", "shorter"]
)
def test_leaves_what_somebody_else_has_put_there(storage, folder, place, other):
    place.write(f"{folder}/a.pdf", other)
    there = storage.find(folder)["a.pdf"]

    assert put(storage, f"{folder}/a.pdf", there=there) == "conflict"

    assert place.read(f"{folder}/a.pdf") == other


@pytest.mark.parametrize("bytes_there", [0, 1, 15_000])
def test_replaces_the_documents_beginning_which_an_upload_has_left(
    storage, folder, place, bytes_there
):
    place.write(f"{folder}/a.pdf", CONTENT[:bytes_there])
    there = storage.find(folder)["a.pdf"]

    assert put(storage, f"{folder}/a.pdf", there=there) == "uploaded"

    assert place.read(f"{folder}/a.pdf") == CONTENT


def test_finds_that_it_is_there_although_nothing_was_seen(storage, folder, place):
    put(storage, f"{folder}/a.pdf")
    place.write(f"{folder}/other", b"other")
    place.write(f"{folder}/beginning", CONTENT[:9])

    assert put(storage, f"{folder}/a.pdf") == "identical"
    assert put(storage, f"{folder}/other") == "conflict"
    assert put(storage, f"{folder}/beginning") == "uploaded"

    assert place.read(f"{folder}/other") == b"other"
    assert place.read(f"{folder}/beginning") == CONTENT


def test_does_not_replace_what_has_changed_since_it_was_seen(storage, folder, place):
    if not place.strict:
        pytest.skip("this server puts a file whatever the conditions say")
    place.write(f"{folder}/a.pdf", CONTENT[:9])
    there = storage.find(folder)["a.pdf"]

    class Racing(BytesDocument):
        def read(self, start, length):
            place.write(f"{folder}/a.pdf", b"somebody was faster")
            return super().read(start, length)

    assert put(storage, f"{folder}/a.pdf", Racing(CONTENT), there) == "conflict"

    assert place.read(f"{folder}/a.pdf") == b"somebody was faster"


def test_what_is_gone_since_it_was_seen_is_put(storage, folder, place):
    there = webdav.Found(len(CONTENT), None, '"gone"')

    assert put(storage, f"{folder}/a.pdf", there=there) == "uploaded"


def test_refuses_a_wrong_password(place, purse):
    storage = WebDav(place.url, connect({"username": USER, "password": "wrong"}), purse)

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.find("")
    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.create_folder("any")


def test_finds_what_lies_at_the_account_s_location_itself(storage, folder, place):
    place.write(f"at the root of {folder}", b"any")

    assert f"at the root of {folder}" in storage.find("")


def test_one_connection_serves_many_requests(opened, storage, folder):
    for number in range(5):
        put(storage, f"{folder}/{number}")
        storage.find(folder)
        storage.create_folder(f"{folder}/below-{number}")
        storage.create_folder(f"{folder}/below-{number}")

    assert len(opened) == 1
