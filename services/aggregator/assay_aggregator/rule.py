"""A rule as it is evaluated, made from an `assay.rule/v1` document (competency/rules.md).

`parse_rule` refuses what it does not know, and what this engine does not evaluate yet: a rule is
never evaluated with a part of it left out.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal
from zoneinfo import ZoneInfo

import rfc8785
from pydantic import ValidationError

from assay_aggregator.dates import Period, local_ordinal
from assay_aggregator.rule_document import (
    AttemptsDocument,
    ClauseDocument,
    MatchDocument,
    Policy,
    RuleDocument,
)

ENGINE_VERSION: Final = "assay-engine/1"
_MAX_DEPTH: Final = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a rule document: where (RFC 6901 pointer) and why."""

    pointer: str
    reason: str


class RuleError(ValueError):
    """A document is no rule that this engine can evaluate; `problems` says all that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.pointer or '/'}: {p.reason}" for p in self.problems))


@dataclass(frozen=True, slots=True)
class Match:
    """Which statements are meant: any within a set, all across the sets that are not None."""

    verb: frozenset[str] | None = None
    activity: frozenset[str] | None = None
    activity_prefix: tuple[str, ...] | None = None
    activity_type: frozenset[str] | None = None
    grouping: frozenset[str] | None = None
    category: frozenset[str] | None = None
    profile: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How statements form attempts (`key`, `needs`) and what of them satisfies (`policy`)."""

    policy: Policy = "any"
    n: int = 1
    m: int = 1
    spacing: Period | None = None
    gte: Decimal = Decimal(0)
    weight: Decimal = Decimal(1)
    by_session: bool = True
    needs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Assessor:
    """What must hold of the person named as assessor."""

    required: bool
    not_self: bool
    independent: bool
    scope: str | None
    distinct_gte: int


@dataclass(frozen=True, slots=True)
class Clause:
    """One named kind of evidence."""

    name: str
    modality: frozenset[str]
    match: Match
    score_gte: Decimal | None
    waivers: frozenset[str]
    critical: tuple[str, int] | None
    assessor: Assessor | None
    attempts: Attempts
    window: Period | None
    launch_modes: frozenset[str]
    each_member: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """`all` and `any` are written as at least `need` of the parts; `op` keeps the word."""

    op: Literal["all", "any", "at_least"]
    need: int
    parts: tuple["Tree", ...]


Tree = str | Branch


@dataclass(frozen=True, slots=True)
class Clauses:
    """A full set of clauses in their written order, and the tree over their names."""

    evidence: Mapping[str, Clause]
    requires: Tree


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule, ready to be evaluated. `hash` is that of its document."""

    id: str
    version: int
    hash: str
    status: str
    effective_from: int
    effective_to: int | None
    competency: str
    zone: ZoneInfo
    initial: Clauses
    renewal: Clauses | None
    period: Period | None
    basis: Literal["earliest", "latest", "award"]
    lapse_after: Period
    disqualify: tuple[Match, ...]
    later_fail_clauses: frozenset[str]
    later_fail_status: Literal["under_review", "suspended", "revoked"] | None
    from_version: int | None

    def matches(self) -> Iterator[Match]:
        """Every match of the rule: of initial and renewal clauses and of `disqualify`."""
        for clauses in (self.initial, self.renewal):
            if clauses is not None:
                for clause in clauses.evidence.values():
                    yield clause.match
        yield from self.disqualify


def rule_hash(document: Mapping[str, object]) -> str:
    """SHA-256, in hex, of the document's canonical JSON (RFC 8785)."""
    return hashlib.sha256(rfc8785.dumps(document)).hexdigest()  # type: ignore[arg-type]


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


def parse_rule(document: Mapping[str, object]) -> Rule:
    """The rule that a parsed JSON (or YAML) document states.

    Raises RuleError, with every problem found: unknown keys, wrong values, names of clauses that
    do not exist, and keys that this engine version does not evaluate yet.
    """
    problems = list(_unsupported(document))
    refused = {*_NOT_YET, *(problem.pointer.split("/")[1] for problem in problems)}
    rest = {key: value for key, value in document.items() if key not in refused}
    try:
        checked = RuleDocument.model_validate(rest)
    except ValidationError as error:
        raise RuleError([*problems, *_problems(error, "")]) from error
    each_member = checked.group == "each_member"
    initial = {name: _clause(name, c, each_member) for name, c in checked.evidence.items()}
    requires = _tree(checked.requires, initial, "/requires", problems, 0)
    renewal = _renewal(checked, document, initial, problems)
    later = checked.on_later_fail
    known = renewal.evidence if renewal is not None else initial
    for index, name in enumerate(later.clauses if later is not None else ()):
        if name not in known:
            problems.append(_unknown_clause(f"/on_later_fail/clauses/{index}", name))
    if problems or requires is None:
        raise RuleError(problems)
    lapse = checked.lapse
    return Rule(
        id=checked.id,
        version=checked.version,
        hash=rule_hash(document),
        status=checked.status,
        effective_from=date.fromisoformat(checked.effective_from).toordinal(),
        effective_to=_ordinal(checked.effective_to),
        competency=checked.competency,
        zone=ZoneInfo(checked.timezone),
        initial=Clauses(initial, requires),
        renewal=renewal,
        period=Period.parse(checked.validity.period) if checked.validity is not None else None,
        basis=checked.validity.basis if checked.validity is not None else "award",
        lapse_after=Period.parse(lapse.after if lapse is not None else "P0D"),
        disqualify=tuple(_match(entry.match) for entry in checked.disqualify),
        later_fail_clauses=frozenset(later.clauses if later is not None else ()),
        later_fail_status=later.status if later is not None else None,
        from_version=checked.transition.from_version if checked.transition is not None else None,
    )


# Keys of the language that this engine does not evaluate yet, and the values that ask for nothing.
_NOT_YET: Final[Mapping[str, tuple[object, ...]]] = {
    "levels": (None, []),
    "prerequisites": (None, []),
    "overrides": (None, {"allow": False}),
    "conflicts": (None, {}, {"same_attempt": "fail_wins", "same_id": "quarantine"}),
    "rollup": (),
}


def _unsupported(document: Mapping[str, object]) -> Iterator[Problem]:
    number = ENGINE_VERSION.rpartition("/")[2]
    for key, harmless in _NOT_YET.items():
        if key in document and document[key] not in harmless:
            yield Problem(f"/{key}", f"`{key}` is not supported by engine version {number} yet")
    transition = document.get("transition")
    if isinstance(transition, Mapping):
        policy = transition.get("policy", "grandfather")
        if policy in ("re_evaluate", "re_evaluate_after") or "re_evaluate_after" in transition:
            reason = f"re-evaluation is not supported by engine version {number} yet"
            yield Problem("/transition/policy", reason)


_PLAIN: Final = {"extra_forbidden": "unknown key", "missing": "this key is required"}


def _problems(error: ValidationError, prefix: str) -> Iterator[Problem]:
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in one["loc"])
        pointer = prefix + "".join(f"/{step}" for step in steps)
        message = _PLAIN.get(one["type"], one["msg"].removeprefix("Value error, "))
        yield Problem(pointer, message)


def _unknown_clause(pointer: str, name: str) -> Problem:
    return Problem(pointer, f"there is no clause `{name}` in evidence")


def _ordinal(text: str | None) -> int | None:
    return None if text is None else date.fromisoformat(text).toordinal()


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
    return Attempts(
        policy=document.policy,
        n=document.n or 1,
        m=document.m or 1,
        spacing=Period.parse(document.spacing) if document.spacing is not None else None,
        gte=Decimal(document.gte or "0"),
        weight=Decimal(document.weight or "1"),
        by_session=document.key == "session",
        needs=frozenset(document.needs),
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
        pointer = "/renewal/evidence/" + name.replace("~", "~0").replace("/", "~1")
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
    tree = _tree(requires, evidence, "/renewal/requires", problems, 0)
    return None if tree is None else Clauses(evidence, tree)


def _tree(
    node: object, known: Mapping[str, Clause], pointer: str, problems: list[Problem], depth: int
) -> Tree | None:
    """A `requires` tree; None after adding what is wrong with it to `problems`."""
    if isinstance(node, str):
        if node in known:
            return node
        problems.append(_unknown_clause(pointer, node))
        return None
    if depth > _MAX_DEPTH:
        problems.append(Problem(pointer, f"is nested deeper than {_MAX_DEPTH} levels"))
        return None
    if not isinstance(node, Mapping) or len(node) != 1 or next(iter(node)) not in _OPERATORS:
        reason = "must be a clause name, {all: […]}, {any: […]} or {at_least: {n, of: […]}}"
        problems.append(Problem(pointer, reason))
        return None
    op, value = next(iter(node.items()))
    pointer = f"{pointer}/{op}"
    parts, count = value, None
    if op == "at_least":
        if not isinstance(value, Mapping) or set(value) != {"n", "of"}:
            problems.append(Problem(pointer, "must be {n, of: […]}"))
            return None
        parts, count = value["of"], value["n"]
        pointer = f"{pointer}/of"
    if not isinstance(parts, list) or not parts:
        problems.append(Problem(pointer, "must be a list with at least one part"))
        return None
    read = [
        _tree(part, known, f"{pointer}/{index}", problems, depth + 1)
        for index, part in enumerate(parts)
    ]
    need = {"all": len(parts), "any": 1}.get(op, count)
    if type(need) is not int or not 1 <= need <= len(parts):
        problems.append(Problem(pointer.removesuffix("/of") + "/n", "must be from 1 to the parts"))
        return None
    done = tuple(part for part in read if part is not None)
    return Branch(op, need, done) if len(done) == len(read) else None


_OPERATORS: Final = ("all", "any", "at_least")
