"""Each rule of a statement is broken by one mutation of a valid one, and is named with its place.

The base is `every-property.json`, which has every property of 1.0.3, unless the row says otherwise.
"""

import pytest

from assay_schemas.statement import Limits, StatementError, Version
from assay_schemas.xapi_rules import RULES
from statement_examples import ABSENT, VERSIONS, example, faults, mutated, pointer_of

# Path of the mutation, the value put there, the rule, and the pointer where it is not the path.
Row = tuple[str, object, str] | tuple[str, object, str, str]

WRONG_TYPES: list[Row] = [
    (path, value, "wrong-type")
    for path, value in {
        "id": 5,
        "actor|name": 5,
        "actor|account": "text",
        "actor|account|name": 7,
        "actor|account|homePage": True,
        "actor|member": {"mbox": "mailto:a@example.org"},
        "actor|member|0|mbox": 5,
        "actor|member|1|mbox_sha1sum": 5,
        "actor|member|2|openid": ["https://id.example.org/third"],
        "verb": "https://example.org/verb",
        "verb|id": 5,
        "verb|display": "answered",
        "verb|display|en-GB": 5,
        "object": [],
        "object|id": {},
        "object|definition": "text",
        "object|definition|name": "text",
        "object|definition|description": ["text"],
        "object|definition|type": 5,
        "object|definition|moreInfo": 5,
        "object|definition|interactionType": 5,
        "object|definition|correctResponsesPattern": "clean",
        "object|definition|correctResponsesPattern|0": 5,
        "object|definition|choices": {"id": "clean"},
        "object|definition|choices|0": "clean",
        "object|definition|choices|0|id": 5,
        "object|definition|extensions": [],
        "result": "passed",
        "result|score": 0.8,
        "result|success": "true",
        "result|completion": 1,
        "result|response": False,
        "result|duration": 90,
        "result|extensions": "text",
        "context": [],
        "context|registration": 5,
        "context|contextActivities": [],
        "context|contextActivities|parent": "https://example.org/a",
        "context|contextActivities|parent|0": "https://example.org/a",
        "context|revision": 1.4,
        "context|platform": {},
        "context|language": 5,
        "context|statement": "6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10",
        "context|statement|id": 5,
        "context|extensions": "text",
        "timestamp": 1772619330,
        "stored": 1772619330,
        "version": 1.0,
        "attachments": {},
        "attachments|0": "photo",
        "attachments|0|usageType": 5,
        "attachments|0|display": "Photo",
        "attachments|0|contentType": 5,
        "attachments|0|length": "27",
        "attachments|0|sha2": 5,
        "attachments|0|fileUrl": 5,
        "actor": "mailto:a@example.org",
        "context|instructor": "mailto:a@example.org",
        "authority": 5,
    }.items()
]

NULLS: list[Row] = [
    (path, None, "null-value")
    for path in (
        "id", "actor", "actor|name", "actor|account|name", "actor|member", "actor|member|0|name",
        "verb|display", "verb|display|en-GB", "object|definition", "object|definition|name",
        "object|definition|type", "object|definition|interactionType", "object|definition|choices",
        "object|definition|extensions", "result", "result|score", "result|score|raw",
        "result|success", "result|response", "result|duration", "context", "context|registration",
        "context|instructor", "context|team", "context|contextActivities|grouping",
        "context|language", "context|statement", "timestamp", "stored", "authority", "version",
        "attachments", "attachments|0|length", "attachments|0|fileUrl",
    )
]  # fmt: skip

MISSING: list[Row] = [
    (path, ABSENT, "missing-property")
    for path in (
        "actor", "verb", "verb|id", "object", "object|id", "actor|account|homePage",
        "actor|account|name", "object|definition|choices|1|id", "context|team|objectType",
        "context|statement|objectType", "context|statement|id",
        "context|contextActivities|parent|0|id", "context|contextActivities|grouping|id",
        "attachments|0|usageType", "attachments|0|display", "attachments|0|contentType",
        "attachments|0|length", "attachments|0|sha2",
    )
]  # fmt: skip

UNKNOWN: list[Row] = [
    (path, "x", "unknown-property")
    for path in (
        "extra", "Actor", "actor|extra", "actor|member|0|member", "actor|account|extra",
        "verb|extra", "object|extra", "object|definition|extra", "object|definition|choices|0|name",
        "result|extra", "result|score|extra", "context|extra", "context|contextActivities|extra",
        "context|statement|extra", "attachments|0|extra", "context|instructor|member",
        "context|a~b/c",
    )
]  # fmt: skip

FORMATS: list[Row] = [
    ("id", "b3a5c0a2-5b7e-4f0c-8f5a-1c2d3e4f5a6", "uuid-format"),
    ("id", "{b3a5c0a2-5b7e-4f0c-8f5a-1c2d3e4f5a6b}", "uuid-format"),
    ("id", "b3a5c0a25b7e4f0c8f5a1c2d3e4f5a6b", "uuid-format"),
    ("id", "", "uuid-format"),
    ("id", "b3a5c0a2-5b7e-4f0c-8f5a-1c2d3e4f5a6b\n", "uuid-format"),
    ("context|registration", "MA97B177-9383-4934-8543-0F91A7A02836", "uuid-format"),
    ("context|statement|id", "AA97B177-9383-4934-8543-0F91A7A028368", "uuid-format"),
    ("actor|account|homePage", "lms.example.org", "iri-format"),
    ("actor|account|homePage", "https://lms.example.org/a b", "iri-format"),
    ("actor|account|name", "", "account-name-empty"),
    ("actor|member|0|mbox", "first@example.org", "mbox-format"),
    ("actor|member|0|mbox", "mailto:first.example.org", "mbox-format"),
    ("actor|member|0|mbox", "MAILTO:first@example.org", "mbox-format"),
    ("actor|member|0|mbox", "mailto:a@example.org,b@example.org", "mbox-format"),
    ("actor|member|1|mbox_sha1sum", "cd9b00a5", "mbox-sha1sum-format"),
    ("actor|member|1|mbox_sha1sum", "z" * 40, "mbox-sha1sum-format"),
    ("actor|member|2|openid", "id.example.org/third", "iri-format"),
    ("verb|id", "answered", "iri-format"),
    ("verb|id", "", "iri-format"),
    ("verb|id", "ab=c://example.org", "iri-format"),
    ("verb|id", "https://example.org/%zz", "iri-format"),
    ("verb|id", "https://example.org/\n", "iri-format"),
    ("object|id", "//example.org/activity", "iri-format"),
    ("object|definition|type", "question", "iri-format"),
    ("object|definition|moreInfo", "about.html", "iri-format"),
    ("object|definition|extensions|no-iri", 1, "iri-format"),
    ("result|extensions|no-iri", {}, "iri-format"),
    ("context|extensions|", 1, "iri-format"),
    ("attachments|0|usageType", "photo", "iri-format"),
    ("attachments|0|fileUrl", "photo.jpg", "iri-format"),
    ("verb|display|a12345678", "x", "language-tag-format"),
    ("verb|display|en_GB", "x", "language-tag-format"),
    ("verb|display|", "x", "language-tag-format"),
    ("object|definition|name|e", "x", "language-tag-format"),
    ("object|definition|description|en-", "x", "language-tag-format"),
    ("object|definition|choices|0|description|1", "x", "language-tag-format"),
    ("attachments|0|description|en GB", "x", "language-tag-format"),
    ("context|language", "english language", "language-tag-format"),
    ("context|language", "", "language-tag-format"),
    ("attachments|0|contentType", "image", "media-type-format"),
    ("attachments|0|contentType", "image/jpeg; quality", "media-type-format"),
    ("attachments|0|sha2", "495395e7", "sha2-format"),
    ("attachments|0|sha2", "g" * 64, "sha2-format"),
    ("attachments|0|length", -1, "attachment-length-range"),
    ("result|duration", "PA1H0M0S", "duration-format"),
    ("result|duration", "P4W1D", "duration-format"),
    ("result|duration", "P", "duration-format"),
    ("result|duration", "PT", "duration-format"),
    ("result|duration", "P1DT", "duration-format"),
    ("result|duration", "PT1.5H30M", "duration-format"),
    ("result|duration", "P0003-06-04T12:30:05", "duration-format"),
    ("result|duration", "-PT1H", "duration-format"),
    ("timestamp", "01/011/2015", "timestamp-format"),
    ("timestamp", "2026-03-04", "timestamp-format"),
    ("timestamp", "2026-02-30T10:00:00Z", "timestamp-format"),
    ("timestamp", "2026-03-04T25:00:00Z", "timestamp-format"),
    ("timestamp", "2026-03-04T10:00:00-00:00", "timestamp-format"),
    ("timestamp", "2026-03-04T10:00:00.601-0000", "timestamp-format"),
    ("timestamp", "2026-03-04T10:00:00-00", "timestamp-format"),
    ("timestamp", "2026-03-04X10:00:00Z", "timestamp-format"),
    ("stored", "yesterday", "timestamp-format"),
    ("version", "0.9.9", "version-format"),
    ("version", "1.1.0", "version-format"),
    ("version", "1", "version-format"),
]  # fmt: skip

CHOICES = [{"id": "a"}]
RELATIONS: list[Row] = [
    ("actor|objectType", "group", "object-type", "actor"),
    ("actor|objectType", "Person", "object-type", "actor"),
    ("actor|objectType", 5, "object-type", "actor"),
    ("object|objectType", "activity", "object-type", "object"),
    ("object|objectType", "Verb", "object-type", "object"),
    ("actor|mbox", "mailto:shift@example.org", "group-one-identifier", "actor"),
    ("actor|member|0|objectType", "Group", "enumerated-value"),
    ("actor|member|0|mbox_sha1sum", "a" * 40, "agent-one-identifier", "actor|member|0"),
    ("actor|member|0|mbox", ABSENT, "agent-one-identifier", "actor|member|0"),
    ("context|instructor|mbox", ABSENT, "agent-one-identifier", "context|instructor"),
    ("context|team|member", ABSENT, "anonymous-group-members", "context|team|member"),
    ("context|team|member", [], "anonymous-group-members", "context|team|member"),
    ("context|team|objectType", "Agent", "enumerated-value"),
    ("context|contextActivities|parent|0|objectType", "Agent", "enumerated-value"),
    ("context|statement|objectType", "statementRef", "enumerated-value"),
    ("authority", {"objectType": "Group", "member": [{"mbox": "mailto:a@b.org"}]},
     "authority-group"),
    ("authority", {"objectType": "Group", "member": [{"mbox": "mailto:a@b.org"}] * 3},
     "authority-group"),
    ("authority", {"objectType": "Group", "mbox": "mailto:g@b.org",
                   "member": [{"mbox": "mailto:a@b.org"}] * 2}, "authority-group"),
    ("authority", {"objectType": "Group", "mbox": "mailto:g@b.org"}, "authority-group"),
    ("authority|account", ABSENT, "agent-one-identifier", "authority"),
    ("object|definition|interactionType", "quiz", "enumerated-value"),
    ("object|definition|interactionType", "Choice", "enumerated-value"),
    ("object|definition|interactionType", ABSENT, "interaction-type-required",
     "object|definition|choices"),
    ("object|definition|interactionType", "numeric", "interaction-components",
     "object|definition|choices"),
    ("object|definition|scale", CHOICES, "interaction-components"),
    ("object|definition|source", CHOICES, "interaction-components"),
    ("object|definition|steps", CHOICES, "interaction-components"),
    ("object|definition|choices|2|id", "label", "component-ids-distinct"),
    ("result|score|scaled", 1.0001, "score-scaled-range"),
    ("result|score|scaled", -1.0001, "score-scaled-range"),
    ("result|score|scaled", "0.5", "score-number"),
    ("result|score|raw", True, "score-number"),
    ("result|score|raw", 2.5, "score-raw-range"),
    ("result|score|raw", -0.5, "score-raw-range"),
    ("result|score|min", 2, "score-min-max"),
    ("result|score|min", 3, "score-min-max"),
    ("result|score|max", -1, "score-min-max", "result|score|min"),
    ("verb|id", "http://adlnet.gov/expapi/verbs/voided", "voiding-object", "object"),
    ("object", {"objectType": "Agent", "mbox": "mailto:a@example.org"}, "activity-object-only",
     "context|revision"),
    ("object", {"objectType": "StatementRef", "id": "6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10"},
     "activity-object-only", "context|revision"),
    ("object", {"objectType": "StatementRef", "id": "6f1b6c4e"}, "uuid-format", "object|id"),
    ("object", {"objectType": "StatementRef"}, "missing-property", "object|id"),
    ("object", {"objectType": "Agent"}, "agent-one-identifier", "object"),
    ("attachments|0|usageType", "http://adlnet.gov/expapi/attachments/signature",
     "signature-content-type", "attachments|0|contentType"),
]  # fmt: skip

SUB_STATEMENT: list[Row] = [
    ("object|id", "6f1b6c4e-1f0c-4f3e-9a2b-0d6f4c6f7a10", "unknown-property"),
    ("object|stored", "2026-03-04T10:00:00Z", "unknown-property"),
    ("object|version", "1.0.0", "unknown-property"),
    ("object|authority", {"mbox": "mailto:a@example.org"}, "unknown-property"),
    ("object|object", {"objectType": "SubStatement"}, "object-type"),
    ("object|actor", ABSENT, "missing-property"),
    ("object|verb", ABSENT, "missing-property"),
    ("object|object", ABSENT, "missing-property"),
    ("object|object|id", "gmp", "iri-format"),
    ("object|timestamp", "soon", "timestamp-format"),
    ("object|result|completion", "yes", "wrong-type"),
    ("object|verb|id", "http://adlnet.gov/expapi/verbs/voided", "voiding-object",
     "object|object"),
    ("object|object", {"objectType": "Agent", "mbox": "mailto:a@example.org"},
     "activity-object-only", "object|context|platform"),
    ("context", {"platform": "web"}, "activity-object-only", "context|platform"),
]  # fmt: skip

BY_EXAMPLE: list[tuple[str, Row]] = [
    *(("sub-statement.json", row) for row in SUB_STATEMENT),
    ("agent-object.json", ("context|platform", "web", "activity-object-only")),
    ("group-object.json", ("object|member|0|account", ABSENT, "agent-one-identifier",
                           "object|member|0")),
    ("group-object.json", ("object|member", ABSENT, "anonymous-group-members")),
    ("voiding.json", ("object|objectType", ABSENT, "iri-format", "object|id")),
    ("minimal.json", ("actor|mbox", ABSENT, "agent-one-identifier", "actor")),
    ("minimal.json", ("object|objectType", "Agent", "unknown-property", "object|id")),
    ("minimal.json", ("actor|member", [], "unknown-property")),
]  # fmt: skip

CONTEXT_AGENTS: list[Row] = [
    ("context|contextAgents", {}, "wrong-type"),
    ("context|contextAgents|0|objectType", "Agent", "enumerated-value"),
    ("context|contextAgents|0|objectType", ABSENT, "missing-property"),
    ("context|contextAgents|0|agent", ABSENT, "missing-property"),
    ("context|contextAgents|0|agent|mbox", ABSENT, "agent-one-identifier",
     "context|contextAgents|0|agent"),
    ("context|contextAgents|0|agent|objectType", "Group", "enumerated-value"),
    ("context|contextAgents|0|relevantTypes", [], "relevant-types-empty"),
    ("context|contextAgents|0|relevantTypes|0", "abc", "iri-format"),
    ("context|contextAgents|0|extra", 1, "unknown-property"),
    ("context|contextGroups|0|objectType", "Group", "enumerated-value"),
    ("context|contextGroups|0|group", ABSENT, "missing-property"),
    ("context|contextGroups|0|group|account", ABSENT, "anonymous-group-members",
     "context|contextGroups|0|group|member"),
    ("context|contextGroups|0|group|objectType", ABSENT, "missing-property"),
    ("context|contextGroups|0|relevantTypes", [], "relevant-types-empty"),
    ("context|contextGroups|0|relevantTypes|0", 5, "wrong-type"),
    ("version", "3.0.0", "version-format"),
]  # fmt: skip

Case = tuple[Version, str, Row]
COMMON: list[tuple[str, Row]] = [
    *(
        ("every-property.json", row)
        for row in [*WRONG_TYPES, *NULLS, *MISSING, *UNKNOWN, *FORMATS, *RELATIONS]
    ),
    *BY_EXAMPLE,
]
CASES: list[Case] = [
    *((version, name, row) for version in VERSIONS for name, row in COMMON),
    *(("2.0.0", "context-agents.2.0.0.json", row) for row in CONTEXT_AGENTS),
    ("1.0.3", "context-agents.2.0.0.json", ("version", ABSENT, "unknown-property",
                                             "context|contextAgents")),
    ("1.0.3", "every-property.json", ("version", "2.0.0", "version-format")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "name", "row"), CASES, ids=[f"{v}-{r[2]}-{r[0]}" for v, _, r in CASES]
)
def test_one_mutation_breaks_the_named_rule_at_the_named_place(
    version: Version, name: str, row: Row
) -> None:
    path, value, rule = row[:3]
    pointer = pointer_of(row[3] if len(row) == 4 else path)
    found = faults(mutated(example(name), path, value), version)
    assert (rule, pointer) in [(fault.rule, fault.pointer) for fault in found]
    for fault in found:
        assert fault.section.startswith("xAPI 1.0.3" if version == "1.0.3" else "IEEE 9274.1.1")
        assert fault.message.endswith(".")
        assert "{" not in fault.message


def test_every_rule_of_the_specification_is_broken_by_some_mutation() -> None:
    elsewhere = {name for name in RULES if name.startswith(("limit-", "json-"))} | {
        # Rules of the text and of the batch: test_schemas_statement_text.py.
        "duplicate-key", "nul-character", "lone-surrogate", "body-shape", "repeated-id",
        "too-many-faults",
    }  # fmt: skip
    assert {row[2] for _, _, row in CASES} == set(RULES) - elsewhere


def test_fault_names_index_id_and_pointer_in_a_batch() -> None:
    good, bad = example("cmi5-passed.json"), example("every-property.json")
    bad["actor"]["member"][0]["mbox"] = "nobody-at-home"
    (fault,) = faults([good, bad], "1.0.3")
    assert fault == StatementError(
        index=1,
        statement_id="b3a5c0a2-5b7e-4f0c-8f5a-1c2d3e4f5a6b",
        pointer="/1/actor/member/0/mbox",
        rule="mbox-format",
        section="xAPI 1.0.3 Data 2.4.2.3",
        message="member[0].mbox must have the form mailto:address.",
    )


def test_faults_never_repeat_what_was_sent() -> None:
    statement = example("every-property.json")
    secrets = ["secret-person", "secret person 2", "secret person 3"]
    statement["actor"]["account"] = {"homePage": secrets[0], "name": 5, "nickname": secrets[1]}
    statement["actor"]["member"][0]["mbox"] = secrets[1]
    statement["context"]["registration"] = secrets[2]
    found = faults(statement, "2.0.0")
    assert len(found) >= 4
    for fault in found:
        for secret in secrets:
            assert secret not in repr(fault)


def test_all_faults_of_all_statements_are_named_up_to_the_limit() -> None:
    statements = [{"verb": {"id": "no-iri"}} for _ in range(30)]
    found = faults(statements, "1.0.3")
    assert len(found) == Limits().max_errors_per_request
    assert {fault.index for fault in found[:6]} == {0, 1}


def test_missing_property_names_the_section_of_what_lacks_it() -> None:
    statement = example("every-property.json")
    del statement["attachments"][0]["sha2"]
    (old,) = faults(statement, "1.0.3")
    (new,) = faults(statement, "2.0.0")
    assert old.section == "xAPI 1.0.3 Data 2.4.11"
    assert new.section == "IEEE 9274.1.1 4.2.2.6"
