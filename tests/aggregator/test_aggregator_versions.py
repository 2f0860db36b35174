"""An award of an older version stays until it expires; everybody else is judged afresh."""

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from assay_aggregator.case import read_case
from assay_aggregator.evaluate import Decision
from assay_aggregator.rule import parse_rule
from assay_aggregator.versions import decide
from assay_aggregator.world import World

CASES = Path(__file__).parents[1] / "cases"
BASE = read_case((CASES / "C01.json").read_bytes())


def documents() -> tuple[dict[str, Any], dict[str, Any]]:
    """R1, and the rule of C25 (VR from 0.85) as its version 2 from 2026-04-01."""
    first = json.loads((CASES / "C01.json").read_text())["rule"]
    second = copy.deepcopy(first)
    second.update(version=2, effective_from="2026-04-01")
    second["evidence"]["vr"]["score_gte"] = "0.85"
    return first, second


def decided(as_of: str, world: World = BASE.world, **second_keys: Any) -> Decision:
    first, second = documents()
    rules = [parse_rule(first), parse_rule({**second, **second_keys})]
    when = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    decision = decide(rules, world, "ada", when)
    assert decision is not None
    return decision


def test_the_award_of_the_older_version_stays_until_it_expires() -> None:
    for transition in (None, {"from_version": 1, "policy": "grandfather"}):
        held = decided("2026-04-02T00:00:00", transition=transition)
        assert (held.status, held.rule_version, held.superseded_by) == ("achieved", 1, 2)
        assert str(held.expires_on) == "2027-01-10"
        after = decided("2027-01-11T00:30:00", transition=transition)
        assert (after.status, after.rule_version) == ("in_progress", 2)


def test_evidence_from_the_new_start_on_gives_no_award_of_the_older_version() -> None:
    late = [
        fact
        if fact.activity != "https://example.org/a/obs-gown"
        else msgspec.structs.replace(fact, timestamp=datetime(2026, 4, 1, 8, tzinfo=UTC))
        for fact in BASE.world.facts
    ]
    decision = decided("2026-04-02T00:00:00", replace(BASE.world, facts=late))
    assert (decision.status, decision.rule_version) == ("in_progress", 2)


def test_the_new_version_decides_as_soon_as_it_gives_an_award() -> None:
    better = [
        msgspec.structs.replace(
            fact,
            id=fact.id.replace(fact.id[0], "0", 1),
            registration=None,
            timestamp=datetime(2026, 4, 5, 8, tzinfo=UTC),
        )
        for fact in BASE.world.facts
        if fact.score is not None and fact.score.scaled == "0.91"
    ]
    decision = decided(
        "2026-04-06T00:00:00", replace(BASE.world, facts=[*BASE.world.facts, *better])
    )
    assert (decision.status, decision.rule_version, decision.superseded_by) == ("achieved", 2, None)


def test_another_version_named_by_the_transition_is_looked_for() -> None:
    decision = decided("2026-04-02T00:00:00", transition={"from_version": 7})
    assert (decision.status, decision.rule_version) == ("in_progress", 2)


def test_no_version_in_force_gives_no_decision_and_a_coming_one_wakes() -> None:
    first, second = documents()
    rules = [parse_rule(first), parse_rule(second)]
    assert decide(rules, BASE.world, "ada", datetime(2023, 1, 1, tzinfo=UTC)) is None
    decision = decided("2026-03-03T00:00:00")
    # Summer time has begun: 1 April starts at 23:00 UTC of the day before.
    assert decision.next_change == datetime(2026, 3, 31, 23, tzinfo=UTC)
