"""What stands before any application: one write for each answer, and a bounded request head."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from assay_runtime.http import protocol

HEAD_BYTES_MAX = 20_000
MESSAGE = b"kept whole"


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(MESSAGE)(scope, receive, send)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        _app, port=0, log_config=None, lifespan="off", http=protocol(HEAD_BYTES_MAX)
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await server.shutdown()


async def _answer(port: int, *parts: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of the answer to what is sent; the connection is closed by the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.read()
    finally:
        writer.close()
    return int(head.split()[1]), head, body


async def test_an_answer_leaves_whole_and_in_order(port: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    status, _, body = await _answer(port, request + request + last)
    assert status == 200
    assert body.count(MESSAGE) == 3
    assert body.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize("where", ["header", "headers", "address"])
async def test_a_head_over_the_limit_is_refused_before_it_is_all_read(
    port: int, where: str
) -> None:
    piece = b"x" * 8192
    parts = {
        "header": [b"GET / HTTP/1.1\r\nA: ", *[piece] * 8],
        "headers": [b"GET / HTTP/1.1\r\n", *[b"A: " + piece + b"\r\n"] * 8],
        "address": [b"GET /", *[piece] * 8],
    }[where]
    # The head never ends, so only its size can have brought the answer.
    status, head, body = await _answer(port, *parts)
    assert status in (400, 431)  # The parser has a limit of its own for addresses.
    if where != "address":
        assert status == 431
        assert json.loads(body)["limit_bytes"] == HEAD_BYTES_MAX
    assert b"application/problem+json" in head


async def test_a_head_below_the_limit_and_a_long_body_pass(port: int) -> None:
    body = b"x" * 100_000
    head = b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 100000\r\nA: "
    status, _, answer = await _answer(port, head + b"x" * 10_000 + b"\r\n\r\n", body)
    assert (status, answer) == (200, MESSAGE)


async def test_what_is_no_http_is_a_problem(port: int) -> None:
    status, head, body = await _answer(port, b"\x16\x03\x01 no request\r\n\r\n")
    assert status == 400
    assert b"application/problem+json" in head
    assert json.loads(body)["type"] == "urn:assay:problem:bad-request"
