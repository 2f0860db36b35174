"""Agents and Activities: xAPI 1.0.3 Communication 2.4, 2.5; IEEE 9274.1.1 4.1.6.3, 4.1.6.4."""

import json

import pytest

from xapi_lrs import Json, Lrs, eventually, new_agent, new_id, new_iri, new_statement

ARRAYS = ("name", "mbox", "mbox_sha1sum", "openid", "account")


def _person(lrs: Lrs, agent: Json) -> Json:
    answer = lrs.request("GET", "agents", params={"agent": json.dumps(agent)})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    person: Json = answer.json()
    return person


def _activity(lrs: Lrs, activity: str) -> Json:
    answer = lrs.request("GET", "activities", params={"activityId": activity})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


@pytest.mark.parametrize(
    "agent",
    [
        {"mbox": "mailto:a@example.org"},
        {"mbox_sha1sum": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
        {"openid": "https://example.org/ada"},
        {"account": {"homePage": "https://example.org", "name": "ada"}},
    ],
    ids=["mbox", "mbox_sha1sum", "openid", "account"],
)
def test_xapi_00236_to_00242_a_person_has_arrays(lrs: Lrs, agent: Json) -> None:
    person = _person(lrs, agent)
    assert person["objectType"] == "Person"
    assert set(person) <= {"objectType", *ARRAYS}
    ((name, value),) = agent.items()
    assert person[name] == [value]
    for one in ARRAYS:
        assert isinstance(person.get(one, []), list)


def test_xapi_00248_a_person_has_the_names_that_were_seen(lrs: Lrs) -> None:
    agent = new_agent()
    for name in ("Ada", "Ada L.", "Ada"):
        (kept,) = lrs.keep(new_statement(actor={**agent, "name": name}))
    lrs.settle(kept)
    assert set(_person(lrs, agent)["name"]) == {"Ada", "Ada L."}


def test_xapi_00244_00248_an_agent_nobody_has_seen_is_a_person_too(lrs: Lrs) -> None:
    agent = new_agent()
    assert _person(lrs, agent)["mbox"] == [agent["mbox"]]


@pytest.mark.parametrize(
    "agent", ["", "ada", "{}", '{"mbox": "ada"}', "[]", "null", '{"name": "a"}']
)
def test_xapi_00249_what_is_no_agent_is_refused(lrs: Lrs, agent: str) -> None:
    assert lrs.request("GET", "agents", params={"agent": agent}).status_code == 400


def test_xapi_00251_00254_an_activity_is_merged_over_statements(lrs: Lrs) -> None:
    activity = new_iri()
    definitions: list[Json] = [
        {"name": {"en-GB": "Gowning"}, "type": "https://example.org/type/skill"},
        {"name": {"de": "Einkleiden"}, "description": {"en-GB": "How to dress"}},
        {"extensions": {"https://example.org/x": {"grade": "B"}}},
    ]
    for definition in definitions:
        (kept,) = lrs.keep(new_statement(object={"id": activity, "definition": definition}))
        lrs.settle(kept)
    expected = {
        "name": {"en-GB": "Gowning", "de": "Einkleiden"},
        "description": {"en-GB": "How to dress"},
        "type": "https://example.org/type/skill",
        "extensions": {"https://example.org/x": {"grade": "B"}},
    }

    def merged() -> bool:
        found = _activity(lrs, activity)
        return found["id"] == activity and found.get("definition") == expected

    eventually(merged, "the definition is merged")
    assert _activity(lrs, activity)["objectType"] == "Activity"


def test_xapi_00254_a_later_name_replaces_the_earlier_in_its_language(lrs: Lrs) -> None:
    activity = new_iri()
    for name in ("Gowning", "Gowning, grade B"):
        definition = {"name": {"en": name}}
        (kept,) = lrs.keep(new_statement(object={"id": activity, "definition": definition}))
        lrs.settle(kept)
    eventually(
        lambda: _activity(lrs, activity)["definition"]["name"] == {"en": "Gowning, grade B"},
        "the later name is there",
    )


def test_an_activity_of_a_context_is_known_too(lrs: Lrs) -> None:
    activity = new_iri()
    parent = {"id": activity, "definition": {"name": {"en": "Course"}}}
    (kept,) = lrs.keep(new_statement(context={"contextActivities": {"parent": [parent]}}))
    lrs.settle(kept)
    eventually(
        lambda: _activity(lrs, activity).get("definition", {}).get("name") == {"en": "Course"},
        "the definition is known",
    )


def test_4_1_6_4_an_unknown_activity_is_a_bare_one(lrs_2: Lrs) -> None:
    activity = new_iri()
    found = _activity(lrs_2, activity)
    assert found["id"] == activity
    assert "definition" not in found


@pytest.mark.parametrize("activity", ["", "course", "//example.org", new_id()])
def test_xapi_00250_what_is_no_iri_is_refused(lrs: Lrs, activity: str) -> None:
    answer = lrs.request("GET", "activities", params={"activityId": activity})
    assert answer.status_code == 400


@pytest.mark.parametrize("resource", ["agents", "activities"])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_they_can_only_be_read(lrs: Lrs, resource: str, method: str) -> None:
    query = (
        {"agent": json.dumps(new_agent())} if resource == "agents" else {"activityId": new_iri()}
    )
    assert lrs.request(method, resource, params=query).status_code == 405
