"""The ingest service's own processes, run inside a test on a real Kafka and Postgres.

Topic and database belong to the test, so it can stop the store, look at the log and count rows.
"""

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer

from assay_cli.stack import StackInfo
from assay_ingest import admin
from assay_ingest.__main__ import ingest, mover, store
from assay_ingest.forward_process import forward
from assay_ingest.settings import ForwardSettings, IngestSettings, MoverSettings, StoreSettings
from assay_runtime.auth import new_secret
from assay_testing import Database, KafkaSpace, drop_database, new_database

READY_SECONDS = 30.0
VERSION = {"X-Experience-API-Version": "2.0.0"}
ALL_SCOPES = ("statements/write", "statements/read", "define")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Service:
    """Processes of one test."""

    database: Database
    kafka: KafkaSpace
    topic: str
    owner: asyncpg.Connection
    http: httpx.AsyncClient
    attachments: Path
    running: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def environment(self, name: str, **more: str) -> dict[str, str]:
        self.ports[name] = free_port()
        return {
            **self.database.environment(f"assay_{name}"),
            **self.kafka.environment(name),
            "ASSAY_HTTP_PORT": str(self.ports[name]),
            "ASSAY_ATTACHMENTS_URL": self.attachments.as_uri(),
            **{f"ASSAY_{key.upper()}": value for key, value in more.items()},
        }

    def url(self, name: str = "ingest") -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    async def start_store_unready(self, **settings: str) -> None:
        """Start the store, and wait only until it is alive."""
        known = StoreSettings.from_environment(self.environment("store", **settings))
        await self._run("store", store(known, self.topic), "/healthz")

    async def start_ingest(self, **settings: str) -> None:
        known = IngestSettings.from_environment(self.environment("ingest", **settings))
        # Alive is enough: it is ready once the store has caught up.
        await self._run("ingest", ingest(known, self.topic), "/healthz")

    async def start_store(self, **settings: str) -> None:
        known = StoreSettings.from_environment(self.environment("store", **settings))
        await self._run("store", store(known, self.topic))

    async def start_mover(self, pattern: str, **settings: str) -> None:
        known = MoverSettings.from_environment(self.environment("mover", **settings))
        await self._run("mover", mover(known, self.topic, pattern))

    async def start_forward(self, secrets: Path, **settings: str) -> None:
        """Start forwarding; the targets may be on this machine."""
        known = ForwardSettings.from_environment(
            self.environment(
                "forward",
                forward_secrets=str(secrets),
                forward_http_allowed="true",
                forward_private_allowed="true",
                forward_targets_seconds="0.1",
                forward_look_seconds="0.1",
                **settings,
            )
        )
        await self._run("forward", forward(known, self.topic))

    async def _run(self, name: str, process: Any, path: str = "/readyz") -> None:
        task = asyncio.ensure_future(process)
        self.running[name] = task
        async with asyncio.timeout(READY_SECONDS):
            while not await self._answers(name, path):
                if task.done():
                    await task
                await asyncio.wait({task}, timeout=0.02)

    async def _answers(self, name: str, path: str) -> bool:
        try:
            return (await self.http.get(self.url(name) + path)).status_code == 200
        except httpx.TransportError:
            return False

    async def ready(self, name: str = "ingest") -> None:
        """Wait until the process says that it is ready."""
        async with asyncio.timeout(READY_SECONDS):
            while not await self._answers(name, "/readyz"):
                await asyncio.wait({self.running[name]}, timeout=0.02)

    def check_running(self) -> None:
        """Raise what a process ended with, instead of waiting for what it will never do."""
        for task in self.running.values():
            if task.done():
                task.result()

    async def stop(self, name: str) -> None:
        task = self.running.pop(name)
        task.cancel()
        await asyncio.wait({task})

    async def new_client(
        self,
        scopes: Sequence[str] = ALL_SCOPES,
        *,
        tenant: str | None = None,
        source: str | None = "s1",
        **of_source: Any,
    ) -> "XapiClient":
        """A client with a key of its own, and its tenant and source where they are not there."""
        tenant = tenant or f"t{uuid4().hex[:12]}"
        name, secret = f"c-{uuid4().hex[:12]}", new_secret()
        await admin.put_tenant(self.owner, tenant)
        if source is not None:
            await admin.put_source(self.owner, tenant, source, **of_source)
        await admin.put_client(self.owner, name, tenant, source, scopes, secret)
        return XapiClient(self.http, self.url(), tenant, name, secret)

    async def log(self) -> list[Any]:
        """Every record of statements in the log (ticks left out), in the order of partitions."""
        self.check_running()
        consumer = AIOKafkaConsumer(
            self.topic, **self.kafka.access("admin").aiokafka(), auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            places = sorted(consumer.assignment())
            ends = await consumer.end_offsets(places)
            begins = await consumer.beginning_offsets(places)
            left = {place for place in places if ends[place] > begins[place]}
            found = []
            while left:
                fetched = await consumer.getmany(timeout_ms=200)
                for place, records in fetched.items():
                    found += [one for one in records if one.value is not None]
                    if records[-1].offset + 1 >= ends[place]:
                        left.discard(place)
            return found
        finally:
            await consumer.stop()

    async def applied(self) -> None:
        """Wait until the store has applied the log's end of this moment."""
        consumer = AIOKafkaConsumer(self.topic, **self.kafka.access("admin").aiokafka())
        await consumer.start()
        try:
            places = sorted(consumer.assignment())
            ends = await consumer.end_offsets(places)
        finally:
            await consumer.stop()
        async with asyncio.timeout(READY_SECONDS):
            while True:
                rows = await self.owner.fetch(
                    "select partition, next_offset from ingest.applied "
                    "where projection = 'store' and topic = $1",
                    self.topic,
                )
                done = {row["partition"]: row["next_offset"] for row in rows}
                if all(done.get(place.partition, 0) >= ends[place] for place in places):
                    return
                await self.owner.execute("select pg_sleep(0.01)")


@dataclass
class XapiClient:
    """An API client; every call is one request."""

    http: httpx.AsyncClient
    url: str
    tenant: str
    name: str
    secret: str

    async def request(
        self,
        method: str,
        path: str = "/xapi/statements",
        *,
        headers: Mapping[str, str] = VERSION,
        **arguments: Any,
    ) -> httpx.Response:
        arguments.setdefault("auth", (self.name, self.secret))
        return await self.http.request(method, self.url + path, headers=dict(headers), **arguments)

    async def post(self, statements: Any, **arguments: Any) -> httpx.Response:
        return await self.request("POST", json=statements, **arguments)

    async def put(self, statement_id: object, sent: Any, **arguments: Any) -> httpx.Response:
        return await self.request(
            "PUT", params={"statementId": str(statement_id)}, json=sent, **arguments
        )

    async def get(self, **parameters: Any) -> httpx.Response:
        return await self.request("GET", params=parameters)

    async def ids(self, **parameters: Any) -> list[str]:
        """The ids of every page of a list, in order."""
        answer = await self.get(**parameters)
        found: list[str] = []
        while True:
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [one["id"] for one in page["statements"]]
            if not page["more"]:
                return found
            answer = await self.request("GET", page["more"])


@asynccontextmanager
async def service_on(database: Database, kafka: KafkaSpace) -> AsyncIterator[Service]:
    """A service with a topic of its own; everything that was started is stopped at the end."""
    topic = kafka.topic(
        "assay.statements",
        partitions=3,
        config={"max.message.bytes": str(8 * 1024 * 1024)},
        writers=("ingest", "mover", "store"),
        readers=("store", "forward"),
    )
    owner = await database.connect()
    async with httpx.AsyncClient(timeout=30) as http:
        folder = Path(tempfile.mkdtemp(prefix="assay-attachments-"))
        service = Service(database, kafka, topic, owner, http, folder)
        try:
            yield service
        finally:
            for name in list(service.running):
                await service.stop(name)
            await owner.close()
            shutil.rmtree(folder)


@asynccontextmanager
async def own_service(servers: StackInfo, template: str) -> AsyncIterator[Service]:
    """A service with a database and principals of its own, for all tests of one file."""
    database = await new_database(servers, template)
    kafka = KafkaSpace.of(servers)
    try:
        async with service_on(database, kafka) as made:
            yield made
    finally:
        kafka.close()
        await drop_database(database)


@asynccontextmanager
async def front_and_store(
    servers: StackInfo, template: str, *, tick_seconds: str = "", **settings: str
) -> AsyncIterator[Service]:
    """`own_service` with the store (its ticks as given), and ingest with `settings`, ready."""
    async with own_service(servers, template) as made:
        await made.start_store(**({"tick_seconds": tick_seconds} if tick_seconds else {}))
        await made.start_ingest(**settings)
        await made.ready()
        yield made
