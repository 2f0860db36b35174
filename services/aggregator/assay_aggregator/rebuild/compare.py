"""What the fresh tables say against what stands: facts with facts, decisions made anew.

Nothing is repaired here. While the live tables move on, a difference may be no more than something
in flight: it is a suspect, and is looked at again at equal places in the log.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg

from assay_aggregator.copies import instant
from assay_aggregator.decide import decide, wake_up_ms
from assay_aggregator.evidence import gather
from assay_aggregator.known import Known
from assay_aggregator.rebuild.tables import REBUILD, FreshStore
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import PROJECTION, Key, Person, Row, Store
from assay_runtime.postgres import Connection
from assay_schemas.topics import STATEMENTS

PEOPLE_AT_ONCE: Final = 100


class Why(StrEnum):
    """In what a standing decision differs."""

    OTHER = "from the fresh facts it is another decision"
    NONE = "there is evidence, but no decision"
    SEVERED = "it is not the last one that the history holds"
    WAKE_UP = "it would not be looked at again when it is due"
    FAILED = "it could not be decided"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A decision to be made anew. `kept`: the history holds one."""

    key: Key
    why: Why
    kept: bool = True


async def suspect_facts(connection: Connection) -> None:
    """Note the statements that the live tables hold otherwise."""
    await connection.execute(REBUILD["suspect_facts"], PROJECTION, STATEMENTS)


async def suspects_among(
    connection: Connection, shelf: RuleShelf, people: Sequence[Person]
) -> list[Suspect]:
    """Decide all competencies of the people from the fresh facts, and compare.

    What a mark says is to be decided anew in any case is left out.
    """
    live, fresh = Store(connection), FreshStore(connection)
    now_ms, _ = await live.applied_through()
    books = await shelf.books(live, sorted({tenant for tenant, _ in people}))
    wanted = {person: books[person[0]].competencies(now_ms) for person in people}
    known = await gather(fresh, books, {one: names for one, names in wanted.items() if names})
    rows = await connection.fetch(
        REBUILD["standing_of"],
        [tenant for tenant, _ in people],
        [person for _, person in people],
    )
    standing: Mapping[Key, Row] = {
        (row["tenant"], row["person"], row["competency"]): row for row in rows
    }
    found: list[Suspect] = []
    for person, competencies in wanted.items():
        for competency in competencies:
            key = (*person, competency)
            row = standing.get(key)
            if row is not None and row["marked"]:
                continue
            why = _why(key, books[person[0]], known[person], row, now_ms)
            if why is not None:
                found.append(Suspect(key, why, row is not None and row["kept"]))
        await asyncio.sleep(0)
    return found


def _why(key: Key, book: RuleBook, known: Known, row: Row | None, now_ms: int) -> Why | None:
    """In what the standing decision differs; None when in nothing."""
    try:
        outcome = decide(known, book, key[2], instant(now_ms), now_ms)
        due_ms = wake_up_ms(known, book, key[2], outcome, now_ms)
    except Exception:  # noqa: BLE001 - the evaluator will meet it again, and keep what it was
        return Why.FAILED
    if row is None:
        seen = outcome is not None and (outcome.seen.known or outcome.standing.evidence)
        return Why.NONE if seen else None
    if row["severed"]:
        return Why.SEVERED
    if outcome is None:
        return None
    if outcome.hash != row["outcome_hash"]:
        return Why.OTHER
    # One that is due is on its way to become a mark.
    overdue = row["due_ms"] is not None and row["due_ms"] <= now_ms
    return Why.WAKE_UP if row["due_ms"] != due_ms and not overdue else None


async def note(connection: Connection, suspects: Sequence[Suspect]) -> None:
    """Keep suspects until they are looked at again."""
    rows = sorted((*one.key, one.why) for one in suspects)
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    await connection.execute(REBUILD["suspect_decisions"], *columns)


async def noted(connection: Connection) -> dict[Key, Why]:
    rows = await connection.fetch(REBUILD["list_suspect_decisions"])
    return {(row["tenant"], row["person"], row["competency"]): Why(row["why"]) for row in rows}


async def people_after(connection: asyncpg.Connection, last: Person) -> list[Person]:
    """The next page of everybody, in their order."""
    rows = await connection.fetch(REBUILD["people_after"], *last, PEOPLE_AT_ONCE)
    return [(row["tenant"], row["person"]) for row in rows]


def people_of(keys: Sequence[Key]) -> list[list[Person]]:
    """The people of some keys, in pages."""
    people = sorted({(tenant, person) for tenant, person, _ in keys})
    return [people[at : at + PEOPLE_AT_ONCE] for at in range(0, len(people), PEOPLE_AT_ONCE)]


NOBODY: Final[Person] = ("", UUID(int=0))
