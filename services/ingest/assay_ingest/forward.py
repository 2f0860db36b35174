"""Forwarding: statements to other record stores and webhooks, durably, in order, at least once.

Life of a forwarded statement:
1. `Queueing.apply`: in one transaction with the offsets of its own consumer group, a row for each
   target that wants the statement; it names the statement, whose bytes stay in the store
2. `Forwarder.run`: a target that has rows, and is not left alone, is leased and served by one task
3. `Forwarder._serve`: the first rows in the order of the log, once every partition is read beyond
   them, with their statements as the store has settled them; what it has not applied is waited for
4. `Delivery.send`: one request; a refusal of the whole is narrowed down to the statements at fault
5. what was taken is forgotten, what was refused is a dead letter with its reason, and a failure
   leaves the target alone for a growing while; a statement that used up its tries is a dead letter

Loops end: nothing goes back to the source that its target sends as, and a statement that comes home
under its own id is not appended to the log again, so it is never queued a second time.
"""

import asyncio
import base64
import logging
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import UUID

import msgspec

from assay_ingest.forward_rules import (
    Kind,
    Target,
    Verdict,
    delivery_id,
    judge,
    pause_seconds,
    version_to_send,
    webhook_body,
    webhook_headers,
)
from assay_ingest.forward_store import Dead, ForwardStore, Waiting, Wanted
from assay_ingest.metrics import ForwardMetrics
from assay_ingest.settings import ForwardSettings
from assay_ingest.times import iso
from assay_runtime.consume import Record
from assay_runtime.logs import fields
from assay_runtime.outgoing import AddressRefused, Answer, NoAnswer, Outgoing
from assay_runtime.postgres import TRANSIENT, Connection
from assay_schemas.envelope import open_envelope
from assay_schemas.statement import with_stored

log = logging.getLogger(__name__)

REASON_CHARACTERS = 500
MISSING_SECONDS = 0.2
# The rows are counted, which costs the more the more there are.
DEPTH_SECONDS = 15.0
# Beyond the time of one request: reading rows before it, writing what came of it.
LEASE_SLACK_SECONDS = 10.0


class _Verb(msgspec.Struct):
    id: str


class _Object(msgspec.Struct):
    id: str | None = None
    objectType: str = "Activity"


class _Head(msgspec.Struct):
    """What filters look at."""

    verb: _Verb
    object: _Object


_heads = msgspec.json.Decoder(list[_Head])


class Targets:
    """The targets by tenant, as they were a short time ago."""

    def __init__(self, store: ForwardStore, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._until = 0.0
        self._known: dict[str, dict[str, Target]] = {}

    async def look(self) -> dict[str, dict[str, Target]]:
        """Tenant to name to target."""
        now = time.monotonic()
        if now >= self._until:
            known: dict[str, dict[str, Target]] = {}
            for one in await self._store.targets():
                known.setdefault(one.tenant, {})[one.name] = one
            self._known, self._until = known, now + self._seconds
        return self._known


class Queueing:
    """`consume.Handler` of forwarding."""

    def __init__(
        self,
        store: ForwardStore,
        targets: Targets,
        metrics: ForwardMetrics,
        *,
        waiting_max: int,
        queued: asyncio.Event,
    ) -> None:
        self._store = store
        self._targets = targets
        self._metrics = metrics
        self._waiting_max = waiting_max
        self._queued = queued

    async def apply(self, connection: Connection, batch: Sequence[Record]) -> None:
        """Queue what some target wants. Raises for a record that cannot be read."""
        targets = await self._targets.look()
        # Each once: a repeat within the batch waits once as well.
        wanted: dict[tuple[str, str, UUID], Wanted] = {}
        for record in batch:
            opened = open_envelope(record.headers)
            envelope = opened.envelope
            of_tenant = targets.get(envelope.tenant)
            if not of_tenant or record.value is None:
                continue
            heads = _heads.decode(record.value)
            for statement_id, head in zip(opened.ids, heads, strict=True):
                is_activity = head.object.objectType == "Activity"
                activity = head.object.id if is_activity else None
                for name, target in of_tenant.items():
                    if target.wants(envelope.source, head.verb.id, activity):
                        one = Wanted(
                            envelope.tenant,
                            name,
                            statement_id,
                            record.partition,
                            record.offset,
                            record.stored_ms,
                        )
                        wanted[one[:3]] = one
        if wanted:
            rows = list(wanted.values())
            overflow = await self._store.enqueue(connection, rows, self._waiting_max)
            self._metrics.queued.inc(len(wanted) - overflow)
            self._metrics.died.inc(overflow)

    async def committed(self, batch: Sequence[Record]) -> None:
        """Wake the senders."""
        del batch
        self._queued.set()


class Failed(Exception):
    """The target did not take a request now. `wished_seconds` is its own Retry-After."""

    def __init__(self, why: str, rows: Sequence[Waiting], wished_seconds: float | None) -> None:
        super().__init__(why)
        self.rows = rows
        self.wished_seconds = wished_seconds


class Delivery:
    """Requests to one target."""

    def __init__(self, target: Target, secrets: Path, outgoing: Outgoing) -> None:
        self._target = target
        self._secrets = secrets
        self._outgoing = outgoing

    async def send(self, rows: Sequence[Waiting]) -> Dead | None:
        """Send `rows` in one request; the dead letter, where it is one row that is refused.

        Raises Failed, or Refused when there are more rows and some may be good.
        """
        try:
            answer = await self._post(rows)
        except (NoAnswer, AddressRefused) as error:
            raise Failed(f"{type(error).__name__}: {error}", rows, None) from None
        except OSError as error:
            # Of the file with the secret.
            raise Failed(f"no secret: {error.strerror}", rows, None) from None
        match judge(answer.status):
            case Verdict.DONE:
                return None
            case Verdict.NOT_NOW:
                raise Failed(_told(answer), rows, _retry_after(answer))
            case Verdict.REFUSED:
                if len(rows) > 1:
                    raise Refused
                return Dead(rows[0].id, _told(answer))

    async def _post(self, rows: Sequence[Waiting]) -> Answer:
        target = self._target
        statements = [_as_answered(one) for one in rows]
        secret = await asyncio.to_thread(self._secret)
        if target.kind is Kind.WEBHOOK:
            body = webhook_body(target.tenant, target.name, statements)
            delivery = delivery_id(target.tenant, target.name, [one.id for one in rows])
            headers = webhook_headers(secret, delivery, int(time.time()), body)
            url = target.url
        else:
            body = b"[%b]" % b",".join(statements)
            headers = {
                "Authorization": basic(target.user or "", secret),
                "X-Experience-API-Version": version_to_send(rows[0].version or ""),
            }
            url = f"{target.url.rstrip('/')}/statements"
        headers["Content-Type"] = "application/json"
        return await self._outgoing.post(url, headers=headers, body=body)

    def _secret(self) -> str:
        name = f"forward-{self._target.tenant}-{self._target.name}.password"
        return (self._secrets / name).read_text(encoding="utf-8").strip()


class Refused(Exception):
    """Several statements in one request were refused: some of them may be good."""


class Forwarder:
    """Serves the targets, each by one task of one process at a time."""

    def __init__(
        self,
        *,
        settings: ForwardSettings,
        store: ForwardStore,
        targets: Targets,
        outgoing: Outgoing,
        metrics: ForwardMetrics,
        queued: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._store = store
        self._targets = targets
        self._outgoing = outgoing
        self._metrics = metrics
        self._queued = queued
        self._serving: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._lease_seconds = settings.forward_request_seconds + LEASE_SLACK_SECONDS
        self._next_depth = 0.0

    async def run(self) -> None:
        """Serve until cancelled."""
        settings = self._settings
        try:
            while True:
                self._queued.clear()
                try:
                    await self._look()
                except TRANSIENT as error:
                    log.warning("Cannot look", extra=fields(error=type(error).__name__))
                with suppress(TimeoutError):
                    async with asyncio.timeout(settings.forward_look_seconds):
                        await self._queued.wait()
        finally:
            tasks = list(self._serving.values())
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _look(self) -> None:
        """Start a task for each target that is due, as far as there is room."""
        now = time.monotonic()
        if now >= self._next_depth:
            self._next_depth = now + DEPTH_SECONDS
            depth = await self._store.depth()
            self._metrics.waiting.set(depth.waiting)
            self._metrics.dead.set(depth.dead)
        room = self._settings.forward_parallel_max - len(self._serving)
        if room <= 0:
            return
        known = await self._targets.look()
        for tenant, name in await self._store.due(room):
            target = known.get(tenant, {}).get(name)
            if target is not None and (tenant, name) not in self._serving:
                task = asyncio.create_task(self._serve(target))
                self._serving[tenant, name] = task
                task.add_done_callback(partial(self._ended, (tenant, name)))

    def _ended(self, key: tuple[str, str], task: "asyncio.Task[None]") -> None:
        del self._serving[key]
        self._queued.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Tried again when the lease is over; a person has to look.
            log.error("Serving a target failed", exc_info=error, extra=fields(target=key[1]))

    async def _serve(self, target: Target) -> None:
        """Send what waits for `target` until nothing does, or it fails."""
        key = (target.tenant, target.name)
        delivery = Delivery(target, self._settings.forward_secrets, self._outgoing)
        try:
            if not await self._store.lease(*key, self._lease_seconds):
                return
        except TRANSIENT as error:
            log.warning("Not now", extra=fields(error=type(error).__name__))
            return
        try:
            while rows := await self._next_rows(target):
                await self._deliver(target, delivery, rows)
            await self._store.succeeded(*key)
        except Failed as failure:
            await self._leave_alone(target, failure)
        except TRANSIENT as error:
            # The lease ends by itself; whatever was sent and not settled is sent again.
            log.warning("Not now", extra=fields(error=type(error).__name__))
        except asyncio.CancelledError:
            # We stop; the next process need not wait until the lease ends.
            with suppress(*TRANSIENT):
                await self._store.give_back(*key)
            raise

    async def _next_rows(self, target: Target) -> list[Waiting]:
        """The first rows that fit into one request: all of one version, all in the store.

        Waits for the store where it has not applied the first one; what it does not get at all
        (its record was set aside) is a dead letter.
        """
        key = (target.tenant, target.name)
        while True:
            rows = await self._store.next_waiting(*key, self._settings.forward_batch_statements)
            if not rows or rows[0].raw is not None:
                return self._fitting(rows)
            if rows[0].is_applied:
                dead = Dead(rows[0].id, "the store has set it aside")
                await self._store.settle(*key, [], [dead])
                self._metrics.died.inc()
                continue
            await asyncio.sleep(MISSING_SECONDS)
            await self._store.renew(*key, self._lease_seconds)

    def _fitting(self, rows: Sequence[Waiting]) -> list[Waiting]:
        fitting: list[Waiting] = []
        size = 0
        for one in rows:
            if one.raw is None:
                break
            other = fitting and version_to_send(one.version or "") != version_to_send(
                fitting[0].version or ""
            )
            if other or (fitting and size + len(one.raw) > self._settings.forward_batch_bytes):
                break
            fitting.append(one)
            size += len(one.raw)
        return fitting

    async def _deliver(self, target: Target, delivery: Delivery, rows: Sequence[Waiting]) -> None:
        """Send rows whole, or in halves until those at fault stand alone. Raises Failed."""
        key = (target.tenant, target.name)
        groups = [list(rows)]
        while groups:
            group = groups.pop(0)
            await self._store.renew(*key, self._lease_seconds)
            try:
                dead = await delivery.send(group)
            except Refused:
                middle = len(group) // 2
                groups[:0] = [group[:middle], group[middle:]]
                continue
            if dead is None:
                await self._store.settle(*key, [one.id for one in group], [])
                self._metrics.sent.inc(len(group))
            else:
                await self._store.settle(*key, [], [dead])
                self._metrics.died.inc()
                log.warning("A statement was refused by a target", extra=fields(target=target.name))

    async def _leave_alone(self, target: Target, failure: Failed) -> None:
        key = (target.tenant, target.name)
        settings = self._settings
        failures = await self._store.failures(*key) + 1
        pause = pause_seconds(
            failures,
            longest=settings.forward_pause_seconds_max,
            wished=failure.wished_seconds,
            jitter=random.random(),  # noqa: S311 - jitter, no secret
        )
        died = await self._store.failed(
            *key,
            [one.id for one in failure.rows],
            why=str(failure)[:REASON_CHARACTERS],
            pause_seconds=pause,
            tries_max=settings.forward_tries_max,
        )
        self._metrics.failures.inc()
        self._metrics.died.inc(died)
        log.warning(
            "A target failed and is left alone for a while",
            extra=fields(target=target.name, pause_seconds=round(pause, 1), died=died),
        )


def basic(user: str, secret: str) -> str:
    """The header of a Basic key (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


def _as_answered(one: Waiting) -> bytes:
    if one.raw is None or one.stored_ms is None:
        raise ValueError("a statement that the store does not have cannot be sent")
    stored = iso(one.stored_ms)
    return with_stored(one.raw, stored, stored)


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _told(answer: Answer) -> str:
    """The status and the beginning of what was answered, as text that can be kept."""
    text = answer.body.decode("utf-8", "replace").replace("\0", "\ufffd")
    return f"{answer.status} {text}"[:REASON_CHARACTERS].strip()
