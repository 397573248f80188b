"""HTTP APIs against their own OpenAPI documents: examples, who may call what, and bare requests."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import jwt
import requests
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from local.cloud.client import wait_until
from local.cloud.issuer import ROLES
from tests.cloud import SECONDS_TO_WAIT


@dataclass(frozen=True)
class Api:
    """An API below its prefix; `document` is what it says of itself to whoever has a token."""

    base_url: str
    prefix: str
    token: str
    document: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        reply = self.bare("GET", "/openapi.json", token=self.token)
        object.__setattr__(self, "document", reply.json())

    def routes(self) -> dict[tuple[str, str], set[str]]:
        """Every method and path with the roles that may use it, as the document describes them."""
        found = {}
        for path, methods in self.document["paths"].items():
            for method, described in methods.items():
                [named] = re.findall(r"Roles: (.*)\.", described["description"])
                roles = set(ROLES) if named == "any" else set(named.split(", "))
                plain = re.sub(r"\{\w+\}", "nobody", path).removeprefix(self.prefix)
                found[method.upper(), plain] = roles
        return found

    def bare(self, method: str, path: str, *, token: str = "") -> requests.Response:
        """A request with this token or none, and with a body that nothing can be done with."""
        return requests.request(
            method,
            f"{self.base_url}{self.prefix}{path}",
            json={"unknown": True} if method != "GET" else None,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=60,
        )

    def try_examples(self, mode: GenerationMode, examples: int = 8) -> Counter[str]:
        """Check the answers to so many examples for every route, of what the document allows or of
        what it does not; how many were tried of each.
        """
        schema = schemathesis.openapi.from_dict(self.document)
        schema.config.update(base_url=self.base_url)
        headers = {"Authorization": f"Bearer {self.token}"}
        tried: Counter[str] = Counter()

        def check(case: schemathesis.Case) -> None:
            tried[case.operation.label] += 1
            reply = wait_until(lambda: _answered(case, headers), SECONDS_TO_WAIT, "a free process")
            case.validate_response(reply, excluded_checks=[positive_data_acceptance])

        for found in schema.get_all_operations():
            _try(given(case=found.ok().as_strategy(generation_mode=mode))(check), examples)
        return tried

    def forged_tokens(self) -> Iterator[str]:
        """Tokens that say what a genuine one says, and that the issuer has not signed."""
        claims = jwt.decode(self.token, options={"verify_signature": False})
        headers = jwt.get_unverified_header(self.token)
        stranger = ec.generate_private_key(ec.SECP256R1())
        yield jwt.encode(claims, stranger, "ES256", headers={"kid": headers["kid"]})
        yield jwt.encode(claims, stranger, "ES256", headers={"kid": "another"})
        yield jwt.encode(claims, "", "none")


def _answered(case: schemathesis.Case, headers: dict[str, str]) -> schemathesis.Response | None:
    """The API's answer; None where the gateway had none, for all processes were busy."""
    reply = case.call(headers=headers)
    throttled = reply.status_code == 502 and reply.json() == {"message": "Internal server error"}
    return None if throttled else reply


def _try(check: Callable[[], None], examples: int) -> None:
    settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )(check)()
