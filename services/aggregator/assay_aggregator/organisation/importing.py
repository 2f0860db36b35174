"""Importing a roster: batches of its rows, each one transaction.

A batch is short, since consumers of statements wait while records are changed. What is recorded
already is read with a fixed number of queries for a batch; rows that say the same cost no more.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any, Final
from uuid import UUID, uuid4

from assay_aggregator.admin import Records
from assay_aggregator.days import Days
from assay_aggregator.errors import AggregatorError, Unknown
from assay_aggregator.organisation.directory import put_cohort, put_organisation
from assay_aggregator.organisation.model import Cohort, Organisation
from assay_aggregator.organisation.roster import (
    CohortRow,
    Fault,
    Item,
    OrganisationRow,
    Row,
)
from assay_aggregator.organisation.roster_plan import Changes, Held, Linked, Planner, Recorded
from assay_aggregator.organisation.store import EMPLOYMENT, LINK, MEMBERSHIP, Kind, PeopleStore
from assay_aggregator.people import text_hash

BATCH_ROWS: Final = 200

Begin = Callable[[], AbstractAsyncContextManager[Records]]


@dataclass(slots=True)
class Report:
    """What an import did, or in a dry run would do."""

    rows: int = 0
    unchanged: int = 0
    people: int = 0
    links: int = 0
    organisations: int = 0
    cohorts: int = 0
    employments: int = 0
    memberships: int = 0
    taken_back: int = 0
    faults: int = 0


@dataclass(slots=True)
class RosterImport:
    """One import. `begin` opens the records in a transaction of their own, for each batch.

    `today` is the day that rows without `from` are read on; `create` makes organisations and
    cohorts that are only named. `subject` is how the audit trail calls the roster.
    """

    begin: Begin
    today: date
    subject: str
    create: bool = False
    dry_run: bool = False
    report: Report = field(default_factory=Report)
    _carried: Recorded = field(default_factory=Recorded)

    async def run(self, items: Iterable[Item]) -> AsyncIterator[list[Fault]]:
        """Import batch by batch; gives the faults of each. What is done stays done.

        Raises RosterError when a file turns out to be no roster.
        """
        for batch in _batches(items):
            async with self.begin() as records:
                yield await self._batch(records, batch)

    async def _batch(self, records: Records, batch: list[Item]) -> list[Fault]:
        faults = [item for item in batch if isinstance(item, Fault)]
        rows = [item for item in batch if isinstance(item, Row)]
        # 1. Organisations and cohorts that the roster describes.
        for item in batch:
            if isinstance(item, OrganisationRow | CohortRow):
                fault = await self._place(records, item)
                faults += [] if fault is None else [fault]
        # 2. What stands of what the rows speak of; a dry run carries on what it would have made.
        recorded = self._carried if self.dry_run else Recorded()
        store = PeopleStore(records.store.connection, records.tenant)
        await _read(records, store, rows, recorded)
        # 3. What they change.
        planner = Planner(recorded, self.today, uuid4, self.create)
        for row in rows:
            planner.plan(row)
        changes = planner.changes
        # 4. Write it, and note who did it and why.
        if not self.dry_run and not changes.is_empty():
            await _write(records, store, changes)
            await records.audit("roster.imported", self.subject, after=_document(changes))
        faults += changes.faults
        self._count(batch, changes, faults)
        return faults

    async def _place(self, records: Records, item: OrganisationRow | CohortRow) -> Fault | None:
        try:
            if isinstance(item, OrganisationRow):
                self.report.organisations += await self._put_organisation(
                    records, item.organisation
                )
                self._carried.organisations.add(item.organisation.organisation)
            else:
                self.report.cohorts += await self._put_cohort(records, item.cohort)
                self._carried.cohorts.add(item.cohort.cohort)
        except AggregatorError as error:
            return Fault(item.place, "", str(error))
        return None

    async def _put_organisation(self, records: Records, wanted: Organisation) -> bool:
        if not self.dry_run:
            return await put_organisation(records, wanted)
        store = PeopleStore(records.store.connection, records.tenant)
        if wanted.parent not in {None, *self._carried.organisations}:
            parent = await store.find_organisation(wanted.parent or "")
            if parent is None:
                raise Unknown(f"there is no organisation {wanted.parent}")
        row = await store.find_organisation(wanted.organisation)
        return row is None or Organisation(**dict(row)) != wanted

    async def _put_cohort(self, records: Records, wanted: Cohort) -> bool:
        if not self.dry_run:
            return await put_cohort(records, wanted)
        store = PeopleStore(records.store.connection, records.tenant)
        row = await store.find_cohort(wanted.cohort)
        return row is None or Cohort(**dict(row)) != wanted

    def _count(self, batch: list[Item], changes: Changes, faults: list[Fault]) -> None:
        report = self.report
        report.rows += len(batch)
        report.unchanged += changes.unchanged
        report.people += len(changes.people)
        report.links += len(changes.links)
        report.organisations += len(changes.organisations)
        report.cohorts += len(changes.cohorts)
        report.employments += len(changes.employments)
        report.memberships += len(changes.memberships)
        report.taken_back += len(changes.employments_back) + len(changes.memberships_back)
        report.faults += len(faults)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH_ROWS)):
        yield batch


async def _read(
    records: Records, store: PeopleStore, rows: Iterable[Row], recorded: Recorded
) -> None:
    """Read what stands of what the rows speak of, as far as `recorded` does not hold it."""
    asked = list(rows)
    keys = {key for row in asked for key in row.agents} - recorded.links.keys()
    people: set[UUID] = set()
    if keys:
        agents = [(records.tenant, text_hash(key)) for key in sorted(keys)]
        for link in await records.store.links_around_agents(agents):
            if link["retracted_ms"] is None and link["agent_key"] in keys:
                days = Days(link["valid_from"], link["valid_to"])
                recorded.links.setdefault(link["agent_key"], []).append(
                    Linked(link["person"], link["automatic"], days)
                )
                people.add(link["person"])
    if people:
        recorded.settled |= await store.people_with_records(people)
        for row in await store.standing_employments_of(people):
            key = (row["person"], row["organisation"], row["role"], row["valid_from"])
            recorded.employments.setdefault(key, Held(row["id"], row["valid_to"]))
        for row in await store.standing_memberships_of(people):
            member = (row["person"], row["cohort"], row["valid_from"])
            recorded.memberships.setdefault(member, Held(row["id"], row["valid_to"]))
    organisations = {row.organisation for row in asked if row.organisation is not None}
    cohorts = {row.cohort for row in asked if row.cohort is not None}
    if missing := organisations - recorded.organisations:
        recorded.organisations |= await store.known_organisations(missing)
    if missing := cohorts - recorded.cohorts:
        recorded.cohorts |= await store.known_cohorts(missing)


async def _write(records: Records, store: PeopleStore, changes: Changes) -> None:
    at_ms = records.recorded_ms
    for organisation in changes.organisations:
        await put_organisation(records, organisation)
    for cohort in changes.cohorts:
        await put_cohort(records, cohort)
    if changes.people:
        await records.store.insert_people((records.tenant, person) for person in changes.people)
    links = {
        uuid4(): (text_hash(key), key, person, days.valid_from, days.valid_to)
        for key, person, days in changes.links
    }
    await store.record(LINK, links, at_ms)
    await _replace(store, EMPLOYMENT, changes.employments_back, changes.employments, at_ms)
    await _replace(store, MEMBERSHIP, changes.memberships_back, changes.memberships, at_ms)
    if changes.contradictions:
        told = {
            frozenset(text_hash(key) for key in keys): place
            for place, keys in changes.contradictions
        }
        rows = [(uuid4(), sorted(agents), str(place)) for agents, place in told.items()]
        await store.insert_contradictions(rows, at_ms)
    if links:
        await records.mark_agents(sorted({row[0] for row in links.values()}))


async def _replace(
    store: PeopleStore,
    kind: Kind,
    back: Mapping[UUID, UUID | None],
    made: Mapping[UUID, tuple[Any, ...]],
    at_ms: int,
) -> None:
    if back:
        await store.retract(kind, back, at_ms)
    await store.record(kind, made, at_ms)
    await store.succeed_moves(kind, {was: now for was, now in back.items() if now is not None})


def _document(changes: Changes) -> dict[str, Any]:
    """What a batch changed, for the audit trail: ids and numbers, no identifier of a person."""
    return {
        "people": sorted(changes.people),
        "links": len(changes.links),
        "employments": sorted(changes.employments),
        "memberships": sorted(changes.memberships),
        "taken_back": sorted({*changes.employments_back, *changes.memberships_back}),
        "contradictions": len(changes.contradictions),
    }
