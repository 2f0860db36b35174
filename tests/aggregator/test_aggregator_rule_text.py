"""Rules as people write them: YAML reads as JSON would, and every place has its line."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_aggregator.case import run_case, run_cases
from assay_aggregator.rule import parse_rule
from assay_aggregator.rule_text import TextError, read_text

CASES = Path(__file__).parents[1] / "cases"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=4))
def test_yaml_that_a_library_writes_reads_as_the_value(value: dict[str, Any]) -> None:
    text = yaml.safe_dump(value, default_style='"')
    assert read_text(text.encode(), "a.yaml").value == value


def test_a_scalar_is_text_unless_json_would_read_it_otherwise() -> None:
    text = "[2026-01-01, yes, on, 010, 0x1f, 1_000, 12:30:00, '0.80', 0.80, 7, true, null, ~]"
    assert read_text(text.encode(), "a.yml").value == [
        *("2026-01-01", "yes", "on", "010", "0x1f", "1_000", "12:30:00", "0.80"),
        *(Decimal("0.80"), 7, True, None, None),
    ]


def test_lines_are_those_of_keys_and_of_items() -> None:
    yaml_text = b"a: 1\nb:\n  - c: 2\n    d/e: 3\n  - 4\n"
    json_text = b'{"a": 1,\n"b": [\n{"c": 2,\n\t"d/e": 3},\n4]}'
    for text, name in ((yaml_text, "a.yaml"), (json_text, "a.json")):
        written = read_text(text, name)
        assert [written.line(p) for p in ("/a", "/b", "/b/0/c", "/b/0/d~1e")] == [1, 2, 3, 4]
        assert written.line("/b/1") == 5
        # A key that is missing has the line of the place where it should be.
        assert written.line("/b/0/x/y") == written.line("/b/0") == 3


@pytest.mark.parametrize(
    ("text", "name", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", "a.yaml", 3, "the key `a` stands twice"),
        ('{"a": 1,\n "a": 2}', "a.json", None, "duplicate"),
        ("a: &x [1]\nb: *x\n", "a.yaml", 1, "aliases are not taken"),
        ("a: [1\n", "a.yaml", 2, "is not YAML"),
        ("a: 1\n---\nb: 2\n", "a.yaml", 2, "is not YAML"),
        ("1: a\n", "a.yaml", 1, "a key is not text"),
        ("a: !!python/object:os.system x\n", "a.yaml", 1, "is not taken"),
        ('{"a": 1,\n', "a.json", 2, "is not JSON"),
        ("[" * 70 + "]" * 70, "a.yaml", 1, "nested deeper"),
    ],
)
def test_what_cannot_be_read_says_where(
    text: str, name: str, line: int | None, reason: str
) -> None:
    with pytest.raises(TextError) as caught:
        read_text(text.encode(), name)
    assert reason in str(caught.value)
    assert caught.value.line == line


def test_a_case_in_yaml_is_the_same_case(tmp_path: Path) -> None:
    case = json.loads((CASES / "C01.json").read_text())
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(case))
    del case["expect"]
    (tmp_path / "bare.json").write_text(json.dumps(case))
    bare, written = run_cases([tmp_path])
    assert written.result == run_case(CASES / "C01.json").result
    # A case that states nothing is run, and says what came out.
    assert (bare.passed, bare.result) == (True, written.result)


def test_the_rule_of_the_documents_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "competency-rules.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    rule = parse_rule(read_text(example.encode(), "example.yaml").value)
    assert (rule.id, sorted(rule.initial.evidence)) == ("gowning-b", ["observed", "theory", "vr"])
