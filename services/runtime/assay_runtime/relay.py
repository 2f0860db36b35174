"""The outbox road: rows written in a transaction leave for Kafka after it, in order, none lost.

The table `<schema>.outbox` (id bigint identity, topic, key, value, headers_json) holds what is not
sent yet. One relay at a time, by advisory lock on its own connection; rows are deleted after the
acknowledgement. A crash between the two sends again, and consumers ignore what they have
(event id, sequence).
"""

import asyncio
import logging

from aiokafka.errors import KafkaError

from assay_runtime.logs import fields
from assay_runtime.metrics import RelayMetrics
from assay_runtime.postgres import TRANSIENT, Connection, Pool
from assay_runtime.produce import Producer, Unacknowledged
from assay_runtime.settings import ServiceSettings
from assay_runtime.sql import load_queries

log = logging.getLogger(__name__)

BATCH_ROWS = 500
IDLE_SECONDS = 1.0


class Relay:
    """Sends the outbox of one schema. Writers `notify` the channel `<schema>_outbox`."""

    def __init__(
        self,
        *,
        settings: ServiceSettings,
        pool: Pool,
        producer: Producer,
        schema: str,
        metrics: RelayMetrics,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._producer = producer
        self._schema = schema
        self._sql = load_queries("assay_runtime", schema=schema)
        self._metrics = metrics
        self._wake = asyncio.Event()
        self.leading = False

    async def run(self) -> None:
        """Relay until cancelled."""
        while True:
            try:
                async with self._pool.acquire() as connection:
                    await self._lead(connection)
            except (Unacknowledged, KafkaError, *TRANSIENT) as error:
                log.warning(
                    "Relaying was interrupted",
                    extra=fields(schema=self._schema, error=type(error).__name__),
                )
                await asyncio.sleep(0.2)

    async def _lead(self, connection: Connection) -> None:
        lock = f"assay-relay-{self._schema}"
        # Asked for again and again rather than waited for, so that no statement runs for ever.
        while True:
            if await connection.fetchval("select pg_try_advisory_lock(hashtext($1))", lock):
                break
            await asyncio.sleep(IDLE_SECONDS)
        try:
            self.leading = True
            await connection.add_listener(f"{self._schema}_outbox", self._notified)
            while True:
                self._wake.clear()
                if await self._send_batch(connection) == 0:
                    try:
                        async with asyncio.timeout(IDLE_SECONDS):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
        finally:
            self.leading = False
            # The lock and the subscription end with the session, whatever state it is in.
            connection.terminate()

    def _notified(self, *_: object) -> None:
        self._wake.set()

    async def _send_batch(self, connection: Connection) -> int:
        rows = await connection.fetch(self._sql["next_outbox"], BATCH_ROWS)
        if not rows:
            self._metrics.depth.set(0)
            return 0
        # Sent side by side: rows of one key go to one partition, and the idempotent producer keeps
        # the order in which they were handed over.
        answers = await asyncio.gather(
            *(
                self._producer.send(row["topic"], key=row["key"], value=row["value"])
                for row in rows
            ),
            return_exceptions=True,
        )
        # Only an unbroken run from the front may be forgotten, or a later one would overtake.
        acknowledged = []
        failure: BaseException | None = None
        for row, answer in zip(rows, answers, strict=True):
            if isinstance(answer, BaseException):
                failure = answer
                break
            acknowledged.append(row["id"])
        if acknowledged:
            await connection.execute(self._sql["delete_outbox"], acknowledged)
            self._metrics.sent.inc(len(acknowledged))
        self._metrics.depth.set(await connection.fetchval(self._sql["count_outbox"]))
        if failure is not None:
            raise failure
        return len(rows)
