"""What the demo prints, and that it fails plainly where there is nothing to talk to."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from assay_aggregator.clause import Reason
from assay_cli.demo import run
from assay_cli.demo_catalogue import catalogue, framework, rule_documents
from assay_cli.demo_report import REASONS, Story, explain
from assay_cli.seed import ensure_keys
from assay_cli.stack import StackInfo
from assay_testing import free_port_base


def _story() -> tuple[Story, io.StringIO]:
    printed = io.StringIO()
    return Story(Console(file=printed, width=100)), printed


def test_every_reason_of_the_engine_has_plain_words() -> None:
    assert set(REASONS) == {str(reason) for reason in Reason}


def test_a_check_that_fails_is_remembered_and_told() -> None:
    story, printed = _story()
    assert story.check(True, "this came true")
    assert not story.check(False, "that did not", "it was [otherwise]")
    assert story.failed == ["that did not: it was [otherwise]"]
    assert "this came true" in printed.getvalue()
    assert "it was [otherwise]" in printed.getvalue()


def test_a_decision_is_told_in_the_names_of_activities() -> None:
    competency = next(one for one in framework() if one.code == "ASP1")
    decision = {
        "status": "in_progress",
        "achieved_on": None,
        "expires_on": None,
        "excluded": [{"statement": "x", "clause": "observed", "reason": "assessor_not_authorised"}],
        "clauses": {
            "observed": {"satisfied": False, "passes": 0},
            "vr": {"satisfied": True, "passes": 1},
        },
        "missing": [{"clauses": ["observed"], "text": "observed: 0 of 1 passes"}],
    }
    lines = explain(competency, rule_documents()["ASP1"], decision, catalogue().activities)
    assert lines == [
        "ASP1  Enter, work in and leave grade D/C areas in the correct clothing",
        "  in progress",
        "  [x] Changing for grades D and C in VR: 1 passed",
        "  [ ] Changing for grades D and C, observed: 0 passed",
        "        one does not count: the assessor was not authorised on that day",
        "  next: Changing for grades D and C, observed: 0 of 1 passes",
    ]


def test_without_a_seeded_stack_the_demo_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(StackInfo(tmp_path), learners=10) == 1
    said = capsys.readouterr().err
    assert "run `make run` first" in said
    assert "Traceback" not in said


def test_without_a_running_stack_the_demo_names_what_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = StackInfo(tmp_path, free_port_base())
    ensure_keys(stack, catalogue())
    assert run(stack, learners=10) == 1
    said = capsys.readouterr().err
    assert "ingest: does not answer" in said
    assert "credentials: does not answer" in said
    assert "run `make run` first" in said
