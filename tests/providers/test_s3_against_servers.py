"""What only S3 does: buckets, keys, sums that lie beside an object, and parts that cost money."""

from typing import Any

import pytest

from replication.storage.s3 import S3
from replication.storage.s3_requests import Connection
from shared.errors import StorageRefused
from tests.providers.accounts import BUCKET, CONTENT, DOCUMENT, FOLDER, LONG, put
from tests.providers.simulators import s3_client
from tests.storages import LongDocument


@pytest.fixture
def provider():
    return "s3"


def uploads(server: Any, folder: str) -> list[Any]:
    """Those in a folder that are under way."""
    asked = {"Bucket": BUCKET, "Prefix": f"{FOLDER}/{folder}/"}
    told: list[Any] = s3_client(server).list_multipart_uploads(**asked).get("Uploads", [])
    return told


def test_names_of_every_kind_arrive_as_they_are(account, storage, folder):
    odd = "50% & mehr #1? ; 'a+b' (ä@ö) 日本"

    assert put(storage, f"{folder}/{odd}") == "uploaded"

    assert set(storage.find(folder)) == {odd}
    assert account.arrived(f"{folder}/{odd}") == DOCUMENT.sha256


def test_compares_what_others_have_put_by_reading_it(server, storage, folder, purse):
    key = f"{FOLDER}/{folder}/a.pdf"
    s3_client(server).put_object(Bucket=BUCKET, Key=key, Body=CONTENT)

    assert put(storage, f"{folder}/a.pdf") == "identical"

    assert purse.counts()["verify"] == 1


@pytest.mark.parametrize("other", [None, LongDocument(5)], ids=["somebody's", "another of ours"])
def test_parts_that_are_of_no_use_any_more_are_removed(
    account, server, storage, folder, parts, other
):
    progress = account.begun(f"{folder}/long")
    assert len(uploads(server, folder)) == 1
    if other is None:
        put(storage, f"{folder}/long")

    storage.upload(f"{folder}/long", other or LONG, there=None, progress=progress)

    assert uploads(server, folder) == []


def test_a_bucket_that_is_not_there_is_refused(account):
    storage = account.open(location="no-such-bucket")

    for ask in (
        lambda: storage.create_folder("any"),
        lambda: storage.find("any"),
        lambda: put(storage, "any"),
    ):
        with pytest.raises(StorageRefused, match=r"^(BucketMissing|CredentialsRefused): "):
            ask()


def test_a_key_that_nobody_has_is_refused(server, purse):
    credentials = {"access_key_id": "AKIDNOBODY", "secret_access_key": "unchecked"}
    storage = S3(BUCKET, Connection(credentials, endpoint=server.url, region=None), purse)

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.find("")
