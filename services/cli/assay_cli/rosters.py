"""`assay people import`: a roster from a file, a folder or a zip, batch by batch, with a bar.

1. The file is opened and read line by line; no more than its users is ever held in memory.
2. Each batch is one transaction; what is done stays done, and the same file again changes nothing.
3. Rows that are left out are told with line, column and reason, and all of them go to --faults.
"""

import asyncio
import csv
import hashlib
import sys
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from typing import Final, Literal

import asyncpg
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from assay_aggregator.admin import Act, Records
from assay_aggregator.errors import AggregatorError
from assay_aggregator.organisation.importing import Begin, Report, RosterImport
from assay_aggregator.organisation.oneroster import Accounts, read_oneroster
from assay_aggregator.organisation.roster import Fault, Item, RosterError, read_roster
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Store
from assay_cli.errors import StackError
from assay_cli.owner_connection import owner_connection, require_tenant

FAULTS_TOLD_MAX: Final = 100
TABLE_BYTES_MAX: Final = 4 * 1024**3
ZIP_ENCRYPTED: Final = 0x1  # general purpose flag, bit 0 (APPNOTE 4.4.4)
HASH_CHUNK_BYTES: Final = 1024 * 1024

Format = Literal["csv", "oneroster"]
Write = Callable[[Fault], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to import, of whom, by whom and why."""

    file: Path
    form: Format
    tenant: str
    act: Act
    accounts: Accounts = field(default_factory=Accounts)
    create: bool = False
    dry_run: bool = False
    faults: Path | None = None


@dataclass(slots=True)
class Opened:
    """A roster being read; `bytes_read` grows towards `bytes_total`."""

    bytes_total: int
    bytes_read: int = 0
    items: Iterable[Item] = ()


def import_roster(wanted: Wanted) -> Report:
    """Import a roster. Raises StackError; what was done until then stays done."""
    try:
        return asyncio.run(_import(wanted))
    except AggregatorError as error:
        raise StackError(str(error)) from error
    except UnicodeDecodeError as error:
        raise StackError(f"{wanted.file} is not UTF-8: {error.reason}") from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise StackError(f"{wanted.file}: {error}") from error
    except asyncpg.PostgresError as error:
        raise StackError(f"Postgres refuses: {error}") from error
    except OSError as error:
        raise StackError(f"{error.filename or wanted.file}: {error.strerror or error}") from error


def told(report: Report, *, dry_run: bool) -> str:
    """What an import did, in one line."""
    done = "would add" if dry_run else "added"
    return (
        f"{report.rows} rows: {report.unchanged} said nothing new, {report.faults} left out; "
        f"{done} {report.people} people, {report.links} links, {report.organisations} "
        f"organisations, {report.cohorts} cohorts, {report.employments} employments, "
        f"{report.memberships} memberships; {report.taken_back} records taken back"
    )


async def _import(wanted: Wanted) -> Report:
    shelf = RuleShelf()
    async with owner_connection() as connection:
        await require_tenant(connection, wanted.tenant)

        @asynccontextmanager
        async def begin() -> AsyncIterator[Records]:
            async with connection.transaction():
                yield await Records.begin(Store(connection), shelf, wanted.tenant, wanted.act)

        return await run(wanted, begin)


async def run(wanted: Wanted, begin: Begin) -> Report:
    """Read the file and import it through `begin`; tell faults and progress on standard error."""
    with (
        open_roster(wanted) as opened,
        _bar() as bar,
        _faults_to(wanted.faults, bar.console) as write,
    ):
        task = bar.add_task("rows", total=opened.bytes_total)
        work = RosterImport(
            begin,
            today=date.today(),
            subject=f"roster:{_digest(wanted.file)}",
            create=wanted.create,
            dry_run=wanted.dry_run,
        )
        async for faults in work.run(opened.items):
            for fault in faults:
                write(fault)
            bar.update(
                task,
                completed=opened.bytes_read,
                description=f"{work.report.rows} rows, {work.report.faults} left out",
            )
    return work.report


@contextmanager
def open_roster(wanted: Wanted) -> Iterator[Opened]:
    """Open what is to be imported; its items are read as they are asked for."""
    with ExitStack() as files:
        if wanted.form == "csv":
            opened = Opened(wanted.file.stat().st_size)
            file = files.enter_context(wanted.file.open(encoding="utf-8-sig", newline=""))
            opened.items = read_roster(_counted(file, opened), wanted.file.name)
        else:
            opened = _open_folder(wanted, files)
        yield opened


def _open_folder(wanted: Wanted, files: ExitStack) -> Opened:
    if wanted.file.is_dir():
        opened = Opened(sum(one.stat().st_size for one in wanted.file.glob("*.csv")))

        def table(name: str) -> Iterable[str] | None:
            path = wanted.file / name
            if not path.is_file():
                return None
            file = files.enter_context(path.open(encoding="utf-8-sig", newline=""))
            return _counted(file, opened)

    else:
        archive = files.enter_context(zipfile.ZipFile(wanted.file))
        opened = Opened(sum(one.file_size for one in archive.infolist()))

        def table(name: str) -> Iterable[str] | None:
            try:
                info = archive.getinfo(name)
            except KeyError:
                return None
            if info.file_size > TABLE_BYTES_MAX:
                raise RosterError(f"{name} is larger than {TABLE_BYTES_MAX} bytes")
            if info.flag_bits & ZIP_ENCRYPTED:
                raise RosterError(f"{name} is encrypted")
            raw = files.enter_context(archive.open(info))
            return _counted(TextIOWrapper(raw, encoding="utf-8-sig", newline=""), opened)

    opened.items = read_oneroster(table, wanted.accounts)
    return opened


def _counted(lines: Iterable[str], opened: Opened) -> Iterator[str]:
    for line in lines:
        opened.bytes_read += len(line.encode())
        yield line


def _digest(file: Path) -> str:
    """Which roster it was, for the audit trail: the beginning of the SHA-256 of its bytes."""
    digest = hashlib.sha256()
    for path in sorted(file.glob("*.csv")) if file.is_dir() else [file]:
        with path.open("rb") as opened:
            while chunk := opened.read(HASH_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()[:32]


@contextmanager
def _faults_to(path: Path | None, console: Console) -> Iterator[Write]:
    told_so_far = 0
    with ExitStack() as files:
        writer = None
        if path is not None:
            writer = csv.writer(files.enter_context(path.open("w", encoding="utf-8", newline="")))
            writer.writerow(("file", "line", "column", "reason"))

        def write(fault: Fault) -> None:
            nonlocal told_so_far
            told_so_far += 1
            place = fault.place
            if writer is not None:
                writer.writerow((place.file, place.line, fault.column, fault.reason))
            if told_so_far <= FAULTS_TOLD_MAX:
                column = f" {fault.column}" if fault.column else ""
                text = f"{place}{column}: {fault.reason}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)

        yield write
        if told_so_far > FAULTS_TOLD_MAX:
            console.print(f"and {told_so_far - FAULTS_TOLD_MAX} more", highlight=False)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )
