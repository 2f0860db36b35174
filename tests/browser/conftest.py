"""A Chromium for the session, and a credentials service on a real port for each test."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from assay_testing import Database
from browser import ARGUMENTS, chromium, free_port, listening
from credentials_service import Service


@dataclass(frozen=True)
class Site:
    """The service, and where a browser finds it."""

    service: Service
    url: str


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield opened
        finally:
            await opened.close()


@pytest.fixture
async def site(postgres: Database, tmp_path: Path) -> AsyncIterator[Site]:
    port = free_port()
    service = await Service.open(postgres, tmp_path, ASSAY_PUBLIC_URL=f"http://127.0.0.1:{port}")
    try:
        async with listening(service.app, port) as url:
            yield Site(service, url)
    finally:
        await service.close()


@pytest.fixture
def pictures() -> Path | None:
    """Where pictures of pages are kept for people to look at: ASSAY_SCREENSHOTS, if it is set."""
    folder = os.environ.get("ASSAY_SCREENSHOTS")
    if folder is None:
        return None
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path
