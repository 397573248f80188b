"""The API of communications against its own OpenAPI document, and who may call it."""

import pytest
from schemathesis import GenerationMode

from local.cloud.client import wait_until
from local.cloud.issuer import ROLES, issue_token
from tests.cloud import SECONDS_TO_WAIT
from tests.communications import Communications
from tests.workflow.apis import Api


@pytest.fixture(scope="module")
def api(communications: Communications) -> Api:
    base_url = communications.cloud.outputs["ApiBaseUrl"]
    return Api(base_url, "/communications", communications.token("operator"))


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_as_its_document_says(
    communications: Communications, api: Api, mode: GenerationMode
) -> None:
    """What the document cannot express, such as a template or else a body, is refused as well."""
    tried = api.try_examples(mode)

    assert len(tried) >= len(api.routes()) - (1 if mode is GenerationMode.NEGATIVE else 0)
    wait_until(communications.quiet, SECONDS_TO_WAIT, "the examples' messages")


def test_takes_nothing_without_a_token(api: Api) -> None:
    paths = [*api.routes(), ("GET", "/nowhere"), ("DELETE", "/failed"), ("PUT", "")]

    answers = {route: api.bare(*route) for route in paths}

    assert {route: reply.status_code for route, reply in answers.items()} == dict.fromkeys(
        paths, 401
    )
    assert all("Bearer" in reply.headers["WWW-Authenticate"] for reply in answers.values())


def test_takes_no_token_that_another_key_has_signed(api: Api) -> None:
    answers = [
        api.bare(*route, token=token).status_code
        for token in api.forged_tokens()
        for route in api.routes()
    ]

    assert set(answers) == {401}


@pytest.mark.parametrize("role", ROLES)
def test_lets_each_role_do_what_the_document_says(
    communications: Communications, api: Api, role: str
) -> None:
    """Whoever may call a route gets past the question of roles, if not of the body."""
    for (method, path), roles in api.routes().items():
        reply = api.bare(method, path, token=communications.token(role))
        assert (reply.status_code == 403) == (role not in roles), (role, method, path)


def test_takes_no_token_that_has_expired(communications: Communications, api: Api) -> None:
    token = issue_token(communications.instance, "olga", ["operator"], seconds=-3600)

    assert api.bare("GET", "/failed", token=token).status_code == 401
