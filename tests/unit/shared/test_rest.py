"""What every HTTP API does, seen through a small one made here."""

import base64
import json
from typing import Annotated, Any

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from shared.errors import AmbiguousError, TransientError
from tests.unit import http_stub
from tests.unit.tokens import SETTINGS, Issuer, fresh

NoteId = Annotated[str, StringConstraints(pattern=r"^[a-zäA-Z0-9 /%\"-]{1,20}$")]


EVERYBODY = {"representative", "supervisor", "operator", "service"}


def _no_miller(name: str) -> str:
    if "Miller" in name:
        raise ValueError(f"{name} is not welcome")
    return name


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=50)
    name: Annotated[str, AfterValidator(_no_miller)] = "any"
    stars: int = 0
    tags: list[str] = []


class Note(BaseModel):
    note_id: str
    text: str = "any"


class App:
    """An API with a route of every kind, and one that does as the test says."""

    def __init__(self, rest: Any) -> None:
        self.rest = rest
        self.seen: list[Any] = []
        self.act = lambda: None
        self.api = rest.RestApi(
            prefix="/notes", title="Notes", version="1", description="An example."
        )
        self._reads()
        self._writes()
        self._misbehaves()

    def _reads(self) -> None:
        api, rest, everybody = self.api, self.rest, EVERYBODY

        @api.get("/notes", roles=everybody, summary="List notes")
        def list_notes(
            colour: str | None = None,
            limit: rest.Limit = rest.DEFAULT_LIMIT,
            cursor: rest.Cursor = None,
        ) -> rest.Page[Note]:
            self.seen.append((colour, limit))
            start = int(rest.decode_cursor(cursor, {"after"})["after"]) if cursor else 0
            items = [Note(note_id=str(number)) for number in range(start, start + limit)]
            return api.page(items, {"after": str(start + limit)} if start < 40 else None)

        @api.get("/notes/latest", roles=everybody, summary="Read the latest note")
        def read_latest() -> Note:
            return Note(note_id="latest")

        @api.get("/notes/<note_id>", roles=everybody, summary="Read one note")
        def read_note(note_id: NoteId) -> Note:
            self.seen.append(note_id)
            api.set_version(7)
            return Note(note_id=note_id)

    def _writes(self) -> None:
        api, rest = self.api, self.rest

        @api.post("/notes", roles={"supervisor", "operator"}, summary="Write a note", status=201)
        def write_note(note: NewNote) -> Note:
            self.seen.append((api.caller.subject, note, api.idempotency_key()))
            api.set_header("Location", "/notes/new")
            return Note(note_id="new", text=note.text)

        @api.put("/notes/<note_id>", roles={"supervisor"}, summary="Change a note")
        def change_note(note_id: NoteId, note: NewNote) -> Note:
            if api.if_match() not in (None, 7):
                raise rest.Problem(412, "stale-version", "Somebody was faster.", version=7)
            return Note(note_id=note_id)

        @api.delete("/notes/<note_id>", roles={"supervisor"}, summary="Remove a note", status=204)
        def remove_note(note_id: NoteId) -> None:
            return None

    def _misbehaves(self) -> None:
        api, rest, everybody = self.api, self.rest, EVERYBODY

        @api.patch("/notes/<note_id>", roles={"operator"}, summary="Do as the test says")
        def act(note_id: NoteId) -> Any:
            return self.act()

        @api.get("/notes/<call_id>/lines", roles=everybody, summary="Log a line")
        def log_line(call_id: NoteId, customer_id: str | None = None) -> None:
            rest.logger.info("any line")

        @api.get("/notes/<note_id>/wrong", roles=everybody, summary="Answer wrongly")
        def answer_wrongly(note_id: NoteId) -> Note:
            return {"text": "Peter Miller"}


@pytest.fixture
def issuer(monkeypatch):
    return Issuer(http_stub.install(monkeypatch))


@pytest.fixture
def rest(monkeypatch, observability):
    with fresh(monkeypatch, "shared.rest", **SETTINGS) as module:
        yield module


@pytest.fixture
def app(rest, issuer):
    return App(rest)


@pytest.fixture
def send(app, issuer, context):
    token = issuer.token(roles=["supervisor", "operator"])

    def request(method: str, path: str, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} | options.pop("headers", {})
        return Answer(app.api.handle(event(method, path, headers=headers, **options), context))

    return request


class Answer:
    """What came back, in the form API Gateway takes."""

    def __init__(self, raw: dict[str, Any]) -> None:
        assert set(raw) == {"statusCode", "body", "isBase64Encoded", "multiValueHeaders"}
        assert type(raw["statusCode"]) is int
        assert raw["isBase64Encoded"] is False
        json.dumps(raw)
        self.status = raw["statusCode"]
        self.headers = {name: value for name, [value] in raw["multiValueHeaders"].items()}
        self.text = raw["body"]

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def problem(self) -> tuple[int, str]:
        assert self.headers["Content-Type"] == "application/problem+json"
        assert {"type", "title", "status", "detail", "instance"} <= set(self.body)
        assert self.body["status"] == self.status
        return self.status, self.body["type"]


def event(
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    query: dict[str, list[str]] | None = None,
    body: Any = None,
) -> dict[str, Any]:
    """As API Gateway's Lambda proxy, and LocalStack's, send it: absent parts are null."""
    text = body if isinstance(body, str | None) else json.dumps(body)
    if body is not None:
        headers = {"Content-Type": "application/json"} | (headers or {})
    return {
        "resource": "/{proxy+}",
        "httpMethod": method,
        "path": path,
        "headers": headers,
        "multiValueHeaders": headers and {name: [value] for name, value in headers.items()},
        "queryStringParameters": query and {name: values[-1] for name, values in query.items()},
        "multiValueQueryStringParameters": query,
        "pathParameters": None,
        "requestContext": {"stage": "dev", "path": f"/dev{path}"},
        "body": text,
        "isBase64Encoded": False,
    }


# --- who may


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/notes"), ("GET", "/nowhere"), ("TRACE", "/notes"), ("GET", "/notes/openapi.json")],
)
@pytest.mark.parametrize("headers", [None, {"Authorization": "Bearer a.b.c"}])
def test_without_a_token_nobody_learns_what_exists(app, context, method, path, headers):
    answer = Answer(
        app.api.handle(event(method, path, headers=headers, body="x" * 300_000), context)
    )

    assert answer.problem == (401, "/problems/unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="aftercall"'
    assert "a.b.c" not in answer.text


def test_finds_the_token_in_headers_of_either_form(app, issuer, context):
    sent = event(
        "GET",
        "/notes",
        headers={"authorization": f"Bearer {issuer.token(scope='aftercall/service')}"},
    )

    for form in ("headers", "multiValueHeaders"):
        assert Answer(app.api.handle({**sent, form: None}, context)).status == 200


def test_refuses_a_caller_without_the_role_before_it_looks_at_the_request(app, issuer, context):
    headers = issuer.headers("representative") | {"Content-Type": "text/plain"}

    answer = Answer(app.api.handle(event("POST", "/notes", headers=headers, body="{"), context))

    assert answer.problem == (403, "/problems/forbidden")
    assert answer.body["detail"] == "This takes a role: operator, supervisor."
    assert app.seen == []


@pytest.mark.parametrize("role", ["supervisor", "operator"])
def test_any_role_of_the_route_is_enough(app, issuer, context, role):
    sent = event("POST", "/notes", headers=issuer.headers(role, sub="s1"), body={"text": "any"})

    assert Answer(app.api.handle(sent, context)).status == 201
    assert app.seen[0][0] == "s1"


def test_knows_no_caller_outside_of_a_request(app, send):
    send("GET", "/notes")

    with pytest.raises(LookupError):
        _ = app.api.caller


def test_an_issuer_that_is_away_puts_the_caller_off(app, issuer, context, capsys):
    issuer.broken = True

    answer = Answer(app.api.handle(event("GET", "/notes", headers=issuer.headers()), context))

    assert answer.problem == (503, "/problems/temporarily-unavailable")
    assert answer.headers["Retry-After"] == "5"
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["message"], line["error"]) == ("request put off", "IdentityProviderUnavailable")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"summary": "any"}, TypeError),
        ({"summary": "any", "roles": set()}, ValueError),
        ({"summary": "any", "roles": {"admin"}}, ValueError),
        ({"roles": {"operator"}}, TypeError),
    ],
    ids=str,
)
def test_a_route_cannot_be_declared_without_roles_that_exist(app, options, error):
    with pytest.raises(error):
        app.api.get("/notes/new", **options)


@pytest.mark.parametrize("path", ["/other", "/notesandmore", "notes"])
def test_a_route_stays_below_its_prefix(app, path):
    with pytest.raises(ValueError, match="outside /notes"):
        app.api.get(path, roles={"operator"}, summary="any")(lambda: None)


@pytest.mark.parametrize("prefix", ["", "/", "notes", "/notes/", "/<x>"])
def test_a_prefix_is_a_path(rest, prefix):
    with pytest.raises(ValueError, match="prefix"):
        rest.RestApi(prefix, title="any", version="1", description="any")


# --- what there is


@pytest.mark.parametrize(
    "path", ["/", "", "/nowhere", "/notes/a/b", "/dev/notes", "/notes//", "//notes", "/NOTES"]
)
def test_an_unknown_path_is_a_problem(send, path):
    if path == "/notes//":  # Slashes at the end are no part of a path.
        assert send("GET", path).status == 200
    else:
        assert send("GET", path).problem == (404, "/problems/unknown-path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/notes", "GET, POST"),
        ("HEAD", "/notes", "GET, POST"),
        ("OPTIONS", "/notes", "GET, POST"),
        ("get", "/notes", "GET, POST"),
        ("POST", "/notes/n1", "DELETE, GET, PATCH, PUT"),
        ("POST", "/notes/latest", "DELETE, GET, PATCH, PUT"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(send, method, path, allowed):
    answer = send(method, path)

    assert answer.problem == (405, "/problems/unknown-method")
    assert answer.headers["Allow"] == allowed


def test_a_fixed_path_wins_over_a_parameter(send):
    assert send("GET", "/notes/latest").body["note_id"] == "latest"


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        ("n1", "n1"),
        ("a%20b", "a b"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("%22a%22", '"a"'),
        ("%C3%A4", "ä"),
        ("ä", "ä"),
    ],
)
def test_a_path_parameter_is_decoded_once(app, send, sent, arrives):
    assert send("GET", f"/notes/{sent}").body["note_id"] == arrives
    assert app.seen == [arrives]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/notes/%FF", 400), ("/notes/\ud800", 400), ("/notes/%3F", 422), ("/notes/" + "a" * 21, 422)],
    ids=ascii,
)
def test_a_path_parameter_has_the_form_of_its_type(app, send, path, status):
    assert send("GET", path).status == status
    assert app.seen == []


# --- bodies


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json ;a=b"]
)
def test_takes_a_json_body(app, send, content_type):
    answer = send("POST", "/notes", headers={"Content-Type": content_type}, body={"text": "Grüße"})

    assert (answer.status, answer.body) == (201, {"note_id": "new", "text": "Grüße"})
    assert answer.headers["Location"] == "/notes/new"
    assert answer.headers["Content-Type"] == "application/json"


def test_takes_a_body_that_a_gateway_encoded(app, issuer, context):
    sent = event("POST", "/notes", headers=issuer.headers("operator"), body="")
    encoded = base64.b64encode('{"text": "Grüße"}'.encode()).decode()

    answer = Answer(app.api.handle({**sent, "body": encoded, "isBase64Encoded": True}, context))

    assert answer.body["text"] == "Grüße"


@pytest.mark.parametrize("body", ["!", base64.b64encode(b'{"text": "\xff"}').decode()])
def test_refuses_a_body_that_no_gateway_encoded(app, issuer, context, body):
    sent = event("POST", "/notes", headers=issuer.headers("operator"), body=body)

    answer = Answer(app.api.handle({**sent, "isBase64Encoded": True}, context))

    assert answer.problem == (400, "/problems/invalid-json")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"],
)
def test_takes_no_other_media_type(send, content_type):
    answer = send("POST", "/notes", headers={"Content-Type": content_type}, body='{"text": "any"}')

    assert answer.problem == (415, "/problems/unsupported-media-type")


@pytest.mark.parametrize(
    "body",
    ["{", "text", "{'text': 1}", '{"stars": NaN}', "[" * 100_000, "1" * 5000, "\ud800", '{"a":1}x'],
    ids=lambda body: ascii(body)[:20],
)
def test_a_body_that_is_no_json_is_a_problem(send, body):
    assert send("POST", "/notes", body=body).problem == (400, "/problems/invalid-json")


def test_a_body_has_a_largest_size(send):
    fits = json.dumps({"text": "any"})
    fits += " " * (256 * 1024 - len(fits))

    assert send("POST", "/notes", body=fits).status == 201
    assert send("POST", "/notes", body=fits + " ").problem == (413, "/problems/body-too-large")
    assert send("POST", "/notes", body="ä" * 131_073).status == 413


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (None, ["body"]),
        ("null", ["body"]),
        ("[]", ["body"]),
        ('[{"text": "any"}]', ["body"]),
        ('"text"', ["body"]),
        ({}, ["body", "text"]),
        ({"text": "x" * 51}, ["body", "text"]),
        ({"text": ["any"]}, ["body", "text"]),
        ({"text": "any", "tags": ["any", 7]}, ["body", "tags", 1]),
        ({"text": "any", "more": 1}, ["body", "more"]),
        ('{"text": "\\ud800"}', ["body", "text"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_of_another_form_is_told_where(app, send, body, loc):
    answer = send("POST", "/notes", body=body)

    assert answer.problem == (422, "/problems/invalid-request")
    assert [error["loc"] for error in answer.body["errors"]] == [loc]
    assert [set(error) for error in answer.body["errors"]] == [{"loc", "msg"}]
    assert app.seen == []


@pytest.mark.parametrize(
    "body",
    [
        {"text": "any", "name": "Miller"},
        {"text": "any", "stars": "Miller"},
        {"text": 7, "tags": "Miller"},
    ],
)
def test_a_mistake_is_not_repeated(send, capsys, body):
    answer = send("POST", "/notes", body=body)

    assert answer.status == 422
    assert "Miller" not in answer.text + capsys.readouterr().out


@pytest.mark.parametrize("body", ['{"text": "any", "\\ud800": 1}', '{"text": "any", "": 1}'])
def test_a_key_that_is_no_text_is_a_problem(send, body):
    assert send("POST", "/notes", body=body).status in (400, 422)


def test_tells_of_many_mistakes_only_the_first(send):
    answer = send("POST", "/notes", body={"text": "any", "tags": [0] * 1000})

    assert len(answer.body["errors"]) == 20


# --- lists


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "1.5", ""])
def test_a_page_has_a_size_that_is_possible(send, limit):
    answer = send("GET", "/notes", query={"limit": [limit]})

    assert answer.problem == (422, "/problems/invalid-request")
    assert answer.body["errors"][0]["loc"] == ["query", "limit"]


def test_a_parameter_that_comes_twice_is_none(send):
    assert send("GET", "/notes", query={"limit": ["1", "2"]}).status == 422


def test_a_list_is_read_page_by_page(app, send):
    query = {"colour": ["light blue"], "limit": ["30"]}
    read = []
    while True:
        answer = send("GET", "/notes", query=query)
        read += [item["note_id"] for item in answer.body["items"]]
        if answer.body["next"] is None:
            break
        link = answer.headers["Link"]
        assert link.startswith("<?colour=light+blue&limit=30&cursor=")
        assert link.endswith('>; rel="next"')
        query = query | {"cursor": [answer.body["next"]]}

    assert read == [str(number) for number in range(90)]
    assert "Link" not in answer.headers
    assert set(app.seen) == {("light blue", 30)}


@pytest.mark.parametrize("cursor", ["x", "e30", "ä", "{}", "bnVsbA", "a" * 3000, "eyJhZnRlciI6MX0"])
def test_a_cursor_of_nobodys_is_a_problem(send, cursor):
    answer = send("GET", "/notes", query={"cursor": [cursor]})

    assert answer.problem == (400, "/problems/invalid-cursor")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_a_cursor_gives_back_what_it_was_made_of(rest, position):
    cursor = rest.encode_cursor(position)

    if len(cursor) <= 2048:
        assert rest.decode_cursor(cursor, set(position)) == position
    assert cursor.isascii()
    assert not set("+/=") & set(cursor)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_no_cursor_does_worse_than_to_be_refused(rest, cursor):
    with pytest.raises(rest.Problem) as raised:
        rest.decode_cursor(cursor, {"after"})

    assert raised.value.status == 400


def test_a_cursor_holds_whole_characters(rest):
    cursor = base64.urlsafe_b64encode(b'{"after": "\\ud800"}').decode()

    with pytest.raises(rest.Problem):
        rest.decode_cursor(cursor, {"after"})


# --- versions and repeated requests


def test_tells_the_version_and_takes_it_back(send):
    tag = send("GET", "/notes/n1").headers["ETag"]

    assert tag == '"7"'
    for if_match in (tag, "*", f" {tag} "):
        changed = send("PUT", "/notes/n1", headers={"if-match": if_match}, body={"text": "any"})
        assert changed.status == 200
    assert send("PUT", "/notes/n1", body={"text": "any"}).status == 200


def test_refuses_a_change_of_a_version_that_is_gone(send):
    answer = send("PUT", "/notes/n1", headers={"If-Match": '"6"'}, body={"text": "any"})

    assert answer.problem == (412, "/problems/stale-version")
    assert answer.body == {
        "type": "/problems/stale-version",
        "title": "Stale version",
        "status": 412,
        "detail": "Somebody was faster.",
        "instance": "any-request",
        "version": 7,
    }


@pytest.mark.parametrize(
    "if_match",
    [
        "7",
        'W/"7"',
        '"7", "8"',
        '"07"',
        '"-1"',
        '"seven"',
        '""',
        "",
        '"' + "9" * 30 + '"',
        '"\u0667"',
    ],
)
def test_a_version_of_another_form_is_a_problem(send, if_match):
    answer = send("PUT", "/notes/n1", headers={"If-Match": if_match}, body={"text": "any"})

    assert answer.problem == (400, "/problems/invalid-if-match")


@pytest.mark.parametrize("key", [None, "k", "any key!", "~" * 128])
def test_gives_the_route_the_idempotency_key(app, send, key):
    send("POST", "/notes", headers={"idempotency-key": key} if key else {}, body={"text": "any"})

    assert app.seen[0][2] == key


@pytest.mark.parametrize("key", ["", "x" * 129, "ä", "a\tb", "a\n"])
def test_an_idempotency_key_of_another_form_is_a_problem(send, key):
    answer = send("POST", "/notes", headers={"Idempotency-Key": key}, body={"text": "any"})

    assert answer.problem == (400, "/problems/invalid-idempotency-key")


# --- what goes wrong inside


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Peter Miller"),
        KeyError("Peter Miller"),
        AmbiguousError("Peter Miller"),
        RecursionError("Peter Miller"),
        StopIteration("Peter Miller"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_of_ours_is_counted_and_told_without_its_text(app, rest, send, capsys, error):
    def fail():
        raise error

    app.act = fail

    answer = send("PATCH", "/notes/n1")

    assert answer.problem == (500, "/problems/internal-error")
    out, err = capsys.readouterr()
    [line] = [json.loads(line) for line in out.splitlines()]
    assert (line["level"], line["error"]) == ("ERROR", type(error).__name__)
    assert line["at"].startswith("test_rest.py:")
    assert "Miller" not in answer.text + out + err
    assert "RequestFailed" in rest.count.__globals__["metrics"].provider.metric_set


def test_an_answer_that_breaks_the_contract_is_a_fault_of_ours(send, capsys):
    answer = send("GET", "/notes/n1/wrong")

    assert answer.problem == (500, "/problems/internal-error")
    assert "Miller" not in answer.text + "".join(capsys.readouterr())


def test_an_answer_that_is_no_json_is_a_fault_of_ours(app, send):
    app.act = lambda: {"any": object()}

    assert send("PATCH", "/notes/n1").problem == (500, "/problems/internal-error")


def test_a_failure_that_passes_puts_the_caller_off(app, send, capsys):
    def fail():
        raise TransientError("ThrottlingException", "Peter Miller")

    app.act = fail

    answer = send("PATCH", "/notes/n1")

    assert answer.problem == (503, "/problems/temporarily-unavailable")
    assert answer.headers["Retry-After"] == "5"
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["level"], line["error"]) == ("WARNING", "TransientError")


def test_a_problem_leaves_out_what_the_route_wanted_to_add(app, rest, send):
    def fail():
        app.api.set_header("ETag", '"8"')
        raise rest.Problem(409, "note-locked", "Another has it.", by="s1")

    app.act = fail

    answer = send("PATCH", "/notes/n1")

    assert answer.problem == (409, "/problems/note-locked")
    assert (answer.body["title"], answer.body["by"]) == ("Note locked", "s1")
    assert "ETag" not in answer.headers


def test_a_problem_with_something_that_is_no_json_goes_out_too(app, rest, send):
    def fail():
        raise rest.Problem(409, "odd", "\ud800", one=object, other=float("nan"), many={"\ud800"})

    app.act = fail

    assert send("PATCH", "/notes/n1").problem == (409, "/problems/odd")


def test_a_problem_cannot_change_what_every_problem_has(rest):
    with pytest.raises(TypeError, match="title"):
        rest.Problem(409, "any", "any", title="any")


def test_nothing_of_a_request_is_left_for_the_next(app, send):
    send("GET", "/notes/n1")

    assert "ETag" not in send("GET", "/notes/latest").headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/notes"), ("GET", "/nowhere"), ("POST", "/notes"), ("DELETE", "/notes/n1")],
)
def test_no_answer_is_kept_or_guessed_at(send, method, path):
    headers = send(method, path).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_an_answer_without_content_has_no_body(send):
    answer = send("DELETE", "/notes/n1")

    assert (answer.status, answer.text) == (204, "")
    assert "Content-Type" not in answer.headers


def test_logs_the_ids_of_a_path(app, rest, send, capsys):
    send("GET", "/notes/c1/lines")

    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert line["call_id"] == "c1"
    assert "customer_id" not in line
    rest.logger.remove_keys(["call_id"])


@pytest.mark.parametrize(
    "broken", [{}, {"path": "/notes"}, {"headers": 7}, {"headers": {"a": None}}]
)
def test_an_event_of_another_kind_is_answered_too(app, context, broken):
    assert Answer(app.api.handle(broken, context)).status in (401, 500)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    path=st.lists(st.sampled_from(["notes", "latest", "", "%"]) | st.text()).map(
        lambda parts: "/" + "/".join(parts)
    ),
    headers=st.dictionaries(
        st.sampled_from(["Content-Type", "If-Match", "Idempotency-Key", "accept-encoding"]),
        st.text(),
    ),
    query=st.none()
    | st.dictionaries(
        st.sampled_from(["limit", "cursor", "colour"]) | st.text(), st.lists(st.text(), min_size=1)
    ),
    body=st.none() | st.text() | ANY_JSON.map(json.dumps),
)
def test_no_request_does_worse_than_to_be_refused(send, method, path, headers, query, body):
    answer = send(method, path, headers=headers, query=query, body=body)

    assert answer.status < 500


# --- the description


@pytest.fixture
def document(send):
    return send("GET", "/notes/openapi.json").body


def test_describes_itself_to_whoever_has_a_token(app, issuer, context):
    answer = Answer(
        app.api.handle(event("GET", "/notes/openapi.json", headers=issuer.headers()), context)
    )

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.body["openapi"].startswith("3.1")
    assert answer.body["info"] == {"title": "Notes", "version": "1", "description": "An example."}


def test_describes_every_route_with_its_roles(app, document):
    described = {
        (method.upper(), path): operation["description"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert described["POST", "/notes"] == "Roles: operator, supervisor."
    assert described["GET", "/notes/openapi.json"] == "Roles: any."
    assert len(described) == 10
    assert document["paths"]["/notes"]["post"]["operationId"] == "write_note"


def test_describes_the_token_and_the_problems(document):
    [scheme] = document["components"]["securitySchemes"].values()

    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["security"] == [{"token": []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            assert {"4XX", "5XX"} < set(operation["responses"])
            assert "422" not in operation["responses"]
    content = document["components"]["responses"]["Problem"]["content"]
    assert set(content) == {"application/problem+json"}


def test_describes_bodies_parameters_and_answers(document):
    post, listing = document["paths"]["/notes"]["post"], document["paths"]["/notes"]["get"]

    assert set(post["responses"]) == {"201", "4XX", "5XX"}
    body = post["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"] == "#/components/schemas/NewNote"
    limit = next(one for one in listing["parameters"] if one["name"] == "limit")
    assert (limit["schema"]["maximum"], limit["schema"]["default"]) == (100, 20)


def test_every_reference_of_the_description_leads_somewhere(document):
    def references(value: Any) -> list[str]:
        if isinstance(value, list):
            return [found for item in value for found in references(item)]
        if not isinstance(value, dict):
            return []
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]

    found = references(document)

    assert found
    for reference in found:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_the_description_says_where_its_paths_begin(document):
    assert document["servers"] == [{"url": ".."}]


def test_the_token_of_a_caller_is_in_no_answer_and_no_log(app, issuer, context, capsys):
    headers = issuer.headers("operator", sub="Peter Miller")
    claims = jwt.decode(headers["Authorization"][7:], options={"verify_signature": False})
    assert claims["sub"] == "Peter Miller"

    for path in ("/notes", "/nowhere", "/notes/n1/wrong"):
        answer = Answer(app.api.handle(event("GET", path, headers=headers), context))
        assert "Miller" not in answer.text + "".join(capsys.readouterr())
