"""The front doors of a running stack, as the tools, offices and strangers of the demo use them.

HTTP and input topics only. What cannot be had raises DemoError with a sentence for the person at
the terminal.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urljoin

import httpx
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families

from assay_cli.demo_programme import Authorisation, BadDelivery, Delivery
from assay_cli.demo_statements import Agent, Statement
from assay_cli.errors import StackError
from assay_cli.stack import StackInfo
from assay_schemas.topics import input_topic

XAPI_VERSION = {"X-Experience-API-Version": "1.0.3"}
CONSISTENT_THROUGH = "X-Experience-API-Consistent-Through"
REQUEST_SECONDS = 60.0
# A full service answers 429 or 503 with Retry-After; so long a tool goes on trying.
RETRY_SECONDS = 60.0
HTTP_CONNECTIONS = 16
SHARED = timedelta(days=7)

# Which key a source's HTTP client has.
KEY_OF_SOURCE = {"online": "online", "vr": "vr", "in-person": "in_person", "admin": "admin"}

# JSON that other services answered; its shape is looked at where it is used.
Json = dict[str, Any]
S = TypeVar("S")
T = TypeVar("T")


class DemoError(StackError):
    """The demo cannot go on; the text says why."""


class Doors:
    """Clients of one stack. Use it as an asynchronous context manager."""

    def __init__(self, stack: StackInfo) -> None:
        self._stack = stack
        keys = stack.keys()
        missing = sorted({"online", "vr", "in_person", "reader", "admin"} - keys.keys())
        if missing:
            raise DemoError("the demo tenant is not loaded: run `make run` first")
        self._auth = {
            name: httpx.BasicAuth(key["user"], key["password"]) for name, key in keys.items()
        }
        self._http = httpx.AsyncClient(
            timeout=REQUEST_SECONDS,
            limits=httpx.Limits(max_connections=HTTP_CONNECTIONS),
            # Everything is on this machine; a proxy in the environment is for other hosts.
            trust_env=False,
        )
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exit.enter_async_context(self._http)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exit.__aexit__(kind, error, trace)

    # --- requests

    async def _send(
        self, method: str, url: str, key: str | None = None, **arguments: Any
    ) -> httpx.Response:
        """One request; while the service is full or away for a moment, again."""
        auth = self._auth[key] if key is not None else None
        deadline = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                response = await self._http.request(method, url, auth=auth, **arguments)
            except httpx.TransportError as error:
                raise DemoError(
                    f"{url} does not answer ({type(error).__name__}): is the stack up? "
                    f"Run `make run` first"
                ) from error
            if response.status_code not in {429, 503} or time.monotonic() > deadline:
                return response
            wait = response.headers.get("Retry-After", "1")
            await asyncio.sleep(min(float(wait) if wait.isdigit() else 1.0, 5.0))

    async def _json(self, method: str, url: str, key: str | None = None, **arguments: Any) -> Any:
        """The JSON of a 2xx answer; DemoError for any other."""
        response = await self._send(method, url, key, **arguments)
        if not response.is_success:
            raise DemoError(f"{method} {url} answered {response.status_code}: {_said(response)}")
        return response.json() if response.content else None

    def _url(self, service: str, path: str) -> str:
        return self._stack.url(service) + path

    async def not_ready(self) -> dict[str, str]:
        """What each service lacks; empty when all are ready."""
        missing = {}
        for name in ("ingest", "store", "mover", "aggregator", "relay", "credentials"):
            try:
                response = await self._http.get(self._url(name, "/readyz"), timeout=5.0)
            except httpx.TransportError:
                missing[name] = "does not answer"
                continue
            if response.status_code != 200:
                missing[name] = _said(response)
        return missing

    async def counters(self, service: str) -> dict[str, float]:
        """The counters of a service's /metrics, as `name` or `name{reason}`."""
        response = await self._send("GET", self._url(service, "/metrics"))
        found: dict[str, float] = {}
        for family in text_string_to_metric_families(response.text):
            for sample in family.samples:
                reason = sample.labels.get("reason")
                if family.type == "counter" and sample.name.endswith("_total"):
                    name = sample.name.removesuffix("_total")
                    found[name if reason is None else f"{name}{{{reason}}}"] = sample.value
        return found

    # --- xAPI

    async def post(self, source: str, body: bytes) -> httpx.Response:
        """POST statements as the client of a source."""
        return await self._send(
            "POST",
            self._url("ingest", "/xapi/statements"),
            KEY_OF_SOURCE[source],
            content=body,
            headers={**XAPI_VERSION, "Content-Type": "application/json"},
        )

    async def void(self, statement: Statement) -> httpx.Response:
        """POST a voiding statement as the training office."""
        return await self.post("admin", orjson.dumps(statement))

    async def statement(self, statement_id: str) -> Statement | None:
        """A statement by its id, None when it is not known (or voided)."""
        response = await self._send(
            "GET",
            self._url("ingest", "/xapi/statements"),
            "reader",
            params={"statementId": statement_id},
            headers=XAPI_VERSION,
        )
        if response.status_code == 404:
            return None
        if not response.is_success:
            raise DemoError(f"reading a statement answered {_said(response)}")
        found: Statement = response.json()
        return found

    async def statement_ids(self, agent: Agent) -> list[str]:
        """The ids of all statements about an agent, over all pages."""
        identity = {name: value for name, value in agent.items() if name != "name"}
        url = self._url("ingest", "/xapi/statements")
        params: Mapping[str, str] | None = {"agent": orjson.dumps(identity).decode()}
        ids: list[str] = []
        while True:
            page = await self._json("GET", url, "reader", params=params, headers=XAPI_VERSION)
            ids += [one["id"] for one in page["statements"]]
            if not page.get("more"):
                return ids
            url, params = urljoin(self._stack.url("ingest") + "/", page["more"]), None

    async def consistent_through(self) -> datetime:
        """Up to which time lists of statements are complete."""
        response = await self._send(
            "GET",
            self._url("ingest", "/xapi/statements"),
            "reader",
            params={"limit": "1"},
            headers=XAPI_VERSION,
        )
        return datetime.fromisoformat(response.headers[CONSISTENT_THROUGH])

    # --- input topics

    async def produce(
        self,
        tenant: str,
        deliveries: Sequence[Delivery | BadDelivery],
        progress: Callable[[], None],
    ) -> None:
        """Write records to the input topics, each source in its order and as its own principal."""
        for source in sorted({one.source for one in deliveries}):
            topic = input_topic(tenant, source)
            async with self._producer(topic.writers[0]) as producer:
                sent = []
                for one in deliveries:
                    if one.source == source:
                        sent.append(await producer.send(topic.name, value=one.body))
                        progress()
                await asyncio.gather(*sent)

    @asynccontextmanager
    async def _producer(self, principal: str) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            **self._stack.kafka(principal).aiokafka(), acks="all", enable_idempotence=True
        )
        try:
            await producer.start()
            yield producer
        except KafkaError as error:
            raise DemoError(f"Kafka did not take a record of {principal}: {error!r}") from error
        finally:
            await producer.stop()

    # --- aggregator

    async def person(self, agent: Agent) -> str | None:
        """The id of the one person that an agent is, None when nobody is known by it."""
        response = await self._send(
            "GET",
            self._url("aggregator", "/people"),
            "reader",
            params={"agent": orjson.dumps(agent).decode()},
        )
        if response.status_code == 404:
            return None
        if not response.is_success:
            raise DemoError(f"asking for a person answered {_said(response)}")
        return str(response.json()["people"][0]["person"])

    async def put_person(self, agents: Sequence[Agent]) -> str:
        """The person who is each of these agents, stated so by the training office."""
        made = await self._administer("/admin/people", {"agents": list(agents)})
        return str(made["person"])

    async def authorise(self, assessor: str, given: Authorisation) -> None:
        """A person may assess within a scope on some days."""
        await self._administer(
            "/admin/authorisations",
            {
                "assessor": assessor,
                "scope": given.scope,
                "from": given.valid_from.isoformat(),
                "to": given.valid_to.isoformat(),
                "reason": "on the training office's register of assessors",
            },
        )

    async def declare_conflict(self, assessor: str, person: str) -> None:
        """An assessor may not assess a person."""
        await self._administer(
            "/admin/conflicts",
            {"assessor": assessor, "with": person, "reason": "declared by the assessor"},
        )

    async def _administer(self, path: str, body: Json) -> Json:
        found: Json = await self._json("POST", self._url("aggregator", path), "admin", json=body)
        return found

    async def live_statuses(self, person: str) -> dict[str, str]:
        """The status of each competency as the standing decisions have it."""
        found = await self._json("GET", self._url("aggregator", f"/people/{person}"), "reader")
        return {one["competency"]: one["status"] for one in found["competencies"]}

    async def decisions(self, person: str) -> tuple[dict[str, Json], datetime]:
        """The full decisions by competency, and the time up to which they know everything."""
        response = await self._send(
            "GET", self._url("aggregator", f"/people/{person}/competencies"), "reader"
        )
        if not response.is_success:
            raise DemoError(f"asking for competencies answered {_said(response)}")
        through = datetime.fromisoformat(response.headers["X-Assay-Consistent-Through"])
        return {one["competency"]: one for one in response.json()["competencies"]}, through

    async def decision(
        self, person: str, competency: str, known_at: datetime | None = None
    ) -> Json:
        """The full decision of one competency, as it was known then (None: as now)."""
        params = {} if known_at is None else {"known_at": known_at.isoformat()}
        url = self._url("aggregator", f"/people/{person}/competencies/{competency}")
        found = await self._json("GET", url, "reader", params=params)
        decision: Json = found["competencies"][0]
        return decision

    async def merge(self, person: str, into: str, reason: str) -> str:
        """Two records are one human, the training office says; the id of the merge."""
        body = {"merged": person, "kept": into, "reason": reason}
        return str((await self._administer("/admin/merges", body))["merge"])

    async def unmerge(self, merge: str, reason: str) -> None:
        """They are two after all."""
        await self._json(
            "DELETE", self._url("aggregator", f"/admin/merges/{merge}"), "admin",
            params={"reason": reason},
        )  # fmt: skip

    async def summary(self) -> dict[str, dict[str, int]]:
        """People of the whole tenant by competency and status."""
        found = await self._json("GET", self._url("aggregator", "/summary"), "reader")
        return {one["competency"]: one["people"] for one in found["competencies"]}

    async def reasons(self) -> dict[str, int]:
        """Statements of the whole tenant that do not count, by reason."""
        found = await self._json("GET", self._url("aggregator", "/reasons"), "reader")
        reasons: dict[str, int] = found["reasons"]
        return reasons

    # --- credentials

    async def credentials(self, person: str) -> list[Json]:
        """What stands about the credentials of a person."""
        found = await self._json(
            "GET", self._url("credentials", "/credentials"), "reader", params={"person": person}
        )
        listed: list[Json] = found["credentials"]
        return listed

    async def credential(self, credential: str) -> bytes:
        """The signed document of a credential, byte for byte."""
        response = await self._send(
            "GET", self._url("credentials", f"/credentials/{credential}"), "reader"
        )
        if not response.is_success:
            raise DemoError(f"asking for a credential answered {_said(response)}")
        return response.content

    async def share(self, credential: str) -> str:
        """A link under which anybody who has it sees the credential; it is open for a week."""
        found = await self._json(
            "POST",
            self._url("credentials", f"/credentials/{credential}/shares"),
            "admin",
            json={"expires_at": (datetime.now(UTC) + SHARED).isoformat(), "label": "demo"},
        )
        return str(found["share_url"])

    async def verify(self, document: bytes) -> Json:
        """What anybody is told who shows a credential: no key is sent."""
        found: Json = await self._json(
            "POST",
            self._url("credentials", "/verify"),
            content=document,
            headers={"Content-Type": "application/json"},
        )
        return found


def _said(response: httpx.Response) -> str:
    """What a refusal says, in one line."""
    try:
        problem = response.json()
    except ValueError:
        return f"{response.status_code} {response.text[:200]}"
    if not isinstance(problem, dict):
        return f"{response.status_code}"
    parts = [problem.get("title"), problem.get("detail")]
    for error in problem.get("errors") or ():
        parts.append(f"{error.get('pointer', '')} {error.get('message', '')}".strip())
    return ": ".join(str(part) for part in parts if part)


async def eventually(
    look: Callable[[], Awaitable[T | None]], seconds: float, pause_seconds: float = 0.1
) -> T | None:
    """The first answer that is not None, or None when the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found is not None or time.monotonic() > deadline:
            return found
        await asyncio.sleep(pause_seconds)


async def side_by_side(
    work: Callable[[S], Awaitable[T]], items: Iterable[S], progress: Callable[[], None]
) -> list[T]:
    """`work` on every item, some at a time; the answers in the order of the items."""
    waiting = iter(enumerate(items))
    done: dict[int, T] = {}

    async def one_after_another() -> None:
        for index, item in waiting:
            done[index] = await work(item)
            progress()

    async with asyncio.TaskGroup() as group:
        for _ in range(HTTP_CONNECTIONS):
            group.create_task(one_after_another())
    return [done[index] for index in sorted(done)]
