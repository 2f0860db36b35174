"""A full recomputation of decisions from whole tables, with every fact of the tenant.

No index of terms, no marks, no earlier decision has a say in it: what the product decides bit by
bit is compared with this.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg

from aggregator_service_driver import TENANT
from assay_aggregator.copies import instant
from assay_aggregator.decide import canonical
from assay_aggregator.explain import decision_document
from assay_aggregator.fact import decode_fact
from assay_aggregator.known import Authority, Interest, Known
from assay_aggregator.people import Link, Recorded
from assay_aggregator.rule import Rule
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.standings import with_standings
from assay_aggregator.store import Store
from assay_aggregator.versions import decide as decide_by_versions
from assay_aggregator.world import Override, Review, World
from assay_runtime.postgres import Connection


@dataclass(frozen=True)
class Everything:
    """All that the tables hold of the tenant, and the rules."""

    known: Known
    grants: list[asyncpg.Record]
    inquiries: list[asyncpg.Record]
    rules: list[tuple[Rule, int]]
    people: list[UUID]


async def everything(connection: Connection) -> Everything:
    """Read whole tables: the tenant is small."""
    facts = await connection.fetch(
        "select fact from aggregator.statement_fact union all "
        "select fact from aggregator.fact_conflict"
    )
    links = await connection.fetch("select * from aggregator.identity_link")
    authorities = await connection.fetch("select * from aggregator.assessor_authorisation")
    interests = await connection.fetch("select * from aggregator.assessor_conflict")
    store = Store(connection)
    book = (await RuleShelf().books(store, [TENANT]))[TENANT]
    return Everything(
        known=Known(
            person=UUID(int=0),
            facts=tuple(decode_fact(row["fact"]) for row in facts),
            links=tuple(
                Link(row["agent_key"], row["person"], row["automatic"], _period(row))
                for row in links
            ),
            authorities=tuple(
                Authority(row["assessor"], row["scope"], _period(row)) for row in authorities
            ),
            interests=tuple(
                Interest(row["assessor"], row["person"], _period(row)) for row in interests
            ),
        ),
        grants=await connection.fetch("select * from aggregator.override"),
        inquiries=await connection.fetch("select * from aggregator.review"),
        rules=[
            (version.rule, version.recorded_ms)
            for competency in book.competencies(2**62)
            for version in book.versions(competency)
        ],
        people=[row["person"] for row in await connection.fetch("select * from aggregator.person")],
    )


def _period(row: asyncpg.Record) -> Recorded:
    return Recorded(row["valid_from"], row["valid_to"], row["recorded_ms"], row["retracted_ms"])


def _ordinal(day_: date) -> int:
    return day_.toordinal()


def recomputed(
    all_: Everything, person: UUID, competency: str, as_of_ms: int, known_at_ms: int
) -> Mapping[str, Any] | None:
    """The document of a decision without what moves with the question; None without a rule."""
    known = all_.known.world([], known_at_ms)
    rules: dict[str, list[Rule]] = {}
    for one, recorded_ms in all_.rules:
        if recorded_ms <= known_at_ms:
            rules.setdefault(one.competency, []).append(one)
    world = World(
        facts=all_.known.facts,
        links=known.links,
        authorisations=known.authorisations,
        conflicts=known.conflicts,
        overrides=[
            Override(
                str(row["override"]), str(row["person"]), row["competency"],
                _ordinal(row["valid_from"]), _ordinal(row["valid_to"]), row["level"],
                tuple(sorted((row["proposed_by"], row["approved_by"]))), row["meaning"],
                row["reason"],
            )
            for row in all_.grants
            if row["recorded_ms"] <= known_at_ms
            and (row["retracted_ms"] is None or row["retracted_ms"] > known_at_ms)
        ],
        reviews=[
            Review(
                str(row["review"]), str(row["person"]), row["competency"],
                instant(row["recorded_ms"]),
                None if row["retracted_ms"] is None else instant(row["retracted_ms"]),
                row["kind"],
            )
            for row in all_.inquiries
        ],
    )  # fmt: skip
    as_of, known_at = instant(as_of_ms), instant(known_at_ms)
    versions = rules.get(competency)
    if not versions:
        return None
    world = with_standings(rules, [competency], world, str(person), as_of, known_at)
    decision = decide_by_versions(versions, world, str(person), as_of, known_at)
    if decision is None:
        return {"status": "not_started", "rule": None}
    return plain(decision_document(decision))


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document without what moves with the question."""
    return {
        key: value
        for key, value in document.items()
        if key not in ("as_of", "known_at", "next_change")
    }


def digest(document: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(canonical(document)).digest()
