"""Reading over many people: who they are, what is asked of them, what they hold.

As of now, cells are the decisions that stand (`decision_current`). For any other question each cell
is what `answers.answer` says of that person: decided anew from the records. Where only `as_of` is
later than the log, the decisions that stand hold until their next wake-up, so only those are
decided anew whose wake-up is due by then, or that wait to be decided.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from assay_aggregator.answers import consistent_ms
from assay_aggregator.copies import instant, milliseconds_down
from assay_aggregator.dates import day_end, format_instant, local_ordinal
from assay_aggregator.decide import decide
from assay_aggregator.errors import Refused, Unknown
from assay_aggregator.evidence import gather
from assay_aggregator.known import Known
from assay_aggregator.reading.holding import Cell, Requirement
from assay_aggregator.reading.store import Population, ReadingStore
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Row, Store

# People of one query: each brings a row for every competency asked about.
CHUNK_PEOPLE: Final = 200

_EVER_MS: Final = 2**62

Cells = Mapping[UUID, Mapping[str, Cell]]


@dataclass(frozen=True, slots=True)
class Moment:
    """When a question is about. `known_ms` is None where records are taken as they stand now.

    `day` is the local date of `as_of`, on which people are assigned.
    """

    as_of: datetime
    known_at_ms: int
    capped: bool
    is_live: bool
    known_ms: int | None
    day: date

    def document(self) -> dict[str, object]:
        """The members of an answer that say when it is about, as `answers.answer` says it."""
        return {
            "as_of": format_instant(self.as_of),
            "known_at": format_instant(instant(self.known_at_ms)),
            "known_at_capped": self.capped,
        }


async def moment_of(
    store: Store, zone: ZoneInfo, as_of: str | None, known_at: str | None
) -> Moment:
    """What is asked for by two parameters. Raises Refused.

    `as_of` is an RFC 3339 time, or a date: then the end of that local day. None is now, which is
    the greatest time of the log applied; `known_at` is capped as everywhere.
    """
    greatest_ms, _ = await store.applied_through()
    moment = instant(greatest_ms) if as_of is None else _moment(as_of, zone)
    known_at_ms, capped = greatest_ms, False
    if known_at is not None:
        asked_ms, cap_ms = (
            milliseconds_down(_time("known_at", known_at)),
            await consistent_ms(store),
        )
        known_at_ms, capped = min(asked_ms, cap_ms), asked_ms > cap_ms
    return Moment(
        as_of=moment,
        known_at_ms=known_at_ms,
        capped=capped,
        is_live=as_of is None and known_at is None,
        known_ms=None if known_at is None else known_at_ms,
        day=date.fromordinal(local_ordinal(moment, zone)),
    )


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return _time("as_of", text)
    if not 1 < day.year < 9999:
        raise Refused("`as_of` is outside of the calendar")
    return day_end(day.toordinal(), zone)


def _time(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not 1 < moment.year < 9999:
        either = " or a date" if name == "as_of" else ""
        raise Refused(f"`{name}` is an RFC 3339 time with its offset from UTC{either}")
    return moment.astimezone(UTC)


class Reader:
    """Reads for one tenant and one moment, from one snapshot.

    `recomputed_cells_max` bounds what is decided anew for one request.
    """

    def __init__(
        self,
        store: Store,
        book: RuleBook,
        tenant: str,
        moment: Moment,
        recomputed_cells_max: int,
    ) -> None:
        self._store = store
        self._left = recomputed_cells_max
        self._recomputed_cells_max = recomputed_cells_max
        self.book = book
        self.tenant = tenant
        self.moment = moment
        self.tables = ReadingStore(store.connection, tenant, moment.known_ms, moment.day)

    @classmethod
    async def open(
        cls,
        store: Store,
        shelf: RuleShelf,
        tenant: str,
        moment: Moment,
        recomputed_cells_max: int,
    ) -> "Reader":
        """With the rules of the tenant as the snapshot of `store` holds them."""
        book = (await shelf.books(store, [tenant]))[tenant]
        return cls(store, book, tenant, moment, recomputed_cells_max)

    # Whom it is about

    async def population(
        self, role: str | None, organisation: str | None, cohort: str | None
    ) -> Population:
        """The people of these names; an organisation stands for all below it. Raises Unknown."""
        organisations = None
        if organisation is not None:
            organisations = await self.tables.organisations_below(organisation)
            if not organisations:
                raise Unknown("there is no such organisation")
        if role is not None and not await self.tables.role_names([role]):
            raise Unknown("there is no such role")
        if cohort is not None and await self.tables.cohort(cohort) is None:
            raise Unknown("there is no such cohort")
        return Population(role, organisations, cohort)

    async def knows(self, person: UUID) -> bool:
        """Whether there is such a person."""
        return await self._store.person_exists(self.tenant, person)

    async def chunks(
        self, wanted: Population, size: int = CHUNK_PEOPLE
    ) -> AsyncIterator[list[UUID]]:
        """Everybody of a population, some at a time, in the order of their ids."""
        after: UUID | None = None
        while True:
            people = await self.tables.people(wanted, after, size)
            if people:
                yield people
            if len(people) < size:
                return
            after = people[-1]

    async def assignments(self, people: Collection[UUID]) -> dict[UUID, list[Row]]:
        """The employments with a role of each person on the day."""
        found: dict[UUID, list[Row]] = defaultdict(list)
        for row in await self.tables.assignments_of(people):
            found[row["person"]].append(row)
        return found

    # What is asked of them

    async def requirements(
        self, roles: Sequence[str] | None = None
    ) -> dict[str, tuple[Requirement, ...]]:
        """What each role asks for, by its short name; roles that ask for nothing are missing."""
        found: dict[str, list[Requirement]] = defaultdict(list)
        for row in await self.tables.requirements(roles):
            found[row["role"]].append(Requirement(row["competency"], row["level"]))
        return {role: tuple(many) for role, many in found.items()}

    def competencies(self) -> tuple[str, ...]:
        """Those that a rule is known for. What was recorded a moment ago stands, too, as of now."""
        return self.book.competencies(_EVER_MS if self.moment.is_live else self.moment.known_at_ms)

    # What they hold

    async def cells(self, people: Sequence[UUID], competencies: Sequence[str]) -> Cells:
        """The cells of people, by competency; a cell that is missing is of somebody at the start.

        Raises Refused when more would have to be decided anew than one request may.
        """
        if not people or not competencies:
            return {}
        moment = self.moment
        known_now = moment.known_ms is None
        greatest_ms, _ = await self._store.applied_through()
        if not (known_now and moment.as_of >= instant(greatest_ms)):
            return await self._decided_anew(dict.fromkeys(people, competencies))
        found: dict[UUID, dict[str, Cell]] = defaultdict(dict)
        for row in await self.tables.cells(people, competencies):
            found[row["person"]][row["competency"]] = Cell(
                row["status"], row["level"], row["achieved_on"], row["expires_on"]
            )
        if moment.is_live:
            return found
        through_ms = milliseconds_down(moment.as_of)
        stale = await self.tables.wakeups_of(people, competencies, through_ms)
        stale |= await self.tables.marks_of(people, competencies)
        again: dict[UUID, list[str]] = defaultdict(list)
        for person, competency in sorted(stale):
            again[person].append(competency)
        for person, cells in (await self._decided_anew(again)).items():
            found[person].update(cells)
        return found

    async def undecided(self, people: Sequence[UUID], competencies: Sequence[str]) -> int:
        """Of the cells that are shown as they stand now, how many wait to be decided anew."""
        if not self.moment.is_live:
            return 0
        return len(await self.tables.marks_of(people, competencies))

    async def known(self, people: Sequence[UUID], competencies: Sequence[str]) -> dict[UUID, Known]:
        """Everything recorded about people, for these competencies."""
        wanted = {(self.tenant, person): competencies for person in people}
        gathered = await gather(self._store, {self.tenant: self.book}, wanted)
        return {person: known for (_, person), known in gathered.items()}

    async def _decided_anew(
        self, wanted: Mapping[UUID, Sequence[str]]
    ) -> dict[UUID, dict[str, Cell]]:
        found: dict[UUID, dict[str, Cell]] = {}
        people = sorted(wanted)
        for start in range(0, len(people), CHUNK_PEOPLE):
            chunk = people[start : start + CHUNK_PEOPLE]
            self._left -= sum(len(wanted[person]) for person in chunk)
            if self._left < 0:
                raise Refused(
                    "the question is about another time than now, so that each cell is decided "
                    f"anew; one request may ask for {self._recomputed_cells_max} cells: ask for a "
                    "smaller page or fewer competencies"
                )
            asked = {(self.tenant, person): wanted[person] for person in chunk}
            known = await gather(self._store, {self.tenant: self.book}, asked)
            for person in chunk:
                found[person] = self._decide(known[(self.tenant, person)], wanted[person])
                await asyncio.sleep(0)
        return found

    def _decide(self, known: Known, competencies: Sequence[str]) -> dict[str, Cell]:
        moment = self.moment
        cells = {}
        for competency in competencies:
            outcome = decide(known, self.book, competency, moment.as_of, moment.known_at_ms)
            if outcome is not None:
                shown = outcome.standing
                cells[competency] = Cell(
                    shown.status, shown.level, shown.achieved_on, shown.expires_on
                )
        return cells
