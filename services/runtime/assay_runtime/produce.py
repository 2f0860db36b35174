"""Sending to Kafka: idempotent, acks=all, and never "sent" before it is acknowledged."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
)

from assay_runtime.kafka import client_settings
from assay_runtime.logs import fields
from assay_runtime.postgres import until_it_works
from assay_runtime.settings import ServiceSettings

log = logging.getLogger(__name__)

OPEN_SECONDS = 10.0

# The record itself cannot be taken; trying again or reconnecting does not help.
_RECORD_FAULTS = (
    MessageSizeTooLargeError,
    RecordTooLargeError,
)


class Unacknowledged(Exception):
    """The broker did not acknowledge in time: the record is in the log whole, or not at all."""


class RecordTooLarge(Exception):
    """The record is larger than the topic takes."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where a record stands in the log, and when the broker appended it (ms)."""

    partition: int
    offset: int
    append_ms: int


class Producer:
    """One producer of a process. After an error that poisons the client, it is made anew."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        acknowledge_seconds: float,
        linger_ms: int = 0,
        max_request_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self._settings = settings
        self._seconds = acknowledge_seconds
        self._linger_ms = linger_ms
        self._max_request_bytes = max_request_bytes
        self._client: AIOKafkaProducer | None = None
        self._renewing = asyncio.Lock()

    async def start(self) -> None:
        await until_it_works(
            self._open,
            "Kafka",
            self._settings.retry_seconds_max,
            (KafkaError, OSError, TimeoutError),
        )

    async def _open(self) -> None:
        client = AIOKafkaProducer(
            **client_settings(self._settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=self._linger_ms,
            max_batch_size=1024 * 1024,
            max_request_size=self._max_request_bytes,
            request_timeout_ms=int(self._seconds * 1000),
            metadata_max_age_ms=10_000,
        )
        try:
            # Where the broker goes away in the middle of it, the client waits for ever by itself.
            async with asyncio.timeout(OPEN_SECONDS):
                await client.start()
        except BaseException:
            await _close(client)
            raise
        self._client = client

    async def stop(self) -> None:
        if self._client is not None:
            await self._client.stop()
            self._client = None

    @property
    def ready(self) -> bool:
        return self._client is not None

    async def send(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> Acknowledged:
        """Send one record and wait for the acknowledgement.

        Raises Unacknowledged (unknown: whole or none; sending it again is the caller's choice) or
        RecordTooLarge.
        """
        client = self._client
        if client is None:
            raise Unacknowledged("no connection to the broker")
        if value is None and key is None:
            # A tick has neither. Kafka takes that, but aiokafka asserts that there is one of them.
            key = b""
        try:
            async with asyncio.timeout(self._seconds):
                waiting = await client.send(
                    topic, value=value, key=key, headers=list(headers), partition=partition
                )
            done, _ = await asyncio.wait({waiting}, timeout=self._seconds)
            if not done:
                raise Unacknowledged("no acknowledgement in time")
            sent = waiting.result()
        except _RECORD_FAULTS as error:
            raise RecordTooLarge(type(error).__name__) from None
        except TimeoutError:
            raise Unacknowledged("no room to send in time") from None
        except KafkaError as error:
            await self._renew(client, error)
            raise Unacknowledged(type(error).__name__) from None
        return Acknowledged(
            partition=sent.partition, offset=sent.offset, append_ms=int(sent.timestamp)
        )

    async def _renew(self, broken: AIOKafkaProducer, error: KafkaError) -> None:
        """Replace a client that saw an error once; callers that come later find the new one."""
        async with self._renewing:
            if self._client is not broken:
                return
            log.warning("The producer is made anew", extra=fields(error=type(error).__name__))
            self._client = None
        closing = asyncio.create_task(_close(broken))
        try:
            async with asyncio.timeout(self._seconds):
                await self.start()
        except TimeoutError:
            asyncio.get_running_loop().call_later(1.0, self._start_later)
        await asyncio.wait({closing}, timeout=0.1)

    def _start_later(self) -> None:
        if self._client is None:
            self._starting = asyncio.create_task(self.start())


async def _close(client: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(5):
            await client.stop()
    except (KafkaError, OSError, TimeoutError) as error:
        log.warning("Closing a producer failed", extra=fields(error=type(error).__name__))
