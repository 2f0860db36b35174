"""What a pack says about one person: rows for its tables, and the person's own file. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from assay_aggregator.dates import format_instant
from assay_aggregator.fact import Fact
from assay_aggregator.inspection.replay import assessor_keys, people_of
from assay_aggregator.inspection.store import Json
from assay_aggregator.known import Known

PERSON_SCHEMA: Final = "assay.inspection-person/v1"

# Of a decision on record: what is compared with the one before it.
_COMPARED: Final = ("status", "level", "achieved_on", "expires_on", "rule_version")


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """Everything known about a person at one time. `decisions` are the documents, made anew."""

    person: UUID
    known: Known
    decisions: Sequence[Mapping[str, Any]]
    history: Sequence[Json]
    links: Sequence[Json]
    employments: Sequence[Json]
    overrides: Sequence[Json]
    reviews: Sequence[Json]
    conflicts: Sequence[Json]

    @property
    def has_evidence(self) -> bool:
        """Whether anything at all is known of the competencies asked for."""
        return bool(self.known.facts or self.history or self.overrides or self.reviews)


def evidence_rows(record: PersonRecord) -> Iterator[Json]:
    """One row for each copy of each statement that a decision could look at."""
    told = _told(record.decisions)
    voids = _voided_by(record.known.facts)
    first: dict[str, Fact] = {}
    for fact in record.known.facts:
        held = first.get(fact.id)
        if held is None or (fact.place, fact.body_hash) < (held.place, held.body_hash):
            first[fact.id] = fact
    for fact in record.known.facts:
        said = told.get(fact.id, {})
        yield {
            "person": str(record.person),
            "statement": fact.id,
            "body_sha256": fact.body_hash,
            "first_copy": first[fact.id] is fact,
            "timestamp": format_instant(fact.timestamp),
            "stored": format_instant(fact.stored),
            # How long after it happened it was on record: the sign of a late or back-dated entry.
            "lag_seconds": int((fact.stored - fact.timestamp).total_seconds()),
            "source": fact.source,
            "modality": fact.modality,
            "log_place": f"{fact.partition}/{fact.offset}/{fact.index}",
            "verb": fact.verb,
            "activity": fact.activity,
            "success": fact.success,
            "score": None if fact.score is None else fact.score.scaled or fact.score.raw,
            "assessors": [str(one) for one in people_of(record.known.links, assessor_keys(fact))],
            "assessor_signed": fact.signed_assessor is not None,
            "voids": fact.voids,
            "voided_by": voids.get(fact.id, []),
            "used_for": said.get("used", []),
            "counted_for": said.get("counted", []),
            "excluded": said.get("excluded", []),
        }


def void_rows(record: PersonRecord) -> Iterator[Json]:
    """One row for each void of a statement of the person, whether it took effect or not."""
    taken_out: dict[str, list[str]] = defaultdict(list)
    for document in record.decisions:
        for one in document.get("excluded", ()):
            competency = document["competency"]
            if one["reason"] == "voided" and competency not in taken_out[one["statement"]]:
                taken_out[one["statement"]].append(competency)
    for fact in record.known.facts:
        if fact.voids is None:
            continue
        yield {
            "person": str(record.person),
            "void": fact.id,
            "target": fact.voids,
            "body_sha256": fact.body_hash,
            "timestamp": format_instant(fact.timestamp),
            "stored": format_instant(fact.stored),
            "source": fact.source,
            "by_scope": fact.may_void,
            "took_effect_for": taken_out.get(fact.voids, []),
            "reason": fact.waived_reason,
            "result_extensions": fact.result_extensions,
        }


def history_rows(record: PersonRecord) -> Iterator[Json]:
    """Each decision on record, with what it changed against the one before.

    `stands` compares it with what is decided of the same day from all that was known at the pack's
    `known_at`: see `pack`.
    """
    before: dict[str, Json] = {}
    for one in record.history:
        previous = before.get(one["competency"])
        before[one["competency"]] = one
        yield {**one, "changed": [] if previous is None else _changed(previous, one)}


def matrix_rows(record: PersonRecord) -> Iterator[Json]:
    """One row for each competency: how the person stands, and whether the record changed."""
    changes = changed_since_original(record)
    for document in record.decisions:
        rule = document["rule"] or {}
        competency = document["competency"]
        yield {
            "person": str(record.person),
            "competency": competency,
            "status": document["status"],
            "level": document.get("level"),
            "achieved_on": document["achieved_on"],
            "expires_on": document["expires_on"],
            "rule": rule.get("id"),
            "rule_version": rule.get("version"),
            "rule_hash": rule.get("hash"),
            "engine": document["engine"],
            "override": next(
                (one["override"] for one in document.get("overrides", ()) if one["decides"]), None
            ),
            "used": len(document["used"]),
            "excluded": len({one["statement"] for one in document.get("excluded", ())}),
            "changed_since_original": changes.get(competency),
        }


def changed_since_original(record: PersonRecord) -> dict[str, bool]:
    """Of each competency with an entry: whether facts known later changed what an entry says.

    Source: EU GMP Annex 11 clause 8.2. An entry that was right of its day, and was followed by
    another as time passed or evidence came, is no change of the record.
    """
    found: dict[str, bool] = {}
    for row in record.history:
        changed = row["stands"] == "changed"
        found[row["competency"]] = found.get(row["competency"], False) or changed
    return found


def person_document(record: PersonRecord, asked: Json) -> Json:
    """The person's file for machines. `decisions` are what `recompute` must give again."""
    return {
        "schema": PERSON_SCHEMA,
        "person": str(record.person),
        "as_of": asked["as_of"],
        "known_at": asked["known_at"],
        "identifiers": list(record.links),
        "employments": list(record.employments),
        "decisions": list(record.decisions),
        "changed_since_original": changed_since_original(record),
        "history": list(history_rows(record)),
        "evidence": list(evidence_rows(record)),
        "voids": list(void_rows(record)),
        "overrides": list(record.overrides),
        "reviews": list(record.reviews),
        "conflicts": list(record.conflicts),
    }


def _changed(before: Json, after: Json) -> list[str]:
    found = [name for name in _COMPARED if before[name] != after[name]]
    if before["outcome_hash"] != after["outcome_hash"] and not found:
        # Neither status nor dates: other evidence, or another explanation of the same.
        found.append("evidence")
    return found


def _told(decisions: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """What the decisions say of each statement."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for document in decisions:
        competency = document["competency"]
        for statement in document["used"]:
            found[statement]["used"].append(competency)
        for one in document.get("counted", ()):
            if competency not in found[one["statement"]]["counted"]:
                found[one["statement"]]["counted"].append(competency)
        for one in document.get("excluded", ()):
            said = f"{competency} {one['clause']} {one['reason']}"
            found[one["statement"]]["excluded"].append(said)
    return found


def _voided_by(facts: Sequence[Fact]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for fact in facts:
        if fact.voids is not None and fact.id not in found[fact.voids]:
            found[fact.voids].append(fact.id)
    return found
