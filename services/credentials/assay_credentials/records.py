"""Changing records of a tenant: one transaction, the audit trail beside it, signatures of people.

Every area that keeps records changes them through `Records`, so that none is changed without a
trace of who, when and why.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from assay_runtime.accounts import Accounts
from assay_runtime.audit import AuditEvent, AuditTrail
from assay_runtime.postgres import Connection
from assay_runtime.refusals import Refused
from assay_runtime.signing import Signature, SignatureBody, Signing
from assay_runtime.sql import load_queries

SCHEMA: Final = "credentials"

AWARDS: Final = "award"
"""The role of who awards and withdraws by hand."""

# What an account may do with its signature. One person may hold several.
ROLES: Final[Mapping[str, str]] = {
    AWARDS: "awards and withdraws by hand, together with a second person",
    "template_author": "proposes templates of credentials",
    "template_approver": "approves and retires templates of others",
}

TRAIL: Final = AuditTrail(SCHEMA)
SIGNING: Final = Signing(SCHEMA, ROLES)
ACCOUNTS: Final = Accounts(SIGNING)
_QUERIES: Final = load_queries("assay_credentials", file="awarding")


@dataclass(frozen=True, slots=True)
class Act:
    """Who changes records (an API client, or a command of the operator), and why."""

    actor: str = "operator"
    reason: str | None = None


BY_OPERATOR: Final = Act()


class Records:
    """Changes of one tenant's records, within the transaction that `begin` was called in."""

    def __init__(self, connection: Connection, tenant: str, recorded_ms: int, act: Act) -> None:
        self._connection = connection
        self._tenant = tenant
        self._recorded_ms = recorded_ms
        self._act = act

    @classmethod
    async def begin(cls, connection: Connection, tenant: str, act: Act = BY_OPERATOR) -> "Records":
        """Records dated by what the service has heard of the log."""
        return cls(connection, tenant, await recorded_ms(connection), act)

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def tenant(self) -> str:
        return self._tenant

    @property
    def recorded_ms(self) -> int:
        """The time of the log that the change is dated by."""
        return self._recorded_ms

    @property
    def actor(self) -> str:
        """The API client, or the operator, who changes."""
        return self._act.actor

    @property
    def reason(self) -> str | None:
        return self._act.reason

    def required_reason(self) -> str:
        """Why. Raises Refused where nobody said."""
        if self._act.reason is None or not self._act.reason.strip():
            raise Refused("`reason` is missing")
        return self._act.reason

    async def audit(
        self,
        action: str,
        subject: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a change in the audit trail, in its own transaction. `subject` is `<kind>:<id>`."""
        event = AuditEvent(self._act.actor, action, subject, self._act.reason, before, after)
        await TRAIL.record(self._connection, self._tenant, self._recorded_ms, event)

    async def sign(
        self, signature: SignatureBody, content: Mapping[str, Any], *, role: str
    ) -> Signature:
        """A person signs `content` (RFC 8785). Raises as `Signing.sign` does."""
        return await SIGNING.sign(
            self._connection,
            self._tenant,
            signature.account,
            signature.password,
            signature.meaning,
            content_hash(content),
            recorded_ms=self._recorded_ms,
            role=role,
        )


async def recorded_ms(connection: Connection) -> int:
    """One millisecond after the greatest time of the log that was heard of."""
    found: int = await connection.fetchval(_QUERIES["recorded_ms"])
    return found


def content_hash(content: Mapping[str, Any]) -> str:
    """SHA-256, hex, of the canonical JSON (RFC 8785): what a signature is bound to."""
    return hashlib.sha256(rfc8785.dumps(dict(content))).hexdigest()
