"""The queries of documents as typed methods. Names are those of sql/queries.sql.

Each change is decided by one SQL statement, under the lock of the document's row: of any number of
writers at once none can undo another's change unseen. Reads before a change only say which
statement to use, and what it must find.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from assay_ingest.documents import Address, Content
from assay_ingest.pooled import connection_of
from assay_runtime.postgres import Pool
from assay_runtime.sql import load_queries


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is kept."""

    content: Content
    updated_at: datetime

    @property
    def fingerprint(self) -> bytes:
        """What a later statement must find to know that the content is still this."""
        return sha256(self.content.body).digest()


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the documents of a place, and when the newest of them was changed."""

    names: list[str]
    updated_at: datetime | None


class DocumentStore:
    """Documents of all tenants. Every method raises StoreNotAvailable.

    `per_place_max` bounds the documents of a place, `bytes_max` what a merge may grow to. Methods
    that write answer whether they did; when not, nothing was changed.
    """

    def __init__(self, pool: Pool, *, per_place_max: int, bytes_max: int) -> None:
        self._pool = pool
        self._sql = load_queries("assay_ingest")
        self._per_place_max = per_place_max
        self._bytes_max = bytes_max

    async def find(self, tenant: str, address: Address) -> Document | None:
        async with connection_of(self._pool) as connection:
            row = await connection.fetchrow(
                self._sql["find_document"], tenant, address.place, address.document
            )
        if row is None:
            return None
        content = Content(row["content_type"], row["body"], row["mergeable"])
        return Document(content, row["updated_at"])

    async def names(self, tenant: str, address: Address) -> Names:
        """Those changed after `address.since`, in order."""
        async with connection_of(self._pool) as connection:
            rows = await connection.fetch(
                self._sql["list_documents"],
                tenant,
                address.place,
                address.registration,
                address.since,
                self._per_place_max,
            )
        newest = max((row["updated_at"] for row in rows), default=None)
        return Names([row["name"] for row in rows], newest)

    async def is_full(self, tenant: str, address: Address) -> bool:
        """Whether the place takes no further document."""
        async with connection_of(self._pool) as connection:
            full: bool = await connection.fetchval(
                self._sql["is_place_full"], tenant, address.place, self._per_place_max
            )
        return full

    async def create(self, tenant: str, address: Address, content: Content) -> bool:
        """Keep a document where none is."""
        return await self._write("create_document", *self._row(tenant, address, content))

    async def put(self, tenant: str, address: Address, content: Content) -> bool:
        """Keep a document, whatever was there before."""
        return await self._write("put_document", *self._row(tenant, address, content))

    async def merge(self, tenant: str, address: Address, content: Content) -> bool:
        """Keep a mergeable document, or add its top-level keys to the mergeable one that is there.

        Numbers keep their digits and values their bytes; the keys stay in order, new ones behind.
        """
        return await self._write(
            "merge_document", *self._row(tenant, address, content), self._bytes_max
        )

    async def replace(
        self, tenant: str, address: Address, content: Content, seen: bytes | None
    ) -> bool:
        """Keep a document in place of the one with fingerprint `seen`, None for whichever."""
        return await self._write(
            "replace_document",
            tenant,
            address.place,
            address.document,
            seen,
            content.content_type,
            content.body,
            content.is_mergeable,
        )

    async def merge_into(
        self, tenant: str, address: Address, content: Content, seen: bytes | None
    ) -> bool:
        """As `merge`, but only into the mergeable document with fingerprint `seen`."""
        return await self._write(
            "merge_into_document",
            tenant,
            address.place,
            address.document,
            seen,
            content.body,
            self._bytes_max,
        )

    async def delete(self, tenant: str, address: Address, seen: bytes | None) -> bool:
        """Delete the document with fingerprint `seen`, None for whichever."""
        return await self._write("delete_document", tenant, address.place, address.document, seen)

    async def clear(self, tenant: str, address: Address) -> None:
        """Delete every document of the place, of the registration where one is given."""
        async with connection_of(self._pool) as connection:
            await connection.execute(
                self._sql["clear_documents"], tenant, address.place, address.registration
            )

    def _row(self, tenant: str, address: Address, content: Content) -> tuple[object, ...]:
        return (
            tenant,
            address.place,
            address.document,
            address.resource.kind,
            address.activity,
            address.agent,
            address.registration,
            address.name,
            content.content_type,
            content.body,
            content.is_mergeable,
            self._per_place_max,
        )

    async def _write(self, query: str, *arguments: object) -> bool:
        async with connection_of(self._pool) as connection:
            done = await connection.fetchval(self._sql[query], *arguments)
        return done is not None
