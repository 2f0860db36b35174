"""What changes of overrides and reviews have in common."""

from uuid import UUID

from assay_aggregator.admin import Records
from assay_aggregator.errors import Refused


def required_reason(records: Records) -> str:
    """The reason of the change. Raises Refused where there is none."""
    reason = (records.reason or "").strip()
    if not reason:
        raise Refused("`reason` is required: it goes into the audit trail")
    return reason


async def mark_decision(records: Records, person: UUID, competency: str) -> None:
    """Have a decision made anew, and those of the competencies whose rules look at it."""
    book = await records.book()
    names = {competency} | book.dependents(competency)
    await records.store.mark({(records.tenant, person, name): None for name in names})
