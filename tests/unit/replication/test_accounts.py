"""Whose credentials are used, for how long, and what is reused between steps."""

import json

import pytest

from replication.storage import accounts
from replication.storage.accounts import forget, open_storage
from shared.customers import StorageAccount
from shared.errors import StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit import http_stub
from tests.unit.aws_errors import fails_with
from tests.unit.replication.test_webdav import answer, answers
from tests.unit.template import client

WEBDAV = StorageAccount(
    provider="webdav", location="https://dav.example/documents", secret_name="dana"
)
S3 = StorageAccount(provider="s3", location="documents-of-dana/2026", secret_name="dana")
KEY = {"access_key_id": "AKIDDANA", "secret_access_key": "any"}


@pytest.fixture
def wanted():
    return ()


@pytest.fixture
def secrets(cloud):
    return client("secretsmanager")


@pytest.fixture(autouse=True)
def _nothing_kept():
    yield
    for account in list(accounts._kept):
        forget(account)


@pytest.fixture
def stub(monkeypatch):
    return http_stub.install(monkeypatch)


def make(secrets, secret, name: str = "dana") -> None:
    text = secret if isinstance(secret, str) else json.dumps(secret)
    secrets.create_secret(Name=name, SecretString=text)


def change(secrets, secret) -> None:
    secrets.put_secret_value(SecretId="dana", SecretString=json.dumps(secret))


def senders(stub) -> list[str]:
    return [request.headers["Authorization"] for request in stub.requests]


def test_opens_a_webdav_folder_with_the_secrets_name_and_password(secrets, stub):
    make(secrets, {"username": "dana", "password": "s3cret"})
    answers(stub, answer(201))

    assert open_storage(WEBDAV, Purse()).create_folder("any")

    assert stub.requests[0].url == "https://dav.example/documents/any/"
    assert senders(stub)[0].startswith("Basic ")


def test_opens_a_webdav_folder_with_a_token(secrets, stub):
    make(secrets, {"token": "any-token"})
    answers(stub, answer(201))

    open_storage(WEBDAV, Purse()).create_folder("any")

    assert senders(stub) == ["Bearer any-token"]


def test_opens_a_bucket_and_puts_a_document_below_its_prefix(secrets, cloud):
    make(secrets, KEY)
    cloud.s3.create_bucket(Bucket="documents-of-dana")
    storage = open_storage(S3, Purse())

    assert storage.illegal("a//b")
    assert storage.create_folder("any")
    document = BytesDocument(b"any")
    assert storage.upload("any/a.pdf", document, there=None, progress={}) == "uploaded"
    [(name, found)] = storage.find("any").items()
    assert storage.same("any/a.pdf", found, document)

    reply = cloud.s3.list_objects_v2(Bucket="documents-of-dana")
    assert name == "a.pdf"
    assert [entry["Key"] for entry in reply["Contents"]] == ["2026/any/", "2026/any/a.pdf"]


def test_a_key_may_have_a_session_and_an_endpoint_of_its_own(secrets):
    make(secrets, KEY | {"session_token": "any-session"})
    elsewhere = S3.model_copy(update={"endpoint": "http://127.0.0.1:9", "region": "eu-west-1"})

    open_storage(elsewhere, Purse())

    made = accounts._kept[elsewhere].connection.client
    keys = made._request_signer._credentials
    assert (keys.access_key, keys.secret_key, keys.token) == ("AKIDDANA", "any", "any-session")
    assert (made.meta.endpoint_url, made.meta.region_name) == ("http://127.0.0.1:9", "eu-west-1")


def test_credentials_are_read_once_and_connections_reused(secrets, stub, intercept):
    make(secrets, {"username": "dana", "password": "s3cret"})
    answers(stub, answer(201), answer(201))
    open_storage(WEBDAV, Purse()).create_folder("a")
    before = accounts._kept[WEBDAV].connection
    intercept("GetSecretValue", before=fails_with("AccessDeniedException"))

    open_storage(WEBDAV, Purse()).create_folder("b")

    assert accounts._kept[WEBDAV].connection is before


def test_each_step_pays_from_its_own_purse(secrets, cloud):
    make(secrets, KEY)
    cloud.s3.create_bucket(Bucket="documents-of-dana")
    first, second = Purse(), Purse()
    one, other = open_storage(S3, first), open_storage(S3, second)

    one.find("")
    other.create_folder("any")
    one.find("")

    assert (first.spent, second.spent) == (["find", "find"], ["create_folder"])


def test_a_changed_secret_is_read_when_the_old_one_is_refused(secrets, stub):
    make(secrets, {"token": "old"})
    answers(stub, answer(201), answer(401), answer(201), answer(201))
    open_storage(WEBDAV, Purse()).create_folder("a")
    change(secrets, {"token": "new"})

    open_storage(WEBDAV, Purse()).create_folder("b")
    open_storage(WEBDAV, Purse()).create_folder("c")

    assert senders(stub) == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]


def test_a_secret_that_is_the_same_is_not_tried_again(secrets, stub):
    make(secrets, {"token": "old"})
    answers(stub, answer(401))

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        open_storage(WEBDAV, Purse()).create_folder("a")


def test_a_secret_is_read_again_once_a_step(secrets, stub, intercept):
    make(secrets, {"token": "old"})
    answers(stub, answer(401), answer(403), answer(403))
    storage = open_storage(WEBDAV, Purse())
    change(secrets, {"token": "new"})
    with pytest.raises(StorageRefused):
        storage.create_folder("a")
    intercept("GetSecretValue", before=fails_with("AccessDeniedException"))

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.create_folder("a")


def test_other_refusals_read_no_secret(secrets, stub, intercept):
    make(secrets, {"token": "old"})
    answers(stub, answer(507))
    storage = open_storage(WEBDAV, Purse())
    intercept("GetSecretValue", before=fails_with("AccessDeniedException"))

    with pytest.raises(StorageRefused, match=r"^StorageFull: "):
        storage.create_folder("a")


def test_keeps_the_connections_of_those_who_were_seen_last(secrets, monkeypatch):
    monkeypatch.setattr(accounts, "MOST_KEPT", 2)
    make(secrets, {"token": "any"})
    one, two, three = (
        WEBDAV.model_copy(update={"location": f"https://dav.example/{number}"})
        for number in range(3)
    )

    for account in (one, two, one, three):
        open_storage(account, Purse())

    assert list(accounts._kept) == [one, three]


@pytest.mark.parametrize(
    ("account", "secret"),
    [
        (WEBDAV, "no JSON"),
        (WEBDAV, "[]"),
        (WEBDAV, {}),
        (WEBDAV, {"username": "dana"}),
        (WEBDAV, {"username": "dana", "password": 5}),
        (WEBDAV, {"username": "", "password": "hush"}),
        (WEBDAV, KEY),
        (S3, {"username": "dana", "password": "hush"}),
        (S3, {"access_key_id": "AKIDDANA"}),
    ],
    ids=str,
)
def test_says_which_form_a_secret_must_have_and_not_which_it_has(secrets, account, secret):
    make(secrets, secret)

    with pytest.raises(StorageRefused, match=r"^CredentialsInvalid: .* must be JSON") as raised:
        open_storage(account, Purse())

    assert "hush" not in str(raised.value)
    assert "AKIDDANA" not in str(raised.value)


def test_says_that_there_is_no_secret(secrets):
    with pytest.raises(StorageRefused, match=r"^CredentialsMissing: the secret"):
        open_storage(WEBDAV, Purse())
    with pytest.raises(StorageRefused, match=r"^CredentialsMissing: name a secret"):
        open_storage(WEBDAV.model_copy(update={"secret_name": None}), Purse())


def test_asks_for_another_try_when_the_secrets_cannot_be_read_now(secrets, intercept):
    intercept("GetSecretValue", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match=r"^ThrottlingException: "):
        open_storage(WEBDAV, Purse())


def test_what_is_kept_shows_no_credentials(secrets):
    make(secrets, {"token": "any-token"})
    open_storage(WEBDAV, Purse())

    assert "any-token" not in repr(accounts._kept)
