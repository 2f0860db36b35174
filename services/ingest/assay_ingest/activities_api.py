"""The Activities resource: what is known of one activity, merged over its statements.

Source: xAPI 1.0.3 Communication 2.5, IEEE 9274.1.1 4.1.6.4. An activity that nobody has defined is
answered as an Activity that has an id and no definition: 2.0 demands it, 1.0.3 advises it.
"""

import msgspec
from starlette.responses import Response

from assay_ingest.exchange import Exchange, Routes
from assay_ingest.parameters import check_known, iri_parameter, required
from assay_ingest.reading import Reading
from assay_ingest.store import Reader

ACTIVITIES_PATH = "/xapi/activities"
SCOPE_READ = "statements/read"
_JSON = "application/json"


class ActivitiesResource:
    """GET of an Activity."""

    def __init__(self, *, reading: Reading, reader: Reader, wait_seconds: float) -> None:
        self._reading = reading
        self._wait_seconds = wait_seconds
        self._reader = reader

    def routes(self) -> Routes:
        return {ACTIVITIES_PATH: {"GET": self._get}}

    async def _get(self, exchange: Exchange) -> Response:
        exchange.client.require(SCOPE_READ)
        values = exchange.each_once()
        check_known(values.keys(), ("activityId",))
        activity = iri_parameter("activityId", required(values, "activityId"), exchange.version)
        await self._reading.settled(self._wait_seconds)
        definitions = await self._reader.definitions(exchange.client.tenant, [activity])
        return Response(activity_of(activity, definitions.get(activity)), media_type=_JSON)


def activity_of(activity: str, definition: bytes | None) -> bytes:
    """The Activity as JSON; the definition keeps its bytes."""
    known = b"" if definition is None else b',"definition":' + definition
    return b'{"objectType":"Activity","id":%b%b}' % (msgspec.json.encode(activity), known)
