"""Two people found to be one, and the way back.

A merge takes back every stated record of the person `merged` and records the same of the person
`kept`: links, authorisations, conflicts of interest, employments, memberships. For the days on
which an agent is `merged` by its automatic link, `kept` gets a stated one. Both views are kept:
what was known before the merge stays what it was. Taking a merge back does the reverse with what
still stands, so that what was recorded about `kept` meanwhile stays.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from assay_aggregator.errors import Contradiction, Refused, Unknown
from assay_aggregator.organisation.store import BY_NAME, KINDS, LINK, Kind, PeopleStore
from assay_aggregator.people import uncovered
from assay_aggregator.store import Row
from assay_aggregator.world import Valid
from assay_runtime.instants import instant
from assay_schemas.events import PersonMerged, PersonUnmerged
from assay_schemas.topics import COMPETENCIES

if TYPE_CHECKING:
    from assay_aggregator.admin import Records

_DAY_ONE = date(1970, 1, 1)

Move = tuple[str, UUID, UUID | None]


async def merge(records: "Records", kept: UUID, merged: UUID) -> UUID:
    """`merged` is `kept` from now on. Returns the id of the merge.

    Raises Refused, Unknown, Contradiction (one of them was merged into somebody already).
    """
    if kept == merged:
        raise Refused("`kept` and `merged` are the same person")
    await records.require_people([kept, merged])
    store = PeopleStore(records.store.connection, records.tenant)
    if await store.signed_for(merged, _DAY_ONE + timedelta(milliseconds=records.recorded_ms)):
        raise Contradiction(
            f"person {merged} has an override or an open review, which was signed for that person: "
            "take it back, or close it, first"
        )
    identifier = uuid4()
    # 1. The days that the person has by automatic links, while the stated links still stand.
    around = await records.store.links_around_people([(records.tenant, merged)])
    gaps = _gaps(around, merged)
    # 2. Every stated record moves.
    moves: list[Move] = []
    pair = {"merged": merged, "kept": kept}
    for kind in KINDS:
        moves += await _move(store, kind, await store.standing(kind, merged), pair, records)
    # 3. The automatic ones are covered.
    moves += await _link(store, gaps, kept, records.recorded_ms)
    await store.insert_merge(identifier, kept, merged, records.recorded_ms)
    if moves:
        await store.insert_moves(identifier, moves)
    await records.audit(
        "person.merged",
        f"person:{merged}",
        after={"merge": identifier, "kept": kept, "records": _counted(moves)},
    )
    # 4. The world is told, before it is told what follows.
    await _tell(records, PersonMerged, identifier, pair)
    # 5. Whoever's evidence it was, and whoever they assessed, is decided anew.
    await records.mark_agents(sorted({row["agent"] for row in around}))
    await records.mark_assessed([kept, merged])
    return identifier


async def unmerge(records: "Records", identifier: UUID) -> None:
    """Take a merge back. Raises Unknown, and Contradiction while `kept` itself is merged away."""
    store = PeopleStore(records.store.connection, records.tenant)
    found = await store.find_merge(identifier)
    if found is None or found["retracted_ms"] is not None:
        raise Unknown("there is no such merge, or it was taken back before")
    kept, merged = found["kept"], found["merged"]
    for row in await records.store.merges_of(records.tenant, [kept]):
        raise Contradiction(f"take the merge {row['merge']} back first: it came later")
    moves = await store.moves_of(identifier)
    before = _counted([(move["kind"], move["made"], move["was"]) for move in moves])
    await records.audit(
        "merge.retracted",
        f"person:{merged}",
        before={"merge": identifier, "kept": kept, "records": before},
    )
    # 1. What the merge made, and what took its place since, is taken back as far as it stands.
    agents: set[UUID] = set()
    for name in sorted({move["kind"] for move in moves}):
        kind = BY_NAME[name]
        was = {move["made"]: move["was"] for move in moves if move["kind"] == name}
        taken = await store.retract(kind, was, records.recorded_ms)
        if kind is LINK:
            agents.update(row["agent"] for row in taken)
        # 2. It is recorded again of whom it was about, with the days that it has now.
        origins = await store.rows_of(kind, {one for one in was.values() if one is not None})
        again: dict[UUID, Sequence[Any]] = {}
        successors: dict[UUID, UUID] = {}
        for row in taken:
            origin = origins.get(was[row["id"]])
            if origin is not None:
                one = uuid4()
                people = {field: origin[field] for field in kind.people}
                again[one] = [people.get(field, row[field]) for field in kind.fields]
                successors[origin["id"]] = one
        await store.record(kind, again, records.recorded_ms)
        await store.succeed_moves(kind, successors)
        if successors:
            # So that a record can be followed to when it was first recorded.
            await store.insert_moves(
                identifier, [(kind.name, one, origin) for origin, one in successors.items()]
            )
    await store.retract_merge(identifier, records.recorded_ms)
    # 3. The world is told.
    await _tell(records, PersonUnmerged, identifier, {"merged": merged, "kept": kept})
    # 4. Both are decided anew, and whoever they assessed.
    await records.mark_agents(sorted(agents))
    await records.mark_assessed([kept, merged])


async def _tell(
    records: "Records",
    kind: type[PersonMerged] | type[PersonUnmerged],
    merge: UUID,
    pair: Mapping[str, UUID],
) -> None:
    """Into the outbox, under the key of whom it happened to."""
    sequence = _SEQUENCES[kind]
    told = kind(
        event_id=_event_id(records.tenant, merge, sequence),
        tenant=records.tenant,
        merge=merge,
        person=pair["merged"],
        kept=pair["kept"],
        sequence=sequence,
        at=instant(records.recorded_ms),
    )
    key = f"{records.tenant}:{told.person}".encode()
    await records.store.insert_outbox(COMPETENCIES, [(key, told.model_dump_json().encode())])


# A merge is taken back once, and then it is over.
_SEQUENCES: Final[Mapping[type[PersonMerged] | type[PersonUnmerged], int]] = {
    PersonMerged: 1,
    PersonUnmerged: 2,
}


def _event_id(tenant: str, merge: UUID, sequence: int) -> UUID:
    """An id that is the same whenever it is asked for, shaped as a version 4 UUID."""
    text = "\n".join(("person", tenant, str(merge), str(sequence)))
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16], version=4)


async def cover_gaps(records: "Records", agent: UUID) -> None:
    """After a link was taken back: days that are a merged person's again are the kept one's."""
    store = PeopleStore(records.store.connection, records.tenant)
    rows = await records.store.links_around_agents([(records.tenant, agent)])
    automatic = [row["person"] for row in rows if row["automatic"]]
    for found in await records.store.merges_of(records.tenant, automatic):
        kept, step = found["kept"], found["merge"]
        moves = await _link(store, _gaps(rows, found["merged"]), kept, records.recorded_ms)
        # The kept person may have been merged on: each merge can be taken back by itself.
        while moves:
            await store.insert_moves(step, moves)
            further = await records.store.merges_of(records.tenant, [kept])
            if not further:
                break
            step = further[0]["merge"]
            pair = {"merged": kept, "kept": further[0]["kept"]}
            moves = await _move(store, LINK, [made for _, made, _ in moves], pair, records)
            kept = pair["kept"]


async def require_no_gap(records: "Records", link: UUID) -> None:
    """Raises Contradiction for a link that a merge put in the place of an automatic one."""
    store = PeopleStore(records.store.connection, records.tenant)
    found = await store.merge_of_gap(link)
    if found is not None:
        raise Contradiction(f"the link is part of the merge {found}: take that back")


async def _move(
    store: PeopleStore,
    kind: Kind,
    ids: Iterable[UUID],
    pair: Mapping[str, UUID],
    records: "Records",
) -> list[Move]:
    """Take records of `pair["merged"]` back and record the same of `pair["kept"]`."""
    taken = await store.retract(kind, ids, records.recorded_ms)
    made = {uuid4(): row for row in taken}
    values = {one: _values(kind, row, {pair["merged"]: pair["kept"]}) for one, row in made.items()}
    await store.record(kind, values, records.recorded_ms)
    return [(kind.name, one, row["id"]) for one, row in made.items()]


async def _link(
    store: PeopleStore, gaps: Iterable[tuple[UUID, str, Valid]], person: UUID, at_ms: int
) -> list[Move]:
    """Stated links to a person over gaps; each as a move that was no record before."""
    rows = {
        uuid4(): (agent, key, person, _day(gap.valid_from), _day(gap.valid_to))
        for agent, key, gap in gaps
    }
    await store.record(LINK, rows, at_ms)
    return [(LINK.name, link, None) for link in rows]


def _gaps(links: Iterable[Row], person: UUID) -> list[tuple[UUID, str, Valid]]:
    """(agent, key, days) for the days on which agents are a person by automatic links."""
    by_agent: dict[UUID, list[Row]] = {}
    for row in links:
        if row["retracted_ms"] is None:
            by_agent.setdefault(row["agent"], []).append(row)
    found: list[tuple[UUID, str, Valid]] = []
    for agent, rows in sorted(by_agent.items()):
        stated = [
            Valid(_ordinal(row["valid_from"]), _ordinal(row["valid_to"]))
            for row in rows
            if not row["automatic"]
        ]
        for row in rows:
            if row["automatic"] and row["person"] == person:
                found += [(agent, row["agent_key"], gap) for gap in uncovered(stated)]
    return found


def _values(kind: Kind, row: Row, people: Mapping[UUID, UUID]) -> list[Any]:
    """The fields of a record, with one person in the place of another."""
    return [
        people.get(row[field], row[field]) if field in kind.people else row[field]
        for field in kind.fields
    ]


def _counted(moves: Iterable[Move]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for kind, _, _ in moves:
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _day(ordinal: int | None) -> date | None:
    return None if ordinal is None else date.fromordinal(ordinal)


def _ordinal(day: date | None) -> int | None:
    return None if day is None else day.toordinal()
