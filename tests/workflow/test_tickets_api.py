"""The API of tickets against its own OpenAPI document, and who may call it."""

from collections.abc import Iterator

import pytest
from schemathesis import GenerationMode

from local.cloud.issuer import ROLES
from tests.tickets import Tickets
from tests.workflow.apis import Api


@pytest.fixture(scope="module")
def api(tickets: Tickets) -> Iterator[Api]:
    """The API; what examples have opened is resolved, so that it does not come to anybody."""
    yield Api(tickets.cloud.outputs["ApiBaseUrl"], "/tickets", tickets.token("supervisor"))
    opened = tickets.done("GET", "?phase=open&queue=general&limit=100")["items"]
    for ticket_id in [one["ticket_id"] for one in opened]:
        if not tickets.read(ticket_id)["required_skills"]:
            tickets.in_state(ticket_id, "WAITING", "ASSIGNED")
            tickets.insist(ticket_id, "resolve", "supervisor", resolution="It was an example.")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_answers_as_its_document_says(api: Api, mode: GenerationMode) -> None:
    """What the document cannot express, such as hours in order, is refused as well."""
    tried = api.try_examples(mode, examples=5)

    # Nothing can be wrong with a request that has no parameters and no body.
    plain = 2 if mode is GenerationMode.NEGATIVE else 0
    assert len(tried) >= len(api.routes()) - plain


def test_takes_nothing_without_a_token(api: Api) -> None:
    paths = [*api.routes(), ("GET", "/nowhere/at/all"), ("DELETE", "/queues"), ("PUT", "")]

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
def test_lets_each_role_do_what_the_document_says(tickets: Tickets, api: Api, role: str) -> None:
    """Whoever may call a route gets past the question of roles, if not of the body."""
    for (method, path), roles in api.routes().items():
        reply = api.bare(method, path, token=tickets.token(role))
        assert (reply.status_code == 403) == (role not in roles), (role, method, path)
