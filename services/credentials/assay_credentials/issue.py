"""Issuing: from an award to a published credential, and what follows it.

`follow_awards` is the life of a credential. Several workers, in one process or many, work beside
each other. What makes that safe: whoever changes a credential holds the row lock of its award, and
publishing asks once more whether the award is still the one that was taken.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from assay_credentials.awarding.standing import overruling
from assay_credentials.awards import (
    NOT_OVERRULED,
    STEPS,
    Action,
    Award,
    Credential,
    Described,
    Key,
    Place,
    action_for,
    changed_event,
    overruled,
    plain_description,
)
from assay_credentials.errors import CredentialsError, SignerUnavailable
from assay_credentials.issuers import IssuerKey, Issuers
from assay_credentials.keyring.store import KeyringStore
from assay_credentials.lifecycle import Step, bits, take
from assay_credentials.making import Making, build, check, places_of, sign, sign_as_jwt
from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.places import RandomBytes, random_uuid, take_places
from assay_credentials.settings import CredentialsSettings
from assay_credentials.status_list import Purpose
from assay_credentials.store import Bit, Finished, Published, Stepped, Store
from assay_credentials.templates.describe import described_by
from assay_credentials.templates.store import TemplateStore
from assay_runtime.logs import fields
from assay_runtime.postgres import Connection, Pool
from assay_schemas.events import CredentialChanged

log = logging.getLogger(__name__)

SALT_BYTES: Final = 16


def _nothing(_: str) -> None:
    return None


IssuerName = tuple[str, str]
"""(tenant, issuer)"""


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
    later: set[Key] = field(default_factory=set)
    """What holds their key does not answer: they stay taken, and are tried when that is over."""
    made: dict[Key, Published] = field(default_factory=dict)
    described: Mapping[tuple[str, str], Described] = field(default_factory=dict)
    keys: dict[IssuerName, IssuerKey] = field(default_factory=dict)

    def description(self, key: Key) -> Described:
        """How the competency is described, by its template where it has one."""
        tenant, _, competency = key
        award = self.awards[key]
        return self.described.get((tenant, competency)) or plain_description(
            competency, kind=award.kind, is_manual=award.manual is not None
        )

    def issuer(self, key: Key) -> IssuerName:
        """Who signs the credential for it."""
        return key[0], self.description(key).issuer

    def making(self, key: Key, public_url: str) -> Making:
        """What the intention for it is made from."""
        issuer = self.issuer(key)
        return Making(
            intention=self.intentions[key],
            described=self.description(key),
            key=self.keys[issuer],
            issuer=self.keys[issuer].profile,
            public_url=public_url,
        )


async def follow_awards(shop: Workshop) -> int:
    """The life of a credential, for awards that have work; how many were taken.

    Killed at any line, the next call finds the award still has work, and the intention with its
    id, salt and indexes: what is made from it again is the same document.
    """
    # 1. Take awards, and write down what is meant to be done. What needs no signature (suspended,
    #    reinstated, expired) is done here; what is to be issued gets its id, salt and
    #    places in the status lists. All of it is committed before anything is signed.
    doing = await intend(shop)
    shop.reached("1 intended")
    # In a thread: a key may be in a box that takes its time.
    await asyncio.to_thread(make, shop, doing)
    # 6. Publish: both forms, state and event in one transaction, together with the end of the
    #    credential that it takes the place of; only where the award is still the one taken.
    await publish(shop, doing)
    shop.reached("6 published")
    return len(doing.awards)


def make(shop: Workshop, doing: Round) -> None:
    """Lines 2 to 5, for each intention. What cannot be made is kept with the reason."""
    for key in sorted(doing.intentions):
        began = time.perf_counter()
        try:
            making = doing.making(key, shop.settings.public_url)
            # 2. Build the badge from the intention, which holds everything that it says.
            badge = build(making)
            shop.reached("2 built")
            # 3. Sign.
            document = sign(making, badge)
            shop.reached("3 signed")
            # 4. Sign the same as a VC-JWT.
            jwt = sign_as_jwt(making, badge)
            shop.reached("4 signed as JWT")
            # 5. Check what was signed, as a stranger would.
            doing.made[key] = check(making, document, jwt, shop.now())
            shop.reached("5 checked")
        except SignerUnavailable as error:
            _put_off(shop, doing, [key], error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is kept and told
            doing.failures[key] = where(error)
        shop.metrics.make_seconds.observe(time.perf_counter() - began)


async def intend(shop: Workshop) -> Round:
    """Line 1. One transaction."""
    settings = shop.settings
    events: list[CredentialChanged] = []
    async with shop.pool.acquire() as connection, connection.transaction():
        store = Store(connection)
        awards = await store.take_awards(
            settings.issuer_batch_awards, settings.issuer_lease_seconds
        )
        above = await overruling(connection, (award.key for award in awards))
        awards = [overruled(award, above.get(award.key, NOT_OVERRULED)) for award in awards]
        doing = Round({award.key: award for award in awards})
        if not awards:
            return doing
        found = await store.current_credentials(doing.awards)
        live = {one.key: one for one in found if one.state != "intended"}
        intended = {one.key: one for one in found if one.state == "intended"}
        steps: list[tuple[Credential, Step, Award]] = []
        issue: list[Award] = []
        for award in awards:
            by = above.get(award.key, NOT_OVERRULED)
            action = action_for(live.get(award.key), award, by)
            if action in (Action.ISSUE, Action.REPLACE):
                issue.append(award)
            elif action in STEPS:
                steps.append((live[award.key], STEPS[action], award))
        doing.described = await _descriptions(shop, connection, issue)
        await _open_keys(shop, store, doing, issue)
        issue = [one for one in issue if one.key not in doing.failures.keys() | doing.later]
        await _write_intentions(shop, store, doing, issue, intended)
        events = await _take_steps(shop, store, steps)
        waits = doing.intentions.keys() | doing.later
        await store.finish_awards(
            Finished(*award.key, award.version, doing.failures.get(award.key))
            for award in awards
            if award.key not in waits
        )
        await store.insert_outbox(events)
    if doing.intentions:
        # A place may be in a list that is new: it is signed while the credential is made.
        shop.lists_changed()
    _tell_failures(shop, doing.failures)
    _tell(shop, events)
    return doing


async def _descriptions(
    shop: Workshop, connection: Connection, issue: Iterable[Award]
) -> dict[tuple[str, str], Described]:
    """By (tenant, competency): by the template in force, else as the competency is described."""
    keys = [award.key for award in issue]
    if not keys:
        return {}
    found = await Store(connection).achievements(keys)
    places = {(tenant, competency) for tenant, _, competency in keys}
    for place, template in (await TemplateStore(connection).in_force(places)).items():
        found[place] = described_by(
            template.document,
            tenant=template.tenant,
            template=template.template,
            version=template.version,
            public_url=shop.settings.public_url,
        )
    return found


async def _open_keys(shop: Workshop, store: Store, doing: Round, issue: Iterable[Award]) -> None:
    wanted: dict[IssuerName, list[Key]] = {}
    for award in issue:
        wanted.setdefault(doing.issuer(award.key), []).append(award.key)
    for (tenant, issuer), keys in sorted(wanted.items()):
        try:
            doing.keys[(tenant, issuer)] = await shop.issuers.key(store, tenant, issuer)
        except SignerUnavailable as error:
            _put_off(shop, doing, keys, error)
        except CredentialsError as error:
            doing.failures |= dict.fromkeys(keys, where(error))


async def _write_intentions(
    shop: Workshop,
    store: Store,
    doing: Round,
    issue: Iterable[Award],
    intended: Mapping[Key, Credential],
) -> None:
    """New intentions, and those of an earlier call, made from award, template and key of now."""
    now = shop.now()
    new: dict[UUID, Award] = {}
    again: dict[UUID, Award] = {}
    places: dict[UUID, dict[Purpose, Place]] = {}
    wanted: dict[UUID, tuple[str, str]] = {}
    for award in issue:
        held = intended.get(award.key)
        credential = random_uuid(shop.random_bytes) if held is None else held.id
        (new if held is None else again)[credential] = award
        if held is not None and _keeps_places(held, doing):
            places[credential] = places_of(held)
        else:
            wanted[credential] = (award.key[0], doing.keys[doing.issuer(award.key)].did)
    awards = {**new, **again}
    if wanted:
        places |= await take_places(
            store,
            wanted,
            shop.random_bytes,
            shop.settings.status_list_entries,
            single={one for one in wanted if not doing.description(awards[one].key).has_suspension},
        )
    for credential, award in awards.items():
        key, held = doing.keys[doing.issuer(award.key)], intended.get(award.key)
        doing.intentions[award.key] = Credential(
            key=award.key,
            id=credential,
            state="intended",
            sequence=award.sequence,
            decision=award.decision,
            terms=award.terms,
            as_of=award.as_of,
            evidence_digest=award.evidence_digest,
            did=key.did,
            salt=held.salt if held else shop.random_bytes(SALT_BYTES),
            revocation=places[credential]["revocation"],
            suspension=places[credential].get("suspension"),
            intended_at=held.intended_at if held else now,
            method=key.method,
            template=doing.description(award.key).template,
            manual=award.manual,
            kind=award.kind,
        )
    if new:
        await store.insert_intentions(doing.intentions[one.key] for one in new.values())
    moved = [
        doing.intentions[one.key]
        for one in again.values()
        if doing.intentions[one.key] != intended[one.key]
    ]
    if moved:
        await store.retarget_intentions(moved)


def _keeps_places(held: Credential, doing: Round) -> bool:
    """Whether the intention's places are in lists of the issuer that it is made for now."""
    key = doing.keys[doing.issuer(held.key)]
    wants_suspension = doing.description(held.key).has_suspension
    return held.did == key.did and (held.suspension is not None) == wants_suspension


async def _take_steps(
    shop: Workshop, store: Store, steps: Iterable[tuple[Credential, Step, Award]]
) -> list[CredentialChanged]:
    """Change states and bits of published credentials; the events that tell of it."""
    now = shop.now()
    events: list[CredentialChanged] = []
    rows: list[Stepped] = []
    changed: list[Bit] = []
    for credential, step, award in steps:
        tenant, sequence = credential.key[0], award.sequence
        two = credential.suspension is not None
        change = take(credential.state, step, has_suspension=two)
        reason = None if step == "reinstated" else award.reason
        rows.append(
            Stepped(tenant, credential.id, credential.state, change.state, sequence, reason)
        )
        places = places_of(credential)
        for purpose in change.lists:
            value = purpose in bits(change.state, has_suspension=two)
            place = places[purpose]
            changed.append(Bit(tenant, place.list, place.index, value))
        events.append(changed_event(credential.key, credential.id, step, sequence, now))
    if changed:
        await store.lock_lists((bit.tenant, bit.list) for bit in changed)
        await store.set_entries(changed)
    if rows:
        await store.step_credentials(rows)
    return events


async def publish(shop: Workshop, doing: Round) -> None:
    """Line 5. One transaction."""
    if not doing.intentions:
        return
    now = shop.now()
    told: dict[Key, CredentialChanged] = {}
    async with shop.pool.acquire() as connection, connection.transaction():
        store = Store(connection)
        versions = {key: doing.awards[key].version for key in doing.intentions.keys() - doing.later}
        standing = await store.lock_taken(versions)
        # A key that was removed meanwhile revokes what it signed: nothing is added to that.
        signing = await KeyringStore(connection).lock_signing_keys(
            (key[0], doing.intentions[key].method) for key in standing
        )
        standing = {one for one in standing if (one[0], doing.intentions[one].method) in signing}
        ready = [key for key in doing.made if key in standing]
        old = await store.live_credentials(ready)
        events = await _take_steps(
            shop,
            store,
            [
                (credential, "superseded", doing.awards[key])
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
        # The award or its key has moved meanwhile: whoever is next begins again at line 1.
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


def _put_off(shop: Workshop, doing: Round, keys: Iterable[Key], error: SignerUnavailable) -> None:
    doing.later.update(keys)
    shop.metrics.retries.inc()
    log.warning("A key does not answer, will try again", extra=fields(error=str(error)))


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
