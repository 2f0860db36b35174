"""Rules: `assay.rule/v1` documents, what they mean, and which version decides.

The parts: `rule_document` (form), `rule_parse` (reading), `rule_model` (what is evaluated).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from assay_aggregator.dates import local_ordinal
from assay_aggregator.rule_errors import Problem, RuleError
from assay_aggregator.rule_model import (
    Assessor,
    Attempts,
    Branch,
    Child,
    Clause,
    Clauses,
    Level,
    Match,
    OverridePolicy,
    Prerequisite,
    Rollup,
    Rule,
    Tree,
)
from assay_aggregator.rule_parse import parse_rule, rule_hash

__all__ = [
    "ENGINE_VERSION",
    "Assessor",
    "Attempts",
    "Branch",
    "Child",
    "Clause",
    "Clauses",
    "Level",
    "Match",
    "OverridePolicy",
    "Prerequisite",
    "Problem",
    "Rollup",
    "Rule",
    "RuleError",
    "Tree",
    "parse_rule",
    "rule_hash",
    "select_rule",
]

ENGINE_VERSION: Final = "assay-engine/1"


def select_rule(versions: Sequence[Rule], as_of: datetime) -> Rule | None:
    """The version that decides at `as_of`: effective or retired since, and in its dates.

    Dates are local ones, half-open. Of several, the one that came into effect last, then the
    highest version.
    """
    found: Rule | None = None
    for rule in versions:
        if rule.status not in ("effective", "retired"):
            continue
        today = local_ordinal(as_of, rule.zone)
        if today < rule.effective_from:
            continue
        if rule.effective_to is not None and today >= rule.effective_to:
            continue
        if found is None or (rule.effective_from, rule.version) > (
            found.effective_from,
            found.version,
        ):
            found = rule
    return found
