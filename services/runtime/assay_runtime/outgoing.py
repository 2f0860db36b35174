"""Requests to addresses that an operator chose: guarded, since a name may point anywhere.

A name is resolved once, every address that it has is checked, and the connection goes to one that
was checked, with the name kept for TLS and for the `Host` header. Redirects are answers like any
other, proxies of the environment are not used, and time and size of an answer are limited.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._http = httpx.AsyncClient(
            timeout=guard.request_seconds,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
            verify=ssl.create_default_context(
                cafile=None if guard.ca_file is None else str(guard.ca_file)
            ),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST `body`. Raises AddressRefused or NoAnswer."""
        guard = self._guard
        parsed = check_url(url, guard)
        try:
            async with asyncio.timeout(guard.request_seconds):
                address = await self._address(parsed)
                request = self._http.build_request(
                    "POST",
                    parsed.copy_with(host=address),
                    # The name, with the port where it is not the usual one.
                    headers={**headers, "Host": parsed.netloc.decode("ascii")},
                    content=body,
                    extensions={"sni_hostname": parsed.host},
                )
                answer = await self._http.send(request, stream=True)
                try:
                    return Answer(
                        answer.status_code, dict(answer.headers), await self._beginning(answer)
                    )
                finally:
                    await answer.aclose()
        except (httpx.TransportError, TimeoutError, OSError) as error:
            raise NoAnswer(type(error).__name__) from None

    async def _beginning(self, answer: httpx.Response) -> bytes:
        body = b""
        async for part in answer.aiter_raw(16 * 1024):
            body += part
            if len(body) >= self._guard.answer_bytes_max:
                break
        return body[: self._guard.answer_bytes_max]

    async def _address(self, url: httpx.URL) -> str:
        """One address of the host, after all of them were checked."""
        port = url.port or (443 if url.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(
            url.host, port, type=socket.SOCK_STREAM
        )
        addresses = [str(one[4][0]) for one in found]
        for address in addresses:
            if not self._guard.allow_private and not is_public(address):
                raise AddressRefused(f"{url.host} is not an address of the public internet")
        return addresses[0]


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also when IPv6 only wraps an IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        wrapped = parsed.ipv4_mapped or parsed.sixtofour
        if wrapped is not None:
            return is_public(str(wrapped))
        # NAT64 leads to whatever IPv4 address stands in its last bits.
        if parsed in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)))
    return parsed.is_global and not parsed.is_multicast
