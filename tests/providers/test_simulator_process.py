"""A simulator as a process: killed, started again, asked by many at once."""

import hashlib
import http.client
import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from requests.exceptions import ConnectionError as Broken

from tests.providers.simulators import ACCOUNT, OTHER, WebDav, s3_client, simulator, wait_for

_PARENT = """
import pathlib, sys, time
from local.providers.client import Simulator
running = Simulator("webdav", pathlib.Path(sys.argv[1]))
running.start()
print(running.port, flush=True)
time.sleep(60)
"""


def answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_simulator/stats")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def peak_memory(pid):
    """The most that a process has had in memory, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_goes_on_with_files_accounts_and_limits_after_it_was_killed(tmp_path):
    with simulator("nextcloud", tmp_path, chunk_minimum=5) as running:
        dav = WebDav(running)
        dav.ask("MKCOL", "folder")
        dav.ask("PUT", "folder/file", b"content", OC_Checksum="SHA256:abc")
        upload, target = f"{dav.uploads}/one", f"{dav.root}/big"
        dav.ask("MKCOL", upload, Destination=target)
        dav.ask("PUT", f"{upload}/1", b"first", Destination=target)
        running.set_limits({"latency": {"seconds": 0.001}})
        before = running.tree()

        running.restart()

        assert running.tree() == before
        assert running.limits()["latency"]["seconds"] == 0.001
        assert running.limits()["chunk_minimum"] == 5
        assert "SHA256:abc" in dav.ask("PROPFIND", "folder/file", Depth="0").text
        dav.ask("PUT", f"{upload}/2", b"last", Destination=target)
        assert dav.ask("MOVE", f"{upload}/.file", Destination=target).status_code == 201
        assert dav.ask("GET", "big").content == b"firstlast"


def test_goes_on_with_buckets_and_uploads_after_it_was_killed(tmp_path):
    with simulator("s3", tmp_path) as running:
        s3 = s3_client(running)
        s3.create_bucket(Bucket="b")
        begun = s3.create_multipart_upload(Bucket="b", Key="big")
        upload = {"Bucket": "b", "Key": "big", "UploadId": begun["UploadId"]}
        part = s3.upload_part(**upload, PartNumber=1, Body=b"content")

        running.restart()

        named = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        s3.complete_multipart_upload(**upload, MultipartUpload=named)
        assert running.files("ann") == {"b/big": hashlib.sha256(b"content").hexdigest()}


def test_is_started_with_other_settings_than_those_it_kept(tmp_path):
    with simulator("webdav", tmp_path, latency={"seconds": 0.01}) as running:
        running.set_limits({"latency": {"seconds": 0.02}})
    with simulator("webdav", tmp_path, latency={"seconds": 0.03}) as running:
        assert running.limits()["latency"]["seconds"] == 0.03


def test_keeps_the_old_file_when_it_is_killed_while_a_new_one_arrives(tmp_path):
    with simulator("webdav", tmp_path) as running:
        dav = WebDav(running)
        dav.ask("PUT", "file", b"content")

        def unending():
            yield b"x" * 1_000_000
            wait_for(lambda: any((tmp_path / "arriving").iterdir()))
            running.kill()
            while True:
                yield b"x" * 1_000_000

        with pytest.raises(Broken):
            dav.ask("PUT", "file", unending())
        running.start()

        assert dav.ask("GET", "file").content == b"content"
        assert not any((tmp_path / "arriving").iterdir())


def test_stores_nothing_of_a_client_that_goes_away(tmp_path):
    with simulator("webdav", tmp_path) as running:
        login = WebDav(running).ask("OPTIONS").request.headers["Authorization"]
        connection = http.client.HTTPConnection("127.0.0.1", running.port)
        connection.putrequest("PUT", "/file")
        connection.putheader("Authorization", login)
        connection.putheader("Content-Length", "1000")
        connection.endheaders(b"only this")
        wait_for(lambda: any((tmp_path / "arriving").iterdir()))
        connection.close()
        wait_for(lambda: running.stats()["by_kind_and_status"].get("upload reset") == 1)

        assert running.files("ann") == {}
        assert not any((tmp_path / "arriving").iterdir())


def test_ends_with_its_parent(tmp_path):
    root = Path(__file__).resolve().parent.parent.parent
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        port = int(parent.stdout.readline())
        assert answers(port)
        parent.kill()

    wait_for(lambda: not answers(port))


def test_fifty_threads_at_once_lose_nothing(tmp_path):
    with simulator("nextcloud", tmp_path) as running:

        def work(number):
            dav = WebDav(running, OTHER if number % 2 else ACCOUNT)
            statuses = [dav.ask("MKCOL", "shared").status_code]
            statuses.append(dav.ask("MKCOL", f"{number}").status_code)
            for file in range(6):
                content = f"{number} {file}".encode()
                statuses.append(dav.ask("PUT", f"{number}/{file}", content).status_code)
            statuses.append(
                dav.ask("PUT", "shared/first", b"content", If_None_Match="*").status_code
            )
            return Counter(statuses)

        with ThreadPoolExecutor(50) as threads:
            total = sum(threads.map(work, range(50)), Counter())

        expected = {
            f"{number}/{file}": hashlib.sha256(f"{number} {file}".encode()).hexdigest()
            for number in range(0, 50, 2)
            for file in range(6)
        }
        shared = {"shared/first": hashlib.sha256(b"content").hexdigest()}
        assert running.files("ann") == expected | shared
        # A folder and a file for each of two accounts; for all others they were there, or locked.
        assert total[201] == 50 + 300 + 2 + 2
        assert total[405] + total[412] + total[423] == 48 + 48
        assert running.stats()["requests"] == total.total() == 450


def test_of_two_that_make_the_same_file_at_once_one_does(tmp_path):
    both_begun = threading.Event()

    def body():
        yield b"first"
        assert both_begun.wait(10)
        yield b"last"

    with simulator("webdav", tmp_path) as running, ThreadPoolExecutor() as threads:
        puts = [
            threads.submit(WebDav(running).ask, "PUT", "file", body(), If_None_Match="*")
            for _ in range(2)
        ]
        wait_for(lambda: len(list((tmp_path / "arriving").iterdir())) == 2)
        both_begun.set()

        assert sorted(put.result().status_code for put in puts) == [201, 412]


def test_a_large_file_is_never_in_memory(tmp_path):
    piece = hashlib.shake_256(b"any").digest(1_000_000)
    with simulator("webdav", tmp_path) as running:
        dav = WebDav(running)
        dav.ask("PUT", "small", b"x")
        before = peak_memory(running.pid)

        dav.ask("PUT", "large", (piece for _ in range(100)))
        back = dav.session.get(f"{dav.root}/large", stream=True, timeout=30)
        size = sum(len(part) for part in back.iter_content(1 << 20))

        assert size == 100_000_000
        assert peak_memory(running.pid) - before < 10_000_000


def test_reads_accounts_from_a_file(tmp_path):
    accounts = tmp_path / "accounts.json"
    accounts.write_text(json.dumps([{"name": "dee", "password": "x"}]))
    root = Path(__file__).resolve().parent.parent.parent
    command = [sys.executable, "-m", "local.providers", "webdav", "--with-parent"]
    command += ["--folder", str(tmp_path / "files"), "--accounts", str(accounts)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}

    with subprocess.Popen(command, cwd=root, text=True, **pipes) as process:
        port = json.loads(process.stdout.readline())["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/_simulator/tree")
        assert json.loads(connection.getresponse().read()) == {"dee": {}}
        connection.close()
        process.stdin.close()
        assert process.wait(10) == 0
