"""A consumer in a process of its own, which can be stopped in the middle of a transaction.

`python zombie_consumer.py SETTINGS_JSON TOPIC PROJECTION`. It prints "inside" when it has written
the effects of its first batch and not committed; it goes on when it reads a line.
"""

import asyncio
import sys

from prometheus_client import CollectorRegistry

from assay_runtime.consume import Consumer
from assay_runtime.metrics import ConsumerMetrics
from assay_runtime.postgres import Connection, open_pool
from assay_runtime.settings import ServiceSettings
from runtime_probe import Handler


async def main(settings: ServiceSettings, topic: str, projection: str) -> None:
    handler = Handler()
    told = False

    async def wait_for_a_line(_: Connection) -> None:
        nonlocal told
        if not told:
            told = True
            print("inside", flush=True)
            await asyncio.to_thread(sys.stdin.readline)

    handler.inside = wait_for_a_line
    consumer = Consumer(
        settings=settings,
        pool=await open_pool(settings, "zombie"),
        topic=topic,
        projection=projection,
        schema="probe",
        handler=handler,
        metrics=ConsumerMetrics.register(CollectorRegistry()),
    )
    await consumer.run()


if __name__ == "__main__":
    asyncio.run(main(ServiceSettings.model_validate_json(sys.argv[1]), sys.argv[2], sys.argv[3]))
