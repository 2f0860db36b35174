"""HTTP: rules and their life. Reading needs `competencies/read`, every step `competencies/admin`.

What makes a step legal beside the scope are the people who sign it: see docs/rule-lifecycle.md.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from assay_aggregator.errors import Unknown
from assay_aggregator.lifecycle.drafts import Lifecycle, Policy, Standing
from assay_aggregator.lifecycle.preview import Preview, keep, previewed
from assay_aggregator.lifecycle.show import rule_document, rule_row
from assay_aggregator.lifecycle.store import LifecycleStore, VersionKey
from assay_aggregator.rule import Rule, parse_rule
from assay_aggregator.signing import SignatureBody
from assay_aggregator.web import Api, json_answer
from assay_runtime.auth import Client
from assay_runtime.problem import Problem, not_available

READ: Final = "competencies/read"
ADMIN: Final = "competencies/admin"
PAGE_MAX: Final = 500

Slug = Annotated[str, Path(max_length=200, pattern=r"^[^\x00]+$")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Why = Annotated[str, Field(min_length=1, max_length=1_000, pattern=r"\S")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DraftBody(_Body):
    """A rule (`assay.rule/v1`) to draft, signed by its author."""

    document: dict[str, Any]
    reason: Why
    signature: SignatureBody


class StepBody(_Body):
    """A step without a signature; returning and withdrawing need a reason."""

    reason: Why | None = None


class ApproveBody(_Body):
    """What was read (its hash) and seen (its preview), and who approves it."""

    content_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    preview: UUID
    reason: Why | None = None
    signature: SignatureBody


class RetireBody(_Body):
    """From which local day on the version decides no more, why, and who says so."""

    effective_to: date
    preview: UUID
    reason: Why
    signature: SignatureBody


def rule_routes(api: Api) -> APIRouter:
    """The routes below /rules, and those below /admin/rules that take steps."""
    router = APIRouter()
    router.include_router(_reading(api))
    router.include_router(_steps(api))
    router.include_router(_signed(api))
    router.include_router(_previews(api))
    return router


def _reading(api: Api) -> APIRouter:
    router = APIRouter(prefix="/rules")
    reader = Annotated[Client, Depends(api.client(READ))]

    @router.get("")
    async def rules(
        client: reader,
        after: Annotated[str | None, Query(max_length=400)] = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            tables = LifecycleStore(store.connection)
            rows = await tables.list_rules(client.tenant, _after_version(after), limit)
        last = f"{rows[-1]['rule_id']} {rows[-1]['version']}" if len(rows) == limit else None
        return json_answer({"rules": [rule_row(row) for row in rows], "next": last})

    @router.get("/{rule_id}/{version}")
    async def one_rule(client: reader, rule_id: Slug, version: Number) -> Response:
        key = VersionKey(client.tenant, rule_id, version)
        async with api.reading() as store:
            return json_answer(await rule_document(store.connection, key))

    @router.get("/{rule_id}/{version}/previews/{preview}")
    async def changes(
        client: reader,
        rule_id: Slug,
        version: Number,
        preview: UUID,
        after: Annotated[str | None, Query(max_length=4_000)] = None,
        limit: Limit = 100,
    ) -> Response:
        async with api.reading() as store:
            tables = LifecycleStore(store.connection)
            row = await tables.find_preview(client.tenant, preview)
            if row is None or (row["rule_id"], row["version"]) != (rule_id, version):
                raise Unknown("there is no such preview")
            rows = await tables.preview_changes(client.tenant, preview, _after_change(after), limit)
        found = [
            {
                "person": one["person"],
                "competency": one["competency"],
                "kinds": one["kinds"],
                "before": orjson.loads(one["before"]),
                "after": orjson.loads(one["after"]),
            }
            for one in rows
        ]
        last = f"{rows[-1]['person']} {rows[-1]['competency']}" if len(rows) == limit else None
        return json_answer({"preview": preview, "changes": found, "next": last})

    return router


def _steps(api: Api) -> APIRouter:
    router = APIRouter(prefix="/admin/rules/{rule_id}/{version}")
    admin = Annotated[Client, Depends(api.client(ADMIN))]

    @router.post("/submit")
    async def submit(client: admin, rule_id: Slug, version: Number, request: Request) -> Response:
        body = await api.parsed(request, StepBody)
        async with api.changing(client, body.reason) as records:
            life = Lifecycle(records, _policy(api))
            return _standing(await life.submit(life.key(rule_id, version)))

    @router.post("/return")
    async def give_back(
        client: admin, rule_id: Slug, version: Number, request: Request
    ) -> Response:
        body = await api.parsed(request, StepBody)
        async with api.changing(client, body.reason) as records:
            life = Lifecycle(records, _policy(api))
            return _standing(await life.give_back(life.key(rule_id, version)))

    @router.post("/withdraw")
    async def withdraw(client: admin, rule_id: Slug, version: Number, request: Request) -> Response:
        body = await api.parsed(request, StepBody)
        async with api.changing(client, body.reason) as records:
            life = Lifecycle(records, _policy(api))
            return _standing(await life.withdraw(life.key(rule_id, version)))

    return router


def _signed(api: Api) -> APIRouter:
    router = APIRouter(prefix="/admin/rules")
    admin = Annotated[Client, Depends(api.client(ADMIN))]

    @router.post("/drafts")
    async def draft(client: admin, request: Request) -> Response:
        body = await api.parsed(request, DraftBody)
        async with api.changing(client, body.reason) as records:
            life = Lifecycle(records, _policy(api))
            return _standing(await life.draft(body.document, body.signature), status=201)

    @router.post("/{rule_id}/{version}/approve")
    async def approve(client: admin, rule_id: Slug, version: Number, request: Request) -> Response:
        body = await api.parsed(request, ApproveBody)
        async with api.changing(client, body.reason) as records:
            life = Lifecycle(records, _policy(api))
            key = life.key(rule_id, version)
            return _standing(
                await life.approve(key, body.content_hash, body.preview, body.signature)
            )

    @router.post("/{rule_id}/{version}/retire")
    async def retire(client: admin, rule_id: Slug, version: Number, request: Request) -> Response:
        body = await api.parsed(request, RetireBody)
        async with api.changing(client, body.reason) as records:
            life = Lifecycle(records, _policy(api))
            key = life.key(rule_id, version)
            return _standing(
                await life.retire(key, body.effective_to, body.preview, body.signature)
            )

    return router


def _previews(api: Api) -> APIRouter:
    router = APIRouter(prefix="/admin/rules")
    admin = Annotated[Client, Depends(api.client(ADMIN))]
    one_at_a_time = asyncio.Lock()

    @router.post("/{rule_id}/{version}/preview")
    async def preview(
        client: admin, rule_id: Slug, version: Number, retire_on: date | None = None
    ) -> Response:
        """JSON lines: {"progress"}, {"change"}, and at the end {"preview"}."""
        key = VersionKey(client.tenant, rule_id, version)
        async with api.reading() as store:
            tables = LifecycleStore(store.connection)
            row = await (tables.last_draft(key) if retire_on is None else tables.find_version(key))
        if row is None:
            raise Unknown(f"there is no {'draft' if retire_on is None else 'version'} {key}")
        if one_at_a_time.locked():
            raise not_available("another preview is being made", retry_seconds=5)
        rule = parse_rule(orjson.loads(row["document"]))
        lines = _preview_lines(api, client, rule, retire_on, one_at_a_time)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return router


async def _preview_lines(
    api: Api, client: Client, rule: Rule, retire_on: date | None, one_at_a_time: asyncio.Lock
) -> AsyncIterator[bytes]:
    """Make a preview and keep it; it is there for approval when its last line has come."""
    preview = uuid4()
    async with one_at_a_time, api.writing() as kept, api.reading() as store:
        async for found in previewed(store, api.shelf, client.tenant, rule, retire_on):
            await keep(kept, preview, client.name, found)
            for change in found.changes:
                yield _line({"change": change.document()})
            if not found.is_done:
                yield _line({"progress": {"people": found.people}})
    yield _line({"preview": _described(preview, found)})


def _described(preview: UUID, found: Preview) -> dict[str, Any]:
    return {"preview": preview, **found.document(), "changes_hash": found.changes_hash}


def _line(content: object) -> bytes:
    return orjson.dumps(content, default=str, option=orjson.OPT_SORT_KEYS) + b"\n"


def _policy(api: Api) -> Policy:
    return Policy(
        api.settings.rule_approvals_min,
        round(api.settings.rule_preview_hours_max * 3_600_000),
    )


def _standing(standing: Standing, *, status: int = 200) -> Response:
    return json_answer(
        {
            "state": standing.state,
            "revision": standing.revision,
            "content_hash": standing.content_hash,
        },
        status=status,
    )


def _after_version(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    rule_id, _, version = text.rpartition(" ")
    if not rule_id or not version.isdigit() or "\0" in text:
        raise Problem(400, "Bad request", detail="`after` is not a `next` of ours")
    return rule_id, int(version)


def _after_change(text: str | None) -> tuple[UUID, str] | None:
    if text is None:
        return None
    person, _, competency = text.partition(" ")
    try:
        return UUID(person), competency.replace("\0", "")
    except ValueError:
        raise Problem(400, "Bad request", detail="`after` is not a `next` of ours") from None
