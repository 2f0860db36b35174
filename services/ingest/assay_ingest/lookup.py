"""Looking up which ids are kept: what is asked while a query runs, is asked together in the next.

Each request may ask for its own ids, and a hundred single statements at once would cost a hundred
queries. Nobody waits for company: a look-up that finds no query running starts one at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from assay_ingest.errors import StoreNotAvailable
from assay_ingest.first import Key, Known

# So that one query stays short; a request that alone has more asks for them all.
IDS_PER_QUERY: Final = 2_000
QUERIES_AT_ONCE: Final = 2

Find = Callable[[list[str], list[UUID]], Awaitable[dict[Key, Known]]]


@dataclass(frozen=True, slots=True)
class _Asked:
    tenant: str
    ids: Sequence[UUID]
    answer: asyncio.Future[dict[UUID, Known]]


class Lookup:
    """Joins look-ups. `find` gets parallel lists of tenants and ids, and answers what is kept."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._asked: list[_Asked] = []
        self._running: set[asyncio.Task[None]] = set()

    async def find(self, tenant: str, ids: Sequence[UUID]) -> dict[UUID, Known]:
        """Those of `ids` that are kept, by a query that begins after this call.

        Raises StoreNotAvailable.
        """
        answer = asyncio.get_running_loop().create_future()
        self._asked.append(_Asked(tenant, ids, answer))
        if len(self._running) < QUERIES_AT_ONCE:
            task = asyncio.create_task(self._work())
            self._running.add(task)
        found: dict[UUID, Known] = await answer
        return found

    async def _work(self) -> None:
        task = asyncio.current_task()
        try:
            while self._asked:
                await self._query()
        finally:
            # Here and not in a callback, which comes a turn of the loop later: whoever asks in
            # between would count on a worker that has left.
            self._running = {one for one in self._running if one is not task}

    async def _query(self) -> None:
        taken, tenants, ids = self._take()
        try:
            found = await self._find(tenants, ids)
        except Exception as error:  # noqa: BLE001 - handed to everybody who asked
            _fail(taken, error)
            return
        for one in taken:
            if not one.answer.done():
                keys = ((each, Key(one.tenant, each)) for each in one.ids)
                one.answer.set_result({each: found[key] for each, key in keys if key in found})

    def _take(self) -> tuple[list[_Asked], list[str], list[UUID]]:
        taken: list[_Asked] = []
        tenants: list[str] = []
        ids: list[UUID] = []
        while self._asked and (not taken or len(ids) + len(self._asked[0].ids) <= IDS_PER_QUERY):
            one = self._asked.pop(0)
            taken.append(one)
            tenants.extend(one.tenant for _ in one.ids)
            ids.extend(one.ids)
        return taken, tenants, ids


def _fail(asked: Sequence[_Asked], error: Exception) -> None:
    """Tell each who asked, with an exception of its own: a shared one would grow its traceback."""
    for one in asked:
        if not one.answer.done():
            if isinstance(error, StoreNotAvailable):
                one.answer.set_exception(StoreNotAvailable(str(error)))
            else:
                failure = RuntimeError(f"looking up ids failed: {type(error).__name__}")
                failure.__cause__ = error
                one.answer.set_exception(failure)
