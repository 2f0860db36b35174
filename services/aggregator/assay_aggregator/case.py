"""Case files, `assay.case/v1` (competency/rules.md section 6): a rule's unit tests.

A case states a rule, a small world and the expected decision; running it names each difference,
field by field. `assay rules test` is a thin wrapper around `run_cases`. Beside the keys of the
reference, a case may hold other rules, overrides and reviews (docs/competency-rules.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from assay_aggregator.case_file import CaseError, CaseFile, Expected, ExpectedClause, Json
from assay_aggregator.dependencies import RuleCycle
from assay_aggregator.evaluate import Decision, evaluate
from assay_aggregator.fact import Fact, Origin, fact_of
from assay_aggregator.rule import Rule, RuleError, parse_rule
from assay_aggregator.rule_text import YAML_SUFFIXES, TextError, read_text
from assay_aggregator.sent import as_sent
from assay_aggregator.standings import with_standings
from assay_aggregator.versions import decide
from assay_aggregator.world import (
    Authorisation,
    Conflict,
    IdentityLink,
    Override,
    Review,
    Valid,
    World,
)
from assay_schemas.agents import agent_key
from assay_schemas.comparison import comparison_hash
from assay_schemas.xapi_types import parse_timestamp

VOID_SCOPE: Final = "statements/void"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING_EXPECTED: Final = Expected()


@dataclass(frozen=True, slots=True)
class Case:
    """A case ready to run. `others` are the rules beside the one that it is about."""

    name: str
    title: str
    rule: Rule
    world: World
    person: str
    as_of: datetime
    known_at: datetime | None
    expect: Expected
    others: tuple[Rule, ...] = ()

    def decide(self) -> Decision:
        """The decision that the case asks for.

        A rule without other versions of it is evaluated whatever its status and dates: a case may
        be about a draft. Raises CaseError.
        """
        rules: dict[str, list[Rule]] = {}
        for rule in (self.rule, *self.others):
            rules.setdefault(rule.competency, []).append(rule)
        competency, asked = self.rule.competency, (self.person, self.as_of, self.known_at)
        try:
            world = with_standings(rules, [competency], self.world, *asked)
        except RuleCycle as error:
            raise CaseError(str(error)) from error
        versions = rules[competency]
        if len(versions) == 1:
            return evaluate(self.rule, world, *asked)
        decision = decide(versions, world, *asked)
        if decision is None:
            raise CaseError("no version of the rule is in force at `as_of`")
        return decision


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What running one file gave. `result` has the form of `expect`; None when it cannot run."""

    path: Path
    case: str
    title: str
    result: Json | None
    differences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True when the file could be run and nothing differs."""
        return not self.differences


def read_case(text: bytes, name: str = "case.json") -> Case:
    """The case of a file's bytes, in YAML by the name's suffix, else in JSON. Raises CaseError."""
    try:
        file = msgspec.convert(read_text(text, name).value, CaseFile)
        as_of = parse_timestamp(file.as_of)
        known_at = None if file.known_at is None else parse_timestamp(file.known_at)
    except TextError as error:
        raise CaseError(str(error)) from error
    except (msgspec.ValidationError, ValueError) as error:
        raise CaseError(str(error)) from error
    rule = _rule(file.rule, "rule")
    others = tuple(_rule(one, f"rules/{index}") for index, one in enumerate(file.rules))
    try:
        world = _world(file, rule.competency)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # Statements and agents are taken as ingest would hand them on; here nobody checked them.
        raise CaseError(
            f"a statement, agent or date is not what it should be: {error!r}"
        ) from error
    if file.person not in file.people:
        raise CaseError(f"person `{file.person}` is not among `people`")
    expect = file.expect or _NOTHING_EXPECTED
    return Case(file.case, file.title, rule, world, file.person, as_of, known_at, expect, others)


def _rule(document: Json, where: str) -> Rule:
    try:
        return parse_rule(document)
    except RuleError as error:
        lines = "".join(f"\n  {where}{p.pointer}: {p.reason}" for p in error.problems)
        raise CaseError(f"its rule cannot be evaluated:{lines}") from error


def _world(file: CaseFile, competency: str) -> World:
    links = [
        _link(name, identifier)
        for name, person in file.people.items()
        for identifier in person.identifiers
    ]
    return World(
        facts=[_fact(file, position) for position in range(len(file.records))],
        links=links,
        authorisations=[
            Authorisation(one.assessor, one.scope, _valid(one.start, one.to, one.recorded))
            for one in file.authorisations
        ],
        conflicts=[
            Conflict(one.assessor, one.person, _valid(one.start, one.to, one.recorded))
            for one in file.conflicts
        ],
        overrides=[
            Override(
                id=f"override {number}",
                person=one.person or file.person,
                competency=one.competency or competency,
                starts=date.fromisoformat(one.start).toordinal(),
                ends=None if one.to is None else date.fromisoformat(one.to).toordinal(),
                level=one.level,
                by=one.by,
                meaning=one.meaning,
                reason=one.reason,
                recorded=_instant(one.recorded),
            )
            for number, one in enumerate(file.overrides, start=1)
        ],
        reviews=[
            Review(
                id=f"review {number}",
                person=one.person or file.person,
                competency=one.competency or competency,
                opened=parse_timestamp(one.opened),
                closed=_instant(one.closed),
                reason=one.reason,
                recorded=_instant(one.recorded),
            )
            for number, one in enumerate(file.reviews, start=1)
        ],
    )


def _link(person: str, identifier: Json) -> IdentityLink:
    key = agent_key(identifier)
    if key is None:
        raise CaseError(f"an identifier of `{person}` identifies nobody")
    dates = (identifier.get(name) for name in ("from", "to", "recorded"))
    return IdentityLink(key, person, _valid(*dates))


def _valid(start: str | None, end: str | None, recorded: str | None) -> Valid:
    return Valid(
        None if start is None else date.fromisoformat(start).toordinal(),
        None if end is None else date.fromisoformat(end).toordinal(),
        _instant(recorded),
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_timestamp(text)


def _fact(file: CaseFile, position: int) -> Fact:
    record = file.records[position]
    source = file.sources.get(record.source)
    if source is None:
        raise CaseError(f"record {position}: source `{record.source}` is not among `sources`")
    stored = parse_timestamp(record.stored)
    origin = Origin(
        source=record.source,
        stored=stored,
        body_hash=comparison_hash(record.statement).hex(),
        modality=source.modality,
        vouches=source.vouches_for_assessors,
        learner_controlled=source.learner_controlled,
        may_void=VOID_SCOPE in source.scopes,
        # In a case file the first copy is that of the smallest (stored, position).
        append_ms=(stored - _EPOCH) // timedelta(microseconds=1),
        offset=position,
    )
    return fact_of(as_sent(record.statement), origin)


def result_of(decision: Decision) -> Json:
    """A decision in the form of a case's `expect`."""
    clauses: Json = {}
    for name, state in decision.clauses.items():
        clauses[name] = {
            "satisfied": state.satisfied,
            "passes": state.passes,
            "attempts": state.attempts,
        }
        if state.value is not None:
            clauses[name]["value"] = state.value
    level: Json = {}
    if decision.level is not None or decision.levels:
        level["level"] = decision.level
    excluded = sorted({(one.statement, str(one.reason)) for one in decision.excluded})
    return {
        "status": decision.status,
        **level,
        "achieved_on": None if decision.achieved_on is None else str(decision.achieved_on),
        "expires_on": None if decision.expires_on is None else str(decision.expires_on),
        "trigger": decision.trigger,
        "used": list(decision.used),
        "excluded": [{"statement": s, "reason": reason} for s, reason in excluded],
        "clauses": clauses,
    }


def differences(expect: Expected, result: Json) -> list[str]:
    """Where a result is not what was expected, one line for each field."""
    found = []
    for name in ("status", "level", "achieved_on", "expires_on", "trigger"):
        wanted = getattr(expect, name)
        if wanted is not msgspec.UNSET and wanted != result.get(name):
            found.append(f"{name}: expected {_show(wanted)}, got {_show(result.get(name))}")
    if expect.used is not msgspec.UNSET:
        found += _set_differences("used", set(map(str.lower, expect.used)), set(result["used"]))
    if expect.excluded is not msgspec.UNSET:
        found += _set_differences(
            "excluded",
            {f"{one.statement.lower()} {one.reason}" for one in expect.excluded},
            {f"{one['statement']} {one['reason']}" for one in result["excluded"]},
        )
    if expect.clauses is not msgspec.UNSET:
        names = set(expect.clauses)
        found += _set_differences("clauses", names, set(result["clauses"]))
        for name in sorted(names & set(result["clauses"])):
            found += _clause_differences(name, expect.clauses[name], result["clauses"][name])
    return found


def _set_differences(field: str, wanted: set[str], got: set[str]) -> list[str]:
    return [
        *(f"{field}: expected {one}, which is missing" for one in sorted(wanted - got)),
        *(f"{field}: got {one}, which is not expected" for one in sorted(got - wanted)),
    ]


def _clause_differences(name: str, wanted: ExpectedClause, got: Json) -> list[str]:
    found = []
    for field in ("satisfied", "passes", "attempts"):
        value = getattr(wanted, field)
        if value is not None and value != got[field]:
            found.append(
                f"clauses.{name}.{field}: expected {_show(value)}, got {_show(got[field])}"
            )
    if wanted.value is not None:
        value = got.get("value")
        if value is None or Decimal(str(wanted.value)) != Decimal(value):
            found.append(f"clauses.{name}.value: expected {wanted.value}, got {value or 'none'}")
    return found


def _show(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return str(value)


def run_case(path: Path) -> CaseOutcome:
    """Run one file; a file that cannot be run is an outcome too, with the reason as difference."""
    try:
        case = read_case(path.read_bytes(), path.name)
        result = result_of(case.decide())
    except (OSError, CaseError) as error:
        return CaseOutcome(path, path.stem, "", None, (f"cannot be run: {error}",))
    return CaseOutcome(path, case.name, case.title, result, tuple(differences(case.expect, result)))


def run_cases(paths: Iterable[Path]) -> list[CaseOutcome]:
    """Run files, and the JSON and YAML files of folders, in the order given and by name."""
    files: list[Path] = []
    for path in paths:
        files.extend(sorted(_files_in(path)) if path.is_dir() else [path])
    return [run_case(path) for path in files]


def _files_in(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.suffix.lower() in (".json", *YAML_SUFFIXES)]


def as_json(outcomes: Sequence[CaseOutcome]) -> list[Mapping[str, object]]:
    """What `--json` prints: a list of {"case", "result"}, the result in the form of `expect`."""
    return [{"case": outcome.case, "result": outcome.result} for outcome in outcomes]
