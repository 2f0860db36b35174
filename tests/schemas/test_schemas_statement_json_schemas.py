"""The JSON Schemas of statements say what the product says, but for a list of rules."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from assay_schemas.json_schemas import FOLDER
from assay_schemas.statement import Version
from assay_schemas.statement_schemas import NOT_IN_THE_SCHEMAS
from assay_schemas.xapi_rules import RULES
from statement_examples import VERSIONS, example, example_names, faults
from statement_mutations import mutations_of
from statement_strategies import statements


def _validator(version: Version) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"statement.{version}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


VALIDATORS = {version: _validator(version) for version in VERSIONS}
of_both_versions = st.sampled_from(VERSIONS).flatmap(
    lambda version: st.tuples(st.just(version), statements(version))
)


@pytest.mark.parametrize(
    ("version", "name"),
    [(version, name) for version in VERSIONS for name in example_names(version)],
)
def test_an_example_satisfies_the_schema(version: Version, name: str) -> None:
    VALIDATORS[version].validate(example(name))


@settings(deadline=None)
@given(of_both_versions)
def test_a_valid_statement_satisfies_the_schema(case: tuple[Version, Any]) -> None:
    version, statement = case
    VALIDATORS[version].validate(statement)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_mutation_violates_the_schema_unless_its_rule_is_listed(version: Version) -> None:
    unsaid = set()
    for name in example_names(version):
        for broken in mutations_of(example(name), version):
            if VALIDATORS[version].is_valid(broken.document):
                unsaid.add(broken.mutation.rule)
    assert unsaid <= set(NOT_IN_THE_SCHEMAS)
    # The list is no longer than it must be: what a mutation of a value can show, it shows.
    assert unsaid == {
        "timestamp-format", "component-ids-distinct", "score-min-max", "score-raw-range",
        "wrong-type",
    }  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(of_both_versions, st.randoms(use_true_random=False))
def test_a_statement_that_the_schema_refuses_is_refused_by_us(
    case: tuple[Version, Any], random: Any
) -> None:
    version, statement = case
    found = list(mutations_of(statement, version))
    for broken in random.sample(found, min(len(found), 5)):
        if not VALIDATORS[version].is_valid(broken.document):
            assert faults(broken.document, version)


def test_the_list_of_what_a_schema_cannot_say_names_rules() -> None:
    assert set(NOT_IN_THE_SCHEMAS) <= set(RULES)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_whole_number_written_with_a_point_is_one_for_a_schema_only(version: Version) -> None:
    statement = example("every-property.json")
    statement["attachments"][0]["length"] = 27.0
    VALIDATORS[version].validate(statement)
    (fault,) = faults(statement, version)
    assert fault.rule == "wrong-type"


def test_the_patterns_use_nothing_that_unicode_mode_of_ecma_262_refuses() -> None:
    """There, only syntax characters may be escaped, and there are no inline flags."""
    text = (FOLDER / "statement.2.0.0.schema.json").read_text(encoding="utf-8")
    patterns = set(re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', text))
    assert len(patterns) > 8
    for one in patterns:
        pattern = json.loads(one)
        assert not re.search(r"\\[^\^$\\.*+?()\[\]{}|/sdwtx\-]", pattern), pattern
        assert not re.search(r"\(\?[a-z]", pattern), pattern
