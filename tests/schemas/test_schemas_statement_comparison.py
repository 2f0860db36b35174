"""Which differences make another statement, and which do not (xAPI 1.0.3 Data 2.3.1)."""

import copy
import json
import random
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_schemas.comparison import comparison_hash
from assay_schemas.jsontext import parse_json
from assay_schemas.statement import Limits, check_statements

EXAMPLES = files("assay_schemas") / "examples" / "statements"
NAMES = sorted(entry.name for entry in EXAMPLES.iterdir())


def load(name: str) -> Any:
    return json.loads((EXAMPLES / name).read_text(encoding="utf-8"))


def hash_of(statement: Any) -> bytes:
    """The hash as `check_statements` gives it, so that only valid statements are compared."""
    body = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    (checked,), _ = check_statements(body, version="2.0.0", limits=Limits())
    assert checked.comparison_hash == comparison_hash(parse_json(body, 64))
    return checked.comparison_hash


def changed(statement: Any, path: str, value: object) -> Any:
    """A copy with `value` at `path`; None takes the property away."""
    result = copy.deepcopy(statement)
    *parents, last = [int(part) if part.isdecimal() else part for part in path.split("|")]
    place = result
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return result


FULL = load("every-property.json")
FULL["result"]["duration"] = "PT3M4.5S"
SUB = load("sub-statement.json")

SAME: list[tuple[Any, str, object]] = [
    (FULL, "id", "00000000-5b7e-4f0c-8f5a-1c2d3e4f5a6b"),
    (FULL, "id", None),
    (FULL, "authority", {"mbox": "mailto:other@example.org"}),
    (FULL, "authority", None),
    (FULL, "stored", None),
    (FULL, "version", "2.0.0"),
    (FULL, "version", None),
    (FULL, "timestamp", "2026-03-04T09:15:30Z"),
    (FULL, "timestamp", "2026-03-04T09:15:30.000+00:00"),
    (FULL, "timestamp", "2026-03-04T09:15:30.000999Z"),
    (FULL, "timestamp", "20260304T101530+0100"),
    (FULL, "verb|display", {"fr": "a répondu"}),
    (FULL, "verb|display", None),
    (FULL, "object|definition", None),
    (FULL, "object|definition|name", {"en": "other"}),
    (FULL, "object|objectType", None),
    (FULL, "context|contextActivities|parent|0|objectType", None),
    (FULL, "context|contextActivities|parent|0|definition", {"name": {"en": "other"}}),
    (FULL, "context|contextActivities|parent", FULL["context"]["contextActivities"]["parent"][0]),
    (FULL, "actor|member|0|objectType", None),
    (FULL, "actor|member|0|mbox", "mailto:first@EXAMPLE.org"),
    (FULL, "actor|member|1|mbox_sha1sum", "CD9B00A5611F94EAA7B1661EDAB976068E364975"),
    (FULL, "actor|member", FULL["actor"]["member"][::-1]),
    (FULL, "context|instructor|objectType", None),
    (FULL, "context|registration", FULL["context"]["registration"].upper()),
    (FULL, "context|statement|id", FULL["context"]["statement"]["id"].upper()),
    (FULL, "context|language", "EN-gb"),
    (FULL, "attachments|0|sha2", FULL["attachments"][0]["sha2"].upper()),
    (FULL, "result|score|raw", 2),
    (FULL, "result|score|scaled", 1.0),
    (FULL, "result|duration", "PT3M4.50S"),
    (FULL, "result|duration", "PT3M4.509S"),
    (SUB, "object|timestamp", "2031-01-01T01:00:00+01:00"),
    (SUB, "object|actor|objectType", None),
    (SUB, "object|object|definition", {"name": {"en": "x"}}),
    (SUB, "object|verb|display", {"en": "x"}),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "path", "value"), SAME)
def test_difference_that_immutability_excepts_is_ignored(
    statement: Any, path: str, value: object
) -> None:
    other = changed(statement, path, value)
    assert other != statement or path.startswith("result|score")
    assert hash_of(other) == hash_of(statement)


DIFFERENT: list[tuple[Any, str, object]] = [
    (FULL, "timestamp", "2026-03-04T09:15:30.001Z"),
    (FULL, "timestamp", "2026-03-04T10:15:30Z"),
    (FULL, "timestamp", None),
    (FULL, "actor|name", "Shift C"),
    (FULL, "actor|name", None),
    (FULL, "actor|account|name", "SHIFT-B"),
    (FULL, "actor|member", FULL["actor"]["member"][:2]),
    (FULL, "actor|member", [*FULL["actor"]["member"], FULL["actor"]["member"][0]]),
    (FULL, "actor|member|0|mbox", "mailto:FIRST@example.org"),
    (FULL, "actor|member|0|name", "Somebody"),
    (FULL, "verb|id", "http://adlnet.gov/expapi/verbs/Answered"),
    (FULL, "object|id", "https://training.example.org/questions/other"),
    (FULL, "result|score|scaled", 0.99),
    (FULL, "result|score|raw", None),
    (FULL, "result|score", {}),
    (FULL, "result|success", False),
    (FULL, "result|completion", True),
    (FULL, "result|response", "clean"),
    (FULL, "result|duration", "PT184.5S"),
    (FULL, "result|duration", "PT3M4.51S"),
    (FULL, "result|extensions", {}),
    (FULL, "result|extensions|https://training.example.org/x/attempts", 12345678901234567891),
    (FULL, "result|extensions|https://training.example.org/x/attempts", "12345678901234567890"),
    (FULL, "result", None),
    (FULL, "context|registration", None),
    (FULL, "context|instructor|mbox", "mailto:other@example.org"),
    (FULL, "context|team|name", "Line 5"),
    (FULL, "context|contextActivities|other", []),
    (FULL, "context|contextActivities|other|0|id", "https://training.example.org/rooms/5"),
    (FULL, "context|revision", "1.40"),
    (FULL, "context|platform", "Tablet"),
    (FULL, "context|language", "en"),
    (FULL, "context|statement", None),
    (FULL, "context|extensions|https://training.example.org/x/room-temperature", 20),
    (FULL, "context|extensions|https://training.example.org/x/room-temperature", "20.5"),
    (FULL, "attachments", []),
    (FULL, "attachments|0|display", {"en-GB": "Other photo"}),
    (FULL, "attachments|0|length", 28),
    (SUB, "object|timestamp", "2031-01-01T00:00:01Z"),
    (SUB, "object|verb|id", "http://adlnet.gov/expapi/verbs/passed"),
    (SUB, "object|result|completion", False),
    (SUB, "object", SUB["object"]["object"]),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "path", "value"), DIFFERENT)
def test_other_difference_makes_another_statement(statement: Any, path: str, value: object) -> None:
    assert hash_of(changed(statement, path, value)) != hash_of(statement)


def test_activity_and_reference_of_one_id_differ() -> None:
    base = load("voiding.json")
    base["verb"]["id"] = "https://example.org/did"
    reference = changed(base, "object|id", "6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10")
    group = changed(base, "object", {"objectType": "Group", "mbox": "mailto:a@example.org"})
    agent = changed(base, "object", {"objectType": "Agent", "mbox": "mailto:a@example.org"})
    activity = changed(base, "object", {"id": "mailto:a@example.org"})
    assert len({hash_of(one) for one in (reference, group, agent, activity)}) == 4


def test_context_agents_are_compared_as_agents() -> None:
    base = load("context-agents.2.0.0.json")
    named = changed(base, "context|contextAgents|0|agent|objectType", "Agent")
    assert hash_of(named) == hash_of(base)
    other = changed(base, "context|contextAgents|0|agent|mbox", "mailto:b@example.org")
    assert hash_of(other) != hash_of(base)
    role = changed(base, "context|contextGroups|0|relevantTypes|0", "https://example.org/role")
    assert hash_of(role) != hash_of(base)


def test_order_of_attachments_is_ignored() -> None:
    second = {**FULL["attachments"][0], "length": 5}
    both = [FULL["attachments"][0], second]
    assert hash_of({**FULL, "attachments": both}) == hash_of({**FULL, "attachments": both[::-1]})


def shuffled(value: Any, source: random.Random) -> Any:
    if isinstance(value, dict):
        names = list(value)
        source.shuffle(names)
        return {name: shuffled(value[name], source) for name in names}
    return [shuffled(part, source) for part in value] if isinstance(value, list) else value


@given(st.sampled_from(NAMES), st.randoms(use_true_random=False))
def test_order_of_properties_and_white_space_are_ignored(name: str, source: random.Random) -> None:
    other = json.dumps(shuffled(load(name), source), indent=source.choice([None, 1, 4]))
    assert hash_of(other.encode()) == hash_of((EXAMPLES / name).read_bytes())


def with_number(text: str) -> bytes:
    statement = load("minimal.json")
    statement["result"] = {"extensions": {"https://example.org/x": ["MARK"]}}
    return json.dumps(statement).replace('"MARK"', text).encode()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.8", "0.80"), ("0.8", "8e-1"), ("0.8", "8E-01"), ("0.8", "0.008e2"), ("1", "1.0"),
        ("1", "1e0"), ("100", "1e2"), ("0", "-0"), ("0", "0.0"), ("0", "0e99"), ("0", "-0.00"),
        ("-1.5", "-15e-1"), ("1e18", "1" + "0" * 18), ("1e30", "1" + "0" * 30),
        ("1" + "0" * 400, "1e400"), ("999999999999999999", "999999999999999999.0"),
        ("123456789012345678901234567890", "1.2345678901234567890123456789e29"),
        ("1000000000000000000", "1000000000000000000.0"),
    ],
)  # fmt: skip
def test_numbers_of_one_value_are_the_same(one: str, other: str) -> None:
    assert hash_of(with_number(one)) == hash_of(with_number(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.8", "0.79999999999999999999"), ("1", "-1"), ("1", "true"), ("0", "false"),
        ("0", "null"), ("0.8", '"0.8"'), ("9007199254740992", "9007199254740993"), ("1", "10"),
        ("0.8", "8"), ("1.5", "15"), ("0.1", "1e1"), ("1e400", "1e401"),
        ("1e-400", "0"), ("1", "[1]"), ("8E-1", '"8E-1"'),
    ],
)  # fmt: skip
def test_values_that_differ_differ(one: str, other: str) -> None:
    assert hash_of(with_number(one)) != hash_of(with_number(other))


numbers = st.one_of(
    st.integers(min_value=-(10**25), max_value=10**25).map(str),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    # Few digits and small exponents, so that two of them often have one value.
    st.builds("{}e{}".format, st.integers(-20, 20), st.integers(-3, 3)),
)


@given(numbers, numbers)
def test_numbers_are_compared_by_their_exact_value(one: str, other: str) -> None:
    same = Decimal(one) == Decimal(other)
    assert (hash_of(with_number(one)) == hash_of(with_number(other))) == same


def test_huge_exponent_costs_nothing() -> None:
    assert hash_of(with_number("1e999999999")) != hash_of(with_number("1e999999998"))
