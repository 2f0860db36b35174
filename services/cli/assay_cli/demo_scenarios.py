"""What may happen to one learner on the way to one competency, and what must come of it.

Each kind is a small story: the sessions it makes, and the status and reasons that a right decision
has. Pure. The stories are the demo's oracle: they are written from the rules' meaning, not from
the engine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Literal

from assay_cli.demo_catalogue import RuleDocument
from assay_cli.demo_statements import (
    ACTIVITIES,
    COMPETENCIES,
    Agent,
    Made,
    Outcome,
    course_session,
    new_id,
    observation,
    vr_session,
    workplace_record,
)

Status = Literal["not_started", "in_progress", "achieved", "expired"]

# Evidence of the running programme is from 4 to 95 days old. Evidence of an earlier round is moved
# by so many days that it lies behind the period of these months, whatever the calendar.
NEWEST_DAYS, OLDEST_DAYS = 4, 95
_BEHIND = {"P6M": 200, "P12M": 390, "P24M": 755}
# Moved by this, all evidence is inside twelve months, and its end is near.
_NEAR_YEAR_END = 255


@dataclass(frozen=True, slots=True)
class Need:
    """A clause as the stories see it: how many passes of which activity, by whom vouched."""

    clause: str
    modality: str
    path: str
    count: int
    pass_mark: int | None
    window: str | None
    scope: str | None
    waivers: tuple[str, ...]
    completes: bool


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A rule as the stories see it: the clauses that the shortest way to the award needs."""

    code: str
    needs: tuple[Need, ...]
    validity: str | None

    def first(self, modality: str) -> Need | None:
        """The first needed clause of a modality with a score, if there is one."""
        return next((n for n in self.needs if n.modality == modality and n.pass_mark), None)


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: the learner by platform and by rig or tablet, and the assessors.

    `regular` gives an assessor who may assess a scope.
    """

    account: Agent
    other: Agent
    regular: Callable[[str, Random], Agent]
    lapsed: Agent
    line_manager: Agent
    visiting: Agent


@dataclass(frozen=True, slots=True)
class Session:
    """Statements that one tool sends together; `clause` is what its evidence is for."""

    source: str
    clause: str
    statements: tuple[Made, ...]

    @property
    def at(self) -> datetime:
        return self.statements[0].at


@dataclass(frozen=True, slots=True)
class Story:
    """The sessions of one learner for one competency, and what a right decision says of them."""

    kind: str
    sessions: tuple[Session, ...]
    status: Status
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of story, the share of learners that it happens to, and for which rules it can."""

    name: str
    share: float
    fits: Callable[[RulePlan], bool]


def plan_of(document: RuleDocument) -> RulePlan:
    """The plan of an `assay.rule/v1` document of the demo."""
    rule: dict[str, Any] = dict(document)  # Parsed JSON; the engine checks it, here it is read.
    validity = rule.get("validity")
    needs = []
    for name in _shortest(rule["requires"]):
        clause = rule["evidence"][name]
        mark = clause.get("score_gte")
        needs.append(
            Need(
                clause=name,
                modality=clause["modality"][0],
                path=clause["match"]["activity"][0].removeprefix(ACTIVITIES),
                count=clause["attempts"].get("n", 1),
                pass_mark=None if mark is None else round(float(mark) * 100),
                window=clause.get("window"),
                scope=clause.get("assessor", {}).get("scope"),
                waivers=tuple(clause.get("waivers", ())),
                completes=clause["match"]["verb"] == ["completed"],
            )
        )
    code = rule["competency"].removeprefix(COMPETENCIES)
    return RulePlan(code, tuple(needs), validity["period"] if validity else None)


def _shortest(tree: Any) -> list[str]:
    """The clauses of a tree of `all` and `any`, of each `any` the first."""
    if isinstance(tree, str):
        return [tree]
    if "any" in tree:
        return _shortest(tree["any"][0])
    return [name for part in tree["all"] for name in _shortest(part)]


def _always(_: RulePlan) -> bool:
    return True


def _has(modality: str) -> Callable[[RulePlan], bool]:
    return lambda plan: plan.first(modality) is not None


def _has_scope(plan: RulePlan) -> bool:
    return any(need.scope is not None for need in plan.needs)


def _has_waiver(plan: RulePlan) -> bool:
    return any(need.waivers for need in plan.needs)


def _can_lapse(plan: RulePlan) -> bool:
    return plan.validity is not None


def _is_yearly(plan: RulePlan) -> bool:
    return plan.validity == "P12M" and all(need.window == "P12M" for need in plan.needs)


def _can_be_out_of_step(plan: RulePlan) -> bool:
    return len(plan.needs) > 1 and plan.needs[0].window is not None


def _can_fail(plan: RulePlan) -> bool:
    return not plan.needs[0].completes


def _is_team_task(plan: RulePlan) -> bool:
    return plan.code == "EMO1"


# In this order, so that a small programme has the more telling ones. The rest is "clean".
KINDS: tuple[Kind, ...] = (
    Kind("unfinished", 0.09, _always),
    Kind("retried", 0.07, _can_fail),
    Kind("unauthorised", 0.03, _has_scope),
    Kind("team", 0.04, _is_team_task),
    Kind("expired", 0.05, _can_lapse),
    Kind("score_below", 0.04, lambda plan: plan.needs[0].pass_mark is not None),
    Kind("self_assessed", 0.015, _has_scope),
    Kind("conflict", 0.02, _has_scope),
    Kind("lapsed", 0.02, _has_scope),
    Kind("old_part", 0.03, _can_be_out_of_step),
    Kind("expiring", 0.05, _is_yearly),
    Kind("unvouched", 0.02, _has_scope),
    Kind("no_assessor", 0.015, _has_scope),
    Kind("browse", 0.02, _has("online")),
    Kind("contradiction", 0.015, _has("online")),
    Kind("waived", 0.02, _has_waiver),
    Kind("waived_for_no_reason", 0.015, _has_waiver),
    Kind("claimed", 0.015, _has("vr")),
    Kind("no_range", 0.015, _has("vr")),
)

# Who is named as assessor, and why it does not count.
_ASSESSOR_REASONS = {
    "unauthorised": "assessor_not_authorised",
    "lapsed": "assessor_not_authorised",
    "self_assessed": "self_assessed",
    "conflict": "assessor_not_independent",
    "unvouched": "assessor_unverified",
    "no_assessor": "assessor_missing",
}

_JUDGED = {"profile_contradiction", "success_false", "score_missing", "score_below"}


def deal(plan: RulePlan, learners: int, randomness: Random) -> list[str]:
    """Which kind of story each of so many learners has with this rule: at least half are clean."""
    dealt: list[str] = []
    for kind in KINDS:
        if kind.fits(plan):
            dealt += [kind.name] * max(1, round(kind.share * learners))
    dealt = dealt[: learners // 2]
    dealt += ["clean"] * (learners - len(dealt))
    randomness.shuffle(dealt)
    return dealt


@dataclass(frozen=True, slots=True)
class _Pass:
    """One planned piece of evidence, before it is told as statements."""

    need: Need
    age_days: int
    outcome: Outcome
    source: str
    registration: str
    assessor: Agent | None = None


class Teller:
    """Makes the story of one learner with one rule; `names` maps activity paths to names."""

    def __init__(self, day: date, cast: Cast, names: Mapping[str, str], randomness: Random) -> None:
        self._midnight = datetime.combine(day, time(), UTC)
        self._cast = cast
        self._names = names
        self._random = randomness

    def tell(self, plan: RulePlan, kind: str) -> Story:
        """The story of this kind. KeyError for a kind that the rule does not fit."""
        passes = self._passes(plan, kind)
        status: Status = "achieved"
        reasons: dict[str, int] = {}
        if kind == "unfinished":
            dropped = passes.pop()
            status = "in_progress" if passes else "not_started"
            begun = [self._begun(dropped)] if dropped.need.modality == "online" else []
            return Story(kind, (*map(self._session, passes), *begun), status, {})
        if kind == "retried":
            passes.insert(0, self._failed(passes[0]))
            reasons = {"success_false": 1}
        elif kind == "expired":
            status, reasons = "expired", {"outside_window": len(passes)}
        elif kind == "old_part":
            first = plan.needs[0]
            status, reasons = "in_progress", {"outside_window": first.count}
        elif kind not in {"clean", "expiring", "waived"}:
            reason = self._spoil(plan, kind, passes)
            # What is judged is an attempt, also when it fails; what is left out is none.
            begun_at_all = len(passes) > 1 or reason in _JUDGED
            status = "in_progress" if begun_at_all else "not_started"
            reasons = {reason: 1}
        elif kind == "waived":
            index = _last(passes, lambda one: bool(one.need.waivers))
            waiver = Outcome("waived", reason=passes[index].need.waivers[0])
            passes[index] = replace(passes[index], outcome=waiver)
        return Story(kind, tuple(map(self._session, passes)), status, reasons)

    def _passes(self, plan: RulePlan, kind: str) -> list[_Pass]:
        """The evidence of the shortest way to the award, in the order of the rule's clauses."""
        total = sum(need.count for need in plan.needs)
        ages = sorted(self._random.sample(range(NEWEST_DAYS, OLDEST_DAYS), total), reverse=True)
        moved = {
            "expired": _BEHIND.get(plan.validity or "", 0),
            "expiring": _NEAR_YEAR_END,
        }.get(kind, 0)
        made: list[_Pass] = []
        for need in plan.needs:
            registration = new_id(self._random)
            old = kind == "old_part" and need is plan.needs[0]
            extra = _BEHIND[need.window] if old and need.window is not None else moved
            for _ in range(need.count):
                assessor = None
                if need.scope is not None:
                    assessor = self._cast.regular(need.scope, self._random)
                made.append(
                    _Pass(
                        need,
                        ages[len(made)] + extra,
                        self._good(need),
                        need.modality.replace("_", "-"),
                        registration,
                        assessor,
                    )
                )
        return made

    def _good(self, need: Need) -> Outcome:
        if need.completes:
            return Outcome("completed")
        if need.pass_mark is None:
            return Outcome("passed")
        mastery = need.pass_mark / 100 if need.modality == "online" else None
        return Outcome("passed", self._random.randint(need.pass_mark, 99) / 100, mastery)

    def _failed(self, passed: _Pass) -> _Pass:
        """A failed attempt some days before a passed one, in another session."""
        scored = passed.need.pass_mark is not None
        outcome = Outcome(
            "failed",
            self._random.randint(35, 59) / 100 if scored else None,
            passed.outcome.mastery,
        )
        return replace(
            passed, age_days=passed.age_days + self._random.randint(1, 6), outcome=outcome
        )

    def _spoil(self, plan: RulePlan, kind: str, passes: list[_Pass]) -> str:
        """Change one piece of evidence so that it does not count; the reason is returned."""
        if kind in _ASSESSOR_REASONS:
            index = _last(passes, lambda one: one.need.scope is not None)
            spoiled = passes[index]
            assessor = {
                "unauthorised": self._cast.visiting,
                "lapsed": self._cast.lapsed,
                "conflict": self._cast.line_manager,
                "self_assessed": self._cast.account,
                "no_assessor": None,
            }.get(kind, spoiled.assessor)
            source = "college" if kind == "unvouched" else spoiled.source
            passes[index] = replace(spoiled, assessor=assessor, source=source)
            return _ASSESSOR_REASONS[kind]
        modality = {"score_below": plan.needs[0].modality, "claimed": "vr", "no_range": "vr"}
        wanted = modality.get(kind, "vr" if kind == "team" else "online")
        index = _last(passes, lambda one: one.need.modality == wanted)
        spoiled = passes[index]
        outcome = spoiled.outcome
        mark = spoiled.need.pass_mark or 0
        near = (mark - self._random.randint(1, 8)) / 100
        far = self._random.randint(45, 58) / 100
        changed, reason = {
            # The course's own pass mark is lower than the rule's.
            "score_below": (replace(outcome, scaled=near, mastery=0.6), "score_below"),
            "contradiction": (replace(outcome, scaled=far, mastery=0.6), "profile_contradiction"),
            "browse": (replace(outcome, launch_mode="Browse"), "launch_mode_not_normal"),
            "no_range": (replace(outcome, raw_only=True), "score_missing"),
            "claimed": (outcome, "modality_mismatch"),
            "team": (outcome, "group_actor"),
            "waived_for_no_reason": (
                Outcome("waived", reason="Administrative"),
                "waiver_not_allowed",
            ),
        }[kind]
        source = {"claimed": "online", "team": "team"}.get(kind, spoiled.source)
        if spoiled.need.modality != "online":
            changed = replace(changed, mastery=None)
        passes[index] = replace(spoiled, outcome=changed, source=source)
        return reason

    def _at(self, age_days: int) -> datetime:
        minutes = self._random.randint(8 * 60, 16 * 60)
        return self._midnight - timedelta(days=age_days) + timedelta(minutes=minutes)

    def _begun(self, planned: _Pass) -> Session:
        """A course that was begun and left."""
        need = planned.need
        statements = course_session(
            self._random,
            self._cast.account,
            need.path,
            self._names[need.path],
            self._at(planned.age_days),
            None,
            planned.registration,
        )
        return Session(planned.source, need.clause, tuple(statements))

    def _session(self, planned: _Pass) -> Session:
        """The statements that the tool of this evidence sends."""
        need, outcome, cast = planned.need, planned.outcome, self._cast
        path, name, at = need.path, self._names[need.path], self._at(planned.age_days)
        if need.modality == "online":
            actor, registration = cast.account, planned.registration
            made = course_session(self._random, actor, path, name, at, outcome, registration)
        elif need.modality == "vr":
            made = vr_session(self._random, cast.other, path, name, at, outcome)
        elif need.modality == "workplace":
            made = workplace_record(self._random, cast.account, path, name, at, outcome)
        else:
            made = observation(
                self._random,
                cast.other,
                path,
                name,
                at,
                outcome,
                planned.assessor,
                with_items=self._random.random() < 0.4,
            )
        return Session(planned.source, need.clause, tuple(made))


def _last(passes: Sequence[_Pass], wanted: Callable[[_Pass], bool]) -> int:
    return max(index for index, one in enumerate(passes) if wanted(one))
