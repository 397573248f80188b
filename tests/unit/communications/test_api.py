"""The API of communications: every route, for whom, and what it refuses."""

import hashlib
import json
import sys

import pytest

from communications.rules.clusters import Cluster
from shared.paging import decode_cursor, encode_cursor
from tests.unit import http_stub
from tests.unit.aws_errors import fails_with, reply_is_lost
from tests.unit.shared.test_rest import Answer, event
from tests.unit.tokens import SETTINGS, Issuer

from .factories import (
    BODY,
    ID,
    PHONE,
    RECIPIENT,
    any_communication,
    any_failed,
    any_sending,
    any_sent,
    any_unknown,
)
from .surroundings import FAR_AHEAD

MODULE = "communications.api"
RUN = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
ROLES = ("representative", "supervisor", "operator", "service")
MAIL = {"channel": "email", "recipient": RECIPIENT, "subject": "Your parcel", "body": BODY}


@pytest.fixture
def issuer(monkeypatch):
    return Issuer(http_stub.install(monkeypatch))


@pytest.fixture(scope="module")
def loaded():
    """What importing the API has made: its routes take long to make, and are always the same."""
    return {}


@pytest.fixture
def module(step, issuer, loaded):
    if not loaded:
        step(MODULE, **SETTINGS)
        kept = ("communications.", "shared.rest", "shared.identity")
        loaded |= {name: sys.modules[name] for name in list(sys.modules) if name.startswith(kept)}
    sys.modules.update(loaded)
    return loaded[MODULE]


@pytest.fixture
def send(module, issuer, context):
    """Send a request; `roles` are the caller's, who may do everything unless they are named."""

    def request(method, path="", *, roles=("supervisor", "operator"), subject="sarah.k", **options):
        token = issuer.headers(*roles, sub=subject)
        headers = token | options.pop("headers", {})
        given = event(method, f"/communications{path}", headers=headers, **options)
        return Answer(module.handler(given, context))

    return request


@pytest.fixture
def post(send):
    return lambda path="", body=None, **options: send("POST", path, body=body or {}, **options)


@pytest.fixture
def get(send):
    return lambda path="", **options: send("GET", path, **options)


@pytest.fixture
def pages(get):
    """Read a list to its end; gives the items of each page."""

    def read(path, **query):
        given, found = {name: [value] for name, value in query.items()}, []
        while True:
            answer = get(path, query=given)
            assert answer.status == 200, answer.text
            found.append(answer.body["items"])
            if answer.body["next"] is None:
                return found
            given = given | {"cursor": [answer.body["next"]]}

    return read


# --- who may

PERMITTED = [
    ("POST", "", ROLES),
    ("GET", f"/{ID}", ROLES),
    ("POST", f"/{ID}/retry", ("supervisor", "operator", "service")),
    ("POST", f"/{ID}/discard", ("supervisor", "operator")),
    ("POST", f"/{ID}/resolve", ("supervisor", "operator")),
    ("GET", "/failed", ("supervisor", "operator", "service")),
    ("GET", "/failed/clusters", ("supervisor", "operator")),
    ("POST", "/redrives", ("operator",)),
    ("GET", "/redrives", ("supervisor", "operator")),
    ("GET", f"/redrives/{RUN}", ("supervisor", "operator")),
    ("GET", "/suppressions", ("supervisor", "operator")),
    ("POST", "/suppressions", ("supervisor", "operator")),
    ("POST", "/suppressions/release", ("operator",)),
]


@pytest.mark.parametrize(("method", "path", "permitted"), PERMITTED)
def test_a_route_is_for_its_roles_and_for_no_other(send, method, path, permitted):
    for role in ROLES:
        answer = send(method, path, roles=[role], body={} if method == "POST" else None)

        assert (answer.status == 403) == (role not in permitted), role
    assert send(method, path, roles=[]).status == 403


def test_every_route_is_among_those(get):
    described = get("/openapi.json").body["paths"]

    routes = {
        (method.upper(), path.replace("{communication_id}", ID).replace("{run_id}", RUN))
        for path, operations in described.items()
        for method in operations
    }
    expected = {(method, f"/communications{path}") for method, path, _ in PERMITTED}
    assert routes - {("GET", "/communications/openapi.json")} == expected


def test_who_has_no_token_learns_nothing(module, context):
    answer = Answer(module.handler(event("GET", "/communications/failed"), context))

    assert answer.problem == (401, "/problems/unauthenticated")


def test_the_sample_event_asks_for_what_failed(module, around, issuer, event_of, context):
    around.put(any_failed(), any_failed(communication_id="c2", channel="sms", recipient=PHONE))
    sample = event_of(MODULE)
    [token] = issuer.headers("operator").values()
    sample["headers"]["Authorization"] = token
    sample["multiValueHeaders"]["Authorization"] = [token]

    answer = Answer(module.handler(sample, context))

    assert [one["communication_id"] for one in answer.body["items"]] == [ID]


# --- composing


def test_composes_stores_and_queues(post, around):
    answer = post(body=MAIL, roles=["representative"])

    [stored], [queued] = around.all(), around.bodies()
    assert answer.status == 202
    assert answer.body == {
        "communication_id": stored.communication_id,
        "state": "QUEUED",
        "version": 1,
    }
    assert answer.headers["Location"] == f"communications/{stored.communication_id}"
    assert answer.headers["ETag"] == '"1"'
    assert (stored.sent, stored.created_by, stored.body) == (0, "sarah.k", BODY)
    assert stored.trace_id == stored.communication_id
    assert queued["primaryId"] == stored.communication_id
    assert queued["createdBy"] == "sarah.k"


def test_looks_up_the_address_of_a_customer(post, around):
    around.put_customer(phone=PHONE)

    post(body={"channel": "email", "customer_id": "1001", "subject": "a", "body": "b"})
    post(body={"channel": "sms", "customer_id": "1001", "body": "b"})

    assert sorted(one.recipient for one in around.all()) == [PHONE, RECIPIENT]


def test_two_requests_are_two_communications(post, around):
    post(body=MAIL)
    post(body=MAIL)

    assert len(around.all()) == 2


def test_the_same_request_under_one_key_is_one_communication(post, around):
    first = post(body=MAIL, headers={"Idempotency-Key": "k1"})
    second = post(body=MAIL, headers={"Idempotency-Key": "k1"})

    assert (first.status, first.body) == (second.status, second.body)
    assert len(around.all()) == 1


def test_the_same_key_of_another_caller_is_another(post, around):
    post(body=MAIL, headers={"Idempotency-Key": "k1"})
    post(body=MAIL, headers={"Idempotency-Key": "k1"}, subject="jane")

    assert len(around.all()) == 2


def test_another_request_under_one_key_is_refused(post, around):
    post(body=MAIL, headers={"Idempotency-Key": "k1"})

    answer = post(body=MAIL | {"body": "Another"}, headers={"Idempotency-Key": "k1"})

    assert answer.problem == (409, "/problems/idempotency-key-taken")
    assert [one.body for one in around.all()] == [BODY]


def test_the_same_key_gives_what_was_stored_although_the_customer_s_address_is_gone(post, around):
    around.put_customer()
    body = {"channel": "email", "customer_id": "1001", "subject": "a", "body": "b"}
    first = post(body=body, headers={"Idempotency-Key": "k1"})
    around.put_customer(email=None)

    second = post(body=body, headers={"Idempotency-Key": "k1"})

    assert (second.status, second.body) == (202, first.body)
    assert post(body=body, headers={"Idempotency-Key": "k2"}).status == 422


@pytest.mark.parametrize(
    "trouble", [{"before": fails_with("InternalError", status=500)}, {"after": reply_is_lost}]
)
def test_queues_what_was_stored_when_the_request_comes_again(post, around, intercept, trouble):
    intercept("SendMessage", **trouble)
    assert post(body=MAIL, headers={"Idempotency-Key": "k1"}).status == 503

    assert post(body=MAIL, headers={"Idempotency-Key": "k1"}).status == 202

    [stored] = around.all()
    assert around.bodies()[-1]["primaryId"] == stored.communication_id


INVALID = {
    "nobody": {"recipient": None},
    "no address": {"recipient": "Peter Miller"},
    "two addresses": {"recipient": "a@example.com, b@example.com"},
    "header injection": {"recipient": "a@example.com\nBcc: b@example.com"},
    "a telephone": {"recipient": PHONE},
    "unknown customer": {"recipient": None, "customer_id": "1002"},
    "template and body": {"template": "case_update"},
    "neither": {"body": None},
    "no subject": {"subject": None},
    "fields without a template": {"fields": {"name": "any"}},
    "unknown template": {"body": None, "subject": None, "template": "nothing"},
    "a subject for a template": {"body": None, "template": "case_update", "fields": {}},
    "missing fields": {"body": None, "subject": None, "template": "case_update"},
    "a subject of an SMS": {"channel": "sms", "recipient": PHONE},
    "an SMS that is too long": {
        **{"channel": "sms", "recipient": PHONE, "subject": None, "body": "x" * 1601}
    },
    "no telephone": {"channel": "sms", "subject": None},
    "another channel": {"channel": "fax"},
    "an empty body": {"body": ""},
    "a body that is too long": {"body": "x" * 20_001},
    "an unknown member": {"more": "any"},
    "a path": {"body": None, "subject": None, "template": "../case_update"},
}


@pytest.mark.parametrize("changed", INVALID.values(), ids=INVALID)
def test_refuses_what_could_never_be_sent(post, around, changed):
    values = {name: value for name, value in (MAIL | changed).items() if value is not None}

    answer = post(body=values)

    assert answer.status == 422
    assert around.all() == around.queued() == []


def test_takes_an_sms_of_the_greatest_length(post, around):
    body = {"channel": "sms", "recipient": PHONE, "body": "x" * 1600}

    assert post(body=body).status == 202


# --- one communication


def test_reads_one_with_its_history(get, around):
    around.put(any_failed(version=7))

    answer = get(f"/{ID}", roles=["representative"])

    assert (answer.status, answer.headers["ETag"]) == (200, '"7"')
    assert (answer.body["state"], answer.body["sent"]) == ("FAILED", 0)
    assert (answer.body["error"], answer.body["body"]) == ("ServiceUnavailable", BODY)
    assert answer.body["not_before"] is None
    assert answer.body["history"][0]["event"] == "composed"
    assert "request_digest" not in answer.body


@pytest.mark.parametrize(
    ("record", "waits_until"),
    [
        (any_communication(not_before=FAR_AHEAD), FAR_AHEAD),
        (any_failed(state="DEAD_LETTER", due_at=FAR_AHEAD), FAR_AHEAD),
        (any_sent(), None),
    ],
)
def test_says_until_when_it_waits(get, around, record, waits_until):
    around.put(record)

    assert get(f"/{ID}").body["not_before"] == waits_until


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/nobody", None),
        ("POST", "/nobody/retry", {}),
        ("POST", "/nobody/retry", {"run_id": RUN}),
        ("POST", "/nobody/discard", {"reason": "any"}),
        ("POST", "/nobody/resolve", {"outcome": "sent", "evidence": "any"}),
    ],
)
def test_does_not_know_what_is_not_there(send, method, path, body):
    answer = send(method, path, body=body, roles=ROLES)

    assert answer.problem == (404, "/problems/unknown-communication")


ACTIONS = {
    "retry": {},
    "discard": {"reason": "any"},
    "resolve": {"outcome": "sent", "evidence": "any"},
}
FITTING = {"retry": any_failed, "discard": any_failed, "resolve": any_unknown}


@pytest.mark.parametrize("action", ACTIONS)
def test_changes_only_the_version_that_the_caller_has_seen(post, around, action):
    around.put(FITTING[action](version=7))

    stale = post(f"/{ID}/{action}", ACTIONS[action], headers={"If-Match": '"6"'})
    fresh = post(f"/{ID}/{action}", ACTIONS[action], headers={"If-Match": '"7"'})

    assert stale.problem == (412, "/problems/stale-version")
    assert stale.body["version"] == 7
    assert fresh.status in (200, 202)
    assert fresh.headers["ETag"] == '"8"'


@pytest.mark.parametrize("action", ACTIONS)
def test_the_second_of_two_people_does_not_undo_the_first(post, around, intercept, action):
    around.put(FITTING[action](version=7))
    intercept("PutItem", before=lambda: around.put(any_sent(version=8)))

    answer = post(f"/{ID}/{action}", ACTIONS[action], headers={"If-Match": '"7"'})

    assert answer.status == 412
    assert around.get() == any_sent(version=8)
    assert around.queued() == []


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(
    "record", [any_sent(), any_sending(), any_communication(state="DISCARDED")]
)
def test_refuses_what_the_state_does_not_allow(post, around, action, record):
    around.put(record)

    answer = post(f"/{ID}/{action}", ACTIONS[action])

    assert answer.problem == (409, "/problems/not-possible")
    assert record.state in answer.body["detail"]
    assert around.get() == record


@pytest.mark.parametrize("record", [any_failed(), any_failed(state="DEAD_LETTER")])
def test_sends_a_failed_one_again(post, around, record):
    around.put(record)

    answer = post(f"/{ID}/retry")

    after = around.get()
    assert answer.status == 202
    assert answer.body == {"communication_id": ID, "state": "QUEUED", "version": 2}
    assert (after.state, after.history[-1].by) == ("QUEUED", "sarah.k")
    assert [body["primaryId"] for body in around.bodies()] == [ID]


def test_corrects_the_address_of_a_retry(post, around):
    around.put(any_failed())

    assert post(f"/{ID}/retry", {"recipient": " jane@example.com "}).status == 202

    assert around.get().recipient == "jane@example.com"


def test_refuses_an_address_of_the_other_channel(post, around):
    around.put(any_failed())

    answer = post(f"/{ID}/retry", {"recipient": PHONE})

    assert answer.problem == (422, "/problems/invalid-recipient")
    assert around.get() == any_failed()


def test_gives_one_up(post, around):
    around.put(any_failed())

    answer = post(f"/{ID}/discard", {"reason": "Told by telephone."})

    assert (answer.status, answer.body["state"]) == (200, "DISCARDED")
    assert around.get().history[-1].detail == "Told by telephone."
    assert "open_state" not in around.item()


@pytest.mark.parametrize(("outcome", "state"), [("sent", "SENT"), ("not_sent", "FAILED")])
def test_takes_a_person_s_word_for_a_lost_reply(post, around, outcome, state):
    around.put(any_unknown())

    answer = post(f"/{ID}/resolve", {"outcome": outcome, "evidence": "The customer called."})

    assert (answer.status, answer.body["state"]) == (200, state)
    assert answer.body["sent"] == (state == "SENT")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("discard", {}),
        ("discard", {"reason": "  "}),
        ("discard", {"reason": "x" * 501}),
        ("resolve", {"outcome": "maybe", "evidence": "any"}),
        ("resolve", {"outcome": "sent"}),
        ("retry", {"recipient": "x" * 300}),
        ("retry", {"run_id": "a/b"}),
        ("retry", {"more": 1}),
    ],
)
def test_refuses_a_request_of_another_form(post, around, path, body):
    around.put(any_failed())

    assert post(f"/{ID}/{path}", body).problem == (422, "/problems/invalid-request")
    assert around.get() == any_failed()


# --- redriving one


def redrive(post, run_id=RUN, **options):
    return post(f"/{ID}/retry", {"run_id": run_id}, roles=["service"], subject="service", **options)


def test_redrives_one_for_a_run(post, around):
    around.put(any_failed())

    answer = redrive(post, headers={"If-Match": '"1"'})

    after = around.get()
    assert (answer.status, after.state) == (202, "QUEUED")
    assert (after.redrives, after.redrive_run) == (1, RUN)


def test_the_same_run_asks_twice_and_counts_once(post, around):
    around.put(any_failed())
    redrive(post, headers={"If-Match": '"1"'})

    answer = redrive(post, headers={"If-Match": '"1"'})

    assert answer.status == 202
    assert (around.get().redrives, around.get().version) == (1, 2)
    assert len(around.queued()) == 2


@pytest.mark.parametrize(
    "since",
    [
        any_sending(),
        any_sent(),
        any_unknown(),
        any_failed(),
        any_failed(state="DEAD_LETTER"),
        any_communication(state="DISCARDED"),
    ],
    ids=lambda record: record.state,
)
def test_the_same_run_asks_again_after_the_worker_was_faster(post, around, since):
    record = since.changed(None, redrives=3, redrive_run=RUN)
    around.put(record)

    answer = redrive(post, headers={"If-Match": '"1"'})

    assert answer.status == 202
    assert around.get() == record
    assert around.queued() == []


@pytest.mark.parametrize(
    ("roles", "body"),
    [
        (("supervisor", "operator"), {"run_id": RUN}),
        (("supervisor", "operator"), {"run_id": RUN, "recipient": RECIPIENT}),
        (("service",), {"run_id": RUN, "recipient": RECIPIENT}),
        (ROLES, {"run_id": RUN, "recipient": RECIPIENT}),
    ],
)
def test_only_the_system_itself_redrives_and_changes_no_address(post, around, roles, body):
    around.put(any_failed())

    answer = post(f"/{ID}/retry", body, roles=roles)

    assert answer.problem == (403, "/problems/forbidden")
    assert around.get() == any_failed()
    assert around.queued() == []


def test_another_run_does_not_take_what_waits(post, around):
    around.put(any_failed())
    redrive(post)

    answer = redrive(post, run_id="run-2")

    assert answer.problem == (409, "/problems/not-possible")


def test_redrives_none_more_often_than_allowed(post, around):
    around.put(any_failed(redrives=3))

    answer = redrive(post)

    assert answer.problem == (409, "/problems/redrive-limit")
    assert around.get().redrives == 3


def test_redrives_nothing_that_waits_for_a_person(post, around):
    around.put(any_unknown())

    assert redrive(post).problem == (409, "/problems/not-possible")


# --- what was not sent


def many(count, **changed):
    return [
        any_failed(
            communication_id=f"c{number:02}",
            created_at=f"2026-03-02T10:{number:02}:00Z",
            **changed,
        )
        for number in range(count)
    ]


def ids(items):
    return [one["communication_id"] for one in items]


def test_lists_what_failed_the_latest_first_and_without_texts(get, around):
    around.put(*many(3), any_sent(), any_communication(communication_id="waits"))

    answer = get("/failed", roles=["service"])

    assert ids(answer.body["items"]) == ["c02", "c01", "c00"]
    assert answer.body["next"] is None
    assert BODY not in answer.text
    assert answer.body["items"][0]["cause"] == "any cause"


def test_lists_what_has_an_unknown_end(get, around):
    around.put(*many(2), any_unknown())

    answer = get("/failed", query={"state": ["UNKNOWN"]})

    assert ids(answer.body["items"]) == [ID]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"channel": "sms"}, ["sms"]),
        ({"channel": "email"}, ["c00", "customer", "permanent", "template"]),
        ({"error_class": "permanent"}, ["permanent"]),
        ({"customer_id": "1001"}, ["customer"]),
        ({"template": "case_update"}, ["template"]),
        ({"template": "nothing"}, []),
        ({"channel": "email", "error_class": "permanent"}, ["permanent"]),
        ({"channel": "sms", "error_class": "permanent"}, []),
        ({"created_from": "2026-03-02T09:30:00Z"}, ["c00"]),
        ({"created_from": "2026-03-02T11:00:00+01:00"}, ["c00"]),
        ({"created_to": "2026-03-02T09:15:00Z"}, []),
        (
            {"created_from": "2026-03-02T10:00:00Z", "created_to": "2026-03-02T10:00:00Z"},
            ["c00"],
        ),
    ],
)
def test_filters_what_failed(get, around, query, found):
    around.put(
        *many(1),
        any_failed(communication_id="sms", channel="sms", recipient=PHONE),
        any_failed(communication_id="permanent", error_class="permanent"),
        any_failed(communication_id="customer", customer_id="1001"),
        any_failed(communication_id="template", template="case_update"),
    )

    answer = get("/failed", query={name: [value] for name, value in query.items()})

    assert sorted(ids(answer.body["items"])) == found


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_reads_what_failed_page_by_page(pages, around, limit):
    around.put(*many(7))

    found = pages("/failed", limit=str(limit))

    assert [one for page in found for one in ids(page)] == [f"c{n:02}" for n in range(6, -1, -1)]
    assert all(len(page) <= limit for page in found)


def test_pages_hold_what_the_filter_leaves(pages, around):
    around.put(*many(6), any_failed(communication_id="sms", channel="sms", recipient=PHONE))

    found = pages("/failed", limit="2", channel="sms")

    assert [one for page in found for one in ids(page)] == ["sms"]


@pytest.mark.parametrize(
    "query",
    [
        {"state": "SENT"},
        {"channel": "fax"},
        {"error_class": "any"},
        {"created_from": "yesterday"},
        {"created_from": "2026-03-02T10:00:00"},
        {"limit": "0"},
        {"limit": "101"},
        {"customer_id": "x" * 65},
        {"customer_id": "-1001"},
        {"customer_id": "10 01"},
        {"created_from": "0001-01-01T00:00:00+14:00"},
        {"created_to": "9999-12-31T23:59:59-14:00"},
        {"created_from": "2026-03-03T00:00:00Z", "created_to": "2026-03-02T00:00:00Z"},
    ],
)
def test_refuses_filters_of_another_form(get, query):
    answer = get("/failed", query={name: [value] for name, value in query.items()})

    assert answer.problem == (422, "/problems/invalid-request")


def test_a_cursor_of_another_list_is_refused(get, around):
    around.put(*many(3))
    around.suppress("a@example.com")
    around.suppress("b@example.com")
    around.put_run("run-1")
    around.put_run("run-2")
    lists = ("/failed", "/suppressions", "/redrives")
    cursors = {path: get(path, query={"limit": ["1"]}).body["next"] for path in lists}

    for path in lists:
        for other in lists:
            answer = get(path, query={"cursor": [cursors[other]]})
            assert (answer.status == 200) == (path == other), (path, other)
            assert answer.status in (200, 400)


@pytest.mark.parametrize("path", ["/failed", "/suppressions", "/redrives"])
@pytest.mark.parametrize("cursor", ["x", "e30", "{}", "ä"])
def test_a_cursor_of_nobodys_is_refused(get, path, cursor):
    assert get(path, query={"cursor": [cursor]}).problem == (400, "/problems/invalid-cursor")


@pytest.mark.parametrize(
    ("path", "position"),
    [
        ("/failed", {"communication_id": "", "open_at": "2026-03-02T10:00:00Z"}),
        ("/failed", {"communication_id": "c1", "open_at": ""}),
        ("/suppressions", {"address_id": ""}),
        ("/suppressions", {"address_id": RECIPIENT}),
        ("/suppressions", {"address": RECIPIENT}),
        ("/redrives", {"run_id": "", "started_at": "2026-03-02T10:00:00Z"}),
    ],
)
def test_a_cursor_that_no_table_takes_is_refused(get, path, position):
    assert get(path, query={"cursor": [encode_cursor(position)]}).problem == (
        400,
        "/problems/invalid-cursor",
    )


def test_a_cursor_outside_of_what_is_asked_for_is_refused(get, around):
    around.put(*many(3))
    cursor = get("/failed", query={"limit": ["1"]}).body["next"]

    answer = get("/failed", query={"cursor": [cursor], "created_to": ["2026-03-02T10:00:30Z"]})

    assert answer.problem == (400, "/problems/invalid-cursor")


def test_groups_failures_by_cause(get, around):
    around.put(
        *many(3),
        any_failed(communication_id="exhausted", redrives=3),
        any_failed(communication_id="other", error="Bounced", error_class="permanent"),
        any_unknown(),
    )

    body = get("/failed/clusters").body

    large, small = body["clusters"]
    assert (body["counted"], body["complete"]) == (5, True)
    assert (large["count"], large["redrivable"], large["template"]) == (4, 3, None)
    assert (large["error"], large["destination"]) == ("ServiceUnavailable", "example.com")
    assert len(large["sample_ids"]) == 3
    assert (small["count"], small["error"], small["sample_ids"]) == (1, "Bounced", ["other"])
    assert RECIPIENT not in json.dumps(body)


def test_says_where_not_all_failures_were_counted(get, around, module, monkeypatch):
    monkeypatch.setattr(module, "MOST_COUNTED", 2)
    around.put(*many(3))

    body = get("/failed/clusters").body

    assert (body["counted"], body["complete"]) == (2, False)


# --- redrives


def test_stores_a_redrive_and_has_it_started(post, around, cloud):
    published = cloud.watch_bus()

    answer = post("/redrives", {"channel": "email", "canary": True})

    run_id = answer.body["run_id"]
    run = around.redrive_items(run_id)["run"]
    [told] = published()
    assert (answer.status, answer.body["state"]) == (202, "REQUESTED")
    assert answer.headers["Location"] == f"redrives/{run_id}"
    assert (run["selection"], run["canary"]) == ({"channel": "email"}, True)
    assert run["started_by"] == "sarah.k"
    assert (told["detail-type"], told["source"]) == ("RedriveRequested", "aftercall.communications")
    assert told["detail"]["data"] == {"run_id": run_id}


def test_the_same_redrive_under_one_key_is_one_run(post, around, cloud):
    published = cloud.watch_bus()

    answers = [post("/redrives", {}, headers={"Idempotency-Key": "k1"}) for _ in range(2)]

    assert answers[0].body == answers[1].body
    assert len({told["detail"]["event_id"] for told in published()}) == 1


def test_the_same_redrive_under_one_key_tells_how_far_it_has_come(post, around):
    run_id = post("/redrives", {}, headers={"Idempotency-Key": "k1"}).body["run_id"]
    around.put_run(run_id, state="FINISHED", communications=7)

    answer = post("/redrives", {}, headers={"Idempotency-Key": "k1"})

    assert (answer.status, answer.body["run_id"]) == (202, run_id)
    assert (answer.body["state"], answer.body["communications"]) == ("FINISHED", 7)


@pytest.mark.parametrize("other", [{"channel": "sms"}, {"canary": True}, {"template": "a"}])
def test_another_redrive_under_one_key_is_refused(post, around, cloud, other):
    published = cloud.watch_bus()
    run_id = post("/redrives", {}, headers={"Idempotency-Key": "k1"}).body["run_id"]
    before = around.redrive_items(run_id)

    answer = post("/redrives", other, headers={"Idempotency-Key": "k1"})

    assert answer.problem == (409, "/problems/idempotency-key-taken")
    assert around.redrive_items(run_id) == before
    assert len(published()) == 1


def test_redrives_a_cluster(post, get, around):
    around.put(any_failed(template="case_update"))
    [cluster] = get("/failed/clusters").body["clusters"]

    answer = post("/redrives", {"cluster_id": cluster["cluster_id"]})

    run = around.redrive_items(answer.body["run_id"])["run"]
    assert run["selection"] == {
        "error_class": "transient",
        "error": "ServiceUnavailable",
        "template": "case_update",
        "destination": "example.com",
    }


def cluster_id_of(error):
    values = {"error_class": "transient", "error": error, "template": "-", "destination": "any"}
    return Cluster(values).cluster_id


ANY_CLUSTER = cluster_id_of("any")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"cluster_id": "nothing"}, "unknown-cluster"),
        ({"cluster_id": cluster_id_of("any\n")}, "unknown-cluster"),
        ({"cluster_id": cluster_id_of("any\0")}, "unknown-cluster"),
        ({"cluster_id": cluster_id_of("\ud800")}, "unknown-cluster"),
        ({"cluster_id": "x" * 1001}, "invalid-request"),
        ({"cluster_id": ANY_CLUSTER, "channel": "sms"}, "invalid-request"),
        ({"channel": "fax"}, "invalid-request"),
        ({"more": 1}, "invalid-request"),
    ],
)
def test_refuses_a_redrive_of_another_form(post, cloud, body, code):
    published = cloud.watch_bus()

    assert post("/redrives", body).problem == (422, f"/problems/{code}")
    assert published() == []


def test_lists_redrives_the_latest_first_and_page_by_page(pages, around):
    for number in range(5):
        counted = {"communications": number} if number else {}
        around.put_run(f"run-{number}", started_at=f"2026-03-02T09:0{number}:00Z", **counted)
        around.put_batch(f"run-{number}", 1)

    found = pages("/redrives", limit="2")

    assert [(one["run_id"], one["communications"]) for page in found for one in page] == [
        *(("run-4", 4), ("run-3", 3), ("run-2", 2), ("run-1", 1), ("run-0", None))
    ]
    assert all(len(page) <= 2 for page in found)


def targets(count):
    return [{"communication_id": f"c{number}", "version": 1} for number in range(count)]


@pytest.mark.parametrize("canary", [True, False])
@pytest.mark.parametrize("state", ["REQUESTED", "RUNNING", "FINISHED", "STOPPED", "FAILED"])
def test_a_redrive_is_as_far_as_its_run_was_written_down(get, around, state, canary):
    around.put_run(RUN, state=state, canary=canary, outcome="any outcome")
    around.put_batch(RUN, 1, state="FINISHED")

    body = get(f"/redrives/{RUN}").body

    assert (body["state"], body["canary"], body["outcome"]) == (state, canary, "any outcome")


def test_tells_what_came_of_a_redrive(get, around):
    around.put_run(RUN, state="RUNNING", selection={"channel": "email"})
    report = {
        "total": 20,
        "counts": {"sent": 18, "failed": 2},
        "causes": {"Bounced": 2},
        "unconfirmed": 1,
    }
    around.put_batch(RUN, 1, state="FINISHED", communications=targets(20), report=report)
    around.put_batch(RUN, 2, state="FAILED", communications=targets(5), error="States.Timeout")

    body = get(f"/redrives/{RUN}").body

    assert (body["communications"], body["counts"]) == (25, {"sent": 18, "failed": 2})
    assert (body["causes"], body["error"]) == ({"Bounced": 2}, "States.Timeout")
    assert (body["selection"], body["state"]) == ({"channel": "email"}, "RUNNING")


def test_does_not_know_a_redrive_that_is_not_there(get):
    assert get("/redrives/nothing").problem == (404, "/problems/unknown-redrive")


# --- suppressions


@pytest.mark.parametrize("address", ["Jane@Example.com", PHONE])
def test_suppresses_a_recipient(post, around, address):
    answer = post("/suppressions", {"address": f" {address} "})

    assert (answer.status, answer.body["reason"], answer.body["by"]) == (
        201,
        "unsubscribe",
        "sarah.k",
    )
    assert answer.body["address"] == address
    assert around.suppressed() == {address: "unsubscribe"}


def test_suppresses_an_address_once_however_it_is_written(post, around):
    post("/suppressions", {"address": "Jane@Example.com"})
    post("/suppressions", {"address": "jane@example.com", "reason": "complaint"})

    assert around.suppressed() == {"jane@example.com": "complaint"}


def test_releases_a_recipient_once(post, around):
    around.suppress("jane@example.com")

    first = post("/suppressions/release", {"address": "Jane@Example.com"})
    second = post("/suppressions/release", {"address": "jane@example.com"})

    assert (first.status, first.text) == (204, "")
    assert second.problem == (404, "/problems/unknown-suppression")
    assert around.suppressed() == {}


def test_lists_suppressions_page_by_page(pages, around):
    for number in range(5):
        around.suppress(f"a{number}@example.com")

    found = pages("/suppressions", limit="2")

    assert sorted(one["address"] for page in found for one in page) == [
        f"a{number}@example.com" for number in range(5)
    ]
    assert all(len(page) <= 2 for page in found)


def test_a_cursor_of_suppressions_tells_no_address(get, around):
    addresses = ("a@example.com", "b@example.com")
    for address in addresses:
        around.suppress(address)

    position = decode_cursor(
        get("/suppressions", query={"limit": ["1"]}).body["next"], {"address_id"}
    )

    digests = [hashlib.sha256(address.encode()).hexdigest() for address in addresses]
    assert position["address_id"] in digests


NO_ADDRESS = ["", "   ", "Peter Miller", "a@b", "2025550101", "+0", "a@example.com b@example.com"]


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"address": RECIPIENT, "reason": "any"}, {"address": RECIPIENT, "more": 1}),
        *({"address": address} for address in NO_ADDRESS),
    ],
)
def test_refuses_a_suppression_of_another_form(post, around, body):
    answer = post("/suppressions", body)

    assert answer.problem == (422, "/problems/invalid-request")
    assert "Miller" not in answer.text
    assert around.suppressed() == {}


def test_refuses_to_release_nobody(post):
    for address in NO_ADDRESS:
        answer = post("/suppressions/release", {"address": address})

        assert answer.problem == (422, "/problems/invalid-request"), address


# --- what is logged


def test_logs_neither_recipient_nor_text(post, get, around, capsys):
    around.put(any_failed(communication_id="c1"))

    post(body=MAIL)
    post(body=MAIL | {"recipient": "Peter Miller"})
    post("/c1/retry", {"recipient": "jane@example.com"})
    get("/failed")
    post("/suppressions", {"address": "jane@example.com"})

    logged = capsys.readouterr().out
    for word in ("example.com", BODY, "Miller"):
        assert word not in logged
