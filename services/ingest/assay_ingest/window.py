"""The in-flight window: what this process had acknowledged and the store has not applied yet.

By-id reads and the check for conflicting ids look here beside the store, so that a client reads its
own writes although the projection lags. No I/O and no clock: times and offsets are arguments.

An entry is in one of three states:
    accepting   claimed by a request that is being worked on; others with that id wait for it
    in the log  acknowledged; leaves when the store has applied its offset
    unknown     not acknowledged: in the log or not; leaves when the store is past that moment
"""

import asyncio
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from assay_ingest.first import Key


class State(Enum):
    """What is known of an entry."""

    ACCEPTING = auto()
    IN_THE_LOG = auto()
    UNKNOWN = auto()


@dataclass(slots=True, eq=False)
class Entry:
    """One statement on its way.

    `counts` says whether it, as a void, takes effect; `waits` that its target was not known yet,
    and the next two what it may do when that comes; `gone` that it has left the window.
    """

    key: Key
    body_hash: bytes
    source: str
    voids: UUID | None
    done: asyncio.Event
    state: State = State.ACCEPTING
    raw: bytes = b""
    append_ms: int = 0
    counts: bool = False
    waits: bool = False
    may_void: bool = False
    learner_controlled: bool = False
    gone: bool = False


@dataclass(slots=True, eq=False)
class Claim:
    """What one request has claimed, and what stood under the same keys before."""

    entries: list[Entry]
    size: int
    done: asyncio.Event
    before: dict[Key, Entry] = field(default_factory=dict)


class Window:
    """Bounded by `statements_max` and `bytes_max`; a request that does not fit is refused."""

    def __init__(self, *, statements_max: int, bytes_max: int) -> None:
        self._statements_max = statements_max
        self._bytes_max = bytes_max
        self._entries: dict[Key, Entry] = {}
        # Per partition a heap of (offset, number, claim): acknowledgements may overtake each other.
        self._waiting: dict[int, list[tuple[int, int, Claim]]] = {}
        self._unknown: list[tuple[int, int, Claim]] = []
        self._voided: dict[Key, int] = {}
        self._early: dict[Key, list[Entry]] = {}
        self._number = 0
        self._claimed = 0
        self.bytes = 0
        self.newest_ms = 0

    def __len__(self) -> int:
        return self._claimed

    @property
    def is_waiting(self) -> bool:
        """Whether anything here leaves only when the store moves on."""
        return bool(self._unknown) or any(self._waiting.values())

    def room_for(self, count: int, size: int) -> bool:
        """Whether a request of `count` statements and `size` bytes fits."""
        return (
            self._claimed + count <= self._statements_max and self.bytes + size <= self._bytes_max
        )

    def busy(self, keys: Iterable[Key]) -> asyncio.Event | None:
        """What to wait for when another request is working on one of `keys`."""
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and entry.state is State.ACCEPTING:
                return entry.done
        return None

    def claim(self, wanted: Sequence[tuple[Key, bytes, str, UUID | None]], size: int) -> Claim:
        """Take (key, hash, source, voids) for one request. None of the keys may be `busy`.

        A key that is in the log already is left as it is, and stands in `before`.
        """
        done = asyncio.Event()
        claim = Claim(entries=[], size=size, done=done)
        for key, body_hash, source, voids in wanted:
            known = self._entries.get(key)
            if known is not None:
                claim.before[key] = known
                if known.state is State.IN_THE_LOG or known.body_hash != body_hash:
                    continue
            entry = Entry(key, body_hash, source, voids, done)
            self._entries[key] = entry
            claim.entries.append(entry)
        self._claimed += len(claim.entries)
        self.bytes += size
        return claim

    def drop(self, claim: Claim, keys: Iterable[Key]) -> None:
        """Give back some keys of a claim, because nothing will be produced for them."""
        unwanted = set(keys)
        for entry in claim.entries:
            if entry.key in unwanted:
                self._restore(claim, entry)
        kept = [entry for entry in claim.entries if entry.key not in unwanted]
        self._claimed -= len(claim.entries) - len(kept)
        claim.entries = kept

    def release(self, claim: Claim) -> None:
        """Nothing was sent: give back everything."""
        self.drop(claim, [entry.key for entry in claim.entries])
        self.bytes -= claim.size
        claim.done.set()

    def acknowledged(self, claim: Claim, partition: int, offset: int, append_ms: int) -> None:
        """The record of the claim is in the log; its entries hold their bytes by now."""
        for entry in claim.entries:
            entry.state = State.IN_THE_LOG
            entry.append_ms = append_ms
            if entry.counts and entry.voids is not None:
                target = entry.key._replace(id=entry.voids)
                self._voided[target] = self._voided.get(target, 0) + 1
            if entry.waits and entry.voids is not None:
                self._early.setdefault(entry.key._replace(id=entry.voids), []).append(entry)
        self._number += 1
        heap = self._waiting.setdefault(partition, [])
        heapq.heappush(heap, (offset, self._number, claim))
        self.newest_ms = max(self.newest_ms, append_ms)
        claim.done.set()

    def unknown(self, claim: Claim, until_ms: int) -> None:
        """Not acknowledged. By log time `until_ms` the record is in the log or never will be."""
        for entry in claim.entries:
            entry.state = State.UNKNOWN
        self._number += 1
        heapq.heappush(self._unknown, (until_ms, self._number, claim))
        claim.done.set()

    def find(self, key: Key) -> Entry | None:
        """The entry, when it is in the log."""
        entry = self._entries.get(key)
        return entry if entry is not None and entry.state is State.IN_THE_LOG else None

    def any(self, key: Key) -> Entry | None:
        """The entry, whatever its state."""
        return self._entries.get(key)

    def is_voided(self, key: Key) -> bool:
        """Whether a void of `key` that counts is in the log, but not applied yet."""
        return key in self._voided

    def early_voids(self, key: Key) -> Sequence[Entry]:
        """Voids of `key` in the log that came before it, and are not applied yet."""
        return tuple(self._early.get(key, ()))

    def applied(self, partition: int, next_offset: int) -> None:
        """The store has applied everything before `next_offset` of `partition`."""
        heap = self._waiting.get(partition)
        while heap and heap[0][0] < next_offset:
            self._leave(heapq.heappop(heap)[2])

    def passed(self, watermark_ms: int) -> None:
        """The store has applied everything up to this log time."""
        while self._unknown and self._unknown[0][0] <= watermark_ms:
            self._leave(heapq.heappop(self._unknown)[2])

    def _leave(self, claim: Claim) -> None:
        for entry in claim.entries:
            entry.gone = True
            if self._entries.get(entry.key) is entry:
                del self._entries[entry.key]
            if entry.counts and entry.state is State.IN_THE_LOG and entry.voids is not None:
                target = entry.key._replace(id=entry.voids)
                self._voided[target] -= 1
                if self._voided[target] == 0:
                    del self._voided[target]
            if entry.waits and entry.state is State.IN_THE_LOG and entry.voids is not None:
                target = entry.key._replace(id=entry.voids)
                self._early[target].remove(entry)
                if not self._early[target]:
                    del self._early[target]
        self._claimed -= len(claim.entries)
        self.bytes -= claim.size

    def _restore(self, claim: Claim, entry: Entry) -> None:
        before = claim.before.get(entry.key)
        # What stood there may have left in the meantime, and must not come back.
        if before is None or before.gone:
            del self._entries[entry.key]
        else:
            self._entries[entry.key] = before
