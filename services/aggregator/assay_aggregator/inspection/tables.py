"""Tables that grow while a pack is written: as CSV for people and as JSON lines for machines.

They are kept aside in files without a name until their turn comes, so that memory does not grow.
"""

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any, Final, Self

import orjson

# A table larger than this leaves memory for a file that vanishes with its last reader.
MEMORY_BYTES_MAX: Final = 1024 * 1024

# A cell that begins so is run by spreadsheets as a formula (OWASP, "CSV Injection").
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


class Table:
    """Rows of named columns; a value may be text, a number, None, a list or an object."""

    def __init__(self, name: str, columns: Sequence[str], files: ExitStack) -> None:
        self.name = name
        self.rows = 0
        self._columns = columns
        self._csv = spool(files)
        self._lines = spool(files)
        self._csv.write(_csv_line(columns))

    def add(self, row: Mapping[str, Any]) -> None:
        """Members that are no column are left out."""
        values = {name: row.get(name) for name in self._columns}
        self._csv.write(_csv_line([cell(value) for value in values.values()]))
        self._lines.write(json_bytes(values) + b"\n")
        self.rows += 1

    def files(self) -> Iterator[tuple[str, IO[bytes]]]:
        """(name, content) of the files that the table becomes."""
        yield f"tables/{self.name}.csv", self._csv
        yield f"tables/{self.name}.jsonl", self._lines


class Tables:
    """All tables of a pack; they are gone when it is left."""

    def __init__(self, columns: Mapping[str, Sequence[str]]) -> None:
        self._files = ExitStack()
        self._tables = {name: Table(name, many, self._files) for name, many in columns.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[Table]:
        return iter(self._tables.values())


def cell(value: Any) -> str:
    """A value of JSON (any) as the text of a cell that no spreadsheet runs as a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = " ".join(value)
    elif isinstance(value, (list, dict)):
        text = json_bytes(value).decode()
    else:
        text = str(value)
    return "'" + text if text.startswith(_FORMULA_STARTS) else text


def json_bytes(value: object) -> bytes:
    """JSON with sorted keys: equal values are equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _csv_line(cells: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def spool(files: ExitStack) -> IO[bytes]:
    """A file without a name that vanishes when `files` are closed; small ones stay in memory."""
    return files.enter_context(tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES_MAX, mode="w+b"))
