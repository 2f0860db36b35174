"""What `assay frameworks …` and `assay roles …` do, as the owner of the database."""

import asyncio
import csv
import sys
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import orjson

from assay_aggregator.admin import Act, Records
from assay_aggregator.errors import AggregatorError, Refused, Unknown
from assay_aggregator.frameworks.api_frameworks import role_as_json
from assay_aggregator.frameworks.case_check import Checked
from assay_aggregator.frameworks.case_json import read_json
from assay_aggregator.frameworks.ctdl import ctdl_of
from assay_aggregator.frameworks.esco import ATTRIBUTION as ESCO_ATTRIBUTION
from assay_aggregator.frameworks.esco import esco_packages
from assay_aggregator.frameworks.exporting import PAGE_OBJECTS, package_text, whole_package
from assay_aggregator.frameworks.findings import Findings, NotAFramework, as_findings, refuse_if
from assay_aggregator.frameworks.importing import (
    Imported,
    RoleChange,
    check,
    import_packages,
    state_roles,
)
from assay_aggregator.frameworks.onet import attribution as onet_attribution
from assay_aggregator.frameworks.onet import onet_packages
from assay_aggregator.frameworks.packages import holds_roles
from assay_aggregator.frameworks.roles import CSV_COLUMNS, read_roles_csv
from assay_aggregator.frameworks.store import FrameworkStore
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Row, Store
from assay_cli.errors import StackError
from assay_cli.framework_files import files_of, form_of
from assay_cli.migration import CONNECT_SECONDS, AdministratorSettings
from assay_cli.processes import OWNER_ROLE
from assay_cli.secret_files import read_password
from assay_runtime.postgres import Connection

PAGE: Final = 500
Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be imported, and how."""

    path: Path | None
    tenant: str
    act: Act
    form: str | None = None
    strict: bool = False
    dry_run: bool = False
    language: str = "en"
    release: str | None = None


@dataclass(frozen=True, slots=True)
class _Read:
    """Checked packages, with the line that must be shown where they are loaded."""

    packages: tuple[Checked, ...]
    attribution: str | None


def import_frameworks(wanted: Wanted) -> list[Imported]:
    """Import what a path (None: standard input) holds, all of it or nothing.

    Raises NotAFramework with what is wrong, StackError for what cannot be read or reached.
    """
    read = _read(wanted)

    async def work(connection: Connection) -> list[Imported]:
        # A dry run writes nothing that is not taken back: what comes second sees what was first.
        transaction = connection.transaction()
        await transaction.start()
        try:
            done = await import_packages(
                connection, wanted.tenant, read.packages, wanted.act, attribution=read.attribution
            )
        except BaseException:
            await transaction.rollback()
            raise
        await (transaction.rollback() if wanted.dry_run else transaction.commit())
        return done

    return as_owner(work)


def _read(wanted: Wanted) -> _Read:
    try:
        return _read_packages(wanted)
    except UnicodeDecodeError as error:
        raise StackError(f"{wanted.path}: not UTF-8: {error.reason}") from error
    except (OSError, zipfile.BadZipFile) as error:
        raise StackError(f"cannot read {wanted.path}: {error}") from error


def _read_packages(wanted: Wanted) -> _Read:
    if wanted.path is None:
        return _Read((check(read_json(sys.stdin.buffer.read()), strict=wanted.strict),), None)
    form = wanted.form or form_of(wanted.path)
    if form == "case":
        return _Read((check(read_json(wanted.path.read_bytes()), strict=wanted.strict),), None)
    findings = Findings()
    files = files_of(wanted.path)
    if form == "esco":
        packages = esco_packages(files.lines, findings, language=wanted.language)
        attribution = ESCO_ATTRIBUTION
    else:
        packages = onet_packages(files.lines, findings, release=wanted.release)
        attribution = onet_attribution(wanted.release)
    refuse_if(findings, strict=False)
    return _Read(tuple(check(one, strict=wanted.strict) for one in packages), attribution)


def import_roles(path: Path, tenant: str, act: Act, *, dry_run: bool) -> list[RoleChange]:
    """State the roles of a CSV file, or of a CFPackage (JSON) of roles."""
    if path.suffix.lower() != ".csv":
        return _import_role_document(Wanted(path, tenant, act, form="case", dry_run=dry_run))
    findings = Findings()
    try:
        stated = read_roles_csv(path.read_text(encoding="utf-8-sig"), findings)
    except UnicodeDecodeError as error:
        raise StackError(f"{path}: not UTF-8: {error.reason}") from error
    except OSError as error:
        raise StackError(f"cannot read {path}: {error}") from error

    async def work(connection: Connection) -> list[RoleChange]:
        async with connection.transaction():
            records = await Records.begin(Store(connection), RuleShelf(), tenant, act)
            changes = await state_roles(records, stated, findings, dry_run=dry_run)
            refuse_if(findings, strict=False)
            return changes

    return as_owner(work)


def _import_role_document(wanted: Wanted) -> list[RoleChange]:
    (read,) = _read(wanted).packages
    if not holds_roles(read.package["CFDocument"]):
        raise StackError(f"{wanted.path}: the frameworkType of its document is not role")
    (done,) = import_frameworks(wanted)
    return done.roles


# Reading


def list_frameworks(tenant: str) -> list[dict[str, Any]]:
    """The newest version of each framework."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        store = FrameworkStore(connection, tenant)
        names = ("framework", "version", "title", "framework_type", "uri", "attribution")
        return [{name: row[name] for name in names} async for row in _frameworks(store)]

    return as_owner(work)


def show_framework(tenant: str, framework: str) -> dict[str, Any]:
    """A framework: its document, how much it holds, what its import found."""

    async def work(connection: Connection) -> dict[str, Any]:
        store = FrameworkStore(connection, tenant)
        row = await _newest(store, framework)
        return {
            "framework": row["framework"],
            "version": row["version"],
            "hash": row["hash"].hex(),
            "attribution": row["attribution"],
            "document": orjson.loads(row["frame"])["CFDocument"],
            "objects": await store.sections(row["framework"], row["version"]),
            "findings": as_findings(orjson.loads(row["findings"])).as_json(),
        }

    return as_owner(work)


def export_framework(tenant: str, framework: str, form: str, write: Say) -> None:
    """Write the package, as CASE or as CTDL-ASN."""

    async def work(connection: Connection) -> None:
        store = FrameworkStore(connection, tenant)
        row = await _newest(store, framework)

        async def page(section: str, after: int) -> Sequence[Row]:
            return await store.page(row["framework"], row["version"], section, after, PAGE_OBJECTS)

        if form == "ctdl-asn":
            package = await whole_package(row["frame"], page)
            exported = ctdl_of(package, row["attribution"])
            write(orjson.dumps(exported, option=orjson.OPT_INDENT_2).decode())
            return
        async for piece in package_text(row["frame"], page):
            write(piece)

    as_owner(work)
    write("\n")


def list_roles(tenant: str) -> list[dict[str, Any]]:
    async def work(connection: Connection) -> list[dict[str, Any]]:
        store = FrameworkStore(connection, tenant)
        found: list[dict[str, Any]] = []
        after = ""
        while rows := await store.list_roles(after, PAGE):
            asked = await store.requirements_of(row["role"] for row in rows)
            found += [
                {**dict(row), "requirements": len(asked.get(row["role"], ()))} for row in rows
            ]
            after = rows[-1]["role"]
        return found

    return as_owner(work)


def show_role(tenant: str, role: str) -> dict[str, Any]:
    async def work(connection: Connection) -> dict[str, Any]:
        return await role_as_json(FrameworkStore(connection, tenant), role)

    return as_owner(work)


def write_roles_csv(roles: Sequence[dict[str, Any]], write: Say) -> None:
    """The CSV file that states these roles again."""
    lines = csv.writer(_Lines(write), lineterminator="\n")
    lines.writerow(CSV_COLUMNS)
    for one in roles:
        for wanted in one["requirements"] or ({"competency": "", "level": None},):
            lines.writerow([one["role"], one["name"], wanted["competency"], wanted["level"]])


@dataclass(frozen=True, slots=True)
class _Lines:
    write: Say


async def _frameworks(store: FrameworkStore) -> AsyncIterator[Row]:
    after = ""
    while rows := await store.listed(after, PAGE):
        for row in rows:
            yield row
        after = rows[-1]["framework"]


async def _newest(store: FrameworkStore, framework: str) -> Row:
    row = await store.newest(framework.lower())
    if row is None:
        raise Unknown(f"there is no framework {framework}: `assay frameworks list` tells which are")
    return row


# Telling


def told(done: Imported, *, dry_run: bool) -> Iterator[str]:
    """What an import did, line by line, for people."""
    for one in done.findings.listed:
        yield f"{one.outcome:<8} {one.pointer or '/'}  {one.rule}"
    listed = len(done.findings.listed)
    all_of_them = sum(done.findings.counts.values())
    if all_of_them > listed:
        yield f"and {all_of_them - listed} more of the same kinds"
    objects = ", ".join(f"{number} {name}" for name, number in done.objects.items())
    if not done.changed:
        yield f"{done.title}: version {done.version} is there with the same content"
    else:
        verb = "would be" if dry_run else "is"
        yield f"{done.title}: version {done.version} {verb} imported ({objects or 'empty'})"
    for change in done.roles:
        yield told_role(change)
    if done.attribution is not None:
        yield done.attribution


def told_role(change: RoleChange) -> str:
    before = change.before or {}
    new = len(change.after.keys() - before.keys())
    gone = len(before.keys() - change.after.keys())
    moved = sum(1 for one, level in change.after.items() if one in before and before[one] != level)
    return (
        f"role {change.role} ({change.name}): {len(change.after)} requirements, "
        f"{new} new, {gone} gone, {moved} at another level"
    )


def as_owner(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do it with a connection of the owner. Raises StackError, and NotAFramework as it is."""
    settings = AdministratorSettings.of_this_place()

    async def run() -> T:
        connection = await asyncpg.connect(
            settings.postgres_dsn,
            user=OWNER_ROLE,
            password=read_password(settings.secrets, "postgres", OWNER_ROLE),
            timeout=CONNECT_SECONDS,
        )
        try:
            return await work(connection)
        finally:
            await connection.close()

    try:
        return asyncio.run(run())
    except NotAFramework:
        raise
    except (Refused, AggregatorError) as error:
        raise StackError(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error
