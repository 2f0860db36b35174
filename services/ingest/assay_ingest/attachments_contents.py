"""The contents of attachments, in a directory or in a bucket, each once per tenant.

A content stands at `<tenant>/<sha2>`. While it comes in it stands below `.uploads/`, which is the
name of no tenant; only a content whose hash has been checked gets its own name, in one step.

What "kept" means: in a local directory the file and the entries of its directories have been given
to the disk (fsync) before `keep` returns, which is more than the library itself does; in a bucket,
the service has confirmed the write.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, Self, cast
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from assay_ingest.errors import StoreNotAvailable
from assay_runtime.logs import fields

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

log = logging.getLogger(__name__)

UPLOADS: Final = ".uploads"
KIBIBYTE: Final = 1024
READ_BYTES: Final = 256 * KIBIBYTE
# The least that S3 takes as a part; a directory needs no such pieces.
_BUCKET_PIECE_BYTES: Final = 5 * 1024 * KIBIBYTE
_DIRECTORY_PIECE_BYTES: Final = 512 * KIBIBYTE
_PIECES_AT_ONCE: Final = 1
_ENDPOINTS: Final = ("aws_endpoint", "endpoint", "aws_endpoint_url", "endpoint_url")


class Configured(Protocol):
    """What says where the contents are."""

    @property
    def attachments_url(self) -> str | None: ...
    @property
    def attachments_credentials_file(self) -> Path | None: ...


class StoreUnusable(Exception):
    """The settings name no store of contents that can be used. One sentence."""


@contextmanager
def _answering() -> Iterator[None]:
    """What the store does not do now, is not done: StoreNotAvailable."""
    try:
        yield
    except (BaseError, OSError) as error:
        # The error's own text holds paths.
        raise StoreNotAvailable(
            f"the store of attachments is not available: {type(error).__name__}"
        ) from error


class Upload:
    """A content on its way in, under a temporary name."""

    def __init__(self, store: ObjectStore, path: str, piece_bytes: int) -> None:
        self._store = store
        self.path = path
        self._writer = obstore.open_writer_async(
            store, path, buffer_size=piece_bytes, max_concurrency=_PIECES_AT_ONCE
        )
        self._is_open = True

    async def write(self, piece: bytes) -> None:
        with _answering():
            await self._writer.write(piece)

    async def finish(self) -> None:
        """All of it is there."""
        self._is_open = False
        with _answering():
            await self._writer.close()

    async def discard(self) -> None:
        """Take it away again. What cannot be taken away now is left to the collection."""
        try:
            if self._is_open:
                self._is_open = False
                # Otherwise the pieces that a bucket has already would stay, and cost.
                await self._writer.close()
            await obstore.delete_async(self._store, self.path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            log.warning("An upload was not taken away", extra=fields(error=type(error).__name__))


class Contents:
    """The contents of all tenants. Every method raises StoreNotAvailable."""

    def __init__(self, store: ObjectStore, root: Path | None) -> None:
        """`root` is the directory where the store is a local one."""
        self._store = store
        self._root = root

    @classmethod
    def configured(cls, settings: Configured) -> Self | None:
        """The store that the settings name; None where they name none. Raises StoreUnusable."""
        if settings.attachments_url is None:
            return None
        return cls.open(settings.attachments_url, settings.attachments_credentials_file)

    @classmethod
    def open(cls, url: str, credentials: Path | None = None) -> Self:
        """The store that `url` names: file:///directory or s3://bucket/prefix.

        `credentials` is a JSON file of the bucket's options (`aws_access_key_id`, …); without it
        they come from the environment variables of the same names. Raises StoreUnusable.
        """
        scheme = urlsplit(url).scheme
        try:
            if scheme == "file":
                root = Path(unquote(urlsplit(url).path))
                return cls(LocalStore(root, mkdir=True), root)
            if scheme == "s3":
                return cls(_bucket(url, credentials), None)
        except (BaseError, OSError, ValueError, TypeError, msgspec.MsgspecError) as error:
            raise StoreUnusable(
                f"the store of attachments cannot be opened: {type(error).__name__}"
            ) from error
        raise StoreUnusable("the store of attachments must be a file:// or an s3:// address")

    def begin(self) -> Upload:
        """A new upload."""
        size = _BUCKET_PIECE_BYTES if self._root is None else _DIRECTORY_PIECE_BYTES
        with _answering():
            return Upload(self._store, f"{UPLOADS}/{uuid4().hex}", size)

    async def keep(self, upload: Upload, tenant: str, sha2: str) -> None:
        """Give a finished upload, whose hash is `sha2`, its own name; durable on return.

        Where the content is there already it stays, and the upload goes.
        """
        target = _path(tenant, sha2)
        with _answering():
            if self._root is not None:
                await asyncio.to_thread(_sync, self._root / upload.path)
            if await self.size(tenant, sha2) is None:
                await obstore.rename_async(self._store, upload.path, target, overwrite=True)
            else:
                await upload.discard()
            if self._root is not None:
                # Also where it was there: whoever put it there may not have come so far yet.
                await asyncio.to_thread(_sync, self._root / tenant)
                await asyncio.to_thread(_sync, self._root)

    async def size(self, tenant: str, sha2: str) -> int | None:
        """The content's length in bytes; None where it is not there."""
        try:
            with _answering():
                found = await obstore.head_async(self._store, _path(tenant, sha2))
        except StoreNotAvailable as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        return found["size"]

    async def read(self, tenant: str, sha2: str) -> AsyncIterator[bytes]:
        """The content in pieces of at most about READ_BYTES."""
        with _answering():
            found = await obstore.get_async(self._store, _path(tenant, sha2))
            async for piece in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(piece)

    async def delete(self, tenant: str, sha2: str) -> None:
        """Take a content away; nothing when it is not there."""
        await self._delete(_path(tenant, sha2))

    async def delete_uploads(self, before: datetime) -> int:
        """Take away the uploads that were last written to before `before`; returns how many."""
        with _answering():
            if self._root is None:
                old = [
                    one["path"]
                    async for some in obstore.list(self._store, UPLOADS)
                    for one in some
                    if one["last_modified"] < before
                ]
            else:
                old = await asyncio.to_thread(_old_files, self._root / UPLOADS, before)
        for path in old:
            if self._root is None:
                await self._delete(path)
            else:
                await asyncio.to_thread((self._root / path).unlink, missing_ok=True)
        return len(old)

    async def _delete(self, path: str) -> None:
        with _answering():
            try:
                await obstore.delete_async(self._store, path)
            except FileNotFoundError:
                return


def _path(tenant: str, sha2: str) -> str:
    return f"{tenant}/{sha2}"


def _bucket(url: str, credentials: Path | None) -> S3Store:
    options: dict[str, str] = {}
    if credentials is not None:
        options = msgspec.json.decode(credentials.read_bytes(), type=dict[str, str])
    endpoint = next((options[name] for name in _ENDPOINTS if name in options), "")
    # A bucket on one's own machine speaks no TLS; whoever writes http:// means it.
    client: ClientConfig = {"allow_http": True} if endpoint.startswith("http://") else {}
    return S3Store.from_url(url, config=cast("S3Config", options), client_options=client)


def _sync(path: Path) -> None:
    """Give a file, or the entries of a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _old_files(folder: Path, before: datetime) -> list[str]:
    """Files of a directory, unfinished ones included, which the library does not list."""
    if not folder.is_dir():
        return []
    found = []
    for one in folder.iterdir():
        try:
            changed = datetime.fromtimestamp(one.stat().st_mtime, UTC)
        except FileNotFoundError:
            continue  # It got its own name meanwhile.
        if changed < before:
            found.append(f"{UPLOADS}/{one.name}")
    return found
