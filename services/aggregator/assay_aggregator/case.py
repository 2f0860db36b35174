"""Case files, `assay.case/v1` (competency/rules.md section 6): a rule's unit tests.

A case states a rule, a small world and the expected decision; running it names each difference,
field by field. `assay rules test` is a thin wrapper around `run_cases`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from assay_aggregator.clause import Reason
from assay_aggregator.evaluate import Decision, evaluate
from assay_aggregator.fact import Fact, Origin, fact_of
from assay_aggregator.rule import Rule, RuleError, parse_rule
from assay_aggregator.sent import as_sent
from assay_aggregator.world import Authorisation, Conflict, IdentityLink, Valid, World
from assay_schemas.agents import agent_key
from assay_schemas.comparison import comparison_hash
from assay_schemas.jsontext import TextFault, parse_json
from assay_schemas.xapi_types import parse_timestamp

Json = dict[str, Any]
VOID_SCOPE: Final = "statements/void"
_MAX_JSON_DEPTH: Final = 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class CaseError(ValueError):
    """A file is no case that can be run; the text says why."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is expected: a misspelt key here would be an expectation that nobody looks at."""


class CaseSource(msgspec.Struct, frozen=True):
    """A source; without a modality nothing of it is evidence."""

    modality: Literal["online", "vr", "in_person", "workplace"] | None = None
    vouches_for_assessors: bool = False
    scopes: tuple[str, ...] = ()
    learner_controlled: bool = False


class CasePerson(msgspec.Struct, frozen=True):
    """A person; each identifier is an xAPI agent, and may carry from, to and recorded."""

    identifiers: tuple[Json, ...]


class _Period(msgspec.Struct, frozen=True, rename={"start": "from"}):
    start: str | None = None
    to: str | None = None
    recorded: str | None = None


class CaseAuthorisation(_Period, frozen=True, kw_only=True):
    """The person `assessor` may assess within `scope`."""

    assessor: str
    scope: str


class CaseConflict(_Period, frozen=True, kw_only=True, rename={"start": "from", "person": "with"}):
    """The person `assessor` may not assess the person named by `with`."""

    assessor: str
    person: str


class CaseRecord(msgspec.Struct, frozen=True):
    """A statement as its source delivered it."""

    source: str
    stored: str
    statement: Json


class ExpectedClause(_Strict, frozen=True):
    """What is expected of a clause; what is left out is not compared."""

    satisfied: bool | None = None
    passes: int | None = None
    attempts: int | None = None
    value: Any = None  # A number or its text.


class ExpectedExclusion(_Strict, frozen=True):
    """A statement and the reason for which it does not count in some clause."""

    statement: str
    reason: Reason


class Expected(_Strict, frozen=True):
    """The expected decision; what is left out is not compared."""

    status: str
    achieved_on: str | msgspec.UnsetType | None = msgspec.UNSET
    expires_on: str | msgspec.UnsetType | None = msgspec.UNSET
    trigger: str | msgspec.UnsetType | None = msgspec.UNSET
    used: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    excluded: tuple[ExpectedExclusion, ...] | msgspec.UnsetType = msgspec.UNSET
    clauses: dict[str, ExpectedClause] | msgspec.UnsetType = msgspec.UNSET


class CaseFile(msgspec.Struct, frozen=True, rename={"schema_": "schema"}):
    """A case as written."""

    schema_: Literal["assay.case/v1"]
    case: Annotated[str, msgspec.Meta(min_length=1)]
    rule: Json
    sources: dict[str, CaseSource]
    people: dict[str, CasePerson]
    records: tuple[CaseRecord, ...]
    person: str
    as_of: str
    expect: Expected
    title: str = ""
    known_at: str | None = None
    authorisations: tuple[CaseAuthorisation, ...] = ()
    conflicts: tuple[CaseConflict, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A case ready to run."""

    name: str
    title: str
    rule: Rule
    world: World
    person: str
    as_of: datetime
    known_at: datetime | None
    expect: Expected

    def decide(self) -> Decision:
        """The decision that the case asks for."""
        return evaluate(self.rule, self.world, self.person, self.as_of, self.known_at)


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


def read_case(text: bytes) -> Case:
    """The case of a file's bytes. Raises CaseError."""
    try:
        file = msgspec.convert(parse_json(text, _MAX_JSON_DEPTH), CaseFile)
        rule = parse_rule(file.rule)
        as_of = parse_timestamp(file.as_of)
        known_at = None if file.known_at is None else parse_timestamp(file.known_at)
    except TextFault as error:
        raise CaseError(f"is not JSON: {error}") from error
    except RuleError as error:
        lines = "".join(f"\n  rule{p.pointer}: {p.reason}" for p in error.problems)
        raise CaseError(f"its rule cannot be evaluated:{lines}") from error
    except (msgspec.ValidationError, ValueError) as error:
        raise CaseError(str(error)) from error
    try:
        world = _world(file)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        # Statements and agents are taken as ingest would hand them on; here nobody checked them.
        raise CaseError(
            f"a statement, agent or date is not what it should be: {error!r}"
        ) from error
    if file.person not in file.people:
        raise CaseError(f"person `{file.person}` is not among `people`")
    return Case(file.case, file.title, rule, world, file.person, as_of, known_at, file.expect)


def _world(file: CaseFile) -> World:
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
        None if recorded is None else parse_timestamp(recorded),
    )


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
    excluded = sorted({(one.statement, str(one.reason)) for one in decision.excluded})
    return {
        "status": decision.status,
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
    for name in ("status", "achieved_on", "expires_on", "trigger"):
        wanted = getattr(expect, name)
        if wanted is not msgspec.UNSET and wanted != result[name]:
            found.append(f"{name}: expected {_show(wanted)}, got {_show(result[name])}")
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
        case = read_case(path.read_bytes())
    except (OSError, CaseError) as error:
        return CaseOutcome(path, path.stem, "", None, (f"cannot be run: {error}",))
    result = result_of(case.decide())
    return CaseOutcome(path, case.name, case.title, result, tuple(differences(case.expect, result)))


def run_cases(paths: Iterable[Path]) -> list[CaseOutcome]:
    """Run files, and the *.json files of folders, in the order given and by name."""
    files: list[Path] = []
    for path in paths:
        files.extend(sorted(path.glob("*.json")) if path.is_dir() else [path])
    return [run_case(path) for path in files]


def as_json(outcomes: Sequence[CaseOutcome]) -> list[Mapping[str, object]]:
    """What `--json` prints: a list of {"case", "result"}, the result in the form of `expect`."""
    return [{"case": outcome.case, "result": outcome.result} for outcome in outcomes]
