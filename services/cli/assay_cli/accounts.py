"""`assay accounts …`: people who sign, kept by an operator in every service that has signatures.

An account has the same name everywhere, and each service knows the roles that it asks for. The
accounts of all services are changed in one transaction.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from assay_aggregator.accounts import ACCOUNTS as AGGREGATOR_ACCOUNTS
from assay_aggregator.admin import Act, Records
from assay_aggregator.shelf import RuleShelf
from assay_aggregator.signing import SIGNING as AGGREGATOR_SIGNING
from assay_aggregator.store import Store
from assay_cli.clients import operator
from assay_cli.errors import StackError
from assay_cli.owner_connection import require_tenant
from assay_cli.people_records import as_owner
from assay_credentials import records as credentials
from assay_runtime.accounts import Accounts, Changing, NewAccount
from assay_runtime.auth_keys import new_secret
from assay_runtime.postgres import Connection
from assay_runtime.refusals import Unknown
from assay_runtime.signing import Signing

PAGE: Final = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """The accounts of one service, while its records are changed."""

    service: str
    accounts: Accounts
    signing: Signing
    records: Changing

    async def has(self, account: str) -> bool:
        found = await self.records.connection.fetchval(
            self.signing.queries["find_account"], self.records.tenant, account
        )
        return found is not None


async def places(connection: Connection, tenant: str, act: Act) -> list[Place]:
    """Every service with accounts, inside the caller's transaction."""
    aggregator = await Records.begin(Store(connection), RuleShelf(), tenant, act)
    ours = await credentials.Records.begin(
        connection, tenant, credentials.Act(act.actor, act.reason)
    )
    return [
        Place("aggregator", AGGREGATOR_ACCOUNTS, AGGREGATOR_SIGNING, aggregator),
        Place("credentials", credentials.ACCOUNTS, credentials.SIGNING, ours),
    ]


def add(tenant: str, reason: str, new: NewAccount) -> tuple[str, list[str]]:
    """Add it wherever it is not known yet; its temporary password there, and where that is.

    Raises StackError for a role that no service knows, and when every service knows the account.
    """
    return _change(tenant, reason, lambda found: add_in(found, new))


async def add_in(found: Sequence[Place], new: NewAccount) -> tuple[str, list[str]]:
    """As `add`, inside the caller's transaction."""
    _check_roles(found, new.roles)
    password = new_secret()
    fresh = [one for one in found if not await one.has(new.account)]
    if not fresh:
        raise StackError(f"the account {new.account} is taken")
    for one in fresh:
        roles = [role for role in new.roles if role in one.signing.roles]
        await one.accounts.add(one.records, NewAccount(new.account, new.name, roles), password)
    return password, [one.service for one in fresh]


def disable(tenant: str, reason: str, account: str) -> list[str]:
    """Let it sign no more, anywhere; where it did."""
    return _everywhere(
        tenant, reason, account, lambda place: place.accounts.disable(place.records, account)
    )


def reset(tenant: str, reason: str, account: str) -> tuple[str, list[str]]:
    """Another temporary password, the same everywhere; and where."""
    password = new_secret()

    async def once(place: Place) -> None:
        await place.accounts.reset_password(place.records, account, password)

    return password, _everywhere(tenant, reason, account, once)


def listed(tenant: str) -> list[dict[str, Any]]:
    """Every account of every service; one line for each."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for service, accounts in (
            ("aggregator", AGGREGATOR_ACCOUNTS),
            ("credentials", credentials.ACCOUNTS),
        ):
            after: str | None = None
            while page := await accounts.listed(connection, tenant, after=after, limit=PAGE):
                found += [{**one, "service": service} for one in page]
                after = page[-1]["account"]
        return sorted(found, key=lambda one: (one["account"], one["service"]))

    return as_owner(work)


def _everywhere(
    tenant: str, reason: str, account: str, once: Callable[[Place], Awaitable[None]]
) -> list[str]:
    return _change(tenant, reason, lambda found: everywhere(found, account, once))


async def everywhere(
    found: Sequence[Place], account: str, once: Callable[[Place], Awaitable[None]]
) -> list[str]:
    """Do it wherever the account is known; where that is. Raises Unknown."""
    known = [one for one in found if await one.has(account)]
    if not known:
        raise Unknown(f"there is no account {account}")
    for one in known:
        await once(one)
    return [one.service for one in known]


def _change(tenant: str, reason: str, work: Callable[[Sequence[Place]], Awaitable[T]]) -> T:
    async def run(connection: Connection) -> T:
        await require_tenant(connection, tenant)
        async with connection.transaction():
            return await work(await places(connection, tenant, Act(operator(), reason)))

    return as_owner(run)


def _check_roles(found: Sequence[Place], roles: Iterable[str]) -> None:
    known = [role for one in found for role in one.signing.roles]
    for role in roles:
        if role not in known:
            raise StackError(f"{role!r} is no role; there are: {', '.join(known)}")
