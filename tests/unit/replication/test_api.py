"""The API of replications: every route, for whom, and what it refuses."""

import importlib
import json
import sys

import pytest

from replication.rules.replication import Outcome
from shared.paging import encode_cursor
from tests.unit import http_stub
from tests.unit.aws_errors import fails_with
from tests.unit.shared.test_rest import Answer, event
from tests.unit.tokens import SETTINGS, Issuer

from .factories import NOW, any_batch, any_replication, any_service, at, refs, started

MODULE = "replication.api"
ID = "2026-12-all"
ROLES = {"representative", "supervisor", "operator", "service"}
READ, ASK, STEER = {"supervisor", "operator", "service"}, {"operator", "service"}, {"operator"}
ALL = {"period": "2026-12", "all": True}
ROUTES = [
    ("POST", "", ASK),
    ("GET", "", READ),
    ("GET", f"/{ID}", READ),
    ("GET", f"/{ID}/customers", READ),
    ("GET", f"/{ID}/entities", READ),
    ("GET", f"/{ID}/entities/1003/north", READ),
    ("GET", f"/{ID}/report", READ),
    *(("POST", f"/{ID}/{action}", STEER) for action in ("pause", "resume", "cancel", "retry")),
]


@pytest.fixture
def issuer(monkeypatch):
    return Issuer(http_stub.install(monkeypatch))


@pytest.fixture(scope="module")
def loaded():
    """What importing the API has made: its routes take long to make, and are always the same."""
    return {}


@pytest.fixture
def module(load, clock, issuer, loaded):
    if not loaded:
        load(MODULE, **SETTINGS)
        kept = ("replication.", "shared.rest", "shared.identity")
        loaded |= {name: sys.modules[name] for name in list(sys.modules) if name.startswith(kept)}
    sys.modules.update(loaded)
    clock(NOW)
    return loaded[MODULE]


@pytest.fixture
def send(module, around, issuer, context):
    """Send a request; the caller is an operator unless `roles` says otherwise."""

    def request(method, path="", *, roles=("operator",), subject="boss", key=None, **options):
        token = issuer.headers(*roles, sub=subject)
        headers = token | ({"Idempotency-Key": key} if key else {})
        given = event(method, f"/replications{path}", headers=headers, **options)
        return Answer(module.handler(given, context))

    return request


@pytest.fixture
def get(send):
    return lambda path="", **options: send("GET", path, **options)


@pytest.fixture
def post(send):
    return lambda path="", body=None, **options: send("POST", path, body=body or {}, **options)


# --- who may


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
def test_each_route_takes_its_roles_and_no_others(send, method, path, allowed):
    refused = {
        role
        for role in ROLES
        if send(method, path, roles=(role,), **({"body": {}} if method == "POST" else {})).status
        == 403
    }

    assert refused == ROLES - allowed


@pytest.mark.parametrize(("method", "path"), [route[:2] for route in ROUTES])
def test_nobody_gets_in_without_a_token(module, context, method, path):
    assert Answer(module.handler(event(method, f"/replications{path}"), context)).status == 401


# --- asking


def test_a_period_is_accepted_stored_and_planned(post, around):
    answer = post(body=ALL)

    assert answer.status == 202
    assert answer.headers["Location"] == f"replications/{ID}"
    assert (answer.body["replication_id"], answer.body["state"]) == (ID, "PLANNING")
    assert around.replication().requested_by == "boss"
    assert around.executions("ReplicationPlan") == {f"{ID}-1": {"replication_id": ID, "plan": 1}}


def test_the_same_period_again_is_the_same_replication(post, around):
    post(body=ALL)
    around.table.change_state(ID, ["PLANNING"], "FINISHED", finished_at=at())

    answer = post(body=ALL, roles=("service",), subject="other")

    assert (answer.status, answer.body["state"]) == (202, "FINISHED")
    assert len(around.executions("ReplicationPlan")) == 1


def test_the_order_in_which_entities_are_named_does_not_matter(post):
    ids = {
        post(body={"period": "2026-12", "entities": names}).body["replication_id"]
        for names in (["1003/a", "1002/b"], ["1002/b", "1003/a"], ["1003/a", "1002/b", "1003/a"])
    }

    assert len(ids) == 1
    assert ids != {ID}


def test_a_dry_run_may_be_repeated_and_is_the_same_under_the_same_key(post):
    rehearsal = ALL | {"dry_run": True}
    first, second = (post(body=rehearsal).body["replication_id"] for _ in range(2))
    third, fourth = (post(body=rehearsal, key="any").body["replication_id"] for _ in range(2))

    assert len({first, second, third, ID}) == 4
    assert third == fourth


def test_a_start_that_is_lost_is_left_to_the_schedule(post, around, intercept):
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    assert post(body=ALL).status == 202
    assert around.replication().state == "PLANNING"


@pytest.mark.parametrize(
    "body",
    [
        {"period": "2026-12"},
        {"period": "2026-12", "all": False},
        {"period": "2026-12", "all": True, "entities": ["1003/a"]},
        {"period": "2026-13", "all": True},
        {"period": "December", "all": True},
        {"period": "2026-12", "entities": []},
        {"period": "2026-12", "entities": ["1003"]},
        {"period": "2026-12", "entities": ["1003/a/b"]},
        {"period": "2026-12", "entities": [f"1003/e{n}" for n in range(1001)]},
        {"period": "2026-12", "all": True, "provider": "s3"},
    ],
)
def test_refuses_what_makes_no_sense(post, around, body):
    assert post(body=body).status == 422
    assert around.items() == []


# --- seeing


@pytest.fixture
def halfway(module, around):
    """One batch has ended, one runs, one waits; a failure of the first was taken up again."""
    failed = Outcome(state="FAILED", error="StorageRefused", cause="StorageFull: any")
    retried = Outcome(state="RETRIED", error="any", plan=2)
    done = Outcome(state="DONE", counts={"calls": 10, "throttled": 1})
    around.put(any_replication(plan=2, without_storage=2))
    around.put(
        any_service(
            plan=2,
            batches=3,
            started=2,
            ended_batches=1,
            entities=5,
            done=1,
            failed=2,
            retried=1,
            counts={"calls": 30},
            beat={"workers": 1, "wanted": 2, "calls_per_minute": 600, "forecast": at(90)},
            first_forecast=at(60),
        )
    )
    around.put(
        any_batch(
            batch=1,
            entities=refs("a", "b", "c"),
            outcomes={"0": done, "1": failed, "2": retried},
        ),
        started(
            any_batch(batch=2, entities=refs("c", "d", customer_id="1003")),
            outcomes={"0": done},
        ),
        any_batch(batch=3, entities=refs("e", customer_id="1004")),
    )


def test_shows_how_far_each_provider_is(get, halfway):
    view = get(f"/{ID}").body

    [provider] = view["providers"]
    assert (provider["entities"], provider["done"], provider["failed"]) == (5, 2, 1)
    assert provider["left"] == 2
    assert provider["counts"] == {"calls": 40, "throttled": 1}
    assert provider["throttled_share"] == 0.025
    assert (provider["workers"], provider["workers_wanted"]) == (1, 2)
    assert (view["forecast"], provider["first_forecast"]) == (at(90), at(60))
    assert view["without_storage"] == 2
    assert view["situation"] == (
        f"2 of 5 entities are done, 1 failed; the last should be done at {at(90)}."
    )


def test_knows_no_forecast_where_one_provider_has_none(get, around, halfway):
    around.put(any_service(provider="s3", plan=2))

    assert get(f"/{ID}").body["forecast"] is None


def test_shows_how_far_each_customer_is(get, halfway):
    found = get(f"/{ID}/customers").body["items"]

    shown = {one["customer_id"]: (one["done"], one["failed"], one["left"]) for one in found}
    assert shown == {"1003": (2, 1, 1), "1004": (0, 0, 1)}


def test_lists_customers_page_by_page(get, halfway):
    first = get(f"/{ID}/customers", query={"limit": "1"}).body
    second = get(f"/{ID}/customers", query={"limit": "1", "cursor": first["next"]}).body

    assert [one["customer_id"] for one in first["items"] + second["items"]] == ["1003", "1004"]
    assert second["next"] is None


def test_lists_entities_where_they_are_now(get, halfway):
    found = get(f"/{ID}/entities").body["items"]

    assert [(one["entity_id"], one["state"]) for one in found] == [
        ("a", "DONE"),
        ("b", "FAILED"),
        ("c", "DONE"),
        ("d", "WAITING"),
        ("e", "WAITING"),
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"state": "FAILED"}, ["b"]),
        ({"state": "WAITING"}, ["d", "e"]),
        ({"customer_id": "1004"}, ["e"]),
    ],
)
def test_lists_some_of_the_entities(get, halfway, query, names):
    found = get(f"/{ID}/entities", query=query).body["items"]

    assert [one["entity_id"] for one in found] == names


def test_lists_entities_page_by_page_over_batches(get, halfway):
    names, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = get(f"/{ID}/entities", query=query).body
        names += [one["entity_id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert names == ["a", "b", "c", "d", "e"]


def test_lists_entities_over_many_batches(get, around, module, monkeypatch):
    monkeypatch.setattr(around.table, "_A_PAGE", 20)
    around.put(any_replication(), any_service(batches=45))
    around.put(*(any_batch(batch=n, entities=refs(f"e{n}")) for n in range(1, 46)))

    names, cursor, pages = [], None, 0
    while cursor or not pages:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        page = get(f"/{ID}/entities", query=query).body
        names += [one["entity_id"] for one in page["items"]]
        cursor, pages = page["next"], pages + 1

    assert names == [f"e{n}" for n in range(1, 46)]


def test_shows_what_is_in_the_way_of_an_entity(get, around, halfway):
    problems = importlib.import_module("replication.problems")
    found = [("conflicts", "Bank/a.pdf"), ("illegal", "Why?.pdf")]
    problems.note_problems(ID, "1003", "b", "webdav", 1, found)

    view = get(f"/{ID}/entities/1003/b").body

    assert (view["state"], view["cause"]) == ("FAILED", "StorageFull: any")
    assert view["problems"] == {"conflicts": ["Bank/a.pdf"], "illegal": ["Why?.pdf"]}
    assert get(f"/{ID}/entities/1003/a").body["problems"] == {"conflicts": [], "illegal": []}
    assert get(f"/{ID}/entities/1003/z").status == 404


def test_the_report_groups_failures_by_their_error(get, halfway):
    report = get(f"/{ID}/report").body

    assert report["counts"]["calls"] == 40
    assert report["failures"] == [
        {
            "error": "StorageRefused",
            "entities": 1,
            "cause": "StorageFull: any",
            "examples": ["1003/b"],
        }
    ]


def test_lists_replications_the_latest_first(get, around):
    for month in ("10", "11", "12"):
        around.put(
            any_replication(
                replication_id=f"2026-{month}-all",
                period=f"2026-{month}",
                requested_at=f"2026-{month}-01T02:00:00Z",
            )
        )

    first = get(query={"limit": "2"}).body
    second = get(query={"limit": "2", "cursor": first["next"]}).body

    periods = [one["period"] for one in first["items"] + second["items"]]
    assert periods == ["2026-12", "2026-11", "2026-10"]


@pytest.mark.parametrize("path", ["", f"/{ID}/customers", f"/{ID}/entities"])
@pytest.mark.parametrize("cursor", ["nonsense", encode_cursor({"other": "list"})])
def test_refuses_a_cursor_of_another_list(get, halfway, path, cursor):
    assert get(path, query={"cursor": cursor}).status == 400


@pytest.mark.parametrize("path", [path for method, path, _ in ROUTES if path and method == "GET"])
def test_says_that_there_is_no_such_replication(get, path):
    answer = get(path)

    assert (answer.status, answer.body["type"]) == (404, "/problems/unknown-replication")


# --- steering

STATES = ("PLANNING", "RUNNING", "PAUSED", "CANCELLED", "FINISHED", "FAILED")
AFTER = {
    ("pause", "PLANNING"): "PAUSED",
    ("pause", "RUNNING"): "PAUSED",
    ("pause", "PAUSED"): "PAUSED",
    ("cancel", "PLANNING"): "CANCELLED",
    ("cancel", "RUNNING"): "CANCELLED",
    ("cancel", "PAUSED"): "CANCELLED",
    ("cancel", "CANCELLED"): "CANCELLED",
    ("resume", "RUNNING"): "RUNNING",
    ("resume", "PAUSED"): "RUNNING",
    ("resume", "CANCELLED"): "RUNNING",
    ("retry", "PLANNING"): "PLANNING",
    ("retry", "FINISHED"): "PLANNING",
    ("retry", "FAILED"): "PLANNING",
}
"""What an action makes of a state; anything else is refused."""


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("action", ["pause", "cancel", "resume", "retry"])
def test_steers_where_that_is_possible_and_says_where_not(post, around, action, state):
    around.put(any_replication(state=state), any_service())

    answer = post(f"/{ID}/{action}")

    after = AFTER.get((action, state))
    if after is None:
        assert (answer.status, answer.body["type"]) == (409, "/problems/not-possible")
        assert answer.body["detail"] == f"The replication is {state}."
        assert around.replication().state == state
    else:
        assert (answer.status, answer.body["state"]) == (200, after)
        assert around.replication().state == after


def test_resuming_starts_the_next_run_of_services_that_have_stopped(post, around):
    around.put(any_replication(state="PAUSED"), any_service(state="STOPPED"))
    around.put(any_service(provider="s3", state="FINISHED"))

    post(f"/{ID}/resume")

    assert list(around.executions("ReplicationService")) == [f"{ID}-webdav-2"]
    assert (around.service().state, around.service().run) == ("RUNNING", 2)


def test_resuming_twice_starts_one_run(post, around):
    around.put(any_replication(state="PAUSED"), any_service(state="STOPPED"))

    for _ in range(2):
        post(f"/{ID}/resume")

    assert len(around.executions("ReplicationService")) == 1


def test_resuming_one_that_was_not_planned_yet_has_it_planned(post, around):
    around.put(any_replication(state="PAUSED", planned=False))

    assert post(f"/{ID}/resume").body["state"] == "PLANNING"
    assert list(around.executions("ReplicationPlan")) == [f"{ID}-1"]


def test_a_retry_is_the_next_plan(post, around):
    around.put(any_replication(state="FINISHED", finished_at=at()))

    post(f"/{ID}/retry")

    assert around.executions("ReplicationPlan") == {f"{ID}-2": {"replication_id": ID, "plan": 2}}
    assert around.replication().finished_at is None


def test_a_retry_that_is_asked_for_twice_is_one_plan(post, around):
    around.put(any_replication(state="FINISHED"))

    for _ in range(2):
        assert post(f"/{ID}/retry").status == 200

    assert list(around.executions("ReplicationPlan")) == [f"{ID}-2"]


def test_a_retry_forgets_the_error_of_a_plan(post, around):
    around.put(any_replication(state="FAILED", planned=False, error="any", cause="any"))

    view = post(f"/{ID}/retry").body

    assert (view["error"], view["cause"]) == (None, None)


# --- about itself


def test_describes_itself(get):
    document = get("/openapi.json").body

    described = {
        (method.upper(), path.removeprefix("/replications"))
        for path, methods in document["paths"].items()
        for method in methods
    }
    named = "/{replication_id}"
    expected = {
        (method, path.replace(f"/{ID}", named).replace("/1003/north", "/{customer_id}/{entity_id}"))
        for method, path, _ in ROUTES
    }
    assert described == expected | {("GET", "/openapi.json")}
    assert json.dumps(document)
