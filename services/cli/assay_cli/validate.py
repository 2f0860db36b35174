"""`assay validate`: every fault of files of statements. It needs no stack and no service.

A file of one statement a line is read line by line and may be of any size. Any other is one JSON
text and is held in memory, up to `max_bytes`; so is each line.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from assay_schemas.content import Outcome, check_text, holds_lines
from assay_schemas.refusals import StatementError
from assay_schemas.statement_schemas import VERSIONS
from assay_schemas.xapi_rules import Version

STANDARD_INPUT = "-"
LINES_SUFFIXES = (".jsonl", ".ndjson")
VALID, INVALID, NOT_READ = 0, 1, 2


class NotReadError(Exception):
    """A file could not be read, or not within its bounds."""


@dataclass(slots=True)
class Tally:
    """How much was judged, over all files; a statement is refused if any version refuses it."""

    files: int = 0
    statements: int = 0
    refused: int = 0
    not_read: int = 0


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges files by each of `versions` and prints each fault with `out` as it is found.

    `lines` reads every file as one statement a line; without it, the name and the first line of a
    file say whether it is. A line, and a text that is not read by lines, has `max_bytes` at most.
    """

    out: Callable[[str], None]
    complain: Callable[[str], None]
    max_bytes: int
    versions: Sequence[Version] = VERSIONS
    as_json: bool = False
    lines: bool = False
    tally: Tally = field(default_factory=Tally)

    def run(self, names: Sequence[str]) -> int:
        """The exit code: 0 when all is valid, 1 when not, 2 when a file could not be read."""
        for name in names:
            try:
                with _opened(name) as source:
                    self._judge(name, source)
                self.tally.files += 1
            except (OSError, NotReadError) as error:
                self.tally.not_read += 1
                reason = error.strerror if isinstance(error, OSError) else error
                self.complain(f"assay: {name}: {reason}")
        if self.as_json:
            self.out(json.dumps({"type": "summary", **asdict(self.tally)}))
        else:
            self.out(f"{self.tally.statements} statements, {self.tally.refused} refused")
        if self.tally.not_read:
            return NOT_READ
        return INVALID if self.tally.refused else VALID

    def _judge(self, name: str, source: BinaryIO) -> None:
        write = _json_text if self.as_json else _plain_text
        for outcomes in self._outcomes(name, source):
            self.tally.statements += 1
            self.tally.refused += any(one.errors for one in outcomes)
            for version, one in zip(self.versions, outcomes, strict=True):
                for error in one.errors:
                    self.out(write(name, version, one, error))

    def _outcomes(self, name: str, source: BinaryIO) -> Iterator[tuple[Outcome, ...]]:
        """Each statement's outcomes, one for each version."""
        lines = _bounded_lines(source, self.max_bytes)
        before: list[bytes] = []  # up to the first line that is not blank
        for line in lines:
            before.append(line)
            if line.strip():
                break
        lines = chain(before, lines)
        if self.lines or name.endswith(LINES_SUFFIXES) or (before and holds_lines(before[-1])):
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield from self._checked(line, number)
        else:
            yield from self._checked(_joined(lines, self.max_bytes), None)

    def _checked(self, text: bytes, line: int | None) -> Iterator[tuple[Outcome, ...]]:
        judged = (check_text(text, version=one, line=line) for one in self.versions)
        return zip(*judged, strict=True)


def _opened(name: str) -> AbstractContextManager[BinaryIO]:
    if name == STANDARD_INPUT:
        return nullcontext(sys.stdin.buffer)
    return Path(name).open("rb")


def _bounded_lines(source: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    number = 0
    while line := source.readline(max_bytes + 1):
        number += 1
        if len(line) > max_bytes:
            raise NotReadError(f"line {number} has more than {max_bytes} bytes (--max-bytes)")
        yield line


def _joined(lines: Iterator[bytes], max_bytes: int) -> bytes:
    """The text of all lines, as long as that is allowed."""
    text = bytearray()
    for line in lines:
        text += line
        if len(text) > max_bytes:
            raise NotReadError(
                f"it has more than {max_bytes} bytes (--max-bytes) and is not one statement a line"
            )
    return bytes(text)


def _place(name: str, one: Outcome) -> str:
    place = name if one.line is None else f"{name}:{one.line}"
    return place if one.index is None else f"{place}[{one.index}]"


def _plain_text(name: str, _: Version, one: Outcome, error: StatementError) -> str:
    pointer = error.pointer or "(whole)"
    return f"{_place(name, one)} {pointer}: {error.message} [{error.rule}; {error.section}]"


def _json_text(name: str, version: Version, one: Outcome, error: StatementError) -> str:
    said = {
        "type": "error",
        "file": name,
        "line": one.line,
        "index": one.index,
        "version": version,
        "statement_id": error.statement_id,
        "pointer": error.pointer,
        "rule": error.rule,
        "section": error.section,
        "message": error.message,
    }
    return json.dumps(said, ensure_ascii=False)
