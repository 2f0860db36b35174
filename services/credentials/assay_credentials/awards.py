"""What an event means for a credential. Pure: events and rows in, actions and facts out.

The last event of a (tenant, person, competency) tells the present standing, so a credential follows
the standing and needs no event before it.
"""

import calendar
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import Final, Literal, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from assay_credentials.badge import (
    Achievement,
    Alignment,
    AwardFacts,
    Edition,
    Image,
    Level,
)
from assay_credentials.errors import BadgeRefused, NoSuchStep
from assay_credentials.lifecycle import State, Step
from assay_schemas.events import CompetencyEvent, CredentialChanged, CredentialStatus, Status

Standing = Literal["held", "withdrawn", "suspended", "under_review", "expired", "revoked"]
Live = Literal["none", "issued", "suspended"]
Cryptosuite = Literal["eddsa-rdfc-2022", "eddsa-jcs-2022"]
Kind = Literal["competency", "participation"]
Key = tuple[str, UUID, str]
"""(tenant, person, competency)"""

MAIN_ISSUER: Final = "main"
PARTICIPATION_TYPE: Final = "ext:Participation"
"""The vocabulary has no word for it; `ext:` is how it is extended."""

STANDINGS: Final[Mapping[Status, Standing]] = {
    "not_started": "withdrawn",
    "in_progress": "withdrawn",
    "achieved": "held",
    "suspended": "suspended",
    "under_review": "under_review",
    "expired": "expired",
    "revoked": "revoked",
}
"""What the status of an event, of whatever type, means for a credential."""


class Action(Enum):
    """What is done about a credential."""

    NOTHING = "nothing"
    ISSUE = "issue"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    EXPIRE = "expire"
    REVOKE = "revoke"
    SUPERSEDE = "supersede"
    REPLACE = "issue, and supersede the one that there is"


_SAME_OR_OTHER = tuple[Action, Action]

# (the live credential, the standing) -> what is done when the credential says the same dates and
# level as the event, and when it says others. An expired credential says of itself that it is, so
# its lists stay clear; one that would still pass for valid under dates that fell is superseded.
ACTIONS: Final[Mapping[tuple[Live, Standing], _SAME_OR_OTHER]] = {
    ("none", "held"): (Action.ISSUE, Action.ISSUE),
    ("none", "withdrawn"): (Action.NOTHING, Action.NOTHING),
    ("none", "suspended"): (Action.NOTHING, Action.NOTHING),
    ("none", "under_review"): (Action.NOTHING, Action.NOTHING),
    ("none", "expired"): (Action.NOTHING, Action.NOTHING),
    ("none", "revoked"): (Action.NOTHING, Action.NOTHING),
    ("issued", "held"): (Action.NOTHING, Action.REPLACE),
    ("issued", "withdrawn"): (Action.SUSPEND, Action.SUSPEND),
    ("issued", "suspended"): (Action.SUSPEND, Action.SUSPEND),
    ("issued", "under_review"): (Action.SUSPEND, Action.SUSPEND),
    ("issued", "expired"): (Action.EXPIRE, Action.SUPERSEDE),
    ("issued", "revoked"): (Action.REVOKE, Action.REVOKE),
    ("suspended", "held"): (Action.REINSTATE, Action.REPLACE),
    ("suspended", "withdrawn"): (Action.NOTHING, Action.NOTHING),
    ("suspended", "suspended"): (Action.NOTHING, Action.NOTHING),
    ("suspended", "under_review"): (Action.NOTHING, Action.NOTHING),
    ("suspended", "expired"): (Action.EXPIRE, Action.SUPERSEDE),
    ("suspended", "revoked"): (Action.REVOKE, Action.REVOKE),
}

STEPS: Final[Mapping[Action, Step]] = {
    Action.SUSPEND: "suspended",
    Action.REINSTATE: "reinstated",
    Action.EXPIRE: "expired",
    Action.REVOKE: "revoked",
    Action.SUPERSEDE: "superseded",
}
"""The step of lifecycle that an action on the live credential takes at once."""

STATUS_OF_STEP: Final[Mapping[Step, CredentialStatus]] = {
    "published": "issued",
    "suspended": "suspended",
    "reinstated": "reinstated",
    "expired": "expired",
    "superseded": "superseded",
    "revoked": "revoked",
}


class Terms(NamedTuple):
    """What a credential says beside whom and what it is about."""

    level: int | None
    achieved_on: date | None
    expires_on: date | None
    timezone: str


@dataclass(frozen=True, slots=True)
class Award:
    """An award with work, as it was taken."""

    key: Key
    sequence: int
    standing: Standing
    terms: Terms
    as_of: datetime
    decision: UUID | None
    evidence_digest: bytes
    event_ms: int
    version: int
    manual: UUID | None = None
    """What two people signed, where it follows from no decision."""
    kind: Kind = "competency"
    reason: str | None = None
    """A code: why it was lost or changed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bit in a status list."""

    list: UUID
    index: int


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential that is intended, issued or suspended."""

    key: Key
    id: UUID
    state: State
    sequence: int
    decision: UUID | None
    terms: Terms
    as_of: datetime
    evidence_digest: bytes
    did: str
    salt: bytes
    revocation: Place
    suspension: Place | None
    """None: it has a revocation entry only, which a suspension sets."""
    intended_at: datetime
    method: str = ""
    """The verification method whose key signs it."""
    template: tuple[str, int] | None = None
    """Short name and version; None where there was no template."""
    manual: UUID | None = None
    kind: Kind = "competency"


@dataclass(frozen=True, slots=True)
class Described:
    """How a competency is described, and what its credential is like. `levels` names level 1, 2, 3
    and so on.

    What is left out is what a credential without a template has.
    """

    name: str
    description: str
    criteria: str
    code: str | None = None
    framework: str | None = None
    levels: tuple[str, ...] = ()
    level_descriptions: tuple[str | None, ...] = ()
    alignments: tuple[Alignment, ...] = ()
    """Beside the competency itself."""
    achievement: str | None = None
    """Its id; without one it is derived from tenant and competency."""
    type: str = "Competency"
    language: str | None = None
    editions: tuple[Edition, ...] = ()
    image: Image | None = None
    valid_months: int | None = None
    """A period of its own from the day of the award; it never outlasts the award."""
    issuer: str = MAIN_ISSUER
    cryptosuite: Cryptosuite = "eddsa-rdfc-2022"
    has_suspension: bool = True
    """A status entry for suspension, beside that for revocation."""
    template: tuple[str, int] | None = None
    """Short name and version."""
    stands_for_competency: bool = True
    """What it is aligned with begins with the competency itself."""


class Overruled(NamedTuple):
    """What stands above an award, whatever its standing is."""

    is_elsewhere: bool = False
    """The person was found to be another, who holds a credential for the same."""
    is_outreach: bool = False
    """The person is of the outreach realm."""


NOT_OVERRULED: Final = Overruled()


def overruled(award: Award, by: Overruled) -> Award:
    """The award as it counts: in the outreach realm nothing is held but participation."""
    if by.is_elsewhere:
        return replace(award, reason="merged")
    if by.is_outreach and award.kind == "competency" and award.standing == "held":
        return replace(award, standing="withdrawn", reason="outreach")
    return award


def action_for(live: Credential | None, award: Award, by: Overruled = NOT_OVERRULED) -> Action:
    """What is done about `live`, the credential that counts now. Raises NoSuchStep."""
    if by.is_elsewhere:
        return Action.NOTHING if live is None else Action.SUPERSEDE
    state = "none" if live is None else live.state
    try:
        same, other = ACTIONS[(state, award.standing)]  # type: ignore[index]  # missing is an error
    except KeyError:
        raise NoSuchStep(
            f"a credential that is {state} cannot follow an award that is {award.standing}"
        ) from None
    action = same if live is not None and _says_the_same(live.terms, award) else other
    if action is Action.REINSTATE and live is not None and live.suspension is None:
        # Its suspension set the revocation bit, and what is revoked never comes back.
        return Action.REPLACE
    return action


def _says_the_same(terms: Terms, award: Award) -> bool:
    if award.standing == "expired":
        # Of what has lapsed only the end matters; events of it need not repeat the level.
        ends = (terms.expires_on, terms.timezone)
        return ends == (award.terms.expires_on, award.terms.timezone)
    return terms == award.terms


def evidence_digest(event: CompetencyEvent) -> bytes:
    """SHA-256 that binds a credential to its evidence without naming it.

    Over the id of the decision and, in order, the ids of the statements, one per line: whoever may
    read the decision can compute it.
    """
    lines = [str(event.decision), *sorted(str(one) for one in event.evidence)]
    return hashlib.sha256("\n".join(lines).encode()).digest()


def reason_code(event: CompetencyEvent) -> str:
    """Why, in a word: the event's own reason, or what kind of event it is."""
    return event.reason or event.type.partition(".")[2].partition("/")[0]


_CRITERIA: Final = "Evidence was assessed by the rule that the issuer keeps for this competency."
_SIGNED_CRITERIA: Final = "Two people of the issuer judged that this is so, and signed it."


def plain_description(
    competency: str, *, kind: Kind = "competency", is_manual: bool = False
) -> Described:
    """The description of a competency that nobody has described: its name is the IRI's end."""
    parts = urlsplit(competency)
    end = unquote(parts.fragment or parts.path.rstrip("/").rpartition("/")[2])
    name = " ".join(end.replace("-", " ").replace("_", " ").split()) or competency
    return Described(
        name=name,
        description=f"{'Taking part in' if kind == 'participation' else 'The competency'}"
        f" {competency}",
        criteria=_SIGNED_CRITERIA if is_manual else _CRITERIA,
    )


def as_participation(described: Described) -> Described:
    """Of who took part and no more: no competency, no level (Open Badges 3.0, AchievementType)."""
    return replace(
        described,
        type=PARTICIPATION_TYPE,
        levels=(),
        level_descriptions=(),
        alignments=(),
        stands_for_competency=False,
    )


def achievement_of(
    tenant: str, competency: str, described: Described, level: int | None = None
) -> Achievement:
    """What can be earned, with the scale that `level` is on."""
    identifier = described.achievement
    if identifier is None:
        identifier = f"urn:uuid:{derived_id('achievement', tenant, competency)}"
    names = list(described.levels)
    if level is not None:
        names += [f"Level {number}" for number in range(len(names) + 1, level + 1)]
    texts = (*described.level_descriptions, *[None] * len(names))
    own = [
        Alignment(
            name=described.name,
            url=competency,
            code=described.code,
            framework=described.framework,
        )
    ] * described.stands_for_competency
    return Achievement(
        id=identifier,
        name=described.name,
        description=described.description,
        criteria=described.criteria,
        alignments=(*own, *described.alignments),
        levels=tuple(
            Level(level_id(identifier, number), name, str(number), texts[number - 1])
            for number, name in enumerate(names, start=1)
        ),
        type=described.type,
        language=described.language,
        version=None if described.template is None else str(described.template[1]),
        editions=described.editions,
        image=described.image,
    )


def level_id(achievement: str, level: int) -> str:
    return f"{achievement}#level-{level}"


def facts_of(credential: Credential, described: Described, credential_url: str) -> AwardFacts:
    """What the badge of an intention says. The same intention gives the same facts.

    Raises BadgeRefused for a time zone that is none.
    """
    terms = credential.terms
    tenant, person, competency = credential.key
    if credential.kind == "participation":
        described = as_participation(described)
    achievement = achievement_of(tenant, competency, described, terms.level)
    has_level = terms.level is not None and terms.level >= 1
    return AwardFacts(
        credential_id=credential_url,
        achievement=achievement,
        awarded_at=_awarded_at(credential),
        expires_on=_expires_on(credential, described.valid_months),
        timezone=terms.timezone,
        # The person's random id: who may tie it to somebody's name, can check the hash.
        identity=str(person),
        identity_type="systemId",
        salt=credential.salt,
        level_id=level_id(achievement.id, terms.level or 0) if has_level else None,
        evidence_sha256=(credential.evidence_digest,),
    )


def _awarded_at(credential: Credential) -> datetime:
    """The beginning of the local day of the award; without one, the time of the decision."""
    day = credential.terms.achieved_on
    if day is None:
        return credential.as_of
    return datetime.combine(day, time(0), tzinfo=_zone(credential.terms)).astimezone(UTC)


def _expires_on(credential: Credential, valid_months: int | None) -> date | None:
    """The award's end, or that of the credential's own period where it comes first."""
    end = credential.terms.expires_on
    if valid_months is None:
        return end
    day = credential.terms.achieved_on
    if day is None:
        day = credential.as_of.astimezone(_zone(credential.terms)).date()
    own = months_later(day, valid_months)
    return own if end is None else min(own, end)


def months_later(day: date, months: int) -> date:
    """The same day of a later month; its last one where the month is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _zone(terms: Terms) -> ZoneInfo:
    try:
        return ZoneInfo(terms.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadgeRefused("timezone: not the IANA name of a time zone") from error


def changed_event(
    key: Key, credential: UUID, step: Step, sequence: int, at: datetime
) -> CredentialChanged:
    """The event of a step. Its id follows from credential, step and sequence."""
    tenant, person, competency = key
    return CredentialChanged(
        event_id=derived_id("credential", str(credential), step, str(sequence)),
        tenant=tenant,
        credential=credential,
        person=person,
        competency=competency,
        status=STATUS_OF_STEP[step],
        sequence=sequence,
        at=at,
    )


def derived_id(*parts: str) -> UUID:
    """An id that is the same whenever it is asked for, shaped as a version 4 UUID."""
    return UUID(bytes=hashlib.sha256("\n".join(parts).encode()).digest()[:16], version=4)


def newest(events: Sequence[tuple[CompetencyEvent, int]]) -> list[tuple[CompetencyEvent, int]]:
    """Of each key the event with the highest sequence, with its append time."""
    found: dict[Key, tuple[CompetencyEvent, int]] = {}
    for event, append_ms in events:
        key = (event.tenant, event.person, event.competency)
        held = found.get(key)
        if held is None or held[0].sequence < event.sequence:
            found[key] = (event, append_ms)
    return list(found.values())
