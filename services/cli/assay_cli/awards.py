"""`assay awards …`: whom an award is for, how far it is, and what came of it for each person."""

import csv
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any, Final, TextIO
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from assay_aggregator.organisation.store import PeopleStore, When
from assay_cli.clients import operator
from assay_cli.credentials_door import CredentialsDoor
from assay_cli.errors import StackError
from assay_cli.owner_connection import require_tenant
from assay_cli.people_records import as_owner, read
from assay_credentials.awarding import outreach as realm
from assay_credentials.awarding.store import AwardingStore
from assay_credentials.records import Act, Records
from assay_runtime.postgres import Connection

PAGE: Final = 1_000
MEANING: Final = "award"
"""What the signatures of an award mean, where nobody says otherwise."""

LOOK_SECONDS: Final = 1.0
STANDSTILL_SECONDS: Final = 60.0
"""As long as nothing more is issued; then the service is at fault, and the command ends."""

_DONE: Final = ("issued", "failed", "replaced", "withdrawn", "not_issued")
_COLUMNS: Final = ("person", "status", "why", "failure", "credential", "credential_status")
_FIRST: Final = UUID(int=0)

Json = dict[str, Any]


def people_of(
    people: Sequence[UUID], file: Path | None, cohort: str | None, tenant: str, day: date
) -> list[UUID]:
    """Those who are named, those of the file, or those who are in the cohort on that day."""
    if [bool(people), file is not None, cohort is not None].count(True) != 1:
        raise StackError("for whom? say --person, --people or --cohort, one of them")
    if file is not None:
        return _read_people(file)
    if cohort is not None:
        return _members(tenant, cohort, day)
    return list(people)


def _read_people(file: Path) -> list[UUID]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise StackError(f"--people {file}: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(UUID(line.strip()))
        except ValueError as error:
            raise StackError(f"--people {file}, line {number}: not a person's id") from error
    return found


def _members(tenant: str, cohort: str, day: date) -> list[UUID]:
    async def work(store: PeopleStore) -> list[UUID]:
        if await store.find_cohort(cohort) is None:
            raise StackError(f"there is no cohort {cohort}")
        found: set[UUID] = set()
        after: UUID | None = None
        while rows := await store.memberships_of_cohort(cohort, When(day=day), after, PAGE):
            found.update(row["person"] for row in rows)
            after = rows[-1]["membership"]
        return sorted(found)

    return read(tenant, work)


def follow(door: CredentialsDoor, award: UUID, awarded: int) -> dict[str, int]:
    """Look until all that were awarded are issued or failed; the counts of then.

    A progress bar goes to standard error where that is a terminal. Raises StackError when nothing
    moves for STANDSTILL_SECONDS.
    """
    moved_at, before = time.monotonic(), -1
    with _bar(awarded) as advance:
        while True:
            asked_at = time.monotonic()
            counts: dict[str, int] = door.get(f"/awards/{award}")["counts"]
            # Looking is to take a tenth of the time at most: it slows down what is looked at.
            pause = max(LOOK_SECONDS, 9 * (time.monotonic() - asked_at))
            done = sum(counts.get(one, 0) for one in _DONE)
            advance(done)
            if done >= awarded:
                return counts
            if done != before:
                moved_at, before = time.monotonic(), done
            elif time.monotonic() - moved_at > STANDSTILL_SECONDS:
                raise StackError(
                    f"{done} of {awarded} are issued, and nothing moves: see /readyz of the "
                    f"credentials service; `assay awards report {award}` tells who waits"
                )
            time.sleep(pause)


def _bar(total: int) -> AbstractContextManager[Callable[[int], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext(lambda _: None)
    return _Bar(console, total)


class _Bar:
    """A progress bar as a context: what it gives takes how many are done."""

    def __init__(self, console: Console, total: int) -> None:
        self._progress = Progress(
            TextColumn("issuing"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("issuing", total=total)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda done: self._progress.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


def told(found: Mapping[str, Any]) -> Iterator[str]:
    """What an approval did, as lines."""
    yield f"awarded        {found['awarded']}"
    yield f"already held   {found['already_holds']}"
    yield f"refused        {found['refused']}"
    counts: Mapping[str, int] = found.get("counts", {})
    for name in (*_DONE, "waiting"):
        if counts.get(name):
            yield f"{name:<14} {counts[name]}"


def pages(door: CredentialsDoor, path: str, member: str) -> Iterator[Json]:
    """Everything of a paged answer, page by page."""
    after: str | None = None
    while True:
        found = door.get(path, {"limit": str(PAGE), "after": after})
        yield from found[member]
        after = found["next"]
        if after is None:
            return


def report(door: CredentialsDoor, award: UUID, output: Path | None, *, as_json: bool) -> None:
    """One line for each person: CSV, or JSON Lines. Nothing is held but a page."""
    if output is None:
        _write(door, award, sys.stdout, as_json)
        return
    try:
        with output.open("w", encoding="utf-8", newline="") as file:
            _write(door, award, file, as_json)
    except OSError as error:
        raise StackError(f"--output {output}: {error.strerror}") from error


def _write(door: CredentialsDoor, award: UUID, file: TextIO, as_json: bool) -> None:
    people = pages(door, f"/awards/{award}/people", "people")
    if as_json:
        file.writelines(json.dumps(one) + "\n" for one in people)
        return
    writer = csv.writer(file)
    writer.writerow(_COLUMNS)
    writer.writerows([one[name] for name in _COLUMNS] for one in people)


def set_outreach(
    tenant: str, reason: str, people: Sequence[UUID], *, whole: bool, is_outreach: bool
) -> int:
    """Put people or the tenant into the realm, or take them out; of how many that is new."""

    async def work(connection: Connection) -> int:
        await require_tenant(connection, tenant)
        async with connection.transaction():
            records = await Records.begin(connection, tenant, Act(operator(), reason))
            if whole:
                return int(await realm.set_tenant(records, is_outreach=is_outreach))
            return len(await realm.set_people(records, people, is_outreach=is_outreach))

    return as_owner(work)


def outreach(tenant: str) -> Json:
    """Who is of the realm."""

    async def work(connection: Connection) -> Json:
        store = AwardingStore(connection)
        people: list[Json] = []
        after = _FIRST
        while rows := await store.list_outreach_people(tenant, after, PAGE):
            people += [dict(row) for row in rows]
            after = rows[-1]["person"]
        return {"whole_tenant": await store.is_outreach_tenant(tenant), "people": people}

    return as_owner(work)
