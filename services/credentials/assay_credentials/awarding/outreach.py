"""The outreach realm: which tenants and people belong to it. Run as the owner role.

Nothing is issued there but badges of participation, on request (`awarding.manual`). Who comes into
the realm with credentials has them suspended; who leaves it, has them back.
"""

from collections.abc import Iterable
from uuid import UUID

from assay_credentials.awarding.store import AwardingStore
from assay_credentials.records import Records


async def set_tenant(records: Records, *, is_outreach: bool) -> bool:
    """Whether the whole tenant is of the realm; False when it was so already."""
    store = AwardingStore(records.connection)
    changed = await store.change_outreach_tenant(
        records.tenant, records.actor if is_outreach else None
    )
    if changed:
        await records.audit(_action("tenant", is_outreach), f"tenant:{records.tenant}")
        await store.give_work_to(records.tenant, None)
    return changed


async def set_people(records: Records, people: Iterable[UUID], *, is_outreach: bool) -> list[UUID]:
    """Whether these people are of the realm; of whom that is new."""
    store = AwardingStore(records.connection)
    changed = await store.change_outreach_people(
        records.tenant, people, records.actor if is_outreach else None
    )
    for person in sorted(changed):
        await records.audit(_action("person", is_outreach), f"person:{person}")
    if changed:
        await store.give_work_to(records.tenant, changed)
    return changed


def _action(kind: str, is_outreach: bool) -> str:
    return f"outreach.{kind}_{'added' if is_outreach else 'removed'}"
