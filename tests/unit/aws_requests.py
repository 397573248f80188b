"""How often AWS is asked for what."""

from collections import Counter
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from shared.clients import error_code


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """By operation, from now on; `refused` are those of them whose condition did not hold."""
    counts: Counter[str] = Counter()
    real = BaseClient._make_api_call

    def call(client: BaseClient, name: str, arguments: dict[str, Any]) -> Any:
        counts[name] += 1
        try:
            return real(client, name, arguments)
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                counts["refused"] += 1
            raise

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    return counts
