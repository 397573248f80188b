"""The API of replications against its own OpenAPI document, and who may call it."""

import pytest
from schemathesis import GenerationMode

from local.cloud.issuer import ROLES, issue_token
from tests.cloud import INSTANCE, TestCloud
from tests.workflow.apis import Api


@pytest.fixture(scope="module")
def api(cloud: TestCloud) -> Api:
    token = issue_token(INSTANCE, "operator", ["operator"])
    return Api(cloud.outputs["ApiBaseUrl"], "/replications", token)


def test_refuses_what_its_document_does_not_allow(api: Api) -> None:
    """What it does allow would replicate months for everybody."""
    tried = api.try_examples(GenerationMode.NEGATIVE, examples=5)

    # Nothing can be wrong with a request that has no parameters and no body.
    assert len(tried) >= len(api.routes()) - 1


def test_takes_nothing_without_a_token(api: Api) -> None:
    paths = [*api.routes(), ("GET", "/nowhere/at/all"), ("DELETE", ""), ("PUT", "")]

    answers = {route: api.bare(*route) for route in paths}

    assert {route: reply.status_code for route, reply in answers.items()} == dict.fromkeys(
        paths, 401
    )


def test_takes_no_token_that_another_key_has_signed(api: Api) -> None:
    answers = [
        api.bare(*route, token=token).status_code
        for token in api.forged_tokens()
        for route in api.routes()
    ]

    assert set(answers) == {401}


@pytest.mark.parametrize("role", ROLES)
def test_lets_each_role_do_what_the_document_says(api: Api, role: str) -> None:
    """Whoever may call a route gets past the question of roles, if not of the body."""
    token = issue_token(INSTANCE, role, [role])
    for (method, path), roles in api.routes().items():
        reply = api.bare(method, path, token=token)
        assert (reply.status_code == 403) == (role not in roles), (role, method, path)
