"""VC-JWT: what we sign, what we accept, and the attacks on tokens."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_credentials.badge import build_badge
from assay_credentials.did import VerificationKey
from assay_credentials.intake import JsonObject
from assay_credentials.multibase import encode_base58
from assay_credentials.verification.envelope import sign_jwt
from assay_credentials.verify import Outcome, verify_jwt
from credential_samples import (
    AWARD,
    CENTRE,
    CLEAR_LISTS,
    NOW,
    REVOCATION,
    STRANGER,
    SUSPENSION,
    TRUSTED,
    status_lists,
    verify,
)

UNSIGNED = build_badge(AWARD, CENTRE.issuer, (REVOCATION, SUSPENSION))
TOKEN = sign_jwt(UNSIGNED, CENTRE.signer, kid=CENTRE.method)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _token(header: dict[str, Any], payload: JsonObject, signer: Any = CENTRE.signer) -> str:
    signed = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(payload).encode())}"
    return f"{signed}.{_b64(signer.sign(signed.encode()))}"


HEADER = {"alg": "EdDSA", "typ": "vc+jwt", "kid": CENTRE.method}


def test_a_token_is_valid_with_the_same_checks_as_a_document() -> None:
    as_token, as_document = verify(TOKEN.encode()), verify(CENTRE.badge())
    assert as_token.outcome is Outcome.VALID
    assert [check.name for check in as_token.checks] == [c.name for c in as_document.checks]
    assert as_token.issuer == CENTRE.did
    assert as_token.document == UNSIGNED
    assert (
        verify_jwt(TOKEN, now=NOW, resolve_status=CLEAR_LISTS.get, trusted_issuers=TRUSTED).outcome
        is Outcome.VALID
    )


def test_a_token_follows_its_status_lists() -> None:
    lists = status_lists(revoked=[REVOCATION.index])
    assert verify(TOKEN, resolve_status=lists.get).outcome is Outcome.REVOKED
    assert verify(TOKEN, resolve_status={}.get).outcome is Outcome.COULD_NOT_CHECK


def test_an_enveloped_credential_is_the_token_in_it() -> None:
    enveloped: JsonObject = {
        "@context": "https://www.w3.org/ns/credentials/v2",
        "id": f"data:application/vc+jwt,{TOKEN}",
        "type": "EnvelopedVerifiableCredential",
    }
    assert verify(enveloped).outcome is Outcome.VALID
    assert verify({**enveloped, "id": TOKEN}).outcome is Outcome.NOT_GENUINE
    other_type = {**enveloped, "id": f"data:text/plain,{TOKEN}"}
    assert verify(other_type).outcome is Outcome.NOT_GENUINE


@pytest.mark.parametrize(
    ("header", "outcome"),
    [
        (HEADER, Outcome.VALID),
        ({**HEADER, "alg": "Ed25519"}, Outcome.VALID),
        ({**HEADER, "typ": "JWT"}, Outcome.VALID),
        ({**HEADER, "alg": "none"}, Outcome.NOT_GENUINE),
        ({**HEADER, "alg": "HS256"}, Outcome.NOT_GENUINE),
        ({**HEADER, "alg": "ES256"}, Outcome.NOT_GENUINE),
        ({**HEADER, "typ": "openid4vci-proof+jwt"}, Outcome.NOT_GENUINE),
        ({**HEADER, "typ": "vp+jwt"}, Outcome.NOT_GENUINE),
        ({**HEADER, "crit": ["b64"], "b64": False}, Outcome.COULD_NOT_CHECK),
        ({**HEADER, "jwk": {"kty": "OKP"}}, Outcome.COULD_NOT_CHECK),
        ({**HEADER, "jku": "https://e.example/jwks"}, Outcome.COULD_NOT_CHECK),
        ({**HEADER, "kid": STRANGER.method}, Outcome.NOT_GENUINE),
        ({**HEADER, "kid": "did:web:e.example#1"}, Outcome.COULD_NOT_CHECK),
        ({"alg": "EdDSA", "typ": "vc+jwt"}, Outcome.COULD_NOT_CHECK),
    ],
)
def test_the_header_decides_nothing_against_the_key(
    header: dict[str, Any], outcome: Outcome
) -> None:
    assert verify(_token(header, UNSIGNED)).outcome is outcome


def test_a_token_that_is_signed_with_the_public_key_as_a_secret_is_not_genuine() -> None:
    """The old confusion of algorithms: an HMAC whose secret is what everybody knows."""
    import hmac

    class WithPublicKey:
        def sign(self, data: bytes) -> bytes:
            return hmac.digest(CENTRE.signer.public_key, data, "sha256")

    forged = _token({**HEADER, "alg": "HS256"}, UNSIGNED, WithPublicKey())
    assert verify(forged).outcome is Outcome.NOT_GENUINE


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [
        ({"iss": CENTRE.did, "jti": UNSIGNED["id"], "iat": 1_700_000_000}, Outcome.VALID),
        ({"iss": STRANGER.did}, Outcome.NOT_GENUINE),
        ({"jti": "urn:uuid:another"}, Outcome.NOT_GENUINE),
        ({"sub": "did:example:another"}, Outcome.NOT_GENUINE),
        ({"exp": int(NOW.timestamp()) - 60}, Outcome.EXPIRED),
        ({"nbf": int(NOW.timestamp()) + 3600}, Outcome.NOT_YET_VALID),
        ({"exp": "soon"}, Outcome.NOT_GENUINE),
        ({"aud": 7}, Outcome.NOT_GENUINE),
        ({"grade": "A"}, Outcome.COULD_NOT_CHECK),
        ({"proof": {"type": "DataIntegrityProof"}}, Outcome.COULD_NOT_CHECK),
    ],
)
def test_registered_claims_add_to_the_credential_and_never_contradict_it(
    claims: dict[str, Any], outcome: Outcome
) -> None:
    assert verify(_token(HEADER, {**UNSIGNED, **claims})).outcome is outcome


def test_a_token_of_the_earlier_data_model_holds_the_credential_under_vc() -> None:
    payload: JsonObject = {"iss": CENTRE.did, "vc": UNSIGNED}
    assert verify(_token({**HEADER, "typ": "JWT"}, payload)).outcome is Outcome.VALID
    beside: JsonObject = {**payload, "name": "x"}
    assert verify(_token(HEADER, beside)).outcome is Outcome.NOT_GENUINE


def test_a_token_signed_by_another_than_the_issuer_is_not_genuine() -> None:
    forged = sign_jwt(UNSIGNED, STRANGER.signer, kid=STRANGER.method)
    assert verify(forged).outcome is Outcome.NOT_GENUINE


def test_a_duplicate_key_in_a_token_is_seen() -> None:
    text = json.dumps(UNSIGNED).replace(
        '"validUntil":', '"validUntil": "2036-03-02T23:59:59Z", "validUntil":'
    )
    signed = f"{_b64(json.dumps(HEADER).encode())}.{_b64(text.encode())}"
    token = f"{signed}.{_b64(CENTRE.signer.sign(signed.encode()))}"
    answer = verify(token)
    assert answer.outcome is Outcome.NOT_GENUINE
    assert "validUntil" in answer.checks[-1].detail


class _P256:
    def __init__(self) -> None:
        self._key = ec.derive_private_key(7, ec.SECP256R1())
        self.point = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.CompressedPoint
        )

    def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_es256_by_a_p256_key_is_verified_and_eddsa_by_it_is_not() -> None:
    key = _P256()
    multikey = encode_base58(b"\x80\x24" + key.point)
    did = f"did:key:{multikey}"
    credential: Any = {**UNSIGNED, "issuer": {**dict(UNSIGNED["issuer"]), "id": did}}  # type: ignore[call-overload]
    del credential["credentialStatus"]
    header = {"alg": "ES256", "typ": "vc+jwt", "kid": f"{did}#{multikey}"}
    trusted = {did: "P-256 Centre"}
    token = _token(header, credential, key)
    assert verify(token, trusted_issuers=trusted).outcome is Outcome.VALID
    wrong = _token({**header, "alg": "EdDSA"}, credential, key)
    assert verify(wrong, trusted_issuers=trusted).outcome is Outcome.NOT_GENUINE
    other = VerificationKey(did, key.point[:1] + bytes(32), kind="P-256")
    assert verify(token, resolve_key=lambda _: other).outcome is Outcome.NOT_GENUINE


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from("Aa0-_.=+/ \x00é"))
def test_no_change_of_a_character_makes_another_valid_token(position: int, put: str) -> None:
    position %= len(TOKEN)
    changed = TOKEN[:position] + put + TOKEN[position + 1 :]
    answer = verify(changed)
    if answer.outcome is Outcome.VALID:
        # The last character of a part may hold bits that stand for nothing.
        assert answer.document == UNSIGNED
    else:
        assert answer.outcome in (Outcome.NOT_GENUINE, Outcome.COULD_NOT_CHECK)


def test_what_is_no_token_is_answered() -> None:
    for text in ("", "eyJ.", "e..", "e\ud800..", "eyJhbGciOiJFZERTQSJ9.e30."):
        answer = verify_jwt(
            text, now=datetime.now(UTC), resolve_status=lambda _: None, trusted_issuers={}
        )
        assert answer.outcome in (Outcome.NOT_GENUINE, Outcome.COULD_NOT_CHECK)
