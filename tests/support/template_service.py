"""Templates of the credentials service over HTTP, proposed and approved by two people."""

from collections.abc import Mapping
from typing import Any

import httpx

from assay_credentials.records import ACCOUNTS, Records
from assay_runtime.accounts import NewAccount
from assay_testing import Database
from credentials_service import TENANT, Service, add_client

AUTHOR = "ada"
APPROVER = "bea"
PASSWORD = "correct horse battery"
REASON = "agreed with the training board"


class Office:
    """Who keeps the templates of a tenant."""

    def __init__(self, service: Service, key: tuple[str, str]) -> None:
        self.http = service.http
        self.key = key

    @classmethod
    async def open(cls, service: Service, database: Database, tenant: str = TENANT) -> "Office":
        """A client that administers, and two accounts with both roles."""
        key = await add_client(database, tenant, ("credentials/read", "credentials/admin"))
        connection = await database.connect()
        try:
            async with connection.transaction():
                records = await Records.begin(connection, tenant)
                for account in (AUTHOR, APPROVER):
                    roles = ("template_author", "template_approver")
                    new = NewAccount(account, account.title(), roles)
                    await ACCOUNTS.add(records, new, PASSWORD, temporary=False)
        finally:
            await connection.close()
        return cls(service, key)

    async def post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        return await self.http.post(path, json=dict(body), auth=self.key)

    async def propose(
        self, template: str, content: Mapping[str, Any], by: str = AUTHOR, **changed: Any
    ) -> httpx.Response:
        """`changed`: other members of the body."""
        body = {"document": content, "reason": REASON, "signature": signature(by), **changed}
        return await self.post(f"/templates/{template}/versions", body)

    async def approve(
        self, template: str, version: int = 1, by: str = APPROVER, **changed: Any
    ) -> httpx.Response:
        body = {"reason": REASON, "signature": signature(by), **changed}
        return await self.post(f"/templates/{template}/versions/{version}/approve", body)

    async def end(self, template: str, version: int, by: str = APPROVER) -> httpx.Response:
        body = {"reason": REASON, "signature": signature(by)}
        return await self.post(f"/templates/{template}/versions/{version}/end", body)

    async def in_force(self, template: str, document: Mapping[str, Any]) -> int:
        """The version that holds the content, proposed and approved."""
        proposed = await self.propose(template, document)
        assert proposed.status_code == 201, proposed.text
        version: int = proposed.json()["version"]
        approved = await self.approve(template, version)
        assert approved.status_code == 200, approved.text
        return version


def signature(account: str, password: str = PASSWORD) -> dict[str, str]:
    return {"account": account, "password": password, "meaning": "I agree"}
