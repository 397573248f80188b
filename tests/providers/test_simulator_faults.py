"""What tests can make go wrong."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from requests.exceptions import ConnectionError as Reset

from local.providers.client import SimulatorError
from local.providers.faults import Faults
from local.providers.limiter import Call
from tests.providers.simulators import OTHER, WebDav, s3_client, simulator

NO_ANSWER = "reset by peer|closed connection without response"
"""On a busy machine a client may see the end of the connection before the reset."""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with simulator("webdav", tmp_path_factory.mktemp("webdav")) as started:
        yield started


@pytest.fixture
def dav(running):
    running.clear_faults()
    running.set_limits({"latency": {"seconds": 0}})
    client = WebDav(running)
    for name in ("a", "b"):
        client.ask("DELETE", name)
    running.clear_stats()
    return client


def test_answers_with_any_status_body_and_headers(running, dav):
    rule = {"action": "status", "status": 503, "body": "later", "headers": {"Retry-After": "7"}}
    running.set_faults({**rule, "method": "PUT", "path": "a*", "times": 1})

    first, other, again = (dav.ask("PUT", name, b"content") for name in ("a", "b", "a"))

    assert (first.status_code, first.text, first.headers["Retry-After"]) == (503, "later", "7")
    assert (other.status_code, again.status_code) == (201, 201)
    assert running.fault_hits() == [1]


def test_refuses_a_request_with_a_reset_and_does_nothing(running, dav):
    running.set_faults({"action": "refuse", "times": 1})

    with pytest.raises(Reset, match=NO_ANSWER):
        dav.ask("PUT", "a", b"content")

    assert running.files("ann") == {}
    assert dav.ask("PUT", "a", b"content").status_code == 201


def test_does_the_work_and_loses_the_reply(running, dav):
    running.set_faults({"action": "lose_reply", "times": 1})

    with pytest.raises(Reset, match=NO_ANSWER):
        dav.ask("MKCOL", "a")

    assert running.folders("ann") == {"a"}
    assert running.stats()["by_kind_and_status"] == {"create_folder reset": 1}


def test_stores_only_the_beginning_of_a_file(running, dav):
    running.set_faults({"action": "truncate", "method": "PUT", "keep_bytes": 4, "times": 1})

    with pytest.raises(Reset):
        dav.ask("PUT", "a", b"content")

    assert dav.ask("GET", "a").content == b"cont"


def test_a_truncated_object_does_not_pass_the_checksum(tmp_path):
    with simulator("s3", tmp_path) as running:
        s3 = s3_client(running)
        s3.create_bucket(Bucket="b")
        running.set_faults({"action": "truncate", "method": "PUT", "keep_bytes": 4})
        with pytest.raises(Exception, match="Connection"):
            s3.put_object(Bucket="b", Key="a", Body=b"content", ChecksumAlgorithm="SHA256")

        assert running.files("ann") == {}


def test_answers_late(running, dav):
    running.set_faults({"action": "delay", "seconds": 0.2, "times": 1})
    began = time.monotonic()

    assert dav.ask("PUT", "a", b"content").status_code == 201
    assert time.monotonic() - began >= 0.2


def test_takes_its_time_by_request_and_by_byte(running, dav):
    running.set_limits({"latency": {"seconds": 0.1, "per_byte": 0.0001}})
    for method, body in (("PUT", b"x" * 1000), ("GET", None)):
        began = time.monotonic()
        dav.ask(method, "a", body)
        assert time.monotonic() - began >= 0.2


def test_a_fault_may_be_for_one_account_or_count_for_each_path(running, dav):
    running.set_faults(
        {"action": "status", "account": "bob"},
        {"action": "status", "status": 502, "times": 1, "each_path": True},
    )

    assert WebDav(running, OTHER).ask("PROPFIND", Depth="0").status_code == 500
    statuses = [dav.ask("PUT", name, b"x").status_code for name in ("a", "a", "b", "b")]
    assert statuses == [502, 201, 502, 201]
    assert running.fault_hits() == [1, 2]


def test_a_share_of_requests_is_hit_and_the_same_in_each_run():
    faults, again = Faults(), Faults()
    for each in (faults, again):
        each.replace([{"action": "refuse", "share": 0.25}])

    hits = [faults.hit("PUT", Call("upload")) is not None for _ in range(4000)]

    assert 900 < sum(hits) < 1100
    assert hits == [again.hit("PUT", Call("upload")) is not None for _ in range(4000)]


def test_a_throttled_request_does_not_use_a_fault_up(running, dav):
    running.set_faults({"action": "status", "times": 1})
    running.set_limits({"limits": [{"scope": "server", "units": 1, "seconds": 600}]})
    dav.ask("PROPFIND", Depth="0")
    throttled = [dav.ask("PROPFIND", Depth="0").status_code for _ in range(3)]
    running.set_limits({"limits": [{"scope": "server", "units": None}]})

    assert set(throttled) <= {429, 503}
    assert running.fault_hits() == [1]


@pytest.mark.parametrize(
    "rule", [{"action": "explode"}, {"action": "status", "status": 200}, {"actoin": "status"}]
)
def test_refuses_a_rule_that_makes_no_sense(running, dav, rule):
    running.set_faults({"action": "delay"})

    with pytest.raises(SimulatorError, match="validation error"):
        running.set_faults(rule)

    assert running.fault_hits() == [0]


def test_a_body_that_nobody_reads_does_not_disturb_the_next_request(running, dav):
    running.set_faults({"action": "status", "method": "PUT"})

    answers = [dav.ask("PUT", "a", b"x" * 3_000_000).status_code for _ in range(3)]

    assert answers == [500] * 3
    assert dav.ask("PROPFIND", Depth="0").status_code == 207


def test_counts_what_it_is_asked(running, dav):
    began = time.time()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: WebDav(running).ask("PUT", f"a/{n}", b"x"), range(30)))
    dav.ask("MKCOL", "a")
    dav.ask("PROPFIND", Depth="0", Authorization="Basic wrong")

    stats = running.stats()

    assert stats["requests"] == 32
    assert stats["by_kind"] == {"upload": 30, "create_folder": 1, "find": 1}
    assert stats["by_kind_and_status"]["upload 409"] == 30
    assert stats["by_account"]["ann"] >= 31
    assert began - 1 <= stats["first_request_at"] <= stats["last_request_at"] <= time.time()
    assert stats["peak_requests"]["60"] == 32
    assert 16 <= stats["peak_requests"]["10"] <= 32
