"""One xAPI request as the resources see it, whatever way it came.

`api.Api` makes it: authenticated, with its version negotiated and the alternate request syntax
undone. A resource is a function from it to a response, and raises IngestError or Problem.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from assay_ingest.errors import RequestInvalid
from assay_runtime.auth import Client
from assay_runtime.serve import read_body, too_large
from assay_schemas.statement import Version

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request. `parameters` are as sent, decoded strictly; names of `headers` in lower case.

    `content` is the body where it was given with the request (alternate syntax), else None.
    """

    method: str
    path: str
    parameters: Parameters
    headers: Mapping[str, str]
    client: Client
    version: Version
    request: Request
    content: bytes | None = None

    @property
    def media_type(self) -> str:
        """The body's media type in lower case without its parameters; empty when none was sent."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def each_once(self) -> dict[str, str]:
        """The parameters by name. Raises RequestInvalid for one that is given twice."""
        values: dict[str, str] = {}
        for name, value in self.parameters:
            if name in values:
                raise RequestInvalid(f"{name[:60]} is given twice", parameter=name[:60])
            values[name] = value
        return values

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body; a 413 problem as soon as it is over the limit."""
        if self.content is not None:
            if len(self.content) > limit_bytes:
                raise too_large(limit_bytes)
            return self.content
        return await read_body(self.request, limit_bytes)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body in parts as they come; the caller counts them against its limit."""
        if self.content is not None:
            yield self.content
            return
        async for part in self.request.stream():
            yield part


Handler = Callable[[Exchange], Awaitable[Response]]
# Path to method to handler. HEAD is answered by the handler of GET.
Routes = Mapping[str, Mapping[str, Handler]]


def parse_query(query: bytes, what: str = "query") -> Parameters:
    """The parameters of a query string, or of a form, as sent. Raises RequestInvalid."""
    if not query:
        return ()
    try:
        return tuple(
            parse_qsl(
                query.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=True,
                errors="strict",
                max_num_fields=50,
            )
        )
    except ValueError:
        raise RequestInvalid(f"the {what} is not readable") from None
