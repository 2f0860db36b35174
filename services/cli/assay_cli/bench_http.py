"""A small HTTP/1.1 load client: kept connections, prebuilt requests, bounded in count and time.

General clients cost more than the servers measured here. Parsing is httptools', as in uvicorn.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httptools


class LoadError(Exception):
    """The server closed the connection, or answered what cannot be counted."""


@dataclass(slots=True)
class Tally:
    """What one run of load came to. Latencies are in seconds, statuses are counted."""

    seconds: float = 0.0
    requests: int = 0
    statements: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Accepted statements per second."""
        return self.statements / self.seconds if self.seconds else 0.0


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._parser: httptools.HttpResponseParser | None = None
        self._waiting: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._parser is not None:
            self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(LoadError(f"connection lost: {error}"))

    # Called by the parser.
    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self._waiting is not None and self._parser is not None and not self._waiting.done():
            self._waiting.set_result(self._parser.get_status_code())

    async def send(self, request: bytes) -> int:
        """Send one whole request and answer the status; the body stands in `body`."""
        if self._transport is None or self._transport.is_closing():
            raise LoadError("the connection is closed")
        self.body = b""
        self._parser = httptools.HttpResponseParser(self)
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def connect(host: str, port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, host, port)
    return connection


def post_request(path: str, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """A whole POST request."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


async def run_load(
    *,
    host: str,
    port: int,
    connections: int,
    seconds: float,
    make_request: Callable[[], tuple[bytes, int]],
    accepted: frozenset[int] = frozenset({200, 204}),
) -> Tally:
    """Post for `seconds` over `connections`; `make_request` gives (request, statements in it)."""
    tally = Tally()
    began = time.perf_counter()
    ends = began + seconds

    async def one() -> None:
        connection = await connect(host, port)
        try:
            while time.perf_counter() < ends:
                request, statements = make_request()
                sent = time.perf_counter()
                status = await connection.send(request)
                tally.latencies.append(time.perf_counter() - sent)
                tally.requests += 1
                tally.statuses[status] = tally.statuses.get(status, 0) + 1
                if status in accepted:
                    tally.statements += statements
        finally:
            connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    tally.seconds = time.perf_counter() - began
    return tally
