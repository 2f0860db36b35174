"""Which copy of a statement is the first, and what becomes of the others. Pure.

Source: design, "Statement identity": first is the smallest (append time, partition, offset), within
a record the smallest index, also when it is applied later. Of the others, a copy with the hash of
the first is the same statement and leaves no trace; each other content is kept once, as a conflict.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec


class Coordinates(NamedTuple):
    """Where a copy stands in the log; compared in this order."""

    append_ms: int
    partition: int
    record_offset: int
    record_index: int


class Key(NamedTuple):
    """The identity of a statement."""

    tenant: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Known:
    """A statement that the store has."""

    body_hash: bytes
    source: str
    stored_ms: int
    voids: UUID | None


def order(key: Key) -> tuple[str, int]:
    """Keys in the order in which rows are written, so that two writers never cross.

    It is that of Postgres; comparing the numbers is ten times faster than comparing UUID objects.
    """
    return key.tenant, key.id.int


class Copy(msgspec.Struct, frozen=True, gc=False):
    """One copy of a statement, as far as telling copies apart needs it."""

    key: Key
    at: Coordinates
    stored_ms: int
    body_hash: bytes
    source: str
    client: str
    raw: bytes


class Holder(NamedTuple):
    """The copy that was the first before, or is it still."""

    at: Coordinates
    body_hash: bytes


C = TypeVar("C", bound=Copy)


def first_of_each(copies: Iterable[C]) -> tuple[dict[Key, C], list[C]]:
    """The first copy of each identity, sorted by key, and the others."""
    firsts: dict[Key, C] = {}
    others: list[C] = []
    for copy in copies:
        rival = firsts.setdefault(copy.key, copy)
        if rival is copy:
            continue
        if copy.at < rival.at:
            firsts[copy.key] = copy
            others.append(rival)
        else:
            others.append(copy)
    return {key: firsts[key] for key in sorted(firsts, key=order)}, others


def conflicts(losers: Iterable[C], holders: dict[Key, Holder]) -> list[C]:
    """Of `losers`, those with another content than their holder: one per content, the earliest.

    Sorted by key and hash, as they are written.
    """
    kept: dict[tuple[Key, bytes], C] = {}
    for loser in losers:
        if loser.body_hash == holders[loser.key].body_hash:
            continue
        known = kept.setdefault((loser.key, loser.body_hash), loser)
        if loser.at < known.at:
            kept[loser.key, loser.body_hash] = loser
    return [kept[place] for place in sorted(kept, key=lambda one: (order(one[0]), one[1]))]
