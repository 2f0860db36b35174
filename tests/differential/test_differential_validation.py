"""Our validation beside npm `@learninglocker/xapi-validation`: every difference is explained.

The corpus: the examples, statements of our strategies, every mutation of the examples, and some
mutations of each of the statements of our strategies.
"""

import copy
import json
import random
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from assay_schemas.json_schemas import FOLDER as SCHEMAS
from assay_schemas.refusals import json_pointer
from assay_schemas.statement import Version
from node_tools import run_node
from statement_examples import VERSIONS, example, example_names, faults, mutated
from statement_mutations import mutations_of
from statement_strategies import statements
from validator_differences import (
    FOLDER,
    Refusal,
    as_markdown,
    differences,
    known_differences,
)

# Values of `every-property.json` that only the other validator refuses, or that show one more kind
# of difference than its mutations do.
NAMED: list[tuple[str, Any]] = [
    ("context|contextActivities|grouping", {"id": "https://e.example/a"}),
    ("id", "12345678-1234-5678-1234-567812345678"),
    *[("timestamp", text) for text in ("2026-03-04T10:15:30", "2026-03-04 10:15:30-05:30",
                                       "2026-03-04t10:15:30,5z", "2016-12-31T23:59:60Z")],
    ("context|instructor|mbox", "mailto:a@localhost"),
    ("attachments|0|contentType", "font/woff2"),
    ("attachments|0|contentType", 'a/b; c="d"'),
    ("version", "1.0.3-rc.1"),
    ("version", "2.0.0"),
    ("result|duration", "P1.5D"),
    ("result|duration", "PT1,5S"),
    ("result|score", {"min": 1, "max": 1}),
]  # fmt: skip
DRAWN = 250
MUTATIONS_OF_DRAWN = 6


def _drawn(version: Version) -> list[Any]:
    """Always the same statements of our strategies."""
    found: list[Any] = []

    @settings(
        max_examples=DRAWN, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), deadline=None,
    )  # fmt: skip
    @given(statements(version))
    def collect(statement: Any) -> None:
        found.append(statement)

    collect()
    return found


@cache
def _corpus() -> list[tuple[Version, Any]]:
    corpus: list[tuple[Version, Any]] = []
    chance = random.Random(4)  # noqa: S311 - the corpus is to be the same each time
    for version in VERSIONS:
        named = [example(name) for name in example_names(version)]
        drawn = _drawn(version)
        corpus += [(version, one) for one in (*named, *drawn)]
        full = _with_lists(example("every-property.json"))
        corpus += [(version, mutated(full, path, value)) for path, value in NAMED]
        for one in map(_with_lists, named):
            corpus += [(version, broken.document) for broken in mutations_of(one, version)]
        for one in map(_with_lists, drawn):
            found = list(mutations_of(one, version))
            some = chance.sample(found, min(len(found), MUTATIONS_OF_DRAWN))
            corpus += [(version, broken.document) for broken in some]
    return corpus


def _with_lists(statement: Any) -> Any:
    """The statement with its context activities in lists.

    The other validator knows nothing else, and would refuse every mutation for that reason alone.
    """
    result = copy.deepcopy(statement)
    for part in (result, result["object"]):
        activities = part.get("context", {}).get("contextActivities", {})
        for name, value in activities.items():
            if isinstance(value, dict):
                activities[name] = [value]
    return result


@cache
def _judged() -> Any:
    patterns: set[str] = set()
    for version in VERSIONS:
        text = (SCHEMAS / f"statement.{version}.schema.json").read_text(encoding="utf-8")
        patterns |= {json.loads(one) for one in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', text)}
    assert len(patterns) > 8
    asked = {"statements": [one for _, one in _corpus()], "patterns": sorted(patterns)}
    return run_node("judge.mjs", asked, FOLDER)


@cache
def _found() -> list[Refusal]:
    found: list[Refusal] = []
    for (version, document), warnings in zip(_corpus(), _judged()["warnings"], strict=True):
        ours = [(fault.rule, fault.pointer) for fault in faults(document, version)]
        theirs = [(one["name"], json_pointer(one["path"])) for one in warnings]
        found += differences(document, version, ours, theirs)
    return found


def test_every_difference_is_explained() -> None:
    known = known_differences()
    unexplained = {
        (one.side, one.sign, one.pointer, one.value[:200], one.version)
        for one in _found()
        if not any(entry.explains(one) for entry in known)
    }
    assert unexplained == set()


@pytest.mark.parametrize("entry", known_differences(), ids=lambda one: f"{one.side}-{one.sign}")
def test_a_difference_in_the_list_still_occurs(entry: Any) -> None:
    assert any(entry.explains(one) for one in _found())


def test_the_two_agree_on_most_of_the_corpus() -> None:
    """A judge that refuses or accepts everything would be explained away, too."""
    refused = [bool(one) for one in _judged()["warnings"]]
    assert 0.3 < sum(refused) / len(refused) < 0.95


def test_the_page_for_readers_holds_the_list(project: Any) -> None:
    page = (project / "docs" / "differences-xapi-validation.md").read_text(encoding="utf-8")
    assert page.endswith(as_markdown(known_differences()))


def test_the_patterns_of_our_json_schemas_are_such_for_ecma_262() -> None:
    assert _judged()["badPatterns"] == []
