"""What `assay check` says of what it found: bounded, and never clean when something differs."""

import io
import json

from rich.console import Console

from assay_cli.check_report import EXAMPLES_MAX, LAWS, Report


def _report() -> Report:
    return Report(watermark_ms=1_767_225_600_000, limits={0: 10, 1: 7}, seed="1f")


def _shown(report: Report) -> str:
    text = io.StringIO()
    report.show(Console(file=text, width=200, soft_wrap=True))
    return text.getvalue()


def test_a_law_that_was_not_looked_at_is_not_called_clean() -> None:
    report = _report()
    report.laws[1].count("records of the log", 3)
    assert report.laws[1].result == "clean"
    assert report.laws[2].result == "not looked at"
    assert report.clean


def test_one_difference_breaks_its_law_and_the_report() -> None:
    report = _report()
    report.laws[4].count("facts", 10)
    report.laws[4].differ("another fact", [])
    assert report.clean
    report.laws[4].differ("another fact", ["a place"])
    assert report.laws[4].result == "broken"
    assert not report.clean
    assert "law 4: another fact: a place" in _shown(report)


def test_an_alarm_alone_is_not_clean() -> None:
    report = _report()
    report.alarms.append("set aside: store assay.statements.v1/0/5: ValueError")
    assert not report.clean
    assert "alarm: set aside" in _shown(report)


def test_examples_are_bounded_and_the_count_is_not() -> None:
    report = _report()
    for number in range(100):
        report.laws[1].differ("not in the store", [f"place {number}"] * 5, 1000)
    assert report.laws[1].differences_count == 100_000
    assert len(report.laws[1].differences) == EXAMPLES_MAX
    assert "100,000" in _shown(report)


def test_a_list_that_was_cut_off_says_so() -> None:
    report = _report()
    report.laws[2].differ("an event", [str(n) for n in range(EXAMPLES_MAX)])
    assert f"{EXAMPLES_MAX} or more" in _shown(report)


def test_json_tells_every_law() -> None:
    report = _report()
    report.laws[3].count("decisions made anew", 2)
    report.laws[5].differ("a decision stands on a voided statement", ["x"])
    document = json.loads(report.as_json())
    assert document["clean"] is False
    assert document["limits"] == {"0": 10, "1": 7}
    results = {law["law"]: law["result"] for law in document["laws"]}
    assert results.keys() == LAWS.keys()
    assert (results[3], results[5], results[6]) == ("clean", "broken", "not looked at")
