"""Software that we did not write verifies what the running service issued and serves."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from assay_credentials.contexts import pinned_contexts
from credentials_service import Service, event
from node_tools import run_node


async def test_a_stranger_verifies_what_is_served(service: Service) -> None:
    people = [uuid4() for _ in range(3)]
    await service.follow(*(event("achieved", person, 1) for person in people))
    await service.follow(event("withdrawn", people[1], 2), event("renewed", people[2], 2, level=3))
    await service.lists.sign_due()
    documents: dict[str, object] = dict(pinned_contexts().documents)
    badges: list[dict[str, Any]] = []
    for person in people:
        badges.append(orjson.loads(await service.document((await _first(service, person))["id"])))
    for badge in badges:
        for entry in badge["credentialStatus"]:
            url = entry["statusListCredential"]
            documents[url] = (await service.http.get(url)).json()
    now = datetime.now(UTC).isoformat()
    answers = run_node(
        "verify.mjs",
        {
            "documents": documents,
            "credentials": [{"credential": badge, "now": now} for badge in badges],
        },
    )
    assert isinstance(answers, list)
    assert [one["errors"] for one in answers] == [[], [], []]
    assert [one["verified"] for one in answers] == [True, True, True]
    set_bits = [
        {status["purpose"] for status in one["statuses"] if status["status"]} for one in answers
    ]
    assert set_bits == [set(), {"suspension"}, {"revocation"}]


async def _first(service: Service, person: UUID) -> dict[str, Any]:
    return (await service.credentials(person))[0]
