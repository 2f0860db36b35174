"""Tables as files: CSV and XLSX, row by row, in memory that does not grow with them.

What a spreadsheet would take for a formula is kept from being one: in CSV by an apostrophe in front
(OWASP, "CSV Injection"), in XLSX since each text is written as a text.
"""

import csv
import io
from collections.abc import Sequence
from datetime import date, datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Literal, Protocol

from xlsxwriter import Workbook  # type: ignore[import-untyped] # it ships no types

Format = Literal["json", "csv", "xlsx"]
Value = str | int | float | date | bool | None

MEDIA_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Beyond this a file is on disk while it is made.
MEMORY_BYTES: Final = 1024 * 1024
XLSX_TEXT_MAX: Final = 32_767
XLSX_ROWS_MAX: Final = 1_048_576
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

File = SpooledTemporaryFile[bytes]


class TableWriter(Protocol):
    """Takes rows, and is closed once after the last."""

    def rows(self, rows: Sequence[Sequence[Value]]) -> None:
        """Write rows."""

    def close(self) -> None:
        """Finish the file."""


class CsvTable:
    """RFC 4180, UTF-8. Dates are YYYY-MM-DD, what is not known is empty."""

    def __init__(self, file: File) -> None:
        self._file = file

    def rows(self, rows: Sequence[Sequence[Value]]) -> None:
        """Write rows."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows([[harmless(value) for value in row] for row in rows])
        self._file.write(text.getvalue().encode())

    def close(self) -> None:
        """Nothing is left to write."""


def harmless(value: Value) -> Value:
    """The value as a cell of CSV that no spreadsheet computes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.lstrip(" ").startswith(_FORMULA):
        return "'" + value
    return value


class XlsxTable:
    """One sheet. `made` is when the file says it was made: equal tables are equal files."""

    def __init__(self, file: File, made: datetime) -> None:
        self._book = Workbook(
            file,
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        self._book.set_properties({"created": made.replace(tzinfo=None)})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._sheet = self._book.add_worksheet()
        self._next = 0

    def rows(self, rows: Sequence[Sequence[Value]]) -> None:
        """Write rows. Raises OverflowError for more than a sheet holds."""
        if self._next + len(rows) > XLSX_ROWS_MAX:
            raise OverflowError(f"a sheet holds {XLSX_ROWS_MAX} rows")
        for row in rows:
            for column, value in enumerate(row):
                self._write(column, value)
            self._next += 1

    def _write(self, column: int, value: Value) -> None:
        sheet, row = self._sheet, self._next
        if isinstance(value, bool):
            sheet.write_boolean(row, column, value)
        elif isinstance(value, int | float):
            sheet.write_number(row, column, value)
        elif isinstance(value, date):
            sheet.write_datetime(row, column, value, self._day)
        elif value is not None:
            sheet.write_string(row, column, value[:XLSX_TEXT_MAX])

    def close(self) -> None:
        """Write the file."""
        self._book.close()


def table_writer(form: Format, file: File, made: datetime) -> TableWriter:
    """The writer of a format that is a file."""
    return CsvTable(file) if form == "csv" else XlsxTable(file, made)


def flat(value: Any) -> Value:
    """A value of an answer (any of its types, hence Any) as a value of a table."""
    return value if value is None or isinstance(value, str | int | float | date) else str(value)
