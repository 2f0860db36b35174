"""The credentials service, on a database of the test's own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from assay_testing import Database
from credentials_service import Service


@pytest.fixture
async def service(postgres: Database, tmp_path: Path) -> AsyncIterator[Service]:
    opened = await Service.open(postgres, tmp_path)
    try:
        yield opened
    finally:
        await opened.close()
