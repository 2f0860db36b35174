"""A client that keeps its own record of what it was told is kept.

It posts batches and single statements over HTTP, voids some of its own, and writes to an input
topic; whatever fails for now is sent again, with the same ids. It believes nobody but itself.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from uuid import UUID

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from assay_cli.stack import KafkaAccess, StackInfo
from assay_schemas.topics import input_topic

TENANT = "demo"
INPUT_SOURCE = "vr"
COURSE = "https://assay.example/demo/activities/course/gmp-foundations"
VR_TASK = "https://assay.example/demo/activities/vr/liquid-nitrogen"
VERBS = "http://adlnet.gov/expapi/verbs/"
LEARNERS = 150
BATCH = 20
VERSION = {"X-Experience-API-Version": "1.0.3"}
# A client waits longer than a broker is away, and asks again rather than wait for ever.
ANSWER_SECONDS = 8.0
PAUSE_SECONDS = 0.3

Statement = dict[str, object]


@dataclass(slots=True)
class Told:
    """What the client was told: ids that are kept, and how often it had to ask again."""

    kept: set[str] = field(default_factory=set)
    voided: set[str] = field(default_factory=set)
    over_kafka: set[str] = field(default_factory=set)
    retries: int = 0
    # Answers that no client should ever get for what it sends here.
    refused: list[str] = field(default_factory=list)


class LoadClient:
    """Sends until it is told to stop; then every request it began is answered."""

    def __init__(self, stack: StackInfo, seed: int) -> None:
        self._stack = stack
        self._random = Random(seed)  # noqa: S311 - draws a load, no secrets
        self._stopping = asyncio.Event()
        self.told = Told()
        self._passed: list[str] = []

    def stop(self) -> None:
        self._stopping.set()

    async def run(self, pause_seconds: float = PAUSE_SECONDS) -> None:
        """All the load at once: batches, singles, voids and input records."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self.batches, self.batches, self.singles, self.voids, self.input_records):
                tasks.create_task(work(pause_seconds))

    async def batches(self, pause_seconds: float) -> None:
        async with self._http("online") as client:
            while not self._stopping.is_set():
                statements = [self._statement(COURSE) for _ in range(BATCH)]
                await self._until_kept(client, statements)
                await asyncio.sleep(pause_seconds)

    async def singles(self, pause_seconds: float) -> None:
        async with self._http("online") as client:
            while not self._stopping.is_set():
                statement = self._statement(COURSE)
                await self._until_kept(client, [statement])
                self._passed.append(str(statement["id"]))
                # Once more, as a client does that missed the answer: it changes nothing.
                if self._random.random() < 0.2:
                    await self._until_kept(client, [statement])
                await asyncio.sleep(pause_seconds / 5)

    async def voids(self, pause_seconds: float) -> None:
        async with self._http("online") as client:
            while not self._stopping.is_set():
                if self._passed:
                    target = self._passed.pop(self._random.randrange(len(self._passed)))
                    await self._until_kept(client, [self._void(target)])
                    self.told.voided.add(target)
                await asyncio.sleep(4 * pause_seconds)

    async def input_records(self, pause_seconds: float) -> None:
        topic = input_topic(TENANT, INPUT_SOURCE)
        access = self._stack.kafka(topic.writers[0])
        while not self._stopping.is_set():
            statements = [self._statement(VR_TASK) for _ in range(5)]
            await self._until_written(access, topic.name, statements)
            await asyncio.sleep(pause_seconds)

    async def _until_kept(self, client: httpx.AsyncClient, statements: list[Statement]) -> None:
        body = statements[0] if len(statements) == 1 else statements
        while True:
            try:
                answer = await client.post("statements", json=body)
            except httpx.TransportError:
                await self._again()
                continue
            if answer.status_code == 200:
                self.told.kept.update(str(one["id"]) for one in statements)
                return
            if answer.status_code in (429, 503):
                await self._again()
                continue
            self.told.refused.append(f"{answer.status_code} {answer.text[:500]}")
            return

    async def _until_written(
        self, access: KafkaAccess, topic: str, statements: list[Statement]
    ) -> None:
        value = json.dumps(statements).encode()
        while True:
            producer = AIOKafkaProducer(
                **access.aiokafka(), acks="all", request_timeout_ms=int(ANSWER_SECONDS * 1000)
            )
            try:
                await producer.start()
                async with asyncio.timeout(ANSWER_SECONDS):
                    await producer.send_and_wait(topic, value)
            except (KafkaError, OSError, TimeoutError):
                await self._again()
            else:
                self.told.over_kafka.update(str(one["id"]) for one in statements)
                return
            finally:
                await producer.stop()

    async def _again(self) -> None:
        self.told.retries += 1
        await asyncio.sleep(PAUSE_SECONDS)

    def _http(self, key: str) -> httpx.AsyncClient:
        keys: Mapping[str, str] = self._stack.keys()[key]
        return httpx.AsyncClient(
            base_url=self._stack.urls["xapi"] + "/",
            auth=(keys["user"], keys["password"]),
            headers=VERSION,
            timeout=ANSWER_SECONDS,
        )

    def _statement(self, activity: str) -> Statement:
        learner = self._random.randrange(LEARNERS)
        return {
            "id": self._id(),
            "actor": {
                "account": {"homePage": "https://people.example.org", "name": f"learner-{learner}"}
            },
            "verb": {"id": VERBS + self._random.choice(("passed", "failed"))},
            "object": {"id": activity},
            "result": {"score": {"scaled": self._random.randrange(50, 101) / 100}},
            "timestamp": datetime.now(UTC).isoformat(),
        }

    def _void(self, target: str) -> Statement:
        return {
            "id": self._id(),
            "actor": {"mbox": "mailto:office@example.org"},
            "verb": {"id": VERBS + "voided"},
            "object": {"objectType": "StatementRef", "id": target},
        }

    def _id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))
