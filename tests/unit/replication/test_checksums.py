"""What S3 tells of an object's bytes."""

import base64
import hashlib

import pytest

from replication.checksums import in_hexadecimal, sha256_told

DIGEST = hashlib.sha256(b"any")
SHA256 = DIGEST.hexdigest()
TOLD = base64.b64encode(DIGEST.digest()).decode()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"ChecksumSHA256": TOLD}, SHA256),
        ({"ChecksumSHA256": TOLD, "ChecksumType": "FULL_OBJECT"}, SHA256),
        ({"ChecksumSHA256": TOLD, "Metadata": {"sha256": "0" * 64}}, SHA256),
        ({"ChecksumSHA256": TOLD, "ChecksumType": "COMPOSITE"}, None),
        ({"ChecksumSHA256": f"{TOLD}-2"}, None),
        ({"ChecksumSHA256": f"{TOLD}-2", "Metadata": {"sha256": "0" * 64}}, "0" * 64),
        ({"Metadata": {"sha256": SHA256.upper()}}, SHA256),
        ({"Metadata": {"sha256": "unknown"}}, None),
        ({"Metadata": {}}, None),
        ({}, None),
    ],
    ids=str,
)
def test_tells_the_checksum_of_a_whole_object(reply, expected):
    assert sha256_told(reply) == expected


def test_writes_a_checksum_as_others_do():
    assert in_hexadecimal(TOLD) == SHA256
