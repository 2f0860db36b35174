"""The tables of awarding, one typed method per query. Lives as long as one transaction."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

import asyncpg

from assay_credentials.awards import Key, Kind, Overruled
from assay_runtime.postgres import Connection
from assay_runtime.signing import Signature
from assay_runtime.sql import load_queries

if TYPE_CHECKING:
    from assay_credentials.awarding.manual import Wanted

QUERIES: Final = load_queries("assay_credentials", file="awarding")

Row = asyncpg.Record


class Merge(NamedTuple):
    """`person` is `kept`, or is so no longer."""

    tenant: str
    merge: UUID
    person: UUID
    kept: UUID
    is_retracted: bool


class Settled(NamedTuple):
    """What came of an award for one person; `why` is a code where it is refused."""

    person: UUID
    outcome: Literal["awarded", "already_holds", "refused"]
    why: str | None


def columns(rows: Iterable[Sequence[Any]], key: int, width: int) -> list[list[Any]]:
    """Parallel arrays of rows sorted by their first `key` values (any type, hence Any)."""
    ordered = sorted(rows, key=lambda row: tuple(row[:key]))
    return [list(column) for column in zip(*ordered, strict=True)] or [[] for _ in range(width)]


class AwardingStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _fetch(self, name: str, *arguments: object) -> list[Row]:
        rows: list[Row] = await self._connection.fetch(QUERIES[name], *arguments)
        return rows

    async def _row(self, name: str, *arguments: object) -> Row | None:
        row: Row | None = await self._connection.fetchrow(QUERIES[name], *arguments)
        return row

    # What stands above awards

    async def overruling(self, keys: Iterable[Key]) -> dict[Key, Overruled]:
        """Of these keys those that something stands above."""
        rows = await self._fetch("overruling", *columns(keys, 3, 3))
        return {
            (row["tenant"], row["person"], row["competency"]): Overruled(
                row["is_elsewhere"], row["is_outreach"]
            )
            for row in rows
        }

    async def give_work(self, query: str, limit: int) -> int:
        """`expire_signed`, `supersede_merged` or `restore_unmerged`; to how many awards."""
        return len(await self._fetch(query, limit))

    async def put_merges(self, merges: Iterable[Merge]) -> None:
        """What was taken back stays so."""
        # Of one merge the later line counts: both may stand in one batch.
        newest = {(one.tenant, one.merge): one for one in merges}
        if newest:
            await self._connection.execute(
                QUERIES["put_merges"], *columns(newest.values(), 2, len(Merge._fields))
            )

    # Awards by two people

    async def insert_manual_award(
        self, tenant: str, manual: UUID, wanted: "Wanted", *, reason: str, signed: Signature
    ) -> None:
        content = wanted.content(signed.meaning, reason)
        await self._connection.execute(
            QUERIES["insert_manual_award"],
            tenant,
            manual,
            wanted.kind,
            wanted.competency,
            wanted.level,
            wanted.achieved_on,
            wanted.expires_on,
            wanted.timezone,
            reason,
            wanted.request,
            signed.meaning,
            len(wanted.people),
            bytes.fromhex(content["people_sha256"]),
            signed.content_hash,
            signed.account,
            signed.signature,
        )
        await self._connection.execute(
            QUERIES["insert_manual_people"], tenant, manual, sorted(wanted.people)
        )

    async def lock_manual_award(self, tenant: str, manual: UUID) -> Row | None:
        return await self._row("lock_manual_award", tenant, manual)

    async def people_of(self, tenant: str, manual: UUID) -> list[UUID]:
        return [
            row["person"] for row in await self._fetch("people_of_manual_award", tenant, manual)
        ]

    async def refused_people(self, tenant: str, manual: UUID, kind: Kind) -> dict[UUID, str]:
        """Of the people of an award those who get none, with the code of why."""
        rows = await self._fetch("refused_people", tenant, manual, kind)
        return {row["person"]: row["why"] for row in rows}

    async def award_people(
        self, tenant: str, manual: UUID, wanted: "Wanted", people: Sequence[UUID], digest: bytes
    ) -> set[UUID]:
        """Those who hold it with this."""
        rows = await self._fetch(
            "award_people",
            tenant,
            sorted(people),
            wanted.competency,
            wanted.level,
            wanted.achieved_on,
            wanted.expires_on,
            wanted.timezone,
            digest,
            wanted.kind,
            manual,
        )
        return {row["person"] for row in rows}

    async def standings_of(
        self, tenant: str, people: Sequence[UUID], competency: str
    ) -> dict[UUID, str]:
        rows = await self._fetch("standings_of_people", tenant, list(people), competency)
        return {row["person"]: row["standing"] for row in rows}

    async def settle_people(self, tenant: str, manual: UUID, settled: Iterable[Settled]) -> None:
        await self._connection.execute(
            QUERIES["settle_manual_people"], tenant, manual, *columns(settled, 1, 3)
        )

    async def approve_manual_award(self, tenant: str, manual: UUID, signed: Signature) -> None:
        await self._connection.execute(
            QUERIES["approve_manual_award"], tenant, manual, signed.account, signed.signature
        )

    async def cancel_manual_award(self, tenant: str, manual: UUID, actor: str) -> None:
        await self._connection.execute(QUERIES["cancel_manual_award"], tenant, manual, actor)

    async def list_manual_awards(self, tenant: str, after: UUID, limit: int) -> list[Row]:
        return await self._fetch("list_manual_awards", tenant, after, limit)

    async def find_manual_award(self, tenant: str, manual: UUID) -> Row | None:
        return await self._row("find_manual_award", tenant, manual)

    async def count_people(self, tenant: str, manual: UUID) -> dict[str, int]:
        """People by what came of it for them."""
        rows = await self._fetch("count_manual_people", tenant, manual)
        return {row["status"]: row["people"] for row in rows}

    async def list_people(self, tenant: str, manual: UUID, after: UUID, limit: int) -> list[Row]:
        return await self._fetch("list_manual_people", tenant, manual, after, limit)

    async def insert_withdrawal(
        self,
        tenant: str,
        withdrawal: UUID,
        manual: UUID,
        person: UUID | None,
        *,
        reason: str,
        signed: Signature,
    ) -> None:
        await self._connection.execute(
            QUERIES["insert_manual_withdrawal"],
            tenant,
            withdrawal,
            manual,
            person,
            reason,
            signed.meaning,
            signed.content_hash,
            signed.account,
            signed.signature,
        )

    async def lock_withdrawal(self, tenant: str, withdrawal: UUID) -> Row | None:
        return await self._row("lock_manual_withdrawal", tenant, withdrawal)

    async def approve_withdrawal(self, tenant: str, withdrawal: UUID, signed: Signature) -> None:
        await self._connection.execute(
            QUERIES["approve_manual_withdrawal"],
            tenant,
            withdrawal,
            signed.account,
            signed.signature,
        )

    async def withdraw_people(
        self, tenant: str, manual: UUID, person: UUID | None, withdrawal: UUID
    ) -> list[UUID]:
        """Take the award back of one, or of all; of whom it was."""
        rows = await self._fetch("withdraw_people", tenant, manual, person)
        people = [row["person"] for row in rows]
        await self._connection.execute(
            QUERIES["note_withdrawal"], tenant, manual, people, withdrawal
        )
        return people

    async def list_withdrawals(
        self, tenant: str, manual: UUID, after: UUID, limit: int
    ) -> list[Row]:
        return await self._fetch("list_manual_withdrawals", tenant, manual, after, limit)

    # The outreach realm

    async def change_outreach_tenant(self, tenant: str, actor: str | None) -> bool:
        """Add it, or remove it when nobody adds it; whether it was otherwise before."""
        if actor is None:
            return await self._row("remove_outreach_tenant", tenant) is not None
        return await self._row("add_outreach_tenant", tenant, actor) is not None

    async def change_outreach_people(
        self, tenant: str, people: Iterable[UUID], actor: str | None
    ) -> list[UUID]:
        """Add them, or remove them when nobody adds them; those who were otherwise before."""
        wanted = sorted(set(people))
        if actor is None:
            rows = await self._fetch("remove_outreach_people", tenant, wanted)
        else:
            rows = await self._fetch("add_outreach_people", tenant, wanted, actor)
        return [row["person"] for row in rows]

    async def list_outreach_people(self, tenant: str, after: UUID, limit: int) -> list[Row]:
        return await self._fetch("list_outreach_people", tenant, after, limit)

    async def is_outreach_tenant(self, tenant: str) -> bool:
        row = await self._row("has_outreach_tenant", tenant)
        return row is not None and bool(row["is_outreach"])

    async def give_work_to(self, tenant: str, people: Iterable[UUID] | None) -> None:
        """The awards of these people (None: of all) are looked at again."""
        wanted = None if people is None else sorted(set(people))
        await self._connection.execute(QUERIES["work_of_people"], tenant, wanted)
