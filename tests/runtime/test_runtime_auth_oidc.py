"""Bearer tokens, checked against the keys of a real provider process.

The tests hold the provider's private keys, so they can also sign what it never would.
"""

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import Key

from assay_runtime.auth import Authenticator
from assay_runtime.auth_clients import Allowance, Bound, ClientRows, NewClient
from assay_runtime.auth_oidc import Provider
from assay_runtime.problem import Problem
from oidc_provider import (
    AUDIENCE,
    OidcProvider,
    ec_key,
    ed_key,
    oidc_provider,
    rsa_key,
    settings_of,
    signed,
)
from runtime_probe import Probe

RSA, EC, ED = rsa_key("rsa-1"), ec_key("ec-1"), ed_key("ed-1")
EC384, EC521 = ec_key("ec-384", "P-384"), ec_key("ec-521", "P-521")
KEYS = (RSA, EC, ED, EC384, EC521)
BY_CLIENT = {"lms": "RS256", "rig": "ES256", "tablet": "EdDSA"}


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with oidc_provider(*KEYS, clients=tuple(BY_CLIENT), algorithms=BY_CLIENT) as running:
        yield running


async def refused(provider: Provider, token: str) -> Problem:
    with pytest.raises(Problem) as caught:
        await provider.token(token)
    assert token not in f"{caught.value.detail} {caught.value.response().body!r}"
    return caught.value


async def bind(probe: Probe, name: str, issuer: str, claim: str, value: str, *scopes: str) -> None:
    new = NewClient("demo", name, "lms", scopes, None, Bound(issuer, claim, value), Allowance())
    async with probe.pool.acquire() as connection:
        assert await ClientRows(connection, "probe").add(new)


@pytest.mark.parametrize("client", sorted(BY_CLIENT))
async def test_a_token_of_the_provider_names_its_client(
    provider: OidcProvider, client: str
) -> None:
    token = await Provider(settings_of(provider)).token(
        provider.token(client, "statements/write state")
    )
    assert (token.issuer, token.subject, token.party) == (provider.issuer, client, client)
    assert token.scopes == {"statements/write", "state"}
    assert 500 < token.expires_at - time.time() < 700


async def test_a_client_may_do_what_both_its_token_and_its_row_say(
    probe: Probe, provider: OidcProvider
) -> None:
    await bind(probe, "lms", provider.issuer, "sub", "lms", "statements/read", "state")
    authenticator = Authenticator(probe.pool, "probe", settings_of(provider))
    header = "Bearer " + provider.token("lms", "all/read statements/write openid")
    client = await authenticator.client(header)
    assert (client.tenant, client.name, client.source) == ("demo", "lms", "lms")
    assert client.granted == {"statements/read", "statements/read/mine", "state/read"}
    # Remembered: neither the provider nor the database is asked again.
    await probe.pool.close()
    assert await authenticator.client(header) is client


async def test_the_subject_goes_before_who_asked_for_the_token(
    probe: Probe, provider: OidcProvider
) -> None:
    await bind(probe, "by-party", provider.issuer, "azp", "rig", "statements/write")
    authenticator = Authenticator(probe.pool, "probe", settings_of(provider, auth_cache_seconds=0))

    async def name(**claims: Any) -> str:
        token = signed(provider, RSA, **{"client_id": "rig", **claims})
        return (await authenticator.client(f"bearer {token}")).name

    assert await name(sub="somebody") == "by-party"
    assert await name(sub="somebody", azp="rig", client_id=None) == "by-party"
    await bind(probe, "by-subject", provider.issuer, "sub", "rig", "statements/write")
    assert await name(sub="rig") == "by-subject"
    assert await name(sub="somebody") == "by-party"
    # What names nobody, or names them in the other claim, is nobody.
    for claims in (
        {"sub": "other", "client_id": "other"},
        {"sub": None, "client_id": None},
        {"sub": "rig\0", "client_id": "\ud800"},
        {"sub": "", "client_id": ["rig"]},
    ):
        with pytest.raises(Problem, match="Not authenticated"):
            await name(**claims)
    await probe.pool.execute("update probe.api_client set revoked_at = now()")
    with pytest.raises(Problem, match="Not authenticated"):
        await name(sub="rig")


async def test_a_client_of_another_issuer_is_not_meant(
    probe: Probe, provider: OidcProvider
) -> None:
    await bind(probe, "lms", "https://other.example", "sub", "lms", "statements/write")
    authenticator = Authenticator(probe.pool, "probe", settings_of(provider))
    with pytest.raises(Problem) as caught:
        await authenticator.client("Bearer " + provider.token("lms", "statements/write"))
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_a_token_is_not_remembered_longer_than_it_is_good(
    probe: Probe, provider: OidcProvider
) -> None:
    await bind(probe, "lms", provider.issuer, "sub", "lms", "statements/write")
    known = settings_of(provider, auth_cache_seconds=600, oidc_leeway_seconds=0)
    authenticator = Authenticator(probe.pool, "probe", known)
    header = "Bearer " + signed(provider, RSA, exp=int(time.time()) + 2)
    await authenticator.client(header)
    await probe.pool.execute("select pg_sleep(2.1)")
    with pytest.raises(Problem) as caught:
        await authenticator.client(header)
    assert caught.value.status == 401


async def test_without_a_provider_no_token_is_taken(probe: Probe, provider: OidcProvider) -> None:
    with pytest.raises(Problem) as caught:
        await Authenticator(probe.pool, "probe").client("Bearer " + signed(provider, RSA))
    assert caught.value.status == 401
    assert caught.value.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        *((RSA, f"{kind}{bits}") for kind in ("RS", "PS") for bits in (256, 384, 512)),
        (EC, "ES256"),
        (EC384, "ES384"),
        (EC521, "ES512"),
        (ED, "Ed25519"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_every_algorithm_of_the_list_is_taken(
    provider: OidcProvider, key: Key, alg: str
) -> None:
    known = Provider(settings_of(provider))
    assert (await known.token(signed(provider, key, alg))).subject == "lms"
    others = ",".join(one for one in settings_of(provider).algorithms if one != alg)
    problem = await refused(
        Provider(settings_of(provider, oidc_algorithms=others)), signed(provider, key, alg)
    )
    assert problem.detail == "the token's algorithm is not allowed"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _unsigned(provider: OidcProvider, head: str) -> str:
    return f"{_base64(head.encode())}.{signed(provider, RSA).split('.')[1]}."


async def test_a_signature_that_anybody_can_make_is_none(provider: OidcProvider) -> None:
    known = Provider(settings_of(provider))
    for alg in ("none", "None", "NONE", "", "HS256", "RS256", "ES256"):
        token = _unsigned(provider, json.dumps({"alg": alg, "kid": RSA.kid}))
        assert (await refused(known, token)).status == 401, alg
    # The public key as the shared secret: who confuses the two, can be fooled by everybody.
    head = json.dumps({"alg": "HS256", "kid": RSA.kid, "typ": "at+jwt"})
    said = _unsigned(provider, head).rstrip(".")
    for public in (RSA.as_pem(private=False), RSA.as_der(private=False)):
        token = f"{said}.{_base64(hmac.digest(public, said.encode(), 'sha256'))}"
        assert (await refused(known, token)).status == 401
    # Keys that come with the token are not the provider's.
    own = rsa_key("rsa-1")
    jwk = {"jwk": own.as_dict(private=False), "jku": "https://evil.example/keys"}
    assert (await refused(known, signed(provider, own, header=jwk))).status == 401


async def test_a_changed_token_is_refused(provider: OidcProvider) -> None:
    known = Provider(settings_of(provider))
    token = signed(provider, RSA)
    other = signed(provider, RSA, sub="admin")
    head, _, signature = token.split(".")
    assert (await refused(known, f"{head}.{other.split('.')[1]}.{signature}")).status == 401


# When the tests were collected: they may run half an hour later.
NOW = int(time.time())
DAY_SECONDS = 86_400


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"iss": ["a"]},
        {"aud": "https://other.example"},
        {"aud": []},
        {"aud": None},
        {"aud": {"a": 1}},
        {"exp": None},
        {"exp": NOW - 60},
        {"exp": str(NOW + DAY_SECONDS)},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": NOW + DAY_SECONDS},
        {"nbf": "soon"},
        {"iat": NOW + DAY_SECONDS},
        {"sub": 7},
        {"scope": 7},
        {"scope": {"a": 1}},
    ],
    ids=str,
)
async def test_a_claim_that_is_wrong_is_refused(
    provider: OidcProvider, claims: dict[str, Any]
) -> None:
    problem = await refused(Provider(settings_of(provider)), signed(provider, RSA, **claims))
    assert problem.status == 401
    assert 'error="invalid_token"' in problem.headers["WWW-Authenticate"]


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": ["unknown"]},
        {"crit": 7},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"typ": "logout+jwt"},
        {"typ": 7},
        {"kid": "nobody"},
        {"kid": 7},
    ],
    ids=str,
)
async def test_a_header_that_is_wrong_is_refused(
    provider: OidcProvider, header: dict[str, Any]
) -> None:
    body = signed(provider, RSA).split(".")[1]
    head = {"alg": "RS256", "kid": RSA.kid, "typ": "at+jwt", **header}
    said = f"{_base64(json.dumps(head).encode())}.{body}"
    signature = jws.JWSRegistry.algorithms["RS256"].sign(said.encode(), RSA)
    token = f"{said}.{_base64(signature)}"
    assert (await refused(Provider(settings_of(provider)), token)).status == 401


async def test_what_is_right_is_taken(provider: OidcProvider) -> None:
    known = Provider(settings_of(provider))
    for claims in (
        {"aud": ["https://other.example", AUDIENCE]},
        {"exp": int(time.time()) - 5},  # Within the leeway.
        {"nbf": int(time.time()) + 20},
        {"iat": None},
        {"exp": time.time() + 600.5},
        {"unknown": {"any": ["thing"]}},
    ):
        assert (await known.token(signed(provider, RSA, **claims))).subject == "lms", claims
    for header in ({"typ": "JWT"}, {"typ": None}, {"typ": "application/at+JWT"}, {"x-own": "1"}):
        assert (await known.token(signed(provider, RSA, header=header))).subject == "lms", header
    # Without a name, the key must be the only one that it can be.
    assert (await known.token(signed(provider, RSA, header={"kid": None}))).subject == "lms"


async def test_scopes_are_read_in_each_way_that_providers_say_them(provider: OidcProvider) -> None:
    known = Provider(settings_of(provider))
    for claims in ({"scope": "a b"}, {"scope": ["a", "b"]}, {"scope": None, "scp": "b a"}):
        assert (await known.token(signed(provider, RSA, **claims))).scopes == {"a", "b"}
    assert (await known.token(signed(provider, RSA, scope=None))).scopes == frozenset()
    apart = Provider(settings_of(provider, oidc_scope_prefix="xapi:"))
    token = await apart.token(signed(provider, RSA, scope="xapi:state profile xapi:define"))
    assert token.scopes == {"state", "define"}


async def test_a_token_that_is_too_long_is_not_even_read(provider: OidcProvider) -> None:
    known = Provider(settings_of(provider, oidc_token_bytes_max=2000))
    assert (await refused(known, signed(provider, RSA, more="x" * 2000))).detail == (
        "the token is too long"
    )
    assert known.fetches == 0


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b.c", "a" * 5000, "ä.ö.ü", "\0.\0.\0"])
async def test_what_is_no_token_is_a_401(provider: OidcProvider, text: str) -> None:
    with pytest.raises(Problem) as caught:
        await Provider(settings_of(provider)).token(text)
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "head", ["[" * 3000, "{}", '["alg"]', '{"alg":["RS256"]}', '{"alg":{}}', '"alg"', "7", "\0"]
)
async def test_a_head_that_is_no_object_is_a_401(provider: OidcProvider, head: str) -> None:
    token = _unsigned(provider, head)
    assert (await refused(Provider(settings_of(provider)), token)).status == 401


@pytest.fixture(scope="module")
async def shared(provider: OidcProvider) -> Provider:
    known = Provider(settings_of(provider))
    await known.token(signed(provider, RSA))
    return known


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_nothing_but_a_401_comes_of_a_broken_token(
    provider: OidcProvider, shared: Provider, data: st.DataObject
) -> None:
    parts = signed(provider, RSA).split(".")
    number = data.draw(st.integers(0, 2))
    # Not the last character of a part: some of its bits say nothing.
    place = data.draw(st.integers(0, len(parts[number]) - 2))
    other = data.draw(st.sampled_from("abcXYZ019-_. \0é"))
    before = parts[number]
    parts[number] = before[:place] + other + before[place + 1 :]
    hypothesis.assume(parts[number] != before)
    with pytest.raises(Problem) as caught:
        await shared.token(".".join(parts))
    assert caught.value.status == 401
