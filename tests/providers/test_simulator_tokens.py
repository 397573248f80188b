"""Access tokens for refresh tokens (RFC 6749, section 6), as each provider words it."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from requests.exceptions import ConnectionError as Reset

from tests.providers.simulators import TOKENS, simulator

PROVIDERS = ["dropbox", "box", "drive", "graph"]
_FORM = {
    "grant_type": "refresh_token",
    "client_id": TOKENS["client_id"],
    "client_secret": TOKENS["client_secret"],
}
_numbers = itertools.count()


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    running, contexts = {}, []

    def started(profile):
        if profile not in running:
            context = simulator(profile, tmp_path_factory.mktemp(profile))
            running[profile] = context.__enter__()
            contexts.append(context)
        running[profile].clear_faults()
        running[profile].clear_stats()
        return running[profile]

    yield started
    for context in contexts:
        context.__exit__(None, None, None)


@pytest.fixture(params=PROVIDERS)
def each(request, start):
    return start(request.param)


def new_grant(running, account="ann"):
    """A refresh token that nobody has used."""
    token = f"refresh-{next(_numbers)}"
    running.add_account(account, **{**TOKENS, "refresh_token": token})
    return token


def refresh(running, token, **changes):
    with requests.Session() as session:
        session.trust_env = False
        login = changes.pop("auth", None)
        form = {**_FORM, "refresh_token": token, **changes}
        return session.post(running.token_url, form, auth=login, timeout=30)


def statuses(*answers):
    return [answer.status_code for answer in answers]


def test_gives_an_access_token_for_a_refresh_token(each):
    answer = refresh(each, new_grant(each))

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    document = answer.json()
    assert document["token_type"].lower() == "bearer"
    assert document["expires_in"] == {"dropbox": 14_400}.get(each.profile, 3600)
    assert len(document["access_token"]) > 30


def test_takes_the_clients_secret_by_http_basic(each):
    login = (TOKENS["client_id"], TOKENS["client_secret"])
    token = new_grant(each)

    wrong = refresh(each, token, client_id="", client_secret="", auth=(login[0], "wrong"))
    right = refresh(each, token, client_id="", client_secret="", auth=login)

    assert (wrong.status_code in (400, 401), right.status_code) == (True, 200)


def test_box_gives_a_new_refresh_token_and_voids_the_one_that_was_used(start):
    box = start("box")
    first = new_grant(box)

    second = refresh(box, first).json()["refresh_token"]

    again = refresh(box, first)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert again.json()["error_description"] == "Refresh token has expired"
    assert statuses(refresh(box, second), refresh(box, second)) == [200, 400]


def test_graph_gives_a_new_refresh_token_and_takes_the_old_one_too(start):
    graph = start("graph")
    first = new_grant(graph)

    second = refresh(graph, first).json()["refresh_token"]

    assert second != first
    assert statuses(refresh(graph, first), refresh(graph, second)) == [200, 200]


@pytest.mark.parametrize("profile", ["dropbox", "drive"])
def test_dropbox_and_google_give_no_other_refresh_token(start, profile):
    running = start(profile)
    token = new_grant(running)

    assert "refresh_token" not in refresh(running, token).json()
    assert refresh(running, token).status_code == 200


@pytest.mark.parametrize(
    ("profile", "status", "told"),
    [
        ("dropbox", 400, {"error": "invalid_client: Invalid client_id or client_secret"}),
        (
            "box",
            400,
            {
                "error": "invalid_client",
                "error_description": "The client credentials are invalid",
            },
        ),
        ("drive", 401, {"error": "invalid_client", "error_description": "Unauthorized"}),
        ("graph", 401, {"error": "invalid_client", "error_codes": [7000215]}),
    ],
)
def test_refuses_a_client_with_a_wrong_secret(start, profile, status, told):
    running = start(profile)

    answer = refresh(running, new_grant(running), client_secret="wrong")

    assert answer.status_code == status
    assert answer.json().items() >= told.items()


@pytest.mark.parametrize(
    ("profile", "unknown", "revoked"),
    [
        (
            "dropbox",
            "refresh token is invalid or revoked",
            "refresh token is invalid or revoked",
        ),
        ("box", "Invalid refresh token", "Refresh token has expired"),
        ("drive", "Bad Request", "Token has been expired or revoked."),
        ("graph", "AADSTS9002313", "AADSTS50173"),
    ],
)
def test_refuses_a_refresh_token_that_is_unknown_or_revoked(start, profile, unknown, revoked):
    running = start(profile)
    token = new_grant(running)
    running.revoke_tokens("ann")

    answers = [refresh(running, "nobody's"), refresh(running, token)]

    assert statuses(*answers) == [400, 400]
    assert [answer.json()["error"] for answer in answers] == ["invalid_grant"] * 2
    for answer, described in zip(answers, (unknown, revoked), strict=True):
        assert answer.json()["error_description"].startswith(described)


def test_refuses_another_clients_refresh_token(each):
    token = new_grant(each)
    each.add_account("bob", client_id="another", client_secret="its secret")

    answer = refresh(each, token, client_id="another", client_secret="its secret")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_refuses_a_grant_of_another_type(each):
    answer = refresh(each, new_grant(each), grant_type="password")

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_is_not_charged_for_tokens(each):
    scope = each.limits()["limits"][0]["scope"]
    each.set_limits({"limits": [{"scope": scope, "units": 1, "seconds": 600, "per": "all"}]})

    answers = [refresh(each, new_grant(each)) for _ in range(5)]

    each.set_limits({"limits": [{"scope": scope, "units": None}]})
    assert statuses(*answers) == [200] * 5
    assert each.stats()["token_requests"] == {"200": 5}
    assert each.stats()["requests"] == 0


def test_faults_hit_requests_for_tokens_only_when_they_say_so(start):
    box = start("box")
    token = new_grant(box)
    box.set_faults({"action": "status"}, {"action": "lose_reply", "kind": "token", "times": 1})

    with pytest.raises(Reset):
        refresh(box, token)

    # It was done: the token was used, and the one that takes its place is lost.
    assert refresh(box, token).json()["error"] == "invalid_grant"
    assert box.fault_hits() == [0, 1]


def test_of_many_that_use_a_refresh_token_at_once_one_is_given_another(start):
    box = start("box")
    token = new_grant(box)

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: refresh(box, token), range(8)))

    assert sorted(statuses(*answers)) == [200] + [400] * 7


def test_goes_on_with_tokens_after_it_was_killed(tmp_path):
    with simulator("box", tmp_path) as running:
        first = new_grant(running)
        second = refresh(running, first).json()["refresh_token"]

        running.restart()

        assert statuses(refresh(running, first), refresh(running, second)) == [400, 200]
