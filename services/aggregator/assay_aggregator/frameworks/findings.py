"""What an import says about a document: what was repaired, kept though wrong, or is worth knowing.

Only so many of each rule are listed; all are counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from assay_aggregator.errors import Refused

# Of each rule.
LISTED_MAX: Final = 100

Outcome = Literal["refused", "repaired", "kept", "noted"]
"""refused: cannot be imported; repaired: changed; kept: against the specification, and left as it
is; noted: allowed, and left as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`pointer` is a JSON pointer into the document, or the place in a file; `rule` a sentence."""

    outcome: Outcome
    pointer: str
    rule: str

    def as_json(self) -> dict[str, str]:
        return {"outcome": self.outcome, "pointer": self.pointer, "rule": self.rule}


@dataclass(slots=True)
class Findings:
    """The findings of one document, in its order."""

    listed: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[Outcome, str]] = field(default_factory=Counter)

    def add(self, outcome: Outcome, pointer: str, rule: str) -> None:
        self.counts[outcome, rule] += 1
        if self.counts[outcome, rule] <= LISTED_MAX:
            self.listed.append(Finding(outcome, pointer, rule))

    def count(self, *outcomes: Outcome) -> int:
        return sum(number for (one, _), number in self.counts.items() if one in outcomes)

    def of(self, *outcomes: Outcome) -> Iterator[Finding]:
        return (one for one in self.listed if one.outcome in outcomes)

    def as_json(self) -> dict[str, Any]:
        """{"counts": [{outcome, rule, count}], "listed": [{outcome, pointer, rule}]}."""
        return {
            "counts": [
                {"outcome": outcome, "rule": rule, "count": number}
                for (outcome, rule), number in sorted(self.counts.items())
            ],
            "listed": [one.as_json() for one in self.listed],
        }


class NotAFramework(Refused):
    """A document that cannot be imported, with what is wrong with it."""

    def __init__(self, findings: Sequence[Finding], count: int) -> None:
        first = findings[0]
        others = f", and {count - 1} more" if count > 1 else ""
        super().__init__(f"{first.pointer or '/'}: {first.rule}{others}")
        self.findings = tuple(findings)


def refuse_if(findings: Findings, *, strict: bool) -> None:
    """Raise NotAFramework for what cannot be imported; `strict` allows no fault at all."""
    outcomes: tuple[Outcome, ...] = ("refused", "repaired", "kept") if strict else ("refused",)
    number = findings.count(*outcomes)
    if number:
        raise NotAFramework(tuple(findings.of(*outcomes)), number)


def as_findings(stored: Mapping[str, Any]) -> Findings:
    """The findings that `as_json` made."""
    found = Findings([Finding(**one) for one in stored["listed"]])
    for one in stored["counts"]:
        found.counts[one["outcome"], one["rule"]] = one["count"]
    return found
