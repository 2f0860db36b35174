"""The chunks of a PNG file (PNG, third edition, sections 5.2 and 5.3), as far as texts in it need.

Pixels are never decoded.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
CHUNKS_MAX: Final = 20_000
"""A picture of 8 MiB that was written in pieces of 8 KiB has about a thousand."""


class PngBroken(ValueError):
    """It is not a whole PNG."""


class Chunk(NamedTuple):
    name: bytes
    data: bytes


def read_chunks(content: bytes) -> Iterator[Chunk]:
    """Each chunk, once its checksum is found good, up to IEND. Raises PngBroken."""
    if not content.startswith(SIGNATURE):
        raise PngBroken("it does not begin like a PNG")
    at = len(SIGNATURE)
    for _ in range(CHUNKS_MAX):
        if at + 12 > len(content):
            raise PngBroken("it ends in the middle of a chunk")
        (length,) = struct.unpack_from(">I", content, at)
        end = at + 12 + length
        if end > len(content):
            raise PngBroken("it ends in the middle of a chunk")
        (checksum,) = struct.unpack_from(">I", content, end - 4)
        if zlib.crc32(content[at + 4 : end - 4]) != checksum:
            raise PngBroken("a chunk is damaged")
        chunk = Chunk(content[at + 4 : at + 8], content[at + 8 : end - 4])
        yield chunk
        if chunk.name == b"IEND":
            return
        at = end
    raise PngBroken(f"it has more than {CHUNKS_MAX} chunks")


def write_chunks(chunks: Iterator[Chunk]) -> bytes:
    """A PNG of these chunks."""
    parts = [SIGNATURE]
    for name, data in chunks:
        parts += [
            struct.pack(">I", len(data)),
            name,
            data,
            struct.pack(">I", zlib.crc32(name + data)),
        ]
    return b"".join(parts)
