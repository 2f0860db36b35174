"""A fact holds what the statement says, number for number, and survives being written."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from assay_aggregator.clause import score_of
from assay_aggregator.fact import Origin, Score, decode_fact, encode_fact, fact_of
from assay_aggregator.rule import parse_rule
from assay_aggregator.sent import as_sent, read_statements
from assay_aggregator.touch import relevant_terms, touches
from assay_schemas.jsontext import parse_json

STORED = datetime(2026, 3, 2, 14, 1, tzinfo=UTC)
ORIGIN = Origin(source="vr", stored=STORED, body_hash="00", modality="vr", vouches=True, offset=7)
ADA = {"account": {"homePage": "https://id.example.org", "name": "ada"}}
CMI5 = "https://w3id.org/xapi/cmi5/context/extensions/"


def statement(**keys: Any) -> dict[str, Any]:
    return {
        "id": "ABCDEF00-0000-4000-8000-000000000001",
        "actor": ADA,
        "verb": {"id": "http://adlnet.gov/expapi/verbs/passed"},
        "object": {"id": "urn:a"},
        **keys,
    }


FULL = b"""{"id":"ABCDEF00-0000-4000-8000-000000000001",
 "actor":{"account":{"homePage":"https://id.example.org","name":"ada"}},
 "verb":{"id":"http://adlnet.gov/expapi/verbs/passed"},"timestamp":"2026-03-02T15:00:00.1234567+01:00",
 "object":{"id":"urn:a","definition":{"type":"urn:type"}},
 "result":{"success":true,"score":{"scaled":0.79999999999999999999,"raw":17,"min":0,"max":20.50},
  "extensions":{"urn:missed":["a"],"urn:n":0.10000000000000000001,
                "https://w3id.org/xapi/cmi5/result/extensions/reason":"Tested Out"}},
 "context":{"registration":"9920FF7C-cb09-5521-ad06-f76b36d83c9c",
  "instructor":{"mbox":"mailto:ben@example.org"},
  "contextAgents":[{"objectType":"contextAgent","agent":{"mbox":"mailto:cai@example.org"},
    "relevantTypes":["urn:other","https://example.org/roles/assessor"]},
   {"objectType":"contextAgent","agent":{"mbox":"mailto:dan@example.org"},
    "relevantTypes":["https://example.org/roles/helper"]}],
  "contextActivities":{"category":[{"id":"urn:c2"},{"id":"urn:c1"}],"grouping":{"id":"urn:g"}},
  "extensions":{"https://w3id.org/xapi/cmi5/context/extensions/masteryscore":0.70,
   "https://w3id.org/xapi/cmi5/context/extensions/sessionid":"S",
   "https://w3id.org/xapi/cmi5/context/extensions/launchmode":"Browse"}}}"""


def test_everything_that_is_said_is_kept() -> None:
    fact = fact_of(as_sent(parse_json(FULL, 20)), ORIGIN)
    assert fact.id == "abcdef00-0000-4000-8000-000000000001"
    assert fact.timestamp == datetime(2026, 3, 2, 14, 0, 0, 123456, tzinfo=UTC)
    assert fact.score == Score("0.79999999999999999999", "17", "0", "20.50")
    assert score_of(fact) == Decimal("0.79999999999999999999")
    assert fact.instructors == ("mbox:mailto:ben@example.org", "mbox:mailto:cai@example.org")
    assert fact.registration == "9920ff7c-cb09-5521-ad06-f76b36d83c9c"
    assert (fact.category, fact.grouping) == (("urn:c1", "urn:c2"), ("urn:g",))
    assert (fact.session, fact.launch_mode, fact.mastery_score) == ("S", "Browse", "0.70")
    assert fact.waived_reason == "Tested Out"
    assert fact.result_extensions is not None
    assert '"urn:n":0.10000000000000000001' in fact.result_extensions
    assert (fact.activity, fact.activity_type, fact.success) == ("urn:a", "urn:type", True)
    assert (fact.source, fact.modality, fact.vouches, fact.offset) == ("vr", "vr", True, 7)


def test_a_record_is_read_as_a_parsed_statement_is() -> None:
    (read,) = read_statements(b"[" + FULL + b"]")
    assert fact_of(read, ORIGIN) == fact_of(as_sent(parse_json(FULL, 20)), ORIGIN)


def test_a_fact_survives_being_written() -> None:
    fact = fact_of(as_sent(parse_json(FULL, 20)), ORIGIN)
    assert decode_fact(encode_fact(fact)) == fact
    small = fact_of(as_sent(statement()), ORIGIN)
    assert decode_fact(encode_fact(small)) == small
    assert b"instructors" not in encode_fact(small)


def test_without_a_timestamp_it_happened_when_it_was_stored() -> None:
    assert fact_of(as_sent(statement()), ORIGIN).timestamp == STORED


def test_a_group_gives_its_members_and_an_anonymous_one_no_key() -> None:
    group = {"objectType": "Group", "member": [{"mbox": "mailto:b@x.org"}, ADA]}
    fact = fact_of(as_sent(statement(actor=group)), ORIGIN)
    assert fact.is_group
    assert fact.actor is None
    assert fact.members == ("account:https://id.example.org ada", "mbox:mailto:b@x.org")
    assert fact.actor_keys == fact.members
    # Members listed in an Agent are no members.
    assert fact_of(as_sent(statement(actor={**ADA, "member": [ADA]})), ORIGIN).members == ()


def test_a_void_names_its_target_and_is_about_no_activity() -> None:
    void = statement(
        verb={"id": "http://adlnet.gov/expapi/verbs/voided"},
        object={"objectType": "StatementRef", "id": "ABCDEF00-0000-4000-8000-000000000002"},
    )
    fact = fact_of(as_sent(void), ORIGIN)
    assert fact.voids == "abcdef00-0000-4000-8000-000000000002"
    assert fact.activity is None


@pytest.mark.parametrize(
    ("score", "value"),
    [
        (Score(raw="17", min="0", max="20"), Fraction(17, 20)),
        (Score(raw="1", min="0", max="3"), Fraction(1, 3)),
        (Score(raw="17"), None),
        (Score(raw="17", min="20", max="20"), None),
        (Score(raw="1e999999999", min="0", max="1e999999999"), None),
        (Score(scaled="0.8", raw="1", min="0", max="2"), Decimal("0.8")),
        (None, None),
    ],
)
def test_the_score_is_exact(score: Score | None, value: object) -> None:
    assert (
        score_of(msgspec.structs.replace(fact_of(as_sent(statement()), ORIGIN), score=score))
        == value
    )


def rule(name: str, **match: list[str]) -> Any:
    return parse_rule(
        {
            "schema": "assay.rule/v1",
            "id": name,
            "version": 1,
            "status": "effective",
            "effective_from": "2024-01-01",
            "competency": "urn:c",
            "timezone": "UTC",
            "evidence": {"e": {"modality": ["vr"], "match": match}},
            "requires": "e",
        }
    )


def test_touches_finds_each_way_to_match_and_no_other() -> None:
    rules = [
        rule("exact", verb=["passed"], activity=["urn:a"]),
        rule("prefix", verb=["passed"], activity_prefix=["urn:"]),
        rule("any-verb", activity=["urn:a"]),
        rule("type", activity_type=["urn:type"]),
        rule("group", grouping=["urn:g"]),
        rule("both", category=["urn:c1"], profile=["urn:c2"]),
        rule("not-both", category=["urn:c1"], profile=["urn:c3"]),
        rule("other-verb", verb=["failed"], activity=["urn:a"]),
        rule("other", verb=["passed"], activity=["urn:b"]),
    ]
    fact = fact_of(as_sent(parse_json(FULL, 20)), ORIGIN)
    expected = {"exact", "prefix", "any-verb", "type", "group", "both"}
    assert touches(rules)(fact) == expected
    assert touches(rules)(fact_of(as_sent(statement(object={"id": "urn:z"})), ORIGIN)) == {"prefix"}


def test_a_launch_touches_only_what_would_not_accept_its_mode() -> None:
    rules = [rule("r", verb=["passed"], activity=["urn:a"])]

    def launched(mode: str) -> frozenset[str]:
        made = statement(
            verb={"id": "http://adlnet.gov/expapi/verbs/launched"},
            context={"extensions": {CMI5 + "launchmode": mode}},
        )
        return touches(rules)(fact_of(as_sent(made), ORIGIN))

    assert launched("Browse") == {"r"}
    assert launched("Normal") == frozenset()


def test_relevant_terms_are_those_of_the_rule_and_launched_or_any() -> None:
    launched = ("http://adlnet.gov/expapi/verbs/launched", None)
    assert relevant_terms(rule("r", verb=["urn:v"], activity=["urn:a", "urn:b"])) == frozenset(
        {launched, ("urn:v", "urn:a"), ("urn:v", "urn:b")}
    )
    assert relevant_terms(rule("r", verb=["urn:v"])) == frozenset({launched, ("urn:v", None)})
    assert relevant_terms(rule("r", activity=["urn:a"])) is None
