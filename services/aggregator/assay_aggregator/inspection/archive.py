"""A zip archive that is written as a stream and says the same for ever: same files, same bytes.

Pure. Names, order, times and attributes are the writer's, never those of a machine. The comment of
the archive holds the SHA-256 of every byte before it, so that no byte of it can change unseen.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Final

COMPRESSION_LEVEL: Final = 6
CHUNK_BYTES: Final = 256 * 1024
SEAL_PREFIX: Final = b"assay-seal:sha256:"
SEAL_HEX_CHARACTERS: Final = 64

# Times of a zip archive are local, in steps of two seconds, of the years 1980 to 2107.
_FIRST_YEAR: Final = 1980
_LAST_YEAR: Final = 2107
_UNIX: Final = 3
_FILE_MODE: Final = 0o100644


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive: its SHA-256 (hex) is of its content, not of what it is packed to."""

    name: str
    size_bytes: int
    sha256: str

    def document(self) -> dict[str, object]:
        return {"name": self.name, "bytes": self.size_bytes, "sha256": self.sha256}


class _Sink:
    """Where zipfile writes to: it cannot go back, and keeps only what nobody has taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._hash = hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        self._hash.update(data)
        return data

    def take_sealed(self) -> bytes:
        """The last bytes, with the seal in the place that was kept for it."""
        body = b"".join(self._parts)[:-SEAL_HEX_CHARACTERS]
        self._parts.clear()
        self._hash.update(body)
        return body + self._hash.hexdigest().encode()


class Archive:
    """Each call gives the next bytes of the archive; `close` gives its end."""

    def __init__(self, moment: datetime) -> None:
        """`moment` is the time that every file of the archive bears."""
        self._sink = _Sink()
        # It asks for nothing but `write` and `flush` of a file that cannot be sought in.
        self._zip = zipfile.ZipFile(
            self._sink,
            "w",
            zipfile.ZIP_DEFLATED,
            compresslevel=COMPRESSION_LEVEL,
        )
        self._time = _zip_time(moment)
        self.entries: list[Entry] = []

    def add(self, name: str, data: bytes) -> bytes:
        """Add a file whose content is at hand; what was written of the archive by it."""
        return b"".join(self._add(name, len(data), [data]))

    def add_file(self, name: str, file: IO[bytes]) -> Iterator[bytes]:
        """Add a file that is read from its beginning, chunk by chunk; likewise."""
        size = file.seek(0, 2)
        file.seek(0)
        yield from self._add(name, size, iter(lambda: file.read(CHUNK_BYTES), b""))

    def close(self) -> bytes:
        """The end of the archive; nothing is added after."""
        self._zip.comment = SEAL_PREFIX + b"0" * SEAL_HEX_CHARACTERS
        self._zip.close()
        return self._sink.take_sealed()

    def _add(self, name: str, size: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
        info = zipfile.ZipInfo(name, self._time)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = _UNIX
        info.external_attr = _FILE_MODE << 16
        info.file_size = size
        digest = hashlib.sha256()
        with self._zip.open(info, "w") as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
                yield self._sink.take()
        self.entries.append(Entry(name, size, digest.hexdigest()))
        yield self._sink.take()


def seal_of(file: IO[bytes]) -> tuple[str | None, str]:
    """(the seal that the archive bears, the SHA-256 of what stands before it).

    None when it bears no seal: then it was not written by `Archive`, or was packed anew.
    """
    end = file.seek(0, 2)
    length = len(SEAL_PREFIX) + SEAL_HEX_CHARACTERS
    if end < length:
        return None, ""
    file.seek(end - length)
    tail = file.read(length)
    if not tail.startswith(SEAL_PREFIX):
        return None, ""
    file.seek(0)
    digest, left = hashlib.sha256(), end - SEAL_HEX_CHARACTERS
    while left:
        chunk = file.read(min(CHUNK_BYTES, left))
        digest.update(chunk)
        left -= len(chunk)
    return tail[len(SEAL_PREFIX) :].decode("ascii", "replace"), digest.hexdigest()


def _zip_time(moment: datetime) -> tuple[int, int, int, int, int, int]:
    at = moment.astimezone(UTC)
    if at.year < _FIRST_YEAR:
        return (_FIRST_YEAR, 1, 1, 0, 0, 0)
    if at.year > _LAST_YEAR:
        return (_LAST_YEAR, 12, 31, 23, 59, 58)
    return (at.year, at.month, at.day, at.hour, at.minute, at.second // 2 * 2)
