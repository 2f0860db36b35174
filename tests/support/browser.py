"""A real browser (Chromium) on the pages of a service that listens on a real port.

What a page must never do is watched on every page: break its own Content Security Policy, ask
another host for anything, or fail in a script.
"""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

from node_tools import VERIFIERS, installed

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# root is not given Chromium's sandbox; tests run as root in containers.
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
ACTION_MS = 10_000

# Told to the test by a binding: the browser says itself what its policy forbade.
_TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  window.tellViolation(`${event.effectiveDirective}: ${event.blockedURI}`);
});
"""


def chromium() -> str:
    """The path of a Chromium of the system."""
    for name in NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    pytest.fail(
        f"none of {', '.join(NAMES)} is installed: the pages are tested in a real browser "
        "(run `make tools`, or install chromium)"
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def listening(app: FastAPI, port: int) -> AsyncIterator[str]:
    """The app on a real port; its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())  # without its signal handlers
    try:
        while not server.started:
            assert not running.done(), running
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


@dataclass
class Watched:
    """A page, and everything that it should not have done."""

    page: Page
    base: str
    wrong: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, browser: Browser, base: str, **options: object) -> AsyncIterator["Watched"]:
        """A page in a context of its own. At the end, it fails when anything was wrong."""
        context: BrowserContext = await browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(ACTION_MS)
        try:
            page = await context.new_page()
            watched = cls(page, base)
            await context.expose_function(
                "tellViolation", lambda violation: watched.wrong.append(violation)
            )
            await context.add_init_script(_TELL_VIOLATIONS)
            page.on("request", watched._request)
            page.on("pageerror", lambda error: watched.wrong.append(f"script: {error}"))
            page.on("console", watched._console)
            yield watched
            watched.assert_right()
        finally:
            await context.close()

    def assert_right(self) -> None:
        assert self.wrong == [], self.wrong

    def _request(self, request: Request) -> None:
        self.asked.append(request.url)
        if not request.url.startswith((f"{self.base}/", "blob:")):
            self.wrong.append(f"request to another host: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            self.wrong.append(message.text)

    async def accessible(self) -> None:
        """Fails when axe-core finds a breach of WCAG 2.2 at the levels A and AA."""
        script = installed(VERIFIERS) / "node_modules" / "axe-core" / "axe.min.js"
        # Evaluated by the debugger, which the page's policy does not bind.
        await self.page.evaluate(script.read_text(encoding="utf-8"))
        found = await self.page.evaluate(
            "async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a',"
            " 'wcag21aa', 'wcag22aa', 'best-practice']})).violations"
            ".map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' | ')}`)"
        )
        assert found == [], found


async def screenshot(page: Page, folder: Path | None, name: str) -> None:
    """Keep a picture of the whole page, where somebody asked for pictures."""
    if folder is not None:
        await page.screenshot(path=folder / f"{name}.png", full_page=True)
