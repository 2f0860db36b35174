"""Answering by-id reads and lists of statements. See README.md."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from assay_ingest.canonical import (
    Definitions,
    Format,
    activities_of,
    canonical,
    exact,
    ids,
)
from assay_ingest.errors import StatementNotFound
from assay_ingest.first import Key
from assay_ingest.follow import Follower
from assay_ingest.languages import Languages
from assay_ingest.records import authority_term
from assay_ingest.search import ById, Search, more_token
from assay_ingest.settings import IngestSettings
from assay_ingest.store import PageBounds, Reader, Voider
from assay_ingest.times import iso
from assay_ingest.voiding import Target, why_not
from assay_ingest.window import Entry, Window
from assay_schemas.statement import Version, with_stored

# So many statements are put into another form before other requests have their turn.
SHOWN_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Answer:
    """Statements as JSON, and one by one; `stored_ms` where one was asked for by its id."""

    body: bytes
    statements: Sequence[bytes]
    stored_ms: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """How the reader wants to see statements: by which version, and in which languages."""

    version: Version
    languages: Languages


class Reading:
    """Answers what is read, over what `__main__` has opened."""

    def __init__(
        self, *, settings: IngestSettings, reader: Reader, window: Window, follower: Follower
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._window = window
        self._follower = follower

    @property
    def watermark_ms(self) -> int:
        """Lists are complete up to this time, as far as this process knows."""
        return self._follower.watermark_ms

    async def read(self, tenant: str, wanted: ById, view: View) -> Answer:
        """One statement by its id, also when the store has not applied it yet.

        Raises StatementNotFound; a voided statement is found only as a voided one.
        """
        key = Key(tenant, wanted.id)
        # The window before the store: what leaves it in between is in the store by then.
        entry = self._window.find(key)
        voided = self._window.is_voided(key)
        early = self._window.early_voids(key)
        found = await self._reader.statement(tenant, wanted.id)
        if found is not None:
            voided = voided or found.voided
            raw, stored_ms = found.raw, found.stored_ms
        elif entry is not None:
            raw, stored_ms = entry.raw, entry.append_ms
            voided = voided or await self._voided_before(entry, early)
        else:
            raise StatementNotFound("there is no such statement")
        if wanted.mine is not None and wanted.mine != _authority_term(raw):
            raise StatementNotFound("there is no such statement of this client's own")
        if voided != wanted.voided:
            raise StatementNotFound(
                "the statement is voided" if voided else "there is no such voided statement"
            )
        (statement,) = await self._shown(tenant, [(stored_ms, raw)], wanted.format, view)
        return Answer(statement, (statement,), stored_ms)

    async def _voided_before(self, entry: Entry, early: Sequence[Entry]) -> bool:
        """Whether voids that came before their target, which the store has not yet, count for it.

        The store judges them anew when it applies the target; until then this says the same.
        """
        target = Target(entry.source, entry.voids)
        stored = await self._reader.voids(entry.key.tenant, entry.key.id)
        voids: list[Entry | Voider] = [*early, *stored]
        return any(
            why_not(
                target,
                source=one.source,
                learner_controlled=one.learner_controlled,
                may_void=one.may_void,
            )
            is None
            for one in voids
        )

    async def settled(self, seconds: float | None = None) -> int:
        """Wait a little, bounded, for what this process has had acknowledged to be applied.

        For at most `seconds`, or those of lists. The watermark then, in milliseconds. Raises
        StoreNotAvailable.
        """
        seconds = self._settings.list_wait_seconds if seconds is None else seconds
        waited_for = self._window.newest_ms
        watermark_ms = await self._follower.refresh()
        if watermark_ms < waited_for and seconds > 0:
            await self._follower.reach(waited_for, seconds)
            watermark_ms = self._follower.watermark_ms
        return watermark_ms

    async def list(self, tenant: str, search: Search, path: str, view: View) -> Answer:
        """One page of statements as JSON. `path` is that of the resource, for `more`."""
        settings = self._settings
        # 1. Wait a little for what this process has had acknowledged.
        watermark_ms = await self.settled()
        # 2. One page by keyset, cut at the watermark.
        limit = min(search.limit or settings.page_statements, settings.page_statements_max)
        page = await self._reader.search(
            search,
            tenant=tenant,
            watermark_ms=watermark_ms,
            bounds=PageBounds(
                rows_max=limit,
                bytes_max=settings.page_bytes_max,
                scan_rows_max=settings.search_scan_rows_max,
                seconds_max=settings.search_seconds_max,
            ),
        )
        # 3. `more` where there is more, or may be.
        more = "" if page.next is None else f"{path}?more={more_token(search, page.next)}"
        # 4. Each statement in the form that was asked for.
        rows = [(stored_ms, raw) for stored_ms, _, raw in page.rows]
        statements = await self._shown(tenant, rows, search.format, view)
        body = b'{"statements":[%b],"more":"%b"}' % (b",".join(statements), more.encode())
        return Answer(body, statements)

    async def _shown(
        self, tenant: str, rows: Sequence[tuple[int, bytes]], wanted: Format, view: View
    ) -> Sequence[bytes]:
        """Recorded statements, each with its `stored` in milliseconds, as they are answered."""
        in_utc = view.version != "1.0.3"
        timed = [
            exact(with_stored(raw, stored := iso(at), stored), in_utc=in_utc) for at, raw in rows
        ]
        if wanted == "exact":
            return timed
        definitions: Definitions = {}
        if wanted == "canonical":
            definitions = await self._reader.definitions(tenant, activities_of(timed))
        shown: list[bytes] = []
        for number, raw in enumerate(timed):
            if number % SHOWN_AT_ONCE == SHOWN_AT_ONCE - 1:
                # A long page must not hold up the requests of others.
                await asyncio.sleep(0)
            shown.append(
                ids(raw) if wanted == "ids" else canonical(raw, view.languages, definitions)
            )
        return shown


class _Authority(msgspec.Struct):
    authority: dict[str, Any]


_authority = msgspec.json.Decoder(_Authority)


def _authority_term(raw: bytes) -> UUID:
    return authority_term(_authority.decode(raw).authority)
