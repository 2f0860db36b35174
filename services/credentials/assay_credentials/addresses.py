"""Who asks, as the network tells it: addresses, networks, and what proxies say."""

import ipaddress
from collections.abc import Sequence
from typing import Final

IPV6_PREFIX_BITS: Final = 64
"""What one subscriber has: it could use another address of it for every request."""

UNKNOWN: Final = "unknown"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_of(text: str) -> tuple[Network, ...]:
    """The networks of a setting, with commas between. Raises ValueError."""
    return tuple(
        ipaddress.ip_network(part) for part in (one.strip() for one in text.split(",")) if part
    )


def caller_of(peer: str | None, forwarded_for: Sequence[str], proxies: Sequence[Network]) -> str:
    """Who asks: an IPv4 address or an IPv6 network of 64 bits, as text.

    `forwarded_for` are the values of X-Forwarded-For in order. Each proxy puts on the right whom it
    was asked by, so they are read from the right, and only as long as a proxy of ours says it: what
    stands further left, anybody may have written.
    """
    caller = _address(peer or "")
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while caller is not None and hops and any(caller in network for network in proxies):
        before = _address(hops.pop())
        if before is None:
            break
        caller = before
    if caller is None:
        return UNKNOWN
    if isinstance(caller, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(caller), IPV6_PREFIX_BITS), strict=False))
    return str(caller)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
