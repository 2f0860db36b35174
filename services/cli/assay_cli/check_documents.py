"""Law 8: every stored credential is verified again by the full path, in each form it was given in.

They are read page by page and verified in processes of their own, as many as there are cores, so
that memory does not grow with their number. What differs while something is on its way (a bit
that was just set) is looked at again until it settles.
"""

import asyncio
import itertools
import multiprocessing
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from assay_cli.check_report import EXAMPLES_MAX, LawReport, Report
from assay_cli.check_source import SETTLE_SECONDS, Database
from assay_credentials.awarding.recheck import Rechecker, Stored
from assay_credentials.did import VerificationKey
from assay_credentials.keyring.names import public_key_of

AGAIN_MAX: Final = 1_000
"""Credentials that are looked at again while they may settle."""

AGAIN_SECONDS: Final = 1.0

Key = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Limits:
    """How it is gone about. Up to `few` documents are not worth the start of processes."""

    page: int = 100
    few: int = 300
    settle_seconds: float = SETTLE_SECONDS


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class World:
    """What all are verified with."""

    methods: Mapping[str, VerificationKey]
    issuers: Mapping[str, str]
    lists: Mapping[UUID, bytes]
    now: datetime

    def rechecker(self) -> tuple[Rechecker, list[str]]:
        """And what is wrong with the lists."""
        made = Rechecker(self.methods, self.issuers, self.now)
        found = [made.put_list(list_, document) for list_, document in self.lists.items()]
        return made, [one for one in found if one is not None]


async def check_documents(report: Report, database: Database, limits: Limits = LIMITS) -> None:
    """Verify every stored credential, its VC-JWT twin, the copies that wallets hold, and every
    endorsement.
    """
    law = report.laws[8]
    world = await _world(database)
    _, wrong = world.rechecker()
    law.differ("a status list does not verify", wrong)
    law.count("status lists", len(world.lists))
    differ: dict[Key, str] = {}
    total = (await database.row("count_documents"))["documents"]
    with _executor(world, is_many=total > limits.few) as executor:
        for pages in (
            _documents(database, "stored_documents", limits.page),
            _documents(database, "stored_endorsements", limits.page),
            _copies(database, limits.page),
        ):
            async for stored, found in _verified(executor, pages):
                _count(law, stored)
                differ |= dict(itertools.islice(found.items(), AGAIN_MAX + 1 - len(differ)))
    left = await _settled(database, differ, limits.settle_seconds)
    law.differ(
        "a stored credential does not verify",
        [f"{tenant}/{credential}: {why}" for (tenant, credential), why in sorted(left.items())],
    )


def _count(law: LawReport, stored: Sequence[Stored]) -> None:
    law.count("documents", sum(not one.is_copy for one in stored))
    law.count("VC-JWTs", sum(one.jwt is not None for one in stored))
    law.count("copies in wallets", sum(one.is_copy for one in stored))


async def _world(database: Database) -> World:
    keys = await database.rows("signing_keys")
    return World(
        methods={
            row["method"]: VerificationKey(row["did"], public_key_of(row["method"])) for row in keys
        },
        issuers={row["did"]: row["tenant"] for row in keys},
        lists={row["list"]: row["document"] for row in await database.rows("served_lists")},
        now=datetime.now(UTC),
    )


async def _documents(database: Database, query: str, page: int) -> AsyncIterator[list[Stored]]:
    after: tuple[Any, ...] = ("", UUID(int=0))
    while rows := await database.rows(query, *after, page):
        yield [_stored(row) for row in rows]
        after = (rows[-1]["tenant"], rows[-1]["credential"])


async def _copies(database: Database, page: int) -> AsyncIterator[list[Stored]]:
    after: tuple[Any, ...] = ("", UUID(int=0), "", "")
    while rows := await database.rows("stored_copies", *after, page):
        yield [_stored(row, is_copy=True) for row in rows]
        last = rows[-1]
        after = (last["tenant"], last["credential"], last["format"], last["holder"])


def _stored(row: asyncpg.Record, *, is_copy: bool = False) -> Stored:
    return Stored(
        tenant=row["tenant"],
        credential=row["credential"],
        state=row["state"],
        has_suspension=row["has_suspension"],
        document=bytes(row["document"]),
        jwt=None if is_copy else row["jwt"],
        is_copy=is_copy,
        key_is_gone=row["key_is_gone"],
    )


async def _verified(
    executor: Executor, pages: AsyncIterator[list[Stored]]
) -> AsyncIterator[tuple[list[Stored], dict[Key, str]]]:
    """Each page with what is wrong in it; no more pages are held than cores can take."""
    loop = asyncio.get_running_loop()
    waiting: list[tuple[list[Stored], asyncio.Future[dict[Key, str]]]] = []
    async for page in pages:
        waiting.append((page, loop.run_in_executor(executor, _verify, page)))
        if len(waiting) > 2 * _cores():
            stored, future = waiting.pop(0)
            yield stored, await future
    for stored, future in waiting:
        yield stored, await future


async def _settled(database: Database, differ: dict[Key, str], seconds: float) -> dict[Key, str]:
    """What still differs when what may be on its way has had its time."""
    until = asyncio.get_running_loop().time() + seconds
    left = differ
    while left and len(left) <= AGAIN_MAX and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(AGAIN_SECONDS)
        rechecker, _ = (await _world(database)).rechecker()
        tenants, credentials = zip(*left, strict=True)
        found: dict[Key, str] = {}
        for query, is_copy in (
            ("documents_again", False),
            ("endorsements_again", False),
            ("copies_again", True),
        ):
            rows = await database.rows(query, list(tenants), list(credentials))
            found |= _problems(rechecker, (_stored(row, is_copy=is_copy) for row in rows))
        if found == left and len(found) >= EXAMPLES_MAX:
            # So many do not come of a bit that is on its way.
            return found
        left = found
    return left


def _problems(rechecker: Rechecker, stored: Iterable[Stored]) -> dict[Key, str]:
    found: dict[Key, str] = {}
    for one in stored:
        why = rechecker.problem(one)
        if why is not None:
            found[(one.tenant, one.credential)] = f"a wallet's copy: {why}" if one.is_copy else why
    return found


_of_this_process: Final[list[Rechecker]] = []
"""In a process (or thread) that verifies: its own, made when it starts."""


def _begin(world: World) -> None:
    _of_this_process[:] = [world.rechecker()[0]]


def _verify(page: list[Stored]) -> dict[Key, str]:
    return _problems(_of_this_process[0], page)


def _executor(world: World, *, is_many: bool) -> Executor:
    if not is_many:
        return ThreadPoolExecutor(1, initializer=_begin, initargs=(world,))
    # Not forked: this process has threads.
    return ProcessPoolExecutor(
        _cores(),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(world,),
    )


def _cores() -> int:
    return os.cpu_count() or 1
