"""What an issuer tells the world about its keys: its DID document. Pure.

Sources: W3C DID Core 1.0, sections 5.2 and 5.3; W3C Controlled Identifiers 1.0, sections 2.2.2
(Multikey) and 2.2.3 (JsonWebKey); RFC 8037 (Ed25519 as a JWK).
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

import orjson

from assay_credentials.intake import JsonObject
from assay_credentials.keyring.names import public_key_of

CONTEXTS: Final = (
    "https://www.w3.org/ns/did/v1",
    "https://w3id.org/security/multikey/v1",
    "https://w3id.org/security/jwk/v1",
)


def did_document(did: str, methods: Sequence[str]) -> JsonObject:
    """The document of a DID whose keys are `methods`.

    Each key stands in it twice: as Multikey, which signs with Data Integrity and is the `kid` of
    our VC-JWTs, and as JsonWebKey, for who takes only those.
    """
    forms = [form for method in methods for form in (multikey(method), json_web_key(method))]
    names = [form["id"] for form in forms]
    return {
        "@context": list(CONTEXTS),
        "id": did,
        "verificationMethod": forms,
        "assertionMethod": names,
        # Metadata and answers of our wallet doors are signed by it, too.
        "authentication": list(names),
    }


def multikey(method: str) -> JsonObject:
    """A key as its DID document says it."""
    did, _, fragment = method.partition("#")
    return {
        "id": method,
        "type": "Multikey",
        "controller": did,
        "publicKeyMultibase": fragment,
    }


def json_web_key(method: str) -> JsonObject:
    """The same key in the other form; it is called by its thumbprint."""
    did = method.partition("#")[0]
    jwk = public_jwk(public_key_of(method))
    return {
        "id": f"{did}#{jwk['kid']}",
        "type": "JsonWebKey",
        "controller": did,
        "publicKeyJwk": jwk,
    }


def public_jwk(public_key: bytes) -> JsonObject:
    """A raw Ed25519 key as JWK; `kid` is its thumbprint (RFC 7638)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public_key)}
    # The thumbprint is over the required members in lexical order, without spaces.
    thumbprint = hashlib.sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest()
    return {**members, "kid": _base64url(thumbprint), "alg": "EdDSA", "use": "sig"}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
