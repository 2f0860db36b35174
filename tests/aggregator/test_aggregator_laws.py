"""Laws of the evaluator on random rules and random streams of statements."""

from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator_reference import PERSON, reference
from aggregator_worlds import AS_OF, START, facts, rules, world
from assay_aggregator.attempts import written
from assay_aggregator.case import read_case, result_of
from assay_aggregator.clause import matching
from assay_aggregator.evaluate import Decision, evaluate
from assay_aggregator.explain import decision_document
from assay_aggregator.fact import Fact
from assay_aggregator.prepare import prepare
from assay_aggregator.rule import Rule
from assay_aggregator.vocabulary import VOIDED
from assay_aggregator.world import World

CASES = Path(__file__).parents[1] / "cases"
INSTANTS = st.integers(0, 40).map(lambda thirds: START + timedelta(hours=thirds * 40))


def comparable(decision: Decision) -> dict[str, Any]:
    award, expiry = decision.achieved_on, decision.expires_on
    return {
        "status": decision.status,
        "achieved_on": None if award is None else award.toordinal(),
        "expires_on": None if expiry is None else expiry.toordinal(),
        "trigger": decision.trigger,
        "used": set(decision.used),
        "excluded": {(e.statement, e.clause, str(e.reason)) for e in decision.excluded},
        "clauses": {
            name: (s.satisfied, s.passes, s.attempts, s.value)
            for name, s in decision.clauses.items()
        },
    }


@settings(max_examples=1000, deadline=None)
@given(rules(), facts(), INSTANTS)
def test_the_walk_gives_what_the_text_says(rule: Rule, some: list[Fact], as_of: datetime) -> None:
    expected = reference(rule, world(some), as_of)
    for name, (satisfied, passes, attempts, value) in expected["clauses"].items():
        text = None if value is None else written(value)
        expected["clauses"][name] = (satisfied, passes, attempts, text)
    assert comparable(evaluate(rule, world(some), PERSON, as_of)) == expected


@settings(max_examples=150, deadline=None)
@given(st.data(), rules(), facts(max_size=9))
def test_order_and_repetition_of_facts_change_nothing(
    data: st.DataObject, rule: Rule, some: list[Fact]
) -> None:
    once = evaluate(rule, world(some), PERSON, AS_OF)
    again = [
        msgspec.structs.replace(fact, stored=fact.stored + timedelta(days=1), offset=100 + index)
        for index, fact in enumerate(some)
    ]
    # A later copy comes from another source, too: equality is that of the statement alone.
    again = [msgspec.structs.replace(fact, source="other", modality="vr") for fact in again]
    shuffled = data.draw(st.permutations([*some, *again]))
    assert evaluate(rule, world(shuffled), PERSON, AS_OF) == once


@settings(max_examples=150, deadline=None)
@given(rules(), facts(), facts(max_size=3))
def test_an_ineligible_statement_changes_neither_status_nor_dates(
    rule: Rule, some: list[Fact], more: list[Fact]
) -> None:
    before = evaluate(rule, world(some), PERSON, AS_OF)
    # At instants that are there already: a new instant may be one at which a failure has just
    # left the window, and then the text awards at it.
    instants = [fact.timestamp for fact in some] or [START]
    ineligible = [
        msgspec.structs.replace(
            fact,
            id=f"f{fact.id[1:-2]}ff",
            modality=None,
            verb="http://adlnet.gov/expapi/verbs/passed",
            timestamp=instants[index % len(instants)],
        )
        for index, fact in enumerate(more)
        if some
    ]
    after = evaluate(rule, world([*some, *ineligible]), PERSON, AS_OF)
    assert (after.status, after.achieved_on, after.expires_on) == (
        before.status,
        before.achieved_on,
        before.expires_on,
    )
    assert after.used == before.used


@settings(max_examples=150, deadline=None)
@given(rules(), facts())
def test_knowing_later_without_new_facts_changes_nothing(rule: Rule, some: list[Fact]) -> None:
    latest = max((fact.stored for fact in some), default=START)
    unlimited = comparable(evaluate(rule, world(some), PERSON, AS_OF, None))
    for known_at in (latest, latest + timedelta(days=1000)):
        assert comparable(evaluate(rule, world(some), PERSON, AS_OF, known_at)) == unlimited


@settings(max_examples=150, deadline=None)
@given(st.data(), rules(), facts(max_size=10))
def test_void_and_sending_again_under_a_new_id_gives_the_original_result(
    data: st.DataObject, rule: Rule, some: list[Fact]
) -> None:
    if not some:
        return
    # Ids order statements of one instant and attempts: the new id keeps the place of the old.
    index = data.draw(st.integers(0, len(some) - 1))
    old = some[index]
    new = msgspec.structs.replace(old, id=old.id[:-1] + "1", body_hash="new", offset=500)
    void = msgspec.structs.replace(
        old,
        id="00000000-0000-4000-8000-0000000000aa",
        body_hash="void",
        verb=VOIDED,
        voids=old.id,
        activity=None,
        may_void=True,
        offset=400,
    )
    before = comparable(evaluate(rule, world(some), PERSON, AS_OF))
    after = comparable(evaluate(rule, world([*some, void, new]), PERSON, AS_OF))

    def renamed(ids: set[str]) -> set[str]:
        return {new.id if one == old.id else one for one in ids}

    before["used"] = renamed(before["used"])
    before["trigger"] = new.id if before["trigger"] == old.id else before["trigger"]
    before["excluded"] = {
        (new.id if s == old.id else s, clause, reason) for s, clause, reason in before["excluded"]
    }
    after["excluded"] = {one for one in after["excluded"] if one[2] != "voided"}
    assert after == before


@settings(max_examples=150, deadline=None)
@given(rules(), facts(), INSTANTS)
def test_nothing_changes_before_the_next_change(
    rule: Rule, some: list[Fact], as_of: datetime
) -> None:
    first = decision_document(evaluate(rule, world(some), PERSON, as_of))
    next_change = evaluate(rule, world(some), PERSON, as_of).next_change
    ends = AS_OF + timedelta(days=60)
    last = ends if next_change is None else next_change - timedelta(microseconds=1)
    assert last >= as_of
    for when in (last, as_of + (last - as_of) / 2):
        later = decision_document(evaluate(rule, world(some), PERSON, when))
        assert {**later, "as_of": ""} == {**first, "as_of": ""}


@settings(max_examples=150, deadline=None)
@given(rules(), facts())
def test_every_matched_statement_is_used_or_counted_or_has_one_reason(
    rule: Rule, some: list[Fact]
) -> None:
    decision = evaluate(rule, world(some), PERSON, AS_OF)
    excluded = [(one.statement, one.clause) for one in decision.excluded]
    counted = {(one.statement, one.clause) for one in decision.counted}
    assert len(set(excluded)) == len(excluded)
    assert counted.isdisjoint(excluded)
    prepared = prepare(rule, world(some), PERSON, AS_OF, None)
    for name, clause in rule.initial.evidence.items():
        for statement in matching(clause, prepared.evidence):
            place = (statement, name)
            assert place in counted or place in excluded or statement in decision.used


def test_c09_every_arrival_order_of_the_base_and_a_void_gives_one_result() -> None:
    case = read_case((CASES / "C07a.json").read_bytes())
    assert len(case.world.facts) == 5
    results = set()
    for order in permutations(range(5)):
        stored = [
            msgspec.structs.replace(
                case.world.facts[index],
                stored=START + timedelta(days=90, minutes=place),
                append_ms=place,
                offset=place,
            )
            for place, index in enumerate(order)
        ]
        arrived = World(stored, case.world.links, case.world.authorisations)
        results.add(
            msgspec.json.encode(decision_document(evaluate(case.rule, arrived, "ada", AS_OF)))
        )
    assert len(results) == 1
    shown = evaluate(case.rule, arrived, "ada", AS_OF)
    voided = case.world.facts[2].id
    assert shown.status == "in_progress"
    assert {"statement": voided, "reason": "voided"} in result_of(shown)["excluded"]
