"""What a statement may say: xAPI 1.0.3 Data 2.2 to 2.4.11 and 4, IEEE 9274.1.1 4.2.

Each case changes one place of a complete, good statement; the change alone must decide. The number
is that of the requirement in the list of xAPI LRS requirements.
"""

from typing import Any

import pytest

from statement_examples import ABSENT, mutated
from xapi_lrs import Json, Lrs, complete_statement, new_agent, new_id, new_iri, new_statement

SHA1 = "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"
ACCOUNT = {"homePage": "https://example.org", "name": "ada"}
SUB = {
    "objectType": "SubStatement",
    "actor": {"mbox": "mailto:ada@example.org"},
    "verb": {"id": "https://example.org/verb"},
    "object": {"id": "https://example.org/activity"},
}
STRANGER = {"mbox": "mailto:two@example.org"}

# (requirement, place, value): a statement with it is refused.
REFUSED: list[tuple[str, str, object]] = [
    # Data 2.2, formatting
    ("00001", "actor|name", None),
    ("00001", "verb|display", None),
    ("00001", "object|definition|name", None),
    ("00001", "result|response", None),
    ("00001", "context|platform", None),
    ("00001", "timestamp", None),
    ("00003", "actor", ABSENT),
    ("00004", "verb", ABSENT),
    ("00005", "object", ABSENT),
    ("00006", "verb", "https://example.org/verb"),
    ("00006", "object", []),
    ("00006", "result", "passed"),
    ("00006", "context", [1]),
    ("00006", "actor|name", 7),
    ("00007", "actor|mbox", ""),
    ("00007", "verb|id", ""),
    ("00008", "Result", {}),
    ("00008", "actor|Mbox", "mailto:two@example.org"),
    ("00008", "context|Registration", "5f2d7f5e-8f38-4b0e-9b4e-0f2f1f5f2d7f"),
    ("00009", "actor|objectType", "agent"),
    ("00009", "object|definition|interactionType", "Choice"),
    ("00010", "mood", "good"),
    ("00010", "object|definition|colour", "blue"),
    ("00010", "result|score|grade", "A"),
    ("00011", "verb|id", "verbs/passed"),
    ("00011", "object|id", "//example.org/activity"),
    ("00011", "object|definition|moreInfo", "example.org"),
    ("00013", "verb|display", {"english language": "passed"}),
    # Data 2.4, the parts of a statement
    ("00022", "timestamp", "yesterday"),
    ("00024", "authority", "https://example.org"),
    ("00025", "attachments", {}),
    ("00027", "id", "1"),
    ("00028", "id", 12),
    ("00029", "id", "5f2d7f5e8f384b0e9b4e0f2f1f5f2d7f"),
    ("00030", "context|registration", "5f2d7f5e-8f38-4b0e-9b4e-0f2f1f5f2d7g"),
    ("00031", "actor|objectType", "Person"),
    ("00032", "actor|objectType", 1),
    ("00033", "actor|name", {"en": "Ada"}),
    ("00034", "actor", {"objectType": "Agent", "name": "nobody"}),
    ("00034", "actor|mbox_sha1sum", SHA1),
    ("00034", "context|instructor|openid", "https://ada.example.org"),
    ("00035", "actor|member", [STRANGER]),
    ("00036", "context|team|member", [{"objectType": "Group", "member": [STRANGER]}]),
    ("00036", "context|team|member", STRANGER),
    ("00037", "context|team", {"objectType": "Group", "name": "no one"}),
    ("00037", "context|team|openid", 5),
    ("00038", "actor|mbox", "ada@example.org"),
    ("00038", "actor|mbox", "mailto:ada"),
    ("00039", "actor", {"mbox_sha1sum": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb1"}),
    ("00040", "actor", {"openid": "ada"}),
    ("00041", "actor", {"account": "ada"}),
    ("00042", "actor", {"account": {"name": "ada"}}),
    ("00042", "actor", {"account": {"homePage": "home", "name": "ada"}}),
    ("00043", "actor", {"account": {"homePage": "https://example.org"}}),
    ("00043", "actor", {"account": {"homePage": "https://example.org", "name": 1}}),
    ("00044", "verb|id", ABSENT),
    ("00044", "verb|id", 1),
    ("00045", "verb|display", "passed"),
    ("00045", "verb|display", {"en": 1}),
    ("00046", "object|objectType", "Course"),
    ("00047", "object|id", ABSENT),
    ("00048", "object|definition", "a course"),
    ("00049", "object|definition|interactionType", "guess"),
    ("00050", "object|definition|correctResponsesPattern", "sterile"),
    ("00051", "object|definition|choices", {"id": "sterile"}),
    ("00052", "object|definition|choices|0|id", ABSENT),
    ("00052", "object|definition|choices|1|id", "sterile"),
    ("00056", "object|definition|name", "Question 1"),
    ("00057", "object|definition|extensions", []),
    ("00059", "object|definition|description", ["Which gloves?"]),
    ("00060", "object|definition|type", "question"),
    ("00061", "object|definition|moreInfo", 1),
    ("00064", "object|definition|interactionType", ABSENT),
    ("00065", "object", {"mbox": "mailto:ada@example.org"}),
    ("00066", "object", {**SUB, "actor": {"mbox": "ada"}}),
    ("00066", "object", {**SUB, "result": {"success": "yes"}}),
    ("00067", "object", {**SUB, "authority": STRANGER}),
    ("00068", "object", {**SUB, "version": "1.0.0"}),
    ("00069", "object", {**SUB, "stored": "2024-01-01T00:00:00Z"}),
    ("00070", "object", {**SUB, "id": "5f2d7f5e-8f38-4b0e-9b4e-0f2f1f5f2d7f"}),
    ("00071", "object", {**SUB, "object": SUB}),
    ("00072", "object", {"objectType": "StatementRef"}),
    ("00072", "object", {"objectType": "StatementRef", "id": "statement 1"}),
    ("00073", "object", {k: v for k, v in SUB.items() if k != "objectType"}),
    # Data 2.4.5, the result
    ("00074", "result|success", "true"),
    ("00075", "result|completion", 1),
    ("00076", "result|response", 5),
    ("00077", "result|duration", "1 hour"),
    ("00078", "result|extensions", "x"),
    ("00079", "result|score", 0.5),
    ("00080", "result|score|max", 0),
    ("00081", "result|score|min", 10),
    ("00082", "result|score|raw", 10.5),
    ("00082", "result|score|raw", "5"),
    ("00083", "result|score|scaled", 1.01),
    ("00083", "result|score|scaled", -1.01),
    # Data 2.4.6, the context
    ("00084", "object", {"objectType": "Agent", "mbox": "mailto:ada@example.org"}),
    ("00086", "context|contextActivities", []),
    ("00087", "context|registration", 1),
    ("00087", "context|instructor", "Ada"),
    ("00088", "context|team", {"mbox": "mailto:team@example.org"}),
    ("00089", "context|revision", 7),
    ("00090", "context|platform", True),
    ("00091", "context|language", "British English"),
    ("00092", "context|statement", {"id": "5f2d7f5e-8f38-4b0e-9b4e-0f2f1f5f2d7f"}),
    ("00093", "context|contextActivities|sibling", [{"id": "https://example.org/a"}]),
    ("00094", "context|contextActivities|parent", [{"id": "activity"}]),
    # Data 2.4.8 to 2.4.11
    ("00098", "authority", {"objectType": "Group", "mbox": "mailto:all@example.org"}),
    ("00100", "authority", {"objectType": "Group", "member": [STRANGER] * 3}),
    ("00100", "authority", {"objectType": "Group", "member": [STRANGER]}),
    ("00101", "version", "0.9"),
    ("00101", "version", 1.0),
    ("00102", "attachments|0|length", ABSENT),
    ("00102", "attachments|0|length", 4.5),
    ("00103", "attachments|0|sha2", ABSENT),
    ("00103", "attachments|0|sha2", "not a hash"),
    ("00104", "attachments|0|fileUrl", "photo.png"),
    ("00105", "attachments|0|contentType", ABSENT),
    ("00105", "attachments|0|contentType", 5),
    ("00106", "attachments|0|display", ABSENT),
    ("00106", "attachments|0|display", "Photo"),
    ("00107", "attachments|0|usageType", ABSENT),
    ("00107", "attachments|0|usageType", "photo"),
    # Data 4, types
    ("00118", "result|extensions", {"tries": 2}),
    ("00120", "context|extensions", [["https://example.org/x", 1]]),
    ("00121", "object|definition|name", {"a-language-nobody-speaks": "x"}),
    ("00123", "timestamp", "2024-02-30T12:00:00Z"),
    ("00123", "timestamp", "2024-02-29T12:00:00-00:00"),
    ("00123", "timestamp", 1709208000),
    ("00124", "result|duration", "P4W1D"),
    ("00124", "result|duration", "P0001-00-00T00:00:00"),
    ("00124", "result|duration", ""),
]

# (requirement, place, value): a statement with it is accepted.
ACCEPTED: list[tuple[str, str, object]] = [
    ("00013", "verb|display", {"zh-Hant-TW": "通過", "sr-Latn": "x", "es-419": "x"}),
    ("00027", "id", "5F2D7F5E-8F38-4B0E-9B4E-0F2F1F5F2D7F"),
    ("00034", "actor", {"mbox_sha1sum": SHA1}),
    ("00034", "actor", {"openid": "https://ada.example.org/"}),
    ("00034", "actor", {"account": ACCOUNT}),
    ("00037", "actor", {"objectType": "Group", "member": [STRANGER]}),
    ("00037", "actor", {"objectType": "Group", "account": ACCOUNT}),
    ("00037", "actor", {"objectType": "Group", "account": ACCOUNT, "member": [STRANGER]}),
    ("00080", "result|score", {"raw": 3}),
    ("00083", "result|score|scaled", -1),
    ("00083", "result|score|scaled", 1.0),
    ("00094", "context|contextActivities|parent", {"id": "https://example.org/alone"}),
    ("00119", "result|extensions", {"https://example.org/x": None}),
    ("00119", "context|extensions", {"https://example.org/x": ""}),
    ("00119", "object|definition|extensions", {"https://example.org/x": {}, "urn:example:y": []}),
    ("00122", "timestamp", "2024-02-29T12:30:00.123456789Z"),
    ("00123", "timestamp", "2024-02-29T12:30:00+02:00"),
    ("00124", "result|duration", "P4W"),
    ("00124", "result|duration", "P1Y2M3DT4H5M6.7S"),
    ("00124", "result|duration", "PT0S"),
]

# IEEE 9274.1.1 4.2.2.5: who else had a part, and in what role. Refused in 2.0; unknown in 1.0.3.
AGENT_ROLE = {"objectType": "contextAgent", "agent": {"mbox": "mailto:a@example.org"}}
GROUP_ROLE = {
    "objectType": "contextGroup",
    "group": {"objectType": "Group", "mbox": "mailto:g@example.org"},
}
WRONG_ROLES: list[tuple[str, object]] = [
    ("contextAgents", AGENT_ROLE),
    ("contextAgents", [{**AGENT_ROLE, "objectType": "Agent"}]),
    ("contextAgents", [{"objectType": "contextAgent"}]),
    ("contextAgents", [{**AGENT_ROLE, "agent": GROUP_ROLE["group"]}]),
    ("contextAgents", [{**AGENT_ROLE, "relevantTypes": []}]),
    ("contextAgents", [{**AGENT_ROLE, "relevantTypes": ["coach"]}]),
    ("contextAgents", [{**AGENT_ROLE, "role": "coach"}]),
    ("contextGroups", [{**GROUP_ROLE, "objectType": "Group"}]),
    ("contextGroups", [{"objectType": "contextGroup"}]),
    ("contextGroups", [{**GROUP_ROLE, "group": AGENT_ROLE["agent"]}]),
    ("contextGroups", [{**GROUP_ROLE, "relevantTypes": []}]),
]


def _named(cases: list[tuple[str, str, object]]) -> list[Any]:
    return [
        pytest.param(place, value, id=f"XAPI-{number} {place} [{index}]")
        for index, (number, place, value) in enumerate(cases)
    ]


def _changed(place: str, value: object) -> Json:
    statement = complete_statement()
    kind = value.get("objectType") if isinstance(value, dict) else None
    if place == "object" and kind != "Agent":
        del statement["context"]["revision"], statement["context"]["platform"]
    return mutated(statement, place, value)


def test_the_unchanged_statement_is_good(lrs: Lrs) -> None:
    """Else every case below would pass for the wrong reason."""
    answer = lrs.post(complete_statement())
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("place", "value"), _named(REFUSED))
def test_a_statement_that_breaks_a_rule_is_refused(lrs: Lrs, place: str, value: object) -> None:
    statement = _changed(place, value)
    answer = lrs.post(statement)
    assert answer.status_code == 400, answer.text
    assert answer.headers["x-experience-api-version"].startswith(lrs.version[:2])


@pytest.mark.parametrize(("place", "value"), _named(ACCEPTED))
def test_a_statement_with_unusual_but_good_parts_is_accepted(
    lrs: Lrs, place: str, value: object
) -> None:
    statement = _changed(place, value)
    if place == "id":
        statement["id"] = new_id().upper()
    answer = lrs.post(statement)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("name", ["revision", "platform"])
@pytest.mark.parametrize(
    "target",
    [new_agent(), {"objectType": "StatementRef", "id": new_id()}, SUB],
    ids=["Agent", "StatementRef", "SubStatement"],
)
def test_xapi_00084_00085_revision_and_platform_need_an_activity(
    lrs: Lrs, name: str, target: Json
) -> None:
    statement = new_statement(object=target, context={name: "7"})
    assert lrs.post(statement).status_code == 400
    assert lrs.post(new_statement(context={name: "7"})).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        "true-false",
        "choice",
        "fill-in",
        "long-fill-in",
        "matching",
        "performance",
        "sequencing",
        "likert",
        "numeric",
        "other",
    ],
)
def test_xapi_00049_every_interaction_type_is_taken(lrs: Lrs, kind: str) -> None:
    activity = {
        "id": new_iri(),
        "definition": {"interactionType": kind, "correctResponsesPattern": ["x"]},
    }
    answer = lrs.post(new_statement(object=activity))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("kind", "lists"),
    [
        ("matching", ("source", "target")),
        ("performance", ("steps",)),
        ("likert", ("scale",)),
        ("sequencing", ("choices",)),
    ],
)
def test_xapi_00053_interaction_components_need_an_id(
    lrs: Lrs, kind: str, lists: tuple[str, ...]
) -> None:
    good = [{"id": "a", "description": {"en": "A"}}]
    for name in lists:
        definition: Json = {"interactionType": kind, **dict.fromkeys(lists, good)}
        assert lrs.post(_with_definition(definition)).status_code == 200
        definition[name] = [{"description": {"en": "A"}}]
        assert lrs.post(_with_definition(definition)).status_code == 400


def _with_definition(definition: Json) -> Json:
    return new_statement(object={"id": new_iri(), "definition": definition})


@pytest.mark.parametrize(("name", "value"), WRONG_ROLES)
def test_4_2_2_5_a_wrong_role_is_refused(lrs_2: Lrs, name: str, value: object) -> None:
    assert lrs_2.post(new_statement(context={name: value})).status_code == 400
    sub = {**SUB, "context": {name: value}}
    assert lrs_2.post(new_statement(object=sub)).status_code == 400


def test_4_2_2_5_roles_are_taken_in_2_0_and_unknown_in_1_0_3(lrs_1: Lrs, lrs_2: Lrs) -> None:
    context = {
        "contextAgents": [{**AGENT_ROLE, "relevantTypes": ["https://example.org/role/coach"]}],
        "contextGroups": [GROUP_ROLE],
    }
    (kept,) = lrs_2.keep(new_statement(context=context))
    assert lrs_2.read(kept)["context"] == context
    assert lrs_1.post(new_statement(context=context)).status_code == 400
    sub = {**SUB, "context": context}
    assert lrs_2.post(new_statement(object=sub)).status_code == 200


def test_xapi_00014_what_is_no_json_is_refused(lrs: Lrs) -> None:
    for body in (b"", b"{", b"null", b"7", b'"statement"', b"{'actor': 1}", b"[]x", b"[null]"):
        answer = lrs.request("POST", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, body


def test_xapi_00015_strings_are_utf_8(lrs: Lrs) -> None:
    text = "Žluťoučký kůň 通過 🧪 \u2028"
    (kept,) = lrs.keep(new_statement(result={"response": text}))
    assert lrs.read(kept)["result"]["response"] == text
    latin = '{"actor": {"mbox": "mailto:a@example.org", "name": "Zoë"}}'.encode("latin-1")
    answer = lrs.request("POST", content=latin, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
