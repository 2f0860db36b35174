"""did:key for Ed25519 and P-256 (W3C CCG "The did:key Method v0.9"): the identifier is the key
itself.

No network, no document to fetch. did:web comes behind the same `ResolveKey`.
"""

from collections.abc import Callable
from typing import NamedTuple

from assay_credentials.multibase import (
    KeyKind,
    decode_public_key,
    encode_ed25519_public_key,
)

_METHOD = "did:key:"


class VerificationKey(NamedTuple):
    """A key, the DID that says so, and what that DID lets it sign."""

    controller: str
    public_key: bytes
    """Ed25519: the 32 raw bytes. P-256: the compressed point, 33 bytes."""
    kind: KeyKind = "Ed25519"
    purposes: frozenset[str] | None = None
    """The verification relationships that the DID document lists the method under
    (`assertionMethod`, `authentication`, ...). None: every one, as a did:key has it.
    """


ResolveKey = Callable[[str], VerificationKey | None]
"""From the URL of a verification method to its key. None: the method could not be looked up.

Raises ValueError when the method exists for certain not, or is of a kind that is not supported.
"""


def did_key(public_key: bytes) -> str:
    """The DID of a raw Ed25519 public key."""
    return _METHOD + encode_ed25519_public_key(public_key)


def did_key_method(public_key: bytes) -> str:
    """The URL of the one verification method of `did_key(public_key)`."""
    multikey = encode_ed25519_public_key(public_key)
    return f"{_METHOD}{multikey}#{multikey}"


def resolve_did_key(method: str) -> VerificationKey | None:
    """The key of a did:key verification method; None for any other DID method.

    Raises ValueError when the fragment is not the key of the DID, or the key is neither Ed25519
    nor P-256.
    """
    if not method.startswith(_METHOD):
        return None
    did, _, fragment = method.partition("#")
    multikey = did.removeprefix(_METHOD)
    if fragment != multikey:
        raise ValueError("the fragment of a did:key method must repeat the key")
    kind, public_key = decode_public_key(multikey)
    return VerificationKey(controller=did, public_key=public_key, kind=kind)
