"""Human review of a decision: opened by one person, closed by another, with reasons.

While a review is open, an award is `under_review`. Closing it decides nothing by itself: the
evidence, an override or a void does. Somebody may contest what is decided about them; that opens a
review, too, which no contest closes (UK GDPR, Articles 22A to 22D).
"""

import hashlib
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import rfc8785

from assay_aggregator.admin import Records
from assay_aggregator.errors import Contradiction, Forbidden, Unknown
from assay_aggregator.reviews.marks import mark_decision, required_reason
from assay_aggregator.reviews.store import ReviewStore
from assay_aggregator.signing import Signature, SignatureBody, sign

ROLE: Final = "reviewer"

Outcome = Literal["upheld", "changed"]


async def open_review(
    records: Records, person: UUID, competency: str, signature: SignatureBody
) -> UUID:
    """An account has a decision looked at again.

    Raises Unknown, Contradiction, SignatureRefused.
    """
    reason = required_reason(records)
    await _require(records, person, competency)
    review = uuid4()
    content = {
        "open": str(review),
        "person": str(person),
        "competency": competency,
        "reason": reason,
    }
    signed = await _sign(records, signature, content, role=None)
    return await _open(records, review, (person, competency), "review", signed)


async def contest(records: Records, person: UUID, competency: str) -> UUID:
    """The person says that a decision about them is wrong. Raises Unknown, Contradiction."""
    required_reason(records)
    await _require(records, person, competency)
    return await _open(records, uuid4(), (person, competency), "contest", None)


async def _open(
    records: Records,
    review: UUID,
    of: tuple[UUID, str],
    kind: Literal["review", "contest"],
    signed: Signature | None,
) -> UUID:
    person, competency = of
    # An account's name holds no colon, so nobody can be taken for a person of that id.
    opened_by = f"person:{person}" if signed is None else signed.account
    is_new = await ReviewStore(records.store.connection).insert_review(
        records.tenant,
        review,
        person,
        competency,
        kind,
        records.reason,
        opened_by,
        None if signed is None else signed.signature,
        records.recorded_ms,
    )
    if not is_new:
        raise Contradiction(f"a {kind} of this decision by the same person is open already")
    after = {"person": person, "competency": competency, "kind": kind, "opened_by": opened_by}
    await records.audit(f"{kind}.opened", f"review:{review}", after=after)
    await mark_decision(records, person, competency)
    return review


async def close(records: Records, review: UUID, outcome: Outcome, signature: SignatureBody) -> None:
    """Somebody else than who opened it says what came of it.

    Raises Unknown, Contradiction when it is closed, Forbidden, SignatureRefused.
    """
    reason = required_reason(records)
    store = ReviewStore(records.store.connection)
    row = await store.lock_review(records.tenant, review)
    if row is None:
        raise Unknown("there is no such review")
    if row["retracted_ms"] is not None:
        raise Contradiction("the review is closed already")
    if signature.account == row["opened_by"]:
        raise Forbidden(f"{signature.account} has opened this review: somebody else closes it")
    content = {"close": str(review), "outcome": outcome, "reason": reason}
    signed = await _sign(records, signature, content, role=ROLE)
    await store.close_review(
        records.tenant,
        review,
        records.recorded_ms,
        outcome,
        reason,
        signed.account,
        signed.signature,
    )
    before = {"person": row["person"], "competency": row["competency"], "kind": row["kind"]}
    after = {"outcome": outcome, "closed_by": signed.account}
    await records.audit(f"{row['kind']}.closed", f"review:{review}", before=before, after=after)
    await mark_decision(records, row["person"], row["competency"])


async def _require(records: Records, person: UUID, competency: str) -> None:
    await records.require_people([person])
    if competency not in (await records.book()).competencies(records.recorded_ms):
        raise Unknown("no rule is known for this competency")


async def _sign(
    records: Records, signature: SignatureBody, content: dict[str, Any], *, role: str | None
) -> Signature:
    digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    return await sign(
        records.store.connection,
        records.tenant,
        signature.account,
        signature.password,
        signature.meaning,
        digest,
        recorded_ms=records.recorded_ms,
        role=role,
    )
