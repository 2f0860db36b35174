"""A decision as a JSON document: deterministic, with the explanation as a tree.

The tree mirrors the rule's `requires` (README of the competency reference, section 2.3): each leaf
says what was needed, what is there, what carries the award and why the rest does not count.
"""

from assay_aggregator.dates import format_instant
from assay_aggregator.evaluate import ClauseState, Decision, Missing
from assay_aggregator.rule import Tree

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]


def decision_document(decision: Decision) -> dict[str, Json]:
    """The whole decision: equal decisions give equal documents, member for member."""
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
    }


def explanation(decision: Decision) -> dict[str, Json]:
    """The tree of `requires`, each leaf with what it has, needs, uses and leaves out."""
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
