"""Electronic signatures of people: re-authentication, printed name, time, meaning, content.

A signature is bound to the hash of what was signed: another content is another hash, and the
signature says nothing about it (21 CFR 11.50, 11.70, 11.200; EU GMP Annex 11 clause 14). A person
signs with an account of their own, whatever API client carries the request; a client alone has no
password of an account and cannot sign. Each service keeps accounts and signatures of its own, in
the tables `account` and `signature` of its schema.

A wrong password ends the caller's transaction (`SignatureRefused`); `count_refusal` then counts it
in a transaction of its own, so that it is never undone with the rest.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from assay_runtime.audit import AuditEvent, AuditTrail
from assay_runtime.auth_keys import fits, hash_secret, new_secret
from assay_runtime.postgres import Connection
from assay_runtime.refusals import Forbidden, Refused, SignatureRefused
from assay_runtime.sql import load_queries

MEANING_CHARACTERS_MAX: Final = 200
PASSWORD_CHARACTERS_MAX: Final = 200


class SignatureBody(BaseModel):
    """The member `signature` of a request's body."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account: Annotated[str, Field(min_length=1, max_length=63)]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_CHARACTERS_MAX, repr=False)]
    meaning: Annotated[str, Field(min_length=1, max_length=MEANING_CHARACTERS_MAX, pattern=r"\S")]


@dataclass(frozen=True, slots=True)
class Signature:
    """What was signed, by whom (`name` as printed), when and in which meaning."""

    signature: UUID
    account: str
    name: str
    meaning: str
    content_hash: str
    recorded_ms: int
    signed_at: datetime

    def document(self) -> dict[str, Any]:
        """As it is shown to people and put into packs."""
        return {
            "signature": str(self.signature),
            "account": self.account,
            "name": self.name,
            "meaning": self.meaning,
            "content_hash": self.content_hash,
            "signed_at": self.signed_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Lockout:
    """After so many wrong passwords in a row, an account is locked for so long."""

    failures_max: int
    seconds: float


class Signing:
    """The signatures of one service; `roles` is what an account may do with its own, and why."""

    def __init__(self, schema: str, roles: Mapping[str, str]) -> None:
        self.queries = load_queries("assay_runtime", file="signing", schema=schema)
        self.roles = roles
        self._trail = AuditTrail(schema)

    async def sign(
        self,
        connection: Connection,
        tenant: str,
        account: str,
        password: str,
        meaning: str,
        content_hash: str,
        *,
        recorded_ms: int,
        role: str | None = None,
    ) -> Signature:
        """Re-authenticate the person and write their signature, in the caller's transaction.

        `role` is one of `roles` that the account must hold. Raises SignatureRefused (account or
        password wrong, locked, password still temporary), Forbidden (role), Refused (no meaning).
        """
        if not meaning.strip():
            raise Refused("`meaning` of the signature is empty")
        row = await self.authenticate(connection, tenant, account, password)
        if row["temporary"]:
            raise _refused(tenant, account, "the password is temporary: choose your own first")
        if role is not None and role not in row["roles"]:
            raise Forbidden(f"the account {account} does not hold the role {role}")
        signature = uuid4()
        name: str = row["name"]
        signed_at = await connection.fetchval(
            self.queries["insert_signature"],
            tenant,
            signature,
            account,
            name,
            meaning,
            content_hash,
            recorded_ms,
        )
        return Signature(signature, account, name, meaning, content_hash, recorded_ms, signed_at)

    async def authenticate(
        self, connection: Connection, tenant: str, account: str, password: str
    ) -> Mapping[str, Any]:
        """The account's row, locked to the end of the transaction. Raises SignatureRefused.

        Each way to be refused costs one comparison, so that the time does not tell whether there is
        such an account. While an account is locked the right password is refused, too.
        """
        row = await connection.fetchrow(self.queries["lock_account"], tenant, account)
        stored = _dummy() if row is None else row["secret_hash"]
        is_right = await asyncio.to_thread(fits, stored, password)
        if row is None or row["disabled_at"] is not None or not is_right:
            if row is not None and row["is_locked"]:
                raise _refused(tenant, account, _LOCKED)
            raise _refused(tenant, account, "account or password is wrong", is_wrong_password=True)
        if row["is_locked"]:
            raise _refused(tenant, account, _LOCKED)
        await connection.execute(self.queries["forget_failures"], tenant, account)
        return dict(row)

    async def count_refusal(
        self,
        connection: Connection,
        refused: SignatureRefused,
        *,
        actor: str,
        recorded_ms: int,
        lockout: Lockout,
    ) -> None:
        """Count a refused signature and write it into the audit trail.

        Call it in a transaction of its own, after that of the change was given up.
        """
        tenant, account = refused.tenant, refused.account
        found = await connection.fetchval(self.queries["find_account"], tenant, account)
        is_known = found is not None
        # What was typed as an account that is none may be a password: it is not kept.
        subject = f"account:{account}" if is_known else "account:unknown"
        event = AuditEvent(actor, "signature.refused", subject, str(refused))
        await self._trail.record(connection, tenant, recorded_ms, event)
        if not (is_known and refused.is_wrong_password):
            return
        row = await connection.fetchrow(
            self.queries["count_failure"], tenant, account, lockout.failures_max, lockout.seconds
        )
        if row is not None and row["is_locked"]:
            after = {"failures": lockout.failures_max, "seconds": lockout.seconds}
            event = AuditEvent(actor, "account.locked", subject, str(refused), after=after)
            await self._trail.record(connection, tenant, recorded_ms, event)

    async def signatures(
        self, connection: Connection, tenant: str, wanted: list[UUID]
    ) -> dict[UUID, Signature]:
        """The signatures with these ids."""
        rows = await connection.fetch(self.queries["find_signatures"], tenant, wanted)
        return {row["signature"]: Signature(**dict(row)) for row in rows}


_LOCKED: Final = "the account is locked for a time after wrong passwords"


def _refused(
    tenant: str, account: str, text: str, *, is_wrong_password: bool = False
) -> SignatureRefused:
    return SignatureRefused(
        text, tenant=tenant, account=account, is_wrong_password=is_wrong_password
    )


@cache
def _dummy() -> str:
    """A hash that no password fits, made when it is first needed."""
    return hash_secret(new_secret())
