"""did:web (W3C CCG did:web Method Specification): where the document is, and what it says.

Pure: the document is fetched elsewhere, by guarded requests only. What is read of it is what
Controlled Identifiers 1.0 (sections 2.2 and 2.3) says of verification methods.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from assay_credentials.did import VerificationKey
from assay_credentials.errors import DocumentRefused
from assay_credentials.intake import JsonObject
from assay_credentials.moments import parse_moment
from assay_credentials.multibase import KeyKind, decode_base58, decode_public_key
from assay_credentials.resolving.public_keys import KEY_BYTES, KindNotSupported, key_of_jwk

METHOD: Final = "did:web:"
DID_CHARACTERS_MAX: Final = 500
KEYS_MAX: Final = 50
"""Verification methods that are read of one document; issuers that keep old keys have a few."""

RELATIONSHIPS: Final = (
    "assertionMethod",
    "authentication",
    "capabilityInvocation",
    "capabilityDelegation",
)

# A name with a letter in its last label, so that it is no IP address (which the method forbids).
_HOST = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*"
    r"(?=[A-Za-z0-9-]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_SEGMENT = re.compile(r"[A-Za-z0-9_~-](?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})*")
_HEX_LABEL = re.compile(r"0[xX][0-9A-Fa-f]*")


def did_web_url(did: str) -> str:
    """Where the document of a did:web is. Raises ValueError for what is none."""
    if not did.startswith(METHOD) or len(did) > DID_CHARACTERS_MAX:
        raise ValueError("not a did:web")
    authority, *path = did.removeprefix(METHOD).split(":")
    host, separator, port = authority.replace("%3a", "%3A").partition("%3A")
    # Some resolvers of names read 0x7f000001 as an address.
    if not _HOST.fullmatch(host) or _HEX_LABEL.fullmatch(host.rpartition(".")[2]):
        raise ValueError("the did:web names no host")
    if separator:
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
            raise ValueError("the did:web names a port that is none")
        host = f"{host}:{int(port)}"
    if not all(_SEGMENT.fullmatch(segment) for segment in path):
        raise ValueError("the path of the did:web is none")
    return f"https://{host}/{'/'.join(path) if path else '.well-known'}/did.json"


def keys_of_document(
    did: str, document: JsonObject, now: datetime
) -> dict[str, VerificationKey | None]:
    """From the URL of each verification method of `document` to its key at `now`.

    None stands for a key of a kind that is not supported. A method that another controller has, or
    that was revoked or has expired, is left out. Raises ValueError when it is not the document of
    `did`.
    """
    if document.get("id") != did:
        raise ValueError("the document at the place of the did:web is another one's")
    purposes: dict[str, set[str]] = {}
    methods: dict[str, JsonObject] = {}
    for method in _objects(document.get("verificationMethod")):
        name = _absolute(did, method.get("id"))
        if name is not None:
            methods.setdefault(name, method)
    for relationship in RELATIONSHIPS:
        values = document.get(relationship)
        for value in (values if isinstance(values, list) else [values])[:KEYS_MAX]:
            # A relationship names a method, or holds one that is for it alone.
            name = _absolute(did, value.get("id") if isinstance(value, dict) else value)
            if name is None:
                continue
            purposes.setdefault(name, set()).add(relationship)
            if isinstance(value, dict):
                methods.setdefault(name, value)
    return {
        name: _key(did, method, frozenset(purposes.get(name, ())))
        for name, method in list(methods.items())[:KEYS_MAX]
        if method.get("controller") == did and _is_in_force(method, now)
    }


def _objects(values: object) -> Iterator[JsonObject]:
    for value in (values if isinstance(values, list) else [values])[:KEYS_MAX]:
        if isinstance(value, dict):
            yield value


def _absolute(did: str, name: object) -> str | None:
    """The URL of a method of `did`; None for one of another DID."""
    if not isinstance(name, str):
        return None
    if name.startswith("#"):
        return did + name
    return name if name.startswith(f"{did}#") else None


def _is_in_force(method: Mapping[str, object], now: datetime) -> bool:
    for field in ("revoked", "expires"):
        text = method.get(field)
        if text is None:
            continue
        try:
            if not isinstance(text, str) or parse_moment(text, field) <= now:
                return False
        except DocumentRefused:
            # What cannot be read may be over.
            return False
    return True


def _key(did: str, method: JsonObject, purposes: frozenset[str]) -> VerificationKey | None:
    try:
        kind, public_key = _public_key(method)
    except ValueError:
        return None
    return VerificationKey(did, public_key, kind, purposes)


def _public_key(method: JsonObject) -> tuple[KeyKind, bytes]:
    """The key of a Multikey, JsonWebKey or one of the types before them. Raises ValueError."""
    jwk = method.get("publicKeyJwk")
    if isinstance(jwk, dict):
        return key_of_jwk(jwk)
    multibase = method.get("publicKeyMultibase")
    if isinstance(multibase, str):
        return decode_public_key(multibase)
    base58 = method.get("publicKeyBase58")
    if isinstance(base58, str) and method.get("type") == "Ed25519VerificationKey2018":
        raw = decode_base58("z" + base58)
        if len(raw) == KEY_BYTES:
            return "Ed25519", raw
    raise KindNotSupported("a method without a key that can be read")
