"""`assay validate`: what it prints, its exit codes, its memory, and that it stands alone."""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from assay_cli.validate import Judge
from assay_schemas.content import check_lines, check_text
from assay_schemas.statement import Version
from statement_examples import EXAMPLES, example_names
from statement_texts import ID, statement

GOOD = json.dumps(statement(id=ID))
BAD = json.dumps(statement(verb={"id": "did"}, result={"score": {"scaled": 2}}))


class Run:
    """A run of the command within this process."""

    def __init__(
        self, *names: str | Path, max_bytes: int = 1_000_000, lines: bool = False,
        versions: tuple[Version, ...] = ("2.0.0",),
    ) -> None:  # fmt: skip
        self.printed: list[str] = []
        self.complaints: list[str] = []
        judge = Judge(
            out=self.printed.append,
            complain=self.complaints.append,
            max_bytes=max_bytes,
            versions=versions,
            as_json=True,
            lines=lines,
        )
        self.code = judge.run([str(name) for name in names])
        answers = [json.loads(text) for text in self.printed]
        self.summary = answers.pop()
        self.errors = answers

    @property
    def places(self) -> list[tuple[Any, ...]]:
        return [(one["line"], one["index"], one["pointer"], one["rule"]) for one in self.errors]


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("version", ["1.0.3", "2.0.0"])
def test_the_examples_are_valid(version: Version) -> None:
    names = [str(EXAMPLES / name) for name in example_names(version)]
    run = Run(*names, versions=(version,))
    assert (run.code, run.errors) == (0, [])
    assert run.summary["statements"] == len(names)


def test_each_fault_of_each_line_is_told_with_its_place_and_section(tmp_path: Path) -> None:
    run = Run(written(tmp_path, "a.jsonl", f"{GOOD}\n\n{BAD}\n{{\n{GOOD}"))
    assert run.places == [
        (3, None, "/verb/id", "iri-format"),
        (3, None, "/result/score/scaled", "score-scaled-range"),
        (4, None, "", "json-malformed"),
    ]
    assert run.code == 1
    assert run.summary == {
        "type": "summary", "files": 1, "statements": 4, "refused": 2, "not_read": 0,
    }  # fmt: skip
    first = run.errors[0]
    assert first["section"] == "IEEE 9274.1.1 4.2.7"
    assert first["message"] == "verb.id must be an IRI with a scheme."
    assert first["file"].endswith("a.jsonl")


def test_pointers_into_an_array_begin_at_the_file(tmp_path: Path) -> None:
    run = Run(written(tmp_path, "a.json", f"[{GOOD},\n{BAD},\n{GOOD}]"))
    assert run.places == [
        (None, 1, "/1/verb/id", "iri-format"),
        (None, 1, "/1/result/score/scaled", "score-scaled-range"),
        (None, 2, "/2/id", "repeated-id"),
    ]


def test_a_statement_over_many_lines_is_one(tmp_path: Path) -> None:
    text = json.dumps(json.loads(BAD), indent=2)
    run = Run(written(tmp_path, "a.json", text))
    assert [one["line"] for one in run.errors] == [None, None]
    assert run.summary["statements"] == 1


def test_every_faulty_item_of_a_list_is_told(tmp_path: Path) -> None:
    """A request is told of the first only, as each fault costs memory."""
    group = {"objectType": "Group", "member": [{"mbox": "a"}, {"mbox": "mailto:a@e.org"}, {}]}
    run = Run(written(tmp_path, "a.json", json.dumps(statement(actor=group))))
    assert [place[2] for place in run.places] == ["/actor/member/0/mbox", "/actor/member/2"]


def test_more_faults_than_a_request_is_told_are_told(tmp_path: Path) -> None:
    extra = {f"extra{number}": 1 for number in range(300)}
    assert len(Run(written(tmp_path, "a.json", json.dumps(statement(**extra)))).errors) == 300


def test_both_versions_judge_and_a_statement_counts_once(tmp_path: Path) -> None:
    agents = [{"objectType": "contextAgent", "agent": {"mbox": "mailto:a@e.org"}}]
    text = json.dumps(statement(context={"contextAgents": agents}))
    run = Run(written(tmp_path, "a.json", text), versions=("1.0.3", "2.0.0"))
    assert [one["version"] for one in run.errors] == ["1.0.3"]
    assert (run.code, run.summary["statements"], run.summary["refused"]) == (1, 1, 1)


@pytest.mark.parametrize("text", ["", "\n \n", "[]", "5", "[1]", '"a"', "[", "\x00"])
def test_what_holds_no_statement_is_refused(tmp_path: Path, text: str) -> None:
    run = Run(written(tmp_path, "a.json", text))
    assert run.code == 1
    assert len(run.errors) == 1


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_judged(tmp_path: Path) -> None:
    run = Run(tmp_path / "none.json", tmp_path, written(tmp_path, "a.json", GOOD))
    assert run.code == 2
    assert (run.summary["files"], run.summary["not_read"]) == (1, 2)
    assert "No such file" in run.complaints[0]


@pytest.mark.parametrize(
    ("name", "says"), [("a.json", "one statement a line"), ("a.jsonl", "line")]
)
def test_more_than_may_be_held_is_not_read(tmp_path: Path, name: str, says: str) -> None:
    text = json.dumps(json.loads(GOOD), indent=2) if name == "a.json" else GOOD
    run = Run(written(tmp_path, name, text), max_bytes=100)
    assert run.code == 2
    assert says in run.complaints[0]


def test_lines_can_be_forced_where_the_first_is_broken(tmp_path: Path) -> None:
    file = written(tmp_path, "statements", f'{{"actor":\n{GOOD}\n')
    assert [one["line"] for one in Run(file, lines=True).errors] == [1]


def test_memory_does_not_grow_with_the_number_of_lines(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = 10_000
    file.write_text(f"{GOOD}\n" * lines, encoding="utf-8")
    tracemalloc.start()
    try:
        assert Run(file).summary["statements"] == lines
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert file.stat().st_size > 1_500_000
    assert peak < 300_000


def test_the_library_judges_an_open_text() -> None:
    lines = [one.errors for one in check_lines([GOOD.encode(), BAD.encode()], version="1.0.3")]
    assert [len(one) for one in lines] == [0, 2]
    assert [one.errors for one in check_text(GOOD.encode(), version="1.0.3")] == [()]


ALONE = """
import sys

class Refuse:
    def find_spec(self, name, *_):
        root = name.partition(".")[0]
        if root in ("assay_runtime", "assay_ingest", "assay_aggregator", "assay_credentials",
                    "asyncpg", "aiokafka", "confluent_kafka", "fastapi", "httpx", "typer"):
            raise AssertionError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
from assay_cli.validate import Judge
judge = Judge(out=print, complain=print, max_bytes=100_000)
sys.exit(judge.run(sys.argv[1:]))
"""


def test_it_needs_nothing_but_the_words(tmp_path: Path) -> None:
    file = written(tmp_path, "a.json", BAD)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(file)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert f"{file}:1 /verb/id: verb.id must be an IRI with a scheme. [iri-format;" in done.stdout


def test_the_command_reads_standard_input() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "assay", "validate", "--version", "both", "-"],
        input=f"{GOOD}\n{BAD}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "2 statements, 1 refused"
    assert "-:2 /verb/id: " in done.stdout
    assert "xAPI 1.0.3 Data 4.3" in done.stdout
