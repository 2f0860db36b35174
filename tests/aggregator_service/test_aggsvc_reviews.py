"""Awards by hand and reviews, over HTTP: two persons, reasons, dates, and what follows."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client import CollectorRegistry

from aggregator_service_driver import (
    COMPETENCY,
    TENANT,
    Driver,
    day,
    driver_of,
    post_award,
    rule,
    with_records,
)
from assay_aggregator import accounts, api
from assay_aggregator.accounts import NewAccount
from assay_aggregator.settings import AggregatorSettings
from assay_runtime.auth import hash_secret
from assay_runtime.serve import new_app
from assay_testing import Database

PASSWORD = "a long enough password"
PARENT = "https://example.org/competencies/all-of-it"
KEYS: Mapping[str, tuple[str, list[str]]] = {
    "admin": (TENANT, ["competencies/read", "competencies/admin"]),
    "portal": (TENANT, ["competencies/contest"]),
    "reader": (TENANT, ["competencies/read"]),
    "stranger": ("other", ["competencies/read", "competencies/admin", "competencies/contest"]),
}
ALLOWED = {"allow": True, "meaning": ["approval"], "max": "P90D", "two_person": True}


@dataclass
class Front:
    """The API, and the driver behind it."""

    driver: Driver
    http: httpx.AsyncClient

    async def get(self, path: str, key: str = "admin", **query: str) -> httpx.Response:
        return await self.http.get(path, params=query or None, auth=(key, "secret"))

    async def post(self, path: str, body: object, key: str = "admin") -> httpx.Response:
        return await self.http.post(path, json=body, auth=(key, "secret"))

    async def delete(self, path: str, **query: str) -> httpx.Response:
        return await self.http.delete(path, params=query, auth=("admin", "secret"))

    async def go(self, number: float) -> None:
        """Let the time of the log move, and decide."""
        for partition in range(3):
            await self.driver.tick(day(number), partition=partition)
        await self.driver.decide()

    async def told(self) -> list[tuple[str, str | None]]:
        events = await self.driver.events()
        return [
            (one["type"].removeprefix("competency.").removesuffix("/v1"), one["reason"])
            for one in events
        ]


@pytest.fixture(scope="session")
def secret_hash() -> str:
    return hash_secret("secret")


@pytest.fixture
async def front(postgres: Database, secret_hash: str) -> AsyncIterator[Front]:
    owner = await postgres.connect("assay_owner")
    await owner.executemany(
        "insert into aggregator.api_client (name, tenant, secret_hash, scopes) "
        "values ($1, $2, $3, $4)",
        [(name, tenant, secret_hash, scopes) for name, (tenant, scopes) in KEYS.items()],
    )
    await owner.close()
    settings = AggregatorSettings.from_environment(
        {
            **postgres.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": "8401",
        }
    )
    async with driver_of(postgres) as driver:
        await with_records(driver)
        async with driver.records() as records:
            await records.put_rule(rule(version=2, effective_from="2025-01-01", overrides=ALLOWED))
            for name, roles in (
                ("ann", ["override", "reviewer"]),
                ("bob", ["override", "reviewer"]),
                ("cat", []),
            ):
                new = NewAccount(name, f"{name.title()} of QA", roles)
                await accounts.add(records, new, PASSWORD, temporary=False)
        app = new_app("Assay aggregator", CollectorRegistry(), {})
        api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://assay") as http:
            made = Front(driver, http)
            await made.go(10)
            yield made


def signed(account: str, password: str = PASSWORD, meaning: str = "approval") -> dict[str, str]:
    return {"account": account, "password": password, "meaning": meaning}


async def override(front: Front, account: str = "ann", **changes: Any) -> dict[str, Any]:
    return {
        "person": str(await front.driver.person("ada")),
        "competency": COMPETENCY,
        "from": "2026-01-05",
        "to": "2026-02-20",
        "reason": "assessed on paper while the tablets were away",
        "signature": signed(account),
        **changes,
    }


async def proposed(front: Front) -> str:
    answer = await front.post("/admin/overrides", await override(front))
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "proposed"
    return str(answer.json()["override"])


async def document(front: Front) -> dict[str, Any]:
    person = await front.driver.person("ada")
    answer = await front.get(f"/people/{person}/competencies", competency=COMPETENCY)
    (found,) = answer.json()["competencies"]
    assert isinstance(found, dict)
    return found


async def test_an_override_holds_when_a_second_person_has_signed_until_its_last_day(
    front: Front,
) -> None:
    made = await proposed(front)
    await front.go(11)
    assert await front.driver.status("ada") in (None, "not_started")
    approved = {"reason": "I was there", "signature": signed("bob")}
    answer = await front.post(f"/admin/overrides/{made}/approve", approved)
    assert answer.status_code == 200, answer.text
    await front.go(12)
    found = await document(front)
    assert (found["status"], found["achieved_on"], found["expires_on"]) == (
        "achieved",
        "2026-01-05",
        "2026-02-20",
    )
    (shown,) = found["overrides"]
    assert (shown["override"], sorted(shown["by"]), shown["ignored"]) == (
        made,
        ["ann", "bob"],
        None,
    )
    await front.go(50.9)
    assert await front.driver.status("ada") == "achieved"
    await front.go(51.1)
    assert await front.driver.status("ada") == "not_started"
    told = await front.told()
    assert [kind for kind, _ in told] == ["achieved", "expiring", "withdrawn"]
    assert told[-1][1] == "override_ended"
    (listed,) = (await front.get("/overrides")).json()["overrides"]
    assert (listed["state"], listed["proposed_by"], listed["approved_by"]) == (
        "in_force",
        "ann",
        "bob",
    )


async def test_an_override_taken_back_ends_and_what_was_known_stays(front: Front) -> None:
    made = await proposed(front)
    body = {"reason": "I was there", "signature": signed("bob")}
    assert (await front.post(f"/admin/overrides/{made}/approve", body)).status_code == 200
    await front.go(12)
    person = await front.driver.person("ada")
    asked = {"as_of": "2026-01-13T00:00:00Z", "known_at": "2026-01-12T23:00:00Z"}
    before = await front.get(f"/people/{person}/competencies", **asked)
    assert (await front.delete(f"/admin/overrides/{made}")).status_code == 400
    answer = await front.delete(f"/admin/overrides/{made}", reason="signed for somebody else")
    assert answer.status_code == 204, answer.text
    await front.go(14)
    assert await front.driver.status("ada") == "not_started"
    again = await front.get(f"/people/{person}/competencies", **asked)
    assert again.content == before.content
    assert orjson.loads(again.content)["competencies"][0]["status"] == "achieved"
    assert (await front.delete(f"/admin/overrides/{made}", reason="again")).status_code == 404


async def test_nobody_approves_their_own_override_nor_without_role_or_password(
    front: Front,
) -> None:
    made = await proposed(front)
    path = f"/admin/overrides/{made}/approve"
    for signature in (
        signed("ann"),
        signed("cat"),
        signed("bob", "not the password"),
        signed("nobody"),
    ):
        answer = await front.post(path, {"reason": "so", "signature": signature})
        assert answer.status_code == 403, answer.text
    wrong = {"reason": "so", "signature": signed("bob", meaning="witness")}
    assert (await front.post(path, wrong)).status_code == 400
    right = {"reason": "so", "signature": signed("bob")}
    assert (await front.post(path, {"signature": signed("bob")})).status_code == 400
    assert (await front.post(path, right, key="stranger")).status_code == 404
    assert (await front.post(path, right)).status_code == 200
    assert (await front.post(path, right)).status_code == 409


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"to": "2026-04-06"}, "2026-04-05 at most"),
        ({"from": "2026-02-21"}, "later than"),
        ({"level": 2}, "levels"),
        ({"signature": signed("ann", meaning="because")}, "approval"),
        ({"reason": " "}, "missing or wrong"),
        ({"competency": "https://example.org/none"}, "no rule"),
    ],
)
async def test_an_override_keeps_to_what_the_rule_allows(
    front: Front, changes: dict[str, Any], says: str
) -> None:
    answer = await front.post("/admin/overrides", await override(front, **changes))
    assert answer.status_code in (400, 404), answer.text
    assert says in answer.text


async def test_a_rule_that_says_nothing_of_overrides_allows_none(front: Front) -> None:
    async with front.driver.records() as records:
        await records.put_rule(rule(version=3, effective_from="2025-06-01"))
    await front.go(11)
    answer = await front.post("/admin/overrides", await override(front))
    assert answer.status_code == 400
    assert "allows no overrides" in answer.text


async def test_a_contest_puts_an_award_under_review_until_somebody_else_closes_it(
    front: Front,
) -> None:
    await post_award(front.driver)
    await front.go(61)
    person = await front.driver.person("ada")
    body = {"competency": COMPETENCY, "reason": "the observation was another day"}
    path = f"/people/{person}/contests"
    assert (await front.post(path, body, key="reader")).status_code == 403
    assert (await front.post(path, body, key="stranger")).status_code == 404
    answer = await front.post(path, body, key="portal")
    assert answer.status_code == 201, answer.text
    review = answer.json()["review"]
    assert (await front.post(path, body, key="portal")).status_code == 409
    await front.go(62)
    assert await front.driver.status("ada") == "under_review"
    (listed,) = (await front.get("/reviews", open="true")).json()["reviews"]
    assert (listed["review"], listed["kind"]) == (review, "contest")
    close = {"outcome": "upheld", "reason": "I asked the centre", "signature": signed("bob")}
    unsigned = {key: value for key, value in close.items() if key != "signature"}
    assert (await front.post(f"/admin/reviews/{review}/close", unsigned)).status_code == 400
    answer = await front.post(f"/admin/reviews/{review}/close", close)
    assert answer.status_code == 200, answer.text
    assert (await front.post(f"/admin/reviews/{review}/close", close)).status_code == 409
    await front.go(63)
    assert await front.driver.status("ada") == "achieved"
    assert await front.told() == [
        ("achieved", None),
        ("under_review", "review"),
        ("reinstated", None),
    ]
    assert (await front.get("/reviews", open="true")).json()["reviews"] == []


async def test_nobody_closes_the_review_that_they_opened(front: Front) -> None:
    await post_award(front.driver)
    await front.go(61)
    body = {
        "person": str(await front.driver.person("ada")),
        "competency": COMPETENCY,
        "reason": "the assessor was seen elsewhere",
        "signature": signed("ann", meaning="review"),
    }
    answer = await front.post("/admin/reviews", body)
    assert answer.status_code == 201, answer.text
    path = f"/admin/reviews/{answer.json()['review']}/close"
    close = {"outcome": "upheld", "reason": "it was him"}
    for account, status in (("ann", 403), ("cat", 403), ("bob", 200)):
        answer = await front.post(path, {**close, "signature": signed(account)})
        assert answer.status_code == status, answer.text


async def test_every_step_is_audited_with_who_and_why(front: Front) -> None:
    made = await proposed(front)
    body = {"reason": "I was there", "signature": signed("bob")}
    assert (await front.post(f"/admin/overrides/{made}/approve", body)).status_code == 200
    await front.delete(f"/admin/overrides/{made}", reason="wrong person")
    rows = await front.driver.pool.fetch(
        "select actor, action, reason, after from aggregator.audit_event "
        "where subject = $1 order by event",
        f"override:{made}",
    )
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("admin", "override.proposed"),
        ("admin", "override.approved"),
        ("admin", "override.retracted"),
    ]
    assert [row["reason"] for row in rows] == [
        "assessed on paper while the tablets were away",
        "I was there",
        "wrong person",
    ]
    assert orjson.loads(rows[0]["after"])["proposed_by"] == "ann"
    # Each signature is bound to what was signed: both signed the same.
    hashes = await front.driver.pool.fetch("select distinct content_hash from aggregator.signature")
    assert len(hashes) == 1


async def test_a_roll_up_follows_an_override_of_its_child(front: Front) -> None:
    async with front.driver.records() as records:
        children = [{"competency": COMPETENCY}]
        await records.put_rule(
            {
                key: value
                for key, value in rule(
                    id="parent",
                    competency=PARENT,
                    rollup={"method": "all", "children": children},
                ).items()
                if key not in ("evidence", "requires", "validity")
            }
        )
    await front.go(11)
    made = await proposed(front)
    body = {"reason": "I was there", "signature": signed("bob")}
    assert (await front.post(f"/admin/overrides/{made}/approve", body)).status_code == 200
    await front.go(12)
    assert await front.driver.status("ada", PARENT) == "achieved"
    await front.go(51.1)
    assert await front.driver.status("ada", PARENT) != "achieved"
