"""Takes rules through their life on a real database, as the routes do it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from aggregator_service_driver import TENANT, Driver
from assay_aggregator import accounts
from assay_aggregator.accounts import NewAccount
from assay_aggregator.admin import Act, Records
from assay_aggregator.lifecycle.drafts import DEFAULT_POLICY, Lifecycle, Policy, Standing
from assay_aggregator.lifecycle.impact import Impact
from assay_aggregator.lifecycle.preview import Preview, keep, previewed
from assay_aggregator.lifecycle.store import VersionKey
from assay_aggregator.rule import Rule, parse_rule
from assay_aggregator.signing import SignatureBody
from assay_aggregator.store import Store

PASSWORD = "correct horse battery"
PEOPLE = {
    "ada": ["rule_author"],
    "ben": ["rule_author", "rule_approver"],
    "cai": ["rule_approver"],
    "dee": ["rule_approver"],
}


def signed_by(account: str, meaning: str = "approval", password: str = PASSWORD) -> SignatureBody:
    return SignatureBody(account=account, password=password, meaning=meaning)


async def add_accounts(driver: Driver) -> None:
    async with driver.records() as records:
        for name, roles in PEOPLE.items():
            new = NewAccount(name, name.capitalize(), roles)
            await accounts.add(records, new, PASSWORD, temporary=False)


@asynccontextmanager
async def lifecycle(
    driver: Driver, reason: str | None = "because", policy: Policy = DEFAULT_POLICY
) -> AsyncIterator[Lifecycle]:
    """The steps that one request takes, in its transaction."""
    async with driver.pool.acquire() as connection, connection.transaction():
        act = Act("office", reason)
        records = await Records.begin(Store(connection), driver.shelf, TENANT, act)
        yield Lifecycle(records, policy)


async def draft(driver: Driver, document: Mapping[str, Any], author: str = "ada") -> Standing:
    async with lifecycle(driver) as life:
        return await life.draft(document, signed_by(author, "authorship"))


async def submit(driver: Driver, key: VersionKey) -> Standing:
    async with lifecycle(driver, None) as life:
        return await life.submit(key)


async def preview(
    driver: Driver, rule: Rule, retire_on: date | None = None
) -> tuple[UUID, Preview, list[Impact]]:
    """The preview of a rule or of its end, kept, with all its changes."""
    made = uuid4()
    changes: list[Impact] = []
    async with (
        driver.pool.acquire() as writing,
        writing.transaction(),
        driver.pool.acquire() as reading,
        reading.transaction(isolation="repeatable_read", readonly=True),
    ):
        async for found in previewed(Store(reading), driver.shelf, TENANT, rule, retire_on):
            changes += found.changes
            await keep(Store(writing), made, "office", found)
    assert found.is_done
    return made, found, changes


async def approve(
    driver: Driver,
    key: VersionKey,
    standing: Standing,
    made: UUID,
    approver: str = "cai",
    policy: Policy = DEFAULT_POLICY,
) -> Standing:
    async with lifecycle(driver, None, policy) as life:
        return await life.approve(key, standing.content_hash, made, signed_by(approver))


async def publish(driver: Driver, document: Mapping[str, Any]) -> list[Impact]:
    """Draft, submit, preview and approve; the changes that the preview told."""
    standing = await draft(driver, document)
    key = VersionKey(TENANT, document["id"], document["version"])
    standing = await submit(driver, key)
    made, _, changes = await preview(driver, parse_rule({**document, "status": "effective"}))
    standing = await approve(driver, key, standing, made)
    assert standing.state == "effective"
    return changes
