"""A decision's explanation as plain text for a person: what counts, what not and why. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Json = Mapping[str, Any]

# The closed reasons of rules.md section 5, in words.
REASONS: Final[Mapping[str, str]] = {
    "id_conflict_quarantined": "another copy of this statement came first",
    "voided": "it was voided",
    "void_not_authorised": "its source may not void that statement",
    "group_actor": "a group did it, and the rule asks for the person",
    "modality_mismatch": "it comes from a source of another kind",
    "launch_mode_not_normal": "it was not a normal launch",
    "before_disqualification": "it is from before a disqualification",
    "previous_cycle": "it belongs to the cycle before",
    "assessor_missing": "no assessor is named",
    "assessor_unverified": "nobody vouches for the assessor",
    "self_assessed": "the person assessed themself",
    "assessor_not_independent": "the assessor has a conflict of interest",
    "assessor_not_authorised": "the assessor was not authorised on that day",
    "outside_window": "it is too old",
    "waiver_not_allowed": "the rule does not accept this waiver",
    "critical_step_missed": "a critical step was missed",
    "profile_contradiction": "it passed below the mastery score of its own course",
    "success_false": "it was failed",
    "score_missing": "it has no score",
    "score_below": "its score is too low",
    "attempt_failed": "another statement of the same attempt failed",
}

ROLES: Final[Mapping[str, str]] = {
    "not_needed": "counts, but was not needed",
    "reset": "counts, but came after what carries the award",
    "progress": "counts towards the next award",
}

_INDENT: Final = "  "


def lines(document: Json) -> Iterator[str]:
    """The lines that explain one decision document (`explain.decision_document`)."""
    yield f"competency  {document['competency']}"
    yield f"person      {document['person']}"
    known_at = document.get("known_at") or "all that is known"
    yield f"as of       {document['as_of']}, known at {known_at}"
    rule = document.get("rule")
    if rule is None:
        yield "rule        no version of the rule is in force on this day"
    else:
        yield f"rule        {rule['id']} version {rule['version']} ({rule['hash'][:12]})"
        if rule.get("superseded_by") is not None:
            yield f"            version {rule['superseded_by']} lets this award stay"
    yield f"status      {_status(document)}"
    if document.get("trigger") is not None:
        yield f"because of  statement {document['trigger']}"
    tree = document.get("explanation")
    if tree is not None:
        yield ""
        yield from _node(tree, 0)
        yield from _beside(document, set(_names(tree)))
    yield from _others(document)
    missing = document.get("missing") or ()
    if missing:
        yield ""
        yield "What is missing:"
        for one in missing:
            yield f"{_INDENT}- {one['text']}"
    if document.get("next_change") is not None:
        yield ""
        yield f"Without anything new this may next change at {document['next_change']}."


def _status(document: Json) -> str:
    text = str(document["status"]).replace("_", " ")
    if document.get("level") is not None:
        text += f", level {document['level']}"
    if document.get("achieved_on") is not None:
        text += f", achieved on {document['achieved_on']}"
    if document.get("expires_on") is not None:
        text += f", valid to the end of {document['expires_on']}"
    return text


def _node(node: Json, depth: int) -> Iterator[str]:
    """A branch with its parts, or a leaf with its statements."""
    space, mark = _INDENT * depth, "[x]" if node.get("satisfied") else "[ ]"
    if "parts" not in node:
        yield from _leaf(node, space, mark)
        return
    need = node["need"]
    words = {
        "all": "all of",
        "any": "any of",
        "at_least": f"at least {need} of",
        "n_of": f"at least {need} of",
        "points": f"at least {need} points of",
        "weakest": "all of, as far as the weakest",
    }
    text = words.get(node["op"], node["op"])
    yield f"{space}{mark} {text}"
    for part in node["parts"]:
        yield from _node(part, depth + 1)


def _leaf(leaf: Json, space: str, mark: str) -> Iterator[str]:
    inner = space + _INDENT * 2
    if "clause" not in leaf:
        held = {**leaf, "level": leaf.get("held_level")}
        yield f"{space}{mark} {leaf['competency']}: {_status(held)}"
        return
    yield f"{space}{mark} {leaf['clause']}: {leaf['have']} of {leaf['need']}"
    for statement in leaf.get("used", ()):
        yield f"{inner}+ {statement} carries the award"
    for one in leaf.get("counted", ()):
        yield f"{inner}+ {one['statement']} {ROLES.get(one['role'], one['role'])}"
    for statement, reason in sorted(leaf.get("excluded", {}).items()):
        yield f"{inner}- {statement} does not count: {REASONS.get(reason, reason)} ({reason})"
    if leaf.get("next_action") and not leaf.get("satisfied"):
        yield f"{inner}> {leaf['next_action']}"


def _names(node: Json) -> Iterator[str]:
    """The clauses that stand in a tree."""
    if "clause" in node:
        yield node["clause"]
    for part in node.get("parts", ()):
        yield from _names(part)


def _beside(document: Json, shown: set[str]) -> Iterator[str]:
    """Clauses that the tree does not ask for: they may serve a level, a renewal, or nothing."""
    states: Json = document.get("clauses") or {}
    for name in sorted(set(states) - shown):
        leaf = {
            **states[name],
            "clause": name,
            "used": document.get("carried_by", {}).get(name, ()),
            "counted": [one for one in document.get("counted", ()) if one["clause"] == name],
            "excluded": {
                one["statement"]: one["reason"]
                for one in document.get("excluded", ())
                if one["clause"] == name
            },
        }
        lines_of_leaf = list(_leaf(leaf, "", "[x]" if leaf.get("satisfied") else "[ ]"))
        yield f"{lines_of_leaf[0]} (not asked for by the tree above)"
        yield from lines_of_leaf[1:]


def _others(document: Json) -> Iterator[str]:
    """What stands beside the tree: whatever else the rule looks at."""
    levels = document.get("levels") or ()
    yield from _listed("Levels", (_level(one) for one in levels))
    needed = document.get("prerequisites") or ()
    yield from _listed("Prerequisites", (_prerequisite(one) for one in needed))
    overrides = document.get("overrides") or ()
    yield from _listed("Overrides", (_override(one) for one in overrides))
    reviews = document.get("reviews") or ()
    yield from _listed(
        "Open reviews",
        (f"{one['review']} since {one['opened']}: {one['reason']}" for one in reviews),
    )
    by_evidence = document.get("by_evidence")
    if by_evidence is not None:
        yield from _listed("By the evidence alone", [_status(by_evidence)])


def _listed(title: str, found: Iterable[str]) -> Iterator[str]:
    texts = list(found)
    if texts:
        yield ""
        yield f"{title}:"
        for text in texts:
            yield f"{_INDENT}- {text}"


def _level(one: Json) -> str:
    text = f"level {one['level']}: {_status({**one, 'level': None})}"
    lacking = "; ".join(lack["text"] for lack in one.get("missing") or ())
    return f"{text}; missing: {lacking}" if lacking else text


def _prerequisite(one: Json) -> str:
    level = "" if one.get("level") is None else f" at level {one['level']}"
    when = {"award": "when it is awarded", "always": "all the time"}.get(one["at"], one["at"])
    holds = "holds" if one["holds"] else f"does not hold ({one['held']})"
    return f"{one['competency']}{level}, {when}: {holds}"


def _override(one: Json) -> str:
    days = f"{one['from']} to {one['to'] or 'open'}"
    by = " and ".join(one["by"])
    said = f"{one['meaning']} by {by}, {days}, {one['reason']}"
    return said if one["decides"] else f"{said}; it is ignored: {one['ignored']}"
