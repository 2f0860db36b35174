"""An LRS seen from outside: what the conformance tests and the real clients are pointed at.

By default that is the product, started by the test session. With
ASSAY_TEST_LRS=http://user:password@host:port/xapi it is whatever answers there, so that the same
tests can be held against another LRS.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin, urlsplit
from uuid import uuid4

import httpx

from assay_testing import RunningStack

GIVEN = "ASSAY_TEST_LRS"
WAIT_SECONDS = 30.0
BETWEEN_LOOKS_SECONDS = 0.02
VERSIONS = ("1.0.3", "2.0.0")
CONSISTENT_THROUGH = "x-experience-api-consistent-through"

# Statements, documents and answers are JSON of any shape, hence Any.
Json = dict[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """Where an LRS answers, and a key that may do everything of the standard there."""

    url: str
    user: str
    password: str


def endpoint_given() -> Endpoint | None:
    """The LRS named by the environment, if one is."""
    text = os.environ.get(GIVEN)
    if text is None:
        return None
    parts = urlsplit(text)
    if not (parts.username and parts.password and parts.hostname):
        raise ValueError(f"{GIVEN} must look like http://user:password@host:port/xapi")
    host = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    return Endpoint(f"{parts.scheme}://{host}{parts.path}", parts.username, parts.password)


def endpoint_of(stack: RunningStack) -> Endpoint:
    """The xAPI front of a running stack, with the demo key of its online source."""
    done = stack.assay("status", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    printed = json.loads(done.stdout)
    key = printed["keys"]["online"]
    return Endpoint(printed["urls"]["xapi"], key["user"], key["password"])


@dataclass
class Lrs:
    """A client that speaks one version. Every call is one request, unless it says otherwise."""

    endpoint: Endpoint
    version: str
    http: httpx.Client = field(repr=False)

    @property
    def is_2(self) -> bool:
        return self.version.startswith("2.")

    def request(
        self,
        method: str,
        resource: str = "statements",
        *,
        headers: Mapping[str, str] | None = None,
        bare: bool = False,
        **arguments: Any,
    ) -> httpx.Response:
        """Send a request as this client; `bare` leaves out the version's header."""
        own = {} if bare else {"X-Experience-API-Version": self.version}
        arguments.setdefault("auth", (self.endpoint.user, self.endpoint.password))
        return self.http.request(
            method,
            f"{self.endpoint.url}/{resource}" if resource else self.endpoint.url,
            headers={**own, **(headers or {})},
            **arguments,
        )

    def post(self, statements: Json | Sequence[Json], **arguments: Any) -> httpx.Response:
        return self.request("POST", json=statements, **arguments)

    def put(self, statement_id: str, statement: Json, **arguments: Any) -> httpx.Response:
        return self.request(
            "PUT", params={"statementId": statement_id}, json=statement, **arguments
        )

    def get(self, **parameters: Any) -> httpx.Response:
        return self.request("GET", params=_as_text(parameters))

    def keep(self, *statements: Json) -> list[str]:
        """Post statements that must be accepted, in one request; their ids."""
        answer = self.post(list(statements))
        assert answer.status_code == 200, answer.text
        ids: list[str] = answer.json()
        return ids

    def read(self, statement_id: str, **parameters: Any) -> Json:
        """The statement with that id, which must be there."""
        answer = self.get(statementId=statement_id, **parameters)
        assert answer.status_code == 200, answer.text
        statement: Json = answer.json()
        return statement

    def more(self, more: str) -> httpx.Response:
        """Follow a `more` link with nothing but authentication and version."""
        return self.http.get(
            urljoin(self.endpoint.url, more),
            auth=(self.endpoint.user, self.endpoint.password),
            headers={"X-Experience-API-Version": self.version},
        )

    def pages(self, **parameters: Any) -> list[list[Json]]:
        """The statements of every page of a list, in order."""
        answer = self.get(**parameters)
        found: list[list[Json]] = []
        while True:
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found.append(page["statements"])
            if not page.get("more"):
                return found
            answer = self.more(page["more"])

    def ids(self, **parameters: Any) -> list[str]:
        """The ids of a list, over all its pages."""
        return [one["id"] for page in self.pages(**parameters) for one in page]

    def settle(self, statement_id: str) -> None:
        """Wait until lists hold this statement: until the LRS says that it is consistent through
        the moment at which it was stored (Communication 2.1.3, Consistent-Through)."""
        stored = parse_time(self.read(statement_id)["stored"])

        def consistent() -> bool:
            through = self.get(limit=1).headers[CONSISTENT_THROUGH]
            return parse_time(through) >= stored

        eventually(consistent, "lists are consistent through what was just stored")


def eventually(look: Callable[[], bool], what: str) -> None:
    """Look again and again; fails when it is not so within WAIT_SECONDS."""
    end = time.monotonic() + WAIT_SECONDS
    while not look():
        if time.monotonic() > end:
            raise AssertionError(f"not within {WAIT_SECONDS} s: {what}")
        time.sleep(BETWEEN_LOOKS_SECONDS)


def parse_time(text: str) -> datetime:
    """A timestamp of xAPI as an instant."""
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _as_text(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as they stand in a query: agents as JSON, flags in lower case."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
    }


# What follows makes statements that no other test has: each with its own actor and activity.


def new_id() -> str:
    return str(uuid4())


def new_agent(name: str | None = None) -> Json:
    """An agent nobody has seen before."""
    agent = {"objectType": "Agent", "mbox": f"mailto:{uuid4().hex}@example.org"}
    return agent if name is None else {**agent, "name": name}


def new_iri(kind: str = "activity") -> str:
    return f"https://example.org/{kind}/{uuid4()}"


def new_statement(**properties: Any) -> Json:
    """The least statement, with an actor, a verb and an activity of its own."""
    return {
        "actor": new_agent(),
        "verb": {"id": new_iri("verb")},
        "object": {"id": new_iri()},
        **properties,
    }


def voiding(statement_id: str) -> Json:
    return {
        "actor": new_agent(),
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
        "object": {"objectType": "StatementRef", "id": statement_id},
    }


def complete_statement() -> Json:
    """A statement that has nearly every property of the standard; good in both versions."""
    return {
        "actor": new_agent("Ada"),
        "verb": {"id": new_iri("verb"), "display": {"en-GB": "answered", "de": "beantwortete"}},
        "object": {
            "objectType": "Activity",
            "id": new_iri(),
            "definition": {
                "name": {"en-GB": "Question 1", "de": "Frage 1"},
                "description": {"en-GB": "Which gloves?"},
                "type": "http://adlnet.gov/expapi/activities/cmi.interaction",
                "moreInfo": "https://example.org/more",
                "interactionType": "choice",
                "correctResponsesPattern": ["sterile"],
                "choices": [
                    {"id": "sterile", "description": {"en-GB": "Sterile"}},
                    {"id": "none", "description": {"en-GB": "None"}},
                ],
                "extensions": {"https://example.org/x/room": {"grade": "B"}},
            },
        },
        "result": {
            "score": {"scaled": 0.5, "raw": 5, "min": 0, "max": 10},
            "success": True,
            "completion": True,
            "response": "sterile",
            "duration": "PT1M30.5S",
            "extensions": {"https://example.org/x/tries": 2},
        },
        "context": {
            "registration": new_id(),
            "instructor": new_agent("Instructor"),
            "team": {"objectType": "Group", "name": "Team", "member": [new_agent()]},
            "contextActivities": {
                "parent": [{"id": new_iri()}],
                "grouping": [{"id": new_iri()}],
                "category": [{"id": new_iri()}],
                "other": [{"id": new_iri()}],
            },
            "revision": "7",
            "platform": "tablet",
            "language": "en-GB",
            "statement": {"objectType": "StatementRef", "id": new_id()},
            "extensions": {"https://example.org/x/shift": "night"},
        },
        "timestamp": "2024-02-29T12:30:00.123Z",
        "attachments": [
            {
                "usageType": "https://example.org/usage/photo",
                "display": {"en-GB": "Photo"},
                "description": {"en-GB": "The clean room"},
                "contentType": "image/png",
                "length": 4,
                "sha2": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "fileUrl": "https://example.org/photo.png",
            }
        ],
    }
