"""Published JavaScript clients work with the product as they are.

The packages are those of package-lock.json; the scripts beside this file drive them and report.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest

from node_tools import run_node
from xapi_lrs import Endpoint, Json, Lrs, eventually

HERE = Path(__file__).parent
DEFINED = "https://w3id.org/xapi/cmi5/context/categories/cmi5"
VERBS = "http://adlnet.gov/expapi/verbs/"


def _run(script: str, endpoint: Endpoint, **more: str) -> Any:
    given = {"endpoint": endpoint.url, "user": endpoint.user, "password": endpoint.password}
    return run_node(script, {**given, **more}, HERE)


@pytest.mark.parametrize("adapter", ["axios", "fetch"])
def test_xapi_js_can_do_all_it_can_do(endpoint: Endpoint, adapter: str) -> None:
    answer = _run("xapi_js.mjs", endpoint, adapter=adapter)
    expected = answer["expected"]
    assert any(one.startswith("1.0.") for one in answer["about"]["version"])
    assert answer["complaints"] == []
    # It adds a parameter that the standard does not have, and those are refused (XAPI-00324).
    assert answer["cacheBuster"] == 400

    sent = answer["sent"]
    assert answer["read"]["id"] == sent[0]
    assert answer["read"]["actor"] == expected["agent"]
    assert answer["unknown"] == 404
    assert set(answer["byAgent"]) == set(answer["byVerb"]) == set(sent)
    assert set(answer["byRegistration"]) == set(answer["related"]) == set(sent)
    assert set(answer["byActivity"]) == set(sent[:2])
    assert set(answer["format"]["verb"]) == {"id"}
    assert [len(page) for page in answer["pages"]] == [2, 1]
    assert {one for page in answer["pages"] for one in page} == set(sent)

    statement, content = answer["multipart"]
    assert statement["id"] == answer["attached"]
    assert statement["attachments"] == [expected["attachment"]]
    assert content == "what was seen: bytes, ä and all"

    assert answer["voiding"]["id"] == sent[0]
    assert answer["voided"] == 404
    assert answer["found"] == sent[0]

    assert answer["state"] == {"x": 1, "y": 2}
    assert answer["plain"] == "plain"
    assert answer["states"] == ["a", "b"]
    assert answer["left"] == ["b"]
    assert answer["cleared"] == []

    assert answer["profile"] == {"a": 1}
    assert answer["stale"] == 412
    assert answer["replaced"] == {"b": 2}
    assert answer["profiles"] == ["p"]
    assert answer["gone"] == 404
    assert answer["course"] == {"a": 1}
    assert answer["courses"] == ["p"]

    assert answer["person"]["mbox"] == [expected["agent"]["mbox"]]
    assert answer["person"]["name"] == ["Ada"]
    assert answer["activity"] == expected["activity"]


def test_a_whole_session_of_cmi5_runs_in_a_page_of_another_origin(endpoint: Endpoint) -> None:
    answer = _run("cmi5.mjs", endpoint)
    expected = answer["expected"]
    assert answer["available"] is True
    assert answer["complaints"] == []
    assert answer["fetches"].count("POST") == 1
    assert answer["launchData"]["moveOn"] == "CompletedAndPassed"
    assert answer["preferences"]["languagePreference"] == "en-GB"
    assert answer["bookmark"] == {"page": 7}
    with httpx.Client(timeout=30.0) as http:
        lrs = Lrs(endpoint, "1.0.3", http)
        found: list[Json] = []

        def all_there() -> bool:
            found[:] = [
                one
                for page in lrs.pages(registration=expected["registration"], ascending=True)
                for one in page
            ]
            return len(found) >= 8

        eventually(all_there, "every statement of the session is listed")
    # Ascending by `stored`, in which statements of one moment are in no order of their own.
    verbs = sorted(one["verb"]["id"].removeprefix(VERBS) for one in found)
    assert verbs == sorted(
        [
            "launched",
            "initialized",
            "progressed",
            "answered",
            "answered",
            "completed",
            "passed",
            "terminated",
        ]
    )
    for one in found:
        assert one["actor"] == expected["actor"]
        assert expected["sessionId"] in one["context"]["extensions"].values()
    by_verb = {one["verb"]["id"].removeprefix(VERBS): one for one in found}
    for name in ("initialized", "completed", "passed", "terminated"):
        categories = by_verb[name]["context"]["contextActivities"]["category"]
        assert DEFINED in [one["id"] for one in categories]
    assert by_verb["passed"]["result"]["score"]["scaled"] == 0.9
    assert by_verb["completed"]["result"]["completion"] is True


def test_xapiwrapper_works_in_a_page_of_another_origin(endpoint: Endpoint) -> None:
    answer = _run("xapiwrapper.mjs", endpoint)
    expected = answer["expected"]
    assert answer["complaints"] == []

    assert answer["sent"] == 200
    assert len(answer["several"]) == 2
    assert answer["read"]["id"] == expected["one"]
    everyone = {expected["one"], *answer["several"]}
    assert [len(page) for page in answer["found"]] == [2, 1]
    assert {one for page in answer["found"] for one in page} == everyone
    assert answer["byAgent"] == 3

    assert answer["attached"] == 200
    content = expected["content"].encode()
    assert answer["attachment"]["length"] == len(content)
    assert expected["content"] in answer["multipart"]

    assert answer["voided"] == 404
    assert answer["underItsOtherName"] == expected["one"]

    assert answer["state"] == {"page": 7, "chapter": 2}
    assert answer["states"] == ["bookmark", "list"]
    assert answer["deleted"] == 204

    assert answer["replaced"] == 204
    assert answer["stale"] == 412
    assert answer["profile"] == [2]
    assert answer["agentProfile"] == {"language": "en-GB"}
    assert answer["agentProfiles"] == ["p"]
    assert answer["agentProfileDeleted"] == 204

    assert answer["person"]["mbox"] == [expected["actor"]["mbox"]]
    assert answer["activity"]["definition"] == expected["object"]["definition"]
