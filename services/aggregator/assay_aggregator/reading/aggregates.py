"""Counts over many people: readiness, gaps by site, progress of a cohort, what expires when.

Each goes through `suppression` before it leaves: a number that tells of fewer than five people, or
by which such a number could be worked out, is None, with `suppressed` beside it.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from assay_aggregator.errors import Refused
from assay_aggregator.reading.holding import (
    EXPIRING_DAYS,
    NOTHING,
    SINGLE_POINT_OF_FAILURE,
    STATUSES,
    Requirement,
    bucket_of,
    is_ready,
    percent,
)
from assay_aggregator.reading.matrix import Column
from assay_aggregator.reading.reader import Reader
from assay_aggregator.reading.store import Population
from assay_aggregator.reading.suppression import (
    Group,
    hidden_groups,
    hidden_parts,
    is_shown_alone,
    is_small,
    shows_total,
)
from assay_aggregator.store import Row

BUCKETS: Final[tuple[str, ...]] = ("overdue", *EXPIRING_DAYS)
EXPIRING_PAGE: Final = 5_000
# People whom one query counts.
COUNTED_PEOPLE: Final = 2_000
COVERAGE_PEOPLE_MAX: Final = 20


@dataclass(slots=True)
class _Tally:
    """People of a group, in two parts, and a sum over them."""

    yes: int = 0
    no: int = 0
    total: int = 0

    def count(self, *, is_yes: bool, amount: int = 0) -> None:
        self.yes += is_yes
        self.no += not is_yes
        self.total += amount

    def group(self, key: str) -> Group:
        return Group(key, {"yes": self.yes, "no": self.no})


@dataclass(slots=True)
class _Tallies:
    """By key (a role, a competency): of all, and of each organisation."""

    above: dict[str, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    places: dict[str, dict[str, _Tally]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(_Tally))
    )

    def at(self, key: str, organisation: str | None) -> _Tally:
        return self.above[key] if organisation is None else self.places[key][organisation]

    def add(self, rows: Sequence[Row]) -> None:
        """Rows of (key, organisation, people, yes, total), of people who were not counted yet."""
        for row in rows:
            tally = self.at(row["key"], row["organisation"])
            tally.yes += row["yes"]
            tally.no += row["people"] - row["yes"]
            tally.total += row["total"]

    def hidden(self, key: str) -> frozenset[str]:
        """The organisations to hide."""
        groups = [one.group(name) for name, one in self.places[key].items()]
        return hidden_groups(self.above[key].group(""), groups)


# Readiness ---------------------------------------------------------------------------------------


async def readiness(reader: Reader) -> list[dict[str, Any]]:
    """People with all that their role asks for / people assigned to it; by role and organisation.

    Always of the whole tenant: one table is suppressed, and nothing is learnt by asking for parts.
    """
    names = await reader.tables.role_names()
    required = await reader.requirements()
    tallies = _Tallies()
    if reader.moment.is_live:
        async for people in reader.chunks(Population(), COUNTED_PEOPLE):
            tallies.add(await reader.tables.readiness(people))
    else:
        await _count_ready(reader, required, tallies)
    of_role, of_place = tallies.above, tallies.places
    return [
        {
            "role": role,
            "name": name,
            "required": len(required.get(role, ())),
            **_ready_document(of_role[role], _is_hidden_alone(of_role[role])),
            "organisations": [
                {
                    "organisation": place,
                    **_ready_document(of_place[role][place], place in tallies.hidden(role)),
                }
                for place in sorted(of_place[role])
            ],
        }
        for role, name in names.items()
    ]


async def _count_ready(
    reader: Reader, required: Mapping[str, Sequence[Requirement]], tallies: _Tallies
) -> None:
    async for people, assigned, cells in _assigned(reader, required):
        for person in people:
            own = cells.get(person, {})
            places: dict[str, set[str]] = defaultdict(set)
            for row in assigned.get(person, ()):
                if row["role"] in required:
                    places[row["role"]].add(row["organisation"])
            for role, where in places.items():
                ready = is_ready(required[role], own)
                for place in (None, *where):
                    tallies.at(role, place).count(is_yes=ready)


def _is_hidden_alone(tally: _Tally) -> bool:
    return not is_shown_alone(tally.group(""))


def _ready_document(tally: _Tally, hidden: bool) -> dict[str, Any]:
    if hidden:
        return {"people": None, "ready": None, "readiness_percent": None, "suppressed": True}
    people = tally.yes + tally.no
    return {
        "people": people,
        "ready": tally.yes,
        "readiness_percent": percent(tally.yes, people),
        "suppressed": False,
    }


async def _assigned(reader: Reader, required: Mapping[str, Sequence[Requirement]]) -> Any:
    """(people, their assignments, their cells) of everybody, some at a time."""
    async for people in reader.chunks(Population()):
        assigned = await reader.assignments(people)
        employed = sorted(assigned)
        roles = {row["role"] for many in assigned.values() for row in many}
        competencies = sorted({one.competency for role in roles for one in required.get(role, ())})
        yield employed, assigned, await reader.cells(employed, competencies)


# Gaps by competency and site ---------------------------------------------------------------------


async def heat_map(reader: Reader) -> list[dict[str, Any]]:
    """Sum over people of max(0, required - level), by competency and organisation.

    A person of whom several roles ask for one competency counts once, with the highest.
    """
    required = await reader.requirements()
    names = await reader.tables.competency_names(
        {one.competency for many in required.values() for one in many}
    )
    tallies = _Tallies()
    if reader.moment.is_live:
        async for people in reader.chunks(Population(), COUNTED_PEOPLE):
            tallies.add(await reader.tables.gaps_by_organisation(people))
    else:
        await _count_gaps(reader, required, tallies)
    found = []
    for competency in sorted(tallies.above):
        whole, places = tallies.above[competency], tallies.places[competency]
        hidden, row = tallies.hidden(competency), names.get(competency)
        found.append(
            {
                "competency": competency,
                "code": None if row is None else row["code"],
                "name": None if row is None else row["name"],
                **_gap_document(whole, _is_hidden_alone(whole)),
                "organisations": [
                    {"organisation": key, **_gap_document(places[key], key in hidden)}
                    for key in sorted(places)
                ],
            }
        )
    return found


async def _count_gaps(
    reader: Reader, required: Mapping[str, Sequence[Requirement]], tallies: _Tallies
) -> None:
    async for people, assigned, cells in _assigned(reader, required):
        for person in people:
            own = cells.get(person, {})
            gaps: dict[tuple[str | None, str], int] = {}
            for row in assigned.get(person, ()):
                for one in required.get(row["role"], ()):
                    gap = one.gap(own.get(one.competency, NOTHING))
                    for place in (None, row["organisation"]):
                        key = (place, one.competency)
                        gaps[key] = max(gap, gaps.get(key, 0))
            for (place, competency), gap in gaps.items():
                tallies.at(competency, place).count(is_yes=gap > 0, amount=gap)


def _gap_document(tally: _Tally, hidden: bool) -> dict[str, Any]:
    if hidden:
        return {"people": None, "people_with_gap": None, "gap": None, "suppressed": True}
    return {
        "people": tally.yes + tally.no,
        "people_with_gap": tally.yes,
        "gap": tally.total,
        "suppressed": False,
    }


# A cohort ----------------------------------------------------------------------------------------


async def progress(reader: Reader, cohort: Row, columns: Sequence[Column]) -> dict[str, Any]:
    """How far a cohort is, competency by competency, and of the time that it has."""
    competencies = [one.competency for one in columns]
    counts: dict[str, Counter[str]] = {one: Counter() for one in competencies}
    met: Counter[str] = Counter()
    people_count = 0
    async for people in reader.chunks(Population(cohort=cohort["cohort"])):
        people_count += len(people)
        cells = await reader.cells(people, competencies)
        for person in people:
            for column in columns:
                cell = cells.get(person, {}).get(column.competency, NOTHING)
                counts[column.competency][cell.status] += 1
                wanted = column.requirement or Requirement(column.competency, None)
                met[column.competency] += wanted.met_by(cell)
    done, whole = sum(met.values()), people_count * len(columns)
    told = not is_small(people_count) and not is_small(done) and not is_small(whole - done)
    return {
        "cohort": cohort["cohort"],
        "name": cohort["name"],
        "standard": cohort["standard"],
        "starts_on": cohort["starts_on"],
        "ends_on": cohort["ends_on"],
        "people": None if is_small(people_count) else people_count,
        "time_percent": _time_percent(reader, cohort),
        "met_percent": percent(done, whole) if told else None,
        "suppressed": is_small(people_count),
        "competencies": [
            {**one.document(), **_status_document(counts[one.competency], met[one.competency])}
            for one in columns
        ],
    }


def _time_percent(reader: Reader, cohort: Row) -> float | None:
    starts_on, ends_on = cohort["starts_on"], cohort["ends_on"]
    if starts_on is None or ends_on is None:
        return None
    whole = (ends_on - starts_on).days + 1
    return percent(min(max((reader.moment.day - starts_on).days, 0), whole), whole)


def _status_document(counts: Mapping[str, int], met: int) -> dict[str, Any]:
    """One line: people by status. How many meet what is asked is told where nothing is hidden."""
    parts = {status: counts.get(status, 0) for status in STATUSES}
    hidden = hidden_parts(parts)
    people = sum(parts.values())
    is_told = not hidden and not is_small(met) and not is_small(people - met)
    # Those who hold it at another level than is asked for are the difference of two numbers.
    is_told = is_told and not is_small(abs(parts["achieved"] - met))
    return {
        "people": {status: None if status in hidden else parts[status] for status in STATUSES},
        "met": met if is_told else None,
        "suppressed": bool(hidden) or not is_told,
    }


# What expires ------------------------------------------------------------------------------------


async def expiring_counts(reader: Reader) -> list[dict[str, Any]]:
    """Awards that run out in 0-30, 31-60 and 61-90 days, and overdue ones, by competency."""
    if not reader.moment.is_live:
        raise Refused("what expires is told as of now; the matrix shows expiries as of any day")
    day = reader.moment.day
    last = day + timedelta(days=max(EXPIRING_DAYS.values()))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    after = None
    while True:
        rows = await reader.tables.expiring(
            (day.min, last), Population(), None, after, EXPIRING_PAGE
        )
        for row in rows:
            bucket = bucket_of(row["expires_on"], day)
            if bucket is not None:
                counts[row["competency"]][bucket] += 1
        if len(rows) < EXPIRING_PAGE:
            break
        after = (rows[-1]["expires_on"], rows[-1]["person"], rows[-1]["competency"])
    names = await reader.tables.competency_names(counts)
    found = []
    for competency in sorted(counts):
        parts = {bucket: counts[competency].get(bucket, 0) for bucket in BUCKETS}
        hidden, total = hidden_parts(parts), sum(parts.values())
        called = names.get(competency)
        found.append(
            {
                "competency": competency,
                "code": None if called is None else called["code"],
                "name": None if called is None else called["name"],
                "people": {key: None if key in hidden else parts[key] for key in BUCKETS},
                "total": total if shows_total(parts) else None,
                "suppressed": bool(hidden),
            }
        )
    return found


# Coverage ----------------------------------------------------------------------------------------


async def coverage(
    reader: Reader, wanted: Population, columns: Sequence[Column]
) -> list[dict[str, Any]]:
    """Who may do what at a place: people with a current award, and an alert below two.

    No aggregate to publish, but a list of people for whoever may read them: the alert is about one.
    """
    competencies = [one.competency for one in columns]
    current: dict[str, int] = Counter()
    named: dict[str, list[str]] = defaultdict(list)
    async for people in reader.chunks(wanted):
        cells = await reader.cells(people, competencies)
        for person in people:
            for column in columns:
                asked = column.requirement or Requirement(column.competency, None)
                if asked.met_by(cells.get(person, {}).get(column.competency, NOTHING)):
                    current[column.competency] += 1
                    if len(named[column.competency]) < COVERAGE_PEOPLE_MAX:
                        named[column.competency].append(str(person))
    return [
        {
            **one.document(),
            "current": current[one.competency],
            "alert": current[one.competency] < SINGLE_POINT_OF_FAILURE,
            "first_people": named[one.competency],
        }
        for one in columns
    ]
