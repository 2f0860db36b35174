"""Accounts of people who sign: added, listed, disabled, and their passwords.

An account is a person's own and is never given to another: a disabled name stays taken (21 CFR
11.100(a), 11.300(a)). Whoever adds an account or resets its password sets a temporary one, with
which nothing can be signed until the person has chosen their own.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from assay_runtime.auth_keys import hash_secret, new_secret
from assay_runtime.postgres import Connection
from assay_runtime.refusals import Contradiction, Refused, Unknown
from assay_runtime.signing import PASSWORD_CHARACTERS_MAX, Signing

NAME_CHARACTERS_MAX: Final = 200


class Changing(Protocol):
    """A tenant's records while they are changed, in one transaction."""

    @property
    def connection(self) -> Connection: ...

    @property
    def tenant(self) -> str: ...

    async def audit(
        self,
        action: str,
        subject: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a change in the audit trail."""


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


class Accounts:
    """The accounts of the service whose signatures these are."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing
        self._queries = signing.queries

    async def add(
        self, records: Changing, new: NewAccount, password: str, *, temporary: bool = True
    ) -> None:
        """Add an account. Raises Contradiction for a name that is taken, also by a disabled one."""
        roles = sorted(set(new.roles))
        known = self._signing.roles
        for role in roles:
            if role not in known:
                raise Refused(f"`roles`: {role!r} is no role; there are: {', '.join(known)}")
        if not new.name.strip() or len(new.name) > NAME_CHARACTERS_MAX:
            raise Refused(f"`name` is empty or longer than {NAME_CHARACTERS_MAX} characters")
        tag = await records.connection.execute(
            self._queries["insert_account"],
            records.tenant,
            new.account,
            new.name,
            await asyncio.to_thread(hash_secret, password),
            temporary,
            roles,
        )
        if tag != "INSERT 0 1":
            raise Contradiction(f"the account {new.account} is taken")
        await records.audit("account.added", f"account:{new.account}", after={"roles": roles})

    async def disable(self, records: Changing, account: str) -> None:
        """Let an account sign no more. Its signatures stay good. Raises Unknown."""
        await self._require(records, account, "disable_account")
        await records.audit("account.disabled", f"account:{account}")

    async def reset_password(
        self, records: Changing, account: str, password: str | None = None
    ) -> str:
        """Give an account another temporary password, and unlock it. Raises Unknown."""
        password = password or new_secret()
        secret_hash = await asyncio.to_thread(hash_secret, password)
        await self._require(records, account, "set_password", secret_hash, True)
        await records.audit("account.password_reset", f"account:{account}")
        return password

    async def set_password(self, records: Changing, account: str, password: str) -> None:
        """Give an account a password that is not temporary: for a person who chose it just here."""
        secret_hash = await asyncio.to_thread(hash_secret, password)
        await self._require(records, account, "set_password", secret_hash, False)
        await records.audit("account.password_changed", f"account:{account}")

    async def change_password(self, records: Changing, account: str, old: str, new: str) -> None:
        """The person chooses another password. Raises SignatureRefused; Refused for the same."""
        await self._signing.authenticate(records.connection, records.tenant, account, old)
        if old == new:
            raise Refused("`new` is the password of before")
        await self.set_password(records, account, new)

    async def listed(
        self, connection: Connection, tenant: str, *, after: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """The accounts of a tenant in order, without anything secret."""
        rows = await connection.fetch(self._queries["list_accounts"], tenant, after, limit)
        return [dict(row) for row in rows]

    async def _require(self, records: Changing, account: str, query: str, *values: object) -> None:
        found = await records.connection.fetchval(
            self._queries[query], records.tenant, account, *values
        )
        if found is None:
            raise Unknown(f"there is no account {account}, or it is disabled")
