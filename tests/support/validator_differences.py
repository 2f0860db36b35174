"""Where we and another validator judge statements differently, and the list that explains it.

Each entry of `tests/differential/differences.json` explains one kind of difference:

    side      who refuses: "we" or "they"
    sign      our rule, or the name of their warning
    value     regular expression; the JSON of the value that is refused holds it (optional)
    where     regular expression; the pointer to that value holds it (optional)
    version   only under this version of xAPI (optional)
    right     who is right by the specification: "we", "they", or "both" where it leaves the choice
    section   of the specification
    why       one sentence
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay_schemas.statement import Version

FOLDER = Path(__file__).parents[1] / "differential"


@dataclass(frozen=True)
class Refusal:
    """One reason for which one side refuses a statement."""

    side: str
    sign: str
    pointer: str
    value: str
    version: Version


@dataclass(frozen=True)
class Entry:
    """A kind of difference that is known."""

    side: str
    sign: str
    right: str
    section: str
    why: str
    value: str = ""
    where: str = ""
    version: str = ""

    def explains(self, refusal: Refusal) -> bool:
        return (
            (self.side, self.sign) == (refusal.side, refusal.sign)
            and self.version in ("", refusal.version)
            and re.search(self.value, refusal.value) is not None
            and re.search(self.where, refusal.pointer) is not None
        )


def known_differences() -> list[Entry]:
    text = (FOLDER / "differences.json").read_text(encoding="utf-8")
    return [Entry(**one) for one in json.loads(text)]


def value_at(document: Any, path: Sequence[str | int]) -> str:
    """The JSON of the value at `path`, or of the deepest one on the way that is there."""
    value = document
    for part in path:
        try:
            value = value[int(part) if isinstance(value, list) else part]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    return json.dumps(value, ensure_ascii=False)


def differences(
    document: Any,
    version: Version,
    ours: Sequence[tuple[str, str]],
    theirs: Sequence[tuple[str, str]],
) -> Iterator[Refusal]:
    """The reasons of the side that refuses alone; none where both judge alike.

    `ours` and `theirs` are pairs of sign and JSON pointer.
    """
    if bool(ours) == bool(theirs):
        return
    for side, signs in (("we", ours), ("they", theirs)):
        for sign, pointer in signs:
            path = [one.replace("~1", "/").replace("~0", "~") for one in pointer.split("/")[1:]]
            yield Refusal(side, sign, pointer, value_at(document, path), version)


def as_markdown(entries: Sequence[Entry]) -> str:
    """The rows of the table in docs/differences-xapi-validation.md."""
    rows = []
    for side, title in (("we", "We refuse, it accepts"), ("they", "It refuses, we accept")):
        rows += [f"## {title}", "", "| what | section | right | why |", "| --- | --- | --- | --- |"]
        for one in entries:
            if one.side == side:
                what = f"`{one.sign}`" + (f" ({one.version})" if one.version else "")
                right = {"we": "we", "they": "it", "both": "both"}[one.right]
                rows.append(f"| {what} | {one.section} | {right} | {one.why} |")
        rows.append("")
    return "\n".join(rows).rstrip() + "\n"
