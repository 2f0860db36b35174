"""Bitstring Status List v1.0 (W3C Recommendation 2025-05-15): one bit per credential, one list per
purpose.

A list is fetched whole, by everyone alike, so whoever serves it cannot tell which credential is
being checked; indexes are random, so neighbours in the list say nothing about each other.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from assay_credentials.contexts import STATUS_LIST_CONTEXT
from assay_credentials.intake import JsonObject
from assay_credentials.moments import write_moment
from assay_credentials.multibase import decode_base64url, encode_base64url

Purpose = Literal["revocation", "suspension"]

ENTRIES: Final = 131_072
"""Entries of each list of ours, and the least that the specification allows (16 kB of bits), for
herd privacy.
"""

MAX_BITSTRING_BYTES: Final = 1024 * 1024
"""Unzipped size cap: 8 million entries. A kilobyte of gzip can hold a megabyte of zeros."""

_GZIP_HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 0xFF])
"""No name, no time, unknown system: the same bits give the same text (RFC 1952 section 2.3)."""


@dataclass(frozen=True)
class StatusEntry:
    """A place reserved for one credential in one list."""

    purpose: Purpose
    list_url: str
    index: int


def status_bits(indexes: Iterable[int], entries: int = ENTRIES) -> bytes:
    """The bitstring of `entries` bits in which exactly `indexes` are set; index 0 is the leftmost
    bit.

    Raises ValueError for an index outside the list, or entries that are no multiple of 8.
    """
    if entries % 8:
        raise ValueError("entries must be a multiple of 8")
    bits = bytearray(entries // 8)
    for index in indexes:
        if not 0 <= index < entries:
            raise ValueError(f"index {index} is outside a list of {entries} entries")
        bits[index >> 3] |= 0x80 >> (index & 7)
    return bytes(bits)


def status_at(bits: bytes, index: int) -> bool:
    """Whether the bit at `index` is set. Raises ValueError for an index outside the list."""
    if not 0 <= index < len(bits) * 8:
        raise ValueError(f"index {index} is outside a list of {len(bits) * 8} entries")
    return bool(bits[index >> 3] & 0x80 >> (index & 7))


def encode_bits(bits: bytes) -> str:
    """`encodedList`: multibase base64url of the gzipped bits. The same bits give the same text."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = compressor.compress(bits) + compressor.flush()
    trailer = zlib.crc32(bits).to_bytes(4, "little") + len(bits).to_bytes(4, "little")
    return encode_base64url(_GZIP_HEADER + body + trailer)


def decode_bits(encoded: str) -> bytes:
    """The bits of an `encodedList`. Raises ValueError when it is not one, or unzips to more than
    the cap.
    """
    decompressor = zlib.decompressobj(wbits=31)
    try:
        bits = decompressor.decompress(decode_base64url(encoded), MAX_BITSTRING_BYTES + 1)
    except zlib.error as error:
        raise ValueError(f"encodedList is not gzip: {error}") from error
    if len(bits) > MAX_BITSTRING_BYTES:
        raise ValueError(f"encodedList unzips to more than {MAX_BITSTRING_BYTES} bytes")
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("encodedList is cut off, or has something after its end")
    if len(bits) * 8 < ENTRIES:
        raise ValueError(f"the list has fewer than {ENTRIES} entries")
    return bits


def candidate_indexes(
    random_bytes: Callable[[int], bytes], entries: int = ENTRIES
) -> Iterator[int]:
    """Indexes drawn evenly and without end; the caller takes the first that is free in its
    transaction.

    `random_bytes` gives that many bytes of a cryptographic source (`secrets.token_bytes`).
    """
    width = (entries.bit_length() + 7) // 8
    limit = (1 << 8 * width) // entries * entries
    while True:
        number = int.from_bytes(random_bytes(width), "big")
        # Numbers above the last whole multiple are drawn again, or low indexes would come more
        # often.
        if number < limit:
            yield number % entries


def build_status_list(
    *,
    url: str,
    issuer: str,
    purpose: Purpose,
    bits: bytes,
    valid_from: datetime,
    valid_until: datetime,
) -> JsonObject:
    """The unsigned BitstringStatusListCredential that is served at `url`; sign it with
    `proof.add_proof`.

    `valid_until` bounds how long an old list can be shown in place of a newer one.
    """
    if valid_until <= valid_from:
        raise ValueError("valid_until must be later than valid_from")
    if len(bits) * 8 < ENTRIES:
        raise ValueError(f"a list has at least {ENTRIES} entries")
    return {
        "@context": list(STATUS_LIST_CONTEXT),
        "id": url,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": write_moment(valid_from),
        "validUntil": write_moment(valid_until),
        "credentialSubject": {
            "id": f"{url}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": encode_bits(bits),
        },
    }
