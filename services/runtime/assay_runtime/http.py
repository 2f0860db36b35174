"""The HTTP protocol of every service: uvicorn's, with one write for each answer and a bounded head.

uvicorn writes the head of an answer and its body one after the other, and each is a call of the
kernel. Here what is written in one turn of the loop leaves together: measured, that is an eighth of
the time of a request with one statement.

Its parser takes a head of any size and keeps it; here address and headers together have a limit.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from assay_runtime.problem import Problem


def protocol(head_bytes_max: int) -> type[HttpToolsProtocol]:
    """The protocol class for a server whose request heads have at most so many bytes."""

    class Protocol(HttpToolsProtocol):
        """uvicorn's protocol over httptools, on a transport that gathers."""

        _head_bytes = 0
        _is_in_head = True

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            # uvloop's transports are of no class of asyncio: they only have all of its methods.
            gathering: Any = _Gathering(transport, self.loop)
            super().connection_made(gathering)

        def data_received(self, data: bytes) -> None:
            # What comes beside the rest of a head is counted with it: one read more at the most.
            if self._is_in_head:
                self._head_bytes += len(data)
            super().data_received(data)
            if self._is_in_head and self._head_bytes > head_bytes_max:
                self._refuse(_too_large(head_bytes_max))

        def on_message_begin(self) -> None:
            self._is_in_head = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._is_in_head = False
            self._head_bytes = 0
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn names it
            self._refuse(Problem(400, "Bad request", detail="this is not readable as HTTP"))

        def _refuse(self, problem: Problem) -> None:
            if self.transport.is_closing():
                return
            response = problem.response()
            head = [b"HTTP/1.1 %d %b" % (problem.status, problem.title.encode())]
            head += [b"%b: %b" % header for header in response.raw_headers]
            head += [b"connection: close", b"", bytes(response.body)]
            self.transport.write(b"\r\n".join(head))
            self.transport.close()

    return Protocol


def _too_large(head_bytes_max: int) -> Problem:
    return Problem(
        431,
        "Request head too large",
        detail=f"address and headers are over the limit of {head_bytes_max} bytes",
        limit_bytes=head_bytes_max,
    )


class _Gathering:
    """A transport whose writes of one turn of the loop are one; all else goes straight on."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:  # Whatever a transport has.
        return getattr(self._transport, name)
