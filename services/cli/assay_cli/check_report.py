"""What `assay check` found, by law, and how it is shown. Pure but for the printing."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Literal

from rich.console import Console
from rich.table import Table

# Of what is wrong only so much is listed; the counts say how much there is.
EXAMPLES_MAX = 20

LAWS = {
    1: "Acknowledged means kept",
    2: "Twice is once",
    3: "Order does not matter",
    4: "Tables equal the record",
    5: "Void travels",
    6: "Every decision explains itself",
    8: "What a verifier checks is what was signed",
}

Result = Literal["clean", "broken", "not looked at"]


@dataclass(slots=True)
class LawReport:
    """One law: what was looked at (thing to how many), what differs, what was not looked at.

    `differences` are ids, coordinates and kinds, never what a statement holds.
    """

    law: int
    title: str
    looked_at: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    differences_count: int = 0
    # A query that looks for what is wrong stops at EXAMPLES_MAX: then there may be more.
    at_least: bool = False
    not_looked_at: list[str] = field(default_factory=list)

    @property
    def result(self) -> Result:
        if self.differences_count:
            return "broken"
        return "clean" if self.looked_at else "not looked at"

    def count(self, thing: str, number: int) -> None:
        """Add to how many of a thing were looked at."""
        self.looked_at[thing] = self.looked_at.get(thing, 0) + number

    def differ(self, what: str, places: Iterable[str], number: int | None = None) -> None:
        """Note something wrong; `number` where it is more than the places that are listed."""
        found = list(places)
        self.differences_count += len(found) if number is None else number
        self.at_least = self.at_least or (number is None and len(found) >= EXAMPLES_MAX)
        room = EXAMPLES_MAX - len(self.differences)
        self.differences += [f"{what}: {place}" for place in found[: max(room, 0)]]


@dataclass(slots=True)
class Report:
    """All laws, up to one watermark, and what stands in the way of every one of them."""

    watermark_ms: int
    limits: dict[int, int]
    seed: str | None
    laws: dict[int, LawReport] = field(
        default_factory=lambda: {law: LawReport(law, title) for law, title in LAWS.items()}
    )
    # Records set aside, evaluations that failed, positions that are broken.
    alarms: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.alarms and all(law.result != "broken" for law in self.laws.values())

    def as_json(self) -> str:
        document = {
            "clean": self.clean,
            "watermark_ms": self.watermark_ms,
            "limits": self.limits,
            "seed": self.seed,
            "alarms": self.alarms,
            "laws": [asdict(law) | {"result": law.result} for law in self.laws.values()],
        }
        return json.dumps(document, indent=2)

    def show(self, console: Console) -> None:
        """A table, and below it what is wrong and what was not looked at."""
        table = Table(title=f"up to {self.watermark_ms} ms, offsets {_offsets(self.limits)}")
        for name in ("law", "", "looked at", "result", "differences"):
            table.add_column(name, justify="right" if name == "differences" else "left")
        for law in self.laws.values():
            looked = ", ".join(f"{number:,} {thing}" for thing, number in law.looked_at.items())
            style = {"clean": "green", "broken": "red", "not looked at": "yellow"}[law.result]
            count = f"{law.differences_count:,}{' or more' if law.at_least else ''}"
            table.add_row(
                str(law.law), law.title, looked, f"[{style}]{law.result}[/{style}]", count
            )
        console.print(table)
        if self.seed is not None:
            console.print(
                f"people drawn with seed {self.seed} (--seed repeats it, --all takes all)"
            )
        for alarm in self.alarms:
            console.print(f"alarm: {alarm}", style="red", highlight=False, markup=False)
        for law in self.laws.values():
            for difference in law.differences:
                text = f"law {law.law}: {difference}"
                console.print(text, style="red", highlight=False, markup=False)
            for missing in law.not_looked_at:
                text = f"law {law.law}, not looked at: {missing}"
                console.print(text, style="yellow", highlight=False, markup=False)


def _offsets(limits: dict[int, int]) -> str:
    return " ".join(f"{partition}:{offset}" for partition, offset in sorted(limits.items())) or "-"
