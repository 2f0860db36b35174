"""A decision as a JSON document: deterministic, with the explanation as a tree.

The tree mirrors the rule's `requires` (README of the competency reference, section 2.3): each leaf
says what was needed, what is there, what carries the award and why the rest does not count.
"""

from collections.abc import Iterator

from assay_aggregator.dates import format_instant
from assay_aggregator.decision import (
    ByEvidence,
    ChildState,
    ClauseState,
    Decision,
    LevelState,
    Missing,
    OverrideState,
    PrerequisiteState,
    ReviewState,
    RollupState,
)
from assay_aggregator.rule import Tree

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


def decision_document(decision: Decision) -> dict[str, Json]:
    """The whole decision: equal decisions give equal documents, member for member.

    `level`, `levels`, `prerequisites`, `rollup`, `overrides`, `reviews` and `by_evidence` are there
    only where the decision has any.
    """
    known_at = decision.known_at
    next_change = decision.next_change
    return {
        "rule": {
            "id": decision.rule_id,
            "version": decision.rule_version,
            "hash": decision.rule_hash,
            "superseded_by": decision.superseded_by,
        },
        "engine": decision.engine,
        "competency": decision.competency,
        "person": decision.person,
        "as_of": format_instant(decision.as_of),
        "known_at": None if known_at is None else format_instant(known_at),
        "status": decision.status,
        "achieved_on": _text(decision.achieved_on),
        "expires_on": _text(decision.expires_on),
        "trigger": decision.trigger,
        "used": list(decision.used),
        "carried_by": {name: list(ids) for name, ids in sorted(decision.carried_by.items())},
        "excluded": [
            {"statement": one.statement, "clause": one.clause, "reason": str(one.reason)}
            for one in decision.excluded
        ],
        "counted": [
            {"statement": one.statement, "clause": one.clause, "role": one.role}
            for one in decision.counted
        ],
        "clauses": {name: _clause(state) for name, state in sorted(decision.clauses.items())},
        "phase": decision.phase,
        "missing": [_missing(one) for one in decision.missing],
        "explanation": explanation(decision),
        "next_change": None if next_change is None else format_instant(next_change),
        **dict(_further(decision)),
    }


def _further(decision: Decision) -> Iterator[tuple[str, Json]]:
    """The members that a rule of evidence alone does not need."""
    if decision.level is not None or decision.levels:
        yield "level", decision.level
    if decision.levels:
        yield "levels", [_level(one) for one in decision.levels]
    if decision.prerequisites:
        yield "prerequisites", [_prerequisite(one) for one in decision.prerequisites]
    if decision.rollup is not None:
        yield "rollup", _rollup(decision.rollup)
    if decision.overrides:
        yield "overrides", [_override(one) for one in decision.overrides]
    if decision.reviews:
        yield "reviews", [_review(one) for one in decision.reviews]
    if decision.by_evidence is not None:
        yield "by_evidence", _by_evidence(decision.by_evidence)


def explanation(decision: Decision) -> dict[str, Json]:
    """The tree of `requires`, each leaf with what it has, needs, uses and leaves out.

    For a roll-up, its children.
    """
    if decision.rollup is not None:
        state = decision.rollup
        return {
            "op": state.method,
            "need": state.need,
            "satisfied": state.satisfied,
            "parts": [_child(one) for one in state.children],
        }
    return _node(decision.requires, decision)


def _node(tree: Tree, decision: Decision) -> dict[str, Json]:
    if isinstance(tree, str):
        return _leaf(tree, decision)
    parts = [_node(part, decision) for part in tree.parts]
    return {
        "op": tree.op,
        "need": tree.need,
        "satisfied": sum(part["satisfied"] is True for part in parts) >= tree.need,
        "parts": list(parts),
    }


def _leaf(name: str, decision: Decision) -> dict[str, Json]:
    state = decision.clauses[name]
    wanted = next((one.text for one in decision.missing if name in one.clauses), None)
    return {
        "clause": name,
        **_clause(state),
        "used": list(decision.carried_by.get(name, ())),
        "excluded": {
            one.statement: str(one.reason) for one in decision.excluded if one.clause == name
        },
        "counted": [
            {"statement": one.statement, "role": one.role}
            for one in decision.counted
            if one.clause == name
        ],
        "next_action": wanted,
    }


def _clause(state: ClauseState) -> dict[str, Json]:
    document: dict[str, Json] = {
        "satisfied": state.satisfied,
        "passes": state.passes,
        "attempts": state.attempts,
        "have": state.have,
        "need": state.need,
    }
    if state.value is not None:
        document["value"] = state.value
    return document


def _missing(one: Missing) -> dict[str, Json]:
    return {"clauses": list(one.clauses), "text": one.text}


def _text(day: object) -> str | None:
    return None if day is None else str(day)


def _level(one: LevelState) -> dict[str, Json]:
    return {
        "level": one.level,
        "status": one.status,
        "achieved_on": _text(one.achieved_on),
        "expires_on": _text(one.expires_on),
        "trigger": one.trigger,
        "used": list(one.used),
        "missing": [_missing(lack) for lack in one.missing],
    }


def _prerequisite(one: PrerequisiteState) -> dict[str, Json]:
    return {
        "competency": one.competency,
        "level": one.level,
        "at": one.at,
        "holds": one.holds,
        "held": one.held,
        "held_level": one.held_level,
    }


def _rollup(one: RollupState) -> dict[str, Json]:
    return {
        "method": one.method,
        "satisfied": one.satisfied,
        "have": one.have,
        "need": one.need,
        "children": [_child(child) for child in one.children],
    }


def _child(one: ChildState) -> dict[str, Json]:
    return {
        "competency": one.competency,
        "level": one.level,
        "points": one.points,
        "required": one.required,
        "satisfied": one.holds,
        "carries": one.carries,
        "status": one.status,
        "held_level": one.held_level,
        "achieved_on": _text(one.achieved_on),
        "expires_on": _text(one.expires_on),
    }


def _override(one: OverrideState) -> dict[str, Json]:
    return {
        "override": one.id,
        "decides": one.ignored is None,
        "ignored": one.ignored,
        "level": one.level,
        "from": _text(one.starts),
        "to": _text(one.ends),
        "by": list(one.by),
        "meaning": one.meaning,
        "reason": one.reason,
    }


def _review(one: ReviewState) -> dict[str, Json]:
    return {"review": one.id, "opened": format_instant(one.opened), "reason": one.reason}


def _by_evidence(one: ByEvidence) -> dict[str, Json]:
    return {
        "status": one.status,
        "level": one.level,
        "achieved_on": _text(one.achieved_on),
        "expires_on": _text(one.expires_on),
        "trigger": one.trigger,
        "used": list(one.used),
    }
