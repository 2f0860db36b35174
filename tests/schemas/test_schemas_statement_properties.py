"""Valid statements of any kind stay valid; one mutation makes them invalid by the expected rule."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_schemas.refusals import json_pointer
from assay_schemas.statement import Version
from statement_examples import VERSIONS, example, example_names, faults
from statement_mutations import MUTATIONS, mutations_of, places_of
from statement_strategies import statements

NEW_IN_2_0 = ("contextAgent", "contextGroup", "[contextAgent]", "[contextGroup]", "[iri]")
of_both_versions = st.sampled_from(VERSIONS).flatmap(
    lambda version: st.tuples(st.just(version), statements(version))
)


@settings(deadline=None)
@given(of_both_versions)
def test_a_valid_statement_is_accepted(case: tuple[Version, Any]) -> None:
    version, statement = case
    assert faults(statement, version) == ()


@settings(deadline=None)
@given(statements("1.0.3"))
def test_what_is_valid_in_1_0_3_is_valid_in_2_0(statement: Any) -> None:
    assert faults(statement, "2.0.0") == ()


@settings(deadline=None)
@given(of_both_versions, st.randoms(use_true_random=False))
def test_one_mutation_is_refused_by_its_rule_at_its_place(
    case: tuple[Version, Any], random: Any
) -> None:
    version, statement = case
    found = list(mutations_of(statement, version))
    for broken in random.sample(found, min(len(found), 3)):
        named = [(fault.rule, fault.pointer) for fault in faults(broken.document, version)]
        assert (broken.mutation.rule, json_pointer(broken.path)) in named, broken.mutation.name


@pytest.mark.parametrize("version", VERSIONS)
def test_every_mutation_of_the_examples_is_refused_by_its_rule_at_its_place(
    version: Version,
) -> None:
    wrong = []
    applied = set()
    for name in example_names(version):
        for broken in mutations_of(example(name), version):
            applied.add(broken.mutation.name)
            named = [(fault.rule, fault.pointer) for fault in faults(broken.document, version)]
            if (broken.mutation.rule, json_pointer(broken.path)) not in named:
                wrong.append((name, broken.mutation.name, broken.path, named))
    assert wrong == []
    possible = {one.name for one in MUTATIONS if version in one.versions}
    new_in_2_0 = {one.name for one in MUTATIONS if one.kind in NEW_IN_2_0}
    assert possible - applied == (new_in_2_0 if version == "1.0.3" else set())


def test_the_walk_names_every_value_of_the_fullest_example() -> None:
    """A property that the walk does not know would never be mutated."""
    statement = example("every-property.json")
    known = {place.path for place in places_of(statement)}
    free = ("extensions", "display", "description", "name", "objectType")

    def unknown(value: Any, path: tuple[str | int, ...]) -> list[str]:
        if path and (path not in known) and path[-1] not in free:
            return [json.dumps(path)]
        if path and path[-1] in free:
            return []
        parts: Any = ()
        if isinstance(value, dict):
            parts = value.items()
        elif isinstance(value, list):
            parts = enumerate(value)
        return [text for name, part in parts for text in unknown(part, (*path, name))]

    assert unknown(statement, ()) == []
