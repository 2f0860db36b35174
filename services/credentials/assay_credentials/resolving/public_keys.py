"""Public keys as JSON Web Keys (RFC 7517, RFC 8037): Ed25519 and P-256."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final

from assay_credentials.multibase import KeyKind

KEY_BYTES: Final = 32
"""Of an Ed25519 key, and of each coordinate of P-256."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]{43}")
_PRIVATE: Final = ("d", "p", "q", "k")


class KindNotSupported(ValueError):
    """A key of a kind that this service does not verify with."""


def key_of_jwk(jwk: Mapping[str, object]) -> tuple[KeyKind, bytes]:
    """Kind and bytes (as `VerificationKey` has them) of a public JWK.

    Raises KindNotSupported, and ValueError for what is no public key.
    """
    if any(name in jwk for name in _PRIVATE):
        raise ValueError("the key holds a private part")
    match (jwk.get("kty"), jwk.get("crv")):
        case ("OKP", "Ed25519"):
            return "Ed25519", _part(jwk, "x")
        case ("EC", "P-256"):
            x, y = _part(jwk, "x"), _part(jwk, "y")
            # The compressed point of SEC 1, section 2.3.3.
            return "P-256", bytes([2 + (y[-1] & 1)]) + x
        case (kty, crv):
            raise KindNotSupported(f"a key of the kind {str(kty)[:20]} {str(crv)[:20]}")


def _part(jwk: Mapping[str, object], name: str) -> bytes:
    text = jwk.get(name)
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text):
        raise ValueError(f"{name}: not {KEY_BYTES} bytes in base64url")
    try:
        return base64.urlsafe_b64decode(text + "=")
    except binascii.Error as error:
        raise ValueError(f"{name}: not {KEY_BYTES} bytes in base64url") from error
