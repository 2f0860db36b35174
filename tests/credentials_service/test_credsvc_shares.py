"""Share links: made for the holder, with an end, taken back; who has one sees the credential."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from assay_credentials.holding.shares import SHARES_MAX, certificate_share, shared
from assay_credentials.store import Store
from assay_testing import Database
from credentials_service import PUBLIC_URL, TENANT, Service, add_client, event


async def issued(service: Service) -> dict[str, Any]:
    person = uuid4()
    await service.follow(event("achieved", person, 1))
    (one,) = await service.credentials(person)
    return one


async def made(service: Service, credential: str, **body: Any) -> dict[str, Any]:
    response = await service.http.post(
        f"/credentials/{credential}/shares", json={"expires_at": None, **body}, auth=service.key
    )
    assert response.status_code == 201, response.text
    found: dict[str, Any] = response.json()
    return found


async def status_of(service: Service, link: dict[str, Any]) -> int:
    path = link["share_url"].removeprefix(PUBLIC_URL)
    return (await service.http.get(path)).status_code


async def test_a_credential_has_no_link_until_one_is_made(service: Service) -> None:
    one = await issued(service)
    assert "share" not in str(one)
    listed = await service.http.get(f"/credentials/{one['id']}/shares", auth=service.key)
    assert listed.json() == {"links": []}


async def test_each_link_has_its_own_id_label_and_end(service: Service) -> None:
    one = await issued(service)
    end = datetime.now(UTC) + timedelta(days=30)
    first = await made(service, one["id"], label="for the job at Cell Works")
    second = await made(service, one["id"], expires_at=end.isoformat())
    assert first["share_url"] != second["share_url"]
    # 256 random bits, so nobody finds one by trying.
    assert all(len(link["share_url"].rpartition("/")[2]) == 43 for link in (first, second))
    assert [await status_of(service, link) for link in (first, second)] == [200, 200]
    service.now.append(end + timedelta(seconds=1))
    listed = (await service.http.get(f"/credentials/{one['id']}/shares", auth=service.key)).json()
    assert [(link["label"], link["open"]) for link in listed["links"]] == [
        ("for the job at Cell Works", True),
        (None, False),
    ]


async def test_a_link_that_is_over_opens_nothing_by_any_road(service: Service) -> None:
    one = await issued(service)
    link = await made(
        service, one["id"], expires_at=(datetime.now(UTC) + timedelta(hours=1)).isoformat()
    )
    share = link["share_url"].rpartition("/")[2]
    roads = (
        f"/share/{share}",
        f"/credentials/{one['id']}?share={share}",
        f"/credentials/{one['id']}/status?share={share}",
    )
    assert [(await service.http.get(road)).status_code for road in roads] == [200] * 3
    ended = "update credentials.share_link set revoked_at = now() where share_id = $1"
    await service.pool.execute(ended, share)
    assert [(await service.http.get(road)).status_code for road in roads] == [404] * 3
    async with service.pool.acquire() as connection:
        assert await shared(Store(connection), share) is None
    verified = await service.http.post("/verify", json={"url": link["share_url"]})
    assert verified.status_code == 404


async def test_an_end_that_has_come_closes_the_link(service: Service, postgres: Database) -> None:
    one = await issued(service)
    end = datetime.now(UTC) + timedelta(hours=1)
    link = await made(service, one["id"], expires_at=end.isoformat())
    assert await status_of(service, link) == 200
    owner = await postgres.connect()
    try:
        await owner.execute("update credentials.share_link set expires_at = now()")
    finally:
        await owner.close()
    assert await status_of(service, link) == 404


async def test_the_holder_takes_back_one_link_and_the_others_stay(service: Service) -> None:
    one = await issued(service)
    first, second = await made(service, one["id"]), await made(service, one["id"])
    path = f"/credentials/{one['id']}/shares/{first['link']}"
    for _ in range(2):
        assert (await service.http.delete(path, auth=service.key)).status_code == 204
    assert [await status_of(service, link) for link in (first, second)] == [404, 200]
    unknown = f"/credentials/{one['id']}/shares/{uuid4()}"
    assert (await service.http.delete(unknown, auth=service.key)).status_code == 404


async def test_what_became_of_it_is_shown_by_the_same_link(service: Service) -> None:
    one = await issued(service)
    link = await made(service, one["id"])
    await service.follow(event("revoked", UUID(one["person"]), 2))
    assert await status_of(service, link) == 200
    given = await service.verifier.verify_given(link["share_url"].encode())
    assert given.verification.outcome == "revoked"


async def test_shared_pages_are_not_indexed_or_kept(service: Service) -> None:
    one = await issued(service)
    link = await made(service, one["id"])
    response = await service.http.get(link["share_url"].removeprefix(PUBLIC_URL))
    assert response.headers["x-robots-tag"] == "noindex, nofollow"
    assert "no-store" in response.headers["cache-control"]
    assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "2100-01-01T00:00:00"},
        {"expires_at": None, "label": ""},
        {"expires_at": None, "label": "x" * 101},
        {"expires_at": None, "forever": True},
    ],
)
async def test_a_link_without_a_sound_end_is_refused(
    service: Service, body: dict[str, Any]
) -> None:
    one = await issued(service)
    path = f"/credentials/{one['id']}/shares"
    response = await service.http.post(path, json=body, auth=service.key)
    assert response.status_code == 400, response.text


async def test_links_are_made_by_those_who_act_for_the_holder_alone(
    service: Service, postgres: Database
) -> None:
    one = await issued(service)
    link = await made(service, one["id"])
    reader = await add_client(postgres, TENANT, ["credentials/read"])
    stranger = await add_client(postgres, "south")
    path = f"/credentials/{one['id']}/shares"
    for auth, wanted in ((reader, 403), (stranger, 404)):
        answers = [
            await service.http.post(path, json={"expires_at": None}, auth=auth),
            await service.http.get(path, auth=auth),
            await service.http.delete(f"{path}/{link['link']}", auth=auth),
        ]
        assert [answer.status_code for answer in answers] == [wanted] * 3
    assert (await service.http.post(path, json={"expires_at": None})).status_code == 401
    assert await status_of(service, link) == 200


async def test_links_of_one_credential_are_bounded(service: Service) -> None:
    one = await issued(service)
    links = [await made(service, one["id"]) for _ in range(SHARES_MAX)]
    path = f"/credentials/{one['id']}/shares"
    response = await service.http.post(path, json={"expires_at": None}, auth=service.key)
    assert (response.status_code, response.json()["type"]) == (
        409,
        "urn:assay:problem:too-many-links",
    )
    await service.http.delete(f"{path}/{links[0]['link']}", auth=service.key)
    assert (await made(service, one["id"]))["open"] is True


async def test_a_certificate_has_one_link_however_many_ask_for_it(service: Service) -> None:
    one = await issued(service)

    async def ask() -> str:
        async with service.pool.acquire() as connection, connection.transaction():
            return await certificate_share(Store(connection), TENANT, UUID(one["id"]), "test")

    first, *others = await asyncio.gather(*(ask() for _ in range(5)))
    assert set(others) == {first}
    (link,) = (await service.http.get(f"/credentials/{one['id']}/shares", auth=service.key)).json()[
        "links"
    ]
    assert (link["purpose"], link["expires_at"]) == ("certificate", None)
    path = f"/credentials/{one['id']}/shares/{link['link']}"
    assert (await service.http.delete(path, auth=service.key)).status_code == 204
    assert await ask() != first
