"""The rows of `api_client`: added, rotated, revoked and listed, in the schema of one service.

These are the queries; who may do it and what is noted about it stands in `assay_ingest.clients`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from assay_runtime.auth_scopes import services_of
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries


@dataclass(frozen=True, slots=True)
class Bound:
    """The tokens that are a client's: those of `issuer` whose `claim` has the value `value`."""

    issuer: str
    claim: str
    value: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of a client's own; None is that of the settings."""

    requests_per_second_max: float | None = None
    statements_per_second_max: float | None = None
    statements_per_day_max: int | None = None


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client that is not there yet. It has a secret's hash, or is bound to tokens, or both."""

    tenant: str
    name: str
    source: str | None
    scopes: tuple[str, ...]
    secret_hash: str | None
    bound: Bound | None
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client as its row says, without its hashes."""

    tenant: str
    name: str
    source: str | None
    scopes: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    has_secret: bool
    previous_secret_until: datetime | None
    bound: Bound | None
    allowance: Allowance

    @property
    def services(self) -> tuple[str, ...]:
        """Whose tables hold it, by its scopes."""
        return services_of(self.scopes)


class ClientRows:
    """The table in one schema, over a connection; transactions are the caller's."""

    def __init__(self, connection: Connection, schema: str) -> None:
        self._connection = connection
        self._sql = load_queries("assay_runtime", schema=schema)

    async def add(self, new: NewClient) -> bool:
        """False when the name was ever used, or the tokens have another client."""
        bound, allowance = new.bound, new.allowance
        added = await self._connection.fetchval(
            self._sql["add_client"],
            new.name,
            new.tenant,
            new.secret_hash,
            new.source,
            list(new.scopes),
            bound and bound.issuer,
            bound and bound.claim,
            bound and bound.value,
            allowance.requests_per_second_max,
            allowance.statements_per_second_max,
            allowance.statements_per_day_max,
        )
        return added is not None

    async def rotate(
        self, tenant: str, name: str, secret_hash: str, overlap_seconds: float
    ) -> bool:
        """Another secret; that of before works for so long. False without a client that has one."""
        rotated = await self._connection.fetchval(
            self._sql["rotate_client"], tenant, name, secret_hash, overlap_seconds
        )
        return rotated is not None

    async def revoke(self, tenant: str, name: str) -> bool:
        """False when there is no such client, or it was revoked before."""
        revoked = await self._connection.fetchval(self._sql["revoke_client"], tenant, name)
        return revoked is not None

    async def find(self, tenant: str, name: str) -> KnownClient | None:
        """The client, revoked or not."""
        row = await self._connection.fetchrow(self._sql["show_client"], tenant, name)
        return None if row is None else _known(row)

    async def listed(
        self, tenant: str | None, *, after: tuple[str, str] = ("", ""), limit: int = 500
    ) -> Sequence[KnownClient]:
        """Clients of a tenant, or of all with None, in the order of (tenant, name)."""
        rows = await self._connection.fetch(self._sql["list_clients"], *after, tenant, limit)
        return [_known(row) for row in rows]


def _known(row: asyncpg.Record) -> KnownClient:
    bound = None
    if row["oidc_issuer"] is not None:
        bound = Bound(row["oidc_issuer"], row["oidc_claim"], row["oidc_value"])
    return KnownClient(
        tenant=row["tenant"],
        name=row["name"],
        source=row["source"],
        scopes=tuple(row["scopes"]),
        created_at=row["created_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        has_secret=row["has_secret"],
        previous_secret_until=row["previous_secret_until"],
        bound=bound,
        allowance=Allowance(
            row["requests_per_second_max"],
            row["statements_per_second_max"],
            row["statements_per_day_max"],
        ),
    )
