"""Issuing: from an award to a published credential, and what follows it.

`follow_awards` is the life of a credential. Several workers, in one process or many, work beside
each other. What makes that safe: whoever changes a credential holds the row lock of its award, and
publishing asks once more whether the award is still the one that was taken.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import orjson

from assay_credentials.awards import (
    STEPS,
    Action,
    Award,
    Credential,
    Described,
    Key,
    Place,
    action_for,
    changed_event,
    facts_of,
    plain_description,
)
from assay_credentials.badge import Issuer, build_badge
from assay_credentials.contexts import BADGE_CONTEXT, pinned_contexts
from assay_credentials.errors import CredentialsError, SelfCheckFailed
from assay_credentials.intake import JsonObject
from assay_credentials.issuers import IssuerKey, Issuers, profiles
from assay_credentials.lifecycle import STATUS_BITS, Step, take
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.multibase import encode_base64url
from assay_credentials.places import RandomBytes, random_uuid, take_places
from assay_credentials.proof import add_proof
from assay_credentials.settings import CredentialsSettings
from assay_credentials.status_list import Purpose, StatusEntry
from assay_credentials.statuses import list_url
from assay_credentials.store import Bit, Finished, Published, Stepped, Store
from assay_credentials.template import template_jsonld
from assay_credentials.verify import Outcome, Result, Verification, verify_credential
from assay_runtime.logs import fields
from assay_runtime.postgres import TRANSIENT, Pool
from assay_schemas.events import CredentialChanged

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 0.25
"""Somebody else's consumer may have brought work: nobody wakes this process for that."""

SALT_BYTES: Final = 16
SHARE_BYTES: Final = 32


def _nothing(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Workshop:
    """What issuing stands on. `reached` is told each line of `follow_awards` as it is passed."""

    pool: Pool
    issuers: Issuers
    settings: CredentialsSettings
    metrics: CredentialsMetrics
    now: Callable[[], datetime]
    random_bytes: RandomBytes
    lists_changed: Callable[[], None]
    reached: Callable[[str], None] = _nothing


@dataclass(slots=True)
class Round:
    """What one call of `follow_awards` does."""

    awards: dict[Key, Award]
    intentions: dict[Key, Credential] = field(default_factory=dict)
    failures: dict[Key, str] = field(default_factory=dict)
    made: dict[Key, Published] = field(default_factory=dict)
    described: Mapping[tuple[str, str], Described] = field(default_factory=dict)
    keys: dict[str, IssuerKey] = field(default_factory=dict)
    issuers: Mapping[str, Issuer] = field(default_factory=dict)


async def follow_awards(shop: Workshop) -> int:
    """The life of a credential, for awards that have work; how many were taken.

    Killed at any line, the next call finds the award still has work, and the intention with its
    id, salt and indexes: what is made from it again is the same document.
    """
    # 1. Take awards, and write down what is meant to be done. What needs no signature (suspended,
    #    reinstated, expired) is done here; what is to be issued gets its id, salt, share id and
    #    places in the status lists. All of it is committed before anything is signed.
    doing = await intend(shop)
    shop.reached("1 intended")
    for key, intention in sorted(doing.intentions.items()):
        began = time.perf_counter()
        try:
            # 2. Build the badge from the intention, which holds everything that it says.
            badge = build(shop, doing, intention)
            shop.reached("2 built")
            # 3. Sign.
            document = sign(doing.keys[key[0]], badge, intention)
            shop.reached("3 signed")
            # 4. Check what was signed, as a stranger would.
            doing.made[key] = check(shop, doing, intention, document)
            shop.reached("4 checked")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is kept and told
            doing.failures[key] = where(error)
        shop.metrics.make_seconds.observe(time.perf_counter() - began)
    # 5. Publish: document, state and event in one transaction, together with the end of the
    #    credential that it takes the place of; only where the award is still the one taken.
    await publish(shop, doing)
    shop.reached("5 published")
    return len(doing.awards)


async def intend(shop: Workshop) -> Round:
    """Line 1. One transaction."""
    settings = shop.settings
    events: list[CredentialChanged] = []
    async with shop.pool.acquire() as connection, connection.transaction():
        store = Store(connection)
        awards = await store.take_awards(
            settings.issuer_batch_awards, settings.issuer_lease_seconds
        )
        doing = Round({award.key: award for award in awards})
        if not awards:
            return doing
        found = await store.current_credentials(doing.awards)
        live = {one.key: one for one in found if one.state != "intended"}
        intended = {one.key: one for one in found if one.state == "intended"}
        steps: list[tuple[Credential, Step, int]] = []
        issue: list[Award] = []
        for award in awards:
            action = action_for(live.get(award.key), award)
            if action in (Action.ISSUE, Action.REPLACE):
                issue.append(award)
            elif action in STEPS:
                steps.append((live[award.key], STEPS[action], award.sequence))
        await _open_keys(shop, store, doing, issue)
        issue = [award for award in issue if award.key not in doing.failures]
        await _write_intentions(shop, store, doing, issue, intended)
        events = await _take_steps(shop, store, steps)
        waits = doing.intentions.keys()
        await store.finish_awards(
            Finished(*award.key, award.version, doing.failures.get(award.key))
            for award in awards
            if award.key not in waits
        )
        await store.insert_outbox(events)
        doing.described = await store.achievements(doing.intentions)
    if doing.intentions:
        # A place may be in a list that is new: it is signed while the credential is made.
        shop.lists_changed()
    _tell_failures(shop, doing.failures)
    _tell(shop, events)
    return doing


async def _open_keys(shop: Workshop, store: Store, doing: Round, issue: Iterable[Award]) -> None:
    for tenant in sorted({award.key[0] for award in issue}):
        try:
            doing.keys[tenant] = await shop.issuers.key(store, tenant)
        except CredentialsError as error:
            doing.failures |= {award.key: where(error) for award in issue if award.key[0] == tenant}
    doing.issuers = await profiles(store, list(doing.keys.values()))


async def _write_intentions(
    shop: Workshop,
    store: Store,
    doing: Round,
    issue: Iterable[Award],
    intended: Mapping[Key, Credential],
) -> None:
    """New intentions, and those of an earlier call, made from the award as it is now."""
    now = shop.now()
    new: dict[UUID, Award] = {}
    moved: list[Credential] = []
    for award in issue:
        held = intended.get(award.key)
        if held is None:
            new[random_uuid(shop.random_bytes)] = award
        else:
            again = _from_award(held, award)
            doing.intentions[award.key] = again
            if again != held:
                moved.append(again)
    if moved:
        await store.retarget_intentions(moved)
    if not new:
        return
    dids = {credential: doing.keys[one.key[0]].did for credential, one in new.items()}
    places = await take_places(
        store,
        {credential: (one.key[0], dids[credential]) for credential, one in new.items()},
        shop.random_bytes,
        shop.settings.status_list_entries,
    )
    for credential, award in new.items():
        doing.intentions[award.key] = Credential(
            key=award.key,
            id=credential,
            state="intended",
            sequence=award.sequence,
            decision=award.decision,
            terms=award.terms,
            as_of=award.as_of,
            evidence_digest=award.evidence_digest,
            did=dids[credential],
            salt=shop.random_bytes(SALT_BYTES),
            share_id=encode_base64url(shop.random_bytes(SHARE_BYTES)),
            revocation=places[credential]["revocation"],
            suspension=places[credential]["suspension"],
            intended_at=now,
        )
    await store.insert_intentions(doing.intentions[award.key] for award in new.values())


def _from_award(held: Credential, award: Award) -> Credential:
    return replace(
        held,
        sequence=award.sequence,
        decision=award.decision,
        terms=award.terms,
        as_of=award.as_of,
        evidence_digest=award.evidence_digest,
    )


async def _take_steps(
    shop: Workshop, store: Store, steps: Iterable[tuple[Credential, Step, int]]
) -> list[CredentialChanged]:
    """Change states and bits of published credentials; the events that tell of it."""
    now = shop.now()
    events: list[CredentialChanged] = []
    rows: list[Stepped] = []
    bits: list[Bit] = []
    for credential, step, sequence in steps:
        change = take(credential.state, step)
        rows.append(
            Stepped(credential.key[0], credential.id, credential.state, change.state, sequence)
        )
        for purpose in change.lists:
            place = place_of(credential, purpose)
            value = purpose in STATUS_BITS[change.state]
            bits.append(Bit(credential.key[0], place.list, place.index, value))
        events.append(changed_event(credential.key, credential.id, step, sequence, now))
    if bits:
        await store.lock_lists((bit.tenant, bit.list) for bit in bits)
        await store.set_entries(bits)
    if rows:
        await store.step_credentials(rows)
    return events


def place_of(credential: Credential, purpose: Purpose) -> Place:
    return credential.revocation if purpose == "revocation" else credential.suspension


def credential_url(public_url: str, credential: UUID) -> str:
    return f"{public_url}/credentials/{credential}"


def build(shop: Workshop, doing: Round, intention: Credential) -> JsonObject:
    """Line 2. Raises BadgeRefused."""
    tenant, _, competency = intention.key
    described = doing.described.get((tenant, competency)) or plain_description(competency)
    url = shop.settings.public_url
    return build_badge(
        facts_of(intention, described, credential_url(url, intention.id)),
        doing.issuers[tenant],
        (
            StatusEntry(
                "revocation", list_url(url, intention.revocation.list), intention.revocation.index
            ),
            StatusEntry(
                "suspension", list_url(url, intention.suspension.list), intention.suspension.index
            ),
        ),
    )


def sign(key: IssuerKey, badge: JsonObject, intention: Credential) -> bytes:
    """Line 3. The time of the proof is that of the intention: made again, it is the same."""
    if key.did != intention.did:
        raise SelfCheckFailed("the intention was written for another key of the issuer")
    signed = add_proof(
        badge,
        key.signer,
        verification_method=key.method,
        created=intention.intended_at,
        jsonld=template_jsonld(),
    )
    return orjson.dumps(signed)


# What is known only once it is published, or is not of the document's making.
_LATER: Final = {"status": Result.COULD_NOT_CHECK, "dates": Result.FAILED}


def check(shop: Workshop, doing: Round, intention: Credential, document: bytes) -> Published:
    """Line 4. Raises SelfCheckFailed.

    Everything but the status lists: both bits were taken clear in the transaction of line 1, and
    the lists are other documents, checked by whoever fetches them.
    """
    issuer = doing.issuers[intention.key[0]]
    found = verify_credential(
        document,
        now=shop.now(),
        resolve_status=lambda _: None,
        trusted_issuers={issuer.id: issuer.name},
        jsonld=template_jsonld(),
    )
    _require_good(found)
    digests = pinned_contexts().digests
    return Published(
        tenant=intention.key[0],
        credential=intention.id,
        document=document,
        contexts=orjson.dumps({url: digests[url] for url in BADGE_CONTEXT}).decode(),
        valid_from=found.valid_from,
        valid_until=found.valid_until,
    )


def _require_good(found: Verification) -> None:
    for one in found.checks:
        if one.result is not Result.PASSED and _LATER.get(one.name) is not one.result:
            raise SelfCheckFailed(f"{one.name}: {one.detail}")
    statuses = [one for one in found.checks if one.name == "status"]
    if found.outcome is Outcome.NOT_GENUINE or len(statuses) != 2 or found.issuer is None:
        raise SelfCheckFailed("the signed document is not a credential with two status entries")


async def publish(shop: Workshop, doing: Round) -> None:
    """Line 5. One transaction."""
    if not doing.intentions:
        return
    now = shop.now()
    told: dict[Key, CredentialChanged] = {}
    async with shop.pool.acquire() as connection, connection.transaction():
        store = Store(connection)
        versions = {key: doing.awards[key].version for key in doing.intentions}
        standing = await store.lock_taken(versions)
        ready = [key for key in doing.made if key in standing]
        old = await store.live_credentials(ready)
        events = await _take_steps(
            shop,
            store,
            [
                (credential, "superseded", doing.awards[key].sequence)
                for key, credential in sorted(old.items())
            ],
        )
        published = await store.publish_credentials(doing.made[key] for key in ready)
        for key in ready:
            intention = doing.intentions[key]
            if intention.id not in published:
                raise LookupError("the intention of a locked award is gone")
            told[key] = changed_event(key, intention.id, "published", intention.sequence, now)
        await store.finish_awards(
            Finished(*key, versions[key], doing.failures.get(key)) for key in standing
        )
        # The award has moved meanwhile: whoever is next begins again at line 1.
        await store.release_awards(key for key in versions if key not in standing)
        await store.insert_outbox([*events, *told.values()])
    _tell_failures(shop, {key: why for key, why in doing.failures.items() if key in standing})
    _tell(shop, [*events, *told.values()])
    for key in told:
        late = time.time() - doing.awards[key].event_ms / 1000
        shop.metrics.issue_latency_seconds.observe(max(0.0, late))


def _tell(shop: Workshop, events: Iterable[CredentialChanged]) -> None:
    """After the commit: count, and have the lists signed."""
    for event in events:
        shop.metrics.changes.labels(status=event.status).inc()
        if event.status != "issued":
            shop.lists_changed()


def _tell_failures(shop: Workshop, failures: Mapping[Key, str]) -> None:
    if failures:
        shop.metrics.failures.inc(len(failures))
        log.error(
            "Credentials could not be made and are set aside",
            extra=fields(count=len(failures), errors=sorted(set(failures.values()))),
        )


def where(error: Exception) -> str:
    """What kind of error and where. Only our own texts are kept: they hold no personal data."""
    if isinstance(error, CredentialsError):
        return f"{type(error).__name__}: {error}"[:500]
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" in {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"


class IssuingWorker:
    """One worker. `wake` is set when there may be work."""

    def __init__(self, shop: Workshop, wake: asyncio.Event) -> None:
        self._shop = shop
        self._wake = wake

    async def run(self) -> None:
        """Issue until cancelled."""
        while True:
            self._wake.clear()
            try:
                taken = await follow_awards(self._shop)
            except TRANSIENT as error:
                self._shop.metrics.retries.inc()
                log.warning(
                    "Issuing was interrupted, will try again",
                    extra=fields(error=type(error).__name__),
                )
                await asyncio.sleep(0.1)
                continue
            if taken:
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue
