"""Accepting one request of statements. See README.md."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from assay_ingest.attachments import has_attachments
from assay_ingest.errors import (
    At,
    IdConflict,
    NotAcknowledged,
    RecordOverLimit,
    RequestInvalid,
    StatementsInvalid,
    TooBusy,
    VoidNotAuthorised,
)
from assay_ingest.first import Key, Known
from assay_ingest.follow import Follower
from assay_ingest.metrics import IngestMetrics
from assay_ingest.settings import IngestSettings
from assay_ingest.sources import Sources, authority_of
from assay_ingest.store import Reader, Source
from assay_ingest.submission import SCOPE_VOID, Submission, envelope_of
from assay_ingest.versions import STATED_VERSION
from assay_ingest.voiding import Target, why_not
from assay_ingest.window import Claim, Window
from assay_runtime.auth import Client
from assay_runtime.produce import Producer, RecordTooLarge, Unacknowledged
from assay_schemas.envelope import Envelope, seal
from assay_schemas.statement import (
    CheckedStatement,
    StatementsRefused,
    Version,
    check_statements,
    complete_statement,
)
from assay_schemas.topics import STATEMENTS

# No statement of the request is signed by a key that is known.
NOBODY: Final[Mapping[int, str]] = {}


@dataclass(frozen=True, slots=True)
class Item:
    """One statement of a request."""

    index: int
    key: Key
    checked: CheckedStatement
    id_was_given: bool


class Ingest:
    """Takes statements in, over what `__main__` has opened."""

    def __init__(
        self,
        *,
        settings: IngestSettings,
        reader: Reader,
        sources: Sources,
        producer: Producer,
        window: Window,
        follower: Follower,
        metrics: IngestMetrics,
        topic: str = STATEMENTS,
    ) -> None:
        self._settings = settings
        self._limits = settings.limits(settings.statements_per_request_max)
        self._reader = reader
        self._sources = sources
        self._producer = producer
        self._window = window
        self._follower = follower
        self._metrics = metrics
        self._topic = topic

    async def accept(
        self, client: Client, body: bytes, *, version: Version, put_id: UUID | None = None
    ) -> list[UUID]:
        """Accept the statements of one request; the ids, in order, once they are kept.

        `put_id` is the statementId of a PUT. Raises an IngestError; then nothing of the request is
        kept, except by NotAcknowledged, which says that this is not known.
        """
        sent = await self.check(client, body, version=version, put_id=put_id)
        for one in sent.statements:
            if has_attachments(one):
                sent.require(())
                break
        return await self.accept_checked(sent)

    async def check(
        self, client: Client, body: bytes, *, version: Version, put_id: UUID | None = None
    ) -> Submission:
        """The statements of a request, if they keep every rule but those of attachments."""
        began = time.perf_counter()
        # 1. The source decides what the statements may claim.
        source = await self._sources.of(client)
        # 2. The rules of the specification, for all of them.
        statements, single = self._checked(body, version, put_id)
        return Submission(client, source, version, put_id, statements, single, len(body), began)

    async def accept_checked(
        self, sent: Submission, signed_by: Mapping[int, str] = NOBODY
    ) -> list[UUID]:
        """Accept what `check` let through and whose attachments are kept.

        `signed_by` says by its index whose signature a statement carries.
        """
        client, source, version = sent.client, sent.source, sent.version
        items = self._items(client.tenant, sent.statements, sent.put_id)
        # 3. No two requests of this process work on one id at the same time.
        claim = await self._claim(client, items, sent.size)
        try:
            # 4. What is known already: the same content is a retry, another is a conflict. A void
            #    needs a right over its target.
            fresh = await self._unknown_of(client, source, items, claim)
            if not fresh:
                self._window.release(claim)
                return [item.key.id for item in items]
            # What is new counts against the client's rate and its quota of the day.
            client.meter.take_statements(len(fresh))
        except BaseException:
            self._window.release(claim)
            raise
        # 5. One record, in the log before anybody is told; from then on reads find it.
        signers = [signed_by.get(item.index) for item in fresh] if signed_by else ()
        envelope = envelope_of(client, source, version, signers)
        await self._produce(sent, envelope, fresh, items, claim)
        self._metrics.accepted.inc(len(fresh))
        self._metrics.accept_seconds.observe(time.perf_counter() - sent.began)
        return [item.key.id for item in items]

    def _checked(
        self, body: bytes, version: Version, put_id: UUID | None
    ) -> tuple[list[CheckedStatement], bool]:
        try:
            checked, single = check_statements(body, version=version, limits=self._limits)
        except StatementsRefused as refused:
            raise StatementsInvalid(refused.errors) from None
        if put_id is not None:
            if not single:
                raise RequestInvalid("a PUT holds one statement, not a list")
            if checked[0].id not in (None, put_id):
                raise RequestInvalid(
                    "the statement's id is not the statementId", parameter="statementId"
                )
        return checked, single

    @staticmethod
    def _items(tenant: str, checked: Sequence[CheckedStatement], put_id: UUID | None) -> list[Item]:
        return [
            Item(
                index,
                Key(tenant, one.id or put_id or uuid4()),
                one,
                one.id is not None or put_id is not None,
            )
            for index, one in enumerate(checked)
        ]

    async def _claim(self, client: Client, items: Sequence[Item], size: int) -> Claim:
        window = self._window
        given = [item.key for item in items if item.id_was_given]
        while (busy := window.busy(given)) is not None:
            await busy.wait()
        if not window.room_for(len(items), size):
            raise TooBusy("too much is waiting for the statement store")
        source = client.source or ""
        return window.claim(
            [
                (item.key, item.checked.comparison_hash, source, item.checked.voids)
                for item in items
            ],
            size,
        )

    async def _unknown_of(
        self, client: Client, source: Source, items: Sequence[Item], claim: Claim
    ) -> list[Item]:
        """The items to produce; the claim keeps only those. At most one query."""
        targets = [item.checked.voids for item in items if item.checked.voids is not None]
        given = [item.key.id for item in items if item.id_was_given]
        # The window was read when the claim was made, before the store is: what leaves the window
        # in between is in the store by then.
        in_window = self._targets_in_window(client.tenant, targets)
        stored: dict[UUID, Known] = {}
        if given or targets:
            stored = await self._reader.keys(client.tenant, [*given, *targets])
        fresh: list[Item] = []
        conflicts: list[At] = []
        for item in items:
            known = self._known_hash(item.key, stored, claim)
            if known is None:
                fresh.append(item)
            elif known != item.checked.comparison_hash:
                conflicts.append(At(item.index, item.key.id))
        if conflicts:
            raise IdConflict(conflicts)
        if targets:
            in_store = {one: Target(k.source, k.voids) for one, k in stored.items()}
            in_request = {
                item.key.id: Target(client.source or "", item.checked.voids) for item in items
            }
            self._judge(client, source, fresh, claim, in_request | in_window | in_store)
        repeated = len(items) - len(fresh)
        if repeated:
            kept = {item.key for item in fresh}
            self._window.drop(claim, [item.key for item in items if item.key not in kept])
            self._metrics.repeated.inc(repeated)
        return fresh

    def _targets_in_window(self, tenant: str, targets: Iterable[UUID]) -> dict[UUID, Target]:
        found = {one: self._window.find(Key(tenant, one)) for one in targets}
        return {
            one: Target(entry.source, entry.voids)
            for one, entry in found.items()
            if entry is not None
        }

    @staticmethod
    def _known_hash(key: Key, stored: dict[UUID, Known], claim: Claim) -> bytes | None:
        """The hash under which a statement is kept already."""
        known = stored.get(key.id)
        if known is not None:
            return known.body_hash
        before = claim.before.get(key)
        if before is None:
            return None
        if before.append_ms:
            return before.body_hash
        # It was sent, but not acknowledged: the same content is sent again, which is safe. Another
        # content can be told neither good nor conflicting until the store is past that moment.
        own = next((one for one in claim.entries if one.key == key), None)
        if own is None:
            raise TooBusy("an id was sent before, and whether it was kept is not known yet")
        return None

    def _judge(
        self,
        client: Client,
        source: Source,
        fresh: Sequence[Item],
        claim: Claim,
        targets: dict[UUID, Target],
    ) -> None:
        """Refuse voids without authority; note in the claim which voids count."""
        entries = {entry.key: entry for entry in claim.entries}
        refused: list[At] = []
        for item in fresh:
            if item.checked.voids is None:
                continue
            reason = why_not(
                targets.get(item.checked.voids),
                source=client.source or "",
                learner_controlled=source.learner_controlled,
                may_void=SCOPE_VOID in client.scopes,
            )
            if reason == "void_not_authorised":
                refused.append(At(item.index, item.key.id))
            entry = entries[item.key]
            entry.counts = reason is None
            entry.waits = reason == "target_unknown"
            entry.may_void = SCOPE_VOID in client.scopes
            entry.learner_controlled = source.learner_controlled
        if refused:
            raise VoidNotAuthorised(refused)

    async def _produce(
        self,
        sent_in: Submission,
        envelope: Envelope,
        fresh: Sequence[Item],
        items: Sequence[Item],
        claim: Claim,
    ) -> None:
        """Send one record, wait for its acknowledgement, and settle the claim either way."""
        settings = self._settings
        authority = authority_of(sent_in.source, sent_in.client.name, settings.public_url)
        settled = False
        try:
            entries = {entry.key: entry for entry in claim.entries}
            for item in fresh:
                entries[item.key].raw = complete_statement(
                    item.checked,
                    statement_id=item.key.id,
                    authority=authority,
                    version=STATED_VERSION[sent_in.version],
                )
            headers = seal(
                envelope,
                [item.key.id for item in fresh],
                [item.checked.comparison_hash for item in fresh],
            )
            value = b"[%b]" % b",".join([entries[item.key].raw for item in fresh])
            try:
                sent = await self._producer.send(self._topic, value=value, headers=headers)
            except RecordTooLarge:
                raise RecordOverLimit(
                    "the statements do not fit into one record; send them in smaller batches"
                ) from None
            except (Unacknowledged, asyncio.CancelledError) as error:
                # The client's own retries end after this; the log's clock is not ours, hence twice.
                seconds = 2 * settings.acknowledge_seconds + 10
                self._window.unknown(claim, int((time.time() + seconds) * 1000))
                settled = True
                if isinstance(error, asyncio.CancelledError):
                    raise
                raise NotAcknowledged(
                    "the log did not acknowledge in time: posting the same statements again, "
                    "with these ids, is safe",
                    [item.key.id for item in items],
                ) from None
            self._window.acknowledged(claim, sent.partition, sent.offset, sent.append_ms)
            settled = True
        finally:
            if not settled:
                self._window.release(claim)
        self._metrics.produced.inc()
        self._follower.look_often()
