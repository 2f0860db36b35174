"""Competency events as xAPI statements: their form, and that nothing is decided from them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator_service_driver import (
    ADL,
    COMPETENCY,
    TENANT,
    Driver,
    agent,
    day,
    driver_of,
    identifier,
    post_award,
    rule,
    void,
    with_records,
)
from assay_aggregator.emit import VERB_OF, VERBS, agent_of, statement_id, statement_of
from assay_schemas.agents import agent_key
from assay_schemas.events import CompetencyEvent, competency_event
from assay_schemas.json_schemas import event_classes
from assay_schemas.limits import Limits
from assay_schemas.statement import check_statements
from assay_schemas.topics import COMPETENCIES, OWN_SOURCE, input_topic
from assay_testing import Database, KafkaSpace

HOME = "https://records.example.org"
ADA = {"account": {"homePage": "https://id.example.org", "name": "ada"}}
EXPIRES = "https://w3id.org/xapi/comp/contextextensions/expires"


def event(kind: str, **changed: Any) -> CompetencyEvent:
    return competency_event.validate_python(
        {
            "type": f"competency.{kind}/v1",
            "event_id": str(UUID(int=1)),
            "tenant": TENANT,
            "person": str(UUID(int=7)),
            "competency": COMPETENCY,
            "sequence": 3,
            "decision": str(UUID(int=2)),
            "rule": "gowning-b",
            "rule_version": 1,
            "rule_hash": "5a" * 32,
            "status": "achieved",
            "as_of": "2026-03-02T10:15:30.123000Z",
            "achieved_on": "2026-03-02",
            "expires_on": "2027-01-10",
            "timezone": "Europe/London",
            "within_days": 30,
            **changed,
        }
    )


def told(kind: str, **changed: Any) -> dict[str, Any]:
    text = statement_of(event(kind, **changed), ADA)
    assert text is not None
    made = orjson.loads(text)
    assert isinstance(made, dict)
    return made


def test_every_kind_of_event_has_a_word_or_none() -> None:
    kinds = {one for one in event_classes() if one.__name__.startswith("Competency")}
    corrected = {one for one in kinds if one.__name__ == "CompetencyCorrected"}
    assert set(VERB_OF) == kinds - corrected
    assert statement_of(event("expiring"), ADA) is None


@pytest.mark.parametrize(
    ("kind", "changed", "verb"),
    [
        ("achieved", {}, "achieved"),
        ("renewed", {}, "achieved"),
        ("reinstated", {}, "achieved"),
        ("level_changed", {"level": 3}, "achieved"),
        ("expired", {"status": "expired"}, "expired"),
        ("suspended", {"status": "suspended", "reason": "disqualified"}, "forfeited"),
        ("under_review", {"status": "under_review"}, "forfeited"),
        ("withdrawn", {"status": "in_progress", "reason": "voided"}, "forfeited"),
        ("revoked", {"status": "revoked"}, "revoked"),
        ("corrected", {}, "achieved"),
        ("corrected", {"status": "suspended"}, "forfeited"),
    ],
)
def test_the_verbs_are_those_of_the_profile(kind: str, changed: dict[str, Any], verb: str) -> None:
    made = told(kind, **changed)
    assert made["verb"]["id"] == VERBS + verb
    assert made["object"]["definition"]["type"].endswith("/tla/activity-types/competency")
    (category,) = made["context"]["contextActivities"]["category"]
    assert category["id"] == "https://w3id.org/xapi/learnercompetency"
    assert made["context"]["extensions"][EXPIRES] == "2027-01-10"


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
@pytest.mark.parametrize("kind", ["achieved", "level_changed", "suspended"])
def test_a_statement_is_valid_in_both_versions(kind: str, version: Any) -> None:
    text = statement_of(event(kind, level=2, reason="disqualified"), ADA)
    assert text is not None
    (checked,), _ = check_statements(text, version=version, limits=Limits())
    assert checked.id == statement_id(event(kind))


def test_an_expiry_is_dated_by_the_end_of_the_last_valid_day_and_not_ahead() -> None:
    late = told("expired", status="expired", as_of="2027-02-01T00:00:00Z")
    assert late["timestamp"] == "2027-01-11T00:00:00Z"
    summer = {"expires_on": "2026-06-30", "as_of": "2026-07-09T00:00:00Z"}
    assert told("expired", status="expired", **summer)["timestamp"] == "2026-06-30T23:00:00Z"
    early = told("expired", status="expired", as_of="2027-01-10T12:00:00Z")
    assert early["timestamp"] == "2027-01-10T12:00:00Z"


def test_an_id_follows_from_whom_what_and_the_sequence_alone() -> None:
    one = event("achieved")
    assert statement_id(one) == statement_id(event("revoked", as_of="2026-09-09T00:00:00Z"))
    assert statement_id(one).version == 4
    assert len({statement_id(event("achieved", sequence=number)) for number in (1, 2, 3)}) == 3
    assert statement_id(one) != one.event_id


@given(
    st.one_of(
        st.builds(lambda name: {"mbox": f"mailto:{name}@example.org"}, st.from_regex(r"[a-z]+")),
        st.builds(
            lambda name: {"account": {"homePage": "https://a.example", "name": name}},
            st.text(min_size=1),
        ),
        st.builds(lambda name: {"openid": f"https://id.example/{name}"}, st.text(min_size=1)),
        st.just({"mbox_sha1sum": "ab" * 20}),
    )
)
def test_an_agent_is_named_as_it_was(one: dict[str, Any]) -> None:
    key = agent_key(one)
    assert key is not None
    assert agent_of(key) == one


# On real tables


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    owner = await postgres.connect("assay_owner")
    await owner.execute("insert into aggregator.emission values ($1, $2)", TENANT, HOME)
    await owner.close()
    async with driver_of(postgres) as made:
        yield made


async def outbox(driver: Driver, topic: str) -> list[dict[str, Any]]:
    rows = await driver.pool.fetch(
        "select value from aggregator.outbox where topic = $1 order by id", topic
    )
    return [orjson.loads(row["value"]) for row in rows]


OWN = input_topic(TENANT, OWN_SOURCE).name


async def test_each_event_leaves_as_a_statement_of_the_learner(driver: Driver) -> None:
    await with_records(driver)
    await post_award(driver)
    await driver.decide()
    await driver.tick(day(350))
    await driver.decide()
    await driver.tick(day(376))
    await driver.decide()
    events = await outbox(driver, COMPETENCIES)
    made = await outbox(driver, OWN)
    assert [one["type"].split(".")[1] for one in events] == [
        "achieved/v1",
        "expiring/v1",
        "expired/v1",
    ]
    assert [one["verb"]["id"] for one in made] == [VERBS + "achieved", VERBS + "expired"]
    assert [one["actor"]["account"]["name"] for one in made] == ["ada", "ada"]
    assert made[0]["id"] == str(statement_id(competency_event.validate_python(events[0])))


async def test_a_tenant_that_did_not_ask_for_it_has_none(
    driver: Driver, postgres: Database
) -> None:
    owner = await postgres.connect("assay_owner")
    await owner.execute("delete from aggregator.emission")
    await owner.close()
    await with_records(driver)
    await post_award(driver)
    await driver.decide()
    assert await outbox(driver, OWN) == []


async def test_what_we_told_ourselves_is_never_evidence_whatever_a_rule_says(
    driver: Driver,
) -> None:
    """A rule that matches our own words, also to disqualify, hears nothing of them."""
    await with_records(driver)
    words = [VERBS + "achieved", VERBS + "forfeited", VERBS + "expired"]
    async with driver.records() as records:
        document = rule(
            version=2,
            effective_from="2025-01-01",
            disqualify=[{"match": {"verb": words, "activity": [COMPETENCY]}}],
        )
        document["evidence"]["theory"]["match"] = {
            "verb": [*words, ADL + "passed"],
            "activity": [COMPETENCY, *document["evidence"]["theory"]["match"]["activity"]],
        }
        await records.put_rule(document)
    await post_award(driver)
    await driver.decide()
    before = await driver.pool.fetch("select document::text from aggregator.decision")
    people = await driver.pool.fetchval("select count(*) from aggregator.person")
    for number, made in enumerate(await outbox(driver, OWN)):
        await driver.post(OWN_SOURCE, made, stored=day(70 + number))
        # Somebody of whom nothing is known: who is spoken of by an account of ours.
        nobody = {**agent("x"), "account": {"homePage": HOME, "name": str(uuid4())}}
        await driver.post(
            OWN_SOURCE, {**made, "id": str(uuid4()), "actor": nobody}, stored=day(71 + number)
        )
        # Nor does a void of ours bring anything to be decided anew.
        await driver.post(
            "office", void(f"v{number}", "nothing", at=day(72)), stored=day(72 + number)
        )
    assert await driver.pool.fetchval("select count(*) from aggregator.mark") == 0
    assert await driver.decide() == []
    assert await driver.status("ada") == "achieved"
    assert await driver.pool.fetch("select document::text from aggregator.decision") == before
    assert await driver.pool.fetchval("select count(*) from aggregator.person") == people + 1
    # Decided anew for another reason, they are not seen either.
    await driver.post("office", void("v", "s1", at=day(80)), stored=day(80))
    await driver.decide()
    (document,) = (await driver.ask("ada"))["competencies"]
    assert document["status"] == "in_progress"
    assert [one["reason"] for one in document["excluded"]] == ["voided"]
    assert str(identifier("s1")) in {one["statement"] for one in document["excluded"]}


def test_only_relay_may_write_what_the_product_tells_itself(kafka: KafkaSpace) -> None:
    topic = kafka.broker.ensure_own_topic(f"t{kafka.suffix}")
    kafka.made.append(topic.name)
    grants = {(one.principal, one.name) for one in kafka.broker.own_grants()}
    assert ("relay", topic.name) in grants
    assert {principal for principal, name in grants if name == topic.name} == {"relay"}
    with pytest.raises(ValueError, match="product's own"):
        kafka.broker.ensure_input_topic(f"t{kafka.suffix}", OWN_SOURCE, "a password")
