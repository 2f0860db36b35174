"""HTTP: the inspection pack, one request for all of it (scope `competencies/inspect`)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from assay_aggregator.inspection.api_audit import INSPECT, moment
from assay_aggregator.inspection.pack import Made, pack
from assay_aggregator.inspection.question import Selection, Settled
from assay_aggregator.inspection.settle import Limits, settle
from assay_aggregator.rulebook import RuleBook
from assay_aggregator.web import Api
from assay_runtime.auth import Client
from assay_runtime.logs import fields
from assay_runtime.problem import not_available

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 30
NAMED_MAX: Final = 1_000
REQUESTED: Final = "inspection_pack.requested"
MADE: Final = "inspection_pack.made"

_Text = Annotated[str, Query(min_length=1, max_length=4_000, pattern=r"^[^\x00]+$")]
_Reason = Annotated[
    str, Query(min_length=1, max_length=1_000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")
]


def inspection_routes(api: Api) -> APIRouter:
    """The route of the pack."""
    router = APIRouter()
    inspector = Annotated[Client, Depends(api.client(INSPECT))]
    limits = Limits(api.settings.inspection_people_max, api.settings.local_zone)
    places = asyncio.Semaphore(api.settings.inspection_packs_parallel_max)

    @router.get("/inspection-pack", response_class=StreamingResponse)
    async def inspection_pack(
        client: inspector,
        person: Annotated[list[UUID] | None, Query(max_length=NAMED_MAX)] = None,
        role: _Text | None = None,
        organisation: _Text | None = None,
        competency: Annotated[list[_Text] | None, Query(max_length=NAMED_MAX)] = None,
        as_of: str | None = None,
        known_at: str | None = None,
        reason: _Reason | None = None,
    ) -> Response:
        selection = Selection(
            people=tuple(sorted(set(person or ()))),
            role=role,
            organisation=organisation,
            competencies=tuple(sorted(set(competency or ()))),
        )
        times = (moment("as_of", as_of), moment("known_at", known_at))
        if places.locked():
            raise not_available(
                "as many inspection packs are being made as this process makes at one time",
                retry_seconds=RETRY_SECONDS,
            )
        # Free, so that this takes the place at once.
        await places.acquire()
        try:
            async with api.reading() as store:
                book = (await api.shelf.books(store, [client.tenant]))[client.tenant]
                asked = await settle(store, book, client.tenant, selection, times, limits)
            # Who asked for whose records is on record before any of them leaves.
            await _note(api, client, REQUESTED, asked, reason, Made())
        except BaseException:
            places.release()
            raise
        chunks = _releasing(places, _made(api, client, book, asked, reason))
        # What goes wrong with the first people is told as a problem, not in the middle of a file.
        first = await anext(chunks)
        name = f"inspection-{asked.document()['as_of'][:10]}.zip"
        return StreamingResponse(
            _after(first, chunks),
            media_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
                "X-Assay-As-Of": asked.document()["as_of"],
                "X-Assay-Known-At": asked.document()["known_at"],
            },
        )

    return router


async def _made(
    api: Api, client: Client, book: RuleBook, asked: Settled, reason: str | None
) -> AsyncIterator[bytes]:
    made = Made()
    async for chunk in pack(api, book, asked, made):
        yield chunk
    # By this a pack can be proven to be the one that was handed out.
    await _note(api, client, MADE, asked, reason, made)
    log.info("An inspection pack was made", extra=fields(people=made.counts.get("people", 0)))


async def _releasing(
    places: asyncio.Semaphore, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """The chunks; at their end, or when nobody wants more of them, the place is free again."""
    try:
        async for chunk in chunks:
            yield chunk
    finally:
        places.release()


async def _after(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


async def _note(
    api: Api, client: Client, action: str, asked: Settled, reason: str | None, made: Made
) -> None:
    after = {
        **asked.document(),
        "counts": made.counts or None,
        "manifest_sha256": made.manifest_sha256 or None,
    }
    async with api.changing(client, reason) as records:
        await records.audit(action, f"tenant:{client.tenant}", after=after)
