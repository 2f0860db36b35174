"""The history of a competency, and rules that look at other competencies through it."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator_reference import PERSON, prerequisite_holds, reference
from aggregator_rule_sets import BASE, peopled_worlds, rule_sets
from aggregator_worlds import AS_OF, SEEDS, START, facts
from aggregator_worlds import world as world_of
from assay_aggregator.decision import NO_AWARD, Decision
from assay_aggregator.evaluate import evaluate
from assay_aggregator.explain import decision_document
from assay_aggregator.fact import Fact
from assay_aggregator.rule import Rule
from assay_aggregator.standings import standings_of, with_standings
from assay_aggregator.versions import decide
from assay_aggregator.world import Held, Standings, Step, World

Rules = dict[str, list[Rule]]
COMPETENCIES = [BASE + name for name in "abpr"]
# Thirds of a day: between the statements, which have two instants a day, and at their instants.
INSTANTS = st.integers(0, 180).map(lambda hours: START + timedelta(hours=4 * hours))


def decided(
    rules: Rules, world: World, competency: str, as_of: datetime, known_at: datetime | None = None
) -> Decision | None:
    seeing = with_standings(rules, [competency], world, PERSON, as_of, known_at)
    return decide(rules[competency], seeing, PERSON, as_of, known_at)


def as_step(decision: Decision | None) -> tuple[object, ...]:
    if decision is None or decision.status in NO_AWARD:
        return ("none", None, None, None)
    dates = (decision.achieved_on, decision.expires_on)
    return (
        decision.status,
        decision.level,
        *(None if one is None else one.toordinal() for one in dates),
    )


def shown(step: Step | None) -> tuple[object, ...]:
    if step is None or step.held == "none":
        return ("none", None, None, None)
    return (step.held, step.level, step.achieved_on, step.expires_on)


@settings(max_examples=400, deadline=None)
@given(rule_sets(), peopled_worlds(), st.sampled_from(COMPETENCIES), INSTANTS)
def test_the_history_says_of_every_instant_what_is_decided_at_it(
    rules: Rules, world: World, competency: str, instant: datetime
) -> None:
    seeing = with_standings(rules, [competency], world, PERSON, AS_OF)
    history = standings_of(rules[competency], seeing, PERSON, AS_OF)
    assert shown(history.at(instant)) == as_step(decided(rules, world, competency, instant))


def random_standings(random: Random) -> Standings:
    instants = sorted({START + timedelta(hours=12 * random.randint(0, 60)) for _ in range(6)})
    kinds: tuple[Held, ...] = ("none", "achieved", "achieved", "expired", "suspended")
    return Standings(
        tuple(
            Step(instant, random.choice(kinds), random.choice([None, 1, 2])) for instant in instants
        )
    )


@settings(max_examples=600, deadline=None)
@given(rule_sets(), facts(), SEEDS, INSTANTS)
def test_prerequisites_and_levels_are_as_the_text_says(
    rules: Rules, some: list[Fact], random: Random, as_of: datetime
) -> None:
    rule = rules[BASE + "p"][0]
    seen = {one.competency: random_standings(random) for one in rule.prerequisites}
    known = replace(world_of(some), standings=seen)
    decision = evaluate(rule, known, PERSON, as_of)
    always = [one for one in rule.prerequisites if one.at == "always"]
    stands = all(prerequisite_holds(one, known, as_of) for one in always)
    expected = [reference(one, known, as_of) for one in [of.rule for of in rule.levels] or [rule]]

    def told(status: str, achieved: date | None, expires: date | None, used: Any) -> object:
        days = (None if one is None else one.toordinal() for one in (achieved, expires))
        return (status, *days, set(used))

    for state, wanted in zip(decision.levels, expected if rule.levels else [], strict=True):
        assert told(state.status, state.achieved_on, state.expires_on, state.used) == (
            *(wanted[name] for name in ("status", "achieved_on", "expires_on", "used")),
        )
    achieved = [one for one in expected if one["status"] == "achieved"]
    awarded = [one for one in expected if one["achieved_on"] is not None]
    shown = (achieved or awarded or expected[:1])[-1]
    if shown["status"] == "achieved" and not stands:
        shown = {"status": "in_progress", "achieved_on": None, "expires_on": None, "used": set()}
    assert told(decision.status, decision.achieved_on, decision.expires_on, decision.used) == (
        *(shown[name] for name in ("status", "achieved_on", "expires_on", "used")),
    )


@settings(max_examples=400, deadline=None)
@given(rule_sets(), peopled_worlds(), st.sampled_from(COMPETENCIES), INSTANTS)
def test_nothing_changes_before_the_next_change_also_of_what_a_rule_looks_at(
    rules: Rules, world: World, competency: str, as_of: datetime
) -> None:
    def document(when: datetime) -> object:
        decision = decided(rules, world, competency, when)
        return decision and {**decision_document(decision), "as_of": ""}

    first = decided(rules, world, competency, as_of)
    assert first is not None
    ends = AS_OF + timedelta(days=60)
    last = ends if first.next_change is None else first.next_change - timedelta(microseconds=1)
    assert last >= as_of
    for when in (last, as_of + (last - as_of) / 2):
        assert document(when) == document(as_of)


@settings(max_examples=200, deadline=None)
@given(st.data(), rule_sets(), peopled_worlds(12), st.sampled_from(COMPETENCIES))
def test_order_and_repetition_change_nothing_in_sets_of_rules(
    data: st.DataObject, rules: Rules, world: World, competency: str
) -> None:
    once = decided(rules, world, competency, AS_OF)
    shuffled = World(
        facts=data.draw(st.permutations([*world.facts, *world.facts])),
        links=world.links,
        authorisations=world.authorisations,
        conflicts=world.conflicts,
        overrides=data.draw(st.permutations(world.overrides)),
        reviews=data.draw(st.permutations(world.reviews)),
    )
    assert decided(rules, shuffled, competency, AS_OF) == once


@settings(max_examples=200, deadline=None)
@given(rule_sets(), peopled_worlds(), st.sampled_from(COMPETENCIES))
def test_knowing_later_without_new_records_changes_nothing_in_sets_of_rules(
    rules: Rules, world: World, competency: str
) -> None:
    unlimited = decided(rules, world, competency, AS_OF)
    later = decided(rules, world, competency, AS_OF, AS_OF + timedelta(days=400))
    assert unlimited is not None
    assert later is not None
    assert {**decision_document(unlimited), "known_at": ""} == {
        **decision_document(later),
        "known_at": "",
    }
