"""From what was asked to whom and what a pack is about, settled once at its beginning."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from assay_aggregator.answers import consistent_ms
from assay_aggregator.copies import instant, milliseconds_down
from assay_aggregator.errors import Refused, Unknown
from assay_aggregator.inspection.question import Selection, Settled
from assay_aggregator.inspection.store import InspectionStore
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.store import Store


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say of packs: how many people at most, and where a time becomes a day."""

    people_max: int
    zone: ZoneInfo


async def settle(
    store: Store,
    book: RuleBook,
    tenant: str,
    selection: Selection,
    times: tuple[datetime | None, datetime | None],
    limits: Limits,
) -> Settled:
    """`times` are as_of and known_at; None is the latest that can be answered for ever.

    Raises Unknown for a person, organisation, role or competency that is not there, and Refused
    for more people than one pack may be about.
    """
    records = InspectionStore(store.connection, tenant)
    asked_of, asked_known = times
    known_at_ms, capped = await consistent_ms(store), False
    if asked_known is not None:
        asked_ms = milliseconds_down(asked_known)
        known_at_ms, capped = min(asked_ms, known_at_ms), asked_ms > known_at_ms
    as_of = instant(known_at_ms) if asked_of is None else asked_of
    required: Sequence[str] = ()
    if selection.role is not None:
        required = await records.role_requirements(selection.role, known_at_ms)
    competencies = _competencies(selection, required, book.competencies(known_at_ms))
    people, only_with_evidence = await _people(
        store,
        records,
        selection,
        (as_of.astimezone(limits.zone).date(), known_at_ms),
        competencies,
        limits.people_max,
    )
    if selection.role is not None and not people and not required:
        raise Unknown(f"nobody has the role {selection.role}, and it requires nothing")
    if len(people) > limits.people_max:
        raise Refused(
            f"this is about more than {limits.people_max} people: name people, a role, an "
            "organisation or a competency"
        )
    return Settled(
        tenant=tenant,
        selection=selection,
        as_of=as_of,
        known_at_ms=known_at_ms,
        known_at_capped=capped,
        people=tuple(people),
        only_with_evidence=only_with_evidence,
        competencies=competencies,
        names=await records.competency_names(competencies, known_at_ms),
        zone=limits.zone,
    )


def _competencies(
    selection: Selection, required: Sequence[str], ruled: Sequence[str]
) -> tuple[str, ...]:
    for competency in selection.competencies:
        if competency not in ruled:
            raise Unknown(f"no rule is known for the competency {competency}")
    wanted = set(required) or set(ruled)
    if selection.competencies:
        wanted &= set(selection.competencies)
    return tuple(competency for competency in ruled if competency in wanted)


async def _people(
    store: Store,
    records: InspectionStore,
    selection: Selection,
    times: tuple[date, int],
    competencies: Sequence[str],
    people_max: int,
) -> tuple[list[UUID], bool]:
    """(the people in order, whether those without evidence are to be left out).

    `times` are the local day of `as_of`, and `known_at`.
    """
    day, known_at_ms = times
    named = set(selection.people)
    missing = named - await store.known_people(records.tenant, named)
    if missing:
        raise Unknown(f"there is no person {min(missing)}")
    organisations = None
    if selection.organisation is not None:
        organisations = await records.organisations_below(selection.organisation)
        if not organisations:
            raise Unknown(f"there is no organisation {selection.organisation}")
    if selection.role is not None or organisations is not None:
        employed = await records.people_employed(
            known_at_ms,
            day,
            selection.role,
            organisations,
            None if named else people_max + 1,
        )
        return [person for person in employed if not named or person in named], False
    if named:
        return sorted(named), False
    return await records.people_with_evidence(competencies, people_max + 1), True
