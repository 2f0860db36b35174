"""What docs/validation.md and the README of the schemas tell is what happens."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from assay_schemas.statement import Version
from assay_schemas.xapi_rules import RULES
from statement_examples import VERSIONS, example, faults, mutated
from statement_texts import extended, refused, rule_of

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "validation.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[tuple[str, str | None]]:
    """(value, rule or None) of the table below `heading`."""
    _, _, rest = PAGE.partition(f"\n## {heading}\n")
    table = rest.partition("\n## ")[0]
    found = re.findall(r"^\| `(.+?)` \| (?:accepted|`([a-z-]+)`) \|", table, re.MULTILINE)
    assert len(found) > 10
    assert len(found) == len(re.findall(r"^\| `", table, re.MULTILINE))
    return [(value, rule or None) for value, rule in found]


@pytest.mark.parametrize(("text", "rule"), rows("Text"))
def test_a_text_becomes_what_the_page_says(text: str, rule: str | None) -> None:
    assert rule_of(extended(text)) == rule


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("iri", "rule"), rows("IRIs"))
def test_an_iri_becomes_what_the_page_says(version: Version, iri: str, rule: str | None) -> None:
    found = faults(mutated(example("minimal.json"), "verb|id", iri), version)
    assert [fault.rule for fault in found] == ([rule] if rule else [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_another_encoding_is_refused(encoding: str) -> None:
    assert [error.rule for error in refused(extended("1").encode(encoding))] == ["json-malformed"]


def test_rules_that_the_page_names_are_rules() -> None:
    _, _, choices = PAGE.partition("## Stricter")
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", choices)) | set(
        re.findall(r"`(limit-[a-z-]+[a-z])`", PAGE)
    )
    assert len(named) > 6
    assert named <= set(RULES)


def test_the_example_of_the_readme_prints_what_it_says() -> None:
    readme = (PROJECT / "schemas" / "assay_schemas" / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    _, _, said = readme.partition("prints\n\n    ")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own example
    assert printed.getvalue() == said.partition("\n")[0] + "\n"
