"""Organisations, cohorts, and who belonged to them when.

Organisations and cohorts have one present form; what changes is in the audit trail. Employments and
memberships are records of two times, like links: the local dates on which they hold, and the log's
time from which they were known until they were taken back.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from assay_aggregator.admin import Records
from assay_aggregator.days import ALWAYS, Days
from assay_aggregator.errors import Contradiction, Refused, Unknown
from assay_aggregator.organisation.model import Cohort, Organisation, check_slug
from assay_aggregator.organisation.store import EMPLOYMENT, MEMBERSHIP, Kind, PeopleStore, When


async def put_organisation(records: Records, wanted: Organisation) -> bool:
    """Make or change an organisation; False when it stood so already.

    Raises Unknown (`parent`) and Refused (it would stand below itself).
    """
    store = _store(records)
    row = await store.find_organisation(wanted.organisation)
    found = None if row is None else Organisation(**dict(row))
    if found == wanted:
        return False
    if wanted.parent is not None:
        if await store.find_organisation(wanted.parent) is None:
            raise Unknown(f"there is no organisation {wanted.parent}")
        if await store.is_below(wanted.parent, wanted.organisation):
            raise Refused("`parent` stands below the organisation itself")
    await store.put_organisation(wanted.organisation, wanted.name, wanted.kind, wanted.parent)
    await records.audit(
        "organisation.added" if found is None else "organisation.changed",
        f"organisation:{wanted.organisation}",
        before=None if found is None else asdict(found),
        after=asdict(wanted),
    )
    return True


async def put_cohort(records: Records, wanted: Cohort) -> bool:
    """Make or change a cohort; False when it stood so already."""
    store = _store(records)
    row = await store.find_cohort(wanted.cohort)
    found = None if row is None else Cohort(**dict(row))
    if found == wanted:
        return False
    await store.put_cohort(
        wanted.cohort, wanted.name, wanted.standard, wanted.starts_on, wanted.ends_on
    )
    await records.audit(
        "cohort.added" if found is None else "cohort.changed",
        f"cohort:{wanted.cohort}",
        before=None if found is None else asdict(found),
        after=asdict(wanted),
    )
    return True


async def add_employment(
    records: Records,
    person: UUID,
    organisation: str,
    role: str | None = None,
    days: Days = ALWAYS,
) -> UUID:
    """A person works there, in a role, on these days. Returns the id of the record.

    Raises Unknown (person, organisation) and Contradiction (it stands with this role and `from`).
    """
    check_role(role)
    await records.require_people([person])
    store = _store(records)
    if await store.find_organisation(organisation) is None:
        raise Unknown(f"there is no organisation {organisation}")
    for row in await store.employments_of_person(person, When()):
        if (row["organisation"], row["role"], row["valid_from"]) == (
            organisation,
            role,
            days.valid_from,
        ):
            raise Contradiction(
                f"employment {row['employment']} says so already: end it or take it back"
            )
    return await _add(records, EMPLOYMENT, (person, organisation, role), days)


async def add_membership(records: Records, cohort: str, person: UUID, days: Days = ALWAYS) -> UUID:
    """A person is in a cohort on these days. Returns the id of the record.

    Raises Unknown (person, cohort) and Contradiction (it stands with this `from`).
    """
    await records.require_people([person])
    store = _store(records)
    if await store.find_cohort(cohort) is None:
        raise Unknown(f"there is no cohort {cohort}")
    for row in await store.memberships_of_person(person, When()):
        if (row["cohort"], row["valid_from"]) == (cohort, days.valid_from):
            raise Contradiction(
                f"membership {row['membership']} says so already: end it or take it back"
            )
    return await _add(records, MEMBERSHIP, (person, cohort), days)


async def end(records: Records, kind: Kind, record: UUID, on: date) -> UUID:
    """`on` is the last day of an employment or membership: the record is replaced.

    Returns the id of the record that stands now. Raises Unknown and Refused (before its `from`).
    """
    store = _store(records)
    row = await _taken(records, store, kind, record)
    if row[-2] is not None and on < row[-2]:
        raise Refused("`on` is before the first day")
    made = uuid4()
    values = [*row[:-1], on]
    await store.record(kind, {made: values}, records.recorded_ms)
    await store.succeed_moves(kind, {record: made})
    await records.audit(
        f"{kind.name}.ended",
        f"{kind.name}:{record}",
        before=dict(zip(kind.fields, row, strict=True)),
        after={kind.name: made, **dict(zip(kind.fields, values, strict=True))},
    )
    return made


async def take_back(records: Records, kind: Kind, record: UUID) -> None:
    """An employment or membership was recorded wrongly. Raises Unknown."""
    row = await _taken(records, _store(records), kind, record)
    await records.audit(
        f"{kind.name}.retracted",
        f"{kind.name}:{record}",
        before=dict(zip(kind.fields, row, strict=True)),
    )


def check_role(role: str | None) -> None:
    """Raises Refused for what is no role's name."""
    if role is not None:
        check_slug("role", role)


async def _add(records: Records, kind: Kind, values: Sequence[Any], days: Days) -> UUID:
    made = uuid4()
    row = (*values, days.valid_from, days.valid_to)
    await _store(records).record(kind, {made: row}, records.recorded_ms)
    after = dict(zip(kind.fields, row, strict=True))
    await records.audit(f"{kind.name}.added", f"{kind.name}:{made}", after=after)
    return made


async def _taken(records: Records, store: PeopleStore, kind: Kind, record: UUID) -> list[Any]:
    """The values of a record that is taken back now. Raises Unknown."""
    rows = await store.retract(kind, [record], records.recorded_ms)
    if not rows:
        raise Unknown(f"there is no such {kind.name}, or it was taken back before")
    return [rows[0][field] for field in kind.fields]


def _store(records: Records) -> PeopleStore:
    return PeopleStore(records.store.connection, records.tenant)
