"""Whose token counts, what it makes of its bearer, and what happens when the issuer is away."""

import base64
import json
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit import http_stub
from tests.unit.tokens import ISSUER, SETTINGS, FromNow, Issuer, fresh, key_of


@pytest.fixture
def issuer(monkeypatch):
    return Issuer(http_stub.install(monkeypatch))


@pytest.fixture
def identity(monkeypatch):
    with fresh(monkeypatch, "shared.identity", **SETTINGS) as module:
        yield module


@pytest.fixture
def clock(identity, monkeypatch):
    moment = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(identity, "time", SimpleNamespace(time=lambda: moment.now))
    return moment


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def refusal(identity, headers) -> str:
    with pytest.raises(identity.Unauthenticated) as raised:
        identity.authenticate(headers)
    return raised.value.reason


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(header: dict, claims: dict | None = None) -> str:
    parts = [json.dumps(part).encode() for part in (header, claims or {})]
    return ".".join(base64url(part) for part in parts) + ".eA"


# --- tokens that count


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
)
def test_takes_a_token_of_every_asymmetric_algorithm(identity, issuer, algorithm):
    issuer.add_key("other", algorithm)

    caller = identity.authenticate(bearer(issuer.token(key_id="other", algorithm=algorithm)))

    assert caller == identity.Caller(subject="any-subject", roles=frozenset())


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
def test_finds_the_token_whatever_the_case_of_its_header(identity, issuer, name, scheme):
    assert identity.authenticate({name: f"{scheme} {issuer.token()}"}).subject == "any-subject"


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({}, set()),
        ({"roles": ["supervisor", "operator"]}, {"supervisor", "operator"}),
        ({"roles": "representative"}, {"representative"}),
        ({"roles": ["admin", "Supervisor", "operators", None, 7, ["operator"]]}, set()),
        ({"roles": {"operator": True}}, set()),
        ({"cognito:groups": ["operator"]}, set()),
        ({"scope": "openid aftercall/service aftercall/operator"}, {"service", "operator"}),
        ({"scope": ["aftercall/service"]}, {"service"}),
        ({"scope": "service aftercall/admin other/operator aftercall/"}, set()),
        ({"roles": ["supervisor"], "scope": "aftercall/service"}, {"supervisor", "service"}),
    ],
    ids=str,
)
def test_knows_roles_by_claim_and_by_scope(identity, issuer, claims, roles):
    assert identity.authenticate(bearer(issuer.token(**claims))).roles == roles


def test_reads_roles_from_the_claim_of_the_settings(monkeypatch, issuer):
    changed = SETTINGS | {"TOKEN_ROLES_CLAIM": "cognito:groups"}
    token = issuer.token(**{"cognito:groups": ["operator"], "roles": ["supervisor"]})

    with fresh(monkeypatch, "shared.identity", **changed) as identity:
        assert identity.authenticate(bearer(token)).roles == {"operator"}


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "other-client"},
        {"aud": ["anybody", "aftercall-api"]},
        {"without": ("aud",), "client_id": "other-client"},
    ],
    ids=str,
)
def test_takes_a_token_for_any_of_its_audiences(identity, issuer, claims):
    assert identity.authenticate(bearer(issuer.token(**claims)))


@pytest.mark.parametrize(
    "claims",
    [{"exp": FromNow(-20)}, {"nbf": FromNow(20)}, {"iat": FromNow(20)}],
    ids=str,
)
def test_forgives_clocks_that_differ_a_little(identity, issuer, claims):
    assert identity.authenticate(bearer(issuer.token(**claims)))


# --- tokens that do not


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": FromNow(-60)}, "the token has expired"),
        ({"nbf": FromNow(300)}, "the token is not valid yet"),
        ({"iat": FromNow(300)}, "the token is not valid yet"),
        ({"iss": ISSUER + "/"}, "the token is of another issuer"),
        ({"iss": "https://evil.example"}, "the token is of another issuer"),
        ({"aud": "somebody-else"}, "the token is for another audience"),
        ({"aud": []}, "the token is for another audience"),
        ({"aud": ""}, "the token is for another audience"),
        ({"aud": "somebody-else", "client_id": "aftercall-api"}, "for another audience"),
        ({"without": ("aud",)}, "the token is for another audience"),
        ({"without": ("aud",), "client_id": "nobody"}, "the token is for another audience"),
        ({"without": ("aud",), "azp": "aftercall-api"}, "the token is for another audience"),
        ({"without": ("exp",)}, "the token lacks a required claim"),
        ({"without": ("iat",)}, "the token lacks a required claim"),
        ({"without": ("iss",)}, "the token lacks a required claim"),
        ({"without": ("sub",)}, "the token lacks a required claim"),
        ({"sub": ""}, "the token's subject is empty or too long"),
        ({"exp": "soon"}, "the token is malformed"),
        ({"exp": 1e400}, "the token is malformed"),
        ({"iat": [1]}, "the token is malformed"),
        ({"nbf": 1e400}, "the token is malformed"),
        ({"key_id": None}, "the token does not name its key"),
        ({"key_id": "unknown"}, "the token's key is not the issuer's"),
        ({"algorithm": "ES256", "signed_by": key_of("ES256", "forger")}, "signature is wrong"),
    ],
    ids=str,
)
def test_refuses_a_token_and_says_why(identity, issuer, claims, reason):
    token = issuer.token(**claims)

    assert refusal(identity, bearer(token)).endswith(reason)


def test_refuses_a_token_signed_with_the_public_key_as_if_it_were_a_secret(identity, issuer):
    pem = (
        key_of("RS256", "rsa")
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    issuer.add_key("rsa", "RS256")
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    head, body, _ = unsigned({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, claims).split(".")
    secret = jwt.get_algorithm_by_name("HS256")
    signature = secret.sign(f"{head}.{body}".encode(), pem)
    forged = f"{head}.{body}.{base64url(signature)}"

    assert "algorithm" in refusal(identity, bearer(forged))


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "HS256", "HS512", "ES256K", "", None, ["ES256"]]
)
def test_refuses_every_other_algorithm_before_it_asks_for_keys(identity, issuer, algorithm):
    token = unsigned({"alg": algorithm, "kid": "k1"}, {"sub": "any"})

    reason = refusal(identity, bearer(token))

    assert reason in (
        "the token is not signed by an algorithm that is accepted",
        "the token is malformed",
    )
    assert issuer.fetches == 0


def test_refuses_an_algorithm_that_is_not_the_key_s_own(identity, issuer):
    issuer.add_key("rsa", "RS256")
    token = issuer.token(key_id="rsa", algorithm="PS256", signed_by=key_of("RS256", "rsa"))

    assert refusal(identity, bearer(token)) == "the token is not signed by the algorithm of its key"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Authorization": "Bearer a.b.c"},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer a.b.c, Bearer a.b.c"},
        {"Authorization": "Bearer a.b.c", "authorization": "Bearer a.b.c"},
        {"Authorization": "Bearer " + "a" * 9000 + ".b.c"},
        {"Authorization": "Bearer ä.b.c"},
        {"Authorization": "Bearer \ud800.b.c"},
        {"Authorization": "Bearer a.b.c"},
        {"Authorization": f"Bearer {base64url(b'[' * 5000)}.b.c"},
        {"Authorization": "Bearer " + unsigned({"alg": "ES256", "kid": 7})},
        {"Authorization": "Bearer " + unsigned({"alg": "ES256", "kid": "k1", "crit": ["x"]})},
        {"Authorization": "Bearer " + unsigned([])},
    ],
    ids=lambda headers: ascii(headers)[:60],
)
def test_refuses_what_is_no_bearer_token(identity, issuer, headers):
    assert refusal(identity, headers)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["Authorization", "authorization", "Host"]),
        st.text() | st.from_regex(r"Bearer [\w-]{1,40}\.[\w-]{1,40}\.[\w-]{0,40}"),
    )
)
def test_no_header_does_worse_than_to_be_refused(identity, issuer, headers):
    refusal(identity, headers)


def test_says_nothing_of_what_a_token_holds(identity, issuer):
    token = issuer.token(sub="Peter Miller", exp=FromNow(-60))

    with pytest.raises(identity.Unauthenticated) as raised:
        identity.authenticate(bearer(token))

    assert str(raised.value) == "the token has expired"
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


# --- the issuer's keys


def test_asks_for_the_keys_once_and_with_a_time_limit(identity, issuer):
    for _ in range(3):
        identity.authenticate(bearer(issuer.token()))

    assert issuer.fetches == 1
    assert issuer.timeouts == [(2, 5)]


def test_asks_for_the_keys_again_when_they_are_old(identity, issuer, clock):
    identity.authenticate(bearer(issuer.token()))
    clock.now += identity.KEYS_LIFETIME_SECONDS + 1
    issuer.keys = []
    issuer.add_key("k2")

    assert "key" in refusal(identity, bearer(issuer.token()))
    assert issuer.fetches == 2


def test_takes_a_new_key_as_soon_as_a_token_names_it(identity, issuer, clock):
    identity.authenticate(bearer(issuer.token()))
    issuer.add_key("k2")
    clock.now += identity.SECONDS_BETWEEN_FETCHES

    assert identity.authenticate(bearer(issuer.token(key_id="k2")))
    assert issuer.fetches == 2


def test_unknown_keys_do_not_make_it_ask_more_often_than_the_limit(identity, issuer, clock):
    for second in range(60):
        clock.now = 1000 + second
        refusal(
            identity, bearer(issuer.token(key_id=f"unknown-{second}", signed_by=key_of("ES256")))
        )

    assert issuer.fetches == 60 / identity.SECONDS_BETWEEN_FETCHES


def test_an_issuer_that_is_away_is_not_asked_more_often_than_the_limit(identity, issuer, clock):
    issuer.broken = True
    for second in range(20):
        clock.now = 1000 + second
        with pytest.raises(identity.IdentityProviderUnavailable):
            identity.authenticate(bearer(issuer.token()))

    assert issuer.fetches == 2


def test_known_keys_serve_while_the_issuer_is_away_but_not_for_ever(identity, issuer, clock):
    identity.authenticate(bearer(issuer.token()))
    issuer.broken = True

    clock.now += identity.STALE_KEYS_LIFETIME_SECONDS - 1
    assert identity.authenticate(bearer(issuer.token()))
    clock.now += 2
    with pytest.raises(identity.IdentityProviderUnavailable):
        identity.authenticate(bearer(issuer.token()))


def test_an_unknown_key_is_not_the_callers_fault_while_the_issuer_is_away(identity, issuer, clock):
    identity.authenticate(bearer(issuer.token()))
    issuer.add_key("k2")
    issuer.broken = True

    clock.now += identity.SECONDS_BETWEEN_FETCHES

    for _ in range(3):
        clock.now += 1
        with pytest.raises(identity.IdentityProviderUnavailable):
            identity.authenticate(bearer(issuer.token(key_id="k2")))
        assert identity.authenticate(bearer(issuer.token()))


@pytest.mark.parametrize("status", [301, 302, 403, 404, 429, 500, 503])
def test_an_answer_without_keys_is_not_the_callers_fault(identity, issuer, status):
    issuer.status = status

    with pytest.raises(identity.IdentityProviderUnavailable):
        identity.authenticate(bearer(issuer.token()))
    assert issuer.fetches == 1


@pytest.mark.parametrize(
    "document",
    ["", "<html>", "[" * 100_000, [], {}, {"keys": None}, {"keys": []}, {"keys": {"k1": {}}}],
    ids=lambda document: str(document)[:20],
)
def test_a_document_without_keys_is_not_the_callers_fault(identity, issuer, document):
    issuer.document = document

    with pytest.raises(identity.IdentityProviderUnavailable):
        identity.authenticate(bearer(issuer.token()))


def test_passes_over_keys_that_are_not_for_signatures_or_not_known(identity, issuer):
    issuer.add_key("encrypts", use="enc")
    issuer.add_key("nameless", kid=None)
    issuer.keys += [
        "no key",
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "EC", "kid": "future", "crv": "P-999", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
    ]

    assert identity.authenticate(bearer(issuer.token()))
    assert "key" in refusal(identity, bearer(issuer.token(key_id="encrypts")))
    assert set(identity._keys._by_id) == {"k1"}


# --- settings


@pytest.mark.parametrize("setting", ["TOKEN_ISSUER", "TOKEN_JWKS_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example",
        "http://127.0.0.1.evil.example/",
        "http://localhost@evil.example/",
        "http://192.168.1.1:4566",
        "ftp://127.0.0.1",
        "issuer.example",
        "",
        "https://",
        "http://[::1",
        "http://127.0.0.1:port",
    ],
)
def test_does_not_start_with_an_issuer_that_others_could_speak_for(monkeypatch, setting, url):
    with (
        pytest.raises(ValueError, match=f"^{setting} (must be a URL|is plain http)"),
        fresh(monkeypatch, "shared.identity", **SETTINGS | {setting: url}),
    ):
        pass


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:4566/i", "http://localhost:1", "http://[::1]:1/i", "https://i.example/p"],
)
def test_starts_with_tls_or_with_an_issuer_on_this_machine(monkeypatch, url):
    changed = SETTINGS | {"TOKEN_ISSUER": url, "TOKEN_JWKS_URL": url}

    with fresh(monkeypatch, "shared.identity", **changed) as identity:
        assert url == identity.ISSUER


@pytest.mark.parametrize("audience", ["", " , "])
def test_does_not_start_without_an_audience(monkeypatch, audience):
    with (
        pytest.raises(ValueError, match="TOKEN_AUDIENCE"),
        fresh(monkeypatch, "shared.identity", **SETTINGS | {"TOKEN_AUDIENCE": audience}),
    ):
        pass


@pytest.mark.parametrize("missing", SETTINGS)
def test_does_not_start_without_a_setting(monkeypatch, missing):
    monkeypatch.delenv(missing, raising=False)
    given = {name: value for name, value in SETTINGS.items() if name != missing}

    with pytest.raises(KeyError, match=missing), fresh(monkeypatch, "shared.identity", **given):
        pass
