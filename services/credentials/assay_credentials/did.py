"""did:key for Ed25519 (W3C CCG "The did:key Method v0.9"): the identifier is the public key itself.

No network, no document to fetch. did:web comes behind the same `ResolveKey`.
"""

from collections.abc import Callable
from typing import NamedTuple

from assay_credentials.multibase import decode_ed25519_public_key, encode_ed25519_public_key

_METHOD = "did:key:"


class VerificationKey(NamedTuple):
    """A key that may verify assertions, and the DID that says so."""

    controller: str
    public_key: bytes
    """Raw Ed25519, 32 bytes."""


ResolveKey = Callable[[str], VerificationKey | None]
"""From the URL of a verification method to its key, for assertions. None: the method could not be
looked up.

Raises ValueError when the method exists for certain not, or is no Ed25519 key.
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

    Raises ValueError when the fragment is not the key of the DID, or the key is not Ed25519.
    """
    if not method.startswith(_METHOD):
        return None
    did, _, fragment = method.partition("#")
    multikey = did.removeprefix(_METHOD)
    if fragment != multikey:
        raise ValueError("the fragment of a did:key method must repeat the key")
    public_key = decode_ed25519_public_key(multikey)
    return VerificationKey(controller=did, public_key=public_key)
