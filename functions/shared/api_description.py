"""The OpenAPI document of an API: what Powertools makes of its routes, our token, our problems."""

import json
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from shared.problems import CONTENT_TYPE, ProblemDetails

_REPLACED = ("HTTPValidationError", "ValidationError", "ResponseValidationError")
"""Powertools' own forms of errors, which we never send."""


def describe(
    resolver: APIGatewayRestResolver, *, title: str, version: str, description: str, server: str
) -> dict[str, Any]:
    """Make the document; `server` is where the paths begin, as seen from the document itself."""
    document: dict[str, Any] = json.loads(
        resolver.get_openapi_json_schema(title=title, version=version, description=description)
    )
    document["servers"] = [{"url": server}]
    document["security"] = [{"token": []}]
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    schemas = components.setdefault("schemas", {})
    for name in _REPLACED:
        schemas.pop(name, None)
    schemas["Problem"] = ProblemDetails.model_json_schema()
    components["responses"] = {
        "Problem": {
            "description": "The request was refused, or could not be answered",
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    for path in document["paths"].values():
        for operation in path.values():
            _describe_problems(operation["responses"])
            operation["responses"].get("204", {}).pop("content", None)
    return document


def _describe_problems(responses: dict[str, Any]) -> None:
    for status in [status for status in responses if status[0] in "45"]:
        del responses[status]
    for statuses in ("4XX", "5XX"):
        responses[statuses] = {"$ref": "#/components/responses/Problem"}
