"""A multipart/mixed body as it comes in: from pieces of any length to parts. Pure.

    parser = MixedParser(boundary_of(content_type))
    for piece in body:
        for event in parser.feed(piece): ...
    parser.close()

The events of a part are PartBegins, its bytes in any number of pieces, PartEnds. Nothing is kept
but the header of the part at hand, so memory does not grow with the body.

Source: RFC 2046 5.1; xAPI 1.0.3 Communication 1.5.2, IEEE 9274.1.1 4.1.3. A text before the first
boundary is refused although RFC 2046 allows one: the xAPI conformance requirements (XAPI-00131)
want a body that does not begin with its boundary to be refused. Line ends there are let through.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

HEADERS_PER_PART_MAX: Final = 32
HEADER_BYTES_MAX: Final = 4096

# RFC 2046 5.1.1: 1 to 70 of these, not ending in a space.
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")

_SILENT: Final = logging.Logger("multipart", level=logging.CRITICAL + 1)


class MultipartFault(ValueError):
    """The body is not multipart/mixed as it should be. One sentence; `part` counts from 1."""

    def __init__(self, text: str, part: int | None = None) -> None:
        super().__init__(text)
        self.part = part


@dataclass(frozen=True, slots=True)
class PartBegins:
    """A part: its number from 1, its header fields by name in lower case."""

    number: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartEnds:
    """The part is whole."""


Event = PartBegins | bytes | PartEnds


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type names. Raises MultipartFault where it names no good one."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise MultipartFault("the Content-Type of a multipart body must name its boundary")
    if _BOUNDARY.fullmatch(boundary) is None:
        raise MultipartFault("the boundary must be 1 to 70 characters of RFC 2046")
    return boundary


class MixedParser:
    """The parser of one body."""

    def __init__(self, boundary: bytes) -> None:
        self._events: list[Event] = []
        self._headers: dict[str, str] = {}
        self._name = b""
        self._value = b""
        self._number = 0
        self._is_whole = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
            max_header_count=HEADERS_PER_PART_MAX,
            max_header_size=HEADER_BYTES_MAX,
        )
        # It would warn of each wrong body, and quote a byte of it.
        self._parser.logger = _SILENT

    def feed(self, piece: bytes) -> list[Event]:
        """The events that `piece` completes. Raises MultipartFault; the parser is done then."""
        try:
            self._parser.write(piece)
        except FormParserError:
            # The library's own text quotes bytes of the body.
            if self._number == 0:
                raise MultipartFault("the body must begin with its boundary") from None
            raise MultipartFault(
                f"the header of part {self._number} is not readable, or its boundary is not "
                "followed by a line end",
                self._number,
            ) from None
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """The body is over. Raises MultipartFault where its last boundary did not come."""
        if not self._is_whole:
            if self._number == 0:
                raise MultipartFault("the body must begin with its boundary")
            raise MultipartFault(
                f"the body ends within part {self._number}: its last boundary is missing",
                self._number,
            )
        if self._number == 0:
            raise MultipartFault("the body has no part; the first one must be the statements")

    def _part_begin(self) -> None:
        self._number += 1
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        name = self._name.decode("ascii").lower()
        value = self._value.decode("latin-1").strip(" \t")
        self._name = self._value = b""
        if name in self._headers:
            raise MultipartFault(
                f"part {self._number} has the header {name[:60]} twice", self._number
            )
        self._headers[name] = value

    def _headers_finished(self) -> None:
        self._events.append(PartBegins(self._number, self._headers))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _part_end(self) -> None:
        self._events.append(PartEnds())

    def _end(self) -> None:
        self._is_whole = True
