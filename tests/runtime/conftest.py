from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from assay_cli.stack import StackInfo
from assay_testing import RunningStack
from runtime_probe import Probe, open_probe


@pytest.fixture
async def probe(tmp_path: Path, servers: StackInfo) -> AsyncIterator[Probe]:
    """A consuming service of the test's own, on a real Postgres and a real Kafka."""
    dsn = servers.dsn_with_password("postgres", "postgres")
    async with open_probe(dsn, servers.kafka("admin"), tmp_path) as opened:
        yield opened


@pytest.fixture(scope="session")
def own_servers() -> Iterator[RunningStack]:
    """A Postgres and a Kafka that a test may stop and let go on."""
    running = RunningStack.new(only="postgres,kafka")
    try:
        yield running.start()
    finally:
        running.remove()


@pytest.fixture
async def stoppable(tmp_path: Path, own_servers: RunningStack) -> AsyncIterator[Probe]:
    """Like `probe`, on servers of our own."""
    dsn = own_servers.info.dsn_with_password("postgres", "postgres")
    async with open_probe(dsn, own_servers.info.kafka("admin"), tmp_path) as opened:
        yield opened
