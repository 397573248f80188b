"""rclone, which knows nothing of us, copies trees to the simulators and back."""

import hashlib
import os
import shutil
import subprocess

import pytest

from tests.providers.simulators import ACCOUNT, s3_client, simulator

pytestmark = pytest.mark.skipif(
    shutil.which("rclone") is None, reason="rclone is missing: apt install rclone"
)

_FILES = {
    "Übersicht #1 & more.txt": b"content",
    "period/2026-11/bank statement.pdf": hashlib.shake_256(b"pdf").digest(300_000),
    "period/2026-11/empty": b"",
    "period/large.bin": hashlib.shake_256(b"large").digest(12_000_000),
}


@pytest.fixture
def tree(tmp_path):
    for path, content in _FILES.items():
        file = tmp_path / "tree" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return tmp_path / "tree"


@pytest.fixture(params=["webdav", "nextcloud", "s3"])
def remote(request, tmp_path):
    """A simulator, and rclone with a remote `sim:` that leads there."""
    with simulator(request.param, tmp_path / "simulator") as running:
        yield running, _rclone(running, tmp_path)


def _rclone(running, tmp_path):
    if running.profile == "s3":
        s3_client(running).create_bucket(Bucket="bucket")
        settings = {
            "TYPE": "s3",
            "PROVIDER": "Other",
            "ENDPOINT": running.url,
            "ACCESS_KEY_ID": ACCOUNT["access_key_id"],
            "SECRET_ACCESS_KEY": "unchecked",
            "CHUNK_SIZE": "5M",
            "UPLOAD_CUTOFF": "6M",
        }
    else:
        obscured = subprocess.check_output(["rclone", "obscure", ACCOUNT["password"]], text=True)
        settings = {
            "TYPE": "webdav",
            "VENDOR": "nextcloud" if running.profile == "nextcloud" else "other",
            "URL": running.files_url(ACCOUNT["name"]),
            "USER": ACCOUNT["name"],
            "PASS": obscured.strip(),
        }
    # Nothing of the surroundings: neither AWS's settings nor a proxy's.
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    environment |= {f"RCLONE_CONFIG_SIM_{name}": value for name, value in settings.items()}

    def rclone(*arguments):
        command = ["rclone", "--retries", "1", "--low-level-retries", "3", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return rclone


def test_rclone_copies_a_tree_there_and_back(remote, tree, tmp_path):
    running, rclone = remote
    there = "sim:bucket/books" if running.profile == "s3" else "sim:books"
    prefix = there.partition(":")[2]

    rclone("copy", str(tree), there)

    stored = running.files(ACCOUNT["name"])
    assert stored == {
        f"{prefix}/{path}": hashlib.sha256(content).hexdigest() for path, content in _FILES.items()
    }
    rclone("check", str(tree), there)
    rclone("check", "--download", str(tree), there)
    assert rclone("cat", f"{there}/Übersicht #1 & more.txt") == b"content"
    rclone("copy", there, str(tmp_path / "back"))
    back = {path: (tmp_path / "back" / path).read_bytes() for path in _FILES}
    assert back == _FILES


def test_rclone_moves_and_deletes(remote, tree):
    running, rclone = remote
    there = "sim:bucket/books" if running.profile == "s3" else "sim:books"
    prefix = there.partition(":")[2]
    rclone("copy", str(tree), there)

    rclone("moveto", f"{there}/period/large.bin", f"{there}/moved.bin")
    rclone("purge", f"{there}/period")

    names = {f"{prefix}/Übersicht #1 & more.txt", f"{prefix}/moved.bin"}
    assert set(running.files(ACCOUNT["name"])) == names


def test_rclone_waits_when_it_is_told_to(remote, tree):
    running, rclone = remote
    scope = running.limits()["limits"][0]["scope"]
    running.set_limits({"limits": [{"scope": scope, "units": 4, "seconds": 1}]})
    there = "sim:bucket/books" if running.profile == "s3" else "sim:books"

    rclone("--low-level-retries", "20", "copy", str(tree), there)

    running.set_limits({"limits": [{"scope": scope, "units": None}]})
    rclone("check", "--download", str(tree), there)
    assert running.stats()["throttled"] > 0
