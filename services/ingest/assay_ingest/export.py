"""Statements as files: JSON lines, CSV and Parquet. Pure, but for the file that is written to.

Input are statements as `GET /statements` answers them with format=exact. JSON lines hold them as
they are. A table has the columns of COLUMNS in both formats, and the whole statement in the last
one; its first columns are for looking at, `raw` is the record.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from assay_schemas.agents import agent_key
from assay_schemas.xapi_types import parse_timestamp

# The meaning of the columns; it grows by one when a column changes or goes, not when one is added.
SCHEMA_VERSION = 1

_TEXT = pa.string()
_FLAG = pa.bool_()
_NUMBER = pa.float64()
# What a spreadsheet takes for a formula when a cell begins with it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Value = str | bool | float | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `about` is its documentation; a cell is empty (null) where it does not apply."""

    name: str
    type: pa.DataType
    about: str
    is_free_text: bool = False


COLUMNS: tuple[Column, ...] = (
    Column("id", _TEXT, "statement id, a UUID"),
    Column("stored", pa.timestamp("ms", "UTC"), "when it was stored, to the millisecond"),
    Column("timestamp", pa.timestamp("us", "UTC"), "when it happened, in UTC, to the microsecond"),
    Column("version", _TEXT, "xAPI version of the statement"),
    Column("actor", _TEXT, "identifier of the actor, such as `mbox:mailto:a@example.org`"),
    Column("actor_name", _TEXT, "name of the actor as stated", is_free_text=True),
    Column("verb", _TEXT, "IRI of the verb"),
    Column("object_type", _TEXT, "Activity, Agent, Group, StatementRef or SubStatement"),
    Column("object", _TEXT, "IRI of the activity, identifier of the agent, or id referred to"),
    Column("registration", _TEXT, "context.registration, a UUID"),
    Column("success", _FLAG, "result.success"),
    Column("completion", _FLAG, "result.completion"),
    Column("score_scaled", _NUMBER, "result.score.scaled, as the nearest double"),
    Column("score_raw", _NUMBER, "result.score.raw, as the nearest double"),
    Column("score_min", _NUMBER, "result.score.min, as the nearest double"),
    Column("score_max", _NUMBER, "result.score.max, as the nearest double"),
    Column("duration", _TEXT, "result.duration, ISO 8601"),
    Column("instructor", _TEXT, "identifier of context.instructor"),
    Column("platform", _TEXT, "context.platform", is_free_text=True),
    Column("authority", _TEXT, "identifier of the authority (empty for a group of two)"),
    Column("raw", _TEXT, "the statement as JSON, exactly as it is answered"),
)

ARROW_SCHEMA = pa.schema(
    [pa.field(one.name, one.type, nullable=True, metadata={"about": one.about}) for one in COLUMNS],
    metadata={"assay.export": str(SCHEMA_VERSION)},
)


class _Score(msgspec.Struct):
    # As text: a number of any size and precision has a nearest double.
    scaled: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    raw: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    min: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    max: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Result(msgspec.Struct):
    success: bool | None = None
    completion: bool | None = None
    duration: str | None = None
    score: _Score | None = None


class _Context(msgspec.Struct):
    registration: str | None = None
    instructor: dict[str, Any] | None = None
    platform: str | None = None


class _Object(msgspec.Struct):
    id: str | None = None
    objectType: str = "Activity"
    mbox: str | None = None
    mbox_sha1sum: str | None = None
    openid: str | None = None
    account: dict[str, str] | None = None


class _Verb(msgspec.Struct):
    id: str


class _Statement(msgspec.Struct):
    id: str
    stored: str
    timestamp: str
    actor: dict[str, Any]
    verb: _Verb
    object: _Object
    version: str | None = None
    result: _Result | None = None
    context: _Context | None = None
    authority: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(_Statement)


def row_of(raw: bytes) -> tuple[Value, ...]:
    """The cells of one statement, in the order of COLUMNS.

    `raw` is an answered statement; raises msgspec.MsgspecError or ValueError when it is none.
    """
    one = _decoder.decode(raw)
    result = one.result or _Result()
    score = result.score or _Score()
    context = one.context or _Context()
    target: str | None = one.object.id
    if target is None:
        target = agent_key(msgspec.structs.asdict(one.object))
    name = one.actor.get("name")
    return (
        one.id,
        parse_timestamp(one.stored),
        parse_timestamp(one.timestamp),
        one.version,
        agent_key(one.actor),
        name if isinstance(name, str) else None,
        one.verb.id,
        one.object.objectType,
        target,
        context.registration,
        result.success,
        result.completion,
        _number(score.scaled),
        _number(score.raw),
        _number(score.min),
        _number(score.max),
        result.duration,
        _key(context.instructor),
        context.platform,
        _key(one.authority),
        raw.decode(),
    )


def _number(text: msgspec.Raw | msgspec.UnsetType) -> float | None:
    return None if text is msgspec.UNSET else float(bytes(text))


def _key(agent: Mapping[str, Any] | None) -> str | None:
    return None if agent is None else agent_key(agent)


class Writer(Protocol):
    """Writes statements to a file. Nothing is complete before `close`."""

    def write(self, statements: Sequence[bytes]) -> None:
        """Take the statements of one page, in order."""

    def close(self) -> None:
        """Write what is still held; the file itself is left open."""


class JsonLines:
    """One statement a line, with the bytes that the store answers.

    A line break between tokens becomes a space: inside of a string JSON has none.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, statements: Sequence[bytes]) -> None:
        for one in statements:
            self._file.write(one.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n")

    def close(self) -> None:
        """Nothing is held."""


class Csv:
    """RFC 4180 with a head line, UTF-8. Names that a spreadsheet would run get an apostrophe."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._head_is_due = True

    def write(self, statements: Sequence[bytes]) -> None:
        text = io.StringIO()
        lines = csv.writer(text)
        if self._head_is_due:
            lines.writerow([one.name for one in COLUMNS])
            self._head_is_due = False
        for raw in statements:
            lines.writerow(
                [_cell(column, value) for column, value in zip(COLUMNS, row_of(raw), strict=True)]
            )
        self._file.write(text.getvalue().encode())

    def close(self) -> None:
        self.write(())


def _cell(column: Column, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        unit = "milliseconds" if column.name == "stored" else "microseconds"
        return value.isoformat(timespec=unit).replace("+00:00", "Z")
    text = str(value)
    return "'" + text if column.is_free_text and text.startswith(_FORMULA) else text


class Parquet:
    """Row groups of about `group_bytes`, compressed by zstd; the columns are ARROW_SCHEMA."""

    def __init__(
        self, file: BinaryIO, *, group_rows: int = 50_000, group_bytes: int = 16 * 1024 * 1024
    ) -> None:
        self._file = _Counted(file)
        self._writer = pq.ParquetWriter(self._file, ARROW_SCHEMA, compression="zstd")
        self._group_rows = group_rows
        self._group_bytes = group_bytes
        self._rows: list[tuple[Value, ...]] = []
        self._bytes = 0

    def write(self, statements: Sequence[bytes]) -> None:
        for raw in statements:
            self._rows.append(row_of(raw))
            self._bytes += len(raw)
            if len(self._rows) >= self._group_rows or self._bytes >= self._group_bytes:
                self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = list(zip(*self._rows, strict=True))
        arrays = [
            pa.array(values, type=column.type)
            for column, values in zip(COLUMNS, columns, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=ARROW_SCHEMA))
        self._rows.clear()
        self._bytes = 0


class _Counted(io.RawIOBase):
    """A file that knows its position without being asked: a pipe does not."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        # The argument is any buffer, which has no name before Python 3.12.
        size = memoryview(data).nbytes
        self._file.write(data)
        self._position += size
        return size

    def flush(self) -> None:
        if not self.closed:
            self._file.flush()


WRITERS: Mapping[str, Callable[[BinaryIO], Writer]] = {
    "jsonl": JsonLines,
    "csv": Csv,
    "parquet": Parquet,
}
