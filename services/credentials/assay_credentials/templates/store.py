"""The tables of templates and images, one typed method per query."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import asyncpg
import orjson

from assay_credentials.badge import Issuer
from assay_credentials.templates.document import TemplateDocument
from assay_runtime.postgres import Connection
from assay_runtime.sql import load_queries

QUERIES: Final = load_queries("assay_credentials", file="templates")

KEPT_DOCUMENTS: Final = 512
"""Parsed contents that a process keeps; each takes some 10 kB."""

State = Literal["proposed", "approved", "withdrawn", "retired"]
Place = tuple[str, str]
"""(tenant, competency)"""


class InForce(NamedTuple):
    """The version that a competency's credentials are made by."""

    tenant: str
    template: str
    version: int
    document: TemplateDocument


class Version(NamedTuple):
    """One version of a template, with who did what."""

    tenant: str
    template: str
    version: int
    document: TemplateDocument
    content_sha256: bytes
    state: State
    proposed_by: str
    reason: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    ended_by: str | None
    ended_at: datetime | None


class Summary(NamedTuple):
    """What there is of a template; versions count from 1, `last` is 0 when there is none."""

    last: int
    proposed: int | None
    in_force: int | None
    competency: str | None


class StoredImage(NamedTuple):
    media_type: str
    content: bytes


class TemplateStore:
    """Queries over one connection, inside the caller's transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def in_force(self, competencies: Iterable[Place]) -> dict[Place, InForce]:
        """By (tenant, competency), where there is one."""
        wanted = sorted(set(competencies))
        rows = await self._connection.fetch(
            QUERIES["templates_in_force"], [one[0] for one in wanted], [one[1] for one in wanted]
        )
        return {
            (row["tenant"], row["competency"]): InForce(
                row["tenant"], row["template"], row["version"], read_content(row["content"])
            )
            for row in rows
        }

    async def lock(self, tenant: str, template: str) -> None:
        await self._connection.execute(QUERIES["lock_template"], tenant, template)

    async def summary(self, tenant: str, template: str) -> Summary:
        (row,) = await self._connection.fetch(QUERIES["template_summary"], tenant, template)
        return Summary(row["last"] or 0, row["proposed"], row["in_force"], row["competency"])

    async def has_issuer(self, tenant: str, issuer: str) -> bool:
        return bool(await self._connection.fetchval(QUERIES["has_issuer"], tenant, issuer))

    async def issuer(self, tenant: str, issuer: str) -> Issuer:
        """How the issuer is shown; before its first signature with a made-up identifier."""
        (row,) = await self._connection.fetch(QUERIES["issuer_profile"], tenant, issuer)
        return Issuer(row["did"] or f"did:example:{tenant}:{issuer}", row["name"], row["url"])

    async def insert(
        self,
        tenant: str,
        template: str,
        version: int,
        document: TemplateDocument,
        *,
        by: str,
        reason: str,
    ) -> None:
        """A proposal; there must not be another one."""
        await self._connection.execute(
            QUERIES["insert_template"],
            tenant,
            template,
            version,
            document.competency,
            orjson.dumps(document.as_json()).decode(),
            document.sha256(),
            by,
            reason,
        )

    async def approve(self, tenant: str, template: str, version: int, by: str) -> bool:
        """Whether it was a proposal, and is in force now."""
        return await self._changed("approve_template", tenant, template, version, by)

    async def end(self, tenant: str, template: str, version: int, by: str) -> bool:
        """Whether it was proposed or in force, and is no more."""
        return await self._changed("end_template", tenant, template, version, by)

    async def rival(self, tenant: str, template: str, competency: str) -> str | None:
        """Another template that is in force for the same competency."""
        found: str | None = await self._connection.fetchval(
            QUERIES["rival"], tenant, template, competency
        )
        return found

    async def version(self, tenant: str, template: str, version: int) -> Version | None:
        row = await self._connection.fetchrow(QUERIES["find_version"], tenant, template, version)
        return None if row is None else _version(row)

    async def versions(
        self, tenant: str, template: str | None, after: tuple[str, int], limit: int
    ) -> list[Version]:
        """In order of template and version, those behind `after`."""
        rows = await self._connection.fetch(
            QUERIES["list_versions"], tenant, template, *after, limit
        )
        return [_version(row) for row in rows]

    async def published(self, tenant: str, template: str, version: int | None) -> Version | None:
        """One that is or was in force; without a version the one that is, else the last."""
        row = await self._connection.fetchrow(
            QUERIES["published_version"], tenant, template, version
        )
        return None if row is None else _version(row)

    async def insert_image(
        self, tenant: str, sha256: bytes, media_type: str, content: bytes, by: str
    ) -> None:
        await self._connection.execute(
            QUERIES["insert_image"], tenant, sha256, media_type, content, by
        )

    async def image(self, tenant: str, sha256: bytes) -> StoredImage | None:
        row = await self._connection.fetchrow(QUERIES["find_image"], tenant, sha256)
        return None if row is None else StoredImage(row["media_type"], row["content"])

    async def _changed(self, query: str, *arguments: Any) -> bool:
        return str(await self._connection.execute(QUERIES[query], *arguments)) == "UPDATE 1"


@lru_cache(maxsize=KEPT_DOCUMENTS)
def read_content(content: str) -> TemplateDocument:
    """The content as it is stored, parsed once in a process: issuing meets it again and again."""
    return TemplateDocument.model_validate_json(content)


def _version(row: asyncpg.Record) -> Version:
    return Version(
        row["tenant"],
        row["template"],
        row["version"],
        read_content(row["content"]),
        *(row[name] for name in Version._fields[4:]),
    )
