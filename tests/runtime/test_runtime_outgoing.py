"""Guarded requests over real TLS: the name is checked, answers are bounded, none is followed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from assay_runtime.outgoing import Guard, NoAnswer, Outgoing
from small_servers import OK, answering, certificate, serving


@asynccontextmanager
async def asking(ca_file: Path | None = None, seconds: float = 10) -> AsyncIterator[Outgoing]:
    outgoing = Outgoing(
        Guard(seconds, answer_bytes_max=64, allow_http=True, allow_private=True, ca_file=ca_file)
    )
    try:
        yield outgoing
    finally:
        await outgoing.close()


async def test_the_certificate_must_be_for_the_name_that_was_asked(tmp_path: Path) -> None:
    good, other = certificate(tmp_path, "localhost"), certificate(tmp_path, "other.example")
    seen: list[bytes] = []
    async with asking(good) as client, serving(answering(OK, seen), good) as port:
        answer = await client.post(f"https://localhost:{port}/hook", headers={}, body=b"x")
        assert (answer.status, answer.body) == (200, b"hello")
        assert f"host: localhost:{port}" in seen[0].decode().lower()
    async with asking(other) as client, serving(answering(OK), other) as port:
        with pytest.raises(NoAnswer):
            await client.post(f"https://localhost:{port}/", headers={}, body=b"x")
    # A certificate that nobody vouches for.
    async with asking() as client, serving(answering(OK), good) as port:
        with pytest.raises(NoAnswer):
            await client.post(f"https://localhost:{port}/", headers={}, body=b"x")


async def test_a_redirect_is_an_answer() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    async with asking() as client, serving(answering(moved)) as port:
        answer = await client.post(f"http://localhost:{port}/", headers={}, body=b"")
        assert (answer.status, answer.headers["location"]) == (302, "http://127.0.0.1:1/")


async def test_an_answer_without_end_is_cut_off() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 10_000)
            try:
                await writer.drain()
            except ConnectionError:
                return

    async with asking() as client, serving(endless) as port:
        answer = await client.post(f"http://localhost:{port}/", headers={}, body=b"")
        assert answer.body == b"x" * 64


async def test_an_answer_that_drips_is_not_waited_for() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n")
        # Each byte comes long before a time-out of a single read.
        for _ in range(60):
            writer.write(b"x")
            await asyncio.sleep(0.1)

    async with asking(seconds=0.5) as client, serving(dripping) as port:
        with pytest.raises(NoAnswer, match="Timeout"):
            await client.post(f"http://localhost:{port}/", headers={}, body=b"")
