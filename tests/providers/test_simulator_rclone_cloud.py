"""rclone copies trees to cloud drives: all are simulated, and rclone does not know it.

Their addresses cannot be changed in rclone, so a proxy leads it to the simulator.
"""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

from local.providers.graph_items import drive_id
from tests.providers.simulators import ACCOUNT, TOKENS, simulator
from tests.providers.tunnel import tunnel

pytestmark = pytest.mark.skipif(
    shutil.which("rclone") is None, reason="rclone is missing: apt install rclone"
)

_HOSTS = {
    "dropbox": ["api.dropboxapi.com", "content.dropboxapi.com"],
    "box": ["api.box.com", "upload.box.com"],
    "drive": ["www.googleapis.com"],
    "graph": ["graph.microsoft.com"],
}
_SETTINGS = {
    "dropbox": {"chunk_size": "4M"},
    "drive": {"chunk_size": "4M", "upload_cutoff": "1M", "pacer_min_sleep": "10ms"},
    "graph": {
        "type": "onedrive",
        "drive_id": drive_id(ACCOUNT["name"], "business"),
        "drive_type": "business",
        "chunk_size": "3200Ki",
    },
}
_FILES = {
    "Übersicht #1 & more.txt": b"content",
    "period/2026-11/bank statement.pdf": hashlib.shake_256(b"pdf").digest(300_000),
    "period/2026-11/empty": b"",
    "period/large.bin": hashlib.shake_256(b"large").digest(12_000_000),
}
_PATIENCE = 300


@pytest.fixture
def tree(tmp_path):
    for path, content in _FILES.items():
        file = tmp_path / "tree" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "tree"


@pytest.fixture(params=list(_HOSTS))
def remote(request, tmp_path):
    """A simulator, and rclone with a remote `sim:` that leads there."""
    with (
        simulator(request.param, tmp_path / "simulator") as running,
        tunnel(running.port, _HOSTS[request.param], tmp_path) as way,
    ):
        # It sends its token to upload sessions, as older releases do.
        running.set_limits({"strict_sessions": False})
        yield running, _rclone(running, way, tmp_path)


def _rclone(running, way, tmp_path):
    # Its access token is too old: it has to ask for another before it can do anything.
    token = {
        "access_token": "none",
        "token_type": "bearer",
        "refresh_token": ACCOUNT["refresh_token"],
        "expiry": "2020-01-01T00:00:00Z",
    }
    settings = {
        "type": running.profile,
        "client_id": TOKENS["client_id"],
        "client_secret": TOKENS["client_secret"],
        "token": json.dumps(token),
        "token_url": running.token_url,
    } | _SETTINGS.get(running.profile, {})
    config = tmp_path / "rclone.conf"  # rclone writes the tokens that it is given into it.
    lines = [f"{name} = {value}" for name, value in settings.items()]
    config.write_text("\n".join(["[sim]", *lines, ""]))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    environment |= {"HTTPS_PROXY": way.url, "HTTP_PROXY": running.url}

    def rclone(*arguments):
        command = ["rclone", "--config", str(config), "--ca-cert", str(way.certificate)]
        command += ["--retries", "3", "--low-level-retries", "10", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=_PATIENCE)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return rclone


def test_rclone_copies_a_tree_there_and_back(remote, tree, tmp_path):
    running, rclone = remote

    rclone("copy", str(tree), "sim:books")

    assert running.files(ACCOUNT["name"]) == {
        f"books/{path}": hashlib.sha256(content).hexdigest() for path, content in _FILES.items()
    }
    rclone("check", str(tree), "sim:books")  # By the provider's own hashes.
    rclone("check", "--download", str(tree), "sim:books")
    assert rclone("cat", "sim:books/Übersicht #1 & more.txt") == b"content"
    rclone("copy", "sim:books", str(tmp_path / "back"))
    assert {path: (tmp_path / "back" / path).read_bytes() for path in _FILES} == _FILES
    assert running.stats()["token_requests"]["200"] >= 1


def test_rclone_replaces_and_deletes(remote, tree):
    running, rclone = remote
    rclone("copy", str(tree), "sim:books")
    (tree / "period/large.bin").write_bytes(b"small")
    (tree / "new.txt").write_bytes(b"new")

    rclone("copy", str(tree), "sim:books")
    rclone("deletefile", "sim:books/new.txt")
    rclone("purge", "sim:books/period/2026-11")

    files = running.files(ACCOUNT["name"])
    assert files["books/period/large.bin"] == hashlib.sha256(b"small").hexdigest()
    assert files.keys() == {"books/Übersicht #1 & more.txt", "books/period/large.bin"}


def test_rclone_waits_when_it_is_told_to(remote, tree):
    running, rclone = remote
    limits = [
        {"scope": limit["scope"], "units": 4 * max(limit["weight"], 1), "seconds": 1}
        for limit in running.limits()["limits"]
        if limit["seconds"] <= 60  # Whoever has used up a day gives up.
    ]
    replies = running.limits()["replies"]
    # The library that rclone uses fails where Dropbox answers in plain text.
    in_json = [reply for reply in replies if reply["content_type"] == "application/json"]
    running.set_limits({"limits": limits, "replies": in_json})

    rclone("--low-level-retries", "40", "copy", str(tree), "sim:books")

    running.set_limits({"limits": [{**limit, "units": None} for limit in limits]})
    rclone("check", "--download", str(tree), "sim:books")
    assert running.stats()["throttled"] > 0


def test_rclone_sends_a_large_file_to_box_in_parts(tmp_path):
    large = tmp_path / "large.bin"
    content = hashlib.shake_256(b"larger").digest(60_000_000)
    large.write_bytes(content)
    with (
        simulator("box", tmp_path / "simulator") as running,
        tunnel(running.port, _HOSTS["box"], tmp_path) as way,
    ):
        _rclone(running, way, tmp_path)("copy", str(large), "sim:books")

        files = running.files(ACCOUNT["name"])
        assert files == {"books/large.bin": hashlib.sha256(content).hexdigest()}
        assert running.stats()["by_kind"]["upload"] == 9  # Eight parts, and they are put together.
