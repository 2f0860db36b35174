"""Random sets of rules that look at each other, in versions, with what people decide beside them.

Drawn as `aggregator_worlds` draws its worlds. Competencies: `a` and `b` from evidence, `p` with
prerequisites among them, `r` a roll-up of all three.
"""

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from aggregator_reference import PERSON
from aggregator_worlds import DAY, SEEDS, START, one_fact, rule_document, tree, world
from assay_aggregator.rule import Rule, RuleError, parse_rule
from assay_aggregator.world import Override, Review, World

BASE = "https://example.org/"
DAY_TEXTS = ("2026-02-05", "2026-02-12", "2026-02-20")


def _some_levels(random: Random, document: dict[str, Any]) -> None:
    names = list(document["evidence"])
    document["levels"] = [
        {"level": number, "requires": tree(random, names)} for number in (1, 2, 3)[: len(names)]
    ]


def _transition(random: Random) -> dict[str, Any]:
    return {
        "policy": random.choice(
            ["grandfather", "re_evaluate", {"re_evaluate_after": random.choice(["P3D", "P10D"])}]
        )
    }


def _parsed(document: dict[str, Any]) -> Rule:
    try:
        return parse_rule(document)
    except RuleError:  # Random levels may leave one that cannot be reached.
        return parse_rule({key: value for key, value in document.items() if key != "levels"})


def evidence_rule(random: Random, name: str, version: int = 1) -> dict[str, Any]:
    document = rule_document(random)
    document |= {"id": name, "version": version, "competency": BASE + name}
    document["overrides"] = {
        "allow": random.random() < 0.8,
        "max": random.choice(["P5D", "P15D"]),
        "two_person": random.random() < 0.5,
    }
    if random.random() < 0.6:
        _some_levels(random, document)
    if version > 1:
        document["effective_from"] = DAY_TEXTS[version - 2]
        document["transition"] = _transition(random)
    return document


def rule_set(random: Random) -> dict[str, list[Rule]]:
    """The versions of each of the four competencies."""
    found: dict[str, list[Rule]] = {}
    for name in ("a", "b"):
        count = random.choice([1, 1, 2, 3])
        found[BASE + name] = [
            _parsed(evidence_rule(random, name, version)) for version in range(1, count + 1)
        ]
    needing = evidence_rule(random, "p")
    needing["prerequisites"] = [
        {
            "competency": BASE + name,
            "at": random.choice(["award", "always"]),
            "level": random.choice([None, 1, 2]),
        }
        for name in random.sample(["a", "b"], random.randint(1, 2))
    ]
    found[BASE + "p"] = [_parsed(needing)]
    found[BASE + "r"] = [_rollup(random, 1)]
    if random.random() < 0.3:
        found[BASE + "r"].append(_rollup(random, 2))
    return found


def _rollup(random: Random, version: int) -> Rule:
    method = random.choice(["all", "n_of", "points", "weakest"])
    children: list[dict[str, Any]] = [
        {
            "competency": BASE + name,
            "level": random.choice([None, None, 1]),
            "required": random.random() < 0.3,
        }
        for name in random.sample(["a", "b", "p"], random.randint(1, 3))
    ]
    rollup: dict[str, Any] = {"method": method, "children": children}
    if method == "points":
        for child in children:
            child["points"] = random.randint(1, 3)
        rollup["need"] = random.randint(1, sum(child["points"] for child in children))
    elif method == "n_of":
        rollup["need"] = random.randint(1, len(children))
    document = {
        "schema": "assay.rule/v1",
        "id": "r",
        "version": version,
        "status": "effective",
        "effective_from": "2024-01-01" if version == 1 else random.choice(DAY_TEXTS),
        "competency": BASE + "r",
        "timezone": random.choice(["Europe/London", "Asia/Tokyo"]),
        "rollup": rollup,
        "overrides": {"allow": True},
        "transition": _transition(random),
    }
    return parse_rule(document)


def rule_sets() -> st.SearchStrategy[dict[str, list[Rule]]]:
    return SEEDS.map(rule_set)


def peopled_world(random: Random, size: int) -> World:
    """Facts, and a few overrides and reviews of any of the competencies."""
    known = world([one_fact(random, index) for index in range(size)])
    overrides = [
        Override(
            id=f"o{index}",
            person=random.choice([PERSON] * 4 + ["ben"]),
            competency=BASE + random.choice("abpr"),
            starts=DAY + random.randint(0, 25),
            ends=random.choice([None, DAY + random.randint(25, 35)]),
            level=random.choice([None, None, 1, 2]),
            by=random.choice([("ben",), ("ben", "cai")]),
            recorded=random.choice([None, START + timedelta(days=random.randint(0, 30))]),
        )
        for index in range(random.choice([0, 0, 1, 2]))
    ]
    reviews = []
    for index in range(random.choice([0, 0, 1])):
        opened = START + timedelta(hours=12 * random.randint(0, 50))
        closed = random.choice([None, opened + timedelta(hours=random.randint(1, 200))])
        competency = BASE + random.choice("abpr")
        reviews.append(Review(f"w{index}", PERSON, competency, opened, closed))
    return replace(known, overrides=overrides, reviews=reviews)


def peopled_worlds(max_size: int = 20) -> st.SearchStrategy[World]:
    return st.tuples(SEEDS, st.integers(max_size // 3, max_size)).map(
        lambda drawn: peopled_world(*drawn)
    )
