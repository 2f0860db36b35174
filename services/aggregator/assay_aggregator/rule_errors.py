"""What is wrong with a rule document."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a rule document: where (RFC 6901 pointer) and why."""

    pointer: str
    reason: str


class RuleError(ValueError):
    """A document is no rule that this engine can evaluate; `problems` says all that is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.pointer or '/'}: {p.reason}" for p in self.problems))
