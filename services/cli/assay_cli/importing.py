"""`assay import`: a file of JSON lines through the front door; what was done is not done again.

1. Lines go in their order, in batches, each batch one request that is kept whole or not at all.
2. When the server names lines, those go to FILE.rejected.jsonl and the others are sent again.
3. After each batch FILE.import.json says how far the import is; a later run goes on from there.
   Ids stay the same, so a batch whose answer was lost is sent again without harm.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from assay_cli.counting import Counter
from assay_cli.errors import StackError
from assay_cli.secret_files import write_private
from assay_cli.xapi_door import Door, told
from assay_ingest.importing import (
    Batch,
    Candidate,
    Rejected,
    batches,
    body_of,
    faults_of,
    named_in,
    read_lines,
)
from assay_schemas.limits import Limits
from assay_schemas.statement import Version

BATCH_BYTES = 1024 * 1024
LINE_BYTES_MAX = 4 * 1024 * 1024
HEAD_BYTES = 64 * 1024
TOLD_MAX = 100

Say = Callable[[str], None]


@dataclass(slots=True)
class Progress:
    """How far an import is. `offset` and `line` are behind the last line that is done."""

    server: str
    user: str
    head_bytes: int
    head_sha256: str
    offset: int = 0
    line: int = 0
    kept: int = 0
    rejected: int = 0
    rejected_bytes: int = 0


class Import:
    """One file on its way through one door."""

    def __init__(
        self,
        file: Path,
        door: Door,
        *,
        default: Version,
        batch_statements: int,
        rate_per_second: float | None,
        counter: Counter,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file = file
        self._door = door
        self._default = default
        self._batch_statements = batch_statements
        self._rate = rate_per_second
        self._counter = counter
        self._clock = clock
        self._sleep = sleep
        self.state_file = file.with_name(file.name + ".import.json")
        self.rejected_file = file.with_name(file.name + ".rejected.jsonl")

    def run(self, *, restart: bool) -> Progress:
        """Import what is not done yet. Raises StackError; then a later run goes on."""
        try:
            with self._file.open("rb") as file:
                progress = self._begin(file, restart=restart)
                self._rejected_from(progress)
                lines = read_lines(
                    file, offset=progress.offset, number=progress.line, bytes_max=LINE_BYTES_MAX
                )
                for batch in batches(
                    lines,
                    default=self._default,
                    statements_max=self._batch_statements,
                    bytes_max=BATCH_BYTES,
                ):
                    began = self._clock()
                    rejected = sorted(
                        [*batch.rejected, *self._send(batch)], key=lambda one: one.line
                    )
                    self._done(progress, batch, rejected)
                    self._slow_down(began, batch.lines)
        except OSError as error:
            raise StackError(f"{error.filename or self._file}: {error.strerror}") from error
        self._counter.done()
        return progress

    def _begin(self, file: BinaryIO, *, restart: bool) -> Progress:
        address = self._door.address
        if not restart and self.state_file.exists():
            known = self._known()
            if (known.server, known.user) != (address.url, address.user):
                raise StackError(
                    f"{self.state_file} is of an import to {known.server} as {known.user}; "
                    "--restart begins anew"
                )
            if sha256(file.read(known.head_bytes)).hexdigest() != known.head_sha256:
                raise StackError(
                    f"{self._file} is not the file that was begun with; --restart begins anew"
                )
            return known
        head = file.read(HEAD_BYTES)
        return Progress(address.url, address.user, len(head), sha256(head).hexdigest())

    def _known(self) -> Progress:
        try:
            return Progress(**json.loads(self.state_file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise StackError(f"{self.state_file} is not readable; --restart begins anew") from error

    def _rejected_from(self, progress: Progress) -> None:
        """Cut off what was written before a stop, but belongs to a batch that was not done."""
        if progress.rejected_bytes:
            os.truncate(self.rejected_file, progress.rejected_bytes)
        else:
            self.rejected_file.unlink(missing_ok=True)

    def _send(self, batch: Batch) -> list[Rejected]:
        """Send the candidates of a batch; those that are not kept, and why."""
        rejected: list[Rejected] = []
        waiting = [batch.candidates] if batch.candidates else []
        while waiting:
            group = waiting.pop(0)
            answer = self._door.ask(
                "POST",
                f"{self._door.address.url}/statements",
                version=batch.version,
                body=body_of(group),
            )
            if answer.status_code == 200:
                continue
            if answer.status_code not in (400, 403, 409, 413):
                raise StackError(f"the server answered {answer.status_code}: {told(answer)}")
            problem = _json(answer.content)
            named = named_in(problem, group)
            if named:
                left, out = _settled(group, named, _reason(problem))
                rejected += out
                if left:
                    waiting.insert(0, left)
            elif answer.status_code == 403:
                raise StackError(f"the server answered 403: {told(answer)}")
            elif len(group) == 1:
                why = ({"message": told(answer)},)
                rejected.append(Rejected(group[0].line, _reason(problem), why, group[0].text))
            else:
                # The request as a whole is refused, so one of its lines is at fault, or its size.
                middle = len(group) // 2
                waiting[:0] = [group[:middle], group[middle:]]
        return rejected

    def _done(self, progress: Progress, batch: Batch, rejected: Sequence[Rejected]) -> None:
        """Note what came of a batch: the rejected lines first, then that they are done."""
        if rejected:
            with self.rejected_file.open("ab") as file:
                file.writelines(one.as_json() for one in rejected)
                file.flush()
                os.fsync(file.fileno())
                progress.rejected_bytes = file.tell()
        progress.offset, progress.line = batch.end, batch.line
        progress.rejected += len(rejected)
        progress.kept += batch.lines - len(rejected)
        write_private(self.state_file, json.dumps(asdict(progress), indent=2) + "\n")
        self._counter.add(batch.lines, f"{progress.rejected} rejected")

    def _slow_down(self, began: float, statements: int) -> None:
        if self._rate is not None:
            left = statements / self._rate - (self._clock() - began)
            if left > 0:
                self._sleep(left)


def _settled(
    group: Sequence[Candidate], named: dict[int, list[dict[str, object]]], reason: str
) -> tuple[list[Candidate], list[Rejected]]:
    """What is sent again, and what is out, after the server found fault with some of a group."""
    left: list[Candidate] = []
    out: list[Rejected] = []
    for index, one in enumerate(group):
        if index not in named:
            left.append(one)
        elif reason == "id_conflict" and one.bare is not None:
            left.append(Candidate(one.line, one.id, one.bare, one.version, None))
        else:
            out.append(Rejected(one.line, reason, named[index], one.text))
    return left, out


def _json(content: bytes) -> object:
    try:
        found: object = json.loads(content)
    except ValueError:
        return None
    return found


def _reason(problem: object) -> str:
    """The last part of the problem's type, in the form of the reasons of rejected statements."""
    kind = problem.get("type") if isinstance(problem, dict) else None
    if not isinstance(kind, str):
        return "refused"
    return kind.rstrip("/").rpartition("/")[2].rpartition(":")[2].replace("-", "_") or "refused"


def check_file(file: Path, *, default: Version, say: Say) -> tuple[int, int]:
    """Check every line by our own rules and send nothing: (lines, lines at fault).

    Each fault is told, the first TOLD_MAX of them. Raises StackError when it cannot be read.
    """
    limits = Limits()
    lines = at_fault = told_so_far = 0
    try:
        with file.open("rb") as opened:
            for line in read_lines(opened, offset=0, number=0, bytes_max=LINE_BYTES_MAX):
                lines += 1
                faults = faults_of(line, default, limits)
                if not faults:
                    continue
                at_fault += 1
                if isinstance(faults, Rejected):
                    detail = "".join(f": {one['message']}" for one in faults.errors)
                    texts = [f"{faults.reason}{detail}"]
                else:
                    texts = [
                        f"{one.pointer or '/'}: {one.message} ({one.rule}, {one.section})"
                        for one in faults
                    ]
                for text in texts[: max(0, TOLD_MAX - told_so_far)]:
                    say(f"line {line.number}: {text}")
                told_so_far += len(texts)
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from error
    if told_so_far > TOLD_MAX:
        say(f"and {told_so_far - TOLD_MAX} more")
    return lines, at_fault
