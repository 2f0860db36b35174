"""How issuers and their keys are called. Pure.

The fragment of a verification method is the key itself (Multikey), in did:key and did:web alike, so
a method says everything about a public key.
"""

from typing import Final, Literal
from urllib.parse import quote, urlsplit

from assay_credentials.did import did_key
from assay_credentials.multibase import decode_ed25519_public_key, encode_ed25519_public_key

MAIN: Final = "main"
"""The issuer that every tenant has."""

Method = Literal["key", "web"]
"""did:key for local use, did:web where our address can be asked."""

Kind = Literal["file", "pkcs11", "awskms"]
"""Where a private key is."""


def did_web(public_url: str, tenant: str, issuer: str) -> str:
    """The DID whose document is served at `<public_url>/issuers/<tenant>/<issuer>/did.json`
    (W3C CCG "did:web Method Specification", section 2.5.2).
    """
    parts = urlsplit(public_url)
    path = [quote(part, safe="") for part in parts.path.split("/") if part]
    host = parts.netloc.lower().replace(":", "%3A")
    return ":".join(("did", "web", host, *path, "issuers", tenant, issuer))


def did_of(method: Method, public_key: bytes, public_url: str, tenant: str, issuer: str) -> str:
    """The DID that a key signs for."""
    return did_key(public_key) if method == "key" else did_web(public_url, tenant, issuer)


def method_of(did: str, public_key: bytes) -> str:
    """The URL of the verification method of a raw Ed25519 key."""
    return f"{did}#{encode_ed25519_public_key(public_key)}"


def public_key_of(method: str) -> bytes:
    """The raw Ed25519 key of one of our verification methods. Raises ValueError for another."""
    return decode_ed25519_public_key(method.partition("#")[2])


def reference_for(kind: Kind, tenant: str, issuer: str, number: int) -> str:
    """What the private key of an issuer's key `number` (from 0) is called where it is.

    It follows from the number, so that who is killed between making a key and writing it down finds
    the key that was made. The slugs hold no dot.
    """
    name = tenant if issuer == MAIN and number == 0 else f"{tenant}.{issuer}.{number}"
    if kind == "file":
        return f"{name}.pem"
    # KMS takes letters, digits and these in an alias: /_-
    return name if kind == "pkcs11" else f"alias/assay/{name.replace('.', '/')}"
