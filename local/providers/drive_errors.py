"""Refusals as Google's APIs word them."""

import json
from typing import Any

from local.providers.messages import Refused, Response

JSON = "application/json; charset=UTF-8"


def reply(status: int, document: Any, **headers: str) -> Response:
    body = json.dumps(document, indent=1).encode() + b"\n"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, body, {"Content-Type": JSON, **named})


def refused(
    status: int, reason: str, message: str, domain: str = "global", **location: str
) -> Refused:
    """`location` says what was wrong: its one name is a type, and its value is a name."""
    one = {"message": message, "domain": domain, "reason": reason}
    for kind, name in location.items():
        one |= {"location": name, "locationType": kind}
    return Refused(reply(status, {"error": {"code": status, "message": message, "errors": [one]}}))


def not_found(file_id: str) -> Refused:
    return refused(404, "notFound", f"File not found: {file_id}.", parameter="fileId")


def invalid(name: str) -> Refused:
    return refused(400, "invalid", "Invalid Value", parameter=name)


def bad_request(message: str) -> Refused:
    return refused(400, "badRequest", message)


def not_allowed() -> Refused:
    message = "The user does not have sufficient permissions for this file."
    return refused(403, "insufficientFilePermissions", message)


def unauthorised() -> Refused:
    refusal = refused(401, "authError", "Invalid Credentials", header="Authorization")
    refusal.response.headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    return refusal
