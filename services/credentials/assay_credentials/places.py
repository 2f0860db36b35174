"""Places in status lists: random indexes, taken in the transaction of the intention."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from assay_credentials.awards import Place
from assay_credentials.status_list import Purpose, candidate_indexes
from assay_credentials.store import Entry, List, ListKey, Store

PURPOSES: Final[tuple[Purpose, ...]] = ("revocation", "suspension")

FILL_MAX: Final = 0.75
"""Above it a new list is opened: a free index is then found in four draws on average."""

RandomBytes = Callable[[int], bytes]
Slot = tuple[str, str, Purpose]
"""(tenant, DID, purpose): there is one open list of each."""


def random_uuid(random_bytes: RandomBytes) -> UUID:
    return UUID(bytes=random_bytes(16), version=4)


async def take_places(
    store: Store,
    wanted: Mapping[UUID, tuple[str, str]],
    random_bytes: RandomBytes,
    size: int,
    *,
    single: Collection[UUID] = frozenset(),
) -> dict[UUID, dict[Purpose, Place]]:
    """A place in the open list of each purpose, for each credential of `wanted`.

    `wanted` is credential to (tenant, DID); those that are `single` get one for revocation only.
    The lists stay locked until the transaction ends.
    """
    purposes = {one: PURPOSES[:1] if one in single else PURPOSES for one in wanted}
    needed: Counter[Slot] = Counter(
        (*issuer, purpose) for one, issuer in wanted.items() for purpose in purposes[one]
    )
    lists = await _room(store, needed, random_bytes, size)
    waiting = {
        (credential, lists[(*issuer, purpose)].list): (issuer[0], purpose)
        for credential, issuer in wanted.items()
        for purpose in purposes[credential]
    }
    sizes = {one.list: one.size for one in lists.values()}
    draws = {one: candidate_indexes(random_bytes, entries) for one, entries in sizes.items()}
    places: dict[UUID, dict[Purpose, Place]] = {credential: {} for credential in wanted}
    added: Counter[ListKey] = Counter()
    while waiting:
        # Two of one list may draw the same index: the second finds it taken, and draws again.
        tried = [
            Entry(tenant, list_, next(draws[list_]), credential)
            for (credential, list_), (tenant, _) in waiting.items()
        ]
        for taken in await store.insert_entries(tried):
            tenant, purpose = waiting.pop((taken.credential, taken.list))
            places[taken.credential][purpose] = Place(taken.list, taken.place)
            added[(tenant, taken.list)] += 1
    await store.count_entries((*key, count) for key, count in added.items())
    return places


async def _room(
    store: Store, needed: Counter[Slot], random_bytes: RandomBytes, size: int
) -> dict[Slot, List]:
    """Open lists with room, locked."""
    while True:
        rows = [
            row
            for row in await store.open_lists({(tenant, did) for tenant, did, _ in needed})
            if (row["tenant"], row["did"], row["purpose"]) in needed
        ]
        found = {(row["tenant"], row["did"], row["purpose"]) for row in rows}
        missing = [
            (tenant, random_uuid(random_bytes), did, purpose, size)
            for tenant, did, purpose in sorted(needed)
            if (tenant, did, purpose) not in found
        ]
        if missing:
            await store.insert_lists(missing)
            continue
        locked = await store.lock_lists((row["tenant"], row["list"]) for row in rows)
        full = _full(locked, needed)
        if full:
            await store.close_lists((one.tenant, one.list) for one in full)
        elif all(one.is_open for one in locked):
            return {(one.tenant, one.did, one.purpose): one for one in locked}


def _full(lists: Sequence[List], needed: Counter[Slot]) -> list[List]:
    return [
        one
        for one in lists
        if one.is_open
        and one.allocated + needed[(one.tenant, one.did, one.purpose)] > one.size * FILL_MAX
    ]
