"""The API of tickets: every route, for whom, and what it refuses."""

import json
import sys
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.paging import encode_cursor
from tests.unit import http_stub
from tests.unit.aws_errors import fails_with, reply_is_lost
from tests.unit.shared.test_rest import Answer, event
from tests.unit.tokens import SETTINGS, Issuer

from .factories import (
    ID,
    NOW,
    NUMBER,
    any_queue,
    any_representative,
    any_ticket,
    at,
    later,
)
from .surroundings import JANE, OTHER, SARAH, TOKEN, any_notice

MODULE = "tickets.api"
BOSS = "boss"
NOBODY = "0" * 32
ROLES = ("representative", "supervisor", "operator", "service")
WORK = ("representative", "supervisor")
MANAGE = ("supervisor", "operator")
NEW = {"subject": "A lost parcel", "description": "It never came.", "queue": "parcels"}
CALL = {"analysis_bucket": "aftercall-analysesbucket", "analysis_key": "analyses/any/1.json"}


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
        kept = ("tickets.", "shared.rest", "shared.identity")
        loaded |= {name: sys.modules[name] for name in list(sys.modules) if name.startswith(kept)}
    sys.modules.update(loaded)
    clock(NOW)
    return loaded[MODULE]


@pytest.fixture
def send(module, around, issuer, context):
    """Send a request; the caller is a supervisor and an operator unless `roles` says otherwise."""

    def request(method, path="", *, roles=MANAGE, subject=BOSS, key=None, **options):
        token = issuer.headers(*roles, sub=subject)
        headers = token | ({"Idempotency-Key": key} if key else {})
        given = event(method, f"/tickets{path}", headers=headers, **options)
        return Answer(module.handler(given, context))

    return request


@pytest.fixture
def get(send):
    return lambda path="", **options: send("GET", path, **options)


@pytest.fixture
def post(send):
    return lambda path="", body=None, **options: send("POST", path, body=body or {}, **options)


@pytest.fixture
def put(send):
    return lambda path, body, **options: send("PUT", path, body=body, **options)


@pytest.fixture
def pages(get):
    """Read a list to its end; gives the items of each page."""

    def read(path="", **query):
        given, found = {name: [value] for name, value in query.items()}, []
        while True:
            answer = get(path, query=given)
            assert answer.status == 200, answer.text
            found.append(answer.body["items"])
            if answer.body["next"] is None:
                assert "Link" not in answer.headers
                return found
            assert 'rel="next"' in answer.headers["Link"]
            given = given | {"cursor": [answer.body["next"]]}

    return read


# --- who may

PERMITTED = [
    ("GET", "/queues", ROLES),
    ("GET", "/queues/parcels", ROLES),
    ("PUT", "/queues/parcels", MANAGE),
    ("GET", "/representatives", ROLES),
    ("GET", f"/representatives/{SARAH}", ROLES),
    ("PUT", f"/representatives/{SARAH}", MANAGE),
    ("PUT", f"/representatives/{SARAH}/shifts", MANAGE),
    ("POST", "", ROLES),
    ("GET", "", ROLES),
    ("GET", f"/{ID}", ROLES),
    ("GET", f"/{ID}/history", ROLES),
    ("PATCH", f"/{ID}", WORK),
    ("POST", f"/{ID}/accept", WORK),
    ("POST", f"/{ID}/comment", ROLES),
    ("POST", f"/{ID}/pending", WORK),
    ("POST", f"/{ID}/resume", (*WORK, "service")),
    ("POST", f"/{ID}/resolve", WORK),
    ("POST", f"/{ID}/decline", WORK),
    ("POST", f"/{ID}/escalate", WORK),
    ("POST", f"/{ID}/reassign", ("supervisor",)),
    ("POST", f"/{ID}/merge", WORK),
    ("POST", f"/{ID}/reopen", (*WORK, "service")),
]


@pytest.mark.parametrize(("method", "path", "permitted"), PERMITTED)
def test_a_route_is_for_its_roles_and_for_no_other(send, method, path, permitted):
    for role in ROLES:
        answer = send(method, path, roles=[role], body=None if method == "GET" else {})

        assert (answer.status == 403) == (role not in permitted), role
    assert send(method, path, roles=[]).status == 403


def test_every_route_is_among_those_and_in_the_document(get):
    described = get("/openapi.json", roles=[]).body["paths"]

    values = {"ticket_id": ID, "name": "parcels", "representative_id": SARAH}
    routes = {
        (method.upper(), path.format(**values))
        for path, operations in described.items()
        for method in operations
    }
    expected = {(method, f"/tickets{path}") for method, path, _ in PERMITTED}
    assert routes - {("GET", "/tickets/openapi.json")} == expected


def test_who_has_no_token_learns_nothing(module, context):
    for method, path, _ in PERMITTED:
        answer = Answer(module.handler(event(method, f"/tickets{path}"), context))

        assert answer.problem == (401, "/problems/unauthenticated"), path


def test_the_sample_event_reads_a_ticket(module, around, issuer, event_of, context):
    around.put(any_ticket())
    sample = event_of(MODULE)
    [token] = issuer.headers("operator").values()
    sample["headers"]["Authorization"] = token
    sample["multiValueHeaders"]["Authorization"] = [token]

    answer = Answer(module.handler(sample, context))

    assert (answer.status, answer.body["number"]) == (200, NUMBER)


# --- opening


def test_opens_a_ticket_and_starts_its_workflow(post, around):
    answer = post(body=NEW, roles=["representative"], subject=JANE)

    [stored] = around.every_ticket()
    assert answer.status == 201
    assert answer.headers["Location"] == f"tickets/{stored.ticket_id}"
    assert (answer.body["ticket_id"], answer.body["state"]) == (stored.ticket_id, "NEW")
    assert (answer.body["number"], answer.body["version"]) == ("20260302-00001", 1)
    assert (stored.subject, stored.created_by) == ("A lost parcel", JANE)
    assert around.executions()[f"{stored.ticket_id}-1"]["run"] == 1


def test_stores_what_was_said(post, around):
    around.put_customer()
    contact = {"name": "Jane Doe", "email": "jane.doe@example.com", "phone": "+12025550101"}
    said = {"priority": "urgent", "required_skills": ["refunds"], "customer_id": "1001"}

    post(body=NEW | said | {"contact": contact})

    [stored] = around.every_ticket()
    assert (stored.priority, stored.required_skills) == ("urgent", ("refunds",))
    assert (stored.customer_id, stored.contact.email) == ("1001", "jane.doe@example.com")
    assert stored.contact.is_customer is False


@pytest.mark.parametrize(("said", "skills"), [({}, ("refunds",)), ({"required_skills": []}, ())])
def test_who_says_nothing_of_skills_gets_the_queue_s(post, around, said, skills):
    around.put_queue(any_queue(required_skills=["refunds"]))

    post(body=NEW | said)

    [stored] = around.every_ticket()
    assert stored.required_skills == skills


def test_the_same_request_under_one_key_is_one_ticket(post, around):
    first, second = (post(body=NEW, key="k1") for _ in range(2))

    assert (first.status, first.body) == (second.status, second.body)
    assert len(around.every_ticket()) == len(around.executions()) == 1


def test_it_still_is_although_its_queue_has_changed(post, around):
    first = post(body=NEW, key="k1")
    around.put_queue(any_queue(required_skills=["refunds"]))

    assert post(body=NEW, key="k1").body == first.body


def test_requests_without_a_key_and_keys_of_others_are_others(post, around):
    for key, subject in ((None, JANE), (None, JANE), ("k1", JANE), ("k1", SARAH), ("k2", SARAH)):
        assert post(body=NEW, key=key, subject=subject).status == 201

    assert len(around.every_ticket()) == 5


def test_another_request_under_one_key_is_refused(post, around):
    post(body=NEW, key="k1")

    answer = post(body=NEW | {"subject": "Another"}, key="k1")

    assert answer.problem == (409, "/problems/idempotency-key-taken")
    assert [one.subject for one in around.every_ticket()] == ["A lost parcel"]


@pytest.mark.parametrize("kind", ["call", "message"])
def test_a_source_has_one_ticket_whoever_asks(post, around, kind):
    source = {"source": {"kind": kind, "id": "any-source"}}
    first = post(body=NEW | source, subject=JANE)

    second = post(body=NEW | source | {"subject": "Another"}, subject=SARAH)

    assert (second.status, second.body) == (201, first.body)
    assert len(around.every_ticket()) == 1


@pytest.mark.parametrize(
    "trouble",
    [{"before": fails_with("ThrottlingException")}, {"after": reply_is_lost}],
    ids=["throttled", "reply lost"],
)
def test_what_could_not_be_stored_is_when_the_request_comes_again(post, around, intercept, trouble):
    intercept("TransactWriteItems", **trouble)
    answer = post(body=NEW, key="k1")
    assert answer.problem == (503, "/problems/temporarily-unavailable")
    assert answer.headers["Retry-After"]

    assert post(body=NEW, key="k1").status == 201

    assert len(around.every_ticket()) == len(around.executions()) == 1


INVALID = {
    "no subject": {"subject": None},
    "an empty subject": {"subject": "  "},
    "a long subject": {"subject": "x" * 201},
    "a long description": {"description": "x" * 4001},
    "another priority": {"priority": "asap"},
    "no name of a queue": {"queue": "../general"},
    "an unknown queue": {"queue": "nothing"},
    "an unknown customer": {"customer_id": "1002"},
    "no id of a customer": {"customer_id": "Miller, Peter"},
    "no skill": {"required_skills": ["Any Skill"]},
    "too many skills": {"required_skills": [f"s{number}" for number in range(21)]},
    "a contact without a name": {"contact": {"email": "a@example.com"}},
    "no address": {"contact": {"name": "any", "email": "Peter Miller"}},
    "no telephone": {"contact": {"name": "any", "phone": "0800 MILLER"}},
    "another kind of source": {"source": {"kind": "request", "id": "any"}},
    "no id of a source": {"source": {"kind": "call", "id": "Peter Miller"}},
    "an unknown member": {"state": "CLOSED"},
    "a member of the record": {"call": CALL},
}


def test_refuses_what_is_no_ticket(post, around):
    for name, changed in INVALID.items():
        values = {key: value for key, value in (NEW | changed).items() if value is not None}

        answer = post(body=values)

        assert answer.status == 422, name
        assert "Miller" not in answer.text
    assert (around.every_ticket(), around.executions()) == ([], {})


# --- reading


def test_a_history_tells_no_digest_of_anybody_s_key(get, post, around):
    around.put(any_ticket())
    around.put_representative(any_representative(load=1))
    post(f"/{ID}/comment", {"version": 1, "text": "any"}, key="k1")

    assert "request_id" not in get(f"/{ID}/history").text
    assert "request_id" not in get(f"/{ID}").text


def test_the_same_request_gives_its_ticket_although_the_customer_is_gone(post, around, cloud):
    around.put_customer()
    first = post(body=NEW | {"customer_id": "1001"}, key="k1")
    cloud.dynamodb.delete_item(
        TableName=cloud.name("CustomersTable"),
        Key={"customer_id": {"S": "1001"}, "item": {"S": "customer"}},
    )

    assert post(body=NEW | {"customer_id": "1001"}, key="k1").body == first.body


def test_reads_a_ticket_with_its_history(get, post, around):
    around.put(any_ticket())
    around.put_representative(any_representative(load=1))
    post(f"/{ID}/comment", {"version": 1, "text": "any text"})

    answer = get(f"/{ID}", roles=["representative"], subject=JANE)

    assert (answer.status, answer.body["version"]) == (200, 2)
    assert (answer.body["state"], answer.body["assignee"]) == ("IN_PROGRESS", SARAH)
    assert answer.body["situation"] == f"{SARAH} works on it."
    assert answer.body["clocks"]["solution"]["due_at"] == at(hours=8)
    [entry] = answer.body["history"]
    assert (entry["event"], entry["by"], entry["text"]) == ("commented", BOSS, "any text")
    assert answer.body["history_complete"] is True


@pytest.mark.parametrize(
    ("ticket", "situation"),
    [
        (any_ticket("NEW"), "It is being opened."),
        (any_ticket("QUEUED"), "It is being assigned to somebody of tier 1."),
        (
            any_ticket("WAITING", required_skills=["refunds", "claims"]),
            "Nobody of tier 1 with refunds, claims is on shift and has room.",
        ),
        (any_ticket("ASSIGNED"), f"{SARAH} has until {at(minutes=15)} to accept it."),
        (any_ticket("PENDING"), f"{SARAH} waits for the customer, until {at(days=7)}."),
        (any_ticket("RESOLVED"), "It is resolved and being closed."),
        (any_ticket("CLOSED"), f"It is closed and can be reopened until {at(days=14)}."),
        (any_ticket("EXHAUSTED"), "No tier resolved it in time. any cause"),
        (any_ticket("MERGED"), "It goes on as any-other."),
    ],
    ids=lambda value: getattr(value, "state", ""),
)
def test_says_in_plain_words_what_a_ticket_waits_for(get, around, ticket, situation):
    around.put(ticket)

    assert get(f"/{ID}").body["situation"] == situation


def test_a_link_leads_to_the_analysis_of_the_call_for_some_minutes(get, around):
    around.put(any_ticket(call=CALL | {"quotes": [{"role": "CUSTOMER", "text": "a", "at_ms": 1}]}))

    call = get(f"/{ID}").body["call"]

    link = urlsplit(call["link"])
    signed = {name: value for name, [value] in parse_qs(link.query).items()}
    assert link.path == "/aftercall-analysesbucket/analyses/any/1.json"
    assert signed["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert signed["X-Amz-Expires"] == "900"
    assert call["quotes"] == [{"role": "CUSTOMER", "text": "a", "at_ms": 1}]


def test_a_ticket_without_a_call_has_no_link(get, around):
    around.put(any_ticket())

    assert get(f"/{ID}").body["call"] is None


def test_reads_a_history_page_by_page(get, post, pages, around, module, monkeypatch):
    around.put(any_ticket())
    around.put_representative(any_representative(load=1))
    for version in range(1, 6):
        post(f"/{ID}/comment", {"version": version, "text": f"{version}"})

    found = pages(f"/{ID}/history", limit="2")
    monkeypatch.setattr(module, "MOST_HISTORY", 3)
    detail = get(f"/{ID}").body

    assert [[one["text"] for one in page] for page in found] == [["1", "2"], ["3", "4"], ["5"]]
    assert [one["text"] for one in detail["history"]] == ["1", "2", "3"]
    assert detail["history_complete"] is False


SECRETS = ("task_token", TOKEN, "request_digest", "write_id", "any-digest", "outbox", '"run"')


def test_tells_nothing_that_is_only_for_the_machine(get, post, around):
    notice = any_notice()
    around.put(
        any_ticket(), task_token=TOKEN, outbox={notice.notice_id: notice.model_dump()}, run=7
    )
    around.put_representative(any_representative(load=1))

    answers = [
        post(f"/{ID}/comment", {"version": 1, "text": "any"}, key="k1"),
        get(f"/{ID}"),
        get(""),
        get(f"/{ID}/history"),
        post(body=NEW, key="k2"),
    ]

    for answer in answers:
        assert answer.status < 300
        assert [secret for secret in SECRETS if secret in answer.text] == []


# --- lists


@pytest.fixture
def some(module, around):
    """Tickets of two customers, the first first."""
    states = ["QUEUED", "IN_PROGRESS", "CLOSED", "IN_PROGRESS", "WAITING", "MERGED"]
    for number, state in enumerate(states):
        around.put(
            any_ticket(
                state,
                ticket_id=f"{number:032x}",
                number=f"20260302-{number:05}",
                priority="urgent" if number % 2 else "low",
                customer_id="1001" if number < 4 else "1002",
                queue="parcels" if number else "general",
            )
        )


def numbers(found):
    return [int(one["ticket_id"], 16) for page in found for one in page]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [4, 3, 1, 0]),
        ({"phase": "open"}, [4, 3, 1, 0]),
        ({"phase": "ended"}, [5, 2]),
        ({"state": "IN_PROGRESS"}, [3, 1]),
        ({"state": "CLOSED"}, [2]),
        ({"state": "CLOSED", "phase": "open"}, []),
        ({"priority": "low"}, [4, 0]),
        ({"queue": "general"}, [0]),
        ({"assignee": SARAH}, [3, 1]),
        ({"assignee": JANE}, []),
        ({"assignee": SARAH, "customer_id": "1001", "phase": "ended"}, []),
        ({"customer_id": "1001"}, [3, 2, 1, 0]),
        ({"customer_id": "1001", "phase": "ended"}, [2]),
        ({"customer_id": "1002", "state": "MERGED"}, [5]),
        ({"customer_id": "1001", "priority": "urgent", "queue": "parcels"}, [3, 1]),
    ],
    ids=str,
)
def test_lists_what_was_asked_for_the_latest_first(pages, some, query, expected):
    for limit in ("2", "100"):
        found = pages(limit=limit, **query)

        assert numbers(found) == expected, limit
        assert all(len(page) <= int(limit) for page in found)


def test_a_list_shows_what_a_person_needs_to_choose(get, around):
    around.put(any_ticket(customer_id="1001"))

    assert get("").body["items"] == [
        {
            "ticket_id": ID,
            "number": NUMBER,
            "state": "IN_PROGRESS",
            "version": 1,
            "subject": "Missing parcel",
            "priority": "normal",
            "queue": "parcels",
            "tier": 1,
            "assignee": SARAH,
            "customer_id": "1001",
            "created_at": at(),
            "due_at": at(hours=1),
        }
    ]


def test_refuses_a_list_of_another_form(get):
    for query in (
        *({"phase": "any"}, {"state": "OPEN"}, {"queue": "A B"}, {"priority": "asap"}),
        *({"limit": "0"}, {"limit": "101"}, {"assignee": ""}, {"customer_id": "a b"}),
    ):
        answer = get("", query={name: [value] for name, value in query.items()})

        assert answer.problem == (422, "/problems/invalid-request"), query


def test_refuses_a_cursor_that_it_did_not_give_out(get, around):
    around.put(any_ticket())
    for path, position in (
        ("", {"entry": "000001#00"}),
        ("", {"ticket_id": "", "number": "20260302-00001"}),
        ("", {"ticket_id": ID, "number": "x" * 1500}),
        ("", {"ticket_id": "x", "number": "20260302-00001"}),
        (f"/{ID}/history", {"ticket_id": ID, "number": "20260302-00001"}),
        (f"/{ID}/history", {"entry": ""}),
        (f"/{ID}/history", {"entry": "y"}),
    ):
        answer = get(path, query={"cursor": [encode_cursor(position)]})

        assert answer.problem == (400, "/problems/invalid-cursor"), position


# --- changing

MINE = {"roles": ["representative"], "subject": SARAH}
THEIRS = {"roles": ["representative"], "subject": JANE}
SUPERVISOR = {"roles": ["supervisor"], "subject": BOSS}
OPERATOR = {"roles": ["operator"], "subject": "op"}
SERVICE = {"roles": ["service"], "subject": "svc"}

ACTIONS = {
    "accept": ("ASSIGNED", {}, "IN_PROGRESS", "accepted"),
    "comment": ("IN_PROGRESS", {"text": "any", "public": True}, "IN_PROGRESS", "commented"),
    "pending": ("IN_PROGRESS", {"text": "any"}, "PENDING", "pending"),
    "resume": ("PENDING", {"text": "any"}, "IN_PROGRESS", "resumed"),
    "resolve": ("IN_PROGRESS", {"resolution": "any"}, "RESOLVED", "resolved"),
    "decline": ("IN_PROGRESS", {"reason": "any"}, "QUEUED", "declined"),
    "escalate": ("IN_PROGRESS", {"reason": "any"}, "IN_PROGRESS", "escalation_asked"),
    "merge": ("IN_PROGRESS", {"into": OTHER}, "MERGED", "merged"),
    "reopen": ("CLOSED", {"reason": "any"}, "QUEUED", "reopened"),
    "reassign": (
        *("IN_PROGRESS", {"reason": "any", "representative_id": JANE}),
        *("ASSIGNED", "reassigned"),
    ),
    "change": ("IN_PROGRESS", {"priority": "urgent"}, "IN_PROGRESS", "priority_changed"),
}
"""Action -> the state of a ticket that it fits, a body, the state afterwards, what has happened."""


def caller_of(action):
    return SUPERVISOR if action == "reassign" else MINE


@pytest.fixture
def act(send):
    """Do something with the ticket."""

    def do(action, version=1, body=None, **options):
        method, path = ("PATCH", f"/{ID}") if action == "change" else ("POST", f"/{ID}/{action}")
        given = {"version": version} | (ACTIONS[action][1] if body is None else body)
        return send(method, path, body=given, **(caller_of(action) | options))

    return do


@pytest.fixture
def fitting(module, around):
    """Store a ticket that an action fits, and whoever has to do with it."""

    def put(action, **changed):
        load = 0 if action == "reassign" else 3
        around.put_representative(any_representative(load=1), any_representative(JANE, load=load))
        around.put(any_ticket("PENDING", ticket_id=OTHER, assignee=JANE, due_at=None))
        return around.put(any_ticket(ACTIONS[action][0], **changed), task_token=TOKEN)

    return put


@pytest.mark.parametrize("action", ACTIONS)
def test_changes_a_ticket(act, fitting, around, action):
    fitting(action)

    answer = act(action)

    _, _, state, happened = ACTIONS[action]
    after, entry = around.get(), around.history()[0]
    assert (answer.status, answer.body["version"]) == (200, 2)
    assert (answer.body["state"], answer.body["version"]) == (state, 2)
    assert (after.state, after.version) == (state, 2)
    assert (entry.event, entry.by) == (happened, caller_of(action)["subject"])
    if action == "reopen":
        assert list(around.executions()) == [f"{ID}-2"]
    else:
        assert around.tasks.completed == [TOKEN]


@pytest.mark.parametrize("action", ACTIONS)
def test_the_same_request_again_gives_the_ticket_and_changes_nothing(act, fitting, around, action):
    fitting(action)
    first = act(action, key="k1")
    state = (around.item(), around.history(), around.loads(), around.workflow())

    second = act(action, key="k1")

    assert (second.status, second.body) == (200, first.body)
    assert (around.item(), around.history(), around.loads(), around.workflow()) == state


@pytest.mark.parametrize("action", ACTIONS)
def test_changes_only_the_version_that_the_caller_has_seen(act, fitting, around, action):
    before = fitting(action, version=7)

    for version, key in ((6, None), (6, "k2"), (8, "k2")):
        answer = act(action, version=version, key=key)

        assert answer.problem == (409, "/problems/stale-version"), version
        assert answer.body["version"] == 7
    assert around.get() == before
    assert around.tasks.completed == []


@pytest.mark.parametrize("action", ACTIONS)
def test_the_second_of_two_people_does_not_undo_the_first(act, fitting, around, intercept, action):
    fitting(action)
    faster = any_ticket("WAITING", version=2)
    intercept("TransactWriteItems", before=lambda: around.put(faster))

    answer = act(action, key="k1")

    assert answer.problem == (409, "/problems/stale-version")
    assert around.get() == faster


@pytest.mark.parametrize("action", ACTIONS)
def test_refuses_what_the_state_does_not_allow(act, fitting, around, action):
    fitting(action)
    before = around.put(any_ticket("RESOLVED", assignee=SARAH))

    answer = act(action)

    assert answer.problem == (409, "/problems/not-possible")
    assert "RESOLVED" in answer.body["detail"]
    assert around.get() == before


@pytest.mark.parametrize("action", [one for one in ACTIONS if one not in ("reopen", "reassign")])
def test_a_representative_changes_no_ticket_of_others(act, fitting, around, action):
    before = fitting(action)

    answer = act(action, **THEIRS)

    assert answer.problem == (403, "/problems/not-yours")
    assert around.get() == before
    assert around.tasks.completed == []


@pytest.mark.parametrize(
    "action", [one for one in ACTIONS if one not in ("accept", "reopen", "reassign")]
)
def test_a_supervisor_changes_everybody_s(act, fitting, around, action):
    fitting(action)

    assert act(action, **SUPERVISOR).status == 200

    assert around.history()[0].by == BOSS


def test_only_whoever_a_ticket_is_offered_to_accepts_it(act, fitting, around):
    before = fitting("accept")

    assert act("accept", **SUPERVISOR).problem == (409, "/problems/not-possible")

    assert around.get() == before


def test_a_service_goes_on_with_what_a_customer_has_answered(act, fitting, around):
    fitting("resume")

    assert act("resume", **SERVICE).status == 200

    assert around.get().state == "IN_PROGRESS"


@pytest.mark.parametrize("who", [THEIRS, OPERATOR, SERVICE])
def test_whoever_reads_a_ticket_may_note_something(act, fitting, around, who):
    fitting("comment")

    assert act("comment", body={"text": " any note "}, **who).status == 200

    [entry] = around.history()
    assert (entry.by, entry.text, entry.public) == (who["subject"], "any note", False)
    assert around.outbox() == []


@pytest.mark.parametrize("who", [THEIRS, OPERATOR])
def test_not_everybody_writes_to_the_customer(act, fitting, around, who):
    before = fitting("comment")

    assert act("comment", **who).problem == (403, "/problems/not-yours")

    assert around.get() == before


@pytest.mark.parametrize("action", ACTIONS)
def test_does_not_know_what_is_not_there(send, around, act, action):
    around.put_representative(any_representative(JANE))

    assert act(action).problem == (404, "/problems/unknown-ticket")


@pytest.mark.parametrize("path", [f"/{ID}", f"/{ID}/history"])
def test_does_not_read_what_is_not_there(get, path):
    assert get(path).problem == (404, "/problems/unknown-ticket")


def test_an_id_of_another_form_is_none(get):
    assert get("/Peter-Miller").problem == (422, "/problems/invalid-request")


BODIES = {
    "accept": [{"version": None}, {"version": -1}, {"version": "Miller"}, {"more": 1}],
    "comment": [{"text": ""}, {"text": "x" * 4001}, {"public": "Miller"}],
    "pending": [{"text": " "}, {"until": "2026-03-03T09:00:00"}, {"until": "Miller"}],
    "resume": [{"text": "x" * 4001}],
    "resolve": [{"resolution": None}, {"resolution": ""}],
    "decline": [{"reason": ""}, {"reason": "x" * 501}],
    "escalate": [{"reason": None}],
    "reassign": [{"representative_id": "a b"}, {"reason": None}],
    "merge": [{"into": "Miller"}, {"into": None}],
    "reopen": [{"reason": None}],
    "change": [{"priority": "Miller"}, {"queue": "A B"}, {"required_skills": ["A B"]}],
}


@pytest.mark.parametrize("action", BODIES)
def test_refuses_a_body_of_another_form(send, fitting, around, action):
    before = fitting(action)
    method, path = ("PATCH", f"/{ID}") if action == "change" else ("POST", f"/{ID}/{action}")
    for changed in BODIES[action]:
        given = ACTIONS[action][1] | {"version": 1} | changed
        body = {name: value for name, value in given.items() if value is not None}

        answer = send(method, path, body=body, **caller_of(action))

        assert answer.problem == (422, "/problems/invalid-request"), changed
        assert "Miller" not in answer.text
    assert around.get() == before


# --- one action and another


def test_another_action_under_a_key_that_was_used_is_no_repetition(act, fitting):
    fitting("comment")
    assert act("comment", key="k1").status == 200

    assert act("resolve", key="k1").problem == (409, "/problems/stale-version")
    other = {"text": "Another text", "public": True}
    assert act("comment", body=other, key="k1").problem == (409, "/problems/stale-version")


def test_what_a_person_writes_goes_to_the_customer(act, fitting, around):
    fitting("comment")

    act("comment", body={"text": "We have found it.", "public": True})

    [notice] = around.workflow()["outbox"].values()
    assert notice["template"] == "case_message"
    assert notice["fields"]["text"] == "We have found it."
    assert notice["recipient"] == "john.smith@example.com"


def test_a_customer_has_time_until_then(act, fitting, around):
    fitting("pending")

    assert act("pending", body={"text": "any", "until": at(days=1)}).status == 200

    assert around.get().pending_until == at(days=1)


@pytest.mark.parametrize("until", [at(hours=-1), at(days=8)])
def test_a_customer_has_no_time_beyond_bounds(act, fitting, around, until):
    before = fitting("pending")

    answer = act("pending", body={"text": "any", "until": until})

    assert answer.problem == (409, "/problems/not-possible")
    assert around.get() == before


def test_a_time_that_cannot_be_written_is_refused(act, fitting, around):
    before = fitting("pending")

    answer = act("pending", body={"text": "any", "until": "0001-01-01T00:00:00+14:00"})

    assert answer.problem == (422, "/problems/invalid-request")
    assert around.get() == before


def test_whoever_is_freed_gets_what_waits(act, fitting, around):
    fitting("resolve")
    around.put(any_ticket("WAITING", ticket_id=NOBODY), task_token="other-token")

    act("resolve")

    assert around.get(NOBODY).assignee == SARAH
    assert around.tasks.completed == [TOKEN, "other-token"]


def test_a_ticket_is_given_to_somebody_else(act, fitting, around):
    fitting("reassign")

    assert act("reassign").body["assignee"] == JANE

    assert around.loads() == {SARAH: 0, JANE: 1}
    assert around.outbox() == ["case_assigned"]


def test_or_put_back_into_its_queue(act, fitting, around):
    fitting("reassign")
    around.deactivate(SARAH)
    around.deactivate(JANE)

    answer = act("reassign", body={"representative_id": None, "reason": "any"})

    assert (answer.body["state"], answer.body["assignee"]) == ("QUEUED", None)
    assert around.loads() == {SARAH: 0, JANE: 0}


def test_who_has_no_room_is_given_nothing(act, fitting, around):
    before = fitting("reassign")
    around.set_load(JANE, 3)

    assert act("reassign").problem == (409, "/problems/no-room")

    assert around.get() == before
    assert around.loads() == {SARAH: 1, JANE: 3}


def test_nobody_knows_whom_nobody_knows(act, fitting, around):
    before = fitting("reassign")

    answer = act("reassign", body={"representative_id": "nobody", "reason": "any"})

    assert answer.problem == (422, "/problems/unknown-representative")
    assert around.get() == before


def test_a_ticket_goes_into_another_queue(act, fitting, around):
    around.put_queue(any_queue(name="claims", required_skills=["refunds"]))
    fitting("change")

    answer = act("change", body={"queue": "claims", "required_skills": ["refunds"]})

    assert (answer.body["queue"], answer.body["required_skills"]) == ("claims", ["refunds"])
    assert around.events()[:2] == ["queue_changed", "skills_changed"]


def test_there_is_no_way_into_a_queue_that_is_not_there(act, fitting, around):
    before = fitting("change")

    assert act("change", body={"queue": "nothing"}).problem == (422, "/problems/unknown-queue")

    assert around.get() == before


@pytest.mark.parametrize("body", [{}, {"priority": "normal", "queue": "parcels"}])
def test_what_is_like_that_already_is_not_changed(act, fitting, around, body):
    before = fitting("change")

    assert act("change", body=body).problem == (409, "/problems/not-possible")

    assert around.get() == before


@pytest.mark.parametrize(
    ("into", "problem"),
    [
        (ID, (409, "/problems/not-possible")),
        (NOBODY, (404, "/problems/unknown-ticket")),
    ],
)
def test_nothing_goes_on_as_itself_or_as_nothing(act, fitting, around, into, problem):
    before = fitting("merge")

    assert act("merge", body={"into": into}).problem == problem

    assert around.get() == before


def test_nothing_goes_on_as_a_ticket_of_another_customer(act, fitting, around):
    before = fitting("merge", customer_id="1001")

    assert act("merge").problem == (409, "/problems/not-possible")

    assert (around.get(), around.get(OTHER).version) == (before, 1)


def test_what_was_closed_long_ago_is_not_taken_up_again(act, fitting, around, clock):
    before = fitting("reopen")
    clock(NOW + timedelta(days=14, seconds=1))

    assert act("reopen").problem == (409, "/problems/not-possible")

    assert (around.get(), around.executions()) == (before, {})


@pytest.mark.parametrize("who", [MINE, SERVICE])
def test_what_no_tier_resolved_takes_a_supervisor(act, fitting, around, who):
    fitting("reopen")
    before = around.put(any_ticket("EXHAUSTED"))

    assert act("reopen", **who).problem == (403, "/problems/forbidden")
    assert around.get() == before

    assert act("reopen", **SUPERVISOR).body["state"] == "QUEUED"


def test_what_was_stored_although_the_execution_could_not_be_woken_is_changed(
    act, fitting, around, intercept
):
    fitting("comment")
    intercept("SendTaskSuccess", before=fails_with("ThrottlingException"))

    assert act("comment").status == 200

    assert around.workflow()["attention_at"] == at(seconds=60)


# --- queues


def settings(**changed):
    values = any_queue(**changed).model_dump(mode="json")
    return {name: value for name, value in values.items() if name != "name"}


def test_lists_queues_and_reads_their_settings(get):
    listed = get("/queues", roles=["representative"]).body
    one = get("/queues/parcels", roles=["representative"])

    assert [(queue["name"], queue["version"]) for queue in listed] == [
        ("general", 0),
        ("parcels", 1),
    ]
    assert (one.status, one.body) == (200, listed[1])
    assert one.body["settings"] == settings()


def test_does_not_know_a_queue_that_is_not_there(get):
    assert get("/queues/nothing").problem == (404, "/problems/unknown-queue")


@pytest.mark.parametrize(("name", "version"), [("claims", 0), ("general", 0), ("parcels", 1)])
def test_stores_a_queue_s_settings(get, put, name, version):
    body = {"version": version, "settings": settings(warn_percent=50)}

    answer = put(f"/queues/{name}", body)

    assert (answer.status, answer.body["version"]) == (200, version + 1)
    assert get(f"/queues/{name}").body == answer.body
    assert answer.body["settings"]["warn_percent"] == 50


@pytest.mark.parametrize("version", [0, 2])
def test_stores_settings_only_over_the_version_that_was_seen(get, put, version):
    answer = put("/queues/parcels", {"version": version, "settings": settings(warn_percent=50)})

    assert answer.problem == (409, "/problems/stale-version")
    assert answer.body["version"] == 1
    assert get("/queues/parcels").body["settings"] == settings()


def test_settings_whose_answer_was_lost_are_stored_when_they_come_again(put, intercept):
    body = {"version": 1, "settings": settings(warn_percent=50)}
    intercept("PutItem", after=reply_is_lost)
    assert put("/queues/parcels", body).status == 503

    answer = put("/queues/parcels", body)

    assert (answer.status, answer.body["version"]) == (200, 2)


def test_refuses_settings_that_cannot_be(get, put):
    for changed in (
        {"tiers": []},
        {"tiers": [{"targets": {}}]},
        {"warn_percent": 100},
        {"return_seconds": 0},
        {"managers": [{}]},
        {"managers": [{"email": "Peter Miller"}]},
        {"calendar": {"hours": {"monday": [["17:00", "09:00"]]}}},
        {"calendar": {"time_zone": "Miller/Berlin"}},
        {"name": "claims"},
        {"more": 1},
    ):
        answer = put("/queues/parcels", {"version": 1, "settings": settings() | changed})

        assert answer.problem == (422, "/problems/invalid-request"), changed
        assert "Miller" not in answer.text
    assert get("/queues/parcels").body["settings"] == settings()


# --- representatives


def profile(**changed):
    values = any_representative().model_dump(mode="json")
    own = ("representative_id", "version", "load", "turn")
    return {name: one for name, one in values.items() if name not in own} | changed


@pytest.fixture
def stored(module, around):
    around.put_representative(any_representative(load=1), any_representative(JANE, shifts=()))


def test_lists_representatives_and_who_is_there(get, stored):
    listed = get("/representatives", roles=["representative"]).body
    one = get(f"/representatives/{SARAH}", roles=["representative"])

    assert [(who["representative_id"], who["on_shift"], who["load"]) for who in listed] == [
        (JANE, False, 0),
        (SARAH, True, 1),
    ]
    assert (one.status, one.body) == (200, listed[1])
    assert one.body["profile"] == profile()


@pytest.mark.parametrize("path", ["", "/shifts"])
def test_does_not_know_a_representative_who_is_not_there(send, path):
    body = {"version": 1, "shifts": []} if path else None
    answer = send("PUT" if path else "GET", f"/representatives/nobody{path}", body=body)

    assert answer.problem == (404, "/problems/unknown-representative")


def test_stores_a_representative(get, put):
    answer = put(f"/representatives/{SARAH}", {"version": 0, "profile": profile()})

    assert (answer.status, answer.body["version"], answer.body["load"]) == (200, 1, 0)
    assert get(f"/representatives/{SARAH}").body == answer.body


def test_a_profile_keeps_who_has_what(get, put, stored):
    body = {"version": 1, "profile": profile(capacity=9)}

    answer = put(f"/representatives/{SARAH}", body)

    assert (answer.body["version"], answer.body["load"]) == (2, 1)
    assert answer.body["profile"]["capacity"] == 9


def test_stores_when_somebody_is_there(put, stored):
    shifts = [{"begins_at": at(hours=1), "ends_at": at(hours=2)}]

    answer = put(f"/representatives/{SARAH}/shifts", {"version": 1, "shifts": shifts})

    assert (answer.status, answer.body["on_shift"], answer.body["version"]) == (200, False, 2)
    assert answer.body["profile"] == profile(shifts=shifts)


@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("path", ["", "/shifts"])
def test_stores_a_profile_only_over_the_version_that_was_seen(get, put, stored, path, version):
    body = {"shifts": []} if path else {"profile": profile(name="Other")}

    answer = put(f"/representatives/{SARAH}{path}", body | {"version": version})

    assert answer.problem == (409, "/problems/stale-version")
    assert answer.body["version"] == 1
    assert get(f"/representatives/{SARAH}").body["profile"] == profile()


def test_nobody_is_stored_over_a_version_that_never_was(put):
    answer = put(f"/representatives/{SARAH}", {"version": 3, "profile": profile()})

    assert answer.problem == (409, "/problems/stale-version")
    assert answer.body["version"] == 0


def test_a_profile_whose_answer_was_lost_is_stored_when_it_comes_again(put, stored, intercept):
    body = {"version": 1, "profile": profile(capacity=9)}
    intercept("UpdateItem", after=reply_is_lost)
    assert put(f"/representatives/{SARAH}", body).status == 503

    answer = put(f"/representatives/{SARAH}", body)

    assert (answer.status, answer.body["version"]) == (200, 2)


@pytest.mark.parametrize("path", ["", "/shifts"])
def test_whoever_has_room_now_gets_what_waits(put, around, path):
    around.put(any_ticket("WAITING"), task_token=TOKEN)
    around.put_representative(any_representative(shifts=(), capacity=0 if not path else 1))
    body = {"shifts": profile()["shifts"]} if path else {"profile": profile()}

    put(f"/representatives/{SARAH}{path}", body | {"version": 1})

    assert around.get().assignee == SARAH
    assert around.tasks.completed == [TOKEN]


def test_refuses_a_profile_that_cannot_be(get, put):
    for changed in (
        *({"name": ""}, {"capacity": -1}, {"capacity": None}, {"tiers": []}, {"tiers": [0]}),
        *({"email": "Peter Miller"}, {"phone": "MILLER"}, {"skills": ["A B"]}, {"load": 0}),
        {"shifts": [{"begins_at": at(), "ends_at": at()}]},
        {"shifts": [{"begins_at": "2026-03-02T09:00:00", "ends_at": at(hours=1)}]},
    ):
        answer = put(f"/representatives/{SARAH}", {"version": 0, "profile": profile() | changed})

        assert answer.problem == (422, "/problems/invalid-request"), changed
        assert "Miller" not in answer.text
    assert get("/representatives").body == []


# --- what is logged


def test_logs_no_words_of_anybody(act, fitting, get, post, around, capsys):
    around.put_customer()
    fitting("comment", description="John Smith is angry", call=CALL)
    words = {"text": "Dear Mr Smith, we are sorry", "public": True}

    act("comment", body=words, key="my-secret-key")
    act("comment", version=1, body=words | {"text": "x" * 5000})
    act("resolve", version=2, body={"resolution": "We are sorry"})
    get(f"/{ID}")
    post(body=NEW | {"customer_id": "1001", "contact": {"name": "John Smith"}})
    post(body=NEW | {"subject": "Miller" * 100})

    logged = capsys.readouterr().out
    assert "ticket created" in logged
    for word in ("Smith", "sorry", "parcel", "Miller", "example.com", "my-secret-key", "analyses/"):
        assert word not in logged, word
    assert TOKEN not in logged


def test_what_goes_wrong_is_told_without_words(post, around, intercept, capsys):
    intercept("TransactWriteItems", before=fails_with("AccessDeniedException"))

    answer = post(body=NEW)

    assert answer.problem == (500, "/problems/internal-error")
    assert "parcel" not in answer.text + capsys.readouterr().out
    assert json.loads(answer.text)["instance"] == "any-request"


def test_shifts_are_as_of_now(get, stored, clock):
    clock(later(days=3))

    assert get(f"/representatives/{SARAH}").body["on_shift"] is False
