"""Credentials and presentations secured by an enveloping JWT (W3C VC-JOSE-COSE 1.0, section 3.1):
the payload is the document itself. One of VC Data Model 1.1, which holds it as `vc` or `vp`, is
verified, too.

The algorithm is that of the key that the DID names; what the token says of it must agree, and
decides nothing.
"""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from assay_credentials.did import ResolveKey, VerificationKey
from assay_credentials.errors import DocumentRefused, DocumentUnsupported, SignatureInvalid
from assay_credentials.intake import (
    MAX_DOCUMENT_BYTES,
    JsonObject,
    checked_document,
    parse_document,
)
from assay_credentials.keys import Signer, check_signature
from assay_credentials.proof import Purpose, usable_key
from assay_credentials.verification.form import many, texts

TokenType = Literal["vc+jwt", "vp+jwt"]

_TYPES: Final[Mapping[Purpose, frozenset[object]]] = {
    # `JWT` and none are what Open Badges 3.0 and VC Data Model 1.1 write.
    "assertionMethod": frozenset({"vc+jwt", "vc+ld+jwt", "vc-ld+jwt", "JWT", None}),
    "authentication": frozenset({"vp+jwt", "vp+ld+jwt", "vp-ld+jwt", "JWT", None}),
}
_ALGORITHMS: Final = {"Ed25519": ("EdDSA", "Ed25519"), "P-256": ("ES256",)}
_HEADERS: Final = frozenset({"alg", "typ", "cty", "kid", "iss"})
_EARLIER: Final[Mapping[Purpose, str]] = {"assertionMethod": "vc", "authentication": "vp"}
_CLAIMS: Final = frozenset({"iss", "sub", "jti", "iat", "nbf", "exp", "aud", "nonce"})
"""Registered claims that may stand beside the document's own fields."""


_REGISTRY: Final = jws.JWSRegistry(algorithms=["ES256"])
# Its own limits are those of tokens that log somebody in. The length is checked before.
_REGISTRY.max_header_length = 4096
_REGISTRY.max_payload_length = 2 * MAX_DOCUMENT_BYTES


@dataclass(frozen=True)
class Claims:
    """The registered claims of a token."""

    issuer: str | None
    subject: str | None
    id: str | None
    issued_at: datetime | None
    not_before: datetime | None
    expires: datetime | None
    audience: tuple[str, ...]
    nonce: str | None


@dataclass(frozen=True)
class Opened:
    """A token whose signature is good: the document in it, and who signed."""

    document: JsonObject
    claims: Claims
    method: str
    controller: str


def is_token(content: bytes | str) -> bool:
    """Whether this can be a compact JWS: three parts of base64url, which JSON never is."""
    if isinstance(content, str):
        return content.startswith("e") and content.count(".") == 2
    return content.startswith(b"e") and content.count(b".") == 2


def sign_jwt(document: JsonObject, signer: Signer, *, kid: str, typ: TokenType = "vc+jwt") -> str:
    """`document` as a compact JWS, signed with EdDSA. `kid` is the URL of the verification method.

    The same arguments give the same text. Raises DocumentRefused and DocumentUnsupported (intake).
    """
    signed = _signing_input(checked_document(document), kid, typ)
    return f"{signed}.{_base64url(signer.sign(signed.encode()))}"


def is_token_of(
    token: str, document: JsonObject, *, kid: str, public_key: bytes, typ: TokenType = "vc+jwt"
) -> bool:
    """Whether `token` is what `sign_jwt` makes of `document`, which has passed the intake, with
    this Ed25519 key: so whatever holds for the document holds for the token.
    """
    signed, _, _ = token.rpartition(".")
    if signed != _signing_input(document, kid, typ):
        return False
    try:
        check_signature(public_key, _signature(token), signed.encode())
    except SignatureInvalid:
        return False
    return True


def _signing_input(document: JsonObject, kid: str, typ: TokenType) -> str:
    header = {"alg": "EdDSA", "typ": typ, "cty": typ.removesuffix("+jwt"), "kid": kid}
    return f"{_encoded(header)}.{_encoded(document)}"


def open_token(token: str, resolve_key: ResolveKey, purpose: Purpose) -> Opened:
    """Verify a token and give the document in it.

    Raises DocumentRefused, DocumentUnsupported and SignatureInvalid.
    """
    if len(token) > 2 * MAX_DOCUMENT_BYTES:
        raise DocumentUnsupported("size", f"the token is longer than {2 * MAX_DOCUMENT_BYTES}")
    try:
        parsed = jws.extract_compact(token.encode(), registry=_REGISTRY)
    except (JoseError, ValueError, UnicodeError) as error:
        raise DocumentRefused("json", "not a JWT") from error
    header = parsed.protected
    _header_rules(header, purpose)
    payload = parse_document(parsed.payload)
    claims = _claims(payload)
    method = _method(header, claims)
    try:
        found = resolve_key(method)
    except ValueError as error:
        raise DocumentRefused("verification-method", f"kid: {error}") from error
    key = usable_key(found, method, purpose)
    if header.get("alg") not in _ALGORITHMS[key.kind]:
        raise DocumentRefused("cryptosuite", f"alg: not one of a {key.kind} key")
    _check(token, parsed, key)
    document = _document(payload, purpose)
    if "proof" in document:
        raise DocumentUnsupported("proof", "a JWT of a document that has a proof, too")
    return Opened(document, claims, method, key.controller)


def _document(payload: JsonObject, purpose: Purpose) -> JsonObject:
    fields = {name: value for name, value in payload.items() if name not in _CLAIMS}
    held = fields.get(_EARLIER[purpose])
    # Its fields that are claims of the token, too, must be in it, or `form` misses them: better
    # than to put a document together out of two places.
    return held if isinstance(held, dict) and len(fields) == 1 else fields


def _encoded(value: Mapping[str, object]) -> str:
    return _base64url(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _header_rules(header: Mapping[str, object], purpose: Purpose) -> None:
    if "crit" in header:
        raise DocumentUnsupported("cryptosuite", "crit: no extension is supported")
    for name in header:
        if name not in _HEADERS:
            raise DocumentUnsupported("cryptosuite", f"the header {name} is not supported")
    if header.get("typ") not in _TYPES[purpose]:
        raise DocumentRefused("proof", f"typ: {header.get('typ')!r} is of something else")
    if header.get("alg") == "none":
        raise DocumentRefused("proof", "alg: the token is not signed")


def _method(header: Mapping[str, object], claims: Claims) -> str:
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        raise DocumentUnsupported("verification-method", "kid: missing, so the key is not known")
    if kid.startswith("#"):
        issuer = header.get("iss", claims.issuer)
        if not isinstance(issuer, str):
            raise DocumentUnsupported("verification-method", "kid: relative, and no `iss`")
        return issuer + kid
    return kid


def _check(token: str, parsed: jws.CompactSignature, key: VerificationKey) -> None:
    if key.kind == "Ed25519":
        check_signature(key.public_key, _signature(token), token.rpartition(".")[0].encode())
        return
    try:
        point = EllipticCurvePublicKey.from_encoded_point(SECP256R1(), key.public_key)
        numbers = point.public_numbers()
        x, y = (_base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
        jwk = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})
        is_good = jws.validate_compact(parsed, jwk, list(_ALGORITHMS[key.kind]), _REGISTRY)
    except (JoseError, ValueError) as error:
        raise SignatureInvalid("the signature does not fit the token and the key") from error
    if not is_good:
        raise SignatureInvalid("the signature does not fit the token and the key")


def _signature(token: str) -> bytes:
    text = token.rpartition(".")[2]
    try:
        return b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise SignatureInvalid("the signature is not base64url") from error


def _claims(payload: JsonObject) -> Claims:
    audience = tuple(texts(payload.get("aud", [])))
    if len(audience) != len(many(payload.get("aud", []))):
        raise DocumentRefused("form", "aud: not a text")
    issuer, subject, identifier, nonce = (
        _text(payload, name) for name in ("iss", "sub", "jti", "nonce")
    )
    issued_at, not_before, expires = (_time(payload, name) for name in ("iat", "nbf", "exp"))
    return Claims(issuer, subject, identifier, issued_at, not_before, expires, audience, nonce)


def _text(payload: JsonObject, name: str) -> str | None:
    value = payload.get(name)
    if value is not None and not isinstance(value, str):
        raise DocumentRefused("form", f"{name}: not a text")
    return value


def _time(payload: JsonObject, name: str) -> datetime | None:
    value = payload.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DocumentRefused("date", f"{name}: not a number of seconds")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise DocumentRefused("date", f"{name}: not a moment") from error
