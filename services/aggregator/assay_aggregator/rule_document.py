"""The form of an `assay.rule/v1` document (competency/rules.md section 1), checked strictly.

These models only check and give defaults; `rule_parse` turns them into what is evaluated. They are
also what `rule_schema` publishes, so that each says in JSON Schema what its checks hold.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from assay_aggregator.dates import Period
from assay_aggregator.rule_words import (
    PARTIAL_CLAUSE,
    PERIOD_PATTERN,
    DateText,
    DecimalText,
    Iri,
    PeriodText,
    PositiveInt,
    Slug,
    Text,
    Tree,
    ZoneName,
    name_of,
    values_of,
)

Group = Literal["none", "each_member"]
Policy = Literal[
    "any",
    "first",
    "latest",
    "count",
    "n_of_last",
    "consecutive",
    "average",
    "highest",
    "decaying",
    "weighted_recent",
    "n_mastery",
    "median",
]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MatchDocument(_Document):
    """Any within a list, all across the keys that are given; at least one key is."""

    verb: values_of("verb") | None = None  # type: ignore[valid-type]
    activity: values_of("activity") | None = None  # type: ignore[valid-type]
    activity_prefix: values_of("activity_prefix") | None = None  # type: ignore[valid-type]
    activity_type: values_of("activity_type") | None = None  # type: ignore[valid-type]
    grouping: values_of("grouping") | None = None  # type: ignore[valid-type]
    category: values_of("category") | None = None  # type: ignore[valid-type]
    profile: values_of("profile") | None = None  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _some_key(self) -> Self:
        if not any(value is not None for value in self.__dict__.values()):
            raise ValueError("needs at least one of its keys, or it would match every statement")
        return self


class CriticalDocument(_Document):
    """More than `max` entries in the result extension fail the statement."""

    extension: Iri
    max: Annotated[int, Field(ge=0)]


class AssessorDocument(_Document):
    """What must hold of the named assessor; all three flags are on unless the rule says else."""

    required: bool = True
    not_self: bool = True
    independent: bool = True
    scope: Text | None = None
    distinct_gte: PositiveInt | None = None


# The parameters of each policy: (required, optional). `key` and `needs` go with every policy.
_PARAMETERS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "any": (frozenset(), frozenset()),
    "first": (frozenset(), frozenset()),
    "latest": (frozenset(), frozenset()),
    "count": (frozenset({"n"}), frozenset({"spacing"})),
    "n_of_last": (frozenset({"n", "m"}), frozenset()),
    "consecutive": (frozenset({"n"}), frozenset()),
    "average": (frozenset({"gte"}), frozenset()),
    "highest": (frozenset({"gte"}), frozenset()),
    "decaying": (frozenset({"gte", "weight"}), frozenset()),
    "weighted_recent": (frozenset({"gte", "weight"}), frozenset()),
    "n_mastery": (frozenset({"n", "gte"}), frozenset({"scale"})),
    "median": (frozenset({"m"}), frozenset({"n", "gte"})),
}


class AttemptsDocument(_Document):
    """How statements form attempts and how attempts satisfy a clause (rules.md section 4).

    Two policies are our own. `n_mastery` (README of the reference, 2.1): the mean of the scores
    that reach `gte`, when there are n of them. `median`: the lower median of the last m ratings,
    whole numbers in `raw`, when there are n of them (by default m); without `gte` it is compared
    with the number of each level.
    """

    policy: Policy = "any"
    n: PositiveInt | None = None
    m: PositiveInt | None = None
    spacing: PeriodText | None = None
    gte: DecimalText | None = None
    weight: DecimalText | None = None
    scale: Literal["scaled", "raw"] | None = None
    key: Literal["session", "registration"] = "session"
    needs: Annotated[list[name_of("verb")], Field(max_length=20)] = []  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _parameters(self) -> Self:
        required, optional = _PARAMETERS[self.policy]
        given = {
            name
            for name in ("n", "m", "spacing", "gte", "weight", "scale")
            if getattr(self, name) is not None
        }
        if required - given:
            missing = ", ".join(sorted(required - given))
            raise ValueError(f"the policy {self.policy} needs {missing}")
        if given - required - optional:
            excess = ", ".join(sorted(given - required - optional))
            raise ValueError(f"the policy {self.policy} does not take {excess}")
        if self.m is not None and self.n is not None and self.m < self.n:
            raise ValueError("m must not be smaller than n")
        if self.weight is not None and not 0 < Decimal(self.weight) <= 1:
            raise ValueError("weight must be above 0 and at most 1")
        return self


class ClauseDocument(_Document):
    """One kind of evidence: what matches, what counts, and how often it is needed."""

    modality: Annotated[
        list[Literal["online", "vr", "in_person", "workplace"]], Field(min_length=1)
    ]
    match: MatchDocument
    score_gte: DecimalText | None = None
    waivers: list[Text] = []
    critical: CriticalDocument | None = None
    assessor: AssessorDocument | None = None
    attempts: AttemptsDocument = AttemptsDocument()
    window: PeriodText | None = None
    launch_modes: Annotated[list[Text], Field(min_length=1)] = ["Normal"]
    group: Group | None = None

    @model_validator(mode="after")
    def _ratings_are_not_thresholds(self) -> Self:
        if self.attempts.policy == "median" and self.score_gte is not None:
            raise ValueError("score_gte is about scaled scores, the policy median about ratings")
        return self


class BasisDocument(_Document):
    """Why a number is what it is."""

    doc: Text
    clause: Text | None = None
    note: Text | None = None


class ApprovalDocument(_Document):
    """A record of approval carried in the document; it decides nothing here."""

    by: Text
    meaning: Text
    at: Text
    signature: Text | None = None


class ValidityDocument(_Document):
    """How long an award holds, counted from `basis`."""

    period: PeriodText
    basis: Literal["earliest", "latest", "award"] = "earliest"


class RenewalDocument(_Document):
    """Partial clauses laid over the initial ones; checked after the overlay, by `rule_parse`."""

    evidence: dict[str, Annotated[object, PARTIAL_CLAUSE]] = {}
    requires: Tree | None = None


class LapseDocument(_Document):
    """How long after the expiry a renewal still counts."""

    after: PeriodText = "P0D"
    then: Literal["initial"] = "initial"


class DisqualifyDocument(_Document):
    """Evidence that suspends, whatever source reports it."""

    match: MatchDocument
    then: Literal["suspended"] = "suspended"
    reinstate: Literal["initial"] = "initial"


class OnLaterFailDocument(_Document):
    """The status that a failed attempt gives after the award."""

    clauses: Annotated[list[str], Field(min_length=1)]
    status: Literal["under_review", "suspended", "revoked"]


def _transition_policy(value: object) -> object:
    if isinstance(value, Mapping) and set(value) == {_AFTER} and isinstance(value[_AFTER], str):
        Period.parse(value[_AFTER])
    elif value not in _TRANSITION_POLICIES:
        raise ValueError("must be grandfather, re_evaluate, or {re_evaluate_after: period}")
    return value


_AFTER: Final = "re_evaluate_after"
_TRANSITION_POLICIES: Final = ("grandfather", "re_evaluate", _AFTER)
_POLICY_SCHEMA: Final = {
    "oneOf": [
        {"enum": list(_TRANSITION_POLICIES)},
        {
            "type": "object",
            "properties": {_AFTER: {"type": "string", "pattern": PERIOD_PATTERN}},
            "required": [_AFTER],
            "additionalProperties": False,
        },
    ]
}


class TransitionDocument(_Document):
    """What becomes of awards of an older version (by default, of the one before).

    With `re_evaluate_after` they stand for that long after the start of the new version; it may
    stand inside `policy` or beside it.
    """

    from_version: Annotated[int, Field(ge=1)] | None = None
    policy: (
        Annotated[object, AfterValidator(_transition_policy), WithJsonSchema(_POLICY_SCHEMA)] | None
    ) = None
    re_evaluate_after: PeriodText | None = None

    @model_validator(mode="after")
    def _one_policy(self) -> Self:
        if self.re_evaluate_after is None:
            if self.policy == _AFTER:
                raise ValueError("the policy re_evaluate_after needs its period")
        elif self.policy not in (None, _AFTER):
            raise ValueError("re_evaluate_after is a policy of its own")
        return self

    @property
    def grace(self) -> str | None:
        """How long awards of an older version stand; None: until they expire."""
        if isinstance(self.policy, Mapping):
            return str(self.policy[_AFTER])
        return "P0D" if self.policy == "re_evaluate" else self.re_evaluate_after


class ConflictsDocument(_Document):
    """What holds of conflicting statements; there is no choice (rules.md sections 2 and 4)."""

    same_attempt: Literal["fail_wins"] = "fail_wins"
    same_id: Literal["quarantine"] = "quarantine"


class LevelDocument(_Document):
    """A level holds when its tree and the trees of all levels below it hold."""

    level: PositiveInt
    requires: Tree


class PrerequisiteDocument(_Document):
    """Another competency; at `award` it must be held to be awarded this one, or `always`."""

    competency: Iri
    level: PositiveInt | None = None
    at: Literal["award", "always"] = "award"


class OverridesDocument(_Document):
    """What people may say instead of the evidence.

    `meaning` lists what a signature must mean, `max` is the longest time, `two_person` asks for the
    signatures of two people.
    """

    allow: bool
    meaning: Annotated[list[Text], Field(min_length=1, max_length=20)] = ["approval"]
    max: PeriodText | None = None
    two_person: bool = False


class ChildDocument(_Document):
    """A competency that the roll-up is made of."""

    competency: Iri
    level: PositiveInt | None = None
    points: PositiveInt | None = None
    required: bool = False


class RollupDocument(_Document):
    """How children make a competency: all, n of them, by points, or as good as the weakest."""

    method: Literal["all", "n_of", "points", "weakest"]
    children: Annotated[list[ChildDocument], Field(min_length=1, max_length=200)]
    need: Annotated[int, Field(ge=1, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        counted = self.method in ("n_of", "points")
        if counted and self.need is None:
            raise ValueError(f"the method {self.method} needs `need`")
        if not counted and self.need is not None:
            raise ValueError(f"the method {self.method} does not take `need`")
        names = [child.competency for child in self.children]
        if len(set(names)) != len(names):
            raise ValueError("a competency is named twice among the children")
        with_points = sum(child.points is not None for child in self.children)
        if with_points != (len(self.children) if self.method == "points" else 0):
            raise ValueError("each child has points with the method points, and with no other")
        if self.method == "points":
            most = sum(child.points or 0 for child in self.children)
        else:
            most = len(self.children)
        if self.need is not None and self.need > most:
            raise ValueError(f"need cannot be reached: all children together give {most}")
        return self


class _Heading(_Document):
    """The keys that every rule has."""

    schema_: Literal["assay.rule/v1"] = Field(alias="schema")
    id: Slug
    version: Annotated[int, Field(ge=1)]
    status: Literal["draft", "in_review", "effective", "retired"]
    effective_from: DateText
    effective_to: DateText | None = None
    competency: Iri
    timezone: ZoneName
    basis: list[BasisDocument] = []
    approvals: list[ApprovalDocument] = []
    transition: TransitionDocument | None = None
    overrides: OverridesDocument | None = None

    @model_validator(mode="after")
    def _dates_in_order(self) -> Self:
        if self.effective_to is not None and self.effective_to <= self.effective_from:
            raise ValueError("effective_to must be later than effective_from")
        return self


class RuleDocument(_Heading):
    """A rule that evidence satisfies."""

    evidence: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=100)], ClauseDocument],
        Field(min_length=1, max_length=100),
    ]
    requires: Tree
    levels: Annotated[list[LevelDocument], Field(max_length=100)] | None = None
    prerequisites: Annotated[list[PrerequisiteDocument], Field(max_length=100)] | None = None
    validity: ValidityDocument | None = None
    renewal: RenewalDocument | None = None
    lapse: LapseDocument | None = None
    disqualify: Annotated[list[DisqualifyDocument], Field(max_length=100)] = []
    on_later_fail: OnLaterFailDocument | None = None
    conflicts: ConflictsDocument | None = None
    group: Group = "none"


class RollupRuleDocument(_Heading):
    """A rule whose competency follows from others."""

    rollup: RollupDocument
