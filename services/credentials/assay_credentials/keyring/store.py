"""The tables of issuers and keys, one typed method per query."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import asyncpg

from assay_credentials.keyring.names import Kind, Method
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_credentials", file="keyring")

Row = asyncpg.Record


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that is written down: its public half, and where its private one is."""

    issuer: str
    did: str
    method: str
    kind: Kind
    reference: str


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs as an issuer now. `name` is None for one that nobody has described."""

    name: str | None
    url: str | None
    new_method: Method | None
    new_kind: Kind | None
    key: KnownKey | None
    keys: int
    """How many keys it ever had."""


class KeyringStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def signing_key(self, tenant: str, issuer: str) -> Signing:
        row = await self._connection.fetchrow(QUERIES["signing_key"], tenant, issuer)
        if row is None:
            raise LookupError("a query without a condition gave no row")
        return Signing(
            name=row["name"],
            url=row["url"],
            new_method=row["new_method"],
            new_kind=row["new_kind"],
            key=None if row["method"] is None else _key(row, issuer),
            keys=row["keys"],
        )

    async def key_of_did(self, tenant: str, did: str) -> Signing | None:
        """The key that signs for a DID now, with its issuer; None when none does any more."""
        row = await self._connection.fetchrow(QUERIES["key_of_did"], tenant, did)
        if row is None:
            return None
        key = _key(row, row["issuer"])
        return Signing(row["name"], row["url"], None, None, key, keys=1)

    async def lock_issuer(self, tenant: str, issuer: str) -> None:
        """Until the transaction ends, nobody else makes a key of this issuer."""
        await self._connection.execute(QUERIES["lock_issuer"], tenant, issuer)

    async def insert_key(self, tenant: str, key: KnownKey) -> bool:
        """Make a key known as the one that signs; False when it, or another one, does already."""
        done: str = await self._connection.execute(
            QUERIES["insert_key"],
            tenant,
            key.method,
            key.issuer,
            key.did,
            key.kind,
            key.reference,
        )
        return done == "INSERT 0 1"

    async def lock_signing_keys(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of keys (tenant, method), those that may be published under. They stay so until the
        transaction ends.
        """
        wanted = sorted(set(keys))
        rows = await self._connection.fetch(
            QUERIES["lock_signing_keys"],
            [tenant for tenant, _ in wanted],
            [method for _, method in wanted],
        )
        return {(row["tenant"], row["method"]) for row in rows}

    async def public_keys(self, tenant: str, issuer: str) -> list[Row]:
        """Rows of did, method, kind, reference, state, made_at, retired_at and the issuer's name
        and url; the key that signs is the first.
        """
        rows: list[Row] = await self._connection.fetch(QUERIES["public_keys"], tenant, issuer)
        return rows

    async def put_issuer(
        self,
        tenant: str,
        issuer: str,
        name: str,
        url: str | None,
        method: Method | None = None,
        kind: Kind | None = None,
    ) -> None:
        """Describe an issuer. `method` and `kind` are those of keys that are made from now on;
        None leaves them as they are.
        """
        await self._connection.execute(
            QUERIES["put_issuer"], tenant, issuer, name, url, method, kind
        )


def _key(row: Row, issuer: str) -> KnownKey:
    return KnownKey(issuer, row["did"], row["method"], row["kind"], row["reference"])
