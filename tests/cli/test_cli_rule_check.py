"""`assay rules check`: line, key and reason of everything that is wrong; exit code 1."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from assay_cli.app import app

R1: dict[str, Any] = json.loads((Path(__file__).parents[1] / "cases" / "C01.json").read_text())[
    "rule"
]


def check(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rules", "check", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_rule_that_is_right_is_named_with_its_hash(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rule.{suffix}"
    path.write_text(json.dumps(R1) if suffix == "json" else yaml.safe_dump(R1))
    code, output = check(path)
    assert code == 0
    assert "gowning-b version 1, effective" in output
    assert "1 rules can be evaluated, 0 problems" in output


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    document = {**R1, "colour": "red", "validity": {"period": "12 months"}}
    lines = yaml.safe_dump(document, sort_keys=False).splitlines()
    path = tmp_path / "rule.yaml"
    path.write_text("\n".join(lines))
    code, output = check(path)
    assert code == 1
    colour = 1 + lines.index("colour: red")
    period = 1 + lines.index("  period: 12 months")
    assert f"{path}:{colour}: /colour: unknown key" in output
    assert f"{path}:{period}: /validity/period: " in output


def test_rules_are_held_against_each_other(tmp_path: Path) -> None:
    base = {key: value for key, value in R1.items() if key not in ("id", "competency")}
    rules: dict[str, dict[str, Any]] = {
        "one": {"id": "one", "competency": "urn:1", "prerequisites": [{"competency": "urn:2"}]},
        "two": {
            "id": "two",
            "competency": "urn:2",
            "prerequisites": [{"competency": "urn:1", "level": 3}],
        },
        "other": {"id": "other", "competency": "urn:1"},
        "same": {"id": "two", "competency": "urn:2"},
    }
    for name, keys in rules.items():
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump({**base, **keys}))
    code, output = check(tmp_path, "--json")
    assert code == 1
    found = {(Path(one["file"]).stem, one["pointer"]): one["reason"] for one in json.loads(output)}
    assert found[("one", "/competency")] == (
        "rules look at each other in a circle: urn:1 -> urn:2 -> urn:1"
    )
    assert "is about this competency, too" in found[("other", "/competency")]
    assert "level 3 cannot be reached" in found[("two", "/prerequisites/0/level")]
    assert "version 1 of two is in" in found[("two", "/version")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n", ":1: /: a rule is a map of keys"),
        ("a: 1\na: 2\n", ":2: /: the key `a` stands twice"),
    ],
)
def test_what_is_no_rule_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rule.yaml"
    path.write_text(text)
    code, output = check(path)
    assert code == 1
    assert f"{path}{said}" in output


def test_nothing_to_check_is_no_success(tmp_path: Path) -> None:
    assert check(tmp_path)[0] == 1
    code, output = check(tmp_path / "gone.yaml")
    assert code == 1
    assert "No such file" in output
