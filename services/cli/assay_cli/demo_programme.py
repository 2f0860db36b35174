"""The demo's training programme: learners, weeks of statements, and what must come of them.

Pure: the same seed, day and number of learners give the same programme, byte for byte. Times lie
before the day, which is the day on which the demo runs, since decisions are made as of now. People
of two programmes are never the same: day, seed and size are a part of their identifiers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Literal

import orjson

from assay_cli.demo_catalogue import AssessorPlan, Catalogue, Organisation, RuleDocument
from assay_cli.demo_scenarios import (
    Cast,
    RulePlan,
    Session,
    Status,
    Story,
    Teller,
    deal,
    plan_of,
)
from assay_cli.demo_statements import (
    COMPETENCIES,
    Agent,
    Made,
    Outcome,
    account,
    mbox,
    new_id,
    team_exercise,
)

Road = Literal["single", "batch", "kafka"]

# The platform sends live what is younger, and sent the rest in nightly exports.
LIVE_DAYS = 21
BATCH_STATEMENTS = 100
TEAM_MEMBERS = 4
# Shares, as one in so many.
_TWO_IDENTIFIERS_ONE_IN = 8
_SENT_AGAIN_ONE_IN = 20
_RECORD_PER_STATEMENT_ONE_IN = 10


@dataclass(frozen=True, slots=True)
class Learner:
    """Somebody who learns. `second` is another identifier, by which rigs and tablets know them."""

    number: int
    name: str
    organisation: Organisation
    track: str
    account: Agent
    second: Agent | None

    @property
    def other(self) -> Agent:
        """The identifier that rigs and tablets use."""
        return self.account if self.second is None else self.second


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a tool sends at once: one HTTP request, or one Kafka record.

    `body` is JSON, one statement or a list. `again` marks a repeat of an earlier delivery.
    """

    road: Road
    source: str
    statements: tuple[Made, ...]
    body: bytes
    again: bool = False


@dataclass(frozen=True, slots=True)
class BadDelivery:
    """What must be refused, and where: over HTTP with a status, over Kafka into the rejected."""

    road: Road
    source: str
    body: bytes
    about: str
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """What a right decision says of one learner and one competency.

    `evidence` holds (clause, statement id) of everything that was sent as evidence for it.
    """

    learner: int
    code: str
    kind: str
    status: Status
    reasons: Mapping[str, int]
    evidence: tuple[tuple[str, str], ...]

    @property
    def competency(self) -> str:
        return COMPETENCIES + self.code


@dataclass(frozen=True, slots=True)
class Authorisation:
    """An assessor may assess within a scope, on these local dates (inclusive)."""

    assessor: Agent
    scope: str
    valid_from: date
    valid_to: date


@dataclass(frozen=True, slots=True)
class Programme:
    """All that the demo sends, in the order of sending, and what must come of it."""

    cohort: str
    learners: tuple[Learner, ...]
    authorisations: tuple[Authorisation, ...]
    conflicts: tuple[tuple[Agent, Agent], ...]
    http: tuple[Delivery, ...]
    kafka: tuple[Delivery, ...]
    bad: tuple[BadDelivery, ...]
    expected: tuple[Expected, ...]

    @property
    def statements(self) -> int:
        """How many different statements it holds."""
        return sum(len(d.statements) for d in (*self.http, *self.kafka) if not d.again)

    def late_records(self) -> int:
        """Kafka records that tell of an earlier time than a record before them."""
        late, newest = 0, None
        for delivery in self.kafka:
            at = delivery.statements[0].at
            if newest is not None and at < newest:
                late += 1
            else:
                newest = at
        return late


def build(
    catalogue: Catalogue, rules: Mapping[str, RuleDocument], seed: int, day: date, learners: int
) -> Programme:
    """The programme of a seed and a day. ValueError for fewer than 10 learners."""
    if learners < 10:
        raise ValueError("a programme has at least 10 learners")
    cohort = f"{day:%Y%m%d}-{seed}-{learners}"
    people = _enrol(catalogue, cohort, learners)
    staff = _Staff(catalogue, cohort, day)
    plans = {code: plan_of(document) for code, document in rules.items()}
    stories = _tell_all(catalogue, plans, people, staff, cohort, day)
    sessions = [session for _, _, story in stories for session in story.sessions]
    sessions = [one for one in sessions if one.source != "team"]
    sessions += _team_sessions(catalogue, people, stories, cohort)
    randomness = _random(cohort, "roads")
    http = _http_deliveries(sessions, day, randomness)
    kafka = _kafka_deliveries(sessions, randomness)
    return Programme(
        cohort=cohort,
        learners=people,
        authorisations=staff.authorisations(),
        conflicts=tuple(
            (staff.line_manager, people[number].account)
            for number in sorted({n for n, _, story in stories if story.kind == "conflict"})
        ),
        http=tuple(http),
        kafka=tuple(kafka),
        bad=_bad_deliveries(http, kafka, randomness),
        expected=tuple(_expected(*one) for one in stories),
    )


def _random(cohort: str, what: str) -> Random:
    # A demo is to be repeatable; nothing here is a secret.
    return Random(f"{cohort}/{what}")  # noqa: S311


def _body(statements: Sequence[Made], *, as_list: bool) -> bytes:
    if as_list:
        return orjson.dumps([one.statement for one in statements])
    return orjson.dumps(statements[0].statement)


def _enrol(catalogue: Catalogue, cohort: str, count: int) -> tuple[Learner, ...]:
    randomness = _random(cohort, "people")
    people = []
    for number in range(count):
        organisation = catalogue.organisations[number % len(catalogue.organisations)]
        first = randomness.choice(catalogue.first_names)
        last = randomness.choice(catalogue.last_names)
        name = f"{first} {last}"
        login = f"{first}.{last}.{cohort}.{number:03d}".lower()
        host = organisation.home_page.removeprefix("https://").split(".", 1)[1]
        has_two = number % _TWO_IDENTIFIERS_ONE_IN == 3
        people.append(
            Learner(
                number,
                name,
                organisation,
                randomness.choice(organisation.tracks),
                account(organisation.home_page, login, name),
                mbox(f"{login}@{host}", name) if has_two else None,
            )
        )
    return tuple(people)


class _Staff:
    """The assessors of one programme."""

    def __init__(self, catalogue: Catalogue, cohort: str, day: date) -> None:
        plan = catalogue.assessors
        self._day = day

        def agent(one: AssessorPlan) -> Agent:
            login = f"{one.name.lower().replace(' ', '.')}.{cohort}"
            return account(plan.home_page, login, one.name)

        self._regular = tuple((agent(one), one) for one in plan.regular)
        self.lapsed = agent(plan.lapsed)
        self.line_manager = agent(plan.line_manager)
        self.visiting = agent(plan.visiting)
        self._lapsed_plan = plan.lapsed
        self._manager_plan = plan.line_manager

    def regular(self, scope: str, randomness: Random) -> Agent:
        """One of those who may assess this scope."""
        return randomness.choice([who for who, plan in self._regular if scope in plan.scopes])

    def authorisations(self) -> tuple[Authorisation, ...]:
        """Who may assess what, and when: the lapsed one's ended before this programme began."""
        begin, end = self._day - timedelta(days=1200), self._day + timedelta(days=365)
        given = [
            Authorisation(who, scope, begin, end)
            for who, plan in (*self._regular, (self.line_manager, self._manager_plan))
            for scope in plan.scopes
        ]
        ended = self._day - timedelta(days=120)
        return (
            *given,
            *(
                Authorisation(self.lapsed, scope, begin, ended)
                for scope in self._lapsed_plan.scopes
            ),
        )


def _tell_all(
    catalogue: Catalogue,
    plans: Mapping[str, RulePlan],
    people: Sequence[Learner],
    staff: _Staff,
    cohort: str,
    day: date,
) -> list[tuple[int, str, Story]]:
    """(learner, competency, story) for every competency of every learner's track."""
    stories = []
    for code, plan in plans.items():
        takers = [one for one in people if code in catalogue.tracks[one.track]]
        kinds = deal(plan, len(takers), _random(cohort, code))
        for learner, kind in zip(takers, kinds, strict=True):
            cast = Cast(
                account=learner.account,
                other=learner.other,
                regular=staff.regular,
                lapsed=staff.lapsed,
                line_manager=staff.line_manager,
                visiting=staff.visiting,
            )
            randomness = _random(cohort, f"{code}/{learner.number}")
            teller = Teller(day, cast, catalogue.activities, randomness)
            stories.append((learner.number, code, teller.tell(plan, kind)))
    return stories


def _expected(learner: int, code: str, story: Story) -> Expected:
    evidence = tuple(
        (session.clause, made.id)
        for session in story.sessions
        for made in session.statements
        if made.evidence and session.source != "team"
    )
    return Expected(learner, code, story.kind, story.status, story.reasons, evidence)


def _team_sessions(
    catalogue: Catalogue,
    people: Sequence[Learner],
    stories: Sequence[tuple[int, str, Story]],
    cohort: str,
) -> list[Session]:
    """What the learners with a "team" story did was done by teams, each told as one group."""
    randomness = _random(cohort, "teams")
    alone = [
        (number, session)
        for number, _, story in stories
        for session in story.sessions
        if session.source == "team"
    ]
    made = []
    for begin in range(0, len(alone), TEAM_MEMBERS):
        team = alone[begin : begin + TEAM_MEMBERS]
        path = "vr/environmental-sampling"
        statements = team_exercise(
            randomness,
            [people[number].other for number, _ in team],
            path,
            catalogue.activities[path],
            team[0][1].at,
            Outcome("passed", 0.93),
        )
        made.append(Session("vr", team[0][1].clause, tuple(statements)))
    return made


def _http_deliveries(sessions: Iterable[Session], day: date, randomness: Random) -> list[Delivery]:
    """What comes over HTTP: the platform's nightly exports and live statements, and the tablets."""
    live_from = day - timedelta(days=LIVE_DAYS)
    exported: list[Made] = []
    deliveries: list[Delivery] = []
    for session in sorted(sessions, key=lambda one: one.at):
        made = session.statements
        if session.source == "online" and session.at.date() < live_from:
            if len(exported) + len(made) > BATCH_STATEMENTS:
                deliveries.append(_batch("online", exported))
                exported = []
            exported += made
        elif session.source == "online":
            deliveries += [_single("online", one) for one in made]
        elif session.source == "in-person" and len(made) > 1:
            deliveries.append(_batch("in-person", made))
        elif session.source == "in-person":
            deliveries.append(_single("in-person", made[0]))
    if exported:
        deliveries.append(_batch("online", exported))
    return deliveries + _some_again(deliveries, randomness)


def _batch(source: str, made: Sequence[Made]) -> Delivery:
    return Delivery("batch", source, tuple(made), _body(made, as_list=True))


def _single(source: str, made: Made) -> Delivery:
    return Delivery("single", source, (made,), _body((made,), as_list=False))


def _kafka_deliveries(sessions: Iterable[Session], randomness: Random) -> list[Delivery]:
    """What comes over Kafka, in a late and mixed order: rigs send when they find a network."""
    records: list[Delivery] = []
    for session in sessions:
        if session.source not in {"vr", "workplace", "college"}:
            continue
        made = session.statements
        if len(made) == 1 or randomness.randrange(_RECORD_PER_STATEMENT_ONE_IN) == 0:
            records += [
                Delivery("kafka", session.source, (one,), _body((one,), as_list=False))
                for one in made
            ]
        else:
            body = _body(made, as_list=True)
            records.append(Delivery("kafka", session.source, made, body))
    randomness.shuffle(records)
    return records + _some_again(records, randomness)


def _some_again(deliveries: Sequence[Delivery], randomness: Random) -> list[Delivery]:
    """Deliveries that a tool sends a second time, because it did not see the first answer."""
    count = max(1, len(deliveries) // _SENT_AGAIN_ONE_IN)
    return [
        Delivery(one.road, one.source, one.statements, one.body, again=True)
        for one in randomness.sample(list(deliveries), min(count, len(deliveries)))
    ]


def _bad_deliveries(
    http: Sequence[Delivery], kafka: Sequence[Delivery], randomness: Random
) -> tuple[BadDelivery, ...]:
    """One of each kind of mistake that tools make; none of them may change anything."""
    good = next(one for one in kafka if one.source == "vr").statements[0].statement
    no_verb = {key: value for key, value in good.items() if key != "verb"}
    no_verb["id"] = new_id(randomness)
    impossible = {**good, "id": new_id(randomness), "result": {"score": {"scaled": 1.4}}}
    first = next(one for one in http if one.road == "single" and one.source == "online")
    other_copy = {**first.statements[0].statement, "timestamp": "2020-01-01T00:00:00Z"}
    body = orjson.dumps(good)
    return (
        BadDelivery("batch", "online", orjson.dumps([no_verb]), "a statement without a verb", 400),
        BadDelivery(
            "single", "online", orjson.dumps(other_copy), "another statement under a known id", 409
        ),
        BadDelivery("kafka", "vr", body[: len(body) // 2], "a record that breaks off"),
        BadDelivery("kafka", "vr", orjson.dumps(impossible), "a scaled score of 1.4"),
    )
