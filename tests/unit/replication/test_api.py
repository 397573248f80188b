"""The API of replications: every route, for whom, and what it refuses."""

import importlib
import json
import re
import sys

import pytest
from aws_lambda_powertools.event_handler.openapi.models import OpenAPI

from replication.rules.replication import Outcome
from shared.paging import encode_cursor
from tests.unit import http_stub
from tests.unit.aws_errors import fails_with, reply_is_lost
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
        if "query" in options:
            options["query"] = {name: [value] for name, value in options["query"].items()}
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


@pytest.mark.parametrize("state", ["RUNNING", "PAUSED", "CANCELLED", "FINISHED", "FAILED"])
def test_the_same_period_again_is_the_same_replication_whatever_has_come_of_it(post, around, state):
    post(body=ALL)
    around.table.change_state(ID, ["PLANNING"], state)

    answer = post(body=ALL, roles=("service",), subject="other")

    assert (answer.status, answer.body["state"]) == (202, state)
    assert (answer.body["requested_by"], answer.body["requested_at"]) == ("boss", at())
    assert answer.headers["Location"] == f"replications/{ID}"
    assert len(around.executions("ReplicationPlan")) == len(around.items()) == 1


def test_the_order_in_which_entities_are_named_does_not_matter(post):
    ids = {
        post(body={"period": "2026-12", "entities": names}).body["replication_id"]
        for names in (["1003/a", "1002/b"], ["1002/b", "1003/a"], ["1003/a", "1002/b", "1003/a"])
    }

    assert len(ids) == 1
    assert ids != {ID}


def test_stores_the_entities_that_were_named_once_each(post, around):
    answer = post(body={"period": "2026-12", "entities": ["1003/b", "1003/a", "1003/b"]})

    stored = around.replication(answer.body["replication_id"])
    assert (stored.entities, stored.dry_run, stored.requested_at) == (
        ("1003/a", "1003/b"),
        False,
        at(),
    )


def test_other_entities_and_other_periods_are_other_replications(post, around):
    bodies = [ALL, ALL | {"period": "2027-01"}]
    bodies += [{"period": "2026-12", "entities": names} for names in (["1003/a"], ["1003/b"])]

    ids = {post(body=body, key="any").body["replication_id"] for body in bodies}

    assert len(ids) == len(around.executions("ReplicationPlan")) == 4


def test_a_dry_run_may_be_repeated_and_is_the_same_under_the_same_key(post, around):
    rehearsal = ALL | {"dry_run": True}
    first, second = (post(body=rehearsal).body["replication_id"] for _ in range(2))
    third, fourth = (post(body=rehearsal, key="any") for _ in range(2))
    other = post(body=rehearsal, key="any", subject="other").body["replication_id"]

    assert len({first, second, third.body["replication_id"], other, ID}) == 5
    assert third.body == fourth.body
    assert third.headers["Location"] == f"replications/{third.body['replication_id']}"
    assert third.body["dry_run"] is True
    assert len(around.items()) == 4


def test_the_id_of_a_dry_run_can_be_asked_for(get, post):
    named = {"period": "2026-12", "entities": ["1003/a"], "dry_run": True}
    for body in (named, ALL | {"dry_run": True}):
        replication_id = post(body=body).body["replication_id"]

        assert get(f"/{replication_id}").body["replication_id"] == replication_id


def test_a_start_that_is_lost_is_left_to_the_schedule(post, around, intercept):
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    assert post(body=ALL).status == 202
    assert around.replication().state == "PLANNING"
    assert around.executions("ReplicationPlan") == {}


def test_asking_again_makes_up_for_a_start_that_was_lost(post, around, intercept):
    intercept("StartExecution", before=fails_with("ThrottlingException"))
    post(body=ALL)

    post(body=ALL)

    assert list(around.executions("ReplicationPlan")) == [f"{ID}-1"]


def test_a_reply_that_is_lost_leaves_one_replication(post, around, intercept):
    intercept("PutItem", after=reply_is_lost)

    assert post(body=ALL).status == 503
    assert post(body=ALL).status == 202
    assert len(around.items()) == len(around.executions("ReplicationPlan")) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"period": "2026-12"},
        {"period": "2026-12", "all": False},
        {"period": "2026-12", "all": None},
        {"period": "2026-12", "entities": None},
        {"all": True},
        {"period": "", "all": True},
        {"period": "2026-1", "all": True},
        {"period": "2026-12-01", "all": True},
        {"period": 202612, "all": True},
        {"period": "2026-12", "all": True, "dry_run": "perhaps"},
        {"period": "2026-12", "all": True, "entities": ["1003/a"]},
        {"period": "2026-13", "all": True},
        {"period": "December", "all": True},
        {"period": "2026-12", "entities": []},
        {"period": "2026-12", "entities": ["1003"]},
        {"period": "2026-12", "entities": ["1003/a/b"]},
        {"period": "2026-12", "entities": ["/a"]},
        {"period": "2026-12", "entities": ["1003/.."]},
        {"period": "2026-12", "entities": "1003/a"},
        [],
        {"period": "2026-12", "entities": [f"1003/e{n}" for n in range(1001)]},
        {"period": "2026-12", "all": True, "provider": "s3"},
    ],
)
def test_refuses_what_makes_no_sense(post, around, body):
    assert post(body=body).status == 422
    assert around.items() == []
    assert around.executions("ReplicationPlan") == {}


def test_takes_as_many_entities_as_one_request_may_name(post):
    body = {"period": "2026-12", "entities": [f"1003/e{n}" for n in range(1000)]}

    assert post(body=body).status == 202


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


def test_all_views_of_one_moment_add_up_to_the_same(get, around, halfway):
    around.put(any_service(provider="s3", plan=2, batches=1, started=1, entities=2))
    states = {"0": Outcome(state="FAILED", error="TransientError")}
    around.put(started(any_batch(provider="s3", entities=refs("f", "g")), outcomes=states))

    view = get(f"/{ID}").body
    customers = get(f"/{ID}/customers").body["items"]
    entities = get(f"/{ID}/entities").body["items"]
    report = get(f"/{ID}/report").body

    whole = {name: view[name] for name in ("entities", "done", "failed")}
    assert whole == {"entities": 7, "done": 2, "failed": 2}
    for parts in (view["providers"], customers):
        assert {name: sum(one[name] for one in parts) for name in whole} == whole
    assert sum(one["left"] for one in customers) == 3
    assert [one["state"] for one in entities].count("FAILED") == 2
    assert sum(one["entities"] for one in report["failures"]) == 2
    assert report["replication"] == view
    assert [(one["customer_id"], one["provider"]) for one in customers] == [
        ("1003", "s3"),
        ("1003", "webdav"),
        ("1004", "webdav"),
    ]


def test_a_batch_that_the_index_still_has_makes_nothing_less_than_none(get, around, module):
    done = Outcome(state="DONE")
    around.put(any_replication(), any_service(batches=1, entities=2, done=2, ended_batches=1))
    around.put(started(any_batch(), outcomes={"0": done, "1": done}))

    [provider] = get(f"/{ID}").body["providers"]

    assert provider["left"] == 0


@pytest.mark.parametrize(
    ("values", "service", "words"),
    [
        ({"state": "PLANNING"}, {}, "Its entities are being grouped and put into batches."),
        ({}, {}, "3 of 6 entities are done, 1 failed; nobody can tell yet when the last will be."),
        ({"state": "PAUSED"}, {}, "3 of 6 entities are done, 1 failed; the others wait until it"),
        (
            {},
            {"beat": {"forecast": at(90_090), "refuses_until": at(90_000)}},
            f"3 of 6 entities are done, 1 failed; no requests are taken by webdav until"
            f" {at(90_000)}: it goes on by itself then.",
        ),
        (
            {},
            {"beat": {"refuses_until": at(90_000), "refused": "2 of 40 accounts"}},
            "3 of 6 entities are done, 1 failed; no requests are taken by webdav of 2 of 40"
            f" accounts until {at(90_000)}: it goes on by itself then.",
        ),
        ({"state": "CANCELLED"}, {}, "3 of 6 entities are done, 1 failed; the others are left"),
        (
            {"state": "FAILED", "error": "PlanAborted"},
            {},
            "It could not be planned: PlanAborted. When that is mended, retry it.",
        ),
        ({"state": "FINISHED"}, {}, "3 of 6 entities are done, 1 failed. The report says why; a"),
        (
            {"state": "FINISHED"},
            {"done": 6, "failed": 2, "retried": 2},
            "6 of 6 entities are done, 0 failed.",
        ),
    ],
)
def test_says_in_plain_words_what_it_is_at(get, around, module, values, service, words):
    around.put(any_replication(**values))
    around.put(any_service(**{"done": 3, "failed": 1} | service))

    assert get(f"/{ID}").body["situation"].startswith(words)


@pytest.mark.parametrize("state", ["STOPPED", "FINISHED"])
def test_what_does_not_run_has_neither_workers_nor_a_forecast(get, around, module, state):
    beat = {"workers": 3, "wanted": 4, "calls_per_minute": 600, "forecast": at(90)}
    around.put(any_replication(), any_service(state=state, beat=beat))

    view = get(f"/{ID}").body

    [provider] = view["providers"]
    assert (provider["workers"], provider["workers_wanted"]) == (0, 0)
    assert (provider["forecast"], view["forecast"]) == (None, None)


def test_the_forecast_is_that_of_the_provider_that_takes_longest(get, around, module):
    around.put(any_replication(), any_service(beat={"forecast": at(90)}))
    around.put(any_service(provider="s3", beat={"forecast": at(30)}))

    assert get(f"/{ID}").body["forecast"] == at(90)


def test_knows_no_forecast_where_one_provider_has_none(get, around, halfway):
    around.put(any_service(provider="s3", plan=2))

    assert get(f"/{ID}").body["forecast"] is None


def test_shows_how_far_each_customer_is(get, halfway):
    found = get(f"/{ID}/customers").body["items"]

    shown = {one["customer_id"]: (one["done"], one["failed"], one["left"]) for one in found}
    assert shown == {"1003": (2, 1, 1), "1004": (0, 0, 1)}


def test_lists_nobody_while_nothing_is_planned(get, around, module):
    around.put(any_replication(state="PLANNING", planned=False))

    for path in ("customers", "entities"):
        page = get(f"/{ID}/{path}").body
        assert (page["items"], page["next"]) == ([], None)


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


def test_an_entity_that_was_taken_up_again_is_shown_where_it_is_now(get, halfway):
    problems = importlib.import_module("replication.problems")
    problems.note_problems(ID, "1003", "c", "webdav", 1, [("illegal", "Why?.pdf")])

    view = get(f"/{ID}/entities/1003/c").body

    assert (view["state"], view["error"]) == ("DONE", None)
    assert view["problems"] == {"conflicts": [], "illegal": []}


def test_the_report_has_the_most_frequent_failure_first_and_some_examples(get, around, module):
    names = [f"e{n:02}" for n in range(14)]
    failed = {
        str(n): Outcome(state="FAILED", error="Often" if n else "Once", cause=f"cause {n}")
        for n in range(14)
    }
    around.put(any_replication(state="FINISHED"), any_service(batches=1, entities=14, failed=14))
    around.put(any_batch(attempt=1, entities=refs(*names), outcomes=failed))

    often, once = get(f"/{ID}/report").body["failures"]

    assert (often["error"], often["entities"], often["cause"]) == ("Often", 13, "cause 1")
    assert often["examples"] == [f"1003/{name}" for name in names[1:11]]
    assert (once["error"], once["entities"], once["examples"]) == ("Once", 1, ["1003/e00"])


def test_a_report_of_nothing_is_one(get, around, module):
    around.put(any_replication(state="FINISHED"))

    report = get(f"/{ID}/report").body

    assert (report["counts"], report["throttled_share"], report["failures"]) == ({}, 0, [])


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
@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "",
        "ä",
        "A" * 3000,
        encode_cursor({"other": "list"}),
        encode_cursor({"replication_id": ID, "requested_at": "yesterday"}),
        encode_cursor({"replication_id": "service#webdav", "requested_at": at()}),
        encode_cursor({"customer_id": "1003", "provider": "WebDAV!"}),
        encode_cursor({"customer_id": "", "provider": "webdav"}),
        encode_cursor({"item": "service#webdav", "position": "0"}),
        encode_cursor({"item": "batch#webdav#0000001", "position": "all"}),
        encode_cursor({"item": "batch#webdav#0000001", "position": "-2"}),
        encode_cursor({"item": "batch#webdav#0000001\n", "position": "0"}),
    ],
)
def test_refuses_a_cursor_that_is_broken_or_of_another_list(get, halfway, path, cursor):
    answer = get(path, query={"cursor": cursor})

    assert answer.problem == (400, "/problems/invalid-cursor")


@pytest.mark.parametrize("path", ["", f"/{ID}/customers", f"/{ID}/entities"])
@pytest.mark.parametrize("limit", ["0", "101", "many"])
def test_refuses_a_page_of_no_size(get, halfway, path, limit):
    assert get(path, query={"limit": limit}).status == 422


def test_a_cursor_behind_the_end_finds_nothing(get, halfway):
    behind = {
        "": {"replication_id": ID, "requested_at": "2000-01-01T00:00:00Z"},
        f"/{ID}/customers": {"customer_id": "9999", "provider": "webdav"},
        f"/{ID}/entities": {"item": "batch#webdav#0000009", "position": "9999"},
    }
    for path, position in behind.items():
        page = get(path, query={"cursor": encode_cursor(position)}).body

        assert (page["items"], page["next"]) == ([], None)


@pytest.mark.parametrize(
    "name", ["2026-12", "2026-12-ALL", "2026-12-all-dry-x", "2026-12-1234567g"]
)
def test_refuses_what_can_be_no_id(get, name):
    assert get(f"/{name}").status == 422


@pytest.mark.parametrize(("method", "path"), [route[:2] for route in ROUTES if route[1]])
def test_says_that_there_is_no_such_replication(send, method, path):
    answer = send(method, path, **({"body": {}} if method == "POST" else {}))

    assert answer.problem == (404, "/problems/unknown-replication")


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


def test_a_run_that_cannot_be_started_is_left_to_the_schedule(post, around, intercept):
    around.put(any_replication(state="PAUSED"), any_service(state="STOPPED"))
    intercept("StartExecution", before=fails_with("ThrottlingException"))

    assert post(f"/{ID}/resume").status == 200
    assert (around.replication().state, around.service().run) == ("RUNNING", 2)


def test_resuming_again_makes_up_for_a_request_that_broke_off(post, around, intercept):
    around.put(any_replication(state="PAUSED"), any_service(state="STOPPED"))
    intercept("UpdateItem", before=fails_with("InternalServerError", status=500), nth=2)

    assert post(f"/{ID}/resume").status == 503
    assert around.service().state == "STOPPED"
    assert post(f"/{ID}/resume").status == 200
    assert around.service().state == "RUNNING"


@pytest.mark.parametrize("services", [[], [any_service(state="FINISHED", plan=1)]])
def test_a_retry_that_is_not_planned_yet_is_planned_on_when_it_is_resumed(post, around, services):
    """It would end at once with the services of the plan before, if it were running."""
    around.put(any_replication(state="PAUSED", plan=2), *services)

    assert post(f"/{ID}/resume").body["state"] == "PLANNING"
    assert list(around.executions("ReplicationPlan")) == [f"{ID}-2"]


def test_a_retry_that_is_planned_runs_on_when_it_is_resumed(post, around):
    around.put(any_replication(state="PAUSED", plan=2), any_service(state="STOPPED", plan=2))

    assert post(f"/{ID}/resume").body["state"] == "RUNNING"
    assert around.executions("ReplicationPlan") == {}


def test_pausing_and_cancelling_start_and_stop_nothing_themselves(post, around):
    around.put(any_replication(), any_service())
    for action in ("pause", "pause", "cancel", "cancel"):
        assert post(f"/{ID}/{action}").status == 200

    assert around.service() == any_service()
    assert around.executions("ReplicationService") == {}


def test_what_was_cancelled_is_over_until_it_is_resumed(post, around):
    around.put(any_replication(), any_service())

    post(f"/{ID}/cancel")
    assert around.table.open_replications() == []
    post(f"/{ID}/resume")
    assert [one.replication_id for one in around.table.open_replications()] == [ID]


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


def test_a_retry_that_comes_late_does_not_begin_another_one(post, around, intercept):
    """Somebody else's retry has ended between the look at the state and its change."""
    around.put(any_replication(state="FINISHED"))

    def retried_meanwhile():
        around.table.change_state(ID, ["FINISHED"], "FINISHED", plan=2)

    intercept("UpdateItem", before=retried_meanwhile)

    assert post(f"/{ID}/retry").problem == (409, "/problems/not-possible")
    assert (around.replication().state, around.replication().plan) == ("FINISHED", 2)
    assert around.executions("ReplicationPlan") == {}


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


def test_its_document_is_one_of_openapi(get):
    document = get("/openapi.json").body

    OpenAPI.model_validate(document)
    schemas = document["components"]["schemas"]
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert used <= set(schemas)
    ids = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(ids)) == len(ids)
    accepted = document["paths"]["/replications"]["post"]["responses"]
    assert "202" in accepted
    assert "200" not in accepted
    assert schemas["ReplicationRequest"]["required"] == ["period"]
