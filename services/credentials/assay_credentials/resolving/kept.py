"""What was fetched, kept for a while: bounded in number and bytes, and fetched once for all who
wait for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Found(NamedTuple):
    """What a fetch found (None: nothing), and for how many seconds it may be told again."""

    body: bytes | None
    seconds: float


class _Entry(NamedTuple):
    body: bytes | None
    until: float

    @property
    def size(self) -> int:
        return len(self.body or b"")


class Kept:
    """From URL to body; the least recently used is dropped first."""

    def __init__(self, *, entries_max: int, bytes_max: int, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._entries_max = entries_max
        self._bytes_max = bytes_max
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._under_way: dict[str, asyncio.Task[Found]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Entries and bytes that are held."""
        return len(self._entries), self._bytes

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def get(self, url: str, fetch: Callable[[], Awaitable[Found]]) -> bytes | None:
        """What is kept for `url`, else what `fetch` finds. `fetch` must not raise."""
        entry = self._entries.get(url)
        if entry is not None:
            if self._clock() < entry.until:
                self._entries.move_to_end(url)
                return entry.body
            self._drop(url)
        task = self._under_way.get(url)
        if task is None:
            task = asyncio.ensure_future(self._fetch(url, fetch))
            self._under_way[url] = task
            task.add_done_callback(lambda _: self._under_way.pop(url, None))
        # Shielded: others may wait for the same answer when this one goes away.
        return (await asyncio.shield(task)).body

    async def _fetch(self, url: str, fetch: Callable[[], Awaitable[Found]]) -> Found:
        found = await fetch()
        self._keep(url, found)
        return found

    def _keep(self, url: str, found: Found) -> None:
        entry = _Entry(found.body, self._clock() + found.seconds)
        if found.seconds <= 0 or entry.size > self._bytes_max:
            return
        self._drop(url)
        self._entries[url] = entry
        self._bytes += entry.size
        while len(self._entries) > self._entries_max or self._bytes > self._bytes_max:
            self._drop(next(iter(self._entries)))

    def _drop(self, url: str) -> None:
        entry = self._entries.pop(url, None)
        if entry is not None:
            self._bytes -= entry.size
