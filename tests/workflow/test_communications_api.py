"""The API of communications against its own OpenAPI document, and who may call it."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import jwt
import pytest
import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from local.cloud.client import wait_until
from local.cloud.issuer import ROLES, issue_token
from tests.cloud import SECONDS_TO_WAIT
from tests.communications import Communications

EXAMPLES = 8
PREFIX = "/communications"


@pytest.fixture(scope="module")
def document(communications: Communications) -> dict[str, Any]:
    found: dict[str, Any] = communications.done("GET", "/openapi.json")
    return found


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_as_its_document_says(
    communications: Communications, document: dict[str, Any], mode: GenerationMode
) -> None:
    """Examples of what the document allows and of what it does not, for every route. What it
    cannot express, such as a template or else a body, is refused as well.
    """
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=communications.cloud.outputs["ApiBaseUrl"])
    headers = {"Authorization": f"Bearer {communications.token('operator')}"}
    tried: Counter[str] = Counter()

    def check(case: schemathesis.Case) -> None:
        tried[case.operation.label] += 1
        reply = wait_until(lambda: answered(case, headers), SECONDS_TO_WAIT, "a free process")
        case.validate_response(reply, excluded_checks=[positive_data_acceptance])

    for found in schema.get_all_operations():
        try_examples(given(case=found.ok().as_strategy(generation_mode=mode))(check))

    assert len(tried) >= len(routes(document)) - (1 if mode is GenerationMode.NEGATIVE else 0)
    wait_until(communications.quiet, SECONDS_TO_WAIT, "the examples' messages")


def answered(case: schemathesis.Case, headers: dict[str, str]) -> schemathesis.Response | None:
    """The API's answer; None where the gateway had none, for all processes were busy."""
    reply = case.call(headers=headers)
    throttled = reply.status_code == 502 and reply.json() == {"message": "Internal server error"}
    return None if throttled else reply


def try_examples(check: Callable[[], None]) -> None:
    settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(check)()


def test_takes_nothing_without_a_token(
    communications: Communications, document: dict[str, Any]
) -> None:
    paths = [*routes(document), ("GET", "/nowhere"), ("DELETE", "/failed"), ("PUT", "")]

    answers = {route: bare(communications, *route) for route in paths}

    assert {route: reply.status_code for route, reply in answers.items()} == dict.fromkeys(
        paths, 401
    )
    assert all("Bearer" in reply.headers["WWW-Authenticate"] for reply in answers.values())


def test_takes_no_token_that_another_key_has_signed(
    communications: Communications, document: dict[str, Any]
) -> None:
    genuine = communications.token("operator")
    claims = jwt.decode(genuine, options={"verify_signature": False})
    headers = jwt.get_unverified_header(genuine)
    stranger = ec.generate_private_key(ec.SECP256R1())
    forged = [
        jwt.encode(claims, stranger, "ES256", headers={"kid": headers["kid"]}),
        jwt.encode(claims, stranger, "ES256", headers={"kid": "another"}),
        jwt.encode(claims, "", "none"),
    ]

    answers = [
        bare(communications, *route, token=token).status_code
        for route in routes(document)
        for token in forged
    ]

    assert set(answers) == {401}


@pytest.mark.parametrize("role", ROLES)
def test_lets_each_role_do_what_the_document_says(
    communications: Communications, document: dict[str, Any], role: str
) -> None:
    """Whoever may call a route gets past the question of roles, if not of the body."""
    for (method, path), roles in routes(document).items():
        reply = bare(communications, method, path, token=communications.token(role))
        assert (reply.status_code == 403) == (role not in roles), (role, method, path)


def test_takes_no_token_that_has_expired(communications: Communications) -> None:
    token = issue_token(communications.instance, "olga", ["operator"], seconds=-3600)

    assert bare(communications, "GET", "/failed", token=token).status_code == 401


def routes(document: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Every method and path with the roles that may use it, as the document describes them."""
    found = {}
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            [named] = re.findall(r"Roles: (.*)\.", described["description"])
            roles = set(ROLES) if named == "any" else set(named.split(", "))
            plain = re.sub(r"\{\w+\}", "nobody", path).removeprefix(PREFIX)
            found[method.upper(), plain] = roles
    return found


def bare(
    communications: Communications, method: str, path: str, *, token: str = ""
) -> requests.Response:
    """A request with this token or none, and with a body that nothing can be done with."""
    return requests.request(
        method,
        f"{communications.cloud.outputs['ApiBaseUrl']}{PREFIX}{path}",
        json={"unknown": True} if method != "GET" else None,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        timeout=60,
    )
