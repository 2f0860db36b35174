"""`assay frameworks …` and `assay roles …` as people type them."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from assay_aggregator.frameworks.case_json import canonical, read_json
from assay_aggregator.frameworks.esco import ATTRIBUTION
from assay_aggregator.frameworks.importing import check
from assay_cli.app import app
from assay_cli.demo_catalogue import framework, framework_document
from assay_cli.demo_framework import framework_package, roles_package
from assay_cli.processes import BY_NAME
from assay_testing import Database
from case_samples import DOCUMENT, MINIMAL, complete, minimal

Assay = Callable[..., Result]
DATA = Path(__file__).parent.with_name("aggregator") / "data"


@pytest.fixture
def assay(postgres: Database) -> Assay:
    """Runs `assay <arguments>` on the test's own database."""
    environment = {
        **postgres.stack.environment(BY_NAME["migrate"]),
        "ASSAY_POSTGRES_DSN": postgres.stack.dsn("postgres", postgres.name),
    }

    def run(*arguments: str | Path, exit_code: int = 0, given: bytes | None = None) -> Result:
        words = [str(one) for one in arguments]
        answer = CliRunner().invoke(app, words, env=environment, input=given)
        assert answer.exit_code == exit_code, answer.output
        return answer

    return run


def written(folder: Path, package: Any, name: str = "package.json") -> Path:
    file = folder / name
    file.write_text(json.dumps(package))
    return file


def test_a_package_goes_in_and_comes_out_byte_equal(assay: Assay, tmp_path: Path) -> None:
    text = json.dumps(complete()).replace('"score": 2', '"score": 3.0').encode()
    assert (
        "version 1 is imported" in assay("frameworks", "import", "-", "--strict", given=text).stdout
    )
    out = tmp_path / "out.json"
    assay("frameworks", "export", DOCUMENT, "-o", out)
    assert canonical(read_json(out.read_bytes())) == canonical(read_json(text))
    assert assay("frameworks", "export", DOCUMENT).stdout.encode() == out.read_bytes()
    again = assay("frameworks", "import", out)
    assert "version 1 is there with the same content" in again.stdout
    assert "ATMP practice" in assay("frameworks", "list").stdout
    shown = json.loads(assay("frameworks", "show", DOCUMENT).stdout)
    assert shown["objects"]["CFItems"] == 2
    graph = json.loads(assay("frameworks", "export", DOCUMENT, "--format", "ctdl-asn").stdout)
    assert graph["@id"] == MINIMAL["CFDocument"]["uri"]


def test_repairs_are_told_and_strictly_refused(assay: Assay, tmp_path: Path) -> None:
    package = minimal()
    package["CFDocument"]["creator"] = None
    file = written(tmp_path, package)
    refused = assay("frameworks", "import", file, "--strict", exit_code=1)
    assert "/CFDocument/creator  is missing" in refused.stderr
    listed = assay("frameworks", "import", file, "--strict", "--json", exit_code=1)
    assert json.loads(listed.stdout)["refused"][0]["pointer"] == "/CFDocument/creator"
    assert "no framework is imported" in assay("frameworks", "list").stdout
    tried = assay("frameworks", "import", file, "--dry-run")
    assert "would be imported" in tried.stdout
    assert "no framework is imported" in assay("frameworks", "list").stdout
    done = assay("frameworks", "import", file)
    assert "repaired /CFDocument/creator  is missing; it became 'unknown'" in done.stdout


def test_what_cannot_be_read_is_told_without_a_trace(assay: Assay, tmp_path: Path) -> None:
    for name, text, says in (
        ("a.json", b"{", "not JSON"),
        ("b.json", b"\xff", "UTF-8"),
        ("c.json", None, "cannot read"),
    ):
        file = tmp_path / name
        if text is not None:
            file.write_bytes(text)
        answer = assay("frameworks", "import", file, exit_code=1)
        assert says in answer.stderr, name
        assert isinstance(answer.exception, SystemExit)
    assert "neither" in assay("frameworks", "import", tmp_path, exit_code=1).stderr
    assert "no framework" in assay("frameworks", "export", DOCUMENT, exit_code=1).stderr


@pytest.mark.parametrize("zipped", [False, True])
def test_esco_is_imported_from_a_folder_or_a_zip_and_its_attribution_shown(
    assay: Assay, tmp_path: Path, zipped: bool
) -> None:
    path = DATA / "esco"
    if zipped:
        path = tmp_path / "esco.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in (DATA / "esco").iterdir():
                archive.write(file, f"ESCO dataset/{file.name}")
    done = assay("frameworks", "import", path)
    assert done.stdout.count(ATTRIBUTION) == 2
    assert "ESCO skills and knowledge: version 1" in done.stdout
    # The occupations name skills of the other package, which is here by now; one is nowhere.
    assert done.stdout.count("is a node of another framework here") == 2
    assert done.stdout.count("is a node of no framework here") == 1
    assert assay("frameworks", "list").stdout.count(ATTRIBUTION) == 2


def test_onet_is_imported_with_its_release(assay: Assay) -> None:
    done = assay("frameworks", "import", DATA / "onet", "--release", "30.1", "--json")
    skills, occupations = json.loads(done.stdout)
    assert skills["attribution"] == occupations["attribution"]
    assert "O*NET 30.1 Database" in skills["attribution"]
    assert (skills["competencies"], occupations["competencies"]) == (2, 0)


def test_roles_go_through_csv(assay: Assay, tmp_path: Path) -> None:
    assay("frameworks", "import", written(tmp_path, minimal()))
    file = tmp_path / "roles.csv"
    file.write_text("role,name,competency,level\nop1,Operator,ASP,2\nop1,,ASP2,\n")
    tried = assay("roles", "import", file, "--dry-run")
    assert "2 new" in tried.stdout
    assert "there is no role" in assay("roles", "list").stdout
    assay("roles", "import", file)
    assert "op1" in assay("roles", "list").stdout
    assert "level 2" in assay("roles", "show", "op1").stdout
    out = tmp_path / "out.csv"
    out.write_text(assay("roles", "export").stdout)
    assert list(csv.reader(io.StringIO(out.read_text()))) == [
        ["role", "name", "competency", "level"],
        ["op1", "Operator", "https://example.org/uri/a1", "2"],
        ["op1", "Operator", "https://example.org/uri/a2", ""],
    ]
    assert "nothing is changed" in assay("roles", "import", out).stdout
    file.write_text("role,name,competency,level\nop1,Operator,ASP,9\nop1,,GMP,\n")
    refused = assay("roles", "import", file, exit_code=1)
    assert "line 3, column competency  is no code or URI" in refused.stderr
    shown = json.loads(assay("roles", "show", "op1", "--json").stdout)
    assert [one["level"] for one in shown["requirements"]] == [2, None]
    other = assay("roles", "import", tmp_path / "package.json", exit_code=1)
    assert "frameworkType" in other.stderr


def test_the_demo_is_two_legal_packages_that_say_what_the_data_says() -> None:
    whole = framework_document()
    package, roles = framework_package(), roles_package()
    for one in (package, roles):
        assert check(read_json(canonical(one)), strict=True).findings.counts == {}
    assert [
        (one["humanCodingScheme"], one["fullStatement"], one["uri"]) for one in package["CFItems"]
    ] == [(one.code, one.statement, one.iri) for one in framework()]
    levels = package["CFRubrics"][0]["CFRubricCriteria"][0]["CFRubricCriterionLevels"]
    assert {one["score"].text: one["quality"] for one in levels} == whole["levels"]
    asked = {
        (one["originNodeURI"]["title"], one["destinationNodeURI"]["title"])
        for one in roles["CFAssociations"]
    }
    assert asked == {
        (title.partition(" ")[0], code)
        for title, wanted in whole["roles"].items()
        for code in wanted
    }
