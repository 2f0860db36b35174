"""The search against a plain reading of the specification, over small worlds of statements.

xAPI 1.0.3 Communication 2.1.3 and "Filter Conditions for StatementRefs"; IEEE 9274.1.1 4.1.6.1.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay_ingest.records import authority_term, term
from assay_ingest.search import Search
from assay_testing import Database
from ingest_samples import AUTHORITY, VOIDED, comment, record, statement, void
from ingest_world import BOUNDS, World, world_on

IDS = [UUID(int=number, version=4) for number in range(1, 8)]
MAILS = [f"mailto:{name}@example.org" for name in "abc"]
TEAM = {"objectType": "Group", "mbox": "mailto:team@example.org", "member": [{"mbox": MAILS[1]}]}
IRIS = [f"http://example.org/activities/{number}" for number in (1, 2)]
VERBS = [f"http://example.org/verbs/{name}" for name in ("did", "saw")]
REGISTRATION = UUID(int=77, version=4)
KEYS = [f"mbox:{mail}" for mail in (*MAILS, "mailto:team@example.org")]
AUTHORITY_KEY = "account:http://lrs.test c"


@pytest.fixture
async def world(postgres: Database) -> AsyncIterator[World]:
    async with world_on(postgres) as made:
        yield made


# --- a plain reading of the specification ---------------------------------------------------------


def keys_of(agent: dict[str, Any]) -> set[str]:
    """An agent or group is matched by its identifier, a group by its members too."""
    found = {f"mbox:{agent['mbox']}"} if "mbox" in agent else set()
    if "account" in agent:
        found.add(f"account:{agent['account']['homePage']} {agent['account']['name']}")
    for member in agent.get("member", ()):
        found |= keys_of(member)
    return found


def is_agent(target: dict[str, Any]) -> bool:
    return target.get("objectType") in ("Agent", "Group")


def agents(sent: dict[str, Any], *, broad: bool) -> set[str]:
    found = keys_of(sent["actor"])
    if is_agent(sent["object"]):
        found |= keys_of(sent["object"])
    if broad:
        found |= keys_of(sent.get("authority", {}))
        context = sent.get("context", {})
        for name in ("instructor", "team"):
            found |= keys_of(context.get(name, {}))
        for one in context.get("contextAgents", ()):
            found |= keys_of(one["agent"])
        for one in context.get("contextGroups", ()):
            found |= keys_of(one["group"])
        if sent["object"].get("objectType") == "SubStatement":
            found |= agents(sent["object"], broad=True)
    return found


def activities(sent: dict[str, Any], *, broad: bool) -> set[str]:
    target = sent["object"]
    found = {target["id"]} if target.get("objectType", "Activity") == "Activity" else set()
    if broad:
        for some in sent.get("context", {}).get("contextActivities", {}).values():
            found |= {one["id"] for one in (some if isinstance(some, list) else [some])}
        if target.get("objectType") == "SubStatement":
            found |= activities(target, broad=True)
    return found


@dataclass(frozen=True)
class Asked:
    """A search in words."""

    agent: str | None = None
    related_agents: bool = False
    verb: str | None = None
    activity: str | None = None
    related_activities: bool = False
    registration: UUID | None = None
    mine: bool = False
    since_ms: int | None = None
    until_ms: int | None = None
    ascending: bool = False

    def search(self) -> Search:
        return Search(
            agent=None if self.agent is None else term(self.agent),
            related_agents=self.related_agents,
            verb=None if self.verb is None else term(self.verb),
            activity=None if self.activity is None else term(self.activity),
            related_activities=self.related_activities,
            registration=self.registration,
            mine=authority_term(AUTHORITY) if self.mine else None,
            since_ms=self.since_ms,
            until_ms=self.until_ms,
            ascending=self.ascending,
        )

    def holds_for(self, sent: dict[str, Any]) -> bool:
        return (
            (self.agent is None or self.agent in agents(sent, broad=self.related_agents))
            and (self.verb is None or sent["verb"]["id"] == self.verb)
            and (
                self.activity is None
                or self.activity in activities(sent, broad=self.related_activities)
            )
            and (
                self.registration is None
                or sent.get("context", {}).get("registration") == str(self.registration)
            )
        )


def expected(asked: Asked, firsts: dict[UUID, tuple[int, dict[str, Any]]]) -> list[UUID]:
    """What a list holds, by walking over everything."""
    found = []
    voided = {
        UUID(sent["object"]["id"])
        for _, sent in firsts.values()
        if sent["verb"]["id"] == VOIDED
        and firsts.get(UUID(sent["object"]["id"]), (0, sent))[1]["verb"]["id"] != VOIDED
    }
    for statement_id, (stored_ms, sent) in firsts.items():
        if statement_id in voided:
            continue
        if asked.since_ms is not None and stored_ms <= asked.since_ms:
            continue
        if asked.until_ms is not None and stored_ms > asked.until_ms:
            continue
        chain, at = [statement_id], sent
        while at["object"].get("objectType") == "StatementRef":
            target = UUID(at["object"]["id"])
            if target in chain or target not in firsts:
                break
            chain.append(target)
            at = firsts[target][1]
        if any(asked.holds_for(firsts[one][1]) for one in chain):
            found.append((stored_ms, statement_id.int))
    return [UUID(int=number, version=4) for _, number in sorted(found, reverse=not asked.ascending)]


# --- worlds ---------------------------------------------------------------------------------------

agent: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [*({"mbox": mail} for mail in MAILS), TEAM]
)


@st.composite
def context(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if draw(st.booleans()):
        made["registration"] = str(REGISTRATION)
    which = draw(st.sampled_from(["", "instructor", "team", "agents", "groups"]))
    if which == "instructor":
        made["instructor"] = draw(agent)
    if which == "team":
        made["team"] = TEAM
    if which == "agents":
        made["contextAgents"] = [
            {"objectType": "contextAgent", "agent": {"mbox": draw(st.sampled_from(MAILS))}}
        ]
    if which == "groups":
        made["contextGroups"] = [{"objectType": "contextGroup", "group": TEAM}]
    if draw(st.booleans()):
        place = draw(st.sampled_from(["parent", "grouping", "category", "other"]))
        activity = {"id": draw(st.sampled_from(IRIS))}
        made["contextActivities"] = {place: draw(st.sampled_from([activity, [activity]]))}
    return made


@st.composite
def content(draw: st.DrawFn, statement_id: UUID) -> dict[str, Any]:
    kind = draw(st.sampled_from(["activity", "agent", "sub", "ref", "ref", "void"]))
    made = statement(
        statement_id, verb=draw(st.sampled_from(VERBS)), activity=draw(st.sampled_from(IRIS))
    )
    made["actor"] = draw(agent)
    more = draw(context())
    if kind in ("ref", "void"):
        # These may not have a context with revision or platform; any other is fine.
        target = draw(st.sampled_from(IDS))
        made = {
            **(comment if kind == "ref" else void)(target, statement_id),
            "actor": made["actor"],
        }
        return {**made, "context": more} if more and kind == "ref" else made
    if kind == "agent":
        made["object"] = {"objectType": "Agent", **draw(agent)}
        if "member" in made["object"]:
            made["object"]["objectType"] = "Group"
    if kind == "sub":
        inner = statement(verb=draw(st.sampled_from(VERBS)), activity=draw(st.sampled_from(IRIS)))
        inner["actor"] = draw(agent)
        inside = draw(context())
        made["object"] = {"objectType": "SubStatement", **inner}
        if inside:
            made["object"]["context"] = inside
    return {**made, "context": more} if more else made


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[int, dict[str, Any]]]:
    """(append time, statement), in the order of applying; an id may come with two contents."""
    ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=8))
    times = draw(st.permutations(range(100, 100 + len(ids))))
    return [(at, draw(content(one))) for at, one in zip(times, ids, strict=True)]


@st.composite
def questions(draw: st.DrawFn) -> Asked:
    return Asked(
        agent=draw(st.none() | st.sampled_from([*KEYS, AUTHORITY_KEY])),
        related_agents=draw(st.booleans()),
        verb=draw(st.none() | st.sampled_from([*VERBS, VOIDED])),
        activity=draw(st.none() | st.sampled_from(IRIS)),
        related_activities=draw(st.booleans()),
        registration=draw(st.none() | st.just(REGISTRATION)),
        mine=draw(st.booleans()),
        since_ms=draw(st.none() | st.integers(100, 108)),
        until_ms=draw(st.none() | st.integers(100, 108)),
        ascending=draw(st.booleans()),
    )


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    log=logs(),
    asked=st.lists(questions(), min_size=1, max_size=12),
    rows_max=st.integers(1, 3),
    scan_rows_max=st.integers(1, 4),
)
async def test_a_search_finds_what_the_specification_says_whatever_the_order_and_the_pages(
    world: World,
    log: list[tuple[int, dict[str, Any]]],
    asked: list[Asked],
    rows_max: int,
    scan_rows_max: int,
) -> None:
    await world.empty()
    await world.apply(
        [record([sent], append_ms=at, offset=number) for number, (at, sent) in enumerate(log)]
    )
    firsts: dict[UUID, tuple[int, dict[str, Any]]] = {}
    for at, sent in sorted(log, key=lambda one: one[0]):
        firsts.setdefault(UUID(sent["id"]), (at, {**sent, "authority": AUTHORITY}))
    small = replace(BOUNDS, rows_max=rows_max, scan_rows_max=scan_rows_max)
    for one in asked:
        wanted = expected(one, firsts)
        assert await world.ids(one.search()) == wanted, one
        assert await world.ids(one.search(), small) == wanted, (one, "in small pages")
