"""Codes that open something for whoever has them. Pure: randomness is an argument.

A code is 256 random bits, so a fast digest of it may stand in the database: nobody finds the code
by trying. A transaction code has six digits; it is kept under the code as the key, so that the
database alone does not tell it either.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from assay_credentials.multibase import encode_base64url

CODE_BYTES: Final = 32
CODE_CHARACTERS_MAX: Final = 100
"""More than a code of ours has; whoever sends more has none of ours."""

TRANSACTION_CODE_DIGITS: Final = 6

RandomBytes = Callable[[int], bytes]


def new_code(random_bytes: RandomBytes) -> str:
    """A code of 256 bits, safe in a URL."""
    # Multibase of base64url begins with a `u`, which says nothing here.
    return encode_base64url(random_bytes(CODE_BYTES)).removeprefix("u")


def digest(code: str) -> bytes:
    """What is kept of a code: SHA-256."""
    return hashlib.sha256(code.encode()).digest()


def new_transaction_code(random_bytes: RandomBytes) -> str:
    """Six digits."""
    # Of 2^64 values the remainder prefers none by more than one in 10^13.
    number = int.from_bytes(random_bytes(8), "big") % 10**TRANSACTION_CODE_DIGITS
    return f"{number:0{TRANSACTION_CODE_DIGITS}}"


def seal(code: str, transaction_code: str) -> bytes:
    """What is kept of a transaction code: HMAC-SHA-256 under the code that it belongs to."""
    return hmac.digest(code.encode(), b"transaction code:" + transaction_code.encode(), "sha256")


def fits(sealed: bytes, code: str, transaction_code: str) -> bool:
    """Whether `transaction_code` is the one that was sealed. Takes the same time either way."""
    return hmac.compare_digest(sealed, seal(code, transaction_code))
