"""Which events of the audit trail a pack is about. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from assay_aggregator.inspection.person import PersonRecord
from assay_aggregator.inspection.question import Selection
from assay_aggregator.inspection.store import Json
from assay_aggregator.inspection.tables import json_bytes

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Concerns:
    """The ids of everything in a pack: people, their records, rules; and what it was asked by."""

    def __init__(self, selection: Selection) -> None:
        asked = (("role", selection.role), ("organisation", selection.organisation))
        self._subjects = {f"{kind}:{name}" for kind, name in asked if name is not None}
        self._ids: set[str] = set()
        self._rules: set[str] = set()

    def person(self, record: PersonRecord) -> None:
        """A person, and the records about that person."""
        self._ids.add(str(record.person))
        self._ids.update(one["link"] for one in record.links)
        self._ids.update(one["employment"] for one in record.employments)
        self._ids.update(one["override"] for one in record.overrides)
        self._ids.update(one["review"] for one in record.reviews)
        self._ids.update(one["conflict"] for one in record.conflicts)

    def records(self, ids: Iterable[str]) -> None:
        """Other records, by their ids."""
        self._ids.update(ids)

    def rules(self, rules: Sequence[Json]) -> None:
        """The versions of rules; whatever happened to any version of them is of interest."""
        self._rules.update(rule["rule"] for rule in rules)

    def about(self, event: Mapping[str, Any]) -> bool:
        """Whether the event names one of them: as its subject `<kind>:<id>`, or in its values."""
        if event["subject"] in self._subjects:
            return True
        kind, _, name = event["subject"].partition(":")
        if kind.startswith("rule") and name.partition("/")[0] in self._rules:
            return True
        said = f"{event['subject']} {json_bytes([event['before'], event['after']]).decode()}"
        return any(found in self._ids for found in _UUID.findall(said))
