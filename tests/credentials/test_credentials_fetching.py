"""Asking other hosts: what is never asked, what is never taken, and what is kept how long.

The servers are real ones of this machine. What a name leads to is told by a resolver of the test.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.resolving.fetching import DID_TYPES, Fetcher, hosts_of
from assay_credentials.resolving.kept import Found, Kept
from assay_credentials.settings import CredentialsSettings
from assay_runtime.outgoing import (
    AddressRefused,
    Guard,
    NoAnswer,
    Outgoing,
    Resolve,
    resolve_by_system,
)
from small_servers import answer, answering, certificate, serving

PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "0.0.0.0",  # noqa: S104 - what is refused
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
)


def told(*answers: Sequence[str]) -> tuple[Resolve, list[str]]:
    """A resolver that gives one answer after the other, the last one for ever; and who asked."""
    left = list(answers)
    asked: list[str] = []

    async def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve, asked


@asynccontextmanager
async def fetching(
    resolve: Resolve = resolve_by_system, *, clock: list[float] | None = None, **changed: str
) -> AsyncIterator[tuple[Fetcher, CredentialsMetrics]]:
    settings = CredentialsSettings.from_environment(
        {
            "ASSAY_POSTGRES_DSN": "postgresql://127.0.0.1/x",
            "ASSAY_KAFKA_BOOTSTRAP": "127.0.0.1:1",
            "ASSAY_KAFKA_USER": "x",
            "ASSAY_KAFKA_PASSWORD_FILE": "x",
            "ASSAY_HTTP_PORT": "8402",
            "ASSAY_SIGNING_KEY_DIR": "keys",
            "ASSAY_PUBLIC_URL": "https://records.example",
            **changed,
        }
    )
    metrics = CredentialsMetrics.register(CollectorRegistry())
    fetcher = Fetcher(
        settings,
        metrics,
        resolve=resolve,
        clock=time.monotonic if clock is None else lambda: clock[-1],
    )
    try:
        yield fetcher, metrics
    finally:
        await fetcher.close()


def counted(metrics: CredentialsMetrics, result: str) -> float:
    return float(metrics.fetches.labels(result=result)._value.get())


async def get(fetcher: Fetcher, url: str, seconds: float = 60.0) -> bytes | None:
    return await fetcher.get(url, DID_TYPES, lambda _: seconds)


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_inside_is_not_asked(address: str) -> None:
    resolve, asked = told([address])
    async with fetching(resolve) as (fetcher, metrics):
        assert await get(fetcher, "https://evil.example/did.json") is None
        assert counted(metrics, "refused") == 1
    assert asked == ["evil.example"]


async def test_one_address_inside_among_public_ones_is_enough_to_refuse() -> None:
    resolve, _ = told(["93.184.216.34", "127.0.0.1"])
    async with fetching(resolve) as (fetcher, metrics):
        assert await get(fetcher, "https://evil.example/") is None
        assert counted(metrics, "refused") == 1


async def test_a_name_is_resolved_once_and_the_checked_address_is_asked() -> None:
    """DNS rebinding: the second answer of the attacker's name server would lead inside."""
    resolve, asked = told(["93.184.216.34"], ["127.0.0.1"])
    reached: list[tuple[str, str]] = []

    class Reached(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            reached.append((request.url.host, request.headers["host"]))
            raise httpx.ConnectError("there is no network in this test")

    outgoing = Outgoing(Guard(5, 1000), resolve=resolve, transport=Reached())
    try:
        with pytest.raises(NoAnswer):
            await outgoing.get("https://evil.example/", headers={})
        assert reached == [("93.184.216.34", "evil.example")]
        assert asked == ["evil.example"]
        # Asked again, the name leads inside, and nothing is sent.
        with pytest.raises(AddressRefused):
            await outgoing.get("https://evil.example/", headers={})
        assert len(reached) == 1
    finally:
        await outgoing.close()


async def test_a_rebound_name_does_not_reach_a_server_of_this_machine() -> None:
    seen: list[bytes] = []
    async with serving(answering(answer(b"{}"), seen)) as port:
        resolve, _ = told(["127.0.0.1"])
        async with fetching(resolve) as (fetcher, _metrics):
            for scheme in ("https", "http"):
                assert await get(fetcher, f"{scheme}://evil.example:{port}/") is None
    assert seen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://public.example/",
        "ftp://public.example/",
        "file:///etc/passwd",
        "gopher://public.example/",
        "https://user@public.example/",
        "https:///did.json",
        "https://public.example\\@evil.example/",
        "not a url",
        "https://records.example/issuers/north/did.json",
        "https://RECORDS.example/issuers",
        "https://" + "a" * 3000,
    ],
)
async def test_these_addresses_are_not_even_resolved(url: str) -> None:
    resolve, asked = told(["93.184.216.34"])
    async with fetching(resolve) as (fetcher, metrics):
        assert await get(fetcher, url) is None
        assert counted(metrics, "refused") == 1
    assert asked == []


async def test_with_a_list_of_hosts_only_those_are_asked() -> None:
    resolve, asked = told(["127.0.0.1"])
    hosts = "college.example, registry.example:8443"
    async with fetching(resolve, ASSAY_FETCH_HOSTS=hosts) as (fetcher, _):
        for url in (
            "https://evil.example/",
            "https://college.example.evil.example/",
            "https://registry.example/",
            "https://college.example/",
            "https://registry.example:8443/",
        ):
            assert await get(fetcher, url) is None
    assert asked == ["college.example", "registry.example"]
    assert hosts_of("") == frozenset()
    async with fetching(resolve, ASSAY_FETCH_HOSTS="") as (fetcher, _):
        assert await get(fetcher, "https://college.example/") is None
    assert len(asked) == 2


async def test_a_document_comes_over_tls_that_is_checked(tmp_path: Path) -> None:
    good, other = certificate(tmp_path, "localhost"), certificate(tmp_path, "other.example")
    seen: list[bytes] = []
    async with serving(answering(answer(b"{}"), seen), good) as port:
        hosts = f"localhost:{port}"
        async with fetching(ASSAY_FETCH_PRIVATE_HOSTS=hosts, ASSAY_FETCH_CA_FILE=str(good)) as (
            fetcher,
            metrics,
        ):
            assert await get(fetcher, f"https://localhost:{port}/did.json") == b"{}"
            assert counted(metrics, "ok") == 1
        head = seen[0].decode().lower()
        assert "accept-encoding: identity" in head
        assert "cookie" not in head
        assert "authorization" not in head
        async with fetching(ASSAY_FETCH_PRIVATE_HOSTS=hosts, ASSAY_FETCH_CA_FILE=str(other)) as (
            fetcher,
            metrics,
        ):
            assert await get(fetcher, f"https://localhost:{port}/did.json") is None
            assert counted(metrics, "no_answer") == 1


REDIRECT = (
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{port}/secret\r\nContent-Length: 0\r\n\r\n"
)


async def test_a_redirect_is_not_followed() -> None:
    secret: list[bytes] = []
    async with serving(answering(answer(b'{"secret": 1}'), secret)) as inside:
        moved = REDIRECT.format(port=inside).encode()
        async with serving(answering(moved)) as port:
            hosts = f"127.0.0.1:{port}"
            async with fetching(ASSAY_FETCH_PRIVATE_HOSTS=hosts) as (fetcher, metrics):
                assert await get(fetcher, f"http://{hosts}/") is None
                assert counted(metrics, "status") == 1
    assert secret == []


@pytest.mark.parametrize(
    ("served", "result"),
    [
        (answer(b"{}", "text/html"), "type"),
        (answer(b"{}", ""), "type"),
        (answer(b"\x1f\x8b", "application/json", "Content-Encoding: gzip"), "type"),
        (answer(b"x" * 2000), "too_large"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "status"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "no_answer"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "no_answer"),
        (b"", "no_answer"),
    ],
)
async def test_what_is_not_taken(served: bytes, result: str) -> None:
    async with serving(answering(served)) as port:
        hosts = f"127.0.0.1:{port}"
        async with fetching(ASSAY_FETCH_PRIVATE_HOSTS=hosts, ASSAY_FETCH_BYTES_MAX="1024") as (
            fetcher,
            metrics,
        ):
            assert await get(fetcher, f"http://{hosts}/") is None
            assert counted(metrics, result) == 1


async def test_who_answers_byte_by_byte_is_left() -> None:
    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0.05)

    async with serving(dripping) as port:
        hosts = f"127.0.0.1:{port}"
        async with fetching(ASSAY_FETCH_PRIVATE_HOSTS=hosts, ASSAY_FETCH_SECONDS="0.3") as (
            fetcher,
            metrics,
        ):
            assert await get(fetcher, f"http://{hosts}/") is None
            assert counted(metrics, "no_answer") == 1


async def test_an_answer_is_kept_as_long_as_it_may_and_asked_once_for_all() -> None:
    seen: list[bytes] = []
    clock = [0.0]
    async with serving(answering(answer(b"{}"), seen)) as port:
        hosts = f"127.0.0.1:{port}"
        async with fetching(
            clock=clock, ASSAY_FETCH_PRIVATE_HOSTS=hosts, ASSAY_FETCH_CACHE_SECONDS="100"
        ) as (fetcher, _):
            url = f"http://{hosts}/list"
            assert await asyncio.gather(*(get(fetcher, url, 30) for _ in range(5))) == [b"{}"] * 5
            assert len(seen) == 1
            clock.append(29.0)
            assert await get(fetcher, url) == b"{}"
            assert len(seen) == 1
            clock.append(31.0)
            assert await get(fetcher, url, 10_000) == b"{}"
            assert len(seen) == 2
            # Whatever it says of itself, not longer than we like.
            clock.append(132.0)
            assert await get(fetcher, url, 0) == b"{}"
            assert await get(fetcher, url, 0) == b"{}"
            assert len(seen) == 4


async def test_a_host_that_failed_is_left_alone_for_a_while() -> None:
    seen: list[bytes] = []
    clock = [0.0]
    async with serving(answering(answer(b"{}", "text/html"), seen)) as port:
        hosts = f"127.0.0.1:{port}"
        async with fetching(clock=clock, ASSAY_FETCH_PRIVATE_HOSTS=hosts) as (fetcher, _):
            for moment, requests in ((0.0, 1), (9.0, 1), (11.0, 2)):
                clock.append(moment)
                assert await get(fetcher, f"http://{hosts}/") is None
                assert len(seen) == requests


async def test_slow_hosts_do_not_gather_a_queue() -> None:
    going = asyncio.Event()

    async def waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await going.wait()
        writer.write(answer(b"{}"))
        await writer.drain()

    async with serving(waiting) as port:
        hosts = f"127.0.0.1:{port}"
        async with fetching(
            ASSAY_FETCH_PRIVATE_HOSTS=hosts,
            ASSAY_FETCH_PARALLEL_MAX="1",
            ASSAY_FETCH_WAITING_MAX="2",
        ) as (fetcher, metrics):
            first = [asyncio.create_task(get(fetcher, f"http://{hosts}/{n}")) for n in range(2)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert await get(fetcher, f"http://{hosts}/2") is None
            assert counted(metrics, "busy") == 1
            going.set()
            assert await asyncio.gather(*first) == [b"{}", b"{}"]


async def test_what_is_kept_is_bounded_in_number_and_bytes() -> None:
    kept = Kept(entries_max=3, bytes_max=100, clock=lambda: 0.0)

    async def put(url: str, size: int) -> None:
        async def fetch() -> Found:
            return Found(bytes(size), 10)

        assert await kept.get(url, fetch) == bytes(size)

    for number in range(10):
        await put(f"u{number}", 10)
    assert kept.size == (3, 30)
    await put("big", 90)
    assert kept.size == (2, 100)
    await put("too big", 101)
    assert kept.size == (2, 100)
