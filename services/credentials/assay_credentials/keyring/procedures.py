"""What an operator does with issuers and keys: describe, rotate, remove, and what is done when
somebody else has a key, too. Each can be killed at any line and called again.

    rotate       a new key signs; the old one stays in the DID document, and what it signed holds.
    remove       a key that signs no more is taken away, and all that it signed is revoked.
    compromised  the same for a key that somebody else may have; what it signed for awards that are
                 held is issued anew under another key.

The order is always: first the key's state, so that nothing more is published under it; then what it
signed, in batches of one transaction each; then the status lists.
"""

import asyncio
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from assay_credentials.errors import KeyRefused
from assay_credentials.issuers import Issuers
from assay_credentials.keyring.last_lists import finish_lists
from assay_credentials.keyring.names import (
    Kind,
    Method,
    did_of,
    method_of,
    reference_for,
)
from assay_credentials.keyring.records import FoundKey, IssuerRecords, KeyState
from assay_credentials.keyring.revoking import BATCH_CREDENTIALS, revoke_endorsements, revoke_signed
from assay_credentials.keyring.settings import KeyringSettings
from assay_credentials.keyring.signers import Signers
from assay_credentials.keyring.store import KeyringStore, KnownKey
from assay_credentials.records import Act, Records
from assay_credentials.store import Store
from assay_runtime.postgres import Connection
from assay_schemas.topics import is_slug

NAME_CHARACTERS_MAX: Final = 200


def _nothing(_: str) -> None:
    return None


def _no_progress(_: int) -> None:
    return None


@dataclass(frozen=True)
class Bench:
    """What the procedures stand on. `connection` is the owner's, outside any transaction;
    `reached` is told each line as it is passed, `progress` how many credentials are done.
    """

    connection: Connection
    settings: KeyringSettings
    tenant: str
    act: Act
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    reached: Callable[[str], None] = _nothing
    progress: Callable[[int], None] = _no_progress

    @property
    def records(self) -> IssuerRecords:
        return IssuerRecords(self.connection, self.tenant)


class Described(NamedTuple):
    """What `put_issuer` did. `did` is None after a dry run."""

    is_new: bool
    is_changed: bool
    did: str | None


@dataclass
class Report:
    """What was done, or with a dry run what would be."""

    tenant: str
    issuer: str
    key: str
    """The verification method of the key at hand."""
    new_key: str | None = None
    reference: str | None = None
    """Where the new private key is."""
    revoked: dict[str, int] = field(default_factory=dict)
    """Credentials that are revoked, by what they were before."""
    reissued: int = 0
    """Of these, how many are issued anew by the workers of the service."""
    endorsements: int = 0
    transcripts: int = 0
    """Transcripts have no status: those of the key cannot be taken back, only made anew."""
    lists: int = 0
    """Status lists signed for the last time (did:key), or to be signed by another key (did:web)."""
    lists_left: int = 0
    """Status lists that nobody can sign any more, because the private key is not there."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def put_issuer(
    bench: Bench,
    issuer: str,
    *,
    name: str,
    url: str | None,
    method: Method | None = None,
    kind: Kind | None = None,
    dry_run: bool = False,
) -> Described:
    """Describe an issuer, and make its first key where it has none. `method` and `kind` are those
    of keys that are made from now on. Raises KeyRefused, and what making a key raises.

    What is signed already keeps the name that it was signed with.
    """
    if not is_slug(issuer):
        raise KeyRefused("issuer: must be a short name of small letters, digits, _ and -")
    if not 1 <= len(name.strip()) <= NAME_CHARACTERS_MAX:
        raise KeyRefused(f"name: must have 1 to {NAME_CHARACTERS_MAX} characters")
    if url is not None and not url.startswith("https://"):
        raise KeyRefused("url: must be an https address")
    transaction = bench.connection.transaction()
    await transaction.start()
    try:
        before = await bench.records.find_issuer(issuer)
        keyring = KeyringStore(bench.connection)
        await keyring.put_issuer(bench.tenant, issuer, name.strip(), url, method, kind)
        after = await bench.records.find_issuer(issuer)
        if after != before and after is not None:
            records = await Records.begin(bench.connection, bench.tenant, bench.act)
            await records.audit(
                "issuer.described",
                f"issuer:{issuer}",
                before=None if before is None else dict(before),
                after=dict(after),
            )
        did: str | None = None
        if not dry_run:
            store = Store(bench.connection)
            did = (await Issuers(bench.settings).key(store, bench.tenant, issuer)).did
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.rollback() if dry_run else transaction.commit())
    return Described(is_new=before is None, is_changed=after != before, did=did)


async def rotate(bench: Bench, issuer: str, *, dry_run: bool = False) -> Report:
    """A new key signs for the issuer from now on; what the old one signed holds.

    Raises KeyRefused when it has signed nothing yet, and what making a key raises. Killed before
    the end, the key that was made is found by the next call.
    """
    async with bench.connection.transaction():
        old, new = await _new_key(bench, issuer, dry_run=dry_run)
        bench.reached("1 made")
        if not dry_run:
            await _replace(bench, old, new, "verify_only", "issuer.rotated")
        bench.reached("2 written")
    return Report(bench.tenant, issuer, old.method, new_key=new.method, reference=new.reference)


async def remove(bench: Bench, method: str, *, dry_run: bool = False) -> Report:
    """Take a key away, and revoke all that it signed. Nothing is issued anew.

    Raises KeyRefused for a key that there is not, that signs (it is rotated first), or that is
    compromised.
    """
    async with bench.connection.transaction():
        key = await _found(bench, method)
        if key.state == "active":
            raise KeyRefused("this key signs: rotate it first, and remove it then")
        if key.state == "compromised":
            raise KeyRefused("this key is compromised: `compromised` goes on with it")
        bench.reached("1 found")
        if key.state != "removed" and not dry_run:
            # 1. Nothing is published under it from here on.
            await bench.records.set_key_state(method, "removed")
            await _audit(bench, "issuer.key_removed", key, "removed")
    bench.reached("2 removed")
    report = Report(bench.tenant, key.issuer, method)
    return await _take_back(bench, key, report, reason="key_removed", dry_run=dry_run)


async def compromised(bench: Bench, method: str, *, dry_run: bool = False) -> Report:
    """Somebody else may have a key: revoke all that it signed, and have what is held issued anew
    by another key. Where it signs, a new one is made first. Raises as `rotate` and `remove`.
    """
    new: KnownKey | None = None
    async with bench.connection.transaction():
        key = await _found(bench, method)
        # 1. Nothing is published under it from here on; another one signs.
        if key.state == "active":
            old, new = await _new_key(bench, key.issuer, dry_run=dry_run)
            bench.reached("1 made")
            if not dry_run:
                await _replace(bench, old, new, "compromised", "issuer.key_compromised")
        elif key.state != "compromised" and not dry_run:
            await bench.records.set_key_state(method, "compromised")
            await _audit(bench, "issuer.key_compromised", key, "compromised")
    bench.reached("2 withdrawn")
    report = Report(
        bench.tenant,
        key.issuer,
        method,
        new_key=None if new is None else new.method,
        reference=None if new is None else new.reference,
    )
    return await _take_back(bench, key, report, reason="key_compromised", dry_run=dry_run)


async def _take_back(
    bench: Bench, key: FoundKey, report: Report, *, reason: str, dry_run: bool
) -> Report:
    """All that a key signed. Called again, it goes on where it was."""
    reissues = reason == "key_compromised"
    report.transcripts = await bench.records.count("transcripts", key.method)
    if dry_run:
        signed = await bench.records.count_signed(key.method)
        report.revoked = {state: count for state, count in signed.items() if state != "revoked"}
        report.reissued = await bench.records.count("reissued", key.method) if reissues else 0
        report.endorsements = await bench.records.count("endorsements", key.method)
        report.lists = len(await bench.records.lists_of_did(key.did))
        return report
    # 2. Revoke, each batch with its bits and events; of what is held, another is issued.
    while True:
        async with bench.connection.transaction():
            done = await revoke_signed(
                bench.connection, bench.tenant, key.method, reason=reason, now=bench.now()
            )
            if reissues:
                report.reissued += await bench.records.ask_again(sorted(done.held))
        for state, count in done.states.items():
            report.revoked[state] = report.revoked.get(state, 0) + count
        bench.progress(sum(report.revoked.values()))
        bench.reached("3 revoked")
        if not done.states:
            break
    while True:
        async with bench.connection.transaction():
            count = await revoke_endorsements(bench.connection, bench.tenant, key.method)
        report.endorsements += count
        if count < BATCH_CREDENTIALS:
            break
    bench.reached("4 withdrawn")
    # 3. The lists say so, signed by a key that counts.
    if key.did.startswith("did:key:"):
        report.lists, report.lists_left = await finish_lists(
            bench.connection,
            bench.settings,
            bench.tenant,
            key,
            now=bench.now(),
            all_set=reissues,
        )
    else:
        async with bench.connection.transaction():
            await bench.records.sign_lists_anew(key.did)
        report.lists = len(await bench.records.lists_of_did(key.did))
    bench.reached("5 listed")
    return report


async def _found(bench: Bench, method: str) -> FoundKey:
    key = await bench.records.find_key(method)
    if key is None:
        raise KeyRefused(f"tenant {bench.tenant} has no key {method}")
    return key


async def _new_key(bench: Bench, issuer: str, *, dry_run: bool) -> tuple[KnownKey, KnownKey]:
    """The key that signs, and the one that is to take its place: made, not written down yet."""
    keyring = KeyringStore(bench.connection)
    await keyring.lock_issuer(bench.tenant, issuer)
    found = await keyring.signing_key(bench.tenant, issuer)
    if found.key is None:
        raise KeyRefused(
            f"issuer {issuer} of {bench.tenant} has no key yet: its first use makes it"
        )
    kind = found.new_kind or "file"
    reference = reference_for(kind, bench.tenant, issuer, found.keys)
    if dry_run:
        planned = KnownKey(issuer, "", "(a new key)", kind, reference)
        return found.key, planned
    signer = await asyncio.to_thread(Signers(bench.settings).make, kind, reference)
    method = found.new_method or "key"
    did = did_of(method, signer.public_key, bench.settings.public_url, bench.tenant, issuer)
    new = KnownKey(issuer, did, method_of(did, signer.public_key), kind, reference)
    if new.method == found.key.method:
        raise KeyRefused(f"{reference} ({kind}) holds the key that signs already")
    return found.key, new


async def _replace(
    bench: Bench, old: KnownKey, new: KnownKey, state: KeyState, action: str
) -> None:
    """`new` signs in place of `old`, which gets `state`."""
    await bench.records.set_key_state(old.method, state)
    if not await KeyringStore(bench.connection).insert_key(bench.tenant, new):
        raise KeyRefused(f"the key {new.method} is known already")
    if old.did != new.did:
        # What is issued from now on has its places in lists of the new DID.
        await bench.records.close_lists(old.did)
    records = await Records.begin(bench.connection, bench.tenant, bench.act)
    await records.audit(
        action,
        f"issuer:{old.issuer}",
        before={"key": old.method, "state": "active"},
        after={"key": new.method, "kind": new.kind, "reference": new.reference, "old": state},
    )


async def _audit(bench: Bench, action: str, key: FoundKey, state: str) -> None:
    records = await Records.begin(bench.connection, bench.tenant, bench.act)
    await records.audit(
        action,
        f"issuer:{key.issuer}",
        before={"key": key.method, "state": key.state},
        after={"key": key.method, "state": state},
    )
