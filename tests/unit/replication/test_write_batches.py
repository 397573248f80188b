"""A plan's batches are written once, whatever breaks off, and then the services may start."""

import importlib

import pytest

from replication.rules.replication import Largest, Outcome
from shared.errors import TransientError

from .factories import any_batch, any_replication, any_service, refs

MODULE = "replication.write_batches"


@pytest.fixture
def module(load):
    return load(MODULE, MOST_WORKERS="10")


@pytest.fixture
def write(module, around, context):
    def call(parts, cursor=None, plan=1, **counts):
        groups = {"start": None, "done": True, "parts": parts}
        groups |= {"without_storage": 0, "unknown": 0, "unreadable": 0} | counts
        event = {"replication_id": "2026-12-all", "plan": plan, "groups": groups}
        return module.handler(event | {"cursor": cursor}, context)

    return call


def put_group(provider, part, customers, plan=1):
    plans = importlib.import_module("replication.plans")
    plans.write_group(
        "2026-12-all",
        plan,
        provider,
        part,
        [
            {
                "customer_id": customer_id,
                "scopes": {
                    "provider": "all",
                    "server": f"{provider}.example",
                    "account": customer_id,
                },
                "entities": [
                    {"entity_id": name, "folder": name.title(), "calls": 10} for name in names
                ],
            }
            for customer_id, names in customers.items()
        ],
    )


def names_in(batches):
    return [f"{one.customer_id}/{one.entity_id}" for batch in batches for one in batch.entities]


def test_writes_every_entity_into_one_batch_and_says_which_service_to_start(write, around):
    around.put(any_replication(state="PLANNING", planned=False))
    put_group("webdav", 1, {"1003": ["a", "b", "c"]})
    put_group("webdav", 2, {"1004": ["d"]})

    found = write({"webdav": 2}, without_storage=3, unknown=2, unreadable=1)

    assert found["status"] == "done"
    assert found["services"] == [{"provider": "webdav", "run": 1}]
    assert sorted(names_in(around.batches())) == ["1003/a", "1003/b", "1003/c", "1004/d"]
    service, replication = around.service(), around.replication()
    assert (service.batches, service.entities, service.started) == (len(around.batches()), 4, 0)
    assert service.scopes == {"provider": 1, "server": 1, "account": 2}
    assert service.largest == (Largest(key="account#1003", calls=30),)
    assert service.calls_planned == 40
    assert (replication.state, replication.planned) == ("RUNNING", True)
    assert (replication.without_storage, replication.unknown, replication.unreadable) == (3, 2, 1)


def test_writes_one_provider_at_a_time(write, around):
    around.put(any_replication(state="PLANNING", planned=False))
    put_group("s3", 1, {"1002": ["a"]})
    put_group("webdav", 1, {"1003": ["b"]})

    first = write({"s3": 1, "webdav": 1})

    assert (first["status"], first["services"]) == ("more", [])
    assert around.replication().planned is False

    second = write({"s3": 1, "webdav": 1}, first["cursor"])
    assert [one["provider"] for one in second["services"]] == ["s3", "webdav"]


def test_a_customer_with_many_entities_keeps_nobody_waiting(write, around):
    around.put(any_replication(state="PLANNING", planned=False))
    put_group("webdav", 1, {"1003": [f"e{n:03}" for n in range(200)], "1004": ["only"]})

    write({"webdav": 1})

    assert names_in(around.batches()).index("1004/only") < 3


def test_writes_hundreds_of_batches(write, around, module):
    around.put(any_replication(state="PLANNING", planned=False))
    put_group("webdav", 1, {f"c{n:04}": ["any"] for n in range(700)})

    write({"webdav": 1})

    assert len(names_in(around.batches())) == 700
    assert len(around.batches()) > 50


@pytest.mark.parametrize("operation", ["BatchWriteItem", "PutItem", "UpdateItem"])
def test_a_step_that_breaks_off_writes_nothing_twice(write, around, intercept, operation):
    around.put(any_replication(state="PLANNING", planned=False))
    put_group("webdav", 1, {"1003": ["a", "b", "c"]})

    def crash():
        raise KeyboardInterrupt

    intercept(operation, after=crash)
    with pytest.raises(KeyboardInterrupt):
        write({"webdav": 1})
    found = write({"webdav": 1})

    assert found["services"] == [{"provider": "webdav", "run": 1}]
    assert sorted(names_in(around.batches())) == ["1003/a", "1003/b", "1003/c"]
    assert around.service().entities == 3


def test_offers_again_what_the_table_has_not_taken(write, around, monkeypatch, module):
    around.put(any_replication(state="PLANNING", planned=False))
    put_group("webdav", 1, {"1003": [f"e{n:02}" for n in range(30)]})
    client, refused = around.table.dynamodb(), []
    real = client.batch_write_item

    def take_half(RequestItems):  # noqa: N803 - boto3's own name
        [(table, items)] = RequestItems.items()
        half = items[: len(items) // 2] if len(items) > 1 and len(refused) < 3 else items
        refused.append(len(items) - len(half))
        real(RequestItems={table: half})
        left = items[len(half) :]
        return {"UnprocessedItems": {table: left} if left else {}}

    monkeypatch.setattr(client, "batch_write_item", take_half)

    write({"webdav": 1})

    assert sum(refused) > 0
    assert len(names_in(around.batches())) == 30


# --- nothing to do


def test_a_replication_of_nothing_is_finished_at_once(write, around, cloud):
    published = cloud.watch_bus()
    around.put(any_replication(state="PLANNING", planned=False))

    assert write({})["services"] == []

    assert around.replication().state == "FINISHED"
    assert [event["detail"]["data"]["entities"] for event in published()] == [0]


def test_a_pause_that_came_meanwhile_holds(write, around):
    around.put(any_replication(state="PAUSED", planned=False))
    put_group("webdav", 1, {"1003": ["a"]})

    write({"webdav": 1})

    assert (around.replication().state, around.replication().planned) == ("PAUSED", True)


# --- retries


def ended_with_failures(around):
    outcomes = {"0": Outcome(state="DONE"), "1": Outcome(state="FAILED", error="any")}
    service = any_service(
        run=2, state="FINISHED", batches=1, started=1, ended_batches=1, entities=2, done=1, failed=1
    )
    around.put(any_replication(state="PLANNING", plan=2), service)
    around.put(any_batch(outcomes=outcomes, entities=refs("a", "b")))
    put_group("webdav", 1, {"1003": ["b"]}, plan=2)


def test_a_retry_adds_batches_behind_those_that_there_are(write, around):
    ended_with_failures(around)

    found = write({"webdav": 1}, plan=2)

    service = around.service()
    assert found["services"] == [{"provider": "webdav", "run": 3}]
    assert (service.batches, service.started, service.entities) == (2, 1, 2)
    assert (service.failed, service.retried, service.state) == (1, 1, "RUNNING")
    assert around.batch(1).outcomes["1"].state == "RETRIED"
    assert names_in([around.batch(2)]) == ["1003/b"]


@pytest.mark.parametrize(
    ("operation", "nth"), [("BatchWriteItem", 1), ("UpdateItem", 1), ("PutItem", 1)]
)
def test_a_retry_that_breaks_off_counts_each_failure_once(write, around, intercept, operation, nth):
    ended_with_failures(around)

    def crash():
        raise KeyboardInterrupt

    intercept(operation, after=crash, nth=nth)
    with pytest.raises(KeyboardInterrupt):
        write({"webdav": 1}, plan=2)
    write({"webdav": 1}, plan=2)

    service = around.service()
    assert (service.batches, service.retried) == (2, 1)


def test_a_plan_that_broke_off_before_anything_was_begun_is_written_anew(write, around):
    """Its first provider's batches were written, and never started."""
    around.put(any_replication(state="PLANNING", plan=2, planned=False))
    around.put(any_service(plan=1, run=1, batches=1, entities=2), any_batch())
    put_group("webdav", 1, {"1003": ["x"]}, plan=2)

    found = write({"webdav": 1}, plan=2)

    service = around.service()
    assert found["services"] == [{"provider": "webdav", "run": 2}]
    assert (service.batches, service.entities, service.retried) == (1, 1, 0)
    assert names_in([around.batch(1)]) == ["1003/x"]


def test_a_provider_for_which_there_is_nothing_any_more_finishes_at_once(write, around):
    """Its batches were written by a plan that broke off; its customer has moved since."""
    around.put(any_replication(state="PLANNING", plan=2, planned=False))
    around.put(any_service(provider="s3", plan=1, batches=1, entities=2))
    around.put(any_batch(provider="s3"))
    put_group("webdav", 1, {"1003": ["x"]}, plan=2)

    found = write({"webdav": 1}, plan=2)
    found = write({"webdav": 1}, found["cursor"], plan=2)

    assert [one["provider"] for one in found["services"]] == ["s3", "webdav"]
    assert (around.service("s3").batches, around.service("s3").entities) == (0, 0)
    assert names_in(around.batches()) == ["1003/x"]


def test_a_plan_that_another_execution_has_overtaken_takes_nothing_from_it(
    write, around, intercept
):
    ended_with_failures(around)

    def take_over():
        around.table.update_service(around.service(), run=7)

    intercept("PutItem", before=take_over)

    with pytest.raises(TransientError, match="another execution"):
        write({"webdav": 1}, plan=2)
    assert (around.service().run, around.service().batches) == (7, 1)


def test_a_second_retry_keeps_the_sums_of_the_first(write, around):
    ended_with_failures(around)
    write({"webdav": 1}, plan=2)
    failed = {"0": Outcome(state="FAILED", error="any")}
    again = around.batch(2)
    taken = around.table.start_batch(again, again.started_at)
    around.table.close_batch(taken, failed, "2026-12-01T03:00:00Z", {"calls": 4})
    around.put(any_replication(state="PLANNING", plan=3))
    put_group("webdav", 1, {"1003": ["b"]}, plan=3)

    write({"webdav": 1}, plan=3)

    service = around.service()
    assert (service.done, service.failed, service.retried) == (1, 2, 2)
    assert service.counts == {"calls": 4}
    assert [one.outcomes.get("0", None) and one.outcomes["0"].plan for one in around.batches()] == [
        None,
        3,
        None,
    ]
