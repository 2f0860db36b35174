"""The chapters of the demo up to the decisions; each prints, and checks what it says."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from assay_cli.demo_catalogue import catalogue, framework, rule_documents
from assay_cli.demo_doors import DemoError, Doors, Json, eventually, side_by_side
from assay_cli.demo_programme import Delivery, Expected, Learner, Programme
from assay_cli.demo_report import Story, explain, tell_programme, tell_reasons, tell_statuses
from assay_cli.demo_statements import COMPETENCIES

STORED_SECONDS = 120.0
DECIDED_SECONDS = 120.0


@dataclass(slots=True)
class Play:
    """What the chapters hand on."""

    doors: Doors
    story: Story
    programme: Programme
    before: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    again: bool = False
    people: dict[int, str] = field(default_factory=dict)
    decisions: dict[int, dict[str, Json]] = field(default_factory=dict)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar while something is under way; without a terminal, one line at its end."""
        began = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        console = self.story.console
        with Progress(
            *columns,
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)
        self.story.say(f"{what}: {total:,} in {time.monotonic() - began:.1f} s")


async def begin(play: Play, seed: int) -> None:
    missing = await play.doors.not_ready()
    if missing:
        parts = "; ".join(f"{name}: {text}" for name, text in missing.items())
        raise DemoError(f"the stack is not ready ({parts}): run `make run` first")
    play.story.chapter(f"The programme (seed {seed}, {play.programme.cohort})")
    tell_programme(play.story, play.programme)
    first = play.programme.http[0].statements[0].id
    play.again = await play.doors.statement(first) is not None
    if play.again:
        play.story.say(
            "This programme was sent to this stack before. All of it is sent again now, under the "
            "same ids, and nothing may double."
        )


async def authorities(play: Play) -> None:
    """Records of the training office, which are made once."""
    doors, programme = play.doors, play.programme
    for learner in _known_twice(programme)[::2]:
        await _link_one(play, learner)
    if play.again:
        return
    given = programme.authorisations
    with play.progress("authorisations of assessors", len(given)) as advance:
        for authorisation in given:
            assessor = await doors.put_person([authorisation.assessor])
            await doors.authorise(assessor, authorisation)
            advance()
    for agent, learner_agent in programme.conflicts:
        assessor = await doors.put_person([agent])
        await doors.declare_conflict(assessor, await doors.put_person([learner_agent]))
    play.story.say(f"{len(programme.conflicts)} conflicts of interest are declared")


def _known_twice(programme: Programme) -> list[Learner]:
    return [one for one in programme.learners if one.second is not None]


async def _link_one(play: Play, learner: Learner) -> None:
    agents = [one for one in (learner.account, learner.second) if one is not None]
    play.people[learner.number] = await play.doors.put_person(agents)


async def send(play: Play) -> None:
    doors, story, programme = play.doors, play.story, play.programme
    story.chapter("What the tools send")
    play.before = {name: await doors.counters(name) for name in ("ingest", "mover")}
    statuses: Counter[tuple[str, int]] = Counter()

    async def post(delivery: Delivery) -> None:
        answer = await doors.post(delivery.source, delivery.body)
        statuses[delivery.road, answer.status_code] += 1

    with play.progress("HTTP requests", len(programme.http)) as advance:
        await side_by_side(post, programme.http, advance)
    tenant = catalogue().tenant
    with play.progress("Kafka records", len(programme.kafka)) as advance:
        await doors.produce(tenant, programme.kafka, advance)
    story.table(
        ("road", "deliveries", "statements", "sent twice on purpose"),
        [
            (name, len(sent), sum(len(d.statements) for d in sent), sum(d.again for d in sent))
            for name, sent in _by_road(programme).items()
        ],
    )
    story.say(f"{programme.late_records():,} Kafka records came later than they happened.")
    refused = {key: count for key, count in statuses.items() if key[1] != 200}
    story.check(not refused, "Every HTTP request was answered 200, the repeats too", str(refused))
    for bad in programme.bad:
        if bad.http_status is not None:
            answer = await doors.post(bad.source, bad.body)
            story.check(
                answer.status_code == bad.http_status,
                f"{bad.about}: refused with {bad.http_status}",
                f"answered {answer.status_code}",
            )
    await doors.produce(tenant, [one for one in programme.bad if one.road == "kafka"], _nothing)


def _nothing() -> None:
    return None


def _by_road(programme: Programme) -> dict[str, list[Delivery]]:
    roads: dict[str, list[Delivery]] = {}
    for delivery in (*programme.http, *programme.kafka):
        name = {"single": "HTTP, single", "batch": "HTTP, batch", "kafka": "Kafka"}[delivery.road]
        roads.setdefault(f"{name}, {delivery.source}", []).append(delivery)
    return roads


async def came_in(play: Play) -> None:
    """Wait for the last statement of every road, and for the mistakes among the rejected."""
    doors, story, programme = play.doors, play.story, play.programme
    story.chapter("What came in")
    last: dict[str, str] = {}
    for delivery in (*programme.http, *programme.kafka):
        last[f"{delivery.road == 'kafka'} {delivery.source}"] = delivery.statements[-1].id
    with play.progress("roads waited for", len(last)) as advance:
        for name, statement_id in last.items():

            async def look(wanted: str = statement_id) -> bool | None:
                return await doors.statement(wanted) is not None or None

            if not await eventually(look, STORED_SECONDS):
                raise DemoError(
                    f"the last statement of {name.split()[1]} is not stored after "
                    f"{STORED_SECONDS:.0f} s"
                )
            advance()
    wrong = sum(one.road == "kafka" for one in programme.bad)

    async def rejected() -> dict[str, float] | None:
        now = await doors.counters("mover")
        found = _since(now, play.before["mover"], "assay_statements_rejected{")
        return found if sum(found.values()) >= wrong else None

    reasons = await eventually(rejected, STORED_SECONDS) or {}
    story.check(
        sum(reasons.values()) >= wrong,
        f"{wrong} bad Kafka records are among the rejected, and held nothing up",
        str(reasons),
    )
    story.say("They are kept with their reasons: `assay rejected list`.")
    ingest = _since(await doors.counters("ingest"), play.before["ingest"], "assay_")
    mover = _since(await doors.counters("mover"), play.before["mover"], "assay_")
    story.table(
        ("at", "what", "count"),
        [
            (place, name.removeprefix("assay_statements_"), int(count))
            for place, counters in (("ingest", ingest), ("mover", mover))
            for name, count in sorted(counters.items())
            if name.startswith("assay_statements_")
        ],
    )
    await _nothing_doubled(play)


def _since(now: Mapping[str, float], before: Mapping[str, float], prefix: str) -> dict[str, float]:
    """How much counters have grown."""
    grown = {name: value - before.get(name, 0.0) for name, value in now.items()}
    return {name: value for name, value in grown.items() if name.startswith(prefix) and value > 0}


async def _nothing_doubled(play: Play) -> None:
    """Read back everything of some learners who will keep all their evidence."""
    programme = play.programme
    tracks = catalogue().tracks
    chosen = [
        one for one in programme.learners if one.second is None and "ASP2" not in tracks[one.track]
    ][:5]
    for learner in chosen:
        ids = await play.doors.statement_ids(learner.account)
        sent = {
            made.id
            for delivery in (*programme.http, *programme.kafka)
            for made in delivery.statements
            if made.statement["actor"] == learner.account
        }
        if not play.story.check(
            sorted(ids) == sorted(sent),
            f"{learner.name}: {len(sent)} statements were sent, and each is there once",
            f"{len(ids)} are there",
        ):
            break


async def link(play: Play) -> None:
    linked = _known_twice(play.programme)
    late = linked[1::2]
    for learner in late:
        await _link_one(play, learner)
    play.story.say(
        f"{len(linked)} learners with two identifiers are linked, {len(late)} of them only now, "
        f"after their evidence came."
    )


async def decided(play: Play) -> None:
    """Wait until the standing decisions are those that the stories promise."""
    doors, story, programme = play.doors, play.story, play.programme
    story.chapter("What is decided")
    through = await doors.consistent_through()
    wanted: dict[int, dict[str, Expected]] = {}
    for expected in programme.expected:
        wanted.setdefault(expected.learner, {})[expected.competency] = expected
    wrong: list[str] = []

    async def look(number: int) -> None:
        learner = programme.learners[number]
        if number not in play.people:
            person = await doors.person(learner.account)
            if person is None:
                wrong.append(f"{learner.name} is not known")
                return
            play.people[number] = person
        person = play.people[number]

        missing = ["is not decided"]

        # A link that was recorded a moment ago comes into force with the next tick of the log.
        async def settled() -> bool | None:
            decisions, known = await doors.decisions(person)
            live = await doors.live_statuses(person)
            play.decisions[number] = decisions
            missing[:] = [
                f"{expected.code} ({expected.kind}): {difference}"
                for competency, expected in wanted[number].items()
                if (difference := _difference(decisions.get(competency), expected))
            ]
            missing.extend(
                f"{one} is {decision['status']}, the standing decision is another"
                for one, decision in decisions.items()
                if live.get(one, "not_started") != decision["status"]
            )
            return True if known >= through and not missing else None

        if not await eventually(settled, DECIDED_SECONDS, 0.5):
            wrong.extend(f"{learner.name}, {one}" for one in missing or ["is not decided"])

    with play.progress("learners decided", len(wanted)) as advance:
        await side_by_side(look, sorted(wanted), advance)
    story.check(
        not wrong,
        f"{len(programme.expected)} decisions are those that the programme's stories promise",
        "; ".join(wrong[:5]),
    )


def _difference(decision: Json | None, expected: Expected) -> str:
    """How a decision differs from what its story promises, "" when it does not."""
    status = "not_started" if decision is None else decision["status"]
    reasons = Counter(one["reason"] for one in (decision or {}).get("excluded", ()))
    if reasons == Counter({"voided": 1}) and status == "in_progress" and expected.code == "ASP2":
        return ""  # An earlier run of this demo voided it.
    if (status, reasons) == (expected.status, Counter(expected.reasons)):
        return ""
    return f"{status} {dict(reasons)}, not {expected.status} {dict(expected.reasons)}"


async def tell(play: Play) -> None:
    """What counted and what did not, the statuses, and one record in plain words."""
    story, programme = play.story, play.programme
    statuses: Counter[tuple[str, str]] = Counter()
    reasons: Counter[str] = Counter()
    counted = 0
    for expected in programme.expected:
        decision = play.decisions.get(expected.learner, {}).get(expected.competency)
        statuses[expected.code, "not_started" if decision is None else decision["status"]] += 1
        if decision is not None:
            reasons.update(one["reason"] for one in decision["excluded"])
            using = {*decision["used"], *(one["statement"] for one in decision["counted"])}
            counted += len(using)
    tell_reasons(story, counted, reasons)
    story.console.print()
    tell_statuses(story, statuses, framework())
    # Others may use the tenant too, so the overview of all of it may say more, but never less.
    overview = await play.doors.summary()
    less = [
        f"{code} {status}"
        for (code, status), count in statuses.items()
        if status != "not_started" and overview[COMPETENCIES + code].get(status, 0) < count
    ]
    story.check(not less, "The overview of the whole tenant holds all of this", ", ".join(less))
    all_reasons = await play.doors.reasons()
    less = [one for one, count in reasons.items() if all_reasons.get(one, 0) < count]
    story.check(not less, "Its list of reasons does so, too", ", ".join(less))
    number = max(
        play.decisions,
        key=lambda one: len(
            {x["reason"] for d in play.decisions[one].values() for x in d["excluded"]}
        ),
    )
    learner = programme.learners[number]
    story.chapter(f"One record in plain words: {learner.name}, {learner.organisation.name}")
    data, rules = catalogue(), rule_documents()
    for competency in framework():
        decision = play.decisions[number].get(competency.iri)
        if competency.code in data.tracks[learner.track] and decision is not None:
            for line in explain(competency, rules[competency.code], decision, data.activities):
                story.say(line)
