"""Queries of the operator's procedures on issuers and keys, one typed method each. Owner role."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple
from uuid import UUID

from assay_credentials.awards import Place
from assay_credentials.keyring.names import Kind
from assay_credentials.keyring.store import QUERIES, Row
from assay_credentials.lifecycle import State
from assay_runtime.postgres import Connection

KeyState = Literal["active", "verify_only", "removed", "compromised"]
AwardKey = tuple[UUID, str]
"""(person, competency) of the tenant at hand."""

_LIVE: Final = ("issued", "suspended")


class FoundKey(NamedTuple):
    """A key as it is written down."""

    issuer: str
    did: str
    method: str
    kind: Kind
    reference: str
    state: KeyState


class Signed(NamedTuple):
    """A credential that a key signed, and that is not revoked."""

    credential: UUID
    person: UUID
    competency: str
    state: State
    sequence: int
    revocation: Place
    suspension: Place | None

    @property
    def award(self) -> AwardKey:
        return self.person, self.competency

    @property
    def is_live(self) -> bool:
        return self.state in _LIVE


class IssuerRecords:
    """Queries over one connection, inside the caller's transaction, on one tenant."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant

    async def find_issuer(self, issuer: str) -> Row | None:
        """Row of name, url, method, kind."""
        row: Row | None = await self._connection.fetchrow(
            QUERIES["find_issuer"], self._tenant, issuer
        )
        return row

    async def find_key(self, method: str) -> FoundKey | None:
        """The key, locked until the transaction ends."""
        row = await self._connection.fetchrow(QUERIES["find_key"], self._tenant, method)
        return None if row is None else FoundKey(*row)

    async def set_key_state(self, method: str, state: KeyState) -> None:
        await self._connection.execute(QUERIES["set_key_state"], self._tenant, method, state)

    async def count_signed(self, method: str) -> dict[str, int]:
        """How many credentials the key signed, by state."""
        rows = await self._connection.fetch(QUERIES["count_signed"], self._tenant, method)
        return {row["state"]: row["credentials"] for row in rows}

    async def count(self, what: str, method: str) -> int:
        """`reissued`, `endorsements` or `transcripts` of a key."""
        found: int = await self._connection.fetchval(QUERIES[f"count_{what}"], self._tenant, method)
        return found

    async def lock_signed(self, method: str, limit: int) -> tuple[list[Signed], set[AwardKey]]:
        """The next credentials of a key that are not revoked, with their awards locked; and those
        of the awards that are held.
        """
        rows = await self._connection.fetch(QUERIES["signed_awards"], self._tenant, method, limit)
        keys = sorted({(row["person"], row["competency"]) for row in rows})
        people, competencies = [one[0] for one in keys], [one[1] for one in keys]
        locked = await self._connection.fetch(
            QUERIES["lock_awards"], [self._tenant] * len(keys), people, competencies
        )
        found = await self._connection.fetch(
            QUERIES["signed_credentials"], self._tenant, method, people, competencies
        )
        held = {(row["person"], row["competency"]) for row in locked if row["standing"] == "held"}
        return [_signed(row) for row in found], held

    async def ask_again(self, awards: Sequence[AwardKey]) -> int:
        """Have the held ones of these awards issued anew; how many."""
        keys = sorted(awards)
        rows = await self._connection.fetch(
            QUERIES["ask_again"],
            [self._tenant] * len(keys),
            [one[0] for one in keys],
            [one[1] for one in keys],
        )
        return len(rows)

    async def lock_endorsements(self, method: str, limit: int) -> list[tuple[UUID, Place]]:
        rows = await self._connection.fetch(
            QUERIES["signed_endorsements"], self._tenant, method, limit
        )
        return [
            (row["endorsement"], Place(row["revocation_list"], row["revocation_index"]))
            for row in rows
        ]

    async def withdraw_endorsements(self, endorsements: Sequence[UUID]) -> None:
        await self._connection.execute(
            QUERIES["withdraw_endorsements"], self._tenant, sorted(endorsements)
        )

    async def lists_of_did(self, did: str) -> list[UUID]:
        """Its status lists that may still be signed."""
        rows = await self._connection.fetch(QUERIES["lists_of_did"], self._tenant, did)
        return [row["list"] for row in rows]

    async def sign_lists_anew(self, did: str) -> None:
        await self._connection.execute(QUERIES["sign_lists_anew"], self._tenant, did)

    async def close_lists(self, did: str) -> None:
        """Nothing more takes a place in them."""
        await self._connection.execute(QUERIES["close_lists_of_did"], self._tenant, did)

    async def finish_list(
        self, list_: UUID, version: int, document: bytes | None, valid_until: datetime
    ) -> None:
        """The list is never signed again. Without a document it stays as it was signed last."""
        await self._connection.execute(
            QUERIES["finish_list"], self._tenant, list_, version, document, valid_until
        )


async def methods_called(connection: Connection, tenant: str, name: str) -> list[str]:
    """The keys of the tenant whose method, or its fragment, is `name`."""
    rows = await connection.fetch(QUERIES["methods_called"], tenant, name)
    return [row["method"] for row in rows]


async def list_issuers(connection: Connection, tenant: str | None) -> list[Row]:
    """Rows of tenant, issuer, name, url, method, kind; null where nobody has described it."""
    rows: list[Row] = await connection.fetch(QUERIES["list_issuers"], tenant)
    return rows


def _signed(row: Row) -> Signed:
    suspension = row["suspension_list"]
    return Signed(
        credential=row["credential"],
        person=row["person"],
        competency=row["competency"],
        state=row["state"],
        sequence=row["followed_sequence"],
        revocation=Place(row["revocation_list"], row["revocation_index"]),
        suspension=None if suspension is None else Place(suspension, row["suspension_index"]),
    )
