"""All that a key signed is revoked, some at a time, each with its bits and its event."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from assay_credentials.awards import changed_event
from assay_credentials.keyring.records import AwardKey, IssuerRecords, Signed
from assay_credentials.lifecycle import take
from assay_credentials.store import Bit, Stepped, Store
from assay_runtime.postgres import Connection

BATCH_CREDENTIALS: Final = 500
"""Revoked in one transaction: their awards are locked for some tens of milliseconds."""


class Revoked(NamedTuple):
    """One batch. `held` are the awards whose live credential was taken away, and that are held."""

    states: Mapping[str, int]
    held: frozenset[AwardKey]


async def revoke_signed(
    connection: Connection, tenant: str, method: str, *, reason: str, now: datetime
) -> Revoked:
    """Revoke the next credentials of a key; none when all are. Inside the caller's transaction.

    Locks as issuing does: awards, then status lists.
    """
    records = IssuerRecords(connection, tenant)
    signed, held = await records.lock_signed(method, BATCH_CREDENTIALS)
    if not signed:
        return Revoked({}, frozenset())
    store = Store(connection)
    await _set(store, [bit for one in signed for bit in _bits(tenant, one)])
    await store.step_credentials(
        Stepped(tenant, one.credential, one.state, "revoked", one.sequence, reason)
        for one in signed
    )
    await store.insert_outbox(
        [
            changed_event(
                (tenant, one.person, one.competency), one.credential, "revoked", one.sequence, now
            )
            for one in signed
        ]
    )
    live = {one.award for one in signed if one.is_live}
    return Revoked(Counter(one.state for one in signed), frozenset(live & held))


async def revoke_endorsements(connection: Connection, tenant: str, method: str) -> int:
    """Withdraw the next endorsements of a key; how many. Inside the caller's transaction."""
    records = IssuerRecords(connection, tenant)
    found = await records.lock_endorsements(method, BATCH_CREDENTIALS)
    if found:
        await _set(
            Store(connection), [Bit(tenant, place.list, place.index, True) for _, place in found]
        )
        await records.withdraw_endorsements([endorsement for endorsement, _ in found])
    return len(found)


def _bits(tenant: str, one: Signed) -> list[Bit]:
    change = take(one.state, "revoked", has_suspension=one.suspension is not None)
    places = {"revocation": one.revocation, "suspension": one.suspension}
    found = []
    for purpose in sorted(change.lists):
        place = places[purpose]
        if place is not None:
            # Revoked for good: what was suspended before is not said any more.
            found.append(Bit(tenant, place.list, place.index, purpose == "revocation"))
    return found


async def _set(store: Store, bits: Sequence[Bit]) -> None:
    if bits:
        await store.lock_lists((bit.tenant, bit.list) for bit in bits)
        await store.set_entries(bits)
