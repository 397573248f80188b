"""How each provider answers when it does not do what it is asked, as its documentation words it."""

from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from time import time
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError, HTTPClientError
from requests.exceptions import ConnectionError as Reset

from tests.providers.simulators import (
    Box,
    Dropbox,
    WebDav,
    s3_client,
    simulator,
    unlimited,
    wait_for,
)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Simulators by their profiles, each started once and without faults and limits."""
    running, contexts = {}, []

    def started(profile):
        if profile not in running:
            context = simulator(profile, tmp_path_factory.mktemp(profile))
            running[profile] = context.__enter__()
            contexts.append(context)
        simulator_ = running[profile]
        simulator_.clear_faults()
        simulator_.clear_stats()
        simulator_.set_limits({"limits": unlimited(simulator_)})
        return simulator_

    yield started
    for context in contexts:
        context.__exit__(None, None, None)


def lister(running, account="ann"):
    """Asks for what is in an account's root."""
    match running.profile:
        case "dropbox":
            dropbox = Dropbox(running, account)
            return lambda: dropbox.rpc("list_folder", path="")
        case "box":
            box = Box(running, account)
            return lambda: box.ask("GET", "/2.0/folders/0/items")
        case _:
            dav = WebDav(running)
            return lambda: dav.ask("PROPFIND", Depth="0")


def throttled(running, times):
    """That many answers to requests that are too many, and nothing is left."""
    first = running.limits()["limits"][0]["scope"]
    running.set_limits({"limits": [{"scope": first, "units": 1, "seconds": 600}]})
    ask = lister(running)
    ask()
    return [ask() for _ in range(times)]


def test_rule_d_dropbox_answers_in_plain_text_now_and_then_and_always_says_when(start):
    answers = throttled(start("dropbox"), 3)

    assert {answer.status_code for answer in answers} == {429}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 600 for answer in answers)
    kinds = [answer.headers["Content-Type"].partition(";")[0] for answer in answers]
    assert kinds == ["application/json", "application/json", "text/plain"]
    assert answers[0].json()["error_summary"].startswith("too_many_requests/")
    error = answers[0].json()["error"]
    assert error["reason"][".tag"] == "too_many_requests"
    assert error["retry_after"] == int(answers[0].headers["Retry-After"])


def test_rule_d_dropbox_has_one_writer_for_each_namespace(start):
    running = start("dropbox")
    ann, beside, bob = Dropbox(running), Dropbox(running), Dropbox(running, "bob")
    running.set_faults({"action": "delay", "path": "slow", "seconds": 0.5})

    with ThreadPoolExecutor() as threads:
        slow = threads.submit(ann.content, "upload", b"content", path="/slow")
        wait_for(lambda: running.fault_hits() == [1])
        locked = beside.rpc("create_folder_v2", path="/beside")
        assert beside.rpc("list_folder", path="").status_code == 200
        # Content that is not yet committed locks nothing and needs no lock.
        assert beside.content("upload_session/start", b"content").status_code == 200
        assert bob.rpc("create_folder_v2", path="/beside").status_code == 200
        assert not slow.done()
        assert slow.result().status_code == 200

    assert (locked.status_code, locked.headers["Retry-After"]) == (429, "1")
    assert locked.json()["error"]["reason"][".tag"] == "too_many_write_operations"
    assert running.stats()["locked"] == 1
    assert beside.rpc("create_folder_v2", path="/beside").status_code == 200


def test_locks_a_namespace_for_as_long_as_it_is_told_to(start):
    running = start("dropbox")
    ann, bob = Dropbox(running), Dropbox(running, "bob")
    running.hold_lock("ann", "anywhere", 0.5)

    assert ann.rpc("create_folder_v2", path="/mine").status_code == 429
    assert ann.rpc("list_folder", path="").status_code == 200
    assert bob.rpc("create_folder_v2", path="/theirs").status_code == 200
    wait_for(lambda: ann.rpc("create_folder_v2", path="/mine").status_code == 200)


def test_rule_e_box_words_its_refusal(start):
    [answer] = throttled(start("box"), 1)

    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["type"] == "error"
    assert answer.json()["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("profile", "status", "told"),
    [
        ("webdav", 405, "MethodNotAllowed"),
        ("nextcloud", 405, "MethodNotAllowed"),
    ],
)
def test_rule_g_an_existing_folder_is_refused(start, profile, status, told):
    running = start(profile)
    dav = WebDav(running)
    dav.ask("DELETE", "folder")
    assert dav.ask("MKCOL", "folder").status_code == 201

    again = dav.ask("MKCOL", "folder")

    assert again.status_code == status
    assert told in again.text
    assert running.folders("ann") >= {"folder"}


@pytest.mark.parametrize("profile", ["webdav", "nextcloud"])
def test_rule_h_an_upload_whose_reply_was_lost_can_be_seen(start, profile):
    running = start(profile)
    dav = WebDav(running)
    dav.ask("DELETE", "report.pdf")
    running.set_faults({"action": "lose_reply", "method": "PUT", "times": 1})
    headers = {"OC_Checksum": "SHA256:abc", "If_None_Match": "*"}

    with pytest.raises(Reset):
        dav.ask("PUT", "report.pdf", b"content", **headers)

    assert dav.ask("PUT", "report.pdf", b"content", **headers).status_code == 412
    listed = dav.ask("PROPFIND", "report.pdf", Depth="0").text
    assert "<d:getcontentlength>7</d:getcontentlength>" in listed
    assert ("<oc:checksum>SHA256:abc</oc:checksum>" in listed) == (profile == "nextcloud")
    assert running.stats()["by_status"] == {"404": 1, "reset": 1, "412": 1, "207": 1}


def test_rule_h_an_upload_to_s3_whose_reply_was_lost_can_be_seen(start):
    running = start("s3")
    s3 = s3_client(running)
    s3.create_bucket(Bucket="documents")
    running.set_faults({"action": "lose_reply", "method": "PUT", "times": 1})
    upload = {"Bucket": "documents", "Key": "report.pdf", "Body": b"content", "IfNoneMatch": "*"}

    with pytest.raises(HTTPClientError):
        s3.put_object(**upload, ChecksumAlgorithm="SHA256")
    with pytest.raises(ClientError) as refused:
        s3.put_object(**upload, ChecksumAlgorithm="SHA256")

    assert refused.value.response["Error"]["Code"] == "PreconditionFailed"
    seen = s3.head_object(Bucket="documents", Key="report.pdf", ChecksumMode="ENABLED")
    assert seen["ContentLength"] == 7
    assert seen["ChecksumSHA256"] == "7XACtDnprIRfIjV9giusFERzD722AW0+yUMil7nsn3M="


def test_rule_i_retry_after_is_missing_or_seconds_or_a_date(start):
    began = time()
    answers = throttled(start("webdav"), 4)

    assert [answer.status_code for answer in answers] == [429, 429, 503, 429]
    told = [answer.headers.get("Retry-After") for answer in answers]
    assert told[0] is told[2] is None
    assert int(told[1]) > 0
    assert parsedate_to_datetime(told[3]).timestamp() > began


def test_nextcloud_words_its_refusals(start):
    answers = throttled(start("nextcloud"), 2)

    exceptions = [
        ElementTree.fromstring(answer.content).findtext("{http://sabredav.org/ns}exception")
        for answer in answers
    ]
    assert [answer.status_code for answer in answers] == [429, 503]
    assert [name.rpartition("\\")[2] for name in exceptions] == [
        "TooManyRequests",
        "ServiceUnavailable",
    ]


def test_nextcloud_locks_a_file_while_it_is_written(start):
    running = start("nextcloud")
    running.set_faults({"action": "delay", "path": "slow", "seconds": 0.5})

    with ThreadPoolExecutor() as threads:
        slow = threads.submit(WebDav(running).ask, "PUT", "slow", b"content")
        wait_for(lambda: running.fault_hits() == [1])
        locked = WebDav(running).ask("PUT", "slow", b"other")
        assert WebDav(running).ask("PUT", "beside", b"content").status_code == 201
        assert not slow.done()
        assert slow.result().status_code == 201

    assert locked.status_code == 423
    assert "FileLocked" in locked.text


def test_nextcloud_can_be_told_to_lock_a_whole_namespace(start):
    running = start("nextcloud")
    running.set_limits({"lock": "account"})
    running.set_faults({"action": "delay", "path": "slow2", "seconds": 0.5})

    with ThreadPoolExecutor() as threads:
        slow = threads.submit(WebDav(running).ask, "PUT", "slow2", b"content")
        wait_for(lambda: running.fault_hits() == [1])
        assert WebDav(running).ask("MKCOL", "beside2").status_code == 423
        slow.result()
    running.set_limits({"lock": "file"})


def test_s3_asks_to_slow_down(start):
    running = start("s3")
    running.set_limits({"limits": [{"scope": "writes", "units": 1, "seconds": 600}]})
    s3 = s3_client(running)
    s3.create_bucket(Bucket="slow")  # A bucket is a prefix of its own.

    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="slow", Key="key", Body=b"")

    answer = refused.value.response
    assert answer["Error"]["Code"] == "SlowDown"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert "retry-after" not in answer["ResponseMetadata"]["HTTPHeaders"]
    assert running.stats()["throttled_by_scope"] == {"writes": 1}


def test_a_quota_is_halved_while_it_runs(start):
    running = start("box")
    running.set_limits({"limits": [{"scope": "account", "units": 40, "seconds": 600}]})
    ask = lister(running, "cho")  # Nothing is used yet.
    before = [ask().status_code for _ in range(15)]

    running.set_limits({"limits": [{"scope": "account", "units": 20}]})

    after = [ask().status_code for _ in range(15)]
    assert before == [200] * 15
    assert after == [200] * 5 + [429] * 10
    assert running.stats()["throttled"] == 10
    assert running.limits()["limits"][0]["units"] == 20
