"""Which rules look at which: order, circles, and levels that nobody gives."""

from itertools import permutations
from typing import Any

import pytest

from assay_aggregator.dependencies import (
    RuleCycle,
    closure,
    dependents,
    depends_on,
    find_cycles,
    unreachable,
)
from assay_aggregator.rule import Rule, parse_rule

HEADING: dict[str, Any] = {
    "schema": "assay.rule/v1",
    "version": 1,
    "status": "effective",
    "effective_from": "2024-01-01",
    "timezone": "UTC",
}
CLAUSE = {"modality": ["vr"], "match": {"verb": ["passed"]}}


def rule(name: str, *needed: str, levels: int = 0, **keys: Any) -> Rule:
    """A rule of evidence; `needed` are competencies, with a level after an @."""
    prerequisites = [
        {"competency": f"urn:{one.partition('@')[0]}", "level": int(one.partition("@")[2] or 0)}
        if "@" in one
        else {"competency": f"urn:{one}"}
        for one in needed
    ]
    evidence = {f"c{number}": CLAUSE for number in range(max(1, levels))}
    return parse_rule(
        {
            **HEADING,
            "id": name,
            "competency": f"urn:{name}",
            "evidence": evidence,
            "requires": "c0",
            "levels": [{"level": n + 1, "requires": f"c{n}"} for n in range(levels)],
            "prerequisites": prerequisites,
            **keys,
        }
    )


def roll_up(name: str, *children: str, level: int | None = None, method: str = "all") -> Rule:
    names = [{"competency": f"urn:{one}", "level": level} for one in children]
    rollup = {"method": method, "children": names}
    return parse_rule({**HEADING, "id": name, "competency": f"urn:{name}", "rollup": rollup})


def test_a_rule_looks_at_its_prerequisites_and_children() -> None:
    assert depends_on(rule("a")) == frozenset()
    assert depends_on(rule("a", "b", "c@2")) == {"urn:b", "urn:c"}
    assert depends_on(roll_up("a", "b", "c")) == {"urn:b", "urn:c"}


def test_each_is_decided_after_what_it_looks_at() -> None:
    rules = [roll_up("top", "left", "right"), rule("left", "low"), rule("right", "low", "none")]
    rules.append(rule("low"))
    for order in permutations(rules):
        of = {one.competency: [one] for one in order}
        assert closure(of, ["urn:top"]) == ("urn:low", "urn:left", "urn:right", "urn:top")
        assert closure(of, ["urn:right"]) == ("urn:low", "urn:right")
    assert dependents(rules) == {
        "urn:low": {"urn:left", "urn:right", "urn:top"},
        "urn:left": {"urn:top"},
        "urn:right": {"urn:top"},
        "urn:none": {"urn:right", "urn:top"},
    }


def test_circles_are_found_whatever_the_order() -> None:
    rules = [rule("a", "b"), rule("b", "c"), roll_up("c", "a", "d"), rule("d"), rule("e", "a")]
    for order in permutations(rules):
        assert find_cycles(order) == [("urn:a", "urn:b", "urn:c")]
        with pytest.raises(RuleCycle, match="urn:a -> urn:b -> urn:c -> urn:a"):
            closure({one.competency: [one] for one in order}, ["urn:e"])
    assert find_cycles([rule("a", "b"), rule("b", "c"), rule("c"), rule("d", "c", "b")]) == []
    # Any version counts: one that is to come may close a circle, too.
    assert find_cycles([rule("a"), rule("a", "b", version=2), rule("b", "a")]) == [
        ("urn:a", "urn:b")
    ]


def test_a_long_chain_is_no_circle() -> None:
    chain = [rule(f"r{number}", f"r{number + 1}") for number in range(1_500)]
    assert find_cycles(chain) == []
    assert len(closure({one.competency: [one] for one in chain}, ["urn:r0"])) == 1_500


def test_a_level_that_another_rule_never_gives_is_named() -> None:
    two = rule("two", levels=2)
    asking = rule("asking", "two@3", "two@2", "plain@1", "unknown@9", "weak@9")
    weak = roll_up("weak", "two", method="weakest")
    found = unreachable([two, asking, rule("plain"), weak, roll_up("parent", "two", level=3)])
    assert [(one.id, pointer) for one, pointer, _ in found] == [
        ("asking", "/prerequisites/0/level"),
        ("asking", "/prerequisites/2/level"),
        ("parent", "/rollup/children/0/level"),
    ]
    assert found[0][2] == "level 3 cannot be reached: urn:two has no such level"
