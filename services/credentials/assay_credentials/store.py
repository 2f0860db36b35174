"""The tables, one typed method per query. A `Store` lives as long as one transaction.

Rows are sorted here by the table's key before they are written, so that two transactions never
wait for each other crosswise.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from assay_credentials.awards import (
    STANDINGS,
    Award,
    Credential,
    Described,
    Key,
    Place,
    Terms,
    evidence_digest,
    reason_code,
)
from assay_credentials.lifecycle import State
from assay_credentials.status_list import Purpose
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries
from assay_schemas.events import CompetencyEvent, CredentialChanged
from assay_schemas.topics import CREDENTIALS

PROJECTION: Final = "credentials"
SCHEMA: Final = "credentials"
QUERIES: Final = load_queries("assay_credentials")

Row = asyncpg.Record
ListKey = tuple[str, UUID]
"""(tenant, list)"""


class List(NamedTuple):
    """A status list as far as giving out places needs it."""

    tenant: str
    list: UUID
    did: str
    purpose: Purpose
    size: int
    allocated: int
    is_open: bool


class Entry(NamedTuple):
    tenant: str
    list: UUID
    place: int
    credential: UUID


class Bit(NamedTuple):
    tenant: str
    list: UUID
    place: int
    value: bool


class Stepped(NamedTuple):
    tenant: str
    credential: UUID
    before: State
    after: State
    sequence: int
    reason: str | None


class Published(NamedTuple):
    tenant: str
    credential: UUID
    document: bytes
    contexts: str
    valid_from: datetime | None
    valid_until: datetime | None
    jwt: str | None


class Finished(NamedTuple):
    """An award whose version is dealt with; `failure` says why it has no credential."""

    tenant: str
    person: UUID
    competency: str
    version: int
    failure: str | None


class ListToSign(NamedTuple):
    did: str
    purpose: Purpose
    size: int
    version: int
    signed_version: int
    valid_until: datetime | None
    indexes: Sequence[int]


def _columns(rows: Iterable[Sequence[Any]], key: int, width: int) -> list[list[Any]]:
    """Parallel arrays of rows sorted by their first `key` values (any type, hence Any)."""
    ordered = sorted(rows, key=lambda row: tuple(row[:key]))
    return [list(column) for column in zip(*ordered, strict=True)] or [[] for _ in range(width)]


class Store:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def connection(self) -> Connection:
        """For the stores of areas, in the same transaction."""
        return self._connection

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(QUERIES[name], *arguments)
        return row

    async def _execute(self, name: str, *arguments: object) -> None:
        await self._connection.execute(QUERIES[name], *arguments)

    # Consuming

    async def put_awards(self, events: Iterable[tuple[CompetencyEvent, int]]) -> None:
        """Events, at most one of a key, each with its append time in milliseconds."""
        rows = [
            (
                one.tenant,
                one.person,
                one.competency,
                one.sequence,
                STANDINGS[one.status],
                one.level,
                one.achieved_on,
                one.expires_on,
                one.timezone,
                one.as_of,
                one.decision,
                one.rule,
                one.rule_version,
                one.rule_hash,
                evidence_digest(one),
                append_ms,
                reason_code(one),
            )
            for one, append_ms in events
        ]
        await self._execute("put_awards", *_columns(rows, 3, 17))
        heard = [row[:4] for row in rows if row[4] in ("withdrawn", "expired")]
        if heard:
            await self._execute("hear_awards", *_columns(heard, 3, 4))

    # Issuing

    async def take_awards(self, limit: int, lease_seconds: float) -> list[Award]:
        rows = await self._fetch("take_awards", limit, lease_seconds)
        return [
            Award(
                key=(row["tenant"], row["person"], row["competency"]),
                sequence=row["sequence"],
                standing=row["standing"],
                terms=_terms(row),
                as_of=row["as_of"],
                decision=row["decision"],
                evidence_digest=row["evidence_digest"],
                event_ms=row["event_ms"],
                version=row["version"],
                manual=row["manual"],
                kind=row["kind"],
                reason=row["reason"],
            )
            for row in rows
        ]

    async def current_credentials(self, keys: Iterable[Key]) -> list[Credential]:
        """Those that are intended, issued or suspended."""
        return [
            _credential(row)
            for row in await self._fetch("current_credentials", *_columns(keys, 3, 3))
        ]

    async def live_credentials(self, keys: Iterable[Key]) -> dict[Key, Credential]:
        """Those that are issued or suspended; of each key there is at most one."""
        rows = await self._fetch("live_credentials", *_columns(keys, 3, 3))
        return {one.key: one for one in map(_credential, rows)}

    async def insert_intentions(self, intentions: Iterable[Credential]) -> None:
        rows = [
            (
                one.key[0],
                one.id,
                one.key[1],
                one.key[2],
                one.sequence,
                one.decision,
                *one.terms,
                one.as_of,
                one.evidence_digest,
                one.did,
                one.salt,
                *_place(one.revocation),
                *_place(one.suspension),
                one.intended_at,
                one.method,
                *(one.template or (None, None)),
                one.manual,
                one.kind,
            )
            for one in intentions
        ]
        await self._execute("insert_intentions", *_columns(rows, 2, 24))

    async def retarget_intentions(self, intentions: Iterable[Credential]) -> None:
        rows = [
            (
                one.key[0],
                one.id,
                one.sequence,
                one.decision,
                *one.terms,
                one.as_of,
                one.evidence_digest,
                one.did,
                *_place(one.revocation),
                *_place(one.suspension),
                one.method,
                *(one.template or (None, None)),
                one.manual,
                one.kind,
            )
            for one in intentions
        ]
        await self._execute("retarget_intentions", *_columns(rows, 2, 20))

    async def lock_taken(self, versions: Mapping[Key, int]) -> set[Key]:
        """Of the awards with these versions, those that still have them and are not done."""
        rows = [(*key, version) for key, version in versions.items()]
        found = await self._fetch("lock_taken", *_columns(rows, 3, 4))
        return {(row["tenant"], row["person"], row["competency"]) for row in found}

    async def step_credentials(self, steps: Iterable[Stepped]) -> set[UUID]:
        rows = await self._fetch("step_credentials", *_columns(steps, 2, len(Stepped._fields)))
        return {row["credential"] for row in rows}

    async def publish_credentials(self, made: Iterable[Published]) -> set[UUID]:
        rows = await self._fetch("publish_credentials", *_columns(made, 2, len(Published._fields)))
        return {row["credential"] for row in rows}

    async def finish_awards(self, finished: Iterable[Finished]) -> None:
        rows = list(finished)
        if rows:
            await self._execute("finish_awards", *_columns(rows, 3, len(Finished._fields)))

    async def release_awards(self, keys: Iterable[Key]) -> None:
        rows = list(keys)
        if rows:
            await self._execute("release_awards", *_columns(rows, 3, 3))

    async def retry_failed(self) -> int:
        """Give work to every award that was set aside; how many there were."""
        return len(await self._fetch("retry_failed"))

    async def achievements(self, keys: Iterable[Key]) -> dict[tuple[str, str], Described]:
        """Descriptions by (tenant, competency), where there are any."""
        wanted = {(tenant, competency) for tenant, _, competency in keys}
        return {
            (row["tenant"], row["competency"]): Described(
                name=row["name"],
                description=row["description"],
                criteria=row["criteria"],
                code=row["code"],
                framework=row["framework"],
                levels=tuple(row["levels"]),
            )
            for row in await self._fetch("achievements", *_columns(wanted, 2, 2))
        }

    async def insert_outbox(self, events: Sequence[CredentialChanged]) -> None:
        """Leaves for Kafka after the commit, in this order."""
        if not events:
            return
        await self._execute(
            "insert_outbox",
            CREDENTIALS,
            [f"{one.tenant}:{one.credential}".encode() for one in events],
            [one.model_dump_json().encode() for one in events],
        )
        await self._fetch("notify_outbox")

    # Status lists

    async def open_lists(self, issuers: Iterable[tuple[str, str]]) -> list[Row]:
        """Open lists of issuers (tenant, DID), as rows of tenant, list, did, purpose."""
        return await self._fetch("open_lists", *_columns(issuers, 2, 2))

    async def insert_lists(self, rows: Iterable[tuple[str, UUID, str, Purpose, int]]) -> None:
        """Rows of (tenant, list, did, purpose, size); where one is open already, nothing."""
        await self._execute("insert_lists", *_columns(rows, 2, 5))

    async def lock_lists(self, lists: Iterable[ListKey]) -> list[List]:
        rows = await self._fetch("lock_lists", *_columns(set(lists), 2, 2))
        return [List(*row) for row in rows]

    async def close_lists(self, lists: Iterable[ListKey]) -> None:
        await self._execute("close_lists", *_columns(lists, 2, 2))

    async def insert_entries(self, entries: Iterable[Entry]) -> list[Entry]:
        """Take places; those that were free are answered."""
        rows = await self._fetch("insert_entries", *_columns(entries, 3, len(Entry._fields)))
        return [Entry(*row) for row in rows]

    async def count_entries(self, added: Iterable[tuple[str, UUID, int]]) -> None:
        await self._execute("count_entries", *_columns(added, 2, 3))

    async def set_entries(self, bits: Iterable[Bit]) -> None:
        """Set bits; the lists' versions move. The lists must be locked."""
        rows = await self._fetch("set_entries", *_columns(bits, 3, len(Bit._fields)))
        changed = {(row["tenant"], row["list"]) for row in rows}
        if changed:
            await self._execute("change_lists", *_columns(changed, 2, 2))

    async def due_lists(self, valid_until_before: datetime, limit: int) -> list[ListKey]:
        rows = await self._fetch("due_lists", valid_until_before, limit)
        return [(row["tenant"], row["list"]) for row in rows]

    async def list_to_sign(self, key: ListKey) -> ListToSign | None:
        row = await self._row("list_to_sign", *key)
        return None if row is None else ListToSign(*row)

    async def publish_list(
        self, key: ListKey, version: int, document: bytes, valid_until: datetime
    ) -> None:
        await self._execute("publish_list", *key, version, document, valid_until)

    async def find_lists(self, lists: Iterable[UUID]) -> list[Row]:
        """Rows of tenant, list, is_fresh, document (null before the first signature)."""
        return await self._fetch("find_lists", list(lists))

    # Issuers

    async def issuers(
        self, issuers: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[str, str | None]]:
        """Name and address of each (tenant, issuer) that is described."""
        rows = await self._fetch("issuers", *_columns(set(issuers), 2, 2))
        return {(row["tenant"], row["issuer"]): (row["name"], row["url"]) for row in rows}

    async def put_achievement(self, tenant: str, competency: str, described: Described) -> None:
        await self._execute(
            "put_achievement",
            tenant,
            competency,
            described.name,
            described.description,
            described.criteria,
            described.code,
            described.framework,
            list(described.levels),
        )

    # Answers

    async def list_credentials(
        self, tenant: str, person: UUID, after: UUID, limit: int
    ) -> list[Row]:
        return await self._fetch("list_credentials", tenant, person, after, limit)

    async def find_credential(self, credential: UUID) -> Row | None:
        return await self._row("find_credential", credential)

    async def find_shared(self, share_id: str) -> Row | None:
        return await self._row("find_shared", share_id)

    # Watching

    async def states(self) -> dict[str, int]:
        return {row["state"]: row["credentials"] for row in await self._fetch("states")}

    async def waiting(self) -> tuple[int, float]:
        """Awards with work, and the age of the oldest one's event in seconds."""
        (row,) = await self._fetch("waiting")
        return row["awards"], max(0.0, row["oldest_ms"] / 1000)

    async def count(self, what: str) -> int:
        """`failures`, `quarantined` or `unsigned_lists`."""
        (row,) = await self._fetch(f"count_{what}")
        return int(row["count"])


def _place(place: Place | None) -> tuple[UUID | None, int | None]:
    return (None, None) if place is None else (place.list, place.index)


def _terms(row: Row) -> Terms:
    return Terms(row["level"], row["achieved_on"], row["expires_on"], row["timezone"])


def _credential(row: Row) -> Credential:
    return Credential(
        key=(row["tenant"], row["person"], row["competency"]),
        id=row["credential"],
        state=row["state"],
        sequence=row["sequence"],
        decision=row["decision"],
        terms=_terms(row),
        as_of=row["as_of"],
        evidence_digest=row["evidence_digest"],
        did=row["did"],
        salt=row["salt"],
        revocation=Place(row["revocation_list"], row["revocation_index"]),
        suspension=(
            None
            if row["suspension_list"] is None
            else Place(row["suspension_list"], row["suspension_index"])
        ),
        intended_at=row["intended_at"],
        method=row["method"],
        template=(None if row["template"] is None else (row["template"], row["template_version"])),
        manual=row["manual"],
        kind=row["kind"],
    )
