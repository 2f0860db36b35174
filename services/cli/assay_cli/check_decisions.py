"""Laws 2 to 6 for decisions and events: decided again from the facts, and compared."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import ValidationError

from assay_aggregator.clause import Reason
from assay_aggregator.copies import instant
from assay_aggregator.decide import Outcome, canonical, decide
from assay_aggregator.evidence import gather
from assay_aggregator.known import Known
from assay_aggregator.prepare import matches, prepare
from assay_aggregator.rule import Rule
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.store import Key, Person, Store
from assay_cli.check_report import LawReport, Report
from assay_cli.check_source import Chunk, Database, Log
from assay_schemas.events import CompetencyEvent, PersonEvent, competencies_record
from assay_schemas.topics import COMPETENCIES

PEOPLE_AT_ONCE = 100
PEOPLE_SAMPLE = 500
REASONS = frozenset(str(reason) for reason in Reason)
_NOBODY = UUID(int=0)


async def check_decisions(report: Report, database: Database, seed: str | None) -> None:
    """Decide again for all people, or for some drawn by `seed`."""
    shelf = RuleShelf()
    async for people in _people(database, seed):
        # One moment for marks, facts and decisions: what is not marked must be decided right.
        async with database.connection.transaction(isolation="repeatable_read", readonly=True):
            await _check_people(report, database, shelf, people)
    if seed is not None:
        for law in (3, 4, 6):
            report.laws[law].not_looked_at.append("people who were not drawn (--all takes all)")


async def _people(database: Database, seed: str | None) -> AsyncIterator[list[Person]]:
    if seed is not None:
        rows = await database.rows("people_sample", seed, PEOPLE_SAMPLE)
        people = sorted((row["tenant"], row["person"]) for row in rows)
        for at in range(0, len(people), PEOPLE_AT_ONCE):
            yield people[at : at + PEOPLE_AT_ONCE]
        return
    last: Person = ("", _NOBODY)
    while rows := await database.rows("people_page", *last, PEOPLE_AT_ONCE):
        people = [(row["tenant"], row["person"]) for row in rows]
        yield people
        last = people[-1]


async def _check_people(
    report: Report, database: Database, shelf: RuleShelf, people: Sequence[Person]
) -> None:
    store = Store(database.connection)
    now_ms, _ = await store.applied_through()
    books = await shelf.books(store, sorted({tenant for tenant, _ in people}))
    wanted = {person: books[person[0]].competencies(now_ms) for person in people}
    known = await gather(store, books, {one: names for one, names in wanted.items() if names})
    tenants, ids = [tenant for tenant, _ in people], [person for _, person in people]
    rows = {_key(row): row for row in await database.rows("decisions_of", tenants, ids)}
    waiting = {_key(row) for row in await database.rows("waiting_of", tenants, ids, now_ms)}
    for person, competencies in wanted.items():
        for competency in competencies:
            key = (*person, competency)
            _check_one(report, key, books[person[0]], known[person], rows.get(key), now_ms, waiting)


def _key(row: asyncpg.Record) -> Key:
    return row["tenant"], row["person"], row["competency"]


def _check_one(
    report: Report,
    key: Key,
    book: RuleBook,
    known: Known,
    row: asyncpg.Record | None,
    now_ms: int,
    waiting: set[Key],
) -> None:
    order, tables, explained = report.laws[3], report.laws[4], report.laws[6]
    if key in waiting:
        order.count("decisions waiting to be made anew", 1)
        return
    place = f"{key[1]} {key[2]}"
    now = decide(known, book, key[2], instant(now_ms), now_ms)
    if row is None:
        if now is not None and (now.seen.known or now.standing.evidence):
            order.differ("there is evidence, but no decision", [place])
        return
    order.count("decisions made anew", 1)
    tables.count("decisions made anew as of their own time", 1)
    if now is None or now.hash != row["outcome_hash"]:
        order.differ("decided now from all facts, it is another decision", [place])
    as_of = instant(row["as_of_ms"])
    then = decide(known, book, key[2], as_of, row["known_at_ms"])
    if then is None or then.hash != row["outcome_hash"]:
        tables.differ("decided as of its own time, it is another decision", [place])
    elif canonical(orjson.loads(row["document"])) != canonical(then.document):
        tables.differ("decided as of its own time, it is explained otherwise", [place])
    if row["kept_hash"] != row["outcome_hash"] or not row["is_last_kept"]:
        tables.differ("the standing decision is not the last one kept", [place])
    _check_explained(explained, place, row, known, book, then)


def _check_explained(
    law: LawReport,
    place: str,
    row: asyncpg.Record,
    known: Known,
    book: RuleBook,
    then: Outcome | None,
) -> None:
    """Law 6: what decided, of which version, and one word for each statement that matches."""
    law.count("explanations", 1)
    document: Mapping[str, Any] = orjson.loads(row["document"])
    if row["rule_id"] is not None and row["rule_hash"] != row["recorded_hash"]:
        law.differ("names a rule version that is not recorded so", [place])
    named = document.get("rule")
    if named is not None and (named["id"], named["version"], named["hash"]) != (
        row["rule_id"],
        row["rule_version"],
        row["rule_hash"],
    ):
        law.differ("the document names another rule than the row", [place])
    if not row["engine_version"] or document.get("engine") != row["engine_version"]:
        law.differ("names no engine version", [place])
    excluded = document.get("excluded", [])
    unknown = sorted({one["reason"] for one in excluded} - REASONS)
    law.differ(f"a reason that is not of the list, {place}", unknown)
    if sorted(str(one) for one in row["used"]) != sorted(document["used"]):
        law.differ("the evidence in the row is not that of the document", [place])
    if then is None or then.rule is None:
        return
    # Where people decide otherwise, what carries the award by the evidence stands beside it.
    told = {
        *document["used"],
        *document.get("by_evidence", {}).get("used", []),
        *(one["statement"] for one in excluded),
        *(one["statement"] for one in document.get("counted", [])),
    }
    law.count("matched statements", len(told))
    silent = sorted(_matched(known, book, row, then.rule) - told)
    law.differ(f"a matched statement of which nothing is said, {place}", silent)


def _matched(known: Known, book: RuleBook, row: asyncpg.Record, rule: Rule) -> set[str]:
    """The person's statements, known then and not of the future, that match an initial clause."""
    as_of = instant(row["as_of_ms"])
    known_at = instant(row["known_at_ms"])
    world = known.world(book.deciding(row["competency"], row["known_at_ms"]), row["known_at_ms"])
    prepared = prepare(rule, world, str(known.person), as_of, known_at)
    clauses = rule.initial.evidence.values()
    return {
        one.fact.id
        for one in prepared.evidence
        if one.fact.timestamp <= as_of and any(matches(c.match, one.fact) for c in clauses)
    }


async def check_events(report: Report, database: Database, log: Log) -> None:
    """Law 2 for events: each sequence once, none left out, each with its decision."""
    law = report.laws[2]
    law.differ("the sequence of decisions has a gap", await database.places("sequences_wrong"))
    await database.execute("make_events")
    await database.execute("clear_events")
    begun: dict[int, int] = {}

    async def read_on() -> None:
        bounds = await log.bounds(COMPETENCIES)
        further = {n: (begun.get(n, begin), end) for n, (begin, end) in bounds.items()}
        async for chunk in log.chunks(COMPETENCIES, further):
            events = list(_events(law, chunk))
            await database.execute(
                "note_events",
                [one.tenant for one in events],
                [one.person for one in events],
                [one.competency for one in events],
                [one.sequence for one in events],
                [one.event_id for one in events],
                [one.decision for one in events],
            )
        begun.update({number: end for number, (_, end) in further.items()})

    await read_on()
    if any(begin > 0 for begin, _ in (await log.bounds(COMPETENCIES)).values()):
        law.not_looked_at.append("events that were deleted from the log")
    else:
        law.differ(
            "an event is neither in the log nor in the outbox",
            await database.settled("events_missing", between=read_on),
        )
    law.differ("an event that no decision stands behind", await database.places("events_wrong"))
    law.count("events", (await database.row("count_events"))["count"])


def _events(law: LawReport, chunk: Chunk) -> Iterator[CompetencyEvent]:
    for record in chunk.records:
        try:
            event = competencies_record.validate_json(record.value or b"")
        except ValidationError:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            law.differ("an event is not readable", [place])
            continue
        if not isinstance(event, PersonEvent):
            yield event


async def check_voids(report: Report, database: Database) -> None:
    """Law 5 up to the decision."""
    law = report.laws[5]
    voids = await database.row("count_voids")
    law.count("voids", voids["all"])
    law.count("that count", voids["counting"])
    law.differ("a decision stands on a voided statement", await database.settled("voided_but_used"))
