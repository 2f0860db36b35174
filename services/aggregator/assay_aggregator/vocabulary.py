"""IRIs that rules and statements share, and the short names that a rule may write for them.

Sources: competency/rules.md section 1 (which names exist), cmi5 sections 9.3 to 9.6 (the IRIs).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ADL_VERBS: Final = "http://adlnet.gov/expapi/verbs/"
CMI5_VERBS: Final = "https://w3id.org/xapi/adl/verbs/"
VIDEO_VERBS: Final = "https://w3id.org/xapi/video/verbs/"
ADL_ACTIVITY_TYPES: Final = "http://adlnet.gov/expapi/activities/"
CMI5_CATEGORIES: Final = "https://w3id.org/xapi/cmi5/context/categories/"
CMI5_CONTEXT: Final = "https://w3id.org/xapi/cmi5/context/extensions/"

FAILED: Final = ADL_VERBS + "failed"
COMPLETED: Final = ADL_VERBS + "completed"
LAUNCHED: Final = ADL_VERBS + "launched"
VOIDED: Final = ADL_VERBS + "voided"
WAIVED: Final = CMI5_VERBS + "waived"

LAUNCH_MODE: Final = CMI5_CONTEXT + "launchmode"
SESSION_ID: Final = CMI5_CONTEXT + "sessionid"
MASTERY_SCORE: Final = CMI5_CONTEXT + "masteryscore"
WAIVED_REASON: Final = "https://w3id.org/xapi/cmi5/result/extensions/reason"

# The roles of a contextAgents entry (xAPI 2.0 `relevantTypes`) that name an assessor. No role is
# standardised; beside these, any IRI whose last segment is `assessor` is taken (see `is_assessor`).
ASSESSOR_ROLES: Final = frozenset(
    {
        "http://id.tincanapi.com/extension/observer",
        "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor",
        "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#Grader",
    }
)


def is_assessor(role: str) -> bool:
    """True when a contextAgents role (an IRI) says that its agent assessed the learner."""
    if role in ASSESSOR_ROLES:
        return True
    return role.rstrip("/").replace("#", "/").rsplit("/", 1)[-1].lower() == "assessor"


def _under(base: str, names: str) -> dict[str, str]:
    return {name: base + name for name in names.split()}


_VERBS = (
    _under(
        ADL_VERBS,
        "answered asked attempted attended commented completed exited experienced failed imported"
        " initialized interacted launched mastered passed preferred progressed registered"
        " responded resumed scored shared suspended terminated",
    )
    | _under(CMI5_VERBS, "abandoned satisfied waived")
    | _under(VIDEO_VERBS, "played paused seeked")
)
_ACTIVITY_TYPES = _under(
    ADL_ACTIVITY_TYPES,
    "assessment course file interaction lesson link media meeting module objective performance"
    " profile question simulation",
)
_CATEGORIES = _under(CMI5_CATEGORIES, "cmi5 moveon")

# Which short names a key of `match` may hold; keys that are missing here take full IRIs only.
SHORT_NAMES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "verb": MappingProxyType(_VERBS),
        "activity_type": MappingProxyType(_ACTIVITY_TYPES),
        "category": MappingProxyType(_CATEGORIES),
        "profile": MappingProxyType(_CATEGORIES),
    }
)


def expand(key: str, name: str) -> str:
    """The full IRI for a value of the match key `key`.

    A value with a colon is an IRI already. Raises ValueError for a short name nobody published.
    """
    if ":" in name:
        return name
    iri = SHORT_NAMES.get(key, {}).get(name)
    if iri is None:
        raise ValueError(f"`{name}` is neither a full IRI nor a published short name of a {key}")
    return iri
