"""The demo's programme: deterministic, valid, and with the outcome that its stories promise."""

import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from assay_aggregator.case import result_of
from assay_aggregator.evaluate import evaluate
from assay_aggregator.fact import Fact, Origin, fact_of
from assay_aggregator.rule import parse_rule
from assay_aggregator.sent import as_sent
from assay_aggregator.world import Authorisation, Conflict, IdentityLink, Valid, World
from assay_cli.demo_catalogue import (
    Source,
    catalogue,
    evidence_activities,
    framework,
    rule_documents,
)
from assay_cli.demo_later import GLOVES, TRANSFER
from assay_cli.demo_programme import BATCH_STATEMENTS, Programme, build
from assay_cli.demo_scenarios import KINDS, deal, plan_of
from assay_cli.demo_statements import Agent, voiding
from assay_schemas.agents import agent_key
from assay_schemas.limits import Limits
from assay_schemas.refusals import StatementsRefused
from assay_schemas.statement import check_statements

DAY = date(2026, 3, 29)  # The clocks go forward in the UK on this night.


@pytest.fixture(scope="module")
def programme() -> Programme:
    return _build(1, DAY, 120)


def _build(seed: int, day: date, learners: int) -> Programme:
    return build(catalogue(), rule_documents(), seed, day, learners)


def _key(agent: Agent) -> str:
    key = agent_key(agent)
    assert key is not None
    return key


def test_the_same_seed_and_day_give_the_same_bytes(programme: Programme) -> None:
    assert _build(1, DAY, 120) == programme


def test_another_seed_day_or_size_shares_no_statement_and_no_person(programme: Programme) -> None:
    ids = {made.id for delivery in programme.http for made in delivery.statements}
    people = {_key(learner.account) for learner in programme.learners}
    for other in (
        _build(2, DAY, 120),
        _build(1, DAY + timedelta(days=1), 120),
        _build(1, DAY, 119),
    ):
        assert ids.isdisjoint(m.id for d in other.http for m in d.statements)
        assert people.isdisjoint(_key(learner.account) for learner in other.learners)


def test_every_statement_is_valid_xapi_with_a_version_4_id(programme: Programme) -> None:
    seen: set[str] = set()
    for delivery in (*programme.http, *programme.kafka):
        checked, single = check_statements(delivery.body, version="1.0.3", limits=Limits())
        assert single is not delivery.body.startswith(b"[")
        assert [str(one.id) for one in checked] == [made.id for made in delivery.statements]
        if not delivery.again:
            ids = {made.id for made in delivery.statements}
            assert len(ids) == len(delivery.statements)
            assert seen.isdisjoint(ids)
            seen |= ids
    assert len(seen) == programme.statements
    assert all(UUID(one).version == 4 for one in seen)


def test_what_shall_be_refused_is_refused_by_its_content_or_by_its_id(
    programme: Programme,
) -> None:
    for bad in programme.bad:
        if bad.http_status == 409:
            (changed,), _ = check_statements(bad.body, version="1.0.3", limits=Limits())
            original = next(
                json.dumps(made.statement).encode()
                for delivery in programme.http
                for made in delivery.statements
                if made.id == str(changed.id)
            )
            (known,), _ = check_statements(original, version="1.0.3", limits=Limits())
            assert known.comparison_hash != changed.comparison_hash
        else:
            with pytest.raises(StatementsRefused):
                check_statements(bad.body, version="1.0.3", limits=Limits())


def test_all_times_lie_before_the_day_and_batches_are_within_their_size(
    programme: Programme,
) -> None:
    midnight = datetime.combine(DAY, time(), UTC)
    for delivery in (*programme.http, *programme.kafka):
        assert all(made.at < midnight for made in delivery.statements)
        assert len(delivery.statements) <= BATCH_STATEMENTS
        assert delivery.road != "single" or len(delivery.statements) == 1


def test_the_roads_carry_late_repeated_single_and_listed_records(programme: Programme) -> None:
    kafka = programme.kafka
    assert programme.late_records() > len(kafka) // 2
    assert sum(one.again for one in kafka) >= 10
    assert sum(one.again for one in programme.http) >= 10
    assert {one.source for one in kafka} == {"vr", "workplace", "college"}
    assert {one.body[:1] for one in kafka if one.source == "vr"} == {b"[", b"{"}
    assert {(one.road, one.source) for one in programme.http} == {
        ("batch", "online"),
        ("single", "online"),
        ("batch", "in-person"),
        ("single", "in-person"),
    }


def test_every_kind_of_story_happens_and_most_end_well(programme: Programme) -> None:
    kinds = Counter(one.kind for one in programme.expected)
    assert {kind.name for kind in KINDS} <= set(kinds)
    achieved = sum(one.status == "achieved" for one in programme.expected)
    assert 0.6 < achieved / len(programme.expected) < 0.9
    assert sum(learner.second is not None for learner in programme.learners) == 15


def test_a_deal_gives_at_least_half_to_clean_stories() -> None:
    for document in rule_documents().values():
        for count in (0, 1, 5, 60):
            kinds = deal(plan_of(document), count, Random(1))  # noqa: S311 - which deal does not matter
            assert len(kinds) == count
            assert kinds.count("clean") >= count / 2


def test_fewer_than_ten_learners_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        _build(1, DAY, 9)


def _facts(programme: Programme) -> list[Fact]:
    """Every delivery as the aggregator would see it, with its source's modality."""
    sources: dict[str, Source] = {one.id: one for one in catalogue().sources}
    stored = datetime.combine(DAY, time(9), UTC)
    found = []
    for offset, delivery in enumerate((*programme.http, *programme.kafka)):
        source = sources[delivery.source]
        origin = Origin(
            source=source.id,
            stored=stored,
            body_hash="",
            modality=source.modality,
            vouches=source.vouches_for_assessors,
            offset=offset,
        )
        found += [fact_of(as_sent(made.statement), origin) for made in delivery.statements]
    return found


def _world(programme: Programme) -> World:
    links = [
        IdentityLink(_key(agent), str(learner.number))
        for learner in programme.learners
        for agent in (learner.account, learner.second)
        if agent is not None
    ]
    assessors = {_key(one.assessor) for one in programme.authorisations}
    links += [IdentityLink(key, key) for key in assessors]
    number = {_key(learner.account): str(learner.number) for learner in programme.learners}
    return World(
        facts=_facts(programme),
        links=links,
        authorisations=[
            Authorisation(
                _key(one.assessor),
                one.scope,
                Valid(one.valid_from.toordinal(), one.valid_to.toordinal()),
            )
            for one in programme.authorisations
        ],
        conflicts=[
            Conflict(_key(assessor), number[_key(learner)])
            for assessor, learner in programme.conflicts
        ],
    )


def _per_person(world: World) -> dict[str, World]:
    """The world cut by person, since evaluating reads all facts that it is given."""
    person = {link.key: link.person for link in world.links}
    facts: dict[str, list[Fact]] = {}
    for fact in world.facts:
        for key in fact.actor_keys:
            facts.setdefault(person[key], []).append(fact)
    return {
        one: World(found, world.links, world.authorisations, world.conflicts)
        for one, found in facts.items()
    }


@pytest.mark.parametrize("day", [DAY, date(2028, 2, 29), date(2026, 12, 31)])
def test_the_engine_decides_what_every_story_promises(day: date) -> None:
    programme = _build(3, day, 80)
    rules = {code: parse_rule(document) for code, document in rule_documents().items()}
    worlds = _per_person(_world(programme))
    as_of = datetime.combine(day, time(10), UTC)
    wrong = []
    for expected in programme.expected:
        world = worlds[str(expected.learner)]
        decision = evaluate(rules[expected.code], world, str(expected.learner), as_of, None)
        result: dict[str, Any] = result_of(decision)
        reasons = Counter(one["reason"] for one in result["excluded"])
        if (result["status"], reasons) != (expected.status, Counter(expected.reasons)):
            wrong.append((expected, result["status"], reasons))
    assert wrong == []


def test_voiding_the_observation_withdraws_the_gowning_award(programme: Programme) -> None:
    rule = parse_rule(rule_documents()["ASP2"])
    clean = next(e for e in programme.expected if e.code == "ASP2" and e.kind == "clean")
    person = str(clean.learner)
    world = _per_person(_world(programme))[person]
    target = next(made for clause, made in clean.evidence if clause == "observed")
    statement = voiding("0b2c1f6e-5d0b-4b62-8a55-111111111111", target, {"mbox": "mailto:a@b.c"})
    check_statements(json.dumps(statement).encode(), version="1.0.3", limits=Limits())
    stored = datetime.combine(DAY, time(9, 30), UTC)
    void = fact_of(
        as_sent({**statement, "timestamp": "2026-03-29T09:30:00Z"}),
        Origin(source="admin", stored=stored, body_hash="", may_void=True),
    )
    voided = World([*world.facts, void], world.links, world.authorisations, world.conflicts)
    as_of = datetime.combine(DAY, time(10), UTC)
    assert evaluate(rule, world, person, as_of, None).status == "achieved"
    result = result_of(evaluate(rule, voided, person, as_of, None))
    assert result["status"] == "in_progress"
    assert result["excluded"] == [{"statement": target, "reason": "voided"}]


def test_the_rules_stand_on_competencies_and_scopes_that_exist() -> None:
    data = catalogue()
    codes = {one.code for one in framework()}
    assert len(codes) == 60
    documents = rule_documents()
    assert set(documents) <= codes
    of_tracks = {code for track in data.tracks.values() for code in track}
    assert of_tracks | {GLOVES, TRANSFER} == set(documents)
    paths = {need.path for document in documents.values() for need in plan_of(document).needs}
    assert paths <= set(data.activities)
    assert {t for one in data.organisations for t in one.tracks} == set(data.tracks)
    taught = {scope for one in data.assessors.regular for scope in one.scopes}
    needed = {n.scope for code in of_tracks for n in plan_of(documents[code]).needs if n.scope}
    assert needed <= taught


def test_the_evidence_activities_are_those_that_rules_match() -> None:
    matched = {
        (clause["modality"][0], activity)
        for document in rule_documents().values()
        for clause in dict[str, Any](document)["evidence"].values()
        for activity in clause["match"]["activity"]
    }
    listed = {
        (modality, activity)
        for modality in ("online", "vr", "in_person", "workplace")
        for activity in evidence_activities(modality)
    }
    assert matched == listed
