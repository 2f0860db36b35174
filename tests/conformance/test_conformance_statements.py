"""Reading statements: xAPI 1.0.3 Data 2.5 and Communication 2.1.3, IEEE 9274.1.1 4.1.6.1."""

from urllib.parse import urlsplit

import pytest

from xapi_lrs import (
    Json,
    Lrs,
    complete_statement,
    new_agent,
    new_id,
    new_iri,
    new_statement,
    parse_time,
    voiding,
)


def test_xapi_00110_00113_00154_a_list_has_statements_and_more(lrs: Lrs) -> None:
    sent = new_statement()
    (kept,) = lrs.keep(sent)
    lrs.settle(kept)
    answer = lrs.get(activity=sent["object"]["id"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    page = answer.json()
    assert set(page) <= {"statements", "more"}
    assert [one["id"] for one in page["statements"]] == [kept]


def test_xapi_00109_more_is_empty_or_absent_on_the_last_page(lrs: Lrs) -> None:
    sent = new_statement()
    (kept,) = lrs.keep(sent)
    lrs.settle(kept)
    assert not lrs.get(activity=sent["object"]["id"], limit=5).json().get("more")


def test_xapi_00149_a_list_that_finds_nothing_is_empty(lrs: Lrs) -> None:
    answer = lrs.get(activity=new_iri())
    assert answer.status_code == 200
    assert answer.json()["statements"] == []


@pytest.mark.parametrize("name", ["statementId", "voidedStatementId"])
@pytest.mark.parametrize(
    ("other", "value"),
    [
        ("agent", new_agent()),
        ("verb", new_iri()),
        ("activity", new_iri()),
        ("registration", new_id()),
        ("related_agents", True),
        ("related_activities", True),
        ("since", "2024-01-01T00:00:00Z"),
        ("until", "2024-01-01T00:00:00Z"),
        ("limit", 1),
        ("ascending", True),
    ],
)
def test_xapi_00150_00151_an_id_stands_beside_no_filter(
    lrs: Lrs, name: str, other: str, value: object
) -> None:
    (kept,) = lrs.keep(new_statement())
    assert lrs.get(**{name: kept, other: value}).status_code == 400


def test_xapi_00150_00151_both_ids_at_once_are_refused(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    assert lrs.get(statementId=kept, voidedStatementId=kept).status_code == 400


def test_xapi_00158_an_id_stands_beside_format_and_attachments(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    for wanted in ("ids", "exact", "canonical"):
        assert lrs.read(kept, format=wanted, attachments=False)["id"] == kept
    assert lrs.read(kept.upper())["id"] == kept


# Filters. Each statement of `_family` differs from the others in what one filter looks at.


def _family(lrs: Lrs) -> tuple[Json, list[str]]:
    """A statement that has what every filter can ask for, and the ids of itself and of others
    that each lack one of them."""
    one = complete_statement()
    others = [
        {**one, "actor": new_agent()},
        {**one, "verb": {"id": new_iri("verb")}},
        {**one, "object": {"id": new_iri()}},
        {**one, "context": {**one["context"], "registration": new_id()}},
    ]
    ids = lrs.keep(one, *others)
    lrs.settle(ids[0])
    return one, ids


def test_xapi_00164_00178_to_00181_every_filter_alone_and_together(lrs: Lrs) -> None:
    one, (itself, actor, verb, activity, registration) = _family(lrs)
    everyone = {itself, actor, verb, activity, registration}
    filters: Json = {
        "agent": {"mbox": one["actor"]["mbox"]},
        "verb": one["verb"]["id"],
        "activity": one["object"]["id"],
        "registration": one["context"]["registration"],
    }
    lacks = {"agent": actor, "verb": verb, "activity": activity, "registration": registration}
    for name, value in filters.items():
        assert set(lrs.ids(**{name: value})) == everyone - {lacks[name]}, name
    for first in filters:
        for second in filters:
            both = {first: filters[first], second: filters[second]}
            assert set(lrs.ids(**both)) == everyone - {lacks[first], lacks[second]}
    assert lrs.ids(**filters) == [itself]


@pytest.mark.parametrize(
    "agent",
    [
        {"mbox": "mailto:MARK@example.org"},
        {"mbox_sha1sum": "MARK"},
        {"openid": "https://example.org/MARK"},
        {"account": {"homePage": "https://example.org", "name": "MARK"}},
    ],
    ids=["mbox", "mbox_sha1sum", "openid", "account"],
)
def test_xapi_00181_an_agent_is_found_by_each_identifier(lrs: Lrs, agent: Json) -> None:
    mark = new_id().replace("-", "") + "00000000"
    ((name, value),) = agent.items()
    if isinstance(value, dict):
        own: Json = {name: {**value, "name": mark}}
    else:
        own = {name: value.replace("MARK", mark)}
    (kept,) = lrs.keep(new_statement(actor={"name": "Ada", **own}))
    lrs.settle(kept)
    assert lrs.ids(agent=own) == [kept]
    assert lrs.ids(agent={"objectType": "Agent", "name": "Someone else", **own}) == [kept]


def test_xapi_00181_an_agent_is_found_as_object_too(lrs: Lrs) -> None:
    agent = new_agent()
    (kept,) = lrs.keep(new_statement(object=agent))
    lrs.settle(kept)
    assert lrs.ids(agent=agent) == [kept]


@pytest.mark.parametrize("agent", ["ada", "{}", '{"name": "Ada"}', '{"mbox": "ada"}', "[]"])
def test_xapi_00181_an_agent_that_is_none_is_refused(lrs: Lrs, agent: str) -> None:
    assert lrs.get(agent=agent).status_code == 400


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("registration", "1"),
        ("verb", "passed"),
        ("activity", "course"),
        ("since", "yesterday"),
        ("until", "2024"),
        ("limit", "-1"),
        ("limit", "1.5"),
        ("ascending", "up"),
        ("related_agents", "1"),
        ("related_activities", "TRUE"),
        ("attachments", "no"),
        ("format", "short"),
        ("statementId", "1"),
    ],
)
def test_a_parameter_with_a_wrong_value_is_refused(lrs: Lrs, name: str, value: str) -> None:
    assert lrs.get(**{name: value}).status_code == 400


def test_xapi_00174_00175_since_excludes_and_until_includes(lrs: Lrs) -> None:
    activity = {"id": new_iri()}
    kept = []
    for _ in range(3):
        (one,) = lrs.keep(new_statement(object=activity))
        lrs.settle(one)
        kept.append(one)
    times = [lrs.read(one)["stored"] for one in kept]
    assert times[0] < times[1] < times[2]
    asked = activity["id"]
    assert lrs.ids(activity=asked, since=times[0]) == [kept[2], kept[1]]
    assert lrs.ids(activity=asked, until=times[1]) == [kept[1], kept[0]]
    assert lrs.ids(activity=asked, since=times[0], until=times[1]) == [kept[1]]
    assert lrs.ids(activity=asked, since=times[2]) == []


def test_xapi_00166_newest_first_unless_ascending(lrs: Lrs) -> None:
    activity = {"id": new_iri()}
    for _ in range(3):
        (last,) = lrs.keep(new_statement(object=activity))
        lrs.settle(last)
    newest = lrs.pages(activity=activity["id"])[0]
    times = [parse_time(one["stored"]) for one in newest]
    assert times == sorted(times, reverse=True)
    assert lrs.ids(activity=activity["id"], ascending=True) == [one["id"] for one in newest][::-1]
    assert lrs.ids(activity=activity["id"], ascending=False) == [one["id"] for one in newest]


@pytest.mark.parametrize("ascending", [False, True])
def test_xapi_00108_00111_00114_00173_limit_and_more_walk_the_whole_list(
    lrs: Lrs, ascending: bool
) -> None:
    activity = {"id": new_iri()}
    kept = lrs.keep(*(new_statement(object=activity) for _ in range(7)))
    lrs.settle(kept[0])
    pages = lrs.pages(activity=activity["id"], limit=3, ascending=ascending)
    assert all(len(page) <= 3 for page in pages)
    found = [one["id"] for page in pages for one in page]
    assert len(found) == len(set(found)) == 7
    assert set(found) == set(kept)
    more = lrs.get(activity=activity["id"], limit=3).json()["more"]
    # An IRL, relative to the host: it begins with a slash or with a scheme.
    assert urlsplit(more).scheme or more.startswith("/")
    assert len(lrs.get(activity=activity["id"], limit=0).json()["statements"]) == 7


def test_more_keeps_the_format_that_was_asked_for(lrs: Lrs) -> None:
    activity = {"id": new_iri(), "definition": {"name": {"en": "x"}}}
    kept = lrs.keep(*(new_statement(object=activity) for _ in range(3)))
    lrs.settle(kept[0])
    for page in lrs.pages(activity=activity["id"], limit=1, format="ids"):
        assert [one["object"] for one in page] in ([{"id": activity["id"]}], [])


# Related agents and activities (2.1.3)


def _sub(**properties: object) -> Json:
    return {"objectType": "SubStatement", **new_statement(), **properties}


@pytest.mark.parametrize(
    "place",
    ["instructor", "team", "member", "sub actor", "sub object", "sub instructor", "sub member"],
)
def test_xapi_00176_related_agents_finds_an_agent_wherever_it_stands(lrs: Lrs, place: str) -> None:
    agent = new_agent()
    group = {"objectType": "Group", "member": [new_agent(), agent]}
    named = {**agent, "objectType": "Group"}
    statements = {
        "instructor": new_statement(context={"instructor": agent}),
        "team": new_statement(context={"team": named}),
        "member": new_statement(context={"team": group}),
        "sub actor": new_statement(object=_sub(actor=agent)),
        "sub object": new_statement(object=_sub(object=agent)),
        "sub instructor": new_statement(object=_sub(context={"instructor": agent})),
        "sub member": new_statement(object=_sub(context={"team": group})),
    }
    (kept,) = lrs.keep(statements[place])
    lrs.settle(kept)
    asked = named if place == "team" else agent
    assert lrs.ids(agent=asked, related_agents=True) == [kept]
    assert lrs.ids(agent=asked, related_agents=False) == []
    assert lrs.ids(agent=asked) == []


def test_xapi_00176_related_agents_finds_the_authority(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    lrs.settle(kept)
    authority = lrs.read(kept)["authority"]
    if authority["objectType"] == "Group":
        authority = authority["member"][0]
    found = lrs.get(agent=authority, related_agents=True, limit=5).json()["statements"]
    assert kept in [one["id"] for one in found]


@pytest.mark.parametrize("name", ["contextAgents", "contextGroups", "member of a group"])
def test_4_1_6_1_related_agents_finds_the_roles_of_2_0(lrs_2: Lrs, name: str) -> None:
    agent = new_agent()
    group = {"objectType": "Group", "mbox": agent["mbox"]}
    if name == "contextAgents":
        context: Json = {name: [{"objectType": "contextAgent", "agent": agent}]}
    elif name == "contextGroups":
        context = {name: [{"objectType": "contextGroup", "group": group}]}
    else:
        members = {"objectType": "Group", "member": [agent]}
        context = {"contextGroups": [{"objectType": "contextGroup", "group": members}]}
    (kept,) = lrs_2.keep(new_statement(context=context))
    lrs_2.settle(kept)
    asked = group if name == "contextGroups" else agent
    assert lrs_2.ids(agent=asked, related_agents=True) == [kept]
    assert lrs_2.ids(agent=asked) == []


@pytest.mark.parametrize(
    "place", ["parent", "grouping", "category", "other", "sub object", "sub parent", "object"]
)
def test_xapi_00177_related_activities_finds_an_activity_wherever_it_stands(
    lrs: Lrs, place: str
) -> None:
    activity = {"id": new_iri()}
    if place == "object":
        statement = new_statement(object=activity)
    elif place == "sub object":
        statement = new_statement(object=_sub(object=activity))
    elif place == "sub parent":
        inner = {"contextActivities": {"parent": [activity]}}
        statement = new_statement(object=_sub(context=inner))
    else:
        statement = new_statement(context={"contextActivities": {place: [activity]}})
    (kept,) = lrs.keep(statement)
    lrs.settle(kept)
    assert lrs.ids(activity=activity["id"], related_activities=True) == [kept]
    assert lrs.ids(activity=activity["id"]) == ([kept] if place == "object" else [])


# Formats


def test_xapi_00169_exact_returns_what_was_sent(lrs: Lrs) -> None:
    sent = complete_statement()
    (kept,) = lrs.keep(sent)
    read = lrs.read(kept, format="exact")
    for name in ("actor", "verb", "object", "result", "context", "attachments"):
        assert read[name] == sent[name], name


def test_xapi_00170_ids_returns_identifiers_alone(lrs: Lrs) -> None:
    sent = complete_statement()
    sent["object"]["objectType"] = "Activity"
    (kept,) = lrs.keep(sent)
    read = lrs.read(kept, format="ids")
    assert {k for k in read["actor"] if k != "objectType"} == {"mbox"}
    assert set(read["verb"]) == {"id"}
    assert "definition" not in read["object"]
    # An anonymous group has no identifier of its own: its members stand for it.
    members = read["context"]["team"]["member"]
    assert members[0]["mbox"] == sent["context"]["team"]["member"][0]["mbox"]
    assert "name" not in read["context"]["instructor"]
    assert set(read["context"]["contextActivities"]["parent"][0]) <= {"id", "objectType"}
    assert read["result"] == sent["result"]


def test_xapi_00171_00172_canonical_picks_one_language(lrs: Lrs) -> None:
    sent = complete_statement()
    parent = {"id": new_iri(), "definition": {"name": {"en-GB": "Course", "de": "Kurs"}}}
    sent["context"]["contextActivities"]["parent"] = [parent]
    (kept,) = lrs.keep(sent)
    lrs.settle(kept)
    for language, verb, name, course in (
        ("de", "beantwortete", "Frage 1", "Kurs"),
        ("en-GB, de;q=0.5", "answered", "Question 1", "Course"),
        ("fr;q=0.9, de;q=0.8, en-GB;q=0.1", "beantwortete", "Frage 1", "Kurs"),
    ):
        answer = lrs.request(
            "GET",
            params={"statementId": kept, "format": "canonical"},
            headers={"Accept-Language": language},
        )
        read = answer.json()
        assert list(read["verb"]["display"].values()) == [verb], language
        assert list(read["object"]["definition"]["name"].values()) == [name], language
        (context,) = read["context"]["contextActivities"]["parent"]
        assert list(context["definition"]["name"].values()) == [course], language


def test_xapi_00171_canonical_uses_the_definition_the_lrs_holds(lrs: Lrs) -> None:
    activity = new_iri()
    first = {"id": activity, "definition": {"name": {"en": "Gowning"}}}
    (one,) = lrs.keep(new_statement(object=first))
    (two,) = lrs.keep(new_statement(object={"id": activity}))
    lrs.settle(one)
    lrs.settle(two)
    read = lrs.read(two, format="canonical")
    assert read["object"]["definition"]["name"] == {"en": "Gowning"}
    assert "definition" not in lrs.read(two, format="exact")["object"]


def test_xapi_00168_the_formats_hold_for_lists_too(lrs: Lrs) -> None:
    sent = complete_statement()
    (kept,) = lrs.keep(sent)
    lrs.settle(kept)
    (found,) = lrs.pages(activity=sent["object"]["id"], format="ids")[0]
    assert set(found["verb"]) == {"id"}
    (found,) = lrs.pages(activity=sent["object"]["id"], format="exact")[0]
    assert found["verb"] == sent["verb"]
    (found,) = lrs.pages(activity=sent["object"]["id"], format="canonical")[0]
    assert len(found["verb"]["display"]) == 1


def test_a_voided_statement_can_be_read_in_every_format(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    lrs.keep(voiding(kept))
    for wanted in ("ids", "exact", "canonical"):
        assert lrs.get(voidedStatementId=kept, format=wanted).status_code == 200
