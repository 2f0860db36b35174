"""A wallet's proof that it holds a key: `openid4vci-proof+jwt` (OpenID4VCI 1.0, appendix F.1).

Pure. The key is named in the header, as a DID URL (`kid`: did:key or did:jwk) or as itself (`jwk`);
it is what the credential is bound to, under a DID that says the key and needs no network.
"""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from assay_credentials.did import VerificationKey, resolve_did_key
from assay_credentials.errors import DocumentRefused, DocumentUnsupported, SignatureInvalid
from assay_credentials.holding.errors import KeyProofRefused
from assay_credentials.intake import JsonObject, parse_document
from assay_credentials.keys import check_signature
from assay_credentials.resolving.did_jwk import resolve_did_jwk

PROOF_TYPE: Final = "openid4vci-proof+jwt"
PROOF_CHARACTERS_MAX: Final = 8192

ALGORITHMS: Final = {"EdDSA": "Ed25519", "Ed25519": "Ed25519", "ES256": "P-256"}
"""`alg` to the kind of key that it goes with (RFC 7518, RFC 8037, RFC 9864). The key decides: an
`alg` that does not fit it is refused.
"""

AGE_MAX: Final = timedelta(minutes=5)
SKEW: Final = timedelta(minutes=1)
"""How far ahead of ours the wallet's clock may be."""

_KEY_MEMBERS: Final = ("jwk", "kid", "x5c", "trust_chain")
_JWK_MEMBERS: Final = ("crv", "kty", "x", "y")

# Wallets may say more in the header than concerns us; what concerns us is looked at by name.
_REGISTRY: Final = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
_REGISTRY.max_header_length = PROOF_CHARACTERS_MAX


class Holder(NamedTuple):
    """Who proved to hold a key."""

    did: str
    key: VerificationKey


@dataclass(frozen=True, slots=True)
class KeyProof:
    """A good proof: this holder signed this nonce for this audience."""

    holder: Holder
    nonce: str


def read_key_proof(token: str, *, audience: str, now: datetime) -> KeyProof:
    """The holder whose key signed `token` for `audience`. The nonce is for the caller to judge.

    Raises KeyProofRefused.
    """
    if len(token) > PROOF_CHARACTERS_MAX:
        raise KeyProofRefused(f"the proof is longer than {PROOF_CHARACTERS_MAX} characters")
    parts = token.split(".")
    if len(parts) != 3:
        raise KeyProofRefused("the proof is not a compact JWS")
    header, claims = _part(parts[0], "header"), _part(parts[1], "claims")
    algorithm = _algorithm(header)
    holder = _holder(header)
    if ALGORITHMS[algorithm] != holder.key.kind:
        raise KeyProofRefused(f"alg: {algorithm} does not go with a key of {holder.key.kind}")
    _check_signature(token, holder.key)
    if claims.get("aud") != audience:
        raise KeyProofRefused("aud: not this credential issuer")
    _check_time(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str):
        raise KeyProofRefused("nonce: missing")
    return KeyProof(holder, nonce)


def _part(text: str, name: str) -> JsonObject:
    try:
        return parse_document(_decoded(text))
    except (ValueError, DocumentRefused, DocumentUnsupported) as error:
        raise KeyProofRefused(f"the {name} of the proof: not JSON in base64url") from error


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _algorithm(header: JsonObject) -> str:
    # The type keeps any other JWT that the key ever signed from passing for a proof.
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") != PROOF_TYPE:
        raise KeyProofRefused(f"typ: must be {PROOF_TYPE}")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise KeyProofRefused(f"alg: must be one of {', '.join(ALGORITHMS)}")
    if "crit" in header:
        raise KeyProofRefused("crit: no extension is known here")
    return algorithm


def _holder(header: JsonObject) -> Holder:
    # Two ways to name the key at once would let one be shown and the other be used.
    named = [name for name in _KEY_MEMBERS if name in header]
    if named == ["jwk"]:
        method = _method_of_jwk(header["jwk"])
    elif named == ["kid"] and isinstance(header["kid"], str):
        method = _whole_method(header["kid"])
    else:
        raise KeyProofRefused("the header must name one key, by jwk, or by kid as a DID URL")
    try:
        key = resolve_did_key(method) or resolve_did_jwk(method)
    except ValueError as error:
        raise KeyProofRefused(f"the key: {error}") from error
    if key is None:
        raise KeyProofRefused("kid: only did:key and did:jwk are known here")
    return Holder(key.controller, key)


def _method_of_jwk(jwk: object) -> str:
    if not isinstance(jwk, dict):
        raise KeyProofRefused("jwk: not an object")
    if "d" in jwk:
        raise KeyProofRefused("jwk: holds a private key, which must be taken for known to others")
    # Only what makes the key, sorted: one key has one DID (the members of RFC 7638).
    members = {name: jwk[name] for name in _JWK_MEMBERS if name in jwk}
    content = base64.urlsafe_b64encode(orjson.dumps(members)).rstrip(b"=").decode()
    return f"did:jwk:{content}#0"


def _whole_method(kid: str) -> str:
    """The URL of the one verification method of a DID, which wallets may leave at the DID."""
    if "#" in kid:
        return kid
    if kid.startswith("did:key:"):
        return f"{kid}#{kid.removeprefix('did:key:')}"
    return f"{kid}#0"


def _check_signature(token: str, key: VerificationKey) -> None:
    try:
        if key.kind == "Ed25519":
            data, _, signature = token.rpartition(".")
            check_signature(key.public_key, _decoded(signature), data.encode())
            return
        point = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), key.public_key)
        jws.deserialize_compact(token, ECKey.import_key(point), registry=_REGISTRY)
    except (JoseError, ValueError, SignatureInvalid) as error:
        raise KeyProofRefused("the signature does not fit the proof and the key") from error


def _check_time(claims: JsonObject, now: datetime) -> None:
    moment = now.timestamp()
    issued = _seconds(claims, "iat")
    if issued is None:
        raise KeyProofRefused("iat: missing")
    if issued > moment + SKEW.total_seconds():
        raise KeyProofRefused("iat: lies in the future")
    if issued < moment - AGE_MAX.total_seconds():
        raise KeyProofRefused(f"iat: older than {AGE_MAX.total_seconds():.0f} seconds")
    end, begin = _seconds(claims, "exp"), _seconds(claims, "nbf")
    if end is not None and moment >= end:
        raise KeyProofRefused("exp: is over")
    if begin is not None and begin > moment + SKEW.total_seconds():
        raise KeyProofRefused("nbf: lies in the future")


def _seconds(claims: JsonObject, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise KeyProofRefused(f"{name}: not a number of seconds")
    return float(value)
