"""Storage accounts of customers at simulators, with credentials in the laptop cloud's secrets."""

import json
import secrets
from typing import Any, Literal

import boto3

from local.cloud.deployment import client
from local.cloud.settings import REGION, STACK_NAME
from local.providers.client import RunningSimulator
from shared.customers import StorageAccount

_ROOTS: dict[str, tuple[Literal["dropbox", "drive", "graph", "box"], str]] = {
    "dropbox": ("dropbox", "/"),
    "drive": ("drive", "root"),
    "graph": ("graph", ""),  # An account's drive has an id of its own.
    "box": ("box", "0"),
}
"""Where all of an account's files are, by profile."""


def open_account(endpoint: str, simulator: RunningSimulator, customer_id: str) -> StorageAccount:
    """Open an account of the customer's own, and store its credentials; the account as it goes into
    the customer's record.
    """
    password = secrets.token_hex(16)
    name = secret_name(customer_id)
    if simulator.profile in _ROOTS:
        return _open_with_tokens(endpoint, simulator, customer_id)
    if simulator.profile != "s3":
        simulator.add_account(customer_id, password=password)
        store_credentials(endpoint, name, {"username": customer_id, "password": password})
        url = simulator.files_url(customer_id)
        return StorageAccount(provider="webdav", location=url, secret_name=name)
    key_id = f"AK{secrets.token_hex(9).upper()}"
    simulator.add_account(customer_id, access_key_id=key_id)
    credentials = {"access_key_id": key_id, "secret_access_key": password}
    store_credentials(endpoint, name, credentials)
    bucket = f"books-{customer_id.lower()}"
    boto3.client(
        "s3",
        endpoint_url=simulator.own_url,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=password,
    ).create_bucket(Bucket=bucket)
    return StorageAccount(provider="s3", location=bucket, endpoint=simulator.url, secret_name=name)


def _open_with_tokens(
    endpoint: str, simulator: RunningSimulator, customer_id: str
) -> StorageAccount:
    credentials = {
        "client_id": f"aftercall-{customer_id}",
        "client_secret": secrets.token_hex(16),
        "refresh_token": secrets.token_hex(16),
    }
    simulator.add_account(customer_id, **credentials)
    name = secret_name(customer_id)
    store_credentials(endpoint, name, credentials | {"tenant_id": "common"})
    provider, root = _ROOTS[simulator.profile]
    location = root or simulator.drive_id(customer_id)
    return StorageAccount(
        provider=provider, location=location, endpoint=simulator.url, secret_name=name
    )


def secret_name(customer_id: str) -> str:
    """Functions may read what is named so, and nothing else."""
    return f"{STACK_NAME}/storage/{customer_id}"


def store_credentials(endpoint: str, name: str, credentials: dict[str, Any]) -> None:
    """Put credentials where the functions look for them, in place of those before."""
    manager = client("secretsmanager", endpoint)
    text = json.dumps(credentials)
    try:
        manager.create_secret(Name=name, SecretString=text)
    except manager.exceptions.ResourceExistsException:
        manager.put_secret_value(SecretId=name, SecretString=text)


def stored_credentials(endpoint: str, name: str) -> dict[str, Any]:
    reply = client("secretsmanager", endpoint).get_secret_value(SecretId=name)
    credentials: dict[str, Any] = json.loads(reply["SecretString"])
    return credentials
