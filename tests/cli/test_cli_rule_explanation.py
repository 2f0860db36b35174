"""`assay rules explain` in words: every reason has some, and nothing of a decision is left out."""

from datetime import UTC, datetime
from typing import Any, get_args

from hypothesis import given

from aggregator_worlds import AS_OF, LINKS, facts, rules
from assay_aggregator.clause import Reason
from assay_aggregator.decision import Role
from assay_aggregator.evaluate import evaluate
from assay_aggregator.explain import decision_document
from assay_aggregator.fact import Fact
from assay_aggregator.rule import Rule
from assay_aggregator.world import World
from assay_cli.rule_explanation import REASONS, ROLES, lines


def test_every_reason_and_role_has_its_words() -> None:
    assert set(REASONS) == {str(one) for one in Reason}
    assert set(ROLES) == set(get_args(Role))
    assert len(set(REASONS.values())) == len(REASONS)


@given(rules(), facts())
def test_every_statement_of_a_decision_is_named_with_its_reason(
    rule: Rule, known: list[Fact]
) -> None:
    decision = evaluate(rule, World(known, LINKS), "ada", AS_OF)
    text = "\n".join(lines(decision_document(decision)))
    for one in decision.excluded:
        assert one.statement in text
        assert f"({one.reason})" in text
    for statement in (*decision.used, *(one.statement for one in decision.counted)):
        assert statement in text
    for missing in decision.missing:
        assert missing.text in text
    assert decision.status.replace("_", " ") in text


DOCUMENT: dict[str, Any] = {
    "competency": "https://example.org/c",
    "person": "ada",
    "as_of": "2026-03-03T00:00:00Z",
    "known_at": None,
    "rule": {"id": "r", "version": 2, "hash": "0123456789abcdef", "superseded_by": 3},
    "status": "under_review",
    "level": 2,
    "achieved_on": "2026-01-02",
    "expires_on": "2026-12-31",
    "trigger": "s9",
    "explanation": {
        "op": "n_of",
        "need": 2,
        "satisfied": True,
        "parts": [
            {
                "competency": "https://example.org/child",
                "satisfied": True,
                "status": "achieved",
                "held_level": 2,
                "achieved_on": "2026-01-02",
                "expires_on": None,
            }
        ],
    },
    "levels": [
        {
            "level": 3,
            "status": "in_progress",
            "achieved_on": None,
            "expires_on": None,
            "missing": [{"clauses": ["vr"], "text": "one more pass"}],
        }
    ],
    "prerequisites": [
        {
            "competency": "https://example.org/first",
            "level": 1,
            "at": "always",
            "holds": False,
            "held": "expired",
        }
    ],
    "overrides": [
        {
            "from": "2026-01-01",
            "to": None,
            "by": ["imogen.hale", "tomas.reid"],
            "meaning": "approval",
            "reason": "records_lost",
            "decides": False,
            "ignored": "not_allowed",
        }
    ],
    "reviews": [{"review": "r1", "opened": "2026-03-01T00:00:00Z", "reason": "contest"}],
    "by_evidence": {"status": "achieved", "level": 1, "achieved_on": "2026-01-02"},
    "missing": [],
    "next_change": str(datetime(2027, 1, 1, tzinfo=UTC)),
}


def test_the_whole_of_a_decision_in_words() -> None:
    assert list(lines(DOCUMENT)) == [
        "competency  https://example.org/c",
        "person      ada",
        "as of       2026-03-03T00:00:00Z, known at all that is known",
        "rule        r version 2 (0123456789ab)",
        "            version 3 lets this award stay",
        "status      under review, level 2, achieved on 2026-01-02, valid to the end of 2026-12-31",
        "because of  statement s9",
        "",
        "[x] at least 2 of",
        "  [x] https://example.org/child: achieved, level 2, achieved on 2026-01-02",
        "",
        "Levels:",
        "  - level 3: in progress; missing: one more pass",
        "",
        "Prerequisites:",
        "  - https://example.org/first at level 1, all the time: does not hold (expired)",
        "",
        "Overrides:",
        "  - approval by imogen.hale and tomas.reid, 2026-01-01 to open, records_lost; "
        "it is ignored: not_allowed",
        "",
        "Open reviews:",
        "  - r1 since 2026-03-01T00:00:00Z: contest",
        "",
        "By the evidence alone:",
        "  - achieved, level 1, achieved on 2026-01-02",
        "",
        "Without anything new this may next change at 2027-01-01 00:00:00+00:00.",
    ]


def test_a_day_without_a_rule_is_said() -> None:
    undecided = {**DOCUMENT, "rule": None, "status": "not_started", "level": None}
    text = list(lines({**undecided, "explanation": None, "trigger": None}))
    assert "rule        no version of the rule is in force on this day" in text
