"""Awards by hand: two people sign that others hold something, and two people take it back.

Each function runs in the transaction of `Records`. What is signed is the hash of the award itself,
which holds the digest of the people, so that a signature says nothing about any other. With the
second signature the people get a row of `award`, as those have of whom the rules decided, and from
there their credential goes the same road (`issue.follow_awards`; law 8 of the design).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assay_credentials.awarding.store import AwardingStore, Row, Settled
from assay_credentials.awards import Kind
from assay_credentials.handle import COMPETENCY_BYTES_MAX
from assay_credentials.records import AWARDS, Records, content_hash
from assay_runtime.refusals import Contradiction, Forbidden, Refused, Unknown
from assay_runtime.signing import SignatureBody

PEOPLE_MAX: Final = 10_000
"""Of one award: they are written in one transaction."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be awarded, and to whom. Days are local ones of `timezone`, the last included."""

    kind: Kind
    competency: str
    people: tuple[UUID, ...]
    achieved_on: date
    expires_on: date | None
    timezone: str
    level: int | None = None
    request: str | None = None
    """Who asked for a badge of participation: it is given on request alone."""

    def content(self, meaning: str, reason: str) -> dict[str, Any]:
        """What a signature is bound to."""
        return {
            "kind": self.kind,
            "competency": self.competency,
            "level": self.level,
            "achieved_on": self.achieved_on.isoformat(),
            "expires_on": None if self.expires_on is None else self.expires_on.isoformat(),
            "timezone": self.timezone,
            "request": self.request,
            "people": len(self.people),
            "people_sha256": people_digest(self.people).hex(),
            "meaning": meaning,
            "reason": reason,
        }


def people_digest(people: Iterable[UUID]) -> bytes:
    """SHA-256 over the ids in order, one per line."""
    return hashlib.sha256("\n".join(str(one) for one in sorted(people)).encode()).digest()


def check(wanted: Wanted, now: datetime) -> None:
    """Raises Refused, which names the member."""
    if not 1 <= len(wanted.people) <= PEOPLE_MAX:
        raise Refused(f"`people` are {len(wanted.people)}: 1 to {PEOPLE_MAX} are allowed")
    if len(set(wanted.people)) != len(wanted.people):
        raise Refused("`people` names somebody twice")
    if not urlsplit(wanted.competency).scheme:
        raise Refused("`competency` is not an absolute IRI")
    if len(wanted.competency.encode()) > COMPETENCY_BYTES_MAX:
        raise Refused(f"`competency` is longer than {COMPETENCY_BYTES_MAX} bytes")
    try:
        zone = ZoneInfo(wanted.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refused("`timezone` is not the IANA name of a time zone") from error
    today = now.astimezone(zone).date()
    if wanted.achieved_on > today:
        raise Refused("`achieved_on` has not come yet")
    if wanted.expires_on is not None and wanted.expires_on < today:
        raise Refused("`expires_on` has passed")
    if wanted.expires_on is not None and wanted.expires_on < wanted.achieved_on:
        raise Refused("`expires_on` is earlier than `achieved_on`")
    if wanted.kind == "participation" and wanted.level is not None:
        raise Refused("`level`: taking part has none")
    if (wanted.kind == "participation") != (wanted.request is not None):
        raise Refused("`request` says who asked for a badge of participation, and only for that")


async def propose(
    records: Records, wanted: Wanted, signature: SignatureBody, now: datetime
) -> UUID:
    """Write an award that one person signs; its id. Nothing is issued yet.

    Raises Refused, SignatureRefused, Forbidden.
    """
    check(wanted, now)
    reason = records.required_reason()
    content = wanted.content(signature.meaning, reason)
    signed = await records.sign(signature, content, role=AWARDS)
    manual = uuid4()
    await AwardingStore(records.connection).insert_manual_award(
        records.tenant, manual, wanted, reason=reason, signed=signed
    )
    after = {**content, "proposed_by": signed.account}
    await records.audit("award.proposed", f"award:{manual}", after=after)
    return manual


async def approve(records: Records, manual: UUID, signature: SignatureBody) -> Mapping[str, int]:
    """The second person signs the same; the numbers of people by outcome.

    Raises Unknown, Contradiction when it is approved or cancelled already, Forbidden for who
    proposed it, Refused for another meaning, SignatureRefused.
    """
    store = AwardingStore(records.connection)
    row = _open(await store.lock_manual_award(records.tenant, manual))
    _another(row, signature)
    people = await store.people_of(records.tenant, manual)
    wanted = wanted_of(row, people)
    content = wanted.content(row["meaning"], row["reason"])
    if content_hash(content) != row["content_hash"]:
        raise Contradiction("the award is not what was proposed")
    signed = await records.sign(signature, content, role=AWARDS)
    await store.approve_manual_award(records.tenant, manual, signed)
    settled = await _award(store, records.tenant, manual, wanted, signed.content_hash)
    await store.settle_people(records.tenant, manual, settled)
    counts: dict[str, int] = {"awarded": 0, "already_holds": 0, "refused": 0}
    for one in settled:
        counts[one.outcome] += 1
    after = {"approved_by": signed.account, "content_hash": signed.content_hash, **counts}
    await records.audit("award.approved", f"award:{manual}", after=after)
    return counts


async def _award(
    store: AwardingStore, tenant: str, manual: UUID, wanted: Wanted, digest: str
) -> list[Settled]:
    """Give the people their row of `award`, and say of each what came of it."""
    refused = await store.refused_people(tenant, manual, wanted.kind)
    left = [one for one in wanted.people if one not in refused]
    awarded = await store.award_people(tenant, manual, wanted, left, bytes.fromhex(digest))
    rest = [one for one in left if one not in awarded]
    standings = await store.standings_of(tenant, rest, wanted.competency)
    settled = [Settled(one, "refused", why) for one, why in refused.items()]
    settled += [Settled(one, "awarded", None) for one in awarded]
    for one in rest:
        standing = standings[one]
        if standing == "held":
            settled.append(Settled(one, "already_holds", None))
        else:
            settled.append(Settled(one, "refused", f"decision_{standing}"))
    return settled


async def cancel(records: Records, manual: UUID) -> None:
    """Give a proposal up. Raises Unknown, Contradiction."""
    records.required_reason()
    store = AwardingStore(records.connection)
    _open(await store.lock_manual_award(records.tenant, manual))
    await store.cancel_manual_award(records.tenant, manual, records.actor)
    await records.audit("award.cancelled", f"award:{manual}")


async def propose_withdrawal(
    records: Records, manual: UUID, person: UUID | None, signature: SignatureBody
) -> UUID:
    """One person signs that an award is taken back, of one person or of all; the id.

    Raises Unknown, Contradiction, SignatureRefused, Forbidden.
    """
    reason = records.required_reason()
    store = AwardingStore(records.connection)
    row = await store.lock_manual_award(records.tenant, manual)
    if row is None:
        raise Unknown("there is no such award")
    if row["approved_by"] is None:
        raise Contradiction("the award is not in force")
    if person is not None and person not in await store.people_of(records.tenant, manual):
        raise Unknown("the award is not about this person")
    content = withdrawal_content(manual, person, signature.meaning, reason)
    signed = await records.sign(signature, content, role=AWARDS)
    withdrawal = uuid4()
    await store.insert_withdrawal(
        records.tenant, withdrawal, manual, person, reason=reason, signed=signed
    )
    after = {**content, "proposed_by": signed.account}
    await records.audit("withdrawal.proposed", f"withdrawal:{withdrawal}", after=after)
    return withdrawal


async def approve_withdrawal(records: Records, withdrawal: UUID, signature: SignatureBody) -> int:
    """The second person signs the same; of how many people the award is taken back.

    Those of whom a decision has taken over since stand on that. Raises Unknown, Contradiction,
    Forbidden, Refused, SignatureRefused.
    """
    store = AwardingStore(records.connection)
    row = await store.lock_withdrawal(records.tenant, withdrawal)
    if row is None:
        raise Unknown("there is no such withdrawal")
    if row["approved_by"] is not None:
        raise Contradiction("the withdrawal is in force already")
    _another(row, signature)
    content = withdrawal_content(row["manual"], row["person"], row["meaning"], row["reason"])
    signed = await records.sign(signature, content, role=AWARDS)
    await store.approve_withdrawal(records.tenant, withdrawal, signed)
    people = await store.withdraw_people(records.tenant, row["manual"], row["person"], withdrawal)
    after = {"approved_by": signed.account, "people": len(people), "award": row["manual"]}
    await records.audit("withdrawal.approved", f"withdrawal:{withdrawal}", after=after)
    return len(people)


def withdrawal_content(
    manual: UUID, person: UUID | None, meaning: str, reason: str
) -> dict[str, Any]:
    """What the signatures of a withdrawal are bound to."""
    return {
        "withdraw": str(manual),
        "person": None if person is None else str(person),
        "meaning": meaning,
        "reason": reason,
    }


def wanted_of(row: Row, people: Iterable[UUID]) -> Wanted:
    """The award of a row."""
    return Wanted(
        kind=row["kind"],
        competency=row["competency"],
        people=tuple(people),
        achieved_on=row["achieved_on"],
        expires_on=row["expires_on"],
        timezone=row["timezone"],
        level=row["level"],
        request=row["request"],
    )


def _open(row: Row | None) -> Row:
    if row is None:
        raise Unknown("there is no such award")
    if row["cancelled_by"] is not None:
        raise Contradiction("the award was given up")
    if row["approved_by"] is not None:
        raise Contradiction("the award is in force already")
    return row


def _another(row: Row, signature: SignatureBody) -> None:
    """Law 8: a second person, who means the same."""
    if signature.account == row["proposed_by"]:
        raise Forbidden(f"{signature.account} has proposed this: somebody else signs it")
    if signature.meaning != row["meaning"]:
        raise Refused(f"/signature/meaning: it was proposed with `{row['meaning']}`")
