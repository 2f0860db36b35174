"""Memory of the front does not grow with the attachments: measured on a process of its own."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from assay_cli.stack import StackInfo
from assay_testing import Database, KafkaSpace
from ingest_samples import statement
from ingest_service import READY_SECONDS, VERSION, Service, XapiClient, service_on
from xapi_signing import BOUNDARY, MIXED, described

MEBIBYTE = 1024 * 1024
PIECE = os.urandom(64 * 1024)
SMALL = MEBIBYTE
BIG = 100 * MEBIBYTE
# What one upload and one download hold: pieces of half a mebibyte, and the allocator's leavings.
GROWTH_MAX = 16 * MEBIBYTE
PROBE = """
import sys
from assay_ingest.__main__ import ingest
from assay_ingest.settings import IngestSettings
from assay_runtime.serve import run_process
settings = IngestSettings.from_environment()
run_process("ingest", settings, lambda: ingest(settings, sys.argv[1]))
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux tells a process's peak"
)


async def body(sent: bytes, sha2: str, size: int) -> AsyncIterator[bytes]:
    """A request with one content of `size`, made piece by piece."""
    line = f"--{BOUNDARY}\r\n".encode()
    yield line + b"Content-Type: application/json\r\n\r\n" + sent + b"\r\n" + line
    yield b"Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n"
    yield f"X-Experience-API-Hash: {sha2}\r\n\r\n".encode()
    for _ in range(size // len(PIECE)):
        yield PIECE
    yield f"\r\n--{BOUNDARY}--".encode()


async def there_and_back(client: XapiClient, size: int) -> None:
    """Send a content and read it again."""
    whole = hashlib.sha256()
    for _ in range(size // len(PIECE)):
        whole.update(PIECE)
    sha2 = whole.hexdigest()
    sent = statement(attachments=[described(b"", sha2=sha2, length=size)])
    answer = await client.request(
        "POST",
        content=body(json.dumps(sent).encode(), sha2, size),
        headers={**VERSION, "Content-Type": MIXED},
    )
    assert answer.status_code == 200, answer.text
    received = 0
    async with client.http.stream(
        "GET",
        client.url + "/xapi/statements",
        params={"statementId": answer.json()[0], "attachments": "true"},
        headers=VERSION,
        auth=(client.name, client.secret),
    ) as found:
        async for piece in found.aiter_raw():
            received += len(piece)
    assert received == int(found.headers["content-length"])
    assert received > size


def peak_bytes(pid: int) -> int:
    """The most of memory that the process had resident since the last call."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    return int(line.split()[1]) * 1024


async def wait_until_ready(service: Service, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            assert process.returncode is None
            try:
                if (await service.http.get(service.url() + "/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await service.owner.execute("select pg_sleep(0.05)")


async def test_a_hundred_mebibytes_take_no_more_memory_than_one(
    servers: StackInfo, postgres: Database
) -> None:
    kafka = KafkaSpace.of(servers)
    try:
        async with service_on(postgres, kafka) as service:
            await service.start_store()
            environment = {**os.environ, **service.environment("ingest")}
            command = [sys.executable, "-c", PROBE, service.topic]
            process = await asyncio.create_subprocess_exec(*command, env=environment)
            try:
                await wait_until_ready(service, process)
                client = await service.new_client()
                for _ in range(3):
                    await there_and_back(client, SMALL)
                peak_bytes(process.pid)
                await there_and_back(client, SMALL)
                small = peak_bytes(process.pid)
                await there_and_back(client, BIG)
                big = peak_bytes(process.pid)
                await asyncio.gather(*(there_and_back(client, BIG + SMALL) for _ in range(3)))
                three = peak_bytes(process.pid)
            finally:
                process.terminate()
                await process.wait()
        assert big - small < GROWTH_MAX, (small, big)
        assert three - small < 3 * GROWTH_MAX, (small, three)
        print(f"peak resident: 1 MiB {small}, 100 MiB {big}, three at once {three}")
    finally:
        kafka.close()
