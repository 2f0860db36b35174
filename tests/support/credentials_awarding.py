"""Awards by hand on a real database, as the routes make them, for the tests of that."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from assay_credentials.awarding.standing import settle
from assay_credentials.issue import follow_awards
from assay_credentials.records import ACCOUNTS, Act, Records
from assay_runtime.accounts import NewAccount
from assay_schemas.events import PersonMerged, PersonUnmerged
from assay_testing import Database
from credentials_service import TENANT, Service, add_client, record

PASSWORD = "correct horse battery"
SCOPES = ("credentials/read", "credentials/admin")
WORKSHOP = "https://example.org/workshops/sterile-filling"
TODAY = date.today()


async def add_accounts(
    service: Service, tenant: str = TENANT, accounts: Iterable[str] = ("ada", "ben")
) -> None:
    """People who may sign awards."""
    async with service.pool.acquire() as connection, connection.transaction():
        records = await Records.begin(connection, tenant, Act("office", "they sign"))
        for one in accounts:
            new = NewAccount(one, one.capitalize(), ["award"])
            await ACCOUNTS.add(records, new, PASSWORD, temporary=False)


async def admin_of(database: Database, tenant: str = TENANT) -> tuple[str, str]:
    """A client that may award."""
    return await add_client(database, tenant, SCOPES)


def signature(account: str, password: str = PASSWORD, meaning: str = "award") -> dict[str, str]:
    return {"account": account, "password": password, "meaning": meaning}


def award_body(*people: UUID, **changed: Any) -> dict[str, Any]:
    """What is posted to propose an award by ada."""
    return {
        "competency": WORKSHOP,
        "people": [str(one) for one in people],
        "achieved_on": (TODAY - timedelta(days=3)).isoformat(),
        "expires_on": (TODAY + timedelta(days=362)).isoformat(),
        "timezone": "Europe/London",
        "reason": "assessed on site",
        "signature": signature("ada"),
        **changed,
    }


class Office:
    """An API client that awards, with ada and ben as the people who sign."""

    def __init__(self, service: Service, key: tuple[str, str]) -> None:
        self.service = service
        self.key = key

    async def post(self, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        response = await self.service.http.post(path, json=body, auth=self.key)
        assert response.status_code == status, response.text
        found: dict[str, Any] = response.json() if response.content else {}
        return found

    async def get(self, path: str) -> dict[str, Any]:
        response = await self.service.http.get(path, auth=self.key)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def propose(self, *people: UUID, **changed: Any) -> str:
        made = await self.post("/awards", award_body(*people, **changed), 201)
        return str(made["award"])

    async def award(self, *people: UUID, **changed: Any) -> str:
        """Proposed by ada, approved by ben, issued."""
        made = await self.propose(*people, **changed)
        await self.post(f"/awards/{made}/approve", {"signature": signature("ben")})
        await work(self.service)
        return made

    async def statuses(self, award: str) -> dict[str, str]:
        """Person to what came of it."""
        found = await self.get(f"/awards/{award}/people?limit=1000")
        return {one["person"]: one["status"] for one in found["people"]}


async def work(service: Service) -> None:
    """Settle and issue, until nothing is left."""
    while True:
        async with service.pool.acquire() as connection, connection.transaction():
            found = await settle(connection)
        while await follow_awards(service.shop()):
            found += 1
        if not found:
            return


async def merged(service: Service, person: UUID, kept: UUID, merge: UUID | None = None) -> UUID:
    """What the topic tells of a merge; its id."""
    identifier = merge or uuid4()
    await _told(service, PersonMerged, identifier, person, kept)
    return identifier


async def unmerged(service: Service, person: UUID, kept: UUID, merge: UUID) -> None:
    await _told(service, PersonUnmerged, merge, person, kept)


async def _told(
    service: Service,
    kind: type[PersonMerged] | type[PersonUnmerged],
    merge: UUID,
    person: UUID,
    kept: UUID,
) -> None:
    event = kind(
        event_id=uuid4(),
        tenant=TENANT,
        merge=merge,
        person=person,
        kept=kept,
        sequence=1 if kind is PersonMerged else 2,
        at="2026-04-01T09:30:00Z",
    )
    await service.apply_records([record(event.model_dump_json().encode())])
