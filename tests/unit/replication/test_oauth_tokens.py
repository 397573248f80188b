"""Access tokens: who refreshes them, who waits, and what is stored whatever goes wrong."""

import json
from importlib import import_module
from threading import Barrier, Thread

import pytest
import requests
from botocore.exceptions import ClientError

from replication.storage.interface import Pause
from shared.errors import StorageRefused, TransientError
from shared.times import parse_time
from tests.unit.aws_errors import fails_with
from tests.unit.http_stub import reply
from tests.unit.template import client

NOW = 1_767_225_600.0
NAME = "aftercall/storage/dana"
URL = "https://provider.example/oauth2/token"
CLIENT = {"client_id": "any-client", "client_secret": "hush-client", "refresh_token": "hush-1"}


@pytest.fixture
def wanted():
    return {"QuotasTable"}


@pytest.fixture
def module(cloud, step):
    step("replication.create_folders")
    return import_module("replication.storage.tokens")


@pytest.fixture
def secrets(cloud):
    client("secretsmanager").create_secret(Name=NAME, SecretString=json.dumps(CLIENT))
    return client("secretsmanager")


class Time:
    """Nobody sleeps: time goes on at once, and `meanwhile` happens."""

    def __init__(self):
        self.now, self.meanwhile = NOW, lambda: None

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def made(module, secrets, time):
    """Make what one process has."""

    def make(url: str = URL, provider: str = "box"):
        return module.AccessTokens(provider, NAME, url, clock=time, sleep=time.sleep)

    return make


class Endpoint:
    """Gives tokens out, each refresh token once, as Box does."""

    def __init__(self, stub, first: str = "hush-1"):
        self.good, self.given = first, 0
        stub.answer = self.answer

    def answer(self, request):
        form = dict(pair.split("=") for pair in request.body.split("&"))
        if form["refresh_token"] != self.good:
            return reply(400, {"error": "invalid_grant", "error_description": "hush"})
        self.given += 1
        self.good = f"hush-{self.given + 1}"
        return reply(
            200,
            {
                "access_token": f"access-{self.given}",
                "expires_in": 3600,
                "refresh_token": self.good,
                "token_type": "bearer",
            },
        )


def stored(secrets) -> dict[str, str]:
    return json.loads(secrets.get_secret_value(SecretId=NAME)["SecretString"])


def store(secrets, **changes) -> None:
    document = stored(secrets) | changes
    secrets.put_secret_value(SecretId=NAME, SecretString=json.dumps(document))


def test_stores_what_was_granted_before_anybody_uses_it(made, secrets, stub, module):
    Endpoint(stub)

    assert made().token() == "access-1"

    after = stored(secrets)
    assert after | CLIENT == after | {"refresh_token": "hush-1"}
    assert (after["access_token"], after["refresh_token"]) == ("access-1", "hush-2")
    assert parse_time(after["expires_at"]).timestamp() == NOW + 3600
    [request] = stub.requests
    assert request.url == URL
    assert "Authorization" not in request.headers
    assert stub.timeouts == [(5, 60)]
    assert module.leases.ends_at("box", f"token#{NAME}") is None


def test_all_processes_use_the_same_token_until_it_is_about_to_expire(made, stub, time):
    Endpoint(stub)
    one, other = made(), made()

    time.now = NOW
    assert [one.token(), other.token(), one.token()] == ["access-1"] * 3
    time.now = NOW + 3600 - 121
    assert other.token() == "access-1"
    time.now = NOW + 3600 - 119
    assert [one.token(), other.token()] == ["access-2"] * 2

    assert len(stub.requests) == 2


def test_a_refresh_token_that_is_not_rotated_stays(made, secrets, stub):
    stub.answer = lambda _: reply(200, {"access_token": "access-1", "expires_in": 14400})

    made(provider="dropbox").token()

    assert stored(secrets)["refresh_token"] == "hush-1"


def test_what_else_is_in_the_secret_stays(made, secrets, stub):
    Endpoint(stub)
    store(secrets, note="for the books")

    made().token()

    assert stored(secrets)["note"] == "for the books"


def test_a_refused_token_is_refreshed_by_one_and_read_by_the_others(made, stub, time):
    Endpoint(stub)
    one, other = made(), made()
    assert one.token() == other.token() == "access-1"
    time.now += 600

    assert one.token(refused="access-1") == "access-2"
    assert other.token(refused="access-1") == "access-2"
    assert one.token(refused="access-1") == "access-2"

    assert len(stub.requests) == 2


def test_a_token_that_is_refused_at_once_is_not_refreshed_again_and_again(made, stub, time):
    Endpoint(stub)
    tokens = made()
    tokens.token()
    time.now += 30
    assert tokens.token(refused="access-1") == "access-2"
    time.now += 30

    for process in (tokens, made()):
        with pytest.raises(StorageRefused, match=r"^CredentialsRefused: .*has just given"):
            process.token(refused="access-2")

    assert len(stub.requests) == 2


def test_a_young_token_may_be_refused_again_later(made, stub, time):
    Endpoint(stub)
    tokens = made()
    tokens.token()
    tokens.token(refused="access-1")
    time.now += 60
    assert tokens.token(refused="access-2") == "access-3"

    assert made().token(refused="access-3") == "access-4"


def test_who_comes_while_another_one_refreshes_waits_for_its_token(
    made, module, secrets, stub, time
):
    fence = module.leases.acquire("box", f"token#{NAME}", "another", 60, NOW)

    def done_by_another():
        times = {"issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z"}
        store(secrets, access_token="access-9", refresh_token="hush-9", **times)
        module.leases.release("box", f"token#{NAME}", "another", fence)

    time.meanwhile = done_by_another

    assert made().token() == "access-9"
    assert stub.requests == []


def test_who_would_wait_for_long_goes_on_later(made, module, stub, time):
    module.leases.acquire("box", f"token#{NAME}", "another", 60, NOW)

    with pytest.raises(Pause) as raised:
        made().token()

    assert raised.value.not_before == time.now + module.PAUSE_SECONDS
    assert NOW < time.now <= NOW + module.LONGEST_WAIT + module.PULSE_SECONDS
    assert stub.requests == []


def test_what_a_killed_process_has_begun_is_done_by_another_when_its_lease_ends(
    made, module, stub, time
):
    Endpoint(stub)
    module.leases.acquire("box", f"token#{NAME}", "killed", module.LEASE_SECONDS, NOW)
    time.now = NOW + module.LEASE_SECONDS

    assert made().token() == "access-1"


def test_many_at_once_refresh_once(made, stub, module):
    endpoint = Endpoint(stub)
    workers = [made() for _ in range(8)]
    together, got = Barrier(8), []
    for connect in (module.secretsmanager, module.leases.dynamodb):
        connect()  # boto3 makes no clients in several threads at once.

    def work(tokens):
        together.wait()
        while True:
            try:
                got.append(tokens.token())
                return
            except Pause:
                continue

    threads = [Thread(target=work, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)

    assert got == ["access-1"] * 8
    assert endpoint.given == 1


def test_a_revoked_refresh_token_is_told_to_a_person(made, stub, module):
    Endpoint(stub, first="hush-elsewhere")

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: .*authorise the app") as raised:
        made().token()

    assert "hush" not in str(raised.value)
    assert len(stub.requests) == 1
    assert module.leases.ends_at("box", f"token#{NAME}") is None


def test_a_refresh_token_that_was_used_since_it_was_read_is_read_again(made, secrets, stub):
    endpoint = Endpoint(stub, first="hush-2")
    answer = endpoint.answer

    def rotated_meanwhile(request):
        store(secrets, refresh_token="hush-2")
        stub.answer = answer
        return answer(request)

    stub.answer = rotated_meanwhile

    assert made().token() == "access-1"
    assert stored(secrets)["refresh_token"] == "hush-2"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "invalid_client"),
        (401, "invalid_client"),
        (400, "unauthorized_client"),
        (400, "invalid_client: Invalid client_id or client_secret"),
    ],
)
def test_a_wrong_client_is_told_apart_from_a_revoked_token(made, stub, status, error):
    stub.answer = lambda _: reply(status, {"error": error, "error_description": "hush"})

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: .*client_secret") as raised:
        made().token()

    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("error", ["invalid_scope", None, {"a": 1}, "interaction_required"])
def test_what_else_the_endpoint_refuses_is_refused(made, stub, error):
    stub.answer = lambda _: reply(400, {"error": error})

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        made().token()


@pytest.mark.parametrize("headers", [{"Retry-After": "7"}, {}])
def test_a_busy_endpoint_is_asked_later_and_costs_no_attempt(made, stub, time, module, headers):
    stub.answer = lambda _: reply(429, {}, headers)

    with pytest.raises(Pause) as raised:
        made().token()

    assert raised.value.not_before == NOW + (7 if headers else module.BUSY_SECONDS)


@pytest.mark.parametrize("status", [408, 500, 503])
def test_an_endpoint_in_trouble_is_tried_again(made, stub, status):
    stub.answer = lambda _: reply(status, {})

    with pytest.raises(TransientError, match=rf"^HTTP{status}: "):
        made().token()


def test_a_lost_reply_is_tried_again(made, stub):
    def lost(_):
        raise requests.ConnectionError

    stub.answer = lost
    with pytest.raises(TransientError, match=r"^ConnectionError: "):
        made().token()
    Endpoint(stub)

    assert made().token() == "access-1"


@pytest.mark.parametrize(
    "document", [{}, {"access_token": ""}, {"access_token": "any"}, {"expires_in": 5}]
)
def test_a_reply_without_a_token_is_not_understood(made, stub, document):
    stub.answer = lambda _: reply(200, document)

    with pytest.raises(StorageRefused, match=r"^ReplyNotUnderstood: "):
        made().token()


def test_storing_is_tried_again_under_the_same_version(made, secrets, stub, intercept):
    Endpoint(stub)
    intercept("PutSecretValue", before=fails_with("InternalServiceError", status=500))

    assert made().token() == "access-1"
    assert stored(secrets)["refresh_token"] == "hush-2"


def test_a_lost_reply_to_storing_stores_nothing_twice(made, secrets, stub, intercept):
    Endpoint(stub)
    intercept("PutSecretValue", after=fails_with("InternalServiceError", status=500))

    assert made().token() == "access-1"

    versions = secrets.list_secret_version_ids(SecretId=NAME, IncludeDeprecated=True)
    assert len(versions["Versions"]) == 2


def test_what_cannot_be_stored_is_kept_with_the_lease_and_stored_later(
    made, module, secrets, stub, monkeypatch
):
    endpoint = Endpoint(stub)
    tokens = made()
    fail = fails_with("InternalServiceError", status=500)
    with monkeypatch.context() as broken:
        broken.setattr(module.secretsmanager(), "put_secret_value", lambda **_: fail())
        with pytest.raises(TransientError, match=r"^InternalServiceError: "):
            tokens.token()
        with pytest.raises(Pause):
            made().token()

    assert tokens.token() == "access-1"
    assert stored(secrets)["refresh_token"] == "hush-2"
    assert made().token() == "access-1"
    assert endpoint.given == 1


def test_a_denied_secret_is_an_error_as_it_is(made, stub, intercept):
    Endpoint(stub)
    intercept("PutSecretValue", before=fails_with("AccessDeniedException"))

    with pytest.raises(ClientError, match="AccessDenied"):
        made().token()


def test_what_a_person_has_stored_meanwhile_stays(made, secrets, stub):
    endpoint = Endpoint(stub)

    def authorised_again(request):
        store(secrets, refresh_token="hush-of-a-person")
        return endpoint.answer(request)

    stub.answer = authorised_again

    assert made().token() == "access-1"
    assert stored(secrets)["refresh_token"] == "hush-of-a-person"


def test_a_refresh_token_that_a_person_has_stored_is_used_when_the_old_one_is_void(
    made, secrets, stub, time
):
    Endpoint(stub)
    tokens = made()
    tokens.token()
    time.now += 600
    Endpoint(stub, first="hush-of-a-person").given = 7
    store(secrets, refresh_token="hush-of-a-person")

    assert tokens.token(refused="access-1") == "access-8"


def test_a_tenant_of_the_secret_stands_in_the_url(module, secrets, stub, time):
    Endpoint(stub)
    store(secrets, tenant_id="any tenant/")
    url = "https://login.example/{tenant_id}/token"
    needed = module.NEEDED | {"tenant_id"}

    module.AccessTokens("graph", NAME, url, needed, clock=time).token()

    assert stub.requests[0].url == "https://login.example/any%20tenant%2F/token"


def test_a_secret_that_has_lost_something_is_told(made, secrets, stub):
    secrets.put_secret_value(SecretId=NAME, SecretString='{"client_id": "any"}')

    with pytest.raises(StorageRefused, match=r"^CredentialsInvalid: "):
        made().token()

    assert stub.requests == []


@pytest.mark.parametrize("expires_at", [None, 5, "soon"])
def test_a_token_whose_end_nobody_knows_is_refreshed(made, secrets, stub, expires_at):
    Endpoint(stub)
    store(secrets, access_token="old", issued_at="2026-01-01T00:00:00Z", expires_at=expires_at)

    assert made().token() == "access-1"
