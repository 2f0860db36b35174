"""Fixtures that every area of the tests may use.

postgres    a fresh database with all migrations, on a real PostgreSQL (a copy of a template)
kafka       topics and principals of one test, on a real broker
stack       the whole product, running; shared by all tests of the session
new_stack   makes further whole stacks, for tests that break them

One PostgreSQL and one Kafka serve the session; they start when the first test asks for them. With
ASSAY_TEST_STACK=<data folder>, those of a stack that already runs are used, to save time.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from assay_cli.stack import StackInfo
from assay_cli.up import supervisor_of
from assay_testing import (
    Database,
    KafkaSpace,
    RunningStack,
    drop_database,
    ensure_principals,
    ensure_template,
    hurry,
    new_database,
)

REUSE = "ASSAY_TEST_STACK"


@pytest.fixture(scope="session")
def servers() -> Iterator[StackInfo]:
    """A running PostgreSQL and Kafka, with every principal of the product."""
    reused = os.environ.get(REUSE)
    if reused is not None:
        stack = StackInfo.from_environment({"ASSAY_DATA": reused})
        if supervisor_of(stack) is None:
            pytest.fail(f"{REUSE}={reused}: no stack runs there")
        ensure_principals(stack)
        yield stack
        return
    running = RunningStack.new(only="postgres,kafka")
    try:
        running.start()
        asyncio.run(hurry(running.info))
        ensure_principals(running.info)
        yield running.info
    finally:
        running.remove()


@pytest.fixture(scope="session")
async def postgres_template(servers: StackInfo) -> str:
    """The name of a database with all migrations, from which each test's own is copied."""
    return await ensure_template(servers)


@pytest.fixture
async def postgres(servers: StackInfo, postgres_template: str) -> AsyncIterator[Database]:
    """A fresh database with all migrations applied."""
    database = await new_database(servers, postgres_template)
    try:
        yield database
    finally:
        await drop_database(database)


@pytest.fixture
def kafka(servers: StackInfo) -> Iterator[KafkaSpace]:
    """Topics and principals of this test on a real broker."""
    space = KafkaSpace.of(servers)
    try:
        yield space
    finally:
        space.close()


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """The whole product, running, with the demo tenant loaded. Do not break it: others share it."""
    running = RunningStack.new()
    try:
        yield running.start()
    finally:
        running.remove()


@pytest.fixture
def new_stack() -> Iterator[Callable[..., RunningStack]]:
    """Makes stacks that are not started yet: `new_stack(only="postgres", ASSAY_X="1")`."""
    made: list[RunningStack] = []

    def make(only: str | None = None, **environment: str) -> RunningStack:
        made.append(RunningStack.new(only, **environment))
        return made[-1]

    try:
        yield make
    finally:
        for running in made:
            running.remove()


@pytest.fixture(scope="session")
def project() -> Path:
    """The root folder of the project."""
    return Path(__file__).resolve().parent.parent
