"""Codes, nonces, proofs of keys and bound copies, without a database."""

import json
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from assay_credentials.did import resolve_did_key
from assay_credentials.holding.binding import check_copy, signed_copy, unsigned_copy
from assay_credentials.holding.codes import (
    digest,
    fits,
    new_code,
    new_transaction_code,
    seal,
)
from assay_credentials.holding.errors import CopyRefused, KeyProofRefused
from assay_credentials.holding.key_proof import AGE_MAX, SKEW, read_key_proof
from assay_credentials.holding.metadata import (
    authorization_server_metadata,
    credential_issuer_metadata,
)
from assay_credentials.holding.nonces import make_nonce, read_nonce
from assay_credentials.holding.offers import (
    CONFIGURATIONS,
    Format,
    Offer,
    issuer_url,
    offer_object,
    offer_uri_by_reference,
    offer_uri_by_value,
    standing,
)
from assay_credentials.verify import verify_credential
from credential_samples import CENTRE, STRANGER
from credential_samples import NOW as BADGE_NOW
from wallet import WalletKey, base64url

AUDIENCE = "https://credentials.example/issuers/north/main"
NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
SECRET = b"s" * 32
KEY = WalletKey()


# Codes


def test_codes_are_long_and_transaction_codes_have_six_digits() -> None:
    codes = {new_code(secrets.token_bytes) for _ in range(100)}
    assert len(codes) == 100
    assert {len(code) for code in codes} == {43}
    assert all(
        len(code) == 6 and code.isdigit()
        for code in (new_transaction_code(secrets.token_bytes) for _ in range(100))
    )
    assert new_transaction_code(lambda _: b"\0" * 8) == "000000"


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_transaction_code_fits_its_own_offer_and_no_other(one: str, other: str) -> None:
    code, another = new_code(secrets.token_bytes), new_code(secrets.token_bytes)
    sealed = seal(code, one)
    assert fits(sealed, code, one)
    assert fits(sealed, code, other) == (one == other)
    assert not fits(sealed, another, one)
    assert code.encode() not in digest(code) + sealed


# Nonces


@given(st.binary(min_size=16, max_size=16), st.integers(0, 119))
def test_a_nonce_is_known_again_until_it_is_over(random: bytes, seconds: int) -> None:
    text = make_nonce(SECRET, NOW, timedelta(seconds=120), lambda _: random)
    found = read_nonce(SECRET, text, NOW + timedelta(seconds=seconds))
    assert found is not None
    assert found.expires_at == NOW + timedelta(seconds=120)
    assert read_nonce(SECRET, text, NOW + timedelta(seconds=120)) is None
    assert read_nonce(b"t" * 32, text, NOW) is None


@given(st.integers(0, 53), st.characters(codec="ascii"))
def test_a_nonce_with_another_character_is_not_ours(place: int, character: str) -> None:
    text = make_nonce(SECRET, NOW, timedelta(seconds=120), lambda count: b"r" * count)
    changed = text[:place] + character + text[place + 1 :]
    assert (read_nonce(SECRET, changed, NOW) is None) == (changed != text)


@given(st.text(max_size=80))
def test_no_text_is_a_nonce_by_chance(text: str) -> None:
    assert read_nonce(SECRET, text, NOW) is None


# Proofs of keys


def test_a_proof_tells_holder_and_nonce() -> None:
    now = datetime.now(UTC)
    by_did = read_key_proof(KEY.proof(AUDIENCE, "n"), audience=AUDIENCE, now=now)
    assert (by_did.holder.did, by_did.nonce) == (KEY.did, "n")
    token = KEY.proof(AUDIENCE, "n", header={"kid": None, "jwk": KEY.jwk})
    by_jwk = read_key_proof(token, audience=AUDIENCE, now=now)
    assert by_jwk.holder.did.startswith("did:jwk:")
    assert by_jwk.holder.key.public_key == KEY.signer.public_key
    # The same key, told another way, is the same DID.
    shuffled = {"x": KEY.jwk["x"], "kid": "mine", "crv": "Ed25519", "kty": "OKP", "use": "sig"}
    token = KEY.proof(AUDIENCE, "n", header={"kid": None, "jwk": shuffled})
    assert read_key_proof(token, audience=AUDIENCE, now=now).holder.did == by_jwk.holder.did
    token = KEY.proof(AUDIENCE, "n", header={"kid": f"{by_jwk.holder.did}#0"})
    assert read_key_proof(token, audience=AUDIENCE, now=now).holder.did == by_jwk.holder.did


def test_a_proof_by_a_p256_key_is_good() -> None:
    private = generate_private_key(SECP256R1())
    jwk = ECKey.import_key(private).as_dict(private=False)
    now = datetime.now(UTC)
    token = jws.serialize_compact(
        {"typ": "openid4vci-proof+jwt", "alg": "ES256", "jwk": jwk},
        orjson.dumps({"aud": AUDIENCE, "iat": int(now.timestamp()), "nonce": "n"}),
        ECKey.import_key(private),
        registry=jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False),
    )
    found = read_key_proof(token, audience=AUDIENCE, now=now)
    assert found.holder.key.kind == "P-256"
    head, claims, signature = token.split(".")
    broken = base64url(bytes(64))
    for bad in (f"{head}.{claims}.{broken}", f"{head}.{claims}.{signature[:-4]}"):
        with pytest.raises(KeyProofRefused, match="signature"):
            read_key_proof(bad, audience=AUDIENCE, now=now)


OTHER = WalletKey()
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another type of JWT": ({"header": {"typ": "JWT"}}, "typ"),
    "no type": ({"header": {"typ": None}}, "typ"),
    "no signature": ({"header": {"alg": "none"}}, "alg"),
    "a shared secret": ({"header": {"alg": "HS256"}}, "alg"),
    "an algorithm of another key": ({"header": {"alg": "ES256"}}, "alg"),
    "two keys": ({"header": {"jwk": OTHER.jwk}}, "one key"),
    "no key": ({"header": {"kid": None}}, "one key"),
    "a certificate": ({"header": {"kid": None, "x5c": ["MII"]}}, "one key"),
    "somebody else's key": ({"header": {"kid": OTHER.method}}, "signature"),
    "somebody else's jwk": ({"header": {"kid": None, "jwk": OTHER.jwk}}, "signature"),
    "a key of another fragment": ({"header": {"kid": KEY.did + "#z6Mk"}}, "the key"),
    "a DID of the network": ({"header": {"kid": "did:web:evil.example#key"}}, "kid"),
    "a private key": ({"header": {"kid": None, "jwk": {**KEY.jwk, "d": "AA"}}}, "private"),
    "a key for encryption": (
        {"header": {"kid": None, "jwk": {**KEY.jwk, "crv": "X25519"}}},
        "the key",
    ),
    "an extension": ({"header": {"crit": ["b64"], "b64": False}}, "crit"),
    "another audience": ({"aud": "https://evil.example"}, "aud"),
    "several audiences": ({"aud": [AUDIENCE, "https://evil.example"]}, "aud"),
    "no time": ({"iat": None}, "iat"),
    "a time that is none": ({"iat": "now"}, "iat"),
    "an old time": ({"iat": 1_000_000_000}, "iat"),
    "a time to come": ({"iat": 4_000_000_000}, "iat"),
    "an end that has come": ({"exp": 1_000_000_000}, "exp"),
    "a beginning to come": ({"nbf": 4_000_000_000}, "nbf"),
    "no nonce": ({"nonce": None}, "nonce"),
}


@pytest.mark.parametrize(("changed", "why"), BAD.values(), ids=list(BAD))
def test_a_proof_that_breaks_a_rule_is_refused(changed: dict[str, Any], why: str) -> None:
    token = KEY.proof(AUDIENCE, **{"nonce": "n", **changed})
    with pytest.raises(KeyProofRefused, match=why):
        read_key_proof(token, audience=AUDIENCE, now=datetime.now(UTC))


def test_the_ages_of_proofs_are_bounded_on_both_sides() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    token = KEY.proof(AUDIENCE, "n", iat=int(now.timestamp()))
    for moment in (now - SKEW, now, now + AGE_MAX):
        assert read_key_proof(token, audience=AUDIENCE, now=moment).nonce == "n"
    second = timedelta(seconds=1)
    for moment in (now - SKEW - second, now + AGE_MAX + second):
        with pytest.raises(KeyProofRefused, match="iat"):
            read_key_proof(token, audience=AUDIENCE, now=moment)


@given(st.one_of(st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){0,4}")))
def test_no_text_is_a_proof_by_chance(text: str) -> None:
    with pytest.raises(KeyProofRefused):
        read_key_proof(text, audience=AUDIENCE, now=NOW)


def test_a_proof_of_a_megabyte_is_not_even_read() -> None:
    with pytest.raises(KeyProofRefused, match="longer"):
        read_key_proof("e" * 1_000_000, audience=AUDIENCE, now=NOW)


# Offers


def _offer(**changed: Any) -> Offer:
    whole = Offer(
        tenant="north",
        id=uuid4(),
        credential=uuid4(),
        protocol="oid4vci",
        sealed=b"s",
        wrong_codes=0,
        made_by="portal",
        made_at=NOW,
        expires_at=NOW + timedelta(minutes=10),
        withdrawn_at=None,
        redeemed_at=None,
        token_expires_at=None,
        claimed_at=None,
        wallet_event=None,
        wallet_event_at=None,
    )
    return replace(whole, **changed)


REDEEMED = {"redeemed_at": NOW, "token_expires_at": NOW + timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("changed", "minutes", "wanted"),
    [
        ({}, 0, "open"),
        ({}, 10, "expired"),
        ({"wrong_codes": 4}, 0, "open"),
        ({"wrong_codes": 5}, 0, "locked"),
        ({"withdrawn_at": NOW}, 0, "withdrawn"),
        (REDEEMED, 12, "redeemed"),
        (REDEEMED, 15, "expired"),
        ({**REDEEMED, "withdrawn_at": NOW}, 1, "withdrawn"),
        ({**REDEEMED, "claimed_at": NOW, "withdrawn_at": NOW}, 60, "claimed"),
    ],
)
def test_what_becomes_of_an_offer(changed: dict[str, Any], minutes: int, wanted: str) -> None:
    assert standing(_offer(**changed), NOW + timedelta(minutes=minutes), 5) == wanted


def test_both_links_lead_to_the_same_offer() -> None:
    code = new_code(secrets.token_bytes)
    url = "https://credentials.example/assay"
    issuer = issuer_url(url, "north", "main")
    by_value = urlsplit(offer_uri_by_value(issuer, code))
    by_reference = urlsplit(offer_uri_by_reference(url, code))
    assert by_value.scheme == by_reference.scheme == "openid-credential-offer"
    (text,) = parse_qs(by_value.query)["credential_offer"]
    assert json.loads(text) == offer_object(issuer, code)
    assert parse_qs(by_reference.query) == {
        "credential_offer_uri": [f"{url}/oid4vci/offers/{code}"]
    }


def test_metadata_name_one_issuer_and_what_it_offers() -> None:
    url = "https://credentials.example"
    metadata = credential_issuer_metadata(url, "north", "main", "Training Centre North")
    server = authorization_server_metadata(url, "north", "main")
    assert metadata["credential_issuer"] == server["issuer"] == f"{url}/issuers/north/main"
    offered = metadata["credential_configurations_supported"]
    assert isinstance(offered, dict)
    assert {name: one["format"] for name, one in offered.items()} == CONFIGURATIONS


# Bound copies


@pytest.mark.parametrize("format_", ["ldp_vc", "jwt_vc_json"])
def test_a_bound_copy_is_the_same_credential_about_the_holder(format_: Format) -> None:
    original = CENTRE.badge()
    document = orjson.dumps(original)
    now = BADGE_NOW
    copy = signed_copy(
        document, KEY.did, format_, signer=CENTRE.signer, method=CENTRE.method, now=now
    )
    found = verify_credential(
        copy, now=now, resolve_status=lambda _: None, trusted_issuers={CENTRE.did: "North"}
    )
    assert found.document is not None
    said = {k: v for k, v in found.document.items() if k != "proof"}
    subject = original["credentialSubject"]
    assert isinstance(subject, dict)
    assert said == {
        **{k: v for k, v in original.items() if k != "proof"},
        "credentialSubject": {"id": KEY.did, **subject},
    }


def test_a_copy_of_a_copy_for_somebody_else_is_refused() -> None:
    document = orjson.dumps(CENTRE.badge())
    now = BADGE_NOW
    copy = signed_copy(
        document, KEY.did, "ldp_vc", signer=CENTRE.signer, method=CENTRE.method, now=now
    )
    assert unsigned_copy(copy, KEY.did)[0]["id"] == CENTRE.badge()["id"]
    with pytest.raises(CopyRefused, match="another holder"):
        unsigned_copy(copy, OTHER.did)


def test_a_copy_that_a_stranger_would_refuse_is_not_given_out() -> None:
    document = orjson.dumps(CENTRE.badge())
    now = BADGE_NOW
    for signer, method, trusted in (
        (STRANGER.signer, CENTRE.method, CENTRE.did),
        (STRANGER.signer, STRANGER.method, CENTRE.did),
        (CENTRE.signer, CENTRE.method, STRANGER.did),
    ):
        copy = signed_copy(document, KEY.did, "ldp_vc", signer=signer, method=method, now=now)
        with pytest.raises(CopyRefused):
            check_copy(
                copy, now=now, trusted_issuers={trusted: "North"}, resolve_key=resolve_did_key
            )
