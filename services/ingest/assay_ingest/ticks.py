"""Ticks: records that carry nothing but a time, so that an idle partition does not hold back time.

Process `store` writes one to each of its partitions every `tick_seconds`. When it has applied a
statement it also nudges those of its partitions that have nothing unread and whose time is not
past that statement's, at most every `nudge_seconds`: at low load the watermark follows in tens of
milliseconds. A tick never asks for another nudge, so an idle system stays quiet.
"""

import asyncio
import logging
from collections.abc import Sequence

from assay_ingest.metrics import StoreMetrics
from assay_runtime.consume import Consumer, Record
from assay_runtime.logs import fields
from assay_runtime.produce import Producer, RecordTooLarge, Unacknowledged
from assay_schemas.envelope import TICK_HEADERS
from assay_schemas.topics import STATEMENTS

log = logging.getLogger(__name__)


class Ticks:
    """Sends ticks to the partitions that this process applies."""

    def __init__(
        self,
        producer: Producer,
        metrics: StoreMetrics,
        *,
        tick_seconds: float,
        nudge_seconds: float,
        topic: str = STATEMENTS,
    ) -> None:
        self._topic = topic
        self._producer = producer
        self._metrics = metrics
        self._tick_seconds = tick_seconds
        self._nudge_seconds = nudge_seconds
        self._newest_ms = 0
        self._committed = asyncio.Event()

    def committed(self, batch: Sequence[Record]) -> None:
        """Called after each commit."""
        newest = max((one.stored_ms for one in batch if one.value is not None), default=0)
        self._newest_ms = max(self._newest_ms, newest)
        self._committed.set()

    async def run(self, consumer: Consumer) -> None:
        """Tick and nudge until cancelled."""
        loop = asyncio.get_running_loop()
        next_tick = loop.time()
        while True:
            self._committed.clear()
            now = loop.time()
            if now >= next_tick:
                next_tick = now + self._tick_seconds
                await self._send(sorted(consumer.positions()))
            else:
                await self._send(await self._behind(consumer))
            # One pause after whatever was sent is what bounds the rate.
            await asyncio.sleep(min(self._nudge_seconds, max(0.0, next_tick - loop.time())))
            try:
                async with asyncio.timeout_at(next_tick):
                    await self._committed.wait()
            except TimeoutError:
                continue

    async def _behind(self, consumer: Consumer) -> list[int]:
        """Partitions without anything unread that do not stand past the newest statement."""
        positions = consumer.positions()
        return [
            number
            for number in await consumer.caught_up_partitions()
            if positions.get(number, self._newest_ms + 1) <= self._newest_ms
        ]

    async def _send(self, partitions: Sequence[int]) -> None:
        if not partitions:
            return
        answers = await asyncio.gather(
            *(
                self._producer.send(self._topic, value=None, headers=TICK_HEADERS, partition=number)
                for number in partitions
            ),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, Unacknowledged | RecordTooLarge):
                self._metrics.ticks_failed.inc()
                log.warning("A tick was not sent", extra=fields(error=str(answer)))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                self._metrics.ticks.inc()
