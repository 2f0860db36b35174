"""From an `assay.rule/v1` document to the rule that is evaluated (competency/rules.md section 1).

What is not known is refused, and so is what could never happen: a rule is never evaluated with a
part of it left out.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import rfc8785
from pydantic import ValidationError

from assay_aggregator.dates import Period, add
from assay_aggregator.rule_document import (
    AttemptsDocument,
    ClauseDocument,
    MatchDocument,
    OverridesDocument,
    RollupRuleDocument,
    RuleDocument,
    TransitionDocument,
)
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
from assay_aggregator.rule_tree import follows, names_of, read_tree, unknown_clause

NO_CLAUSES: Final = Clauses({}, Branch("all", 0, ()))


def rule_hash(document: Mapping[str, object]) -> str:
    """SHA-256, in hex, of the document's canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()  # type: ignore[arg-type]


def parse_rule(document: Mapping[str, object]) -> Rule:
    """The rule that a parsed JSON (or YAML) document states.

    Raises RuleError, with every problem found: unknown keys, wrong values, names of clauses that
    do not exist, levels that cannot be reached, a rule that looks at its own competency.
    """
    if "rollup" in document:
        return _rollup_rule(document)
    try:
        checked = RuleDocument.model_validate(document)
    except ValidationError as error:
        raise RuleError(list(_problems(error, ""))) from error
    problems: list[Problem] = []
    each_member = checked.group == "each_member"
    initial = {name: _clause(name, c, each_member) for name, c in checked.evidence.items()}
    requires = read_tree(checked.requires, initial, "/requires", problems)
    renewal = _renewal(checked, document, initial, problems)
    later = checked.on_later_fail
    known = renewal.evidence if renewal is not None else initial
    for index, name in enumerate(later.clauses if later is not None else ()):
        if name not in known:
            problems.append(unknown_clause(f"/on_later_fail/clauses/{index}", name))
    for index, one in enumerate(checked.prerequisites or ()):
        if one.competency == checked.competency:
            pointer = f"/prerequisites/{index}/competency"
            problems.append(Problem(pointer, "a competency cannot be its own prerequisite"))
    trees = _level_trees(checked, initial, problems)
    if not checked.levels:
        problems += _without_level(initial, "/evidence")
        problems += _without_level(renewal.evidence if renewal else {}, "/renewal/evidence")
    if problems or requires is None:
        raise RuleError(list(dict.fromkeys(problems)))
    lapse, validity = checked.lapse, checked.validity
    rule = replace(
        _heading(checked, document),
        initial=Clauses(initial, requires),
        renewal=renewal,
        period=Period.parse(validity.period) if validity is not None else None,
        basis=validity.basis if validity is not None else "award",
        lapse_after=Period.parse(lapse.after if lapse is not None else "P0D"),
        disqualify=tuple(_match(entry.match) for entry in checked.disqualify),
        later_fail_clauses=frozenset(later.clauses if later is not None else ()),
        later_fail_status=later.status if later is not None else None,
        prerequisites=tuple(
            Prerequisite(one.competency, one.level, one.at) for one in checked.prerequisites or ()
        ),
    )
    return replace(rule, levels=tuple(_levels(rule, trees)))


_HEADING: Final = ("schema", "id", "version", "status", "effective_from", "effective_to")
_HEADING_TOO: Final = ("competency", "timezone", "basis", "approvals", "transition", "overrides")
_ROLLUP_KEYS: Final = frozenset((*_HEADING, *_HEADING_TOO, "rollup"))


def _rollup_rule(document: Mapping[str, object]) -> Rule:
    others = frozenset(field.alias or name for name, field in RuleDocument.model_fields.items())
    problems = [
        Problem(f"/{key}", "a roll-up rule does not take this key")
        for key in document
        if key in others - _ROLLUP_KEYS
    ]
    rest = {key: value for key, value in document.items() if key not in others - _ROLLUP_KEYS}
    try:
        checked = RollupRuleDocument.model_validate(rest)
    except ValidationError as error:
        raise RuleError([*problems, *_problems(error, "")]) from error
    given = checked.rollup
    for index, one in enumerate(given.children):
        if one.competency == checked.competency:
            pointer = f"/rollup/children/{index}/competency"
            problems.append(Problem(pointer, "a competency cannot be a child of itself"))
    if problems:
        raise RuleError(problems)
    children = tuple(
        Child(one.competency, one.level, one.points or 1, one.required) for one in given.children
    )
    rollup = Rollup(given.method, children, given.need or len(children))
    return replace(_heading(checked, rest), rollup=rollup)


def _heading(checked: RuleDocument | RollupRuleDocument, document: Mapping[str, object]) -> Rule:
    """A rule with what every rule has, and nothing that would give an award."""
    effective_from = date.fromisoformat(checked.effective_from).toordinal()
    effective_to = checked.effective_to
    return Rule(
        id=checked.id,
        version=checked.version,
        hash=rule_hash(document),
        status=checked.status,
        effective_from=effective_from,
        effective_to=None if effective_to is None else date.fromisoformat(effective_to).toordinal(),
        competency=checked.competency,
        zone=ZoneInfo(checked.timezone),
        initial=NO_CLAUSES,
        renewal=None,
        period=None,
        basis="award",
        lapse_after=Period(0, 0),
        disqualify=(),
        later_fail_clauses=frozenset(),
        later_fail_status=None,
        from_version=checked.transition.from_version if checked.transition is not None else None,
        older_awards_end=_older_awards_end(checked.transition, effective_from),
        overrides=_overrides(checked.overrides),
    )


def _older_awards_end(transition: TransitionDocument | None, start: int) -> int | None:
    grace = None if transition is None else transition.grace
    return None if grace is None else add(start, Period.parse(grace))


def _overrides(document: OverridesDocument | None) -> OverridePolicy | None:
    if document is None or not document.allow:
        return None
    return OverridePolicy(
        meanings=frozenset(document.meaning),
        longest=None if document.max is None else Period.parse(document.max),
        two_person=document.two_person,
    )


_PLAIN: Final = {
    "extra_forbidden": "unknown key",
    "missing": "this key is required",
    "string_type": "must be text, a string in quotes",
}


def _problems(error: ValidationError, prefix: str) -> Iterator[Problem]:
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in one["loc"])
        pointer = prefix + "".join(f"/{step}" for step in steps)
        message = _PLAIN.get(one["type"], one["msg"].removeprefix("Value error, "))
        yield Problem(pointer, message)


def _match(document: MatchDocument) -> Match:
    def values(key: str) -> frozenset[str] | None:
        given = getattr(document, key)
        return None if given is None else frozenset(given)

    prefixes = values("activity_prefix")
    return Match(
        verb=values("verb"),
        activity=values("activity"),
        activity_prefix=None if prefixes is None else tuple(sorted(prefixes)),
        activity_type=values("activity_type"),
        grouping=values("grouping"),
        category=values("category"),
        profile=values("profile"),
    )


def _attempts(document: AttemptsDocument) -> Attempts:
    m = document.m or 1
    median = document.policy == "median"
    return Attempts(
        policy=document.policy,
        n=document.n or (m if median else 1),
        m=m,
        spacing=Period.parse(document.spacing) if document.spacing is not None else None,
        gte=Decimal(document.gte or "0"),
        weight=Decimal(document.weight or "1"),
        by_session=document.key == "session",
        needs=frozenset(document.needs),
        raw=median or document.scale == "raw",
        gte_of_level=median and document.gte is None,
    )


def _clause(name: str, document: ClauseDocument, each_member: bool) -> Clause:
    assessor = document.assessor
    critical = document.critical
    return Clause(
        name=name,
        modality=frozenset(document.modality),
        match=_match(document.match),
        score_gte=Decimal(document.score_gte) if document.score_gte is not None else None,
        waivers=frozenset(document.waivers),
        critical=(critical.extension, critical.max) if critical is not None else None,
        assessor=Assessor(
            required=assessor.required,
            not_self=assessor.not_self,
            independent=assessor.independent,
            scope=assessor.scope,
            distinct_gte=assessor.distinct_gte or 0,
        )
        if assessor is not None
        else None,
        attempts=_attempts(document.attempts),
        window=Period.parse(document.window) if document.window is not None else None,
        launch_modes=frozenset(document.launch_modes),
        each_member=each_member if document.group is None else document.group == "each_member",
    )


def _renewal(
    checked: RuleDocument,
    document: Mapping[str, object],
    initial: Mapping[str, Clause],
    problems: list[Problem],
) -> Clauses | None:
    """The clauses in force for a renewal: the initial ones with the renewal's keys laid over.

    A key set to null in the overlay goes back to its default.
    """
    if checked.renewal is None:
        return None
    written = document["evidence"]
    evidence = dict(initial)
    for name, partial in checked.renewal.evidence.items():
        pointer = "/renewal/evidence/" + _step(name)
        if not isinstance(partial, Mapping):
            problems.append(Problem(pointer, "must be a map of clause keys"))
            continue
        base = written.get(name, {}) if isinstance(written, Mapping) else {}
        merged = {key: value for key, value in {**base, **partial}.items() if value is not None}
        try:
            clause = ClauseDocument.model_validate(merged)
        except ValidationError as error:
            problems.extend(_problems(error, pointer))
            continue
        evidence[name] = _clause(name, clause, checked.group == "each_member")
    requires: object = checked.renewal.requires
    if requires is None:
        requires = {"all": list(checked.renewal.evidence)}
    tree = read_tree(requires, evidence, "/renewal/requires", problems)
    return None if tree is None else Clauses(evidence, tree)


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _without_level(evidence: Mapping[str, Clause], pointer: str) -> Iterator[Problem]:
    for name, clause in evidence.items():
        if clause.attempts.gte_of_level:
            reason = "the policy median needs gte where the rule has no levels"
            yield Problem(f"{pointer}/{_step(name)}/attempts", reason)


def _level_trees(
    checked: RuleDocument, initial: Mapping[str, Clause], problems: list[Problem]
) -> list[tuple[int, Tree]]:
    """The number and own tree of each level; those that could never be reached are problems."""
    found: list[tuple[int, Tree]] = []
    for index, one in enumerate(checked.levels or ()):
        pointer = f"/levels/{index}"
        tree = read_tree(one.requires, initial, f"{pointer}/requires", problems)
        if index and checked.levels and one.level <= checked.levels[index - 1].level:
            reason = "cannot be reached: levels ascend, each number once"
            problems.append(Problem(f"{pointer}/level", reason))
        elif tree is not None:
            if found and _same_as_below(tree, [below for _, below in found], initial):
                reason = (
                    f"level {found[-1][0]} cannot be reached: "
                    "whoever has what it requires has this level too"
                )
                problems.append(Problem(f"{pointer}/requires", reason))
            found.append((one.level, tree))
    return found


def _same_as_below(tree: Tree, below: list[Tree], initial: Mapping[str, Clause]) -> bool:
    """Whether a level follows from those below it, so that the one below is never shown."""
    if any(initial[name].attempts.gte_of_level for name in names_of(tree)):
        return False  # Such a clause asks for more at every level.
    return follows(tree, _all(below))


def _all(trees: list[Tree]) -> Tree:
    return trees[0] if len(trees) == 1 else Branch("all", len(trees), tuple(trees))


def _levels(rule: Rule, trees: list[tuple[int, Tree]]) -> Iterator[Level]:
    for index, (number, _) in enumerate(trees):
        requires = _all([tree for _, tree in trees[: index + 1]])
        renewal = rule.renewal
        yield Level(
            number,
            replace(
                rule,
                initial=Clauses(_at_level(rule.initial.evidence, number), requires),
                renewal=None
                if renewal is None
                else Clauses(_at_level(renewal.evidence, number), renewal.requires),
            ),
        )


def _at_level(evidence: Mapping[str, Clause], number: int) -> dict[str, Clause]:
    return {
        name: replace(clause, attempts=replace(clause.attempts, gte=Decimal(number)))
        if clause.attempts.gte_of_level
        else clause
        for name, clause in evidence.items()
    }
