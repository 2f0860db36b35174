"""How fast many people get a credential: one award of thousands, through the front door.

From the second signature to the last credential published: the work of deciding who gets one,
intentions, places in the status lists, signing in both forms, checking, publishing, and the rows
of it all in Postgres. One running credentials service, with the settings that it has.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID, uuid4

from assay_cli import awards
from assay_cli.credentials_door import CredentialsDoor
from assay_cli.errors import StackError
from assay_cli.rule_lifecycle import Signer
from assay_cli.seed_rules import APPROVER, AUTHOR
from assay_cli.stack import StackInfo

PEOPLE: Final = 10_000
_ZONE: Final = "Europe/London"
_REASON: Final = "measuring how fast credentials are issued"


@dataclass(frozen=True, slots=True)
class Measured:
    """`issued_per_second` is end to end; `approve_seconds` is the part that writes the awards."""

    people: int
    issued: int
    propose_seconds: float
    approve_seconds: float
    issue_seconds: float

    @property
    def issued_per_second(self) -> float:
        return self.issued / (self.approve_seconds + self.issue_seconds)

    def as_json(self) -> dict[str, float]:
        return {
            "people": self.people,
            "issued": self.issued,
            "propose_seconds": round(self.propose_seconds, 3),
            "approve_seconds": round(self.approve_seconds, 3),
            "issue_seconds": round(self.issue_seconds, 3),
            "issued_per_second": round(self.issued_per_second, 1),
        }


def measure(stack: StackInfo, people: int = PEOPLE) -> Measured:
    """Award something new to so many new people of the demo tenant. Raises StackError."""
    first, second = (_signer(stack, one) for one in (AUTHOR, APPROVER))
    with CredentialsDoor.chosen(stack) as door:
        began = time.perf_counter()
        award = _propose(door, [uuid4() for _ in range(people)], first)
        proposed = time.perf_counter()
        found = door.post(f"/awards/{award}/approve", {"signature": second.body()})
        approved = time.perf_counter()
        counts = awards.follow(door, award, found["awarded"])
        return Measured(
            people=people,
            issued=counts.get("issued", 0),
            propose_seconds=proposed - began,
            approve_seconds=approved - proposed,
            issue_seconds=time.perf_counter() - approved,
        )


def _propose(door: CredentialsDoor, people: Sequence[UUID], signer: Signer) -> UUID:
    today = datetime.now(UTC).date()
    body = {
        "competency": f"https://w3id.org/assay/bench/{uuid4()}",
        "people": [str(one) for one in people],
        "achieved_on": date(today.year, 1, 1).isoformat(),
        "expires_on": date(today.year + 2, 1, 1).isoformat(),
        "timezone": _ZONE,
        "reason": _REASON,
        "signature": signer.body(),
    }
    return UUID(door.post("/awards", body)["award"])


def _signer(stack: StackInfo, account: str) -> Signer:
    """One of the demo's people, whose passwords the seed wrote down."""
    file = stack.data / "demo-accounts.json"
    try:
        passwords: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}; run `assay seed`") from error
    return Signer(account, passwords[account], awards.MEANING)
