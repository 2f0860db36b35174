"""What every process serves (health, readiness, metrics), and how it starts and stops."""

import asyncio
import gc
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.types import ASGIApp

from assay_runtime import problem
from assay_runtime.http import protocol
from assay_runtime.logs import configure_logging, fields
from assay_runtime.problem import Problem
from assay_runtime.settings import ServiceSettings

log = logging.getLogger(__name__)

# Each check answers None when its thing is there, else one sentence that says what is missing.
Checks = Mapping[str, Callable[[], Awaitable[str | None]]]


class StoppedByItself(Exception):
    """A part of the process ended although nobody asked it to."""


def new_app(title: str, registry: CollectorRegistry, checks: Checks) -> FastAPI:
    """An app with /healthz, /readyz and /metrics, that answers refusals as problem+json."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None)
    problem.install(app)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> dict[str, str]:
        missing: dict[str, str] = {}
        for name, check in checks.items():
            try:
                async with asyncio.timeout(2):
                    answer = await check()
            except Exception as error:  # noqa: BLE001 - a check that fails is an answer
                answer = f"the check failed: {type(error).__name__}"
            if answer is not None:
                missing[name] = answer
        if missing:
            raise Problem(
                503,
                "Not ready",
                slug="not-ready",
                detail="; ".join(f"{name}: {why}" for name, why in missing.items()),
                headers={"Retry-After": "1"},
                missing=missing,
            )
        return {"status": "ready"}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The request's body; a 413 problem as soon as it is over the limit, before it is all read."""
    declared = request.headers.get("content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit_bytes:
        raise too_large(limit_bytes)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        parts.append(part)
    return b"".join(parts)


def too_large(limit_bytes: int) -> Problem:
    """The refusal of a body over the limit."""
    return Problem(
        413,
        "Body too large",
        detail=f"the body is over the limit of {limit_bytes} bytes",
        limit_bytes=limit_bytes,
    )


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one place that handles them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(app: ASGIApp, settings: ServiceSettings) -> None:
    """Serve HTTP until cancelled; running requests get a moment to end."""
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.http_host,
            port=settings.http_port,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
            loop="none",
            http=protocol(settings.http_head_bytes_max),
            lifespan="off",
            backlog=512,
        )
    )
    running = asyncio.create_task(server.serve())
    try:
        await asyncio.shield(running)
    finally:
        server.should_exit = True
        await running


def run_process(name: str, settings: ServiceSettings, main: Callable[[], Awaitable[None]]) -> None:
    """Run `main` until SIGTERM or SIGINT; a part that fails ends the process with its error."""
    configure_logging(name, settings.log_level)
    # A batch makes tens of thousands of objects that live for milliseconds. With the default
    # thresholds the collector walks all of them again and again: a quarter of the checking time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    uvloop.run(_until_signal(name, main))


async def _until_signal(name: str, main: Callable[[], Awaitable[None]]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.ensure_future(main())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        stopping.cancel()
        await working
        raise StoppedByItself(f"{name} ended by itself")
    log.info("Stopping", extra=fields(process=name))
    working.cancel()
    try:
        await working
    except asyncio.CancelledError:
        log.info("Stopped", extra=fields(process=name))
