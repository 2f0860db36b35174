"""Nonces that need no memory until they are used. Pure.

Anybody may ask for a nonce, so none is stored: it carries its own end, and a code of
authentication by which this service knows it again. That it is used once is for the database, which
keeps those that were used until they are over.

    8 bytes  the end, seconds since 1970
    16 bytes random
    16 bytes HMAC-SHA-256 of both, cut
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

_END_BYTES: Final = 8
_RANDOM_BYTES: Final = 16
_CODE_BYTES: Final = 16
_BYTES: Final = _END_BYTES + _RANDOM_BYTES + _CODE_BYTES
_CHARACTERS: Final = 54

SECRET_BYTES: Final = 32


class Nonce(NamedTuple):
    """A nonce of ours that is not over."""

    sha256: bytes
    expires_at: datetime


def make_nonce(
    secret: bytes, now: datetime, valid: timedelta, random_bytes: Callable[[int], bytes]
) -> str:
    """A nonce that is good until `valid` is over."""
    end = int((now + valid).timestamp()).to_bytes(_END_BYTES, "big")
    body = end + random_bytes(_RANDOM_BYTES)
    return base64.urlsafe_b64encode(body + _code(secret, body)).rstrip(b"=").decode()


def read_nonce(secret: bytes, text: str, now: datetime) -> Nonce | None:
    """The nonce; None when it is not one of ours, or over."""
    if len(text) != _CHARACTERS or not text.isascii():
        return None
    try:
        content = base64.b64decode(text + "==", altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    # The last character holds bits that count for nothing: without this, a used nonce has others
    # that read the same.
    if len(content) != _BYTES or base64.urlsafe_b64encode(content).rstrip(b"=") != text.encode():
        return None
    body, code = content[:-_CODE_BYTES], content[-_CODE_BYTES:]
    if not hmac.compare_digest(code, _code(secret, body)):
        return None
    end = datetime.fromtimestamp(int.from_bytes(body[:_END_BYTES], "big"), UTC)
    return None if now >= end else Nonce(hashlib.sha256(content).digest(), end)


def _code(secret: bytes, body: bytes) -> bytes:
    return hmac.digest(secret, body, "sha256")[:_CODE_BYTES]
