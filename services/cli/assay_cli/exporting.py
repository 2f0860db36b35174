"""`assay export`: statements through the front door into a file, page by page.

1. The watermark is asked first; the export ends at it, or at --until where that is earlier.
2. Pages follow each other by `more`, oldest first, so memory holds one page (and one row group).
3. The file appears under its name only when it is complete.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urljoin

import httpx
import msgspec

from assay_cli.counting import Counter
from assay_cli.errors import StackError
from assay_cli.xapi_door import CONSISTENT_HEADER, Door, told
from assay_ingest.export import WRITERS, Writer
from assay_schemas.xapi_types import parse_timestamp

XAPI_VERSION = "2.0.0"
PAGE_STATEMENTS = 1000
STANDARD_OUTPUT = "-"


class _Page(msgspec.Struct):
    """An answer of GET /statements; each statement keeps its bytes."""

    statements: list[msgspec.Raw]
    more: str = ""


_page = msgspec.json.Decoder(_Page)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to. `through` is the time up to which it is complete."""

    statements: int
    through: str


def export(door: Door, writer: Writer, filters: Mapping[str, str], counter: Counter) -> Exported:
    """Write every statement that `filters` (parameters of GET /statements) match.

    Raises StackError when the server refuses or stays away.
    """
    place = f"{door.address.url}/statements"
    # 1. Up to where lists are complete at this moment.
    first = _checked(door.ask("GET", place, version=XAPI_VERSION, parameters={"limit": "1"}))
    through = first.headers.get(CONSISTENT_HEADER)
    if through is None:
        raise StackError(f"{door.address.url} does not say up to when its lists are complete")
    until = filters.get("until")
    if until is not None and _moment(until, "--until") < _moment(through, CONSISTENT_HEADER):
        through = until
    # 2. Oldest first: no page can change behind the one that was read.
    parameters: dict[str, str] | None = {
        **filters,
        "until": through,
        "ascending": "true",
        "limit": str(PAGE_STATEMENTS),
    }
    url, seen = place, 0
    while True:
        answer = _checked(door.ask("GET", url, version=XAPI_VERSION, parameters=parameters))
        try:
            page = _page.decode(answer.content)
        except msgspec.MsgspecError as error:
            raise StackError(f"{url} answered no list of statements: {error}") from None
        writer.write([bytes(one) for one in page.statements])
        seen += len(page.statements)
        counter.add(len(page.statements))
        if not page.more:
            break
        url, parameters = urljoin(place, page.more), None
    writer.close()
    counter.done()
    return Exported(seen, through)


def _moment(text: str, name: str) -> datetime:
    try:
        return parse_timestamp(text)
    except ValueError as error:
        raise StackError(f"{name}: {text!r} is {error}") from None


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != httpx.codes.OK:
        raise StackError(f"the server answered {answer.status_code}: {told(answer)}")
    return answer


@contextmanager
def output_to(name: str, form: str) -> Iterator[Writer]:
    """A writer of the format `form` to the file `name`, or to standard output for "-".

    On failure nothing stands under that name that was not there before.
    """
    if name == STANDARD_OUTPUT:
        yield WRITERS[form](sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    target = Path(name)
    part = target.with_name(target.name + ".part")
    try:
        with _opened(part) as file:
            yield WRITERS[form](file)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _opened(part: Path) -> BinaryIO:
    try:
        return part.open("wb")
    except OSError as error:
        raise StackError(f"--output {part}: {error.strerror}") from error
