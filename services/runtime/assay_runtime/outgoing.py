"""Requests to addresses that an operator chose: guarded, since a name may point anywhere.

A name is resolved once, every address that it has is checked, and the connection goes to one that
was checked, with the name kept for TLS and for the `Host` header. Redirects are answers like any
other, proxies of the environment are not used, and time and size of an answer are limited.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx


class AddressRefused(Exception):
    """The address may not be asked, whatever it would answer. The text says why."""


class NoAnswer(Exception):
    """No connection, or no whole answer in time; what was sent may have been taken."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be asked. `allow_http` and `allow_private` are for tests and closed networks.

    `ca_file` holds the certificates (PEM) that are trusted in stead of those of the system.
    """

    request_seconds: float
    answer_bytes_max: int
    allow_http: bool = False
    allow_private: bool = False
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer; `body` holds at most `answer_bytes_max` bytes of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True
    """False when there was more of it than `body` holds."""


Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host and a port to its IP addresses, the one to be tried first. Raises OSError."""


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """What the resolver of this machine says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


def check_url(url: str, guard: Guard) -> httpx.URL:
    """The address, if its form is good. Raises AddressRefused; nothing is resolved."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise AddressRefused(f"the address is no URL: {error}") from None
    if parsed.scheme != "https" and not (guard.allow_http and parsed.scheme == "http"):
        raise AddressRefused("the address must begin with https://")
    if not parsed.host or parsed.userinfo:
        raise AddressRefused("the address must name a host, and no user")
    return parsed


class Outgoing:
    """A client that opens a connection for each request.

    A kept one would be found by its IP address, and may have been checked for another name.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        resolve: Resolve = resolve_by_system,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`resolve` and `transport` are for whoever reaches names and addresses another way."""
        self._guard = guard
        self._resolve = resolve
        self._http = httpx.AsyncClient(
            timeout=guard.request_seconds,
            follow_redirects=False,
            trust_env=False,
            transport=transport,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=ssl.create_default_context(
                cafile=None if guard.ca_file is None else str(guard.ca_file)
            ),
        )

    @property
    def guard(self) -> Guard:
        return self._guard

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST `body`. Raises AddressRefused or NoAnswer."""
        return await self._send("POST", url, headers, body)

    async def get(self, url: str, *, headers: Mapping[str, str]) -> Answer:
        """GET. Raises AddressRefused or NoAnswer."""
        return await self._send("GET", url, headers, None)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        guard = self._guard
        parsed = check_url(url, guard)
        try:
            async with asyncio.timeout(guard.request_seconds):
                address = await self._address(parsed)
                request = self._http.build_request(
                    method,
                    parsed.copy_with(host=address),
                    # The name, with the port where it is not the usual one.
                    headers={**headers, "Host": parsed.netloc.decode("ascii")},
                    content=body,
                    extensions={"sni_hostname": parsed.host},
                )
                answer = await self._http.send(request, stream=True)
                try:
                    beginning, is_whole = await self._beginning(answer)
                finally:
                    await answer.aclose()
                return Answer(answer.status_code, dict(answer.headers), beginning, is_whole)
        # Beside those of the transport: a broken answer (a wrong length, a bad header).
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            raise NoAnswer(type(error).__name__) from None

    async def _beginning(self, answer: httpx.Response) -> tuple[bytes, bool]:
        limit = self._guard.answer_bytes_max
        parts: list[bytes] = []
        size = 0
        async for part in answer.aiter_raw(16 * 1024):
            parts.append(part)
            size += len(part)
            if size > limit:
                break
        return b"".join(parts)[:limit], size <= limit

    async def _address(self, url: httpx.URL) -> str:
        """One address of the host, after all of them were checked."""
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await self._resolve(url.host, port)
        for address in addresses:
            if not self._guard.allow_private and not is_public(address):
                raise AddressRefused(f"{url.host} is not an address of the public internet")
        if not addresses:
            raise NoAnswer("the host has no address")
        return addresses[0]


_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""The only IPv6 addresses that are given out; the rest is local, reserved or wraps something."""

_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        # Azure's platform inside every virtual machine; relays of 6to4; documentation.
        "168.63.129.16/32",
        "192.88.99.0/24",
        "3fff::/20",
    )
)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also when IPv6 only wraps an IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        wrapped = parsed.ipv4_mapped or parsed.sixtofour
        if wrapped is not None:
            return is_public(str(wrapped))
        # NAT64 leads to whatever IPv4 address stands in its last bits.
        if parsed in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)))
        if parsed not in _GLOBAL_UNICAST:
            return False
    if any(parsed in network for network in _NOT_PUBLIC if network.version == parsed.version):
        return False
    return parsed.is_global and not parsed.is_multicast
