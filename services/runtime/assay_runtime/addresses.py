"""What may be asked of an address before anything is sent to it."""

import ipaddress
from urllib.parse import urlsplit


def is_guarded(url: str) -> bool:
    """Whether nobody between can change what `url` answers: https, or http to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_here(host))


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
