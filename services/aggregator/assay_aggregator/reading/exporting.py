"""An answer as a file: made whole before it is sent, so that no slow reader holds a connection."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Final

from fastapi import Response
from fastapi.responses import StreamingResponse

from assay_aggregator.errors import Refused
from assay_aggregator.reading.reader import Moment
from assay_aggregator.reading.tables import (
    MEDIA_TYPES,
    MEMORY_BYTES,
    File,
    Format,
    TableWriter,
    Value,
    table_writer,
)
from assay_runtime.problem import not_available

RETRY_SECONDS: Final = 10
SENT_BYTES: Final = 64 * 1024

Rows = Sequence[Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What goes into a file: its name, the names of its columns, and its rows, some at a time."""

    name: str
    header: Sequence[str]
    rows: AsyncIterator[Rows]


@dataclass(frozen=True, slots=True)
class Filled:
    """A file whose rows are all written: no connection is needed any more."""

    form: Format
    name: str
    file: File
    writer: TableWriter
    moment: Moment


class Exports:
    """Makes files, so many at one time in this process, each of so many cells at most."""

    def __init__(self, parallel_max: int, cells_max: int) -> None:
        self._places = asyncio.Semaphore(parallel_max)
        self._cells_max = cells_max

    async def fill(self, form: Format, sheet: Sheet, moment: Moment) -> Filled:
        """Write the rows, inside of the transaction that they are read in.

        Raises Problem 503 while too many files are being made, Refused for a large one.
        """
        if self._places.locked():
            raise not_available(
                "as many files are being made as this process makes at one time",
                retry_seconds=RETRY_SECONDS,
            )
        file: File = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - closed once it is sent
        try:
            async with self._places:
                writer = table_writer(form, file, moment.as_of)
                await self._write(writer, sheet)
        except BaseException:
            file.close()
            raise
        return Filled(form, f"{sheet.name}-{moment.day.isoformat()}.{form}", file, writer, moment)

    async def answer(self, filled: Filled) -> Response:
        """The file. Finishing a large one takes seconds, which no transaction should wait for."""
        async with self._places:
            await asyncio.to_thread(filled.writer.close)
        filled.file.seek(0)
        document = filled.moment.document()
        return StreamingResponse(
            _sent(filled.file),
            media_type=MEDIA_TYPES[filled.form],
            headers={
                "Content-Disposition": f'attachment; filename="{filled.name}"',
                "Cache-Control": "no-store",
                "X-Assay-As-Of": str(document["as_of"]),
                "X-Assay-Known-At": str(document["known_at"]),
            },
        )

    async def _write(self, writer: TableWriter, sheet: Sheet) -> None:
        left = self._cells_max
        writer.rows([list(sheet.header)])
        async for rows in sheet.rows:
            left -= len(rows) * len(sheet.header)
            if left < 0:
                raise Refused(
                    f"one file holds up to {self._cells_max} cells: ask for fewer people or fewer "
                    "competencies"
                )
            # In a thread: a page of cells takes longer to write than the loop may stand still.
            await asyncio.to_thread(writer.rows, rows)


async def _sent(file: File) -> AsyncIterator[bytes]:
    try:
        while chunk := file.read(SENT_BYTES):
            yield chunk
    finally:
        file.close()


async def one(rows: Rows) -> AsyncIterator[Rows]:
    """Rows that are all there."""
    yield rows
