"""What the demo prints: numbers as tables, reasons and records in plain words.

`Story` also keeps the score: each thing that must be true is checked, not only told.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay_cli.demo_catalogue import Competency, RuleDocument
from assay_cli.demo_programme import Programme

Json = dict[str, Any]

STATUSES = ("achieved", "expired", "suspended", "under_review", "in_progress", "not_started")

# The closed list of reasons (rules.md section 5) in the words of a learner.
REASONS: Mapping[str, str] = {
    "id_conflict_quarantined": "another statement came first under its id",
    "voided": "it was taken back",
    "void_not_authorised": "somebody tried to take it back who may not",
    "group_actor": "a team did it, so nobody can say who of them can",
    "modality_mismatch": "it came from a source that cannot vouch for this kind of evidence",
    "launch_mode_not_normal": "the course was only looked through, not taken",
    "before_disqualification": "it lies before a disqualification",
    "previous_cycle": "it belongs to an earlier cycle",
    "assessor_missing": "no assessor is named",
    "assessor_unverified": "its source does not vouch for who assessed",
    "self_assessed": "the learner assessed themselves",
    "assessor_not_independent": "the assessor has a declared conflict of interest",
    "assessor_not_authorised": "the assessor was not authorised on that day",
    "outside_window": "it is too old",
    "waiver_not_allowed": "it was waived for a reason that the rule does not accept",
    "critical_step_missed": "a critical step was missed",
    "profile_contradiction": "it says passed, with a score below the course's own pass mark",
    "success_false": "it was not passed",
    "score_missing": "it has no usable score",
    "score_below": "its score is below what the rule asks for",
    "attempt_failed": "another part of the same attempt failed",
}


class Story:
    """Prints the demo and remembers what did not come true."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.failed: list[str] = []

    def chapter(self, title: str) -> None:
        self.console.print()
        self.console.rule(escape(title), align="left")

    def say(self, text: str) -> None:
        self.console.print(escape(text), highlight=False)

    def check(self, holds: bool, text: str, otherwise: str = "") -> bool:
        """Print whether something that must be true is true; `otherwise` says what was found."""
        if holds:
            self.console.print(f"[green]yes[/]  {escape(text)}", highlight=False)
            return True
        found = f"{text}: {otherwise}" if otherwise else text
        self.failed.append(found)
        self.console.print(f"[red]NO[/]   {escape(found)}", highlight=False)
        return False

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; cells that are numbers stand to the right."""
        made = Table(box=None, pad_edge=False, header_style="bold")
        filled = [list(row) for row in rows]
        for index, name in enumerate(columns):
            numbers = bool(filled) and all(isinstance(row[index], int) for row in filled)
            made.add_column(name, justify="right" if numbers else "left")
        for row in filled:
            made.add_row(
                *(escape(f"{cell:,}" if isinstance(cell, int) else str(cell)) for cell in row)
            )
        self.console.print(made)


def tell_programme(story: Story, programme: Programme) -> None:
    """Who takes part."""
    learners = programme.learners
    two = sum(one.second is not None for one in learners)
    story.say(
        f"{len(learners)} learners of {len({one.organisation.id for one in learners})} "
        f"organisations; {two} of them are known by two identifiers."
    )
    by = Counter((one.organisation.name, one.organisation.place) for one in learners)
    story.table(
        ("organisation", "place", "learners"),
        [(name, place, count) for (name, place), count in by.items()],
    )


def tell_statuses(
    story: Story, statuses: Mapping[tuple[str, str], int], competencies: Sequence[Competency]
) -> None:
    """Learners by competency and status; `statuses` is by (code, status)."""
    codes = sorted({code for code, _ in statuses})
    texts = {one.code: one.statement for one in competencies}
    shown = [name for name in STATUSES if any((code, name) in statuses for code in codes)]
    story.table(
        ("", "competency", *(name.replace("_", " ") for name in shown)),
        [
            (code, _short(texts[code]), *(statuses.get((code, name), 0) for name in shown))
            for code in codes
        ],
    )


def tell_reasons(story: Story, counted: int, reasons: Mapping[str, int]) -> None:
    """How much evidence counted, and why the rest did not."""
    story.say(f"{counted:,} pieces of evidence carry an award or count towards one.")
    story.say(f"{sum(reasons.values()):,} do not count:")
    story.table(
        ("times", "reason", "in plain words"),
        [
            (count, reason, REASONS[reason])
            for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ],
    )


def explain(
    competency: Competency, rule: RuleDocument, decision: Json, activities: Mapping[str, str]
) -> list[str]:
    """One decision in plain words: status, then what each clause has, lacks and leaves out."""
    status = str(decision["status"])
    dates = ""
    if decision.get("achieved_on"):
        until = decision.get("expires_on")
        dates = f" on {decision['achieved_on']}" + (f", valid to {until}" if until else "")
    lines = [f"{competency.code}  {competency.statement}", f"  {status.replace('_', ' ')}{dates}"]
    names = {
        clause: activities[one["match"]["activity"][0].rsplit("/activities/", 1)[-1]]
        for clause, one in _evidence(rule).items()
    }
    excluded: dict[str, list[str]] = {}
    for one in decision["excluded"]:
        excluded.setdefault(one["clause"], []).append(one["reason"])
    for clause, name in names.items():
        state = decision["clauses"][clause]
        mark = "x" if state["satisfied"] else " "
        lines.append(f"  [{mark}] {name}: {state['passes']} passed")
        lines += [f"        one does not count: {REASONS[one]}" for one in excluded.get(clause, ())]
    for one in decision.get("missing", ()):
        text = str(one["text"])
        for clause in one["clauses"]:
            text = text.replace(f"{clause}:", f"{names[clause]}:")
        lines.append(f"  next: {text}")
    return lines


def _evidence(rule: RuleDocument) -> Json:
    """The clauses of a rule document by their names."""
    evidence = rule["evidence"]
    return evidence if isinstance(evidence, dict) else {}


def _short(text: str, width: int = 40) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"
