"""Guarded requests over real TLS: the name is checked, answers are bounded, none is followed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assay_runtime.outgoing import Guard, NoAnswer, Outgoing

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def certificate(folder: Path, name: str) -> Path:
    """A certificate of its own for `name`, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@asynccontextmanager
async def serving(talk: Talk, pem: Path | None = None) -> AsyncIterator[int]:
    """A server on a port of this machine, with TLS where there is a certificate."""
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def answering(answer: bytes, seen: list[bytes] | None = None) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if seen is not None:
            seen.append(head)
        writer.write(answer)
        await writer.drain()

    return talk


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
