"""The secret of a customer's storage account, as JSON in Secrets Manager."""

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from shared.clients import error_code, secretsmanager, transient_failures
from shared.errors import StorageRefused

_MAKE_THE_SECRET = (
    "CredentialsMissing",
    "the secret that the storage account names is not there: make it, or correct the name",
)


def read_secret(name: str) -> Mapping[str, Any]:
    """What a secret holds; nothing where it is no JSON object. StorageRefused where it is gone."""
    try:
        with transient_failures():
            reply = secretsmanager().get_secret_value(SecretId=name)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            raise StorageRefused(*_MAKE_THE_SECRET) from None
        raise
    return object_in(reply.get("SecretString", ""))


def object_in(text: str | bytes) -> dict[str, Any]:
    """The object that a text is in JSON; an empty one where it is anything else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
