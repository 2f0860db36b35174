"""The rules of a pack: those that decide in it, and those that they look at."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from assay_aggregator.copies import milliseconds_up
from assay_aggregator.dependencies import closure
from assay_aggregator.inspection.store import InspectionStore, Json
from assay_aggregator.rule import parse_rule
from assay_aggregator.rulebook import RuleBook, Version
from assay_aggregator.shelf import retired, version_of

RULE_SCHEMA: Final = "assay.inspection-rule/v1"


def pack_book(book: RuleBook, competencies: Iterable[str], known_at_ms: int) -> RuleBook:
    """The versions known then that decide about the competencies, and all that they look at."""
    known = {
        competency: [
            one if (one.retired_ms or 0) <= known_at_ms else _standing(one)
            for one in book.versions(competency)
            if one.recorded_ms <= known_at_ms
        ]
        for competency in book.competencies(known_at_ms)
    }
    rules = {competency: [one.rule for one in many] for competency, many in known.items()}
    return RuleBook({competency: known[competency] for competency in closure(rules, competencies)})


def _standing(version: Version) -> Version:
    return version_of(version.rule, version.recorded_ms)


async def pack_rules(
    read: InspectionStore, competencies: Sequence[str], known_at_ms: int
) -> list[Json]:
    """Each version as the file of the pack says it, with drafts, approvals, steps and its end."""
    versions = await read.rule_versions(competencies, known_at_ms)
    ids = sorted({one["rule_id"] for one in versions})
    drafts = await read.rule_drafts(ids, known_at_ms)
    approvals = await read.rule_approvals(ids, known_at_ms)
    steps = await read.rule_steps(ids, known_at_ms)
    ends = await read.rule_retirements(ids, known_at_ms)
    return [
        {
            "schema": RULE_SCHEMA,
            "rule": one["rule_id"],
            **{
                name: one[name]
                for name in (
                    "version", "competency", "status", "effective_from", "effective_to", "hash",
                    "recorded", "document",
                )
            },
            "drafts": _of(one, drafts),
            "approvals": _of(one, approvals),
            "steps": _of(one, steps),
            "retirement": next(iter(_of(one, ends)), None),
        }
        for one in versions
    ]  # fmt: skip


def book_of(files: Iterable[Mapping[str, Any]]) -> RuleBook:
    """The book of the rule files of a pack.

    Raises RuleError for a document that is no rule, and ValueError for one whose hash is another.
    """
    by_competency: dict[str, list[Version]] = {}
    for one in files:
        rule = parse_rule(one["document"])
        if rule.hash != one["hash"]:
            raise ValueError(f"the rule {rule.id} version {rule.version} has another content hash")
        version = version_of(rule, _milliseconds(one["recorded"]))
        end = one["retirement"]
        if end is not None:
            last = date.fromisoformat(end["effective_to"]).toordinal()
            version = Version(
                rule,
                version.recorded_ms,
                version.touched,
                version.terms,
                retired(rule, last),
                _milliseconds(end["recorded"]),
            )
        by_competency.setdefault(rule.competency, []).append(version)
    return RuleBook(by_competency)


def _milliseconds(text: str) -> int:
    return milliseconds_up(datetime.fromisoformat(text))


def _of(version: Json, rows: Iterable[Json]) -> list[Json]:
    return [
        {name: value for name, value in row.items() if name not in ("rule_id", "version")}
        for row in rows
        if (row["rule_id"], row["version"]) == (version["rule_id"], version["version"])
    ]
