"""What holds for every resource: versions, errors, HEAD, authentication, the other syntax, CORS.

xAPI 1.0.3 Communication 1.1 to 1.4, 2.8, 3.2, 3.3 and 4; IEEE 9274.1.1 4.1.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import httpx
import pytest

from xapi_lrs import CONSISTENT_THROUGH, Json, Lrs, new_agent, new_id, new_iri, new_statement
from xapi_lrs import parse_time as parsed

VERSION_HEADER = "x-experience-api-version"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# A good GET of every resource that needs a version.
RESOURCES: dict[str, Json] = {
    "statements": {},
    "agents": {"agent": new_agent()},
    "activities": {"activityId": new_iri()},
    "activities/state": {"activityId": new_iri(), "agent": new_agent()},
    "activities/profile": {"activityId": new_iri()},
    "agents/profile": {"agent": new_agent()},
}
every_resource = pytest.mark.parametrize("resource", RESOURCES)


def _query(resource: str, **more: str) -> dict[str, str]:
    given = RESOURCES[resource] | more
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()}


def _get(lrs: Lrs, resource: str, **more: str) -> httpx.Response:
    return lrs.request("GET", resource, params=_query(resource, **more))


# About, and versions


def test_xapi_00315_00319_about_says_which_versions_are_served(lrs: Lrs) -> None:
    answer = lrs.request("GET", "about", bare=True, auth=None)
    assert answer.status_code == 200
    versions = answer.json()["version"]
    assert all(isinstance(one, str) for one in versions)
    assert any(re.fullmatch(r"1\.0\.\d+", one) for one in versions)
    assert any(re.fullmatch(r"2\.0\.\d+", one) for one in versions)
    assert VERSION_HEADER in answer.headers
    # Old client libraries send their version and their key to it all the same.
    answer = lrs.request("GET", "about")
    assert answer.status_code == 200
    assert lrs.version in answer.json()["version"]


@every_resource
def test_xapi_00333_the_answer_names_the_version_that_was_spoken(lrs: Lrs, resource: str) -> None:
    answer = _get(lrs, resource)
    assert answer.status_code == 200, answer.text
    assert answer.headers[VERSION_HEADER] == lrs.version


@every_resource
def test_xapi_00321_without_a_version_the_answer_is_400_and_names_one(
    lrs: Lrs, resource: str
) -> None:
    answer = lrs.request("GET", resource, params=_query(resource), bare=True)
    assert answer.status_code == 400
    assert VERSION_HEADER in answer.headers


@every_resource
@pytest.mark.parametrize("sent", ["0.9", "0.95", "1.1.0", "3.0.0", "1", "", "two", "1.0.3, 2.0.0"])
def test_xapi_00331_an_unknown_version_is_refused(lrs_1: Lrs, resource: str, sent: str) -> None:
    answer = lrs_1.request(
        "GET", resource, params=_query(resource), bare=True, headers={VERSION_HEADER: sent}
    )
    assert answer.status_code == 400
    assert VERSION_HEADER in answer.headers


@pytest.mark.parametrize("sent", ["1.0", "1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.9", "2.0.0"])
def test_xapi_00331_every_patch_of_a_served_version_is_spoken(lrs_1: Lrs, sent: str) -> None:
    answer = lrs_1.request("GET", bare=True, headers={VERSION_HEADER: sent})
    assert answer.status_code == 200


# Errors


@every_resource
@pytest.mark.parametrize("name", ["unknown", "Since", "AGENT", "activityID", "Limit"])
def test_xapi_00324_00325_an_unknown_or_wrongly_written_parameter_is_refused(
    lrs: Lrs, resource: str, name: str
) -> None:
    assert _get(lrs, resource, **{name: "1"}).status_code == 400


@pytest.mark.parametrize(
    ("resource", "name"),
    [(resource, name) for resource, given in RESOURCES.items() for name in given],
)
def test_xapi_00243_00250_a_parameter_that_is_needed_and_missing_is_named(
    lrs: Lrs, resource: str, name: str
) -> None:
    query = _query(resource)
    del query[name]
    answer = lrs.request("GET", resource, params=query)
    assert answer.status_code == 400
    assert name in answer.text


@every_resource
def test_a_parameter_that_is_given_twice_is_refused(lrs: Lrs, resource: str) -> None:
    name = "agent" if "agent" in RESOURCES[resource] else "activityId"
    value = json.dumps(new_agent()) if name == "agent" else new_iri()
    if resource == "statements":
        name, value = "verb", new_iri()
    pairs = [*_query(resource).items(), (name, value), (name, value)]
    assert lrs.request("GET", f"{resource}?{urlencode(pairs)}").status_code == 400


@every_resource
@pytest.mark.parametrize("method", ["PATCH", "LINK"])
def test_a_method_that_a_resource_does_not_have_is_405(
    lrs: Lrs, resource: str, method: str
) -> None:
    answer = lrs.request(method, resource, params=_query(resource))
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


def test_no_answer_is_422(lrs: Lrs) -> None:
    """Frameworks like to answer 422 where the specification says 400."""
    for query in ({"limit": "many"}, {"limit": "-1"}, {"ascending": "yes"}, {"since": "now"}):
        assert lrs.request("GET", params=query).status_code == 400, query


def test_xapi_00328_what_is_too_large_is_413(lrs: Lrs) -> None:
    answer = lrs.post(new_statement(result={"response": "x" * 9_000_000}))
    assert answer.status_code == 413
    assert answer.headers[VERSION_HEADER] == lrs.version


def test_there_is_one_date_header(lrs: Lrs) -> None:
    answer = lrs.get(limit=1)
    assert len(answer.headers.get_list("date")) == 1


@every_resource
def test_xapi_00334_00335_basic_authentication_is_asked_for(lrs: Lrs, resource: str) -> None:
    for auth in (None, ("nobody", "wrong"), (lrs.endpoint.user, "wrong")):
        answer = lrs.request("GET", resource, params=_query(resource), auth=auth)
        assert answer.status_code == 401
        assert "basic" in answer.headers["www-authenticate"].lower()
    for sent in ("Basic", "Basic !", "Basic bm9jb2xvbg==", "Basic gICA", "Bearer x"):
        answer = lrs.request(
            "GET", resource, params=_query(resource), auth=None, headers={"Authorization": sent}
        )
        assert answer.status_code in (400, 401), sent


@pytest.mark.parametrize(
    "resource", ["statements", "agents", "activities", "activities/state"], ids=str
)
def test_nothing_is_written_by_who_may_not_come_in(lrs: Lrs, resource: str) -> None:
    answer = lrs.request("PUT", resource, json={}, auth=("nobody", "wrong"))
    assert answer.status_code in (401, 405)


# HEAD (Communication 1.1)


@every_resource
def test_xapi_00125_00126_head_answers_what_get_would_without_the_body(
    lrs: Lrs, resource: str
) -> None:
    got = _get(lrs, resource)
    head = lrs.request("HEAD", resource, params=_query(resource))
    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]
    assert head.headers[VERSION_HEADER] == lrs.version
    refused = lrs.request("HEAD", resource, params={"unknown": "1"})
    assert (refused.status_code, refused.content) == (400, b"")


def test_xapi_00125_head_of_about_and_of_one_statement(lrs: Lrs) -> None:
    head = lrs.request("HEAD", "about")
    assert (head.status_code, head.content) == (200, b"")
    (kept,) = lrs.keep(new_statement())
    head = lrs.request("HEAD", params={"statementId": kept})
    assert (head.status_code, head.content) == (200, b"")
    assert lrs.request("HEAD", params={"statementId": new_id()}).status_code == 404


# Consistent-Through (2.1.3)


def test_xapi_00153_00160_every_statements_answer_says_what_it_is_consistent_through(
    lrs: Lrs,
) -> None:
    answers = [
        lrs.get(limit=1),
        lrs.get(statementId=new_id()),
        lrs.get(unknown="1"),
        lrs.post({}),
        lrs.request("HEAD"),
        lrs.request("GET", auth=("nobody", "wrong")),
    ]
    assert [one.status_code for one in answers] == [200, 404, 400, 400, 200, 401]
    for answer in answers:
        parsed(answer.headers[CONSISTENT_THROUGH])


# Alternate request syntax (Communication 1.3); 2.0 has none


def _form(lrs: Lrs, method: str, resource: str, fields: Mapping[str, str]) -> httpx.Response:
    """A request that hides everything in a form, as old browsers need it across origins."""
    key = httpx.BasicAuth(lrs.endpoint.user, lrs.endpoint.password)
    sent = next(key.auth_flow(httpx.Request("GET", lrs.endpoint.url)))
    whole = {
        "Authorization": sent.headers["authorization"],
        "X-Experience-API-Version": lrs.version,
        **fields,
    }
    return lrs.http.post(
        f"{lrs.endpoint.url}/{resource}?method={method}", content=urlencode(whole), headers=FORM
    )


def test_xapi_00148_00336_every_method_can_be_asked_for_in_a_form(lrs_1: Lrs) -> None:
    statement = new_statement(id=new_id())
    content = {"content": json.dumps(statement), "Content-Type": "application/json"}
    answer = _form(lrs_1, "PUT", "statements", {"statementId": statement["id"], **content})
    assert answer.status_code == 204, answer.text
    answer = _form(lrs_1, "GET", "statements", {"statementId": statement["id"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["verb"] == statement["verb"]
    answer = _form(lrs_1, "POST", "statements", {**content, "content": json.dumps(new_statement())})
    assert answer.status_code == 200, answer.text
    state = {"activityId": new_iri(), "agent": json.dumps(new_agent()), "stateId": "s"}
    body = {"content": '{"a": "ä+ &="}', "Content-Type": "application/json; charset=utf-8"}
    assert _form(lrs_1, "PUT", "activities/state", {**state, **body}).status_code == 204
    answer = _form(lrs_1, "GET", "activities/state", state)
    assert (answer.status_code, answer.json()) == (200, {"a": "ä+ &="})
    assert _form(lrs_1, "DELETE", "activities/state", state).status_code == 204
    assert _form(lrs_1, "GET", "activities/state", state).status_code == 404


def test_xapi_00336_headers_of_the_form_are_honoured(lrs_1: Lrs) -> None:
    document = {"activityId": new_iri(), "profileId": "p", "content": "{}"}
    document["Content-Type"] = "application/json"
    create = {**document, "If-None-Match": "*"}
    assert _form(lrs_1, "PUT", "activities/profile", create).status_code == 204
    assert _form(lrs_1, "PUT", "activities/profile", create).status_code == 412


def test_xapi_00336_a_form_with_something_wrong_is_refused(lrs_1: Lrs) -> None:
    url = f"{lrs_1.endpoint.url}/statements"
    content = {"content": json.dumps(new_statement()), "Content-Type": "application/json"}
    assert _form(lrs_1, "GET&limit=1", "statements", {}).status_code == 400
    assert _form(lrs_1, "POST", "statements", {"Content-Type": "x"}).status_code >= 400
    wrong = {**content, "X-Experience-API-Version": "0.9"}
    assert _form(lrs_1, "POST", "statements", wrong).status_code == 400
    assert _form(lrs_1, "PATCH", "statements", content).status_code in (400, 405)
    # The method in the URL with another body than a form.
    auth = (lrs_1.endpoint.user, lrs_1.endpoint.password)
    headers = {"X-Experience-API-Version": "1.0.3"}
    answer = lrs_1.http.post(f"{url}?method=PUT", json={}, auth=auth, headers=headers)
    assert answer.status_code == 400


def test_2_0_has_no_alternate_syntax(lrs_2: Lrs) -> None:
    assert _form(lrs_2, "GET", "statements", {}).status_code == 400


# CORS, for content that runs in browsers


@pytest.mark.parametrize("resource", [*RESOURCES, "about"])
def test_cors_a_browser_may_ask_from_another_origin(lrs: Lrs, resource: str) -> None:
    asked = "authorization,content-type,x-experience-api-version,if-match,if-none-match"
    preflight = lrs.http.options(
        f"{lrs.endpoint.url}/{resource}",
        headers={
            "Origin": "https://content.example.org",
            "Access-Control-Request-Method": "GET" if resource == "about" else "PUT",
            "Access-Control-Request-Headers": asked,
        },
    )
    assert preflight.status_code in (200, 204), preflight.text
    assert preflight.headers["access-control-allow-origin"] in ("*", "https://content.example.org")
    allowed = preflight.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert allowed == ["*"] or set(asked.split(",")) <= set(allowed)
    if resource not in ("about", "agents", "activities"):
        assert "PUT" in preflight.headers["access-control-allow-methods"]


@pytest.mark.parametrize("status", [200, 400, 401])
def test_cors_a_browser_may_read_every_answer(lrs: Lrs, status: int) -> None:
    key = ("nobody", "wrong") if status == 401 else (lrs.endpoint.user, lrs.endpoint.password)
    query = {"unknown": "1"} if status == 400 else {}
    origin = {"Origin": "https://content.example.org"}
    answer = lrs.request("GET", params=query, headers=origin, auth=key)
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] in ("*", "https://content.example.org")
    exposed = answer.headers["access-control-expose-headers"].lower()
    for name in ("etag", "last-modified", VERSION_HEADER, CONSISTENT_THROUGH):
        assert name in exposed, name
