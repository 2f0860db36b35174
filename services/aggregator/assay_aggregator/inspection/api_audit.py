"""HTTP: the audit trail, read and searched; and its review, which is itself on record.

EU GMP Annex 11 clause 9 and MHRA GXP 6.13 ask for both (scope `competencies/inspect`).
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator.audit import AuditFilter, events, reach
from assay_aggregator.errors import Refused
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client

INSPECT: Final = "competencies/inspect"
PAGE_MAX: Final = 1_000
TEXT_CHARACTERS_MAX: Final = 1_000
EVENT_MAX: Final = 2**63 - 1
REVIEWED: Final = "audit.reviewed"

_Text = Annotated[str, Query(max_length=4_000, pattern=r"^[^\x00]*$")]
_Event = Annotated[int, Field(ge=1, le=EVENT_MAX)]


class ReviewBody(BaseModel):
    """Somebody read the events from `first` to `last`, with this outcome."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: _Event
    last: _Event
    outcome: Literal["no_findings", "findings"]
    reason: Annotated[str, Field(min_length=1, max_length=TEXT_CHARACTERS_MAX, pattern=r"\S")]


def audit_routes(api: Api) -> APIRouter:
    """The routes below /audit."""
    router = APIRouter()
    inspector = Annotated[Client, Depends(api.client(INSPECT))]

    @router.get("/audit")
    async def audit_events(
        client: inspector,
        subject: _Text | None = None,
        actor: _Text | None = None,
        action: _Text | None = None,
        since: str | None = None,
        until: str | None = None,
        after: Annotated[int, Query(ge=0, le=EVENT_MAX)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
    ) -> Response:
        wanted = AuditFilter(subject, actor, action, moment("since", since), moment("until", until))
        async with api.reading() as store:
            found = await events(store.connection, client.tenant, wanted, after, limit)
        following = found[-1]["event"] if len(found) == limit else None
        return json_answer({"events": found, "next": following})

    @router.post("/audit/reviews")
    async def review(client: inspector, request: Request) -> Response:
        body = await api.parsed(request, ReviewBody)
        if body.last < body.first:
            raise Refused("`last` is before `first`")
        async with api.changing(client, body.reason) as records:
            count = await reach(records.store.connection, client.tenant, body.first, body.last)
            if not count:
                raise Refused("there is no event from `first` to `last`")
            after = {"outcome": body.outcome, "events": count}
            await records.audit(REVIEWED, f"audit:{body.first}-{body.last}", after=after)
        return json_answer({"events": count, "outcome": body.outcome}, status=201)

    return router


def moment(name: str, text: str | None) -> datetime | None:
    """A time of a request's parameter, in UTC. Raises Refused."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or not 1 < found.year < 9999:
        raise Refused(f"`{name}` is an RFC 3339 time with its offset from UTC")
    return found.astimezone(UTC)
