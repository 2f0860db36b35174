"""The rule books of a process: parsed once, kept by hash, made anew when the table has changed."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from assay_aggregator.fact import Fact
from assay_aggregator.rule import Rule, parse_rule
from assay_aggregator.rulebook import RuleBook, Version
from assay_aggregator.store import Row, Store
from assay_aggregator.touch import Term, relevant_terms, touches

_Indexed = tuple[Rule, Callable[[Fact], frozenset[str]], frozenset[Term] | None]


class RuleShelf:
    """One book for each tenant."""

    def __init__(self) -> None:
        self._rules: dict[str, _Indexed] = {}
        self._books: dict[str, tuple[tuple[object, ...], RuleBook]] = {}

    async def books(self, store: Store, tenants: Sequence[str]) -> dict[str, RuleBook]:
        """The books of `tenants` as the transaction of `store` sees them."""
        rows: dict[str, list[Row]] = {tenant: [] for tenant in tenants}
        for row in await store.rules_of(tenants):
            rows[row["tenant"]].append(row)
        unknown = {
            row["hash"] for many in rows.values() for row in many if row["hash"] not in self._rules
        }
        if unknown:
            for row in await store.rule_documents(sorted(unknown)):
                rule = parse_rule(orjson.loads(row["document"]))
                self._rules[row["hash"]] = (rule, touches([rule]), relevant_terms(rule))
        return {tenant: self._book(tenant, many) for tenant, many in rows.items()}

    def _book(self, tenant: str, rows: Sequence[Row]) -> RuleBook:
        versions = tuple(
            (row["hash"], row["recorded_ms"], row["retired_on"], row["retired_ms"]) for row in rows
        )
        held = self._books.get(tenant)
        if held is not None and held[0] == versions:
            return held[1]
        by_competency: dict[str, list[Version]] = {}
        for text, recorded_ms, retired_on, retired_ms in versions:
            rule, touched, terms = self._rules[text]
            ended = None if retired_on is None else retired(rule, retired_on.toordinal())
            version = Version(rule, recorded_ms, touched, terms, ended, retired_ms)
            by_competency.setdefault(version.rule.competency, []).append(version)
        book = RuleBook(by_competency)
        self._books[tenant] = (versions, book)
        return book


def retired(rule: Rule, effective_to: int) -> Rule:
    """The rule as it decides once it was retired: no more from `effective_to` on (an ordinal)."""
    if rule.effective_to is not None:
        effective_to = min(effective_to, rule.effective_to)
    return replace(rule, status="retired", effective_to=effective_to)


def version_of(rule: Rule, recorded_ms: int) -> Version:
    """A version as the book holds it, of a rule that need not stand in any table."""
    return Version(rule, recorded_ms, touches([rule]), relevant_terms(rule))
