"""The same events as xAPI statements, by ADL's profile for managing learners' competencies.

Pure. A statement's id follows from tenant, person, competency and sequence, so a repeat is the same
statement. They come back to the product under `OWN_SOURCE`, and nothing is ever decided from them.

Source: xAPI learner competency profile 1.0 (https://w3id.org/xapi/learnercompetency): verbs, the
type of the object, the category, the expiry. Level, reason and what they follow from are ours.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson

from assay_aggregator.dates import day_start, format_instant
from assay_aggregator.events import Subject, derived_id
from assay_schemas.events import (
    CompetencyAchieved,
    CompetencyCorrected,
    CompetencyEvent,
    CompetencyExpired,
    CompetencyExpiring,
    CompetencyLevelChanged,
    CompetencyReinstated,
    CompetencyRenewed,
    CompetencyRevoked,
    CompetencySuspended,
    CompetencyUnderReview,
    CompetencyWithdrawn,
    Status,
)

PROFILE: Final = "https://w3id.org/xapi/learnercompetency"
PROFILE_TYPE: Final = "http://adlnet.gov/expapi/activities/profile"
COMPETENCY_TYPE: Final = "https://w3id.org/xapi/tla/activity-types/competency"
EXPIRES: Final = "https://w3id.org/xapi/comp/contextextensions/expires"
VERBS: Final = "https://w3id.org/xapi/tla/verbs/"
OURS: Final = "https://w3id.org/assay/xapi/extensions/"

# What each kind of event is called there; None: nothing is said. The profile has no word for a loss
# that may be for a time, so what is suspended or withdrawn is `forfeited`, with the reason.
VERB_OF: Final[Mapping[type[CompetencyEvent], str | None]] = {
    CompetencyAchieved: "achieved",
    CompetencyRenewed: "achieved",
    CompetencyReinstated: "achieved",
    CompetencyLevelChanged: "achieved",
    CompetencyExpired: "expired",
    CompetencySuspended: "forfeited",
    CompetencyUnderReview: "forfeited",
    CompetencyWithdrawn: "forfeited",
    CompetencyRevoked: "revoked",
    CompetencyExpiring: None,
}

# A correction says what is so now.
_VERB_OF_STATUS: Final[Mapping[Status, str]] = {
    "achieved": "achieved",
    "expired": "expired",
    "suspended": "forfeited",
    "under_review": "forfeited",
    "revoked": "revoked",
}


def statement_of(event: CompetencyEvent, agent: Mapping[str, Any]) -> bytes | None:
    """The statement that says of the learner `agent` what the event says; None where it says none.

    It is of xAPI 2.0, and of 1.0.3 as well.
    """
    if isinstance(event, CompetencyCorrected):
        verb = _VERB_OF_STATUS.get(event.status)
    else:
        verb = VERB_OF[type(event)]
    if verb is None:
        return None
    statement: dict[str, Any] = {
        "id": str(statement_id(event)),
        "actor": {"objectType": "Agent", **agent},
        "verb": {"id": VERBS + verb, "display": {"en": verb}},
        "object": {
            "objectType": "Activity",
            "id": event.competency,
            "definition": {"type": COMPETENCY_TYPE},
        },
        "context": {
            "contextActivities": {
                "category": [
                    {
                        "objectType": "Activity",
                        "id": PROFILE,
                        "definition": {"type": PROFILE_TYPE},
                    }
                ]
            },
            "extensions": _extensions(event),
        },
        "timestamp": format_instant(_effective(event)),
    }
    if verb == "achieved" and event.level is not None:
        statement["result"] = {"extensions": {OURS + "level": event.level}}
    return orjson.dumps(statement)


def statement_id(event: CompetencyEvent) -> UUID:
    """The id of the statement of an event."""
    subject = Subject(event.tenant, event.person, event.competency)
    return derived_id(subject, "statement", event.sequence)


def agent_of(key: str) -> dict[str, Any]:
    """The agent whose key (`assay_schemas.agents.agent_key`) this is."""
    kind, _, rest = key.partition(":")
    if kind == "account":
        home_page, _, name = rest.partition(" ")
        return {"account": {"homePage": home_page, "name": name}}
    return {kind: rest}


def _extensions(event: CompetencyEvent) -> dict[str, Any]:
    found: dict[str, Any] = {
        OURS + "decision": str(event.decision),
        OURS + "sequence": event.sequence,
    }
    if event.expires_on is not None:
        found[EXPIRES] = event.expires_on.isoformat()
    if event.reason is not None:
        found[OURS + "reason"] = event.reason
    return found


def _effective(event: CompetencyEvent) -> datetime:
    """When it took effect: an expiry at the end of the last valid day, all else when decided."""
    if event.status == "expired" and event.expires_on is not None:
        following = event.expires_on + timedelta(days=1)
        start = day_start(following.toordinal(), ZoneInfo(event.timezone))
        if start is not None and start <= event.as_of:
            return start
    return event.as_of.astimezone(UTC)
