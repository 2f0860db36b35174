"""What `parse_rule` refuses, what it makes of defaults and overlays, and which version decides."""

import copy
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from assay_aggregator.rule import Branch, Rule, RuleError, parse_rule, rule_hash, select_rule

CASES = Path(__file__).parents[1] / "cases"
R1: dict[str, Any] = json.loads((CASES / "C01.json").read_text())["rule"]


def changed(**keys: Any) -> dict[str, Any]:
    return {**copy.deepcopy(R1), **keys}


def with_clause(**keys: Any) -> dict[str, Any]:
    document = copy.deepcopy(R1)
    document["evidence"]["vr"].update(keys)
    return document


def levels(*given: tuple[int, Any]) -> dict[str, Any]:
    return changed(levels=[{"level": number, "requires": tree} for number, tree in given])


def rollup(method: str, *children: str, **keys: Any) -> dict[str, Any]:
    names = children or ("urn:a", "urn:b")
    return {"method": method, "children": [{"competency": name} for name in names], **keys}


def rolled_up(method: str, *children: str, **keys: Any) -> dict[str, Any]:
    own = ("evidence", "requires", "validity")
    document = {key: value for key, value in R1.items() if key not in own}
    return {**document, "rollup": rollup(method, *children, **keys)}


def problems(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(RuleError) as caught:
        parse_rule(document)
    return {problem.pointer: problem.reason for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("document", "pointer", "reason"),
    [
        (changed(colour="red"), "/colour", "unknown key"),
        (with_clause(colour="red"), "/evidence/vr/colour", "unknown key"),
        (with_clause(match={}), "/evidence/vr/match", "needs at least one"),
        (with_clause(match={"verb": ["zapped"]}), "/evidence/vr/match/verb/0", "short name"),
        (with_clause(match={"verb": []}), "/evidence/vr/match/verb", "at least 1 item"),
        (with_clause(match={"activity": ["theory"]}), "/evidence/vr/match/activity/0", "full IRI"),
        (with_clause(score_gte=0.8), "/evidence/vr/score_gte", "string"),
        (with_clause(score_gte="8e-1"), "/evidence/vr/score_gte", "decimal written as text"),
        (with_clause(modality=["telepathy"]), "/evidence/vr/modality/0", "'online'"),
        (with_clause(window="12M"), "/evidence/vr/window", "PnD, PnM or PnY"),
        (with_clause(attempts={"policy": "bkt"}), "/evidence/vr/attempts/policy", "Input should"),
        (with_clause(attempts={"policy": "count"}), "/evidence/vr/attempts", "needs n"),
        (with_clause(attempts={"policy": "any", "n": 2}), "/evidence/vr/attempts", "not take n"),
        (
            with_clause(attempts={"policy": "n_of_last", "n": 3, "m": 2}),
            "/evidence/vr/attempts",
            "m must not be smaller",
        ),
        (
            with_clause(attempts={"policy": "decaying", "gte": "0.8", "weight": "0"}),
            "/evidence/vr/attempts",
            "weight",
        ),
        (changed(timezone="Mars/Olympus"), "/timezone", "IANA"),
        (changed(effective_from="01.01.2024"), "/effective_from", "YYYY-MM-DD"),
        (changed(effective_from="2024-02-30"), "/effective_from", "day"),
        (changed(effective_to="2024-01-01"), "", "later than effective_from"),
        (changed(version=True), "/version", "integer"),
        (changed(id="Gowning B"), "/id", "pattern"),
        (changed(requires={"all": ["theory", "gone"]}), "/requires/all/1", "no clause `gone`"),
        (changed(requires={"any": []}), "/requires/any", "at least one"),
        (changed(requires={"none": ["vr"]}), "/requires", "must be a clause name"),
        (
            changed(requires={"at_least": {"n": 3, "of": ["vr", "obs"]}}),
            "/requires/at_least/n",
            "from 1",
        ),
        (
            changed(renewal={"evidence": {"vr": {"attempts": {"policy": "count"}}}}),
            "/renewal/evidence/vr/attempts",
            "needs n",
        ),
        (
            changed(renewal={"evidence": {"new": {"modality": ["vr"]}}}),
            "/renewal/evidence/new/match",
            "required",
        ),
        (changed(renewal={}), "/renewal/requires/all", "at least one"),
        (
            changed(on_later_fail={"clauses": ["gone"], "status": "under_review"}),
            "/on_later_fail/clauses/0",
            "no clause `gone`",
        ),
        (changed(conflicts={"same_id": "last"}), "/conflicts/same_id", "'quarantine'"),
        (changed(levels=[{"level": 2, "requires": "gone"}]), "/levels/0/requires", "no clause"),
        (levels((2, "vr"), (2, "obs")), "/levels/1/level", "cannot be reached: levels ascend"),
        (levels((3, "vr"), (2, "obs")), "/levels/1/level", "cannot be reached: levels ascend"),
        (levels((2, "vr"), (3, "vr")), "/levels/1/requires", "level 2 cannot be reached"),
        (
            levels((2, {"all": ["vr", "obs"]}), (3, {"any": ["vr", "theory"]})),
            "/levels/1/requires",
            "level 2 cannot be reached",
        ),
        (levels((2, {"all": []})), "/levels/0/requires/all", "at least one part"),
        (changed(levels=[{"level": "2", "requires": "vr"}]), "/levels/0/level", "integer"),
        (
            changed(prerequisites=[{"competency": R1["competency"]}]),
            "/prerequisites/0/competency",
            "its own prerequisite",
        ),
        (changed(prerequisites=[{"competency": "x"}]), "/prerequisites/0/competency", "full IRI"),
        (changed(prerequisites=[{"competency": "urn:x", "at": "now"}]), "/prerequisites/0/at", "'"),
        (changed(transition={"policy": "forget"}), "/transition/policy", "must be grandfather"),
        (
            changed(transition={"policy": {"re_evaluate_after": "soon"}}),
            "/transition/policy",
            "PnD",
        ),
        (changed(transition={"policy": "re_evaluate_after"}), "/transition", "needs its period"),
        (
            changed(transition={"policy": "grandfather", "re_evaluate_after": "P1D"}),
            "/transition",
            "a policy of its own",
        ),
        (changed(overrides={"max": "P90D"}), "/overrides/allow", "required"),
        (changed(overrides={"allow": True, "max": "90"}), "/overrides/max", "PnD"),
        (changed(overrides={"allow": True, "by": "qa"}), "/overrides/by", "unknown key"),
        (changed(rollup=rollup("all")), "/evidence", "a roll-up rule does not take"),
        (rolled_up("most"), "/rollup/method", "Input should"),
        (rolled_up("points", need=3), "/rollup", "each child has points"),
        (rolled_up("n_of"), "/rollup", "needs `need`"),
        (rolled_up("n_of", need=3), "/rollup", "cannot be reached"),
        (rolled_up("weakest", need=1), "/rollup", "does not take `need`"),
        (rolled_up("all", "urn:a", "urn:a"), "/rollup", "named twice"),
        (rolled_up("all", R1["competency"]), "/rollup/children/0/competency", "child of itself"),
        (
            with_clause(attempts={"policy": "median", "m": 3}, score_gte=None),
            "/evidence/vr/attempts",
            "needs gte where the rule has no levels",
        ),
        (with_clause(attempts={"policy": "median", "m": 3}), "/evidence/vr", "ratings"),
        (with_clause(attempts={"policy": "n_mastery", "n": 3}), "/evidence/vr/attempts", "gte"),
        (
            with_clause(attempts={"policy": "average", "gte": "3", "scale": "raw"}),
            "/evidence/vr/attempts",
            "does not take scale",
        ),
    ],
)
def test_a_wrong_key_is_refused_by_name(
    document: dict[str, Any], pointer: str, reason: str
) -> None:
    found = problems(document)
    assert pointer in found
    assert reason in found[pointer]


def test_every_problem_is_listed_at_once() -> None:
    document = with_clause(window="x", score_gte="y")
    document["levels"] = [1]
    assert {"/levels/0", "/evidence/vr/window", "/evidence/vr/score_gte"} <= set(problems(document))


def test_a_tree_without_end_is_refused() -> None:
    tree: Any = "vr"
    for _ in range(500):
        tree = {"all": [tree]}
    assert any("nested deeper" in reason for reason in problems(changed(requires=tree)).values())


def test_keys_that_ask_for_nothing_are_accepted() -> None:
    rule = parse_rule(
        changed(
            levels=[],
            prerequisites=[],
            overrides={"allow": False},
            transition=None,
            conflicts={"same_attempt": "fail_wins", "same_id": "quarantine"},
        )
    )
    assert (rule.levels, rule.prerequisites, rule.overrides) == ((), (), None)
    assert rule.older_awards_end is None


def test_levels_are_cumulative_and_a_median_asks_for_the_number_of_each() -> None:
    document = levels((2, "vr"), (4, {"any": ["theory", "obs"]}))
    document["evidence"]["vr"]["attempts"] = {"policy": "median", "m": 3}
    del document["evidence"]["vr"]["score_gte"]
    rule = parse_rule(document)
    assert [level.number for level in rule.levels] == [2, 4]
    below, above = (level.rule for level in rule.levels)
    assert below.initial.requires == "vr"
    assert above.initial.requires == Branch("all", 2, ("vr", Branch("any", 1, ("theory", "obs"))))
    asked = [one.initial.evidence["vr"].attempts.gte for one in (below, above)]
    assert asked == [2, 4]
    # The same clause asks for more at each level, so that no level follows from the one below.
    document["levels"][1]["requires"] = "vr"
    parse_rule(document)


@pytest.mark.parametrize(
    ("transition", "end"),
    [
        (None, None),
        ({"policy": "grandfather"}, None),
        ({"policy": "re_evaluate"}, "2024-01-01"),
        ({"policy": {"re_evaluate_after": "P90D"}}, "2024-03-31"),
        ({"policy": "re_evaluate_after", "re_evaluate_after": "P1M"}, "2024-02-01"),
        ({"re_evaluate_after": "P1M", "from_version": 2}, "2024-02-01"),
    ],
)
def test_a_transition_says_until_when_older_awards_stand(transition: Any, end: str | None) -> None:
    found = parse_rule(changed(transition=transition)).older_awards_end
    assert found == (None if end is None else date.fromisoformat(end).toordinal())


def test_short_names_are_expanded_and_defaults_hold() -> None:
    rule = parse_rule(with_clause(match={"verb": ["passed", "waived"], "category": ["moveon"]}))
    clause = rule.initial.evidence["vr"]
    assert sorted(clause.match.verb or ()) == [
        "http://adlnet.gov/expapi/verbs/passed",
        "https://w3id.org/xapi/adl/verbs/waived",
    ]
    assert sorted(clause.match.category or ()) == [
        "https://w3id.org/xapi/cmi5/context/categories/moveon"
    ]
    assert clause.launch_modes == {"Normal"}
    assert clause.attempts.by_session
    assert rule.initial.requires == Branch("all", 3, ("theory", "vr", "obs"))


def test_renewal_is_laid_over_key_by_key_and_requires_what_it_names() -> None:
    rule = parse_rule(
        changed(renewal={"evidence": {"vr": {"attempts": {"policy": "any"}, "window": None}}})
    )
    assert rule.renewal is not None
    clause = rule.renewal.evidence["vr"]
    assert clause.attempts.policy == "any"
    assert clause.window is None
    assert clause.score_gte == rule.initial.evidence["vr"].score_gte
    assert rule.renewal.evidence["obs"] is rule.initial.evidence["obs"]
    assert rule.renewal.requires == Branch("all", 1, ("vr",))


def test_the_hash_is_of_the_canonical_form() -> None:
    reordered = json.loads(json.dumps(R1, sort_keys=True, indent=3))
    assert rule_hash(reordered) == rule_hash(R1) == parse_rule(R1).hash
    assert rule_hash(changed(version=2)) != rule_hash(R1)
    # RFC 8785: sorted members, no spaces.
    assert rule_hash({"b": 1, "a": "é"}) == (
        "aa58fba8483623bed37c1b02edfccbdd9a53123837c20bfa4cb4049993a2872e"
    )


def version(number: int, start: str, end: str | None = None, status: str = "effective") -> Rule:
    return parse_rule(
        changed(version=number, effective_from=start, effective_to=end, status=status)
    )


def test_dates_and_status_select_the_version() -> None:
    versions = [
        version(1, "2025-01-01", "2026-07-01", "retired"),
        version(2, "2026-07-01"),
        version(3, "2026-08-01", status="draft"),
    ]

    def selected(text: str) -> int | None:
        found = select_rule(versions, datetime.fromisoformat(text).replace(tzinfo=UTC))
        return None if found is None else found.version

    assert selected("2024-12-31T23:59:59") is None
    assert selected("2025-01-01T00:00:00") == 1
    # Summer time: 1 July begins at 23:00 UTC in London.
    assert selected("2026-06-30T22:59:59") == 1
    assert selected("2026-06-30T23:00:00") == 2
    assert selected("2026-09-01T00:00:00") == 2


def test_of_overlapping_versions_the_one_that_began_last_decides() -> None:
    versions = [version(2, "2026-01-01"), version(1, "2025-01-01")]
    found = select_rule(versions, datetime(2026, 2, 1, tzinfo=UTC))
    assert found is not None
    assert found.version == 2
