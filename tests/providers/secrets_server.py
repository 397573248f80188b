"""Secrets and leases for tests of several processes: moto in a process of its own.

It answers one request after another. Left to threads moto would grant a lease twice now and then,
which DynamoDB does not.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import requests
from moto import mock_aws

REPOSITORY = Path(__file__).parents[2]
REGION = "us-east-1"
TABLE = "quotas"


def environment(url: str) -> dict[str, str]:
    """What a process must have in its environment to use the server."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "nobodys-key",
        "AWS_SECRET_ACCESS_KEY": "nobodys-secret",
        "AWS_DEFAULT_REGION": REGION,
        "QUOTAS_TABLE_NAME": TABLE,
    }


@contextmanager
def secrets_server() -> Iterator[str]:
    """The URL of one that has the quotas table."""
    command = [sys.executable, "-m", "tests.providers.secrets_server"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            _client("dynamodb", url).create_table(
                TableName=TABLE,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": "S"} for name in ("provider", "scope")
                ],
                KeySchema=[
                    {"AttributeName": "provider", "KeyType": "HASH"},
                    {"AttributeName": "scope", "KeyType": "RANGE"},
                ],
            )
            yield url
        finally:
            process.terminate()


class Secret:
    """A storage account's secret, as a person sees it."""

    def __init__(self, url: str, name: str, document: dict[str, Any]) -> None:
        self.name = name
        self._manager = _client("secretsmanager", url)
        self._manager.create_secret(Name=name, SecretString=json.dumps(document))

    def read(self) -> dict[str, Any]:
        reply = self._manager.get_secret_value(SecretId=self.name)
        return json.loads(reply["SecretString"])

    def store(self, document: dict[str, Any]) -> None:
        self._manager.put_secret_value(SecretId=self.name, SecretString=json.dumps(document))


def _client(service: str, url: str) -> Any:
    keys = environment(url)
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
    )


class _Handler(BaseHTTPRequestHandler):
    """Hands a request on to the service that its target names; moto answers in its place."""

    def do_POST(self) -> None:
        target = self.headers["X-Amz-Target"]
        service = "dynamodb" if target.startswith("DynamoDB") else "secretsmanager"
        answer = requests.post(
            f"https://{service}.{REGION}.amazonaws.com/",
            data=self.rfile.read(int(self.headers["Content-Length"])),
            headers={
                name: self.headers[name]
                for name in ("X-Amz-Target", "Content-Type", "Authorization")
            },
            timeout=30,
        )
        self.send_response(answer.status_code)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    with mock_aws(), HTTPServer(("127.0.0.1", 0), _Handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
