"""DynamoDB items as plain values, and back."""

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

_serialise = TypeSerializer().serialize
_deserialise = TypeDeserializer().deserialize


def to_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write plain values as DynamoDB attributes."""
    return {name: _serialise(value) for name, value in values.items()}


def to_values(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Read DynamoDB attributes as plain values; numbers are decimals."""
    return {name: _deserialise(value) for name, value in attributes.items()}
