"""An inspection pack, made and sent while it is made: memory holds some people at a time.

1. Nobody is being decided about while a page of people is read (`hold_people`).
2. What was known of them is read, decided anew, and compared with the decisions on record.
3. Each person becomes three files; the rows of the tables are kept aside.
4. Rules, authority and the audit trail follow, by what the people's records name.
5. The tables, the first page, the sums and the manifest end the pack.

Each page is read in a transaction of its own. That is sound because everything is read as it was
known at one time of the log up to which nothing can be added any more (`answers.consistent_ms`).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from assay_aggregator.audit import AuditFilter, events
from assay_aggregator.decide import decide
from assay_aggregator.evidence import gather
from assay_aggregator.inspection.archive import Archive
from assay_aggregator.inspection.concerns import Concerns
from assay_aggregator.inspection.manifest import (
    MANIFEST,
    SUMS,
    manifest_bytes,
    sums_bytes,
    versions,
)
from assay_aggregator.inspection.pages import (
    index_foot,
    index_head,
    index_line,
    person_file,
    person_page,
    rule_file,
    rules_page,
)
from assay_aggregator.inspection.person import (
    PersonRecord,
    evidence_rows,
    history_rows,
    matrix_rows,
    person_document,
    void_rows,
)
from assay_aggregator.inspection.question import Settled
from assay_aggregator.inspection.replay import as_known, assessor_keys, encode_known, people_of
from assay_aggregator.inspection.rules import pack_book, pack_rules
from assay_aggregator.inspection.store import InspectionStore, Json
from assay_aggregator.inspection.tables import Tables, json_bytes, spool
from assay_aggregator.known import Known
from assay_aggregator.rule import ENGINE_VERSION
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.store import Store

PAGE_PEOPLE: Final = 20
PAGE_EVENTS: Final = 1_000
PAGE_ASSESSORS: Final = 500

Stands = Literal["as_entered", "more_known", "changed"]

_RECORDED: Final = ("from", "to", "recorded", "retracted", "back_dated")
_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "matrix": (
        "person", "competency", "name", "status", "level", "achieved_on", "expires_on", "rule",
        "rule_version", "rule_hash", "engine", "override", "used", "excluded",
        "changed_since_original",
    ),
    "evidence": (
        "person", "statement", "body_sha256", "first_copy", "timestamp", "stored", "lag_seconds",
        "source", "modality", "log_place", "verb", "activity", "success", "score", "assessors",
        "assessor_signed", "voids", "voided_by", "used_for", "counted_for", "excluded",
    ),
    "voids": (
        "person", "void", "target", "body_sha256", "timestamp", "stored", "source", "by_scope",
        "took_effect_for", "reason", "result_extensions",
    ),
    "history": (
        "person", "competency", "ordinal", "decision", "sequence", "as_of", "known_at", "rule_id",
        "rule_version", "rule_hash", "engine_version", "status", "level", "achieved_on",
        "expires_on", "outcome_hash", "decided_at", "changed", "stands",
    ),
    "links": ("person", "link", "agent_key", "automatic", *_RECORDED),
    "authorisations": ("assessor", "authorisation", "scope", *_RECORDED),
    "conflicts": ("person", "assessor", "conflict", *_RECORDED),
    "overrides": (
        "person", "override", "competency", "level", "from", "to", "meaning", "reason", "proposed",
        "proposed_by", "proposed_signature", "approved_by", "approved_signature", "recorded",
        "retracted",
    ),
    "reviews": (
        "person", "review", "competency", "kind", "reason", "opened_by", "opened_signature",
        "recorded", "outcome", "closed_reason", "closed_by", "closed_signature", "retracted",
    ),
    "audit": (
        "event", "at", "recorded", "actor", "action", "subject", "reason", "before", "after",
    ),
}  # fmt: skip


class Reads(Protocol):
    """Where a pack is read from: `web.Api` is one."""

    def reading(self) -> AbstractAsyncContextManager[Store]: ...

    def locking(self) -> AbstractAsyncContextManager[Store]: ...


@dataclass
class Made:
    """What became of a pack: known when its last byte is."""

    counts: dict[str, int] = field(default_factory=dict)
    manifest_sha256: str = ""


@dataclass
class _Pack:
    """A pack that is being made."""

    asked: Settled
    book: RuleBook
    tables: Tables
    archive: Archive
    concerns: Concerns
    people: int = 0
    decisions: int = 0
    assessors: set[UUID] = field(default_factory=set)


async def pack(reads: Reads, book: RuleBook, asked: Settled, made: Made) -> AsyncIterator[bytes]:
    """The bytes of the pack, in order; `made` is filled at the end.

    `book` holds the tenant's rules. Two packs of one question are equal, byte for byte.
    """
    with Tables(_COLUMNS) as tables, ExitStack() as files:
        people = spool(files)
        work = _Pack(
            asked=asked,
            book=pack_book(book, asked.competencies, asked.known_at_ms),
            tables=tables,
            archive=Archive(asked.as_of),
            concerns=Concerns(asked.selection),
        )
        # 1. to 3. The people.
        for start in range(0, len(asked.people), PAGE_PEOPLE):
            for record in await _records(reads, work, asked.people[start : start + PAGE_PEOPLE]):
                if asked.only_with_evidence and not record.has_evidence:
                    continue
                people.write(index_line(record))
                yield _add_person(work, record)
                await asyncio.sleep(0)
        # 4. Rules, authority, the audit trail.
        rules = await _rules(reads, work)
        for rule in rules:
            yield work.archive.add(rule_file(rule), json_bytes(rule))
        yield work.archive.add("rules.html", rules_page(rules, asked))
        await _authority(reads, work)
        await _audit(reads, work)
        # 5. The tables, the first page, the sums, the manifest.
        counts = {"people": work.people, "decisions": work.decisions, "rule versions": len(rules)}
        for table in tables:
            counts[f"{table.name} rows"] = table.rows
            for name, file in table.files():
                for chunk in work.archive.add_file(name, file):
                    yield chunk
                    await asyncio.sleep(0)
        first = spool(files)
        first.write(index_head(asked, counts, versions()))
        people.seek(0)
        first.writelines(people)
        first.write(index_foot())
        for chunk in work.archive.add_file("index.html", first):
            yield chunk
        yield work.archive.add(SUMS, sums_bytes(work.archive.entries))
        manifest = manifest_bytes(
            asked.document(), asked.competencies, counts, work.archive.entries
        )
        yield work.archive.add(MANIFEST, manifest)
        made.counts = counts
        made.manifest_sha256 = hashlib.sha256(manifest).hexdigest()
        yield work.archive.close()


async def _records(reads: Reads, work: _Pack, people: Sequence[UUID]) -> list[PersonRecord]:
    """A page of people, with everything that was known of them."""
    asked, at_ms = work.asked, work.asked.known_at_ms
    async with reads.locking() as store:
        await InspectionStore(store.connection, asked.tenant).hold_people(people)
    async with reads.reading() as store:
        read = InspectionStore(store.connection, asked.tenant)
        ruled = work.book.competencies(at_ms)
        known = await gather(
            store,
            {asked.tenant: work.book},
            {(asked.tenant, person): ruled for person in people},
        )
        history = await read.history(people, asked.competencies, at_ms)
        links = await read.links(people, at_ms)
        employments = await read.employments(people, at_ms)
        overrides = await read.overrides(people, at_ms)
        reviews = await read.reviews(people, at_ms)
        conflicts = await read.conflicts(people, at_ms)
    found = []
    for person in people:
        subject = as_known(
            known[(asked.tenant, person)],
            [one for name in ruled for one in work.book.versions(name)],
            at_ms,
        )
        found.append(
            PersonRecord(
                person=person,
                known=subject,
                decisions=[one async for one in _decisions(work, subject)],
                history=[one async for one in _history(work, subject, _of(person, history))],
                links=_recorded(person, links, asked.zone),
                employments=_recorded(person, employments, asked.zone),
                overrides=[
                    one for one in _of(person, overrides) if one["competency"] in asked.competencies
                ],
                reviews=[
                    one for one in _of(person, reviews) if one["competency"] in asked.competencies
                ],
                conflicts=_recorded(person, conflicts, asked.zone),
            )
        )
    return found


async def _decisions(work: _Pack, known: Known) -> AsyncIterator[Mapping[str, Any]]:
    for competency in work.asked.competencies:
        outcome = decide(known, work.book, competency, work.asked.as_of, work.asked.known_at_ms)
        if outcome is not None:
            yield outcome.document
        # The consumer of this process needs the loop, too.
        await asyncio.sleep(0)


async def _history(work: _Pack, known: Known, rows: Sequence[Json]) -> AsyncIterator[Json]:
    for row in rows:
        yield {**row, "stands": _stands(work, known, row)}
        await asyncio.sleep(0)


def _stands(work: _Pack, known: Known, row: Json) -> Stands | None:
    """An entry against what is decided of the same day from all that was known later.

    An entry that gave nothing yet is not changed by what was on its way; any other is changed when
    its status, level or dates are others now. None where another engine made it.
    """
    if row["engine_version"] != ENGINE_VERSION:
        return None
    as_of = datetime.fromisoformat(row["as_of"])
    outcome = decide(known, work.book, row["competency"], as_of, work.asked.known_at_ms)
    if outcome is None:
        return None
    if outcome.hash.hex() == row["outcome_hash"]:
        return "as_entered"
    now = outcome.standing
    said = (row["status"], row["level"], row["achieved_on"], row["expires_on"])
    found = (now.status, now.level, _day(now.achieved_on), _day(now.expires_on))
    if said == found or row["status"] in ("not_started", "in_progress"):
        return "more_known"
    return "changed"


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _of(person: UUID, rows: Sequence[Json]) -> list[Json]:
    return [row for row in rows if row["person"] == str(person)]


def _recorded(person: UUID, rows: Sequence[Json], zone: ZoneInfo) -> list[Json]:
    return [back_dated(row, zone) for row in _of(person, rows)]


def back_dated(row: Json, zone: ZoneInfo) -> Json:
    """A record with the flag of one that was recorded after the local day from which it holds."""
    recorded, holds_from = row["recorded"], row["from"]
    late = False
    if recorded is not None and holds_from is not None:
        late = datetime.fromisoformat(recorded).astimezone(zone).date().isoformat() > holds_from
    return {**row, "back_dated": late}


def _add_person(work: _Pack, record: PersonRecord) -> bytes:
    asked, tables = work.asked, work.tables
    work.people += 1
    work.decisions += len(record.decisions)
    for row in matrix_rows(record):
        tables["matrix"].add({**row, "name": asked.name(row["competency"])})
    rows: Mapping[str, Iterator[Json] | Sequence[Json]] = {
        "evidence": evidence_rows(record),
        "voids": void_rows(record),
        "history": history_rows(record),
        "links": record.links,
        "conflicts": record.conflicts,
        "overrides": record.overrides,
        "reviews": record.reviews,
    }
    for name, many in rows.items():
        for row in many:
            tables[name].add(row)
    keys = {key for fact in record.known.facts for key in assessor_keys(fact)}
    work.assessors.update(people_of(record.known.links, keys))
    work.concerns.person(record)
    return b"".join(
        (
            work.archive.add(person_file(record), person_page(record, asked)),
            work.archive.add(
                f"people/{record.person}.json",
                json_bytes(person_document(record, asked.document())),
            ),
            work.archive.add(f"recompute/{record.person}.json", encode_known(record.known)),
        )
    )


async def _rules(reads: Reads, work: _Pack) -> list[Json]:
    async with reads.reading() as store:
        read = InspectionStore(store.connection, work.asked.tenant)
        rules = await pack_rules(
            read, work.book.competencies(work.asked.known_at_ms), work.asked.known_at_ms
        )
    work.concerns.rules(rules)
    return rules


async def _authority(reads: Reads, work: _Pack) -> None:
    assessors = sorted(work.assessors)
    for start in range(0, len(assessors), PAGE_ASSESSORS):
        async with reads.reading() as store:
            rows = await InspectionStore(store.connection, work.asked.tenant).authorisations(
                assessors[start : start + PAGE_ASSESSORS], work.asked.known_at_ms
            )
        for row in rows:
            work.tables["authorisations"].add(back_dated(row, work.asked.zone))
        work.concerns.records(row["authorisation"] for row in rows)


async def _audit(reads: Reads, work: _Pack) -> None:
    """The events that concern anything in the pack, in order."""
    wanted = AuditFilter(recorded_ms_max=work.asked.known_at_ms)
    after = 0
    while True:
        async with reads.reading() as store:
            found = await events(store.connection, work.asked.tenant, wanted, after, PAGE_EVENTS)
        for event in found:
            if work.concerns.about(event):
                work.tables["audit"].add(event)
        if len(found) < PAGE_EVENTS:
            return
        after = found[-1]["event"]
