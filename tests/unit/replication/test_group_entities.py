"""Entities come into groups by provider: all, or those named, or those that failed."""

import json
from dataclasses import dataclass

import pytest

from replication.rules.replication import Outcome
from shared.customers import StorageAccount

from .factories import any_batch, any_customer, any_entity, any_replication, any_service, refs

MODULE = "replication.group_entities"
S3 = StorageAccount(provider="s3", location="books", secret_name="aftercall/storage/1002")


@dataclass
class Hurried:
    """A context with hardly any time left."""

    aws_request_id: str = "any-request"

    def get_remaining_time_in_millis(self):
        return 1000


@pytest.fixture
def group(load, around, context):
    module = load(MODULE)

    def call(cursor=None, context=context, plan=1):
        event = {"replication_id": "2026-12-all", "plan": plan, "cursor": cursor}
        return module.handler(event, context)

    return call


def groups(around, plan=1):
    """By provider, all customers in the groups' documents."""
    found = {}
    for key in around.document_keys():
        _, _, of_plan, provider, _ = key.split("/")
        if of_plan == str(plan):
            found.setdefault(provider, []).extend(json.loads(around.document(key))["customers"])
    return found


def test_groups_all_entities_by_the_providers_of_their_customers(group, around):
    around.put(any_replication(state="PLANNING", planned=False))
    around.put_customer(any_customer("1003"), any_entity("north"), any_entity("south"))
    around.put_customer(any_customer("1002", storage=S3), any_entity("shop", customer_id="1002"))

    found = group()

    assert found["status"] == "done"
    assert found["cursor"]["parts"] == {"s3": 1, "webdav": 1}
    [lindgren] = groups(around)["webdav"]
    assert lindgren["customer_id"] == "1003"
    assert lindgren["scopes"]["server"] == "cloud.example"
    assert [one["entity_id"] for one in lindgren["entities"]] == ["north", "south"]
    assert [one["folder"] for one in lindgren["entities"]] == ["North", "South"]
    assert all(one["calls"] >= 5 for one in lindgren["entities"])
    assert groups(around)["s3"][0]["scopes"]["account"] == "aws/books"


def test_counts_entities_without_storage_and_records_that_make_no_sense(group, around):
    around.put(any_replication(state="PLANNING", planned=False))
    around.put_customer(any_customer("1001", storage=None), any_entity(customer_id="1001"))
    around.cloud.dynamodb.put_item(
        TableName=around.cloud.name("CustomersTable"),
        Item={"customer_id": {"S": "1099"}, "item": {"S": "customer"}, "plan": {"S": "gold"}},
    )

    cursor = group()["cursor"]

    assert (cursor["without_storage"], cursor["unreadable"], cursor["parts"]) == (1, 1, {})


def test_goes_on_from_its_cursor_when_its_time_is_up(group, around, monkeypatch):
    monkeypatch.setattr("shared.customers.whole_customers.__defaults__", (3,))
    around.put(any_replication(state="PLANNING", planned=False))
    for number in range(7):
        around.put_customer(
            any_customer(f"10{number:02}"), any_entity(customer_id=f"10{number:02}")
        )

    rounds, cursor, status = 0, None, "more"
    while status == "more":
        found = group(json.loads(json.dumps(cursor)), Hurried())
        cursor, status, rounds = found["cursor"], found["status"], rounds + 1

    assert rounds > 2
    assert sorted(one["customer_id"] for one in groups(around)["webdav"]) == [
        f"10{number:02}" for number in range(7)
    ]


def test_a_step_that_runs_twice_groups_everybody_once(group, around):
    around.put(any_replication(state="PLANNING", planned=False))
    around.put_customer(any_customer(), any_entity())

    assert group() == group()
    assert len(groups(around)["webdav"]) == 1


def test_takes_the_entities_that_were_named_and_counts_those_that_nobody_has(group, around):
    names = ("1003/south", "1003/west", "1009/any")
    around.put(any_replication(state="PLANNING", planned=False, entities=names))
    around.put_customer(any_customer("1003"), any_entity("north"), any_entity("south"))

    found = group()

    assert found["cursor"]["unknown"] == 2
    [customer] = groups(around)["webdav"]
    assert [one["entity_id"] for one in customer["entities"]] == ["south"]


def test_an_entitys_folder_does_not_depend_on_which_ones_are_named(group, around):
    """Two that share a name are told apart by their ids, also where only one is replicated."""
    around.put(any_replication(state="PLANNING", planned=False, entities=("1003/north",)))
    around.put_customer(
        any_customer(), any_entity("north", name="Depot"), any_entity("south", name="Depot")
    )

    group()

    assert groups(around)["webdav"][0]["entities"][0]["folder"] == "Depot (north)"


def failed_batch(**changed):
    failed, done = Outcome(state="FAILED", error="any"), Outcome(state="DONE")
    outcomes = {"0": done, "1": failed, "2": Outcome(state="RETRIED", error="any", plan=2)}
    return any_batch(entities=refs("a", "b", "c"), outcomes=outcomes, **changed)


def test_a_retry_takes_what_failed_and_nothing_has_taken_up_again(group, around):
    around.put(any_replication(state="PLANNING", plan=3), any_service(plan=2), failed_batch())

    group(plan=3)

    names = [one["entities"][0]["entity_id"] for one in groups(around, plan=3)["webdav"]]
    assert names == ["b"]


def test_what_a_broken_off_plan_had_taken_up_is_taken_up_by_the_next(group, around):
    around.put(any_replication(state="PLANNING", plan=3), any_service(plan=1), failed_batch())

    group(plan=3)

    names = [one["entities"][0]["entity_id"] for one in groups(around, plan=3)["webdav"]]
    assert names == ["b", "c"]


def test_an_execution_of_no_replication_is_an_error(group):
    with pytest.raises(LookupError, match="no replication"):
        group()


def test_named_entities_of_a_customer_whose_record_makes_no_sense_are_counted(group, around):
    names = ("1003/north", "1099/a", "1099/b")
    around.put(any_replication(state="PLANNING", planned=False, entities=names))
    around.put_customer(any_customer(), any_entity())
    around.cloud.dynamodb.put_item(
        TableName=around.cloud.name("CustomersTable"),
        Item={"customer_id": {"S": "1099"}, "item": {"S": "customer"}, "plan": {"S": "gold"}},
    )

    found = group()

    assert (found["cursor"]["unreadable"], found["cursor"]["unknown"]) == (2, 0)
    assert [one["customer_id"] for one in groups(around)["webdav"]] == ["1003"]


def test_named_entities_without_storage_are_counted(group, around):
    around.put(any_replication(state="PLANNING", planned=False, entities=("1003/north",)))
    around.put_customer(any_customer(storage=None), any_entity("north"), any_entity("south"))

    cursor = group()["cursor"]

    assert (cursor["without_storage"], cursor["parts"]) == (1, {})


def test_what_a_plan_wrote_that_broke_off_is_nothing_that_failed(group, around):
    """A batch behind the last one of its service is nobody's."""
    failed = {"0": Outcome(state="FAILED", error="any")}
    around.put(any_replication(state="PLANNING", plan=2), any_service(batches=1))
    around.put(any_batch(entities=refs("a"), outcomes=failed))
    around.put(any_batch(batch=2, entities=refs("b"), outcomes=failed))

    group(plan=2)

    names = [one["entities"][0]["entity_id"] for one in groups(around, plan=2)["webdav"]]
    assert names == ["a"]
