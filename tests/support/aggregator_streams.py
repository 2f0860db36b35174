"""Random streams of everything that can happen to the aggregator.

`Stream.run` applies operations to a real database through the use cases of the service, in any
mixture: statements, copies of them, voids, identity links, authorisations, conflicts of interest,
rules, overrides, reviews, the time. `aggregator_recompute` then decides from the tables alone.
"""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from aggregator_service_driver import (
    OBSERVED,
    START,
    TENANT,
    THEORY,
    VR,
    Driver,
    agent,
    rule,
    statement,
    theory_rule,
    void,
)
from assay_aggregator.admin import Days
from assay_aggregator.reviews.marks import mark_decision
from assay_aggregator.reviews.store import ReviewStore

ACTORS = ("ada", "ada.l", "eve", "eve@home", "fin")
ASSESSORS = ("ben", "cai")
APS = "https://example.org/a/aps"
MORE = "https://example.org/a/more"
PARENT = "https://example.org/competencies/both"
GATED = "https://example.org/competencies/gated"
LEVELLED = "https://example.org/competencies/levelled"

Random = random.Random


def both_rule() -> dict[str, Any]:
    """A roll-up of the two small rules."""
    made = theory_rule(8)
    for key in ("evidence", "requires", "validity"):
        del made[key]
    children = [
        {"competency": theory_rule(number)["competency"], "required": number == 0}
        for number in (0, 1)
    ]
    return made | {
        "id": "both",
        "competency": PARENT,
        "rollup": {"method": "all", "children": children},
    }


def gated_rule(**changes: Any) -> dict[str, Any]:
    """Theory, while the first small competency is held."""
    needs = [{"competency": theory_rule(0)["competency"], "at": "always"}]
    made = theory_rule(7, prerequisites=needs, **changes)
    return made | {"id": "gated", "competency": GATED}


def levelled_rule() -> dict[str, Any]:
    made = rule(id="levelled", competency=LEVELLED, requires={"all": ["theory"]})
    made["levels"] = [
        {"level": 1, "requires": {"all": ["theory"]}},
        {"level": 2, "requires": {"all": ["theory", "vr"]}},
        {"level": 3, "requires": {"all": ["theory", "vr", "obs"]}},
    ]
    made["overrides"] = {"allow": True, "meaning": ["approval"], "max": "P20D", "two_person": True}
    return made


def strict_rule(**changes: Any) -> dict[str, Any]:
    """The gowning rule with all that can happen after an award."""
    match = {"verb": ["failed"], "activity": [APS]}
    made: dict[str, Any] = {
        "disqualify": [{"match": match}],
        "on_later_fail": {"clauses": ["vr"], "status": "under_review"},
        "renewal": {"evidence": {"obs": {"attempts": {"policy": "any"}}}},
        "lapse": {"after": "P10D"},
        "validity": {"period": "P40D", "basis": "latest"},
    }
    return rule(**(made | changes))


def other_theory_rule(version: int, since: str, policy: str) -> dict[str, Any]:
    made = theory_rule(1, version=version, effective_from=since, transition={"policy": policy})
    made["evidence"]["theory"]["score_gte"] = "0.90"
    return made


@dataclass
class Stream:
    """One random history. `choice` decides everything, so a seed is a history."""

    driver: Driver
    choice: Random
    clock: datetime = START
    names: list[str] = field(default_factory=list)
    links: list[UUID] = field(default_factory=list)
    authorisations: list[UUID] = field(default_factory=list)
    conflicts: list[UUID] = field(default_factory=list)
    overrides: list[UUID] = field(default_factory=list)
    reviews: list[UUID] = field(default_factory=list)
    people: list[UUID] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        async with self.driver.records() as records:
            for document in (theory_rule(0), theory_rule(1), strict_rule(), levelled_rule()):
                await records.put_rule(document)
            if self.choice.random() < 0.5:
                await records.put_rule(both_rule())
                await records.put_rule(gated_rule())
            for name in (*ASSESSORS, *ACTORS[:3]):
                self.people.append(await records.put_person([agent(name)]))
            self.authorisations.append(await records.add_authorisation(self.people[0], "gowning-b"))

    async def run(self, operations: int) -> None:
        """Do so many random things, deciding now and then a part of what is marked."""
        kinds = (
            [self.post] * 12
            + [self.repeat, self.take_back, self.take_back, self.link, self.link, self.unlink]
            + [self.authorise, self.unauthorise, self.conflict, self.unconflict]
            + [self.legislate, self.grant, self.ungrant, self.review, self.close, self.wait]
        )
        for _ in range(operations):
            operation = self.choice.choice(kinds)
            self.log.append(operation.__name__)
            await operation()
            if self.choice.random() < 0.4:
                await self.driver.decide(limit=self.choice.randrange(1, 9))

    async def end(self) -> None:
        """Let the time of the log pass all records, and decide whatever is due."""
        for _ in range(2):
            self.clock += timedelta(hours=1)
            await self.driver.tick(self.clock)
            await self.driver.decide()

    # Operations

    def _stored(self) -> datetime:
        self.clock += timedelta(minutes=self.choice.randrange(1, 3_000))
        return self.clock

    def _made(self, name: str) -> tuple[str, dict[str, Any]]:
        source, activity = self.choice.choice(
            [("online", THEORY)] * 3
            + [("vr", VR)] * 3
            + [("in_person", OBSERVED)] * 2
            + [("online", APS), ("vr", THEORY)]
        )
        verb = self.choice.choice(["passed"] * 6 + ["failed"])
        lag = timedelta(hours=self.choice.choice([0, 1, 20, 300, 900, -400]))
        made = statement(
            name,
            actor=self.choice.choice(ACTORS),
            verb=verb,
            activity=activity,
            at=self.clock - lag,
            scaled=self.choice.choice(["0.95", "0.95", "0.92", "0.75"]),
            assessor=self.choice.choice(ASSESSORS) if source == "in_person" else None,
        )
        if self.choice.random() < 0.05:
            members = [agent(one) for one in self.choice.sample(ACTORS, 2)]
            made["actor"] = {"objectType": "Group", "member": members}
        return source, made

    async def post(self) -> None:
        stored = self._stored()
        name = f"s{len(self.names)}"
        self.names.append(name)
        source, made = self._made(name)
        await self.driver.post(source, made, stored=stored)

    async def repeat(self) -> None:
        """Another copy of a statement that was there, or the first of one that was voided."""
        stored = self._stored()
        name = self.choice.choice([*self.names, "s0", "late"])
        source, made = self._made(name)
        await self.driver.post(source, made, stored=stored)

    async def take_back(self) -> None:
        stored = self._stored()
        target = self.choice.choice([*self.names, "late"])
        source = self.choice.choice(["office", "office", "online"])
        made = void(f"v{len(self.log)}", target, at=stored)
        await self.driver.post(source, made, stored=stored)

    def _days(self) -> Days:
        first = (self.clock - timedelta(days=self.choice.randrange(0, 40))).date()
        last = first + timedelta(days=self.choice.randrange(0, 60))
        return self.choice.choice([Days(), Days(first, None), Days(None, last), Days(first, last)])

    async def link(self) -> None:
        async with self.driver.records() as records:
            named = agent(self.choice.choice(ACTORS))
            person = self.choice.choice(self.people)
            self.links.append(await records.add_link(named, person, self._days()))

    async def unlink(self) -> None:
        if self.links:
            async with self.driver.records() as records:
                await records.retract_link(self._drawn(self.links))

    async def authorise(self) -> None:
        async with self.driver.records() as records:
            assessor = self.choice.choice(self.people[:2])
            made = await records.add_authorisation(assessor, "gowning-b", self._days())
            self.authorisations.append(made)

    async def unauthorise(self) -> None:
        if self.authorisations:
            async with self.driver.records() as records:
                await records.retract_authorisation(self._drawn(self.authorisations))

    async def conflict(self) -> None:
        async with self.driver.records() as records:
            assessor, person = self.people[0], self.choice.choice(self.people[2:])
            self.conflicts.append(await records.add_conflict(assessor, person, self._days()))

    async def unconflict(self) -> None:
        if self.conflicts:
            async with self.driver.records() as records:
                await records.retract_conflict(self._drawn(self.conflicts))

    async def legislate(self) -> None:
        """One more version, or a rule that looks at others; some have begun, some will."""
        since = (self.clock + timedelta(days=self.choice.randrange(-20, 20))).date().isoformat()
        policy = self.choice.choice(["grandfather", "re_evaluate"])
        version = 2 + self.log.count("legislate")
        document = self.choice.choice(
            [
                other_theory_rule(version, since, policy),
                strict_rule(version=version, effective_from=since, lapse={"after": "P0D"}),
                gated_rule(version=version, effective_from=since),
                both_rule() | {"version": version, "effective_from": since},
            ]
        )
        async with self.driver.records() as records:
            await records.put_rule(document)

    async def grant(self) -> None:
        """An override that two persons have signed; who signs is tested elsewhere."""
        override, person = uuid4(), self.choice.choice(self.people[2:])
        first = (self.clock + timedelta(days=self.choice.randrange(-5, 5))).date()
        last = first + timedelta(days=self.choice.randrange(0, 40))
        async with self.driver.records() as records:
            store = ReviewStore(records.store.connection)
            await store.insert_override(
                TENANT, override, person, LEVELLED, 2, first, last, "approval", "busy", "ann",
                uuid4(), records.recorded_ms, None,
            )  # fmt: skip
            await store.approve_override(TENANT, override, "bob", uuid4(), records.recorded_ms)
            await mark_decision(records, person, LEVELLED)
        self.overrides.append(override)

    async def ungrant(self) -> None:
        if self.overrides:
            async with self.driver.records() as records:
                store = ReviewStore(records.store.connection)
                gone = self._drawn(self.overrides)
                row = await store.retract_override(TENANT, gone, records.recorded_ms)
                assert row is not None
                await mark_decision(records, row["person"], row["competency"])

    async def review(self) -> None:
        review, person = uuid4(), self.choice.choice(self.people[2:])
        competency = self.choice.choice([LEVELLED, theory_rule(0)["competency"]])
        async with self.driver.records() as records:
            await ReviewStore(records.store.connection).insert_review(
                TENANT, review, person, competency, "review", "odd", f"ann{len(self.log)}", None,
                records.recorded_ms,
            )  # fmt: skip
            await mark_decision(records, person, competency)
        self.reviews.append(review)

    async def close(self) -> None:
        if self.reviews:
            async with self.driver.records() as records:
                store = ReviewStore(records.store.connection)
                review = self._drawn(self.reviews)
                row = await store.lock_review(TENANT, review)
                assert row is not None
                await store.close_review(
                    TENANT, review, records.recorded_ms, "upheld", "fine", "bob", uuid4()
                )
                await mark_decision(records, row["person"], row["competency"])

    async def wait(self) -> None:
        self.clock += timedelta(days=self.choice.choice([1, 1, 7, 30]))
        await self.driver.tick(self.clock)

    def _drawn(self, some: list[UUID]) -> UUID:
        return some.pop(self.choice.randrange(len(some)))
