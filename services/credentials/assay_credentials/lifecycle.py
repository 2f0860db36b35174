"""The states of a credential, as a table. An illegal step is a missing entry.

    intended --published--> issued <--reinstated/suspended--> suspended
    issued, suspended --expired / superseded / revoked--> expired, superseded, revoked

What a verifier sees of a state is `STATUS_BITS`; `expired` needs no bit, because the document says
it itself.
"""

from types import MappingProxyType
from typing import Literal, NamedTuple

from assay_credentials.errors import CredentialsError
from assay_credentials.status_list import Purpose

State = Literal["intended", "issued", "suspended", "expired", "superseded", "revoked"]
Step = Literal["published", "suspended", "reinstated", "expired", "superseded", "revoked"]

LIVE: frozenset[State] = frozenset({"intended", "issued", "suspended"})
"""States of which one person holds at most one credential per achievement."""

_STEPS: dict[tuple[State, Step], State] = {
    ("intended", "published"): "issued",
    ("issued", "suspended"): "suspended",
    ("issued", "expired"): "expired",
    ("issued", "superseded"): "superseded",
    ("issued", "revoked"): "revoked",
    ("suspended", "reinstated"): "issued",
    ("suspended", "expired"): "expired",
    ("suspended", "superseded"): "superseded",
    ("suspended", "revoked"): "revoked",
    # An old copy of a lapsed credential must still be seen as withdrawn when its ground turns out
    # to be bad.
    ("expired", "revoked"): "revoked",
    ("superseded", "revoked"): "revoked",
}

STATUS_BITS: MappingProxyType[State, frozenset[Purpose]] = MappingProxyType(
    {
        "intended": frozenset(),
        "issued": frozenset(),
        "suspended": frozenset({"suspension"}),
        "expired": frozenset(),
        # Nobody may go on showing the old level or dates, and it never comes back.
        "superseded": frozenset({"revocation"}),
        "revoked": frozenset({"revocation"}),
    }
)
"""Which lists have the credential's bit set in each state."""


SINGLE_STATUS_BITS: MappingProxyType[State, frozenset[Purpose]] = MappingProxyType(
    {**STATUS_BITS, "suspended": frozenset({"revocation"})}
)
"""The same for a credential whose one status entry is for revocation. Once set, that bit stays."""


class IllegalStep(CredentialsError):
    """A credential in this state cannot take this step."""


class Change(NamedTuple):
    """What taking a step means: the state after, and the lists that must be published anew."""

    state: State
    lists: frozenset[Purpose]


def take(state: State, step: Step, *, has_suspension: bool = True) -> Change:
    """The state after `step`. Raises IllegalStep; a repeated step is illegal too, and for the
    caller to notice.
    """
    after = _STEPS.get((state, step))
    if after is None or (step == "reinstated" and not has_suspension):
        raise IllegalStep(f"a credential that is {state} cannot become {step}")
    if has_suspension:
        return Change(after, STATUS_BITS[state] ^ STATUS_BITS[after])
    return Change(after, SINGLE_STATUS_BITS[after] - SINGLE_STATUS_BITS[state])


def bits(state: State, *, has_suspension: bool = True) -> frozenset[Purpose]:
    """The lists that have the bit set in `state`."""
    return (STATUS_BITS if has_suspension else SINGLE_STATUS_BITS)[state]
