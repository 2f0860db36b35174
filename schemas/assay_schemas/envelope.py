"""The envelope: what stands beside the statements in a record of `assay.statements.v1`.

A record's value is a JSON array of the accepted statements, each with id, authority and version.
What the product itself found out travels in headers, so that no projection has to ask or to parse
again: who sent it, what that source may do, the ids, and the hashes that tell two copies apart.

headers   `assay`   JSON of `Envelope`
          `ids`     16 bytes for each statement, in order
          `hashes`  32 bytes for each statement, in order (SHA-256 of the comparison form)
          `stored`  8 bytes, big-endian milliseconds; only on a replay: the original `stored`
          `places`  24 bytes for each statement; only on a replay: where it stood in the log
A tick carries only `assay`, with kind "tick", and no value: it says how late it is in the log.
"""

import struct
from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

import msgspec

HEADER_ENVELOPE = "assay"
HEADER_IDS = "ids"
HEADER_HASHES = "hashes"
HEADER_STORED = "stored"
HEADER_PLACES = "places"

Headers = Sequence[tuple[str, bytes]]

# Append time in milliseconds, partition, offset, index: the smallest of an id is its first copy.
OriginalPlace = tuple[int, int, int, int]
_PLACE: Final = struct.Struct(">qiqi")


class EnvelopeError(ValueError):
    """A record's headers are not those of an envelope. The text says what is wrong."""


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts of the authenticated source at the moment of acceptance (law 7)."""

    version: int = 1
    kind: Literal["statements", "tick"] = "statements"
    tenant: str = ""
    source: str = ""
    modality: str | None = None
    client: str = ""
    xapi_version: str = ""
    vouches_for_assessors: bool = False
    learner_controlled: bool = False
    may_void: bool = False
    # Whether its statements say what activities and actors are called (scope `define`).
    may_define: bool = True
    # For each statement: the agent key whose registered signing key verified it, or None.
    signed_by: tuple[str | None, ...] = ()


class Opened(msgspec.Struct, frozen=True):
    """An envelope with its columns: ids[i] and hashes[i] belong to statement i of the value."""

    envelope: Envelope
    ids: tuple[UUID, ...]
    hashes: tuple[bytes, ...]
    original_stored_ms: int | None
    original_places: tuple[OriginalPlace, ...] | None = None


_decoder = msgspec.json.Decoder(Envelope)
_encoder = msgspec.json.Encoder()
TICK_HEADERS: Headers = [(HEADER_ENVELOPE, _encoder.encode(Envelope(kind="tick")))]


def seal(envelope: Envelope, ids: Sequence[UUID], hashes: Sequence[bytes]) -> Headers:
    """The headers of a record of statements."""
    if len(ids) != len(hashes) or not ids:
        raise EnvelopeError("an envelope needs one id and one hash for each statement")
    return [
        (HEADER_ENVELOPE, _encoder.encode(envelope)),
        (HEADER_IDS, b"".join(one.bytes for one in ids)),
        (HEADER_HASHES, b"".join(hashes)),
    ]


def seal_again(headers: Headers, stored_ms: int, places: Sequence[OriginalPlace]) -> Headers:
    """What `seal` gave, for a replay: with what the log said of the statements at first."""
    return [
        *headers,
        (HEADER_STORED, stored_ms.to_bytes(8, "big")),
        (HEADER_PLACES, b"".join(_PLACE.pack(*place) for place in places)),
    ]


def open_envelope(headers: Headers) -> Opened:
    """What `seal` wrote. Raises EnvelopeError for headers that no writer of ours made."""
    found = dict(headers)
    try:
        envelope = _decoder.decode(found[HEADER_ENVELOPE])
    except KeyError:
        raise EnvelopeError("the record has no envelope") from None
    except msgspec.MsgspecError as error:
        raise EnvelopeError(f"the envelope is not readable: {error}") from None
    if envelope.version != 1:
        raise EnvelopeError(f"envelope version {envelope.version} is not known")
    if envelope.kind == "tick":
        return Opened(envelope=envelope, ids=(), hashes=(), original_stored_ms=None)
    packed_ids = found.get(HEADER_IDS, b"")
    packed_hashes = found.get(HEADER_HASHES, b"")
    count = len(packed_ids) // 16
    if count == 0 or len(packed_ids) != 16 * count or len(packed_hashes) != 32 * count:
        raise EnvelopeError("ids and hashes of the envelope do not fit together")
    stored, packed_places = found.get(HEADER_STORED), found.get(HEADER_PLACES)
    if packed_places is not None and len(packed_places) != _PLACE.size * count:
        raise EnvelopeError("ids and places of the envelope do not fit together")
    return Opened(
        envelope=envelope,
        ids=tuple(UUID(bytes=packed_ids[i : i + 16]) for i in range(0, len(packed_ids), 16)),
        hashes=tuple(packed_hashes[i : i + 32] for i in range(0, len(packed_hashes), 32)),
        original_stored_ms=int.from_bytes(stored, "big") if stored is not None else None,
        original_places=None if packed_places is None else tuple(_PLACE.iter_unpack(packed_places)),
    )
