"""HTTP: awards and withdrawals by two people (scope `credentials/admin`), and what came of them."""

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from assay_credentials.awarding import manual
from assay_credentials.awarding.manual import PEOPLE_MAX, Wanted
from assay_credentials.awarding.store import AwardingStore, Row
from assay_credentials.awards import Kind
from assay_runtime.auth import Client
from assay_runtime.refusals import Unknown
from assay_runtime.signing import SignatureBody

if TYPE_CHECKING:
    from assay_credentials.api import Api

ADMIN: Final = "credentials/admin"
READ: Final = "credentials/read"
PAGE_MAX: Final = 1_000
LEVEL_MAX: Final = 1_000
_FIRST: Final = UUID(int=0)

Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Why = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AwardBody(_Body):
    """An award to propose, for one person or many."""

    kind: Kind = "competency"
    competency: Annotated[str, Field(min_length=1, max_length=2_000)]
    people: Annotated[list[UUID], Field(min_length=1, max_length=PEOPLE_MAX)]
    achieved_on: date
    expires_on: date | None = None
    timezone: Annotated[str, Field(min_length=1, max_length=100)]
    level: Annotated[int, Field(ge=1, le=LEVEL_MAX)] | None = None
    request: Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")] | None = None
    reason: Why
    signature: SignatureBody

    def wanted(self) -> Wanted:
        return Wanted(
            kind=self.kind,
            competency=self.competency,
            people=tuple(self.people),
            achieved_on=self.achieved_on,
            expires_on=self.expires_on,
            timezone=self.timezone,
            level=self.level,
            request=self.request,
        )


class SignedBody(_Body):
    """A second signature."""

    signature: SignatureBody


class WhyBody(_Body):
    reason: Why


class WithdrawalBody(_Body):
    """A withdrawal to propose; without a person it is that of the whole award."""

    person: UUID | None = None
    reason: Why
    signature: SignatureBody


def award_routes(api: "Api") -> APIRouter:
    """Everything below /awards."""
    router = APIRouter()
    router.include_router(_withdrawals(api))
    router.include_router(_awards(api))
    return router


def _awards(api: "Api") -> APIRouter:
    router = APIRouter(prefix="/awards")
    admin = Annotated[Client, Depends(api.holder_of(ADMIN))]
    reader = Annotated[Client, Depends(api.holder_of(READ))]

    @router.post("")
    async def propose(client: admin, request: Request) -> Response:
        body = await api.parsed(request, AwardBody)
        async with api.changing(client, body.reason) as records:
            made = await manual.propose(records, body.wanted(), body.signature, datetime.now(UTC))
        return _json({"award": made, "people": len(body.people)}, status=201)

    @router.post("/{award}/approve")
    async def approve(client: admin, award: UUID, request: Request) -> Response:
        body = await api.parsed(request, SignedBody)
        async with api.changing(client) as records:
            counts = await manual.approve(records, award, body.signature)
        return _json({"award": award, **counts})

    @router.post("/{award}/cancel")
    async def cancel(client: admin, award: UUID, request: Request) -> Response:
        body = await api.parsed(request, WhyBody)
        async with api.changing(client, body.reason) as records:
            await manual.cancel(records, award)
        return Response(status_code=204)

    @router.get("")
    async def listed(client: reader, after: UUID = _FIRST, limit: Limit = 100) -> Response:
        async with api.connected() as connection:
            rows = await AwardingStore(connection).list_manual_awards(client.tenant, after, limit)
        return _json(
            {
                "awards": [_award(row) for row in rows],
                "next": rows[-1]["manual"] if len(rows) == limit else None,
            }
        )

    @router.get("/{award}")
    async def one(client: reader, award: UUID) -> Response:
        async with api.connected() as connection:
            store = AwardingStore(connection)
            row = await store.find_manual_award(client.tenant, award)
            if row is None:
                raise Unknown("there is no such award")
            counts = await store.count_people(client.tenant, award)
        return _json({**_award(row), "counts": counts})

    @router.get("/{award}/people")
    async def people(
        client: reader, award: UUID, after: UUID = _FIRST, limit: Limit = 100
    ) -> Response:
        async with api.connected() as connection:
            rows = await AwardingStore(connection).list_people(client.tenant, award, after, limit)
        return _json(
            {
                "people": [_person(row) for row in rows],
                "next": rows[-1]["person"] if len(rows) == limit else None,
            }
        )

    return router


def _withdrawals(api: "Api") -> APIRouter:
    router = APIRouter(prefix="/awards")
    admin = Annotated[Client, Depends(api.holder_of(ADMIN))]
    reader = Annotated[Client, Depends(api.holder_of(READ))]

    @router.post("/{award}/withdrawals")
    async def propose(client: admin, award: UUID, request: Request) -> Response:
        body = await api.parsed(request, WithdrawalBody)
        async with api.changing(client, body.reason) as records:
            made = await manual.propose_withdrawal(records, award, body.person, body.signature)
        return _json({"withdrawal": made}, status=201)

    @router.post("/withdrawals/{withdrawal}/approve")
    async def approve(client: admin, withdrawal: UUID, request: Request) -> Response:
        body = await api.parsed(request, SignedBody)
        async with api.changing(client) as records:
            people = await manual.approve_withdrawal(records, withdrawal, body.signature)
        return _json({"withdrawal": withdrawal, "people": people})

    @router.get("/{award}/withdrawals")
    async def listed(
        client: reader, award: UUID, after: UUID = _FIRST, limit: Limit = 100
    ) -> Response:
        async with api.connected() as connection:
            store = AwardingStore(connection)
            rows = await store.list_withdrawals(client.tenant, award, after, limit)
        return _json(
            {
                "withdrawals": [dict(row) for row in rows],
                "next": rows[-1]["withdrawal"] if len(rows) == limit else None,
            }
        )

    return router


def _award(row: Row) -> dict[str, Any]:
    found = dict(row)
    award = found.pop("manual")
    if found["cancelled_by"] is not None:
        state = "cancelled"
    else:
        state = "proposed" if found["approved_by"] is None else "approved"
    return {"award": award, "state": state, **found}


def _person(row: Row) -> dict[str, Any]:
    """`status` is what came of it; `why` is a code, `failure` says why it could not be made."""
    return {
        "person": row["person"],
        "status": row["status"],
        "why": row["why"],
        "failure": row["failure"],
        "credential": row["credential"],
        "credential_status": row["state"],
        "withdrawal": row["withdrawal"],
    }


def _json(content: object, *, status: int = 200) -> Response:
    return Response(
        orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z),
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "private, no-store"},
    )
