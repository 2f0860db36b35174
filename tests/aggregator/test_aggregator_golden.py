"""The same question gives the same bytes, release after release of one engine version."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from aggregator_golden import CASES, GOLDEN, golden_lines
from assay_aggregator.rule_schema import FILE_NAME, FOLDER, rule_schema, schema_text


def test_decision_documents_are_byte_for_byte_those_checked_in() -> None:
    kept, made = GOLDEN.read_bytes().splitlines(), golden_lines()
    differing = [
        json.loads(line)["case"] for line in made if line not in set(kept)
    ]  # Named first: the lines are long.
    assert differing == []
    assert made == kept


def test_the_schema_of_rules_is_the_one_checked_in() -> None:
    assert (FOLDER / FILE_NAME).read_text(encoding="utf-8") == schema_text()


def rules() -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for path in sorted(Path(CASES).glob("*.json")):
        case = json.loads(path.read_text())
        found += [(path.stem, rule) for rule in (case["rule"], *case.get("rules", ()))]
    return found


def test_every_rule_of_the_cases_is_one_by_the_schema() -> None:
    validator = Draft202012Validator(rule_schema())
    Draft202012Validator.check_schema(rule_schema())
    assert len(rules()) > 100
    for name, rule in rules():
        assert [error.message for error in validator.iter_errors(rule)] == [], name


def test_the_schema_refuses_what_is_no_rule() -> None:
    validator = Draft202012Validator(rule_schema())
    (_, rule), *_ = rules()
    assert isinstance(rule, dict)
    clause = rule["evidence"]["vr"]
    for wrong in (
        {**rule, "colour": "red"},
        {**rule, "levels": [{"level": 2, "requires": {"most": ["vr"]}}]},
        {**rule, "evidence": {"vr": {**clause, "attempts": {"policy": "bkt"}}}},
        {**rule, "evidence": {"vr": {**clause, "score_gte": 0.8}}},
        {**rule, "evidence": {"vr": {**clause, "match": {"verb": ["zapped"]}}}},
        {**rule, "rollup": {"method": "all", "children": [{"competency": "urn:x"}]}},
    ):
        assert not validator.is_valid(wrong)
