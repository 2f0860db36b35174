"""Multibase (base58btc and base64url) and the multicodec prefixes of Ed25519 and P-256 keys.

Sources: W3C Controlled Identifiers 1.0, sections 2.2.2 (Multikey) and 2.4 (Multibase).
"""

import base64
import binascii
from typing import Literal

KeyKind = Literal["Ed25519", "P-256"]

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}
_MAX_BASE58_CHARACTERS = 200
"""Base 58 is quadratic; keys and signatures take fewer than 100 characters."""

ED25519_PUBLIC_KEY_PREFIX = b"\xed\x01"
P256_PUBLIC_KEY_PREFIX = b"\x80\x24"


def encode_base58(data: bytes) -> str:
    """Bytes as multibase base58btc: `z` and the digits."""
    zeros = len(data) - len(data.lstrip(b"\0"))
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    return "z" + "1" * zeros + digits


def decode_base58(text: str) -> bytes:
    """The bytes of a multibase base58btc text. Raises ValueError for any other text."""
    if not text.startswith("z") or not 1 < len(text) <= _MAX_BASE58_CHARACTERS:
        raise ValueError("not a multibase base58btc value")
    digits = text[1:]
    number = 0
    for character in digits:
        digit = _DIGITS.get(character)
        if digit is None:
            raise ValueError("not a base58btc digit")
        number = number * 58 + digit
    zeros = len(digits) - len(digits.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def encode_base64url(data: bytes) -> str:
    """Bytes as multibase base64url without padding: `u` and the text."""
    return "u" + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64url(text: str) -> bytes:
    """The bytes of a multibase base64url text. Raises ValueError for any other text."""
    if not text.startswith("u") or "=" in text or "+" in text or "/" in text:
        raise ValueError("not a multibase base64url value")
    body = text[1:]
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not a multibase base64url value") from error


def encode_ed25519_public_key(key: bytes) -> str:
    """A raw 32-byte Ed25519 public key as `publicKeyMultibase` (`z6Mk...`)."""
    if len(key) != 32:
        raise ValueError("an Ed25519 public key has 32 bytes")
    return encode_base58(ED25519_PUBLIC_KEY_PREFIX + key)


def decode_ed25519_public_key(text: str) -> bytes:
    """The raw 32-byte key of a `publicKeyMultibase`. Raises ValueError for any other key type."""
    data = decode_base58(text)
    if len(data) != 34 or not data.startswith(ED25519_PUBLIC_KEY_PREFIX):
        raise ValueError("not an Ed25519 public key")
    return data[2:]


def decode_public_key(text: str) -> tuple[KeyKind, bytes]:
    """Kind and bytes of a `publicKeyMultibase`: Ed25519 (32 raw bytes) or P-256 (the compressed
    point, 33 bytes). Raises ValueError for any other kind.
    """
    data = decode_base58(text)
    if len(data) == 34 and data.startswith(ED25519_PUBLIC_KEY_PREFIX):
        return "Ed25519", data[2:]
    if len(data) == 35 and data.startswith(P256_PUBLIC_KEY_PREFIX):
        return "P-256", data[2:]
    raise ValueError("neither an Ed25519 nor a P-256 public key")
