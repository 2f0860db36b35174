"""Which web pages may use the xAPI from a browser, and what they may see (Fetch standard, 3.2).

Pure. A page must hold a key and send it itself: no answer depends on cookies, and credentials that
a browser keeps are never asked for, so "any page" gives nothing to a page without a key.
"""

import re
from collections.abc import Mapping

from starlette.datastructures import MutableHeaders

# What the two versions of xAPI use (1.0.3 Communication 1.2); a page may ask for others.
_REQUEST_HEADERS = (
    "Authorization, Content-Type, Content-Transfer-Encoding, If-Match, If-None-Match, "
    "X-Experience-API-Version, X-Experience-API-Hash"
)
_EXPOSED = (
    "ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, "
    "X-Experience-API-Version, X-Experience-API-Consistent-Through, X-Experience-API-Hash"
)
_HEADER_NAMES = re.compile(r"[A-Za-z0-9\-_]{1,80}(?:\s*,\s*[A-Za-z0-9\-_]{1,80}){0,49}")
ANY = "*"


class Cors:
    """The rules for the `origins` given: "*" for any, or some with commas, or none."""

    def __init__(self, origins: str, *, preflight_seconds: int) -> None:
        self._any = origins == ANY
        self._origins = frozenset(one.strip().lower() for one in origins.split(",") if one.strip())
        self._preflight_seconds = preflight_seconds

    def mark(self, response: MutableHeaders, request: Mapping[str, str]) -> None:
        """Add what any answer must carry to a request with these headers (names in lower case)."""
        if not self._any and self._origins:
            # A cache must not hand the answer for one page to another.
            response.add_vary_header("Origin")
        origin = request.get("origin")
        allowed = None if origin is None else self._allowed(origin)
        if allowed is not None:
            response["Access-Control-Allow-Origin"] = allowed
            response["Access-Control-Expose-Headers"] = _EXPOSED

    def preflight(self, request: Mapping[str, str], methods: str) -> dict[str, str]:
        """What the answer to a preflight carries, beside that; `methods` with commas."""
        origin = request.get("origin")
        if "access-control-request-method" not in request or origin is None:
            return {}
        if self._allowed(origin) is None:
            return {}
        asked = request.get("access-control-request-headers", "").strip()
        names = asked if _HEADER_NAMES.fullmatch(asked) else _REQUEST_HEADERS
        return {
            "Access-Control-Allow-Methods": methods,
            "Access-Control-Allow-Headers": names,
            "Access-Control-Max-Age": str(self._preflight_seconds),
        }

    def _allowed(self, origin: str) -> str | None:
        if self._any:
            return ANY
        return origin if origin.lower() in self._origins else None
