"""What the measures are taken of: attempts, lags and awards of a population, read in chunks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import date
from fractions import Fraction
from uuid import UUID

from assay_aggregator.attempts import book_at
from assay_aggregator.copies import instant
from assay_aggregator.decide import world_of
from assay_aggregator.errors import Refused, Unknown
from assay_aggregator.judge import Question, View, view_of
from assay_aggregator.known import Known
from assay_aggregator.reading.measures import Award, Lag, Tried, awards_of
from assay_aggregator.reading.reader import Reader
from assay_aggregator.reading.store import Population
from assay_aggregator.rule import Rule, select_rule


class Measured:
    """Reads one competency of a population; `people_max` bounds how many people that may be."""

    def __init__(
        self, reader: Reader, population: Population, competency: str, people_max: int
    ) -> None:
        self._reader = reader
        self._population = population
        self._competency = competency
        self._people_max = people_max

    async def tried(self) -> list[Tried]:
        """Every attempt at a clause of the rule in force, also at one out of its window."""
        return [
            one
            async for person, rule, view in self._views()
            for one in attempts_of(person, rule, view)
        ]

    async def lags(self) -> list[Lag]:
        """Of every statement of the people that the rule considers."""
        return [
            Lag(
                person,
                one.fact.source,
                (one.fact.stored - one.fact.timestamp).total_seconds(),
            )
            async for person, _, view in self._views()
            for one in view.prepared.evidence
        ]

    async def awards(self) -> dict[UUID, list[Award]]:
        """The awards of each person, as the decisions known by then told of them."""
        found: dict[UUID, list[Award]] = {}
        known_ms = self._reader.moment.known_at_ms
        async for people in self._people():
            decided: dict[UUID, list[tuple[date | None, date | None]]] = {one: [] for one in people}
            for row in await self._reader.tables.awards(people, self._competency, known_ms):
                decided[row["person"]].append((row["achieved_on"], row["expires_on"]))
            found.update({person: awards_of(rows) for person, rows in decided.items()})
        return found

    async def started(self, role: str) -> dict[UUID, date]:
        """Since when the people are in the role, where that is recorded."""
        found: dict[UUID, date] = {}
        async for people in self._people():
            for person, rows in (await self._reader.assignments(people)).items():
                days = [
                    row["valid_from"]
                    for row in rows
                    if row["role"] == role and row["valid_from"] is not None
                ]
                if days:
                    found[person] = min(days)
        return found

    async def _people(self) -> AsyncIterator[Sequence[UUID]]:
        left = self._people_max
        async for people in self._reader.chunks(self._population):
            left -= len(people)
            if left < 0:
                raise Refused(
                    f"a measure is taken of up to {self._people_max} people: name a role, an "
                    "organisation or a cohort"
                )
            yield people

    async def _views(self) -> AsyncIterator[tuple[UUID, Rule, View]]:
        """What the rule in force sees of each person."""
        moment, book = self._reader.moment, self._reader.book
        versions = [one.rule for one in book.deciding(self._competency, moment.known_at_ms)]
        rule = select_rule(versions, moment.as_of)
        if rule is None:
            raise Unknown("no rule for this competency is in force")
        async for people in self._people():
            known = await self._reader.known(people, [self._competency])
            for person in people:
                yield person, rule, self._view(rule, person, known[person])
                await asyncio.sleep(0)

    def _view(self, rule: Rule, person: UUID, known: Known) -> View:
        moment = self._reader.moment
        world = world_of(
            known, self._reader.book, self._competency, moment.as_of, moment.known_at_ms
        )
        return view_of(
            rule, Question(world, str(person), moment.as_of, instant(moment.known_at_ms))
        )


def attempts_of(person: UUID, rule: Rule, view: View) -> list[Tried]:
    """A person's attempts at the rule's initial clauses, in the order of their times. Pure."""
    found = []
    for name, clause in rule.initial.evidence.items():
        # As on the first day of the calendar: nothing has left its window yet.
        book = book_at(clause, view.initial[name], view.asked.as_of, 0, None)
        for attempt in book.all:
            score = None if attempt.scoring is None else attempt.scoring.score
            found.append(
                Tried(
                    person=person,
                    clause=name,
                    modality=clause.modality,
                    time=attempt.time,
                    passes=attempt.passes,
                    score=None if score is None else Fraction(score),
                    assessors=frozenset(
                        assessor for item in attempt.items for assessor in item.assessors
                    ),
                )
            )
    return found
