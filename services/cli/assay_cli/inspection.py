"""`assay inspect …` and `assay audit …`: packs fetched and verified, the audit trail read."""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from assay_aggregator.inspection.verify import NoPack, Verdict, verify
from assay_cli.aggregator_door import AggregatorDoor, Json
from assay_cli.counting import Counter
from assay_cli.errors import StackError

PAGE_EVENTS: Final = 1_000
AUDIT_COLUMNS: Final = (
    "event", "at", "recorded", "actor", "action", "subject", "reason", "before", "after",
)  # fmt: skip
_KIBIBYTE: Final = 1024
# What a spreadsheet takes for a formula when a cell begins with it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def fetch_pack(door: AggregatorDoor, query: Sequence[tuple[str, str]], target: Path) -> Verdict:
    """Fetch a pack and verify what came. The file has its name only when it is complete and good.

    Raises StackError.
    """
    part = target.with_name(target.name + ".part")
    counter = Counter("KiB")
    try:
        with part.open("wb") as file:
            for chunk in door.download("/inspection-pack", query):
                file.write(chunk)
                counter.add(len(chunk) // _KIBIBYTE)
        counter.done()
        verdict = verify_pack(part, recompute=False)
        if not verdict.good:
            raise StackError("\n".join(["the pack that came is damaged", *verdict.findings]))
        part.replace(target)
    except OSError as error:
        raise StackError(f"--output {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return verdict


def verify_pack(path: Path, *, recompute: bool) -> Verdict:
    """Look at every byte of a pack. Raises StackError for a file that is none."""
    try:
        return verify(path, recompute=recompute)
    except NoPack as error:
        raise StackError(str(error)) from error


def told(verdict: Verdict) -> Iterator[str]:
    """A verdict as lines for people."""
    question = verdict.manifest.question
    yield f"as of {question['as_of']}, as known at {question['known_at']}"
    yield f"made by {verdict.manifest.made_by.engine}, Assay {verdict.manifest.made_by.product}"
    yield f"SHA-256 of the manifest: {verdict.manifest_sha256}"
    yield from verdict.findings
    if verdict.good:
        yield f"{verdict.files} files are as they were made"
    if verdict.decisions is not None:
        yield f"{verdict.decisions} decisions were made again from the evidence in the pack"


def audit_events(door: AggregatorDoor, filters: Mapping[str, str | None]) -> Iterator[Json]:
    """Every event that the filters leave, page by page."""
    after: int | None = 0
    while after is not None:
        page = door.get("/audit", {**filters, "after": str(after), "limit": str(PAGE_EVENTS)})
        yield from page["events"]
        after = page["next"]


def audit_lines(events: Iterator[Json], form: str) -> None:
    """Print events as text, JSON lines, or CSV."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    if form == "csv":
        writer.writerow(AUDIT_COLUMNS)
    for one in events:
        if form == "jsonl":
            print(json.dumps(one, ensure_ascii=False, sort_keys=True))
        elif form == "csv":
            writer.writerow([_cell(one[name]) for name in AUDIT_COLUMNS])
        else:
            why = f": {one['reason']}" if one["reason"] else ""
            print(f"{one['event']}  {one['at']}  {one['actor']}  {one['action']}  "
                  f"{one['subject']}{why}")  # fmt: skip


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
