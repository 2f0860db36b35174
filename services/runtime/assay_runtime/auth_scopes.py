"""The scopes that a client can hold: what each allows, what it includes, and who serves it.

The names of the first group are those of xAPI 1.0.3, Communication 4.2 ("OAuth Authorization
Scope"); the others are ours. `all` is all of xAPI and no more: voiding, administration and what
other services serve must be given by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

INGEST = "ingest"
AGGREGATOR = "aggregator"
CREDENTIALS = "credentials"


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope. `includes` are the scopes that come with it; `service` is who asks for it, and
    `also` is who else does.
    """

    name: str
    about: str
    service: str = INGEST
    includes: tuple[str, ...] = ()
    is_standard: bool = True
    also: tuple[str, ...] = ()


def _ours(
    name: str,
    about: str,
    service: str = INGEST,
    includes: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
) -> Scope:
    return Scope(name, about, service, includes, is_standard=False, also=also)


_TABLE: tuple[Scope, ...] = (
    Scope("statements/write", "send statements"),
    Scope("statements/read/mine", "read the statements that this client sent"),
    Scope("statements/read", "read every statement", includes=("statements/read/mine",)),
    Scope("state", "read and write State documents", includes=("state/read",)),
    Scope("define", "say what activities and actors are called"),
    Scope("profile", "read and write profile documents", includes=("profile/read",)),
    Scope(
        "all/read",
        "read everything of xAPI",
        includes=("statements/read", "state/read", "profile/read"),
    ),
    Scope(
        "all",
        "everything of xAPI",
        includes=("all/read", "statements/write", "state", "define", "profile"),
    ),
    _ours("state/read", "read State documents"),
    _ours("profile/read", "read profile documents"),
    _ours("statements/void", "void statements of other sources"),
    _ours("clients/manage", "add, rotate and revoke the tenant's clients"),
    _ours("competencies/aggregates", "read counts over people, no small ones", AGGREGATOR),
    _ours(
        "competencies/read",
        "read competencies and decisions",
        AGGREGATOR,
        includes=("competencies/aggregates",),
    ),
    _ours("competencies/inspect", "read the audit trail, take inspection packs", AGGREGATOR),
    _ours(
        "competencies/admin",
        "change people, rules and authorisations",
        AGGREGATOR,
        includes=("competencies/inspect",),
    ),
    _ours("competencies/contest", "contest decisions on behalf of the person", AGGREGATOR),
    _ours(
        "accounts/manage",
        "add and disable the accounts of people who sign",
        AGGREGATOR,
        also=(CREDENTIALS,),
    ),
    _ours("rules/force", "bring rules into force that nobody approved", AGGREGATOR),
    _ours("credentials/read", "read credentials", CREDENTIALS),
    _ours("credentials/offer", "act for holders: offers to wallets, share links", CREDENTIALS),
    _ours("credentials/admin", "manage awards, issuers and keys", CREDENTIALS),
)

SCOPES: Mapping[str, Scope] = {one.name: one for one in _TABLE}


class ScopeUnknown(ValueError):
    """A scope that is in no row of the table. The text names it and says which there are."""


@lru_cache(maxsize=1024)
def granted_by(scopes: frozenset[str]) -> frozenset[str]:
    """The scopes with all that they include, over any number of steps; unknown ones stay."""
    found = set(scopes)
    waiting = list(scopes)
    while waiting:
        known = SCOPES.get(waiting.pop())
        if known is not None:
            fresh = set(known.includes) - found
            found |= fresh
            waiting.extend(fresh)
    return frozenset(found)


def shared(one: Iterable[str], other: Iterable[str]) -> frozenset[str]:
    """What both sets of scopes allow: what a token asks for, within what its client holds."""
    return granted_by(frozenset(one)) & granted_by(frozenset(other))


def checked(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, sorted and each once. Raises ScopeUnknown."""
    wanted = sorted(set(scopes))
    for name in wanted:
        if name not in SCOPES:
            raise ScopeUnknown(f"{name[:60]!r} is no scope; there are: {', '.join(SCOPES)}")
    return tuple(wanted)


def services_of(scopes: Iterable[str]) -> tuple[str, ...]:
    """The services that must know a client with these scopes; ingest, which lists all, is first."""
    asked: set[str] = set()
    for name in granted_by(frozenset(scopes)) & SCOPES.keys():
        asked |= {SCOPES[name].service, *SCOPES[name].also}
    return (INGEST, *sorted(asked - {INGEST}))
