"""Case files: what is compared, what a difference says, and what cannot be run."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay_aggregator.case import as_json, read_case, run_case, run_cases
from assay_aggregator.explain import decision_document, explanation

CASES = Path(__file__).parents[1] / "cases"
GIVEN = sorted(CASES.glob("*.json"))


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "case.json"
    path.write_text(json.dumps({**json.loads((CASES / "C02.json").read_text()), **changes}))
    return path


@pytest.mark.parametrize("path", GIVEN, ids=lambda path: path.stem)
def test_a_case_file_gives_what_it_expects(path: Path) -> None:
    assert run_case(path).differences == ()


def test_all_the_given_cases_are_there() -> None:
    assert sum(not path.stem.startswith("own-") for path in GIVEN) == 38


def test_each_difference_is_named_field_by_field(tmp_path: Path) -> None:
    expect = json.loads((CASES / "C02.json").read_text())["expect"]
    expect["status"] = "achieved"
    expect["achieved_on"] = "2026-03-02"
    expect["excluded"] = [{**expect["excluded"][0], "reason": "voided"}]
    expect["clauses"]["vr"]["passes"] = 2
    expect["clauses"]["more"] = {"satisfied": True}
    statement = "5fa70e11-fa4a-52be-9999-47d97db9121c"
    assert run_case(write(tmp_path, expect=expect)).differences == (
        "status: expected achieved, got in_progress",
        "achieved_on: expected 2026-03-02, got none",
        f"excluded: expected {statement} voided, which is missing",
        f"excluded: got {statement} score_below, which is not expected",
        "clauses: expected more, which is missing",
        "clauses.vr.passes: expected 2, got 1",
    )


def test_a_value_is_compared_as_a_number(tmp_path: Path) -> None:
    case = json.loads((CASES / "C13-decaying.json").read_text())
    case["expect"]["clauses"]["q"]["value"] = "0.81775"
    assert run_case(write(tmp_path, **case)).passed
    case["expect"]["clauses"]["q"]["value"] = "0.81776"
    assert run_case(write(tmp_path, **case)).differences == (
        "clauses.q.value: expected 0.81776, got 0.81775",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rule": {"schema": "assay.rule/v1"}}, "rule/evidence: this key is required"),
        ({"sources": {}}, "source `online` is not among `sources`"),
        ({"person": "zoe"}, "person `zoe` is not among `people`"),
        ({"as_of": "yesterday"}, "not an ISO 8601"),
        ({"schema": "assay.case/v2"}, "Invalid enum value 'assay.case/v2'"),
        ({"expect": {"status": "achieved", "levl": 2}}, "unknown field `levl`"),
        (
            {"records": [{"source": "vr", "stored": "2026-01-01T00:00:00Z", "statement": {}}]},
            "is no",
        ),
    ],
)
def test_a_file_that_cannot_be_run_says_why(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    outcome = run_case(write(tmp_path, **changes))
    assert not outcome.passed
    assert outcome.result is None
    assert reason in outcome.differences[0]


def test_duplicate_keys_and_missing_files_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "twice.json").write_text('{"case": "a", "case": "b"}')
    outcomes = run_cases([tmp_path / "gone.json", tmp_path / "twice.json"])
    assert [outcome.passed for outcome in outcomes] == [False, False]
    assert "duplicate" in outcomes[1].differences[0]


def test_the_json_form_lists_each_case_with_its_result() -> None:
    listed = as_json(run_cases([CASES / "C01.json", CASES / "C02.json"]))
    assert [one["case"] for one in listed] == ["C01", "C02"]
    expect = json.loads((CASES / "C01.json").read_text())["expect"]
    assert listed[0]["result"] == expect


def test_the_explanation_mirrors_the_tree_and_says_what_is_missing() -> None:
    decision = read_case((CASES / "own-authorised-later.json").read_bytes()).decide()
    tree: Any = explanation(decision)
    assert (tree["op"], tree["satisfied"]) == ("all", False)
    vr, observed = tree["parts"][1], tree["parts"][2]
    assert (vr["clause"], vr["have"], vr["need"], vr["satisfied"]) == ("vr", "2", "2", True)
    assert [one["role"] for one in vr["counted"]] == ["progress", "progress"]
    assert observed["excluded"] == {
        "acd7becb-51f9-5430-909e-6bc7ad9cbb69": "assessor_not_authorised"
    }
    assert observed["next_action"] == "obs: 0 of 1 passes"
    assert [one.text for one in decision.missing] == ["obs: 0 of 1 passes"]


def test_passes_before_a_failure_in_a_row_are_reset() -> None:
    decision = read_case((CASES / "C16a.json").read_bytes()).decide()
    roles = [one.role for one in decision.counted]
    assert sorted(roles) == ["progress", "progress", "reset", "reset"]
    assert [one.text for one in decision.missing] == ["aps: 2 of 3 passes in a row"]


def test_an_award_in_force_lacks_nothing_and_names_when_it_changes() -> None:
    decision = read_case((CASES / "C01.json").read_bytes()).decide()
    document = decision_document(decision)
    assert document["missing"] == []
    assert document["engine"] == "assay-engine/1"
    # The theory's window and the award end on the same day; the next begins at midnight.
    assert document["next_change"] == "2027-01-11T00:00:00Z"
    assert document["carried_by"] == {
        "theory": ["1850951c-995e-5e30-b58b-9dd3b2f33146"],
        "vr": [
            "5fa70e11-fa4a-52be-9999-47d97db9121c",
            "b58217af-bca5-5e2e-8829-e0498ee299af",
        ],
        "obs": ["acd7becb-51f9-5430-909e-6bc7ad9cbb69"],
    }
