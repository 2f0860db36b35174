"""The Agents resource: one agent and the names it is known by, as a Person.

Source: xAPI 1.0.3 Communication 2.4, IEEE 9274.1.1 4.1.6.3. A Person may join several identifiers;
here it never does: who is the same person is decided by records, not by statements, and shown by
the aggregator to those who may see it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from assay_ingest.directory import Directory
from assay_ingest.errors import RequestInvalid
from assay_ingest.exchange import Exchange, Routes
from assay_ingest.parameters import agent_parameter, check_known, required
from assay_ingest.reading import Reading
from assay_schemas.agents import IDENTIFIER_PROPERTIES

AGENTS_PATH = "/xapi/agents"
SCOPE_READ = "statements/read"
_JSON = "application/json"


class AgentsResource:
    """GET of a Person."""

    def __init__(self, *, reading: Reading, directory: Directory, wait_seconds: float) -> None:
        self._reading = reading
        self._wait_seconds = wait_seconds
        self._directory = directory

    def routes(self) -> Routes:
        return {AGENTS_PATH: {"GET": self._get}}

    async def _get(self, exchange: Exchange) -> Response:
        exchange.client.require(SCOPE_READ)
        values = exchange.each_once()
        check_known(values.keys(), ("agent",))
        asked = agent_parameter("agent", required(values, "agent"), exchange.version)
        if asked.is_group:
            raise RequestInvalid("agent must be an Agent, not a Group", parameter="agent")
        await self._reading.settled(self._wait_seconds)
        names = await self._directory.agent_names(exchange.client.tenant, asked.key)
        return Response(msgspec.json.encode(person_of(asked.sent, names)), media_type=_JSON)


def person_of(agent: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The Person of a checked Agent object and the names seen; every property but one is a list."""
    own = [agent["name"]] if "name" in agent else []
    found = list(dict.fromkeys([*own, *names]))
    person: dict[str, Any] = {"objectType": "Person"}
    if found:
        person["name"] = found
    for name in IDENTIFIER_PROPERTIES:
        if name in agent:
            person[name] = [agent[name]]
    return person
