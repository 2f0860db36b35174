"""From statements and records to decisions and events, on a real database."""

from collections.abc import AsyncIterator
from datetime import date

import orjson
import pytest

from aggregator_service_driver import (
    COMPETENCY,
    THEORY,
    Driver,
    agent,
    award,
    day,
    driver_of,
    identifier,
    post_award,
    rule,
    statement,
    theory_rule,
    void,
    with_records,
)
from assay_aggregator.admin import Days
from assay_aggregator.copies import instant
from assay_aggregator.errors import Refused, RuleConflict, Unknown
from assay_schemas.events import competency_event
from assay_testing import Database


@pytest.fixture
async def driver(postgres: Database) -> AsyncIterator[Driver]:
    async with driver_of(postgres) as made:
        await with_records(made)
        yield made


async def test_evidence_becomes_a_decision_and_an_event(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    (event,) = await driver.events()
    assert event["type"] == "competency.achieved/v1"
    assert event["sequence"] == 1
    assert event["expires_on"] == "2027-01-10"
    assert set(event["evidence"]) == {str(identifier(f"s{n}")) for n in (1, 2, 3, 4)}
    value = await driver.pool.fetchval("select value from aggregator.outbox")
    assert competency_event.validate_json(value).sequence == 1


async def test_a_void_after_its_target_withdraws(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    await driver.post("office", void("v1", "s2", at=day(61)), stored=day(61))
    await driver.decide()
    assert await driver.status("ada") == "in_progress"
    event = (await driver.events())[-1]
    assert (event["type"], event["reason"]) == ("competency.withdrawn/v1", "voided")
    assert event["sequence"] == 2


async def test_a_void_before_its_target_is_kept_for_it(driver: Driver) -> None:
    await driver.post("office", void("v1", "s2", at=day(1)), stored=day(1))
    await post_award(driver)
    await driver.decide()
    assert await driver.status("ada") == "in_progress"
    (document,) = (await driver.ask("ada"))["competencies"]
    assert {"statement": str(identifier("s2")), "clause": "vr", "reason": "voided"} in document[
        "excluded"
    ]


async def test_a_void_from_another_source_changes_nothing_but_is_told(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    await driver.post("vr", void("v1", "s1", at=day(61)), stored=day(61))
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    assert len(await driver.events()) == 1
    (document,) = (await driver.ask("ada"))["competencies"]
    reasons = {one["reason"] for one in document["excluded"]}
    assert reasons == {"void_not_authorised"}


async def test_a_repeated_record_changes_nothing(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    source, made, _ = award()[1]
    await driver.post(source, made, stored=day(70), partition=1)
    assert await driver.pool.fetchval("select count(*) from aggregator.mark") == 0
    assert await driver.pool.fetchval("select count(*) from aggregator.fact_conflict") == 0


async def test_the_first_copy_stands_also_when_it_is_applied_later(driver: Driver) -> None:
    later = statement("x", at=day(5), scaled="0.1")
    first = statement("x", at=day(5), scaled="0.9")
    await driver.post("online", later, stored=day(6), partition=0)
    await driver.decide()
    await driver.post("online", first, stored=day(5), partition=1)
    await driver.decide()
    (document,) = (await driver.ask("ada"))["competencies"]
    assert document["clauses"]["theory"]["passes"] == 1
    excluded = {(one["statement"], one["reason"]) for one in document["excluded"]}
    assert excluded == {(str(identifier("x")), "id_conflict_quarantined")}
    # The first again, later: nothing is added.
    await driver.post("online", first, stored=day(7), partition=2)
    assert await driver.pool.fetchval("select count(*) from aggregator.fact_conflict") == 1


async def test_an_award_expires_when_a_tick_moves_the_time(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    await driver.tick(day(374.9))  # 2027-01-10, late: the due date is still valid.
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    await driver.tick(day(375.1))
    await driver.decide()
    assert await driver.status("ada") == "expired"
    events = await driver.events()
    assert [one["type"] for one in events] == [
        "competency.achieved/v1",
        "competency.expiring/v1",
        "competency.expired/v1",
    ]
    assert events[1]["expires_on"] == "2027-01-10"


async def test_a_statement_dated_ahead_counts_when_its_time_comes(driver: Driver) -> None:
    async with driver.records() as records:
        await records.put_rule(theory_rule())
    competency = theory_rule()["competency"]
    await driver.post("online", statement("s1", at=day(20)), stored=day(10))
    await driver.decide()
    assert await driver.status("ada", competency) == "not_started"
    await driver.tick(day(20.5), partition=2)
    await driver.decide()
    assert await driver.status("ada", competency) == "achieved"


async def test_sequences_are_gapless_and_tell_the_present_standing(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    for number in range(3):
        await driver.post(
            "office", void(f"v{number}", f"s{number + 1}", at=day(61)), stored=day(61 + number)
        )
        await driver.decide()
        again = [
            statement(f"a{number}-{n}", at=made_at, activity=made["object"]["id"], **more)
            for n, (_, made, made_at) in enumerate(award())
            for more in [{"assessor": "ben"} if n == 3 else {}]
        ]
        source = award()[number][0]
        await driver.post(source, again[number], stored=day(61.5 + number))
        await driver.decide()
    events = await driver.events()
    assert [one["sequence"] for one in events] == list(range(1, len(events) + 1))
    assert len({one["event_id"] for one in events}) == len(events) == 7
    assert events[-1]["status"] == await driver.status("ada") == "achieved"
    ordinals = await driver.pool.fetch(
        "select ordinal from aggregator.decision where competency = $1 order by ordinal",
        COMPETENCY,
    )
    assert [row["ordinal"] for row in ordinals] == list(range(1, len(ordinals) + 1))


async def test_a_link_added_later_brings_the_evidence_over(driver: Driver) -> None:
    await post_award(driver, actor="a.lovelace")
    for partition in range(3):
        await driver.tick(day(61), partition=partition)
    await driver.decide()
    assert await driver.status("a.lovelace") == "achieved"
    own = await driver.person("a.lovelace")
    before = await driver.ask("ada", as_of=day(61), known_at=day(60.5))
    async with driver.records() as records:
        await records.add_link(agent("a.lovelace"), await driver.person("ada"))
    for partition in range(3):
        await driver.tick(day(62), partition=partition)
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    withdrawn = [one for one in await driver.events() if one["person"] == str(own)][-1]
    assert (withdrawn["type"], withdrawn["reason"]) == (
        "competency.withdrawn/v1",
        "no_longer_evidence",
    )
    # What was known before the link was recorded stays what it was.
    assert await driver.ask("ada", as_of=day(61), known_at=day(60.5)) == before


async def test_a_link_taken_back_gives_the_evidence_back(driver: Driver) -> None:
    async with driver.records() as records:
        link = await records.add_link(agent("shared"), await driver.person("ada"))
    await driver.tick(day(1))
    await post_award(driver, actor="shared")
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    async with driver.records() as records:
        await records.retract_link(link)
    await driver.tick(day(62))
    await driver.decide()
    assert await driver.status("ada") == "not_started"
    assert await driver.status("shared") == "achieved"


async def test_a_link_for_some_days_leaves_the_others_to_the_agent_itself(driver: Driver) -> None:
    await post_award(driver, actor="shared")
    await driver.decide()
    async with driver.records() as records:
        await records.add_link(
            agent("shared"), await driver.person("ada"), Days(date(2026, 3, 1), date(2026, 3, 31))
        )
    await driver.tick(day(62))
    await driver.decide()
    assert await driver.status("ada") == "in_progress"  # the observation of 2 March alone
    async with driver.pool.acquire() as connection:
        rows = await connection.fetch(
            "select status from aggregator.decision_current where person <> $1 and competency = $2",
            await driver.person("ada"),
            COMPETENCY,
        )
    assert [row["status"] for row in rows] == ["in_progress"]


async def test_an_authorisation_recorded_later_counts_from_its_own_date(driver: Driver) -> None:
    for source, made, stored in award():
        if source == "in_person":
            made["context"]["instructor"] = agent("cai")
        await driver.post(source, made, stored=stored)
    await driver.decide()
    assert await driver.status("ada") == "in_progress"
    async with driver.records() as records:
        cai = await records.put_person([agent("cai")])
        await records.add_authorisation(cai, "gowning-b", Days(date(2026, 3, 2), None))
    await driver.tick(day(61))
    await driver.decide()
    assert await driver.status("ada") == "achieved"


async def test_an_authorisation_taken_back_and_a_conflict_withdraw(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    async with driver.records() as records:
        conflict = await records.add_conflict(
            await driver.person("ben"), await driver.person("ada")
        )
    await driver.tick(day(61))
    await driver.decide()
    event = (await driver.events())[-1]
    assert (event["type"], event["reason"]) == (
        "competency.withdrawn/v1",
        "assessor_not_independent",
    )
    async with driver.records() as records:
        await records.retract_conflict(conflict)
    await driver.tick(day(62))
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    authorisation = await driver.pool.fetchval(
        "select authorisation from aggregator.assessor_authorisation"
    )
    async with driver.records() as records:
        await records.retract_authorisation(authorisation)
    await driver.tick(day(63))
    await driver.decide()
    assert (await driver.events())[-1]["reason"] == "assessor_not_authorised"
    async with driver.records() as records:
        with pytest.raises(Unknown):
            await records.retract_authorisation(authorisation)


async def test_a_rule_added_later_decides_about_what_is_there(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    async with driver.records() as records:
        await records.put_rule(theory_rule())
    await driver.tick(day(61))
    await driver.decide()
    assert await driver.status("ada", theory_rule()["competency"]) == "expired"


async def test_a_rule_version_that_starts_later_decides_from_its_day(driver: Driver) -> None:
    first = theory_rule()
    stricter = theory_rule(version=2, effective_from="2026-01-20")
    stricter["evidence"]["theory"]["score_gte"] = "0.99"
    async with driver.records() as records:
        await records.put_rule(first)
        await records.put_rule(stricter)
    await driver.post("online", statement("s1", at=day(9)), stored=day(9.1))
    await driver.decide()
    await driver.tick(day(20))  # 21 January
    await driver.decide()
    # An award that is older than the version's start stays until it expires (grandfather) ...
    assert await driver.status("ada", first["competency"]) == "achieved"
    # ... and from that start on the stricter version judges whatever comes.
    late = statement("s2", actor="eve", at=day(21))
    await driver.post("online", late, stored=day(21.1))
    await driver.decide()
    assert await driver.status("eve", first["competency"]) == "in_progress"


async def test_a_rule_that_ends_leaves_nobody_with_its_award(driver: Driver) -> None:
    ending = theory_rule(effective_to="2026-01-20")
    async with driver.records() as records:
        await records.put_rule(ending)
    await driver.post("online", statement("s1", at=day(9)), stored=day(9.1))
    await driver.decide()
    assert await driver.status("ada", ending["competency"]) == "achieved"
    await driver.tick(day(20))
    await driver.decide()
    event = (await driver.events())[-1]
    assert (event["type"], event["reason"]) == ("competency.withdrawn/v1", "no_rule")


async def test_the_same_rule_again_is_the_same_and_another_is_refused(driver: Driver) -> None:
    async with driver.records() as records:
        again = await records.put_rule(rule())
        assert again.version == 1
        with pytest.raises(RuleConflict, match="other content"):
            await records.put_rule(rule(timezone="Europe/Paris"))
        with pytest.raises(RuleConflict, match="decides about this competency"):
            await records.put_rule(rule(id="another"))
        with pytest.raises(RuleConflict, match="another competency"):
            await records.put_rule(rule(version=2, competency="https://example.org/c/other"))


async def test_a_person_put_twice_is_one_and_two_people_are_not_merged(driver: Driver) -> None:
    await driver.post("online", statement("s1", actor="eve", at=day(1)), stored=day(1))
    async with driver.records() as records:
        mail = {"mbox": "mailto:eve@example.org"}
        first = await records.put_person([agent("eve"), mail])
        assert await records.put_person([mail, agent("eve")]) == first
        assert first == await driver.person("eve")
        with pytest.raises(Refused, match="different people"):
            await records.put_person([agent("eve"), agent("ada"), agent("ben")])
        with pytest.raises(Refused, match="exactly one"):
            await records.put_person([{"mbox": "mailto:a@b.c", "openid": "https://a.b"}])


async def test_a_failing_evaluation_is_set_aside_and_the_others_go_on(driver: Driver) -> None:
    await post_award(driver, actor="ada")
    await post_award(driver, actor="eve", prefix="e-")
    await driver.pool.execute(
        "update aggregator.statement_fact set fact = '\\x7b' where id = $1", identifier("e-s1")
    )
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    failure = await driver.pool.fetchrow("select * from aggregator.evaluation_failure")
    assert failure is not None
    assert failure["person"] == await driver.person("eve")
    assert "DecodeError" in failure["error"]
    assert await driver.pool.fetchval("select count(*) from aggregator.mark") == 0


async def test_a_tick_fires_a_wakeup_once_and_time_behind_it_is_caught_up(driver: Driver) -> None:
    async with driver.records() as records:
        await records.put_rule(theory_rule())
    names = [f"p{number}" for number in range(5)]
    for number, name in enumerate(names):
        await driver.post(
            "online",
            statement(f"s-{name}", actor=name, at=day(number), activity=THEORY),
            stored=day(number + 0.5),
        )
    await driver.decide()
    # All expiries fall into the time that nobody looked.
    await driver.tick(day(100))
    marks = await driver.pool.fetchval("select count(*) from aggregator.mark")
    await driver.tick(day(100.1))
    assert marks == await driver.pool.fetchval("select count(*) from aggregator.mark") >= 5
    await driver.decide()
    for name in names:
        assert await driver.status(name, theory_rule()["competency"]) == "expired"


async def test_a_conflict_that_becomes_the_first_copy_is_a_conflict_no_more(
    driver: Driver,
) -> None:
    good, bad = statement("x", at=day(5)), statement("x", at=day(5), scaled="0.1")
    await driver.post("online", bad, stored=day(7), partition=0)
    await driver.post("online", good, stored=day(8), partition=1)
    await driver.post("online", good, stored=day(6), partition=2)
    first = await driver.pool.fetchrow("select body_hash, partition from aggregator.statement_fact")
    others = await driver.pool.fetch("select body_hash, partition from aggregator.fact_conflict")
    assert first is not None
    assert first["partition"] == 2
    assert [row["partition"] for row in others] == [0]
    assert others[0]["body_hash"] != first["body_hash"]


async def test_a_record_comes_into_force_with_the_next_tick(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    async with driver.records() as records:
        await records.add_conflict(await driver.person("ben"), await driver.person("ada"))
    # At this time of the log somebody may have been told already: it stays as it was.
    await driver.decide()
    assert await driver.status("ada") == "achieved"
    assert await driver.pool.fetchval("select count(*) from aggregator.mark") == 0
    await driver.tick(day(60.2))
    await driver.decide()
    assert await driver.status("ada") == "in_progress"


async def test_what_was_decided_stays_the_answer_for_its_own_times(driver: Driver) -> None:
    await post_award(driver)
    await driver.decide()
    kept = await driver.pool.fetchrow(
        "select as_of_ms, known_at_ms, document from aggregator.decision"
        " where person = $1 order by ordinal desc limit 1",
        await driver.person("ada"),
    )
    assert kept is not None
    async with driver.records() as records:
        await records.add_conflict(await driver.person("ben"), await driver.person("ada"))
    for partition in range(3):
        await driver.tick(day(62), partition=partition)
    await driver.decide()
    asked = await driver.ask(
        "ada", as_of=instant(kept["as_of_ms"]), known_at=instant(kept["known_at_ms"])
    )
    assert asked["known_at_capped"] is False
    assert asked["competencies"] == [orjson.loads(kept["document"])]
