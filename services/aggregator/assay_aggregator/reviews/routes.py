"""HTTP: awards by hand, reviews, and what people contest."""

from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator.api_admin import ADMIN, QueryWhy, Why
from assay_aggregator.copies import instant
from assay_aggregator.dates import format_instant
from assay_aggregator.reviews import overrides, reviews
from assay_aggregator.reviews.overrides import Wanted
from assay_aggregator.reviews.reviews import Outcome
from assay_aggregator.reviews.store import ReviewStore
from assay_aggregator.signing import SignatureBody
from assay_aggregator.store import Row
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client

READ: Final = "competencies/read"
CONTEST: Final = "competencies/contest"
PAGE_MAX: Final = 500
COMPETENCY_CHARACTERS_MAX: Final = 2_000
LEVEL_MAX: Final = 1_000

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Competency = Annotated[str, Field(min_length=1, max_length=COMPETENCY_CHARACTERS_MAX)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class OverrideBody(_Body):
    """An award by hand, proposed by the person who signs."""

    person: UUID
    competency: Competency
    level: Annotated[int, Field(ge=0, le=LEVEL_MAX)] | None = None
    valid_from: date = Field(alias="from")
    valid_to: date = Field(alias="to")
    reason: Why
    signature: SignatureBody


class ApproveBody(_Body):
    """The second person's signature."""

    reason: Why
    signature: SignatureBody


class ReviewBody(_Body):
    """A decision to be looked at again."""

    person: UUID
    competency: Competency
    reason: Why
    signature: SignatureBody


class CloseBody(_Body):
    """What came of a review."""

    outcome: Outcome
    reason: Why
    signature: SignatureBody


class ContestBody(_Body):
    """What a person says against a decision about them."""

    competency: Competency
    reason: Why


def review_routes(api: Api) -> APIRouter:
    """Overrides and reviews: changed below /admin, read beside it; contests of people."""
    router = APIRouter()
    router.include_router(_overrides(api))
    router.include_router(_reviews(api))
    return router


def _overrides(api: Api) -> APIRouter:
    router = APIRouter()
    admin = Annotated[Client, Depends(api.client(ADMIN))]
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.post("/admin/overrides")
    async def propose(client: admin, request: Request) -> Response:
        body = await api.parsed(request, OverrideBody)
        wanted = Wanted(body.person, body.competency, body.level, body.valid_from, body.valid_to)
        async with api.changing(client, body.reason) as records:
            override, in_force = await overrides.propose(records, wanted, body.signature)
        state = "in_force" if in_force else "proposed"
        return json_answer({"override": override, "state": state}, status=201)

    @router.post("/admin/overrides/{override}/approve")
    async def approve(client: admin, override: UUID, request: Request) -> Response:
        body = await api.parsed(request, ApproveBody)
        async with api.changing(client, body.reason) as records:
            await overrides.approve(records, override, body.signature)
        return json_answer({"override": override, "state": "in_force"})

    @router.delete("/admin/overrides/{override}")
    async def retract(client: admin, override: UUID, reason: QueryWhy) -> Response:
        async with api.changing(client, reason) as records:
            await overrides.retract(records, override)
        return Response(status_code=204)

    @router.get("/overrides")
    async def listed(
        client: reader,
        person: UUID | None = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            rows = await ReviewStore(store.connection).list_overrides(
                client.tenant, person, after, limit
            )
        following = rows[-1]["override"] if len(rows) == limit else None
        return json_answer({"overrides": [_override(row) for row in rows], "next": following})

    return router


def _reviews(api: Api) -> APIRouter:
    router = APIRouter()
    admin = Annotated[Client, Depends(api.client(ADMIN))]
    reader = Annotated[Client, Depends(api.client(READ))]
    contester = Annotated[Client, Depends(api.client(CONTEST))]

    @router.post("/admin/reviews")
    async def open_review(client: admin, request: Request) -> Response:
        body = await api.parsed(request, ReviewBody)
        async with api.changing(client, body.reason) as records:
            review = await reviews.open_review(
                records, body.person, body.competency, body.signature
            )
        return json_answer({"review": review}, status=201)

    @router.post("/admin/reviews/{review}/close")
    async def close(client: admin, review: UUID, request: Request) -> Response:
        body = await api.parsed(request, CloseBody)
        async with api.changing(client, body.reason) as records:
            await reviews.close(records, review, body.outcome, body.signature)
        return json_answer({"review": review, "outcome": body.outcome})

    @router.post("/people/{person}/contests")
    async def contest(client: contester, person: UUID, request: Request) -> Response:
        body = await api.parsed(request, ContestBody)
        async with api.changing(client, body.reason) as records:
            review = await reviews.contest(records, person, body.competency)
        return json_answer({"review": review}, status=201)

    @router.get("/reviews")
    async def listed(
        client: reader,
        person: UUID | None = None,
        is_open: Annotated[bool | None, Query(alias="open")] = None,
        after: UUID | None = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            rows = await ReviewStore(store.connection).list_reviews(
                client.tenant, person, is_open, after, limit
            )
        following = rows[-1]["review"] if len(rows) == limit else None
        return json_answer({"reviews": [_review(row) for row in rows], "next": following})

    return router


def _override(row: Row) -> dict[str, Any]:
    state = "proposed" if row["recorded_ms"] is None else "in_force"
    return {
        "override": row["override"],
        "state": state if row["retracted_ms"] is None else "retracted",
        "person": row["person"],
        "competency": row["competency"],
        "level": row["level"],
        "from": row["valid_from"],
        "to": row["valid_to"],
        "meaning": row["meaning"],
        "reason": row["reason"],
        "proposed_by": row["proposed_by"],
        "approved_by": row["approved_by"],
        "proposed": _instant(row["proposed_ms"]),
        "recorded": _instant(row["recorded_ms"]),
        "retracted": _instant(row["retracted_ms"]),
    }


def _review(row: Row) -> dict[str, Any]:
    return {
        "review": row["review"],
        "kind": row["kind"],
        "person": row["person"],
        "competency": row["competency"],
        "reason": row["reason"],
        "opened_by": row["opened_by"],
        "opened": _instant(row["recorded_ms"]),
        "closed": _instant(row["retracted_ms"]),
        "outcome": row["outcome"],
        "closed_reason": row["closed_reason"],
        "closed_by": row["closed_by"],
    }


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_instant(instant(at_ms))
