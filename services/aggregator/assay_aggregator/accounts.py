"""Accounts of people who sign: added, listed, disabled, and their passwords.

An account is a person's own and is never given to another: a disabled name stays taken (21 CFR
11.100(a), 11.300(a)). Whoever adds an account or resets its password sets a temporary one, with
which nothing can be signed until the person has chosen their own.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from assay_aggregator.admin import Records
from assay_aggregator.errors import Refused, RuleConflict, Unknown
from assay_aggregator.signing import (
    PASSWORD_CHARACTERS_MAX,
    QUERIES,
    ROLES,
    authenticate,
)
from assay_aggregator.store import Row
from assay_runtime.auth_keys import hash_secret, new_secret
from assay_runtime.postgres import Connection

NAME_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to add. `name` is the person's as it is printed beside a signature."""

    account: str
    name: str
    roles: Sequence[str]


def check_password(password: str, characters_min: int) -> None:
    """Raises Refused by length alone: rules of composition help nobody (NIST SP 800-63B)."""
    if not characters_min <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise Refused(
            f"`password` has {len(password)} characters: "
            f"{characters_min} to {PASSWORD_CHARACTERS_MAX} are allowed"
        )


async def add(records: Records, new: NewAccount, password: str, *, temporary: bool = True) -> None:
    """Add an account. Raises RuleConflict for a name that is taken, also by a disabled account."""
    roles = sorted(set(new.roles))
    for role in roles:
        if role not in ROLES:
            raise Refused(f"`roles`: {role!r} is no role; there are: {', '.join(ROLES)}")
    if not new.name.strip() or len(new.name) > NAME_CHARACTERS_MAX:
        raise Refused(f"`name` is empty or longer than {NAME_CHARACTERS_MAX} characters")
    tag = await records.store.connection.execute(
        QUERIES["insert_account"],
        records.tenant,
        new.account,
        new.name,
        await asyncio.to_thread(hash_secret, password),
        temporary,
        roles,
    )
    if tag != "INSERT 0 1":
        raise RuleConflict(f"the account {new.account} is taken")
    await records.audit("account.added", f"account:{new.account}", after={"roles": roles})


async def disable(records: Records, account: str) -> None:
    """Let an account sign no more. Its signatures stay good. Raises Unknown."""
    await _require(records, account, "disable_account")
    await records.audit("account.disabled", f"account:{account}")


async def reset_password(records: Records, account: str) -> str:
    """Give an account another temporary password, and unlock it. Raises Unknown."""
    password = new_secret()
    secret_hash = await asyncio.to_thread(hash_secret, password)
    await _require(records, account, "set_password", secret_hash, True)
    await records.audit("account.password_reset", f"account:{account}")
    return password


async def set_password(records: Records, account: str, password: str) -> None:
    """Give an account a password that is not temporary: for a person who chose it just here."""
    secret_hash = await asyncio.to_thread(hash_secret, password)
    await _require(records, account, "set_password", secret_hash, False)
    await records.audit("account.password_changed", f"account:{account}")


async def change_password(records: Records, account: str, old: str, new: str) -> None:
    """The person chooses another password. Raises SignatureRefused; Refused for the same again."""
    await authenticate(records.store.connection, records.tenant, account, old)
    if old == new:
        raise Refused("`new` is the password of before")
    await set_password(records, account, new)


async def listed(
    connection: Connection, tenant: str, *, after: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """The accounts of a tenant in order, without anything secret."""
    rows: list[Row] = await connection.fetch(QUERIES["list_accounts"], tenant, after, limit)
    return [dict(row) for row in rows]


async def _require(records: Records, account: str, query: str, *values: object) -> None:
    found = await records.store.connection.fetchval(
        QUERIES[query], records.tenant, account, *values
    )
    if found is None:
        raise Unknown(f"there is no account {account}, or it is disabled")
