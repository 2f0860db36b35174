"""What the demo tenant is made of, read from the files in `data`: sources, keys, rules, people.

The domain data (`framework.json`) is illustrative; every organisation and person is invented.
"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from assay_cli.demo_statements import ACTIVITIES, COMPETENCIES

RuleDocument = Mapping[str, object]
Service = Literal["ingest", "aggregator", "credentials"]
Modality = Literal["online", "vr", "in_person", "workplace"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Frozen):
    """A source of statements; `input_topic` when it writes to Kafka as well."""

    id: str
    name: str
    modality: Modality | None
    vouches_for_assessors: bool
    learner_controlled: bool
    input_topic: bool


class ClientPlan(_Frozen):
    """An API client: its key's name in `demo-keys.json` and the services that must know it."""

    key: str
    source: str | None
    scopes: tuple[str, ...]
    services: tuple[Service, ...]

    @property
    def user(self) -> str:
        return f"demo-{self.key.replace('_', '-')}"


class Organisation(_Frozen):
    """Somebody who sends learners; `home_page` is that of their accounts."""

    id: str
    name: str
    place: str
    home_page: str
    tracks: tuple[str, ...]


class AssessorPlan(_Frozen):
    """An assessor and what they may assess."""

    name: str
    scopes: tuple[str, ...]


class Assessors(_Frozen):
    """Regular ones, and those whose word does not count: by date, by relation, by lack of leave."""

    home_page: str
    regular: tuple[AssessorPlan, ...]
    lapsed: AssessorPlan
    line_manager: AssessorPlan
    visiting: AssessorPlan


class Catalogue(_Frozen):
    """The whole of `demo.json`. `activities` maps a path below ACTIVITIES to its name."""

    tenant: str
    sources: tuple[Source, ...]
    clients: tuple[ClientPlan, ...]
    organisations: tuple[Organisation, ...]
    tracks: dict[str, tuple[str, ...]]
    assessors: Assessors
    activities: dict[str, str]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


class Competency(_Frozen):
    """One competency of the framework. `requal` is an ISO period or "-"."""

    code: str
    kind: Literal["K", "S", "B"]
    statement: str
    modalities: tuple[str, ...]
    requal: str
    basis: str

    @property
    def iri(self) -> str:
        return COMPETENCIES + self.code


@cache
def catalogue() -> Catalogue:
    """The demo's own data."""
    return Catalogue.model_validate_json(_data().joinpath("demo.json").read_bytes())


@cache
def framework() -> tuple[Competency, ...]:
    """The competencies of the framework, in its order."""
    return tuple(Competency.model_validate(one) for one in framework_document()["competencies"])


@cache
def framework_document() -> dict[str, Any]:
    """The domain data: competencies, the levels that roles ask for, the names of levels."""
    document: dict[str, Any] = json.loads(_data().joinpath("framework.json").read_bytes())
    return document


@cache
def rule_documents() -> Mapping[str, RuleDocument]:
    """The `assay.rule/v1` documents by the code of their competency, ordered by it."""
    found: dict[str, RuleDocument] = {}
    for entry in _data().joinpath("rules").iterdir():
        if entry.name.endswith(".json"):
            document: RuleDocument = json.loads(entry.read_bytes())
            found[str(document["competency"]).removeprefix(COMPETENCIES)] = document
    return dict(sorted(found.items()))


def evidence_activities(modality: Modality) -> tuple[str, ...]:
    """IRIs of the activities that the rules match from sources of this modality, sorted."""
    prefix = {"online": "course/", "vr": "vr/", "in_person": "practical/", "workplace": "work"}
    return tuple(
        sorted(
            ACTIVITIES + path
            for path in catalogue().activities
            if path.startswith(prefix[modality])
        )
    )


def _data() -> Traversable:
    return files("assay_cli").joinpath("data")
