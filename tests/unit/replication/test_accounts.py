"""Whose credentials are used, for how long, and what is reused between steps."""

import json
from importlib import import_module

import pytest

from shared.customers import StorageAccount
from shared.errors import StorageRefused, TransientError
from tests.storages import BytesDocument, Purse
from tests.unit.aws_errors import fails_with
from tests.unit.http_stub import in_turn, streamed
from tests.unit.replication.test_webdav import answer, answers
from tests.unit.template import client

WEBDAV = StorageAccount(
    provider="webdav", location="https://dav.example/documents", secret_name="dana"
)
S3 = StorageAccount(provider="s3", location="documents-of-dana/2026", secret_name="dana")
KEY = {"access_key_id": "AKIDDANA", "secret_access_key": "any"}


@pytest.fixture
def wanted():
    return {"QuotasTable"}


@pytest.fixture
def secrets(cloud):
    return client("secretsmanager")


@pytest.fixture(autouse=True)
def accounts(step):
    step("replication.create_folders")
    module = import_module("replication.storage.accounts")
    yield module
    for account in list(module._kept):
        module.forget(account)


@pytest.fixture
def open_storage(accounts):
    return accounts.open_storage


def make(secrets, secret, name: str = "dana") -> None:
    text = secret if isinstance(secret, str) else json.dumps(secret)
    secrets.create_secret(Name=name, SecretString=text)


def change(secrets, secret) -> None:
    secrets.put_secret_value(SecretId="dana", SecretString=json.dumps(secret))


def senders(stub) -> list[str]:
    return [request.headers["Authorization"] for request in stub.requests]


def test_opens_a_webdav_folder_with_the_secrets_name_and_password(secrets, stub, open_storage):
    make(secrets, {"username": "dana", "password": "s3cret"})
    answers(stub, answer(201))

    assert open_storage(WEBDAV, Purse()).create_folder("any")

    assert stub.requests[0].url == "https://dav.example/documents/any/"
    assert senders(stub)[0].startswith("Basic ")


def test_opens_a_webdav_folder_with_a_token(secrets, stub, open_storage):
    make(secrets, {"token": "any-token"})
    answers(stub, answer(201))

    open_storage(WEBDAV, Purse()).create_folder("any")

    assert senders(stub) == ["Bearer any-token"]


def test_opens_a_bucket_and_puts_a_document_below_its_prefix(secrets, cloud, open_storage):
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


def test_a_key_may_have_a_session_and_an_endpoint_of_its_own(secrets, open_storage, accounts):
    make(secrets, KEY | {"session_token": "any-session"})
    elsewhere = S3.model_copy(update={"endpoint": "http://127.0.0.1:9", "region": "eu-west-1"})

    open_storage(elsewhere, Purse())

    made = accounts._kept[elsewhere].connection.client
    keys = made._request_signer._credentials
    assert (keys.access_key, keys.secret_key, keys.token) == ("AKIDDANA", "any", "any-session")
    assert (made.meta.endpoint_url, made.meta.region_name) == ("http://127.0.0.1:9", "eu-west-1")


def test_credentials_are_read_once_and_connections_reused(
    secrets, stub, intercept, open_storage, accounts
):
    make(secrets, {"username": "dana", "password": "s3cret"})
    answers(stub, answer(201), answer(201))
    open_storage(WEBDAV, Purse()).create_folder("a")
    before = accounts._kept[WEBDAV].connection
    intercept("GetSecretValue", before=fails_with("AccessDeniedException"))

    open_storage(WEBDAV, Purse()).create_folder("b")

    assert accounts._kept[WEBDAV].connection is before


def test_each_step_pays_from_its_own_purse(secrets, cloud, open_storage):
    make(secrets, KEY)
    cloud.s3.create_bucket(Bucket="documents-of-dana")
    first, second = Purse(), Purse()
    one, other = open_storage(S3, first), open_storage(S3, second)

    one.find("")
    other.create_folder("any")
    one.find("")

    assert (first.spent, second.spent) == (["find", "find"], ["create_folder"])


def test_a_changed_secret_is_read_when_the_old_one_is_refused(secrets, stub, open_storage):
    make(secrets, {"token": "old"})
    answers(stub, answer(201), answer(401), answer(201), answer(201))
    open_storage(WEBDAV, Purse()).create_folder("a")
    change(secrets, {"token": "new"})

    open_storage(WEBDAV, Purse()).create_folder("b")
    open_storage(WEBDAV, Purse()).create_folder("c")

    assert senders(stub) == ["Bearer old", "Bearer old", "Bearer new", "Bearer new"]


def test_a_client_with_new_credentials_goes_on_with_the_same_entity(
    secrets, stub, open_storage, monkeypatch
):
    gone_on = []
    client = import_module("replication.storage.webdav").WebDav
    monkeypatch.setattr(client, "go_on", lambda self, *entity: gone_on.append((self, *entity)))
    make(secrets, {"token": "old"})
    answers(stub, answer(401), answer(201))
    storage = open_storage(WEBDAV, Purse())
    storage.go_on(["a"], notes := {})
    change(secrets, {"token": "new"})

    storage.create_folder("a")

    (first, *entity), (second, *again) = gone_on
    assert first is not second
    assert entity == again == [["a"], {}]
    assert again[1] is notes


def test_a_secret_that_is_the_same_is_not_tried_again(secrets, stub, open_storage):
    make(secrets, {"token": "old"})
    answers(stub, answer(401))

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        open_storage(WEBDAV, Purse()).create_folder("a")


def test_a_secret_is_read_again_once_a_step(secrets, stub, intercept, open_storage):
    make(secrets, {"token": "old"})
    answers(stub, answer(401), answer(403), answer(403))
    storage = open_storage(WEBDAV, Purse())
    change(secrets, {"token": "new"})
    with pytest.raises(StorageRefused):
        storage.create_folder("a")
    intercept("GetSecretValue", before=fails_with("AccessDeniedException"))

    with pytest.raises(StorageRefused, match=r"^CredentialsRefused: "):
        storage.create_folder("a")


def test_other_refusals_read_no_secret(secrets, stub, intercept, open_storage):
    make(secrets, {"token": "old"})
    answers(stub, answer(507))
    storage = open_storage(WEBDAV, Purse())
    intercept("GetSecretValue", before=fails_with("AccessDeniedException"))

    with pytest.raises(StorageRefused, match=r"^StorageFull: "):
        storage.create_folder("a")


def test_keeps_the_connections_of_those_who_were_seen_last(
    secrets, monkeypatch, open_storage, accounts
):
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
def test_says_which_form_a_secret_must_have_and_not_which_it_has(
    secrets, account, secret, open_storage
):
    make(secrets, secret)

    with pytest.raises(StorageRefused, match=r"^CredentialsInvalid: .* must be JSON") as raised:
        open_storage(account, Purse())

    assert "hush" not in str(raised.value)
    assert "AKIDDANA" not in str(raised.value)


def test_says_that_there_is_no_secret(secrets, open_storage):
    with pytest.raises(StorageRefused, match=r"^CredentialsMissing: the secret"):
        open_storage(WEBDAV, Purse())
    with pytest.raises(StorageRefused, match=r"^CredentialsMissing: name a secret"):
        open_storage(WEBDAV.model_copy(update={"secret_name": None}), Purse())


def test_asks_for_another_try_when_the_secrets_cannot_be_read_now(secrets, intercept, open_storage):
    intercept("GetSecretValue", before=fails_with("ThrottlingException"))

    with pytest.raises(TransientError, match=r"^ThrottlingException: "):
        open_storage(WEBDAV, Purse())


def test_what_is_kept_shows_no_credentials(secrets, open_storage, accounts):
    make(secrets, {"token": "any-token"})
    open_storage(WEBDAV, Purse())

    assert "any-token" not in repr(accounts._kept)


def test_every_provider_of_an_account_is_in_the_table(accounts):
    names = StorageAccount.model_fields["provider"].annotation.__args__

    assert set(accounts.PROVIDERS) == set(names)


OAUTH = {"client_id": "any-client", "client_secret": "any", "refresh_token": "any-refresh"}


@pytest.mark.parametrize(
    ("provider", "endpoint", "token_url", "api_url"),
    [
        ("box", None, "https://api.box.com/oauth2/token", "https://api.box.com/2.0/folders/"),
        ("box", "http://127.0.0.1:9", "http://127.0.0.1:9/oauth2/token", "http://127.0.0.1:9/2.0/"),
        ("drive", None, "https://oauth2.googleapis.com/token", "https://www.googleapis.com/drive/"),
        ("drive", "http://127.0.0.1:9", "http://127.0.0.1:9/token", "http://127.0.0.1:9/drive/v3/"),
        (
            "graph",
            None,
            "https://login.microsoftonline.com/any-tenant/oauth2/v2.0/token",
            "https://graph.microsoft.com/v1.0/drives/any-id/root",
        ),
        (
            "graph",
            "https://graph.microsoft.us/",
            "https://login.microsoftonline.us/any-tenant/oauth2/v2.0/token",
            "https://graph.microsoft.us/v1.0/drives/any-id/root",
        ),
        (
            "graph",
            "https://microsoftgraph.chinacloudapi.cn",
            "https://login.chinacloudapi.cn/any-tenant/oauth2/v2.0/token",
            "https://microsoftgraph.chinacloudapi.cn/v1.0/drives/any-id/root",
        ),
    ],
)
def test_opens_an_account_with_a_refresh_token(
    secrets, stub, open_storage, provider, endpoint, token_url, api_url
):
    make(secrets, OAUTH | {"tenant_id": "any-tenant"})
    account = StorageAccount(
        provider=provider, location="any-id", secret_name="dana", endpoint=endpoint
    )
    token = {"access_token": "any-token", "expires_in": 3600, "token_type": "Bearer"}
    in_turn(
        stub,
        streamed(200, token),
        streamed(200, {"files": [], "value": [], "entries": [], "incompleteSearch": False}),
    )

    assert open_storage(account, Purse()).find("") == {}

    assert stub.requests[0].url == token_url
    assert stub.requests[1].url.startswith(api_url)
    assert stub.requests[1].headers["Authorization"] == "Bearer any-token"
