"""`assay people|organisations|cohorts|authorisations …`: records, kept by an operator.

Each change is one transaction, as over HTTP, with the operator and the reason in the audit trail.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from assay_aggregator.admin import Act, Records
from assay_aggregator.days import Days
from assay_aggregator.errors import AggregatorError, Unknown
from assay_aggregator.organisation import directory
from assay_aggregator.organisation.api import record_of
from assay_aggregator.organisation.collisions import agent_of, collisions, set_aside
from assay_aggregator.organisation.merging import merge, unmerge
from assay_aggregator.organisation.model import Cohort, Organisation
from assay_aggregator.organisation.store import BY_NAME, PeopleStore, When
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Row, Store
from assay_cli.clients import operator
from assay_cli.errors import StackError
from assay_cli.owner_connection import owner_connection, require_tenant
from assay_runtime.postgres import Connection

PAGE = 500
T = TypeVar("T")

Document = dict[str, Any]
DayPair = tuple[date | None, date | None]


def change(tenant: str, reason: str, work: Callable[[Records], Awaitable[T]]) -> T:
    """Do `work` on the tenant's records, in one transaction. Raises StackError."""

    async def run(connection: Connection) -> T:
        await require_tenant(connection, tenant)
        async with connection.transaction():
            act = Act(operator(), reason)
            return await work(await Records.begin(Store(connection), RuleShelf(), tenant, act))

    return as_owner(run)


def read(tenant: str, work: Callable[[PeopleStore], Awaitable[T]]) -> T:
    """Ask `work` in one snapshot of the tenant's records. Raises StackError."""

    async def run(connection: Connection) -> T:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await work(PeopleStore(connection, tenant))

    return as_owner(run)


def put_organisation(tenant: str, reason: str, wanted: Mapping[str, Any]) -> bool:
    """Make or change an organisation; False when it stood so already."""

    async def work(records: Records) -> bool:
        return await directory.put_organisation(records, Organisation(**wanted))

    return change(tenant, reason, work)


def put_cohort(tenant: str, reason: str, wanted: Mapping[str, Any]) -> bool:
    """Make or change a cohort; False when it stood so already."""

    async def work(records: Records) -> bool:
        return await directory.put_cohort(records, Cohort(**wanted))

    return change(tenant, reason, work)


def employ(
    tenant: str, reason: str, person: UUID, organisation: str, role: str | None, days: DayPair
) -> UUID:
    """A person works there; the id of the record."""

    async def work(records: Records) -> UUID:
        return await directory.add_employment(records, person, organisation, role, Days(*days))

    return change(tenant, reason, work)


def enrol(tenant: str, reason: str, person: UUID, cohort: str, days: DayPair) -> UUID:
    """A person is in a cohort; the id of the record."""

    async def work(records: Records) -> UUID:
        return await directory.add_membership(records, cohort, person, Days(*days))

    return change(tenant, reason, work)


def end(tenant: str, reason: str, kind: str, record: UUID, on: date) -> UUID:
    """The last day of an employment or membership; the id of the record that stands now."""
    return change(tenant, reason, lambda records: directory.end(records, BY_NAME[kind], record, on))


def take_back(tenant: str, reason: str, kind: str, record: UUID) -> None:
    """An employment or membership was recorded wrongly."""
    change(tenant, reason, lambda records: directory.take_back(records, BY_NAME[kind], record))


def merge_people(tenant: str, reason: str, kept: UUID, merged: UUID) -> UUID:
    """Two people are one; the id of the merge."""
    return change(tenant, reason, lambda records: merge(records, kept, merged))


def unmerge_people(tenant: str, reason: str, identifier: UUID) -> None:
    """They are two after all."""
    change(tenant, reason, lambda records: unmerge(records, identifier))


def set_collision_aside(tenant: str, reason: str, contradiction: UUID) -> None:
    """What a roster contradicted is not so."""
    change(tenant, reason, lambda records: set_aside(records, contradiction))


def list_organisations(tenant: str, kind: str | None) -> list[Document]:
    """Every organisation, by its name of ours."""

    async def work(store: PeopleStore) -> list[Document]:
        return await _all_pages(
            lambda after: store.list_organisations(kind, None, after, PAGE), "organisation"
        )

    return read(tenant, work)


def list_cohorts(tenant: str, standard: str | None) -> list[Document]:
    """Every cohort, by its name of ours."""

    async def work(store: PeopleStore) -> list[Document]:
        return await _all_pages(lambda after: store.list_cohorts(standard, after, PAGE), "cohort")

    return read(tenant, work)


def show_organisation(tenant: str, organisation: str, on: date | None) -> Document:
    """An organisation, and who works there (on a day, or ever)."""

    async def work(store: PeopleStore) -> Document:
        row = await store.find_organisation(organisation)
        if row is None:
            raise Unknown(f"there is no organisation {organisation}")
        when = When(day=on)
        people = await _all_pages(
            lambda after: store.employments_of_organisation(organisation, when, after, PAGE),
            "employment",
        )
        return {**dict(row), "employments": people}

    return read(tenant, work)


def show_cohort(tenant: str, cohort: str, on: date | None) -> Document:
    """A cohort, and who is in it (on a day, or ever)."""

    async def work(store: PeopleStore) -> Document:
        row = await store.find_cohort(cohort)
        if row is None:
            raise Unknown(f"there is no cohort {cohort}")
        when = When(day=on)
        people = await _all_pages(
            lambda after: store.memberships_of_cohort(cohort, when, after, PAGE), "membership"
        )
        return {**dict(row), "memberships": people}

    return read(tenant, work)


def show_person(tenant: str, person: UUID, zone: ZoneInfo) -> Document:
    """All that is recorded about who a person is, where they belong and what they may assess."""

    async def work(store: PeopleStore) -> Document:
        links = [record_of(row) for row in await store.links_of_person(person)]
        if not links:
            raise Unknown(f"there is no person {person}")
        return {
            "person": person,
            "links": [{**one, "agent": agent_of(one.pop("agent_key"))} for one in links],
            "merges": [record_of(row) for row in await store.list_merges(person, None, PAGE)],
            "employments": [
                record_of(row) for row in await store.employments_of_person(person, When())
            ],
            "memberships": [
                record_of(row) for row in await store.memberships_of_person(person, When())
            ],
            "authorisations": [
                record_of(row, zone)
                for row in await store.list_authorisations(person, None, True, None, PAGE)
            ],
            "conflicts": [
                record_of(row, zone) for row in await store.list_conflicts(person, True, None, PAGE)
            ],
        }

    return read(tenant, work)


def list_authorisations(
    tenant: str, person: UUID | None, scope: str | None, *, retracted: bool, zone: ZoneInfo
) -> list[Document]:
    """Who may assess what; also those that were taken back."""

    async def work(store: PeopleStore) -> list[Document]:
        return await _all_pages(
            lambda after: store.list_authorisations(person, scope, retracted, after, PAGE),
            "authorisation",
            zone,
        )

    return read(tenant, work)


def list_merges(tenant: str, person: UUID | None) -> list[Document]:
    """Every merge, also those that were taken back."""

    async def work(store: PeopleStore) -> list[Document]:
        return await _all_pages(lambda after: store.list_merges(person, after, PAGE), "merge")

    return read(tenant, work)


def list_collisions(tenant: str) -> list[Document]:
    """Agents who are two people on one day, and rosters that contradict the links."""

    async def work(store: PeopleStore) -> list[Document]:
        found: list[Document] = []
        after: str | None = None
        while True:
            page, after = await collisions(store, after, PAGE)
            found += page
            if after is None:
                return found

    return read(tenant, work)


def as_json(content: object) -> str:
    """What a command prints for scripts."""
    return json.dumps(content, default=str, indent=2, ensure_ascii=False)


async def _all_pages(
    page: Callable[[Any], Awaitable[list[Row]]], key: str, zone: ZoneInfo | None = None
) -> list[Document]:
    found: list[Document] = []
    after: Any = None
    while rows := await page(after):
        found += [record_of(row, zone) for row in rows]
        after = rows[-1][key]
    return found


def as_owner(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do `work` as the owner role. Raises StackError for what is refused and what is away."""

    async def run() -> T:
        async with owner_connection() as connection:
            return await work(connection)

    try:
        return asyncio.run(run())
    except AggregatorError as error:
        raise StackError(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"cannot ask Postgres: {type(error).__name__}: {error}") from error
