"""Awards by hand: two persons sign that somebody holds a competency for some days.

Each function runs in the transaction of `Records`. What is signed is the hash of the override
itself, so that a signature says nothing about any other. The rule says whether that is allowed at
all, what a signature must mean, for how long, and whether two persons are needed.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID, uuid4

import rfc8785

from assay_aggregator.admin import Days, Records
from assay_aggregator.copies import instant
from assay_aggregator.dates import add
from assay_aggregator.errors import Contradiction, Forbidden, Refused, Unknown
from assay_aggregator.reviews.marks import mark_decision, required_reason
from assay_aggregator.reviews.store import ReviewStore
from assay_aggregator.rule import Rule, select_rule
from assay_aggregator.signing import Signature, SignatureBody, sign

ROLE: Final = "override"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be awarded: the days are local ones of the rule's time zone, inclusive."""

    person: UUID
    competency: str
    level: int | None
    valid_from: date
    valid_to: date

    def content(self, meaning: str, reason: str) -> dict[str, Any]:
        """What a signature is bound to."""
        return {
            "person": str(self.person),
            "competency": self.competency,
            "level": self.level,
            "from": self.valid_from.isoformat(),
            "to": self.valid_to.isoformat(),
            "meaning": meaning,
            "reason": reason,
        }


async def propose(records: Records, wanted: Wanted, signature: SignatureBody) -> tuple[UUID, bool]:
    """Write an override that one person signs; its id, and whether it is in force with that.

    Raises Refused for what the rule does not allow, Unknown, SignatureRefused, Forbidden.
    """
    reason = required_reason(records)
    await records.require_people([wanted.person])
    rule = await _rule(records, wanted.competency)
    two_person = _check(rule, wanted, signature.meaning)
    signed = await _sign(records, signature, wanted.content(signature.meaning, reason))
    override = uuid4()
    await ReviewStore(records.store.connection).insert_override(
        records.tenant,
        override,
        wanted.person,
        wanted.competency,
        wanted.level,
        wanted.valid_from,
        wanted.valid_to,
        signature.meaning,
        reason,
        signed.account,
        signed.signature,
        records.recorded_ms,
        None if two_person else records.recorded_ms,
    )
    after = {**wanted.content(signature.meaning, reason), "proposed_by": signed.account}
    await records.audit("override.proposed", f"override:{override}", after=after)
    if not two_person:
        await mark_decision(records, wanted.person, wanted.competency)
    return override, not two_person


async def approve(records: Records, override: UUID, signature: SignatureBody) -> None:
    """The second person signs the same content: from now on the override is in force.

    Raises Unknown, Contradiction when it is in force or was taken back, Forbidden for the person
    who proposed it, Refused when the rule does not allow it any more, SignatureRefused.
    """
    store = ReviewStore(records.store.connection)
    row = await store.lock_override(records.tenant, override)
    if row is None:
        raise Unknown("there is no such override")
    if row["retracted_ms"] is not None:
        raise Contradiction("the override was taken back")
    if row["recorded_ms"] is not None:
        raise Contradiction("the override is in force already")
    if signature.account == row["proposed_by"]:
        raise Forbidden(f"{signature.account} has proposed this override: somebody else signs it")
    if signature.meaning != row["meaning"]:
        raise Refused(f"/signature/meaning: the override was proposed with `{row['meaning']}`")
    wanted = Wanted(
        row["person"], row["competency"], row["level"], row["valid_from"], row["valid_to"]
    )
    _check(await _rule(records, wanted.competency), wanted, signature.meaning)
    signed = await _sign(records, signature, wanted.content(row["meaning"], row["reason"]))
    await store.approve_override(
        records.tenant, override, signed.account, signed.signature, records.recorded_ms
    )
    after = {"approved_by": signed.account, "content_hash": signed.content_hash}
    await records.audit("override.approved", f"override:{override}", after=after)
    await mark_decision(records, wanted.person, wanted.competency)


async def retract(records: Records, override: UUID) -> None:
    """Take an override back, in force or not. Raises Unknown."""
    required_reason(records)
    row = await ReviewStore(records.store.connection).retract_override(
        records.tenant, override, records.recorded_ms
    )
    if row is None:
        raise Unknown("there is no such override, or it was taken back before")
    before = {
        "person": row["person"],
        "competency": row["competency"],
        "level": row["level"],
        **Days(row["valid_from"], row["valid_to"]).document(),
    }
    await records.audit("override.retracted", f"override:{override}", before=before)
    if row["recorded_ms"] is not None:
        await mark_decision(records, row["person"], row["competency"])


async def _rule(records: Records, competency: str) -> Rule:
    """The version in force now. Raises Unknown."""
    book = await records.book()
    versions = [one.rule for one in book.deciding(competency, records.recorded_ms)]
    rule = select_rule(versions, instant(records.recorded_ms))
    if rule is None:
        raise Unknown("no rule is in force for this competency")
    return rule


def _check(rule: Rule, wanted: Wanted, meaning: str) -> bool:
    """Whether two persons are needed. Raises Refused for what the rule does not allow."""
    name = f"rule {rule.id} version {rule.version}"
    policy = rule.overrides
    if policy is None:
        raise Refused(f"/competency: the {name} allows no overrides")
    if meaning not in policy.meanings:
        allowed = ", ".join(sorted(policy.meanings))
        raise Refused(f"/signature/meaning: the {name} allows {allowed}")
    if wanted.valid_from > wanted.valid_to:
        raise Refused("`from` is later than `to`")
    if policy.longest is not None:
        last = add(wanted.valid_from.toordinal(), policy.longest)
        if wanted.valid_to.toordinal() > last:
            raise Refused(f"/to: the {name} allows overrides to {date.fromordinal(last)} at most")
    levels = {level.number for level in rule.levels}
    takes_any = rule.rollup is not None and rule.rollup.method == "weakest"
    if wanted.level is not None and wanted.level not in levels and not takes_any:
        known = ", ".join(map(str, sorted(levels))) or "none"
        raise Refused(f"/level: the levels of the {name} are {known}")
    return policy.two_person


async def _sign(
    records: Records, signature: SignatureBody, content: Mapping[str, Any]
) -> Signature:
    digest = hashlib.sha256(rfc8785.dumps(dict(content))).hexdigest()
    return await sign(
        records.store.connection,
        records.tenant,
        signature.account,
        signature.password,
        signature.meaning,
        digest,
        recorded_ms=records.recorded_ms,
        role=ROLE,
    )
