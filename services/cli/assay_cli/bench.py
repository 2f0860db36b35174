"""`assay bench`: what the running stack reaches, beside what this machine could reach at all.

Every number of a ratio comes from one run. The machine is noisy; a rate alone says little.
"""

import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from assay_cli import bench_bare, bench_load, bench_product
from assay_cli import bench_ceilings as ceilings
from assay_cli.bench_http import Tally
from assay_cli.errors import StackError
from assay_cli.stack import StackInfo

T = TypeVar("T")

WARM_UP_SECONDS = 5.0
CEILING_SECONDS = 10.0
LATENCY_PER_SECOND = 200
KAFKA_RECORDS_PER_SECOND = 30

# What the product is to reach (issue and docs/performance.md).
BATCH_RATIO = 0.5
SINGLE_RATIO = 0.6
BEHIND_SECONDS = 2.0
DECISION_P95_SECONDS = 0.5


@dataclass(slots=True)
class Result:
    """Everything that was measured. Rates are statements per second, times are seconds."""

    machine: dict[str, Any]
    seconds_per_load: float
    rates: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    behind_seconds: dict[str, float] = field(default_factory=dict)
    latency_seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    awards_never_seen: int = 0


def run(stack: StackInfo, *, seconds: int = 60, output: Path | None = None) -> int:
    """Measure, print a table, write JSON. Exit code 1 when a target is missed."""
    console = Console()
    try:
        result = asyncio.run(_measure(stack, float(seconds), console))
    except (OSError, StackError, KeyError) as error:
        console.print(f"[red]The stack cannot be measured:[/] {error}. Is `make run` running?")
        return 2
    _print(console, result)
    if output is not None:
        output.write_text(json.dumps(_document(result), indent=1) + "\n", encoding="utf-8")
        console.print(f"Written to {output}")
    missed = _missed(result)
    for line in missed:
        console.print(f"[red]missed[/] {line}")
    return 1 if missed else 0


class _Run:
    """One run of the benchmark: the steps in order, each noting what it found in `result`."""

    def __init__(self, stack: StackInfo, seconds: float, console: Console) -> None:
        self.stack = stack
        self.seconds = seconds
        self.console = console
        self.pool = bench_load.endless(bench_load.make_pool(1, bench_product.online_evidence()))
        self.result = Result(
            machine={
                "cores": os.cpu_count(),
                "python": platform.python_version(),
                "load_before": round(os.getloadavg()[0], 2),
            },
            seconds_per_load=seconds,
        )

    async def step(self, name: str, work: Coroutine[Any, Any, T]) -> T:
        began = time.perf_counter()
        with self.console.status(name):
            answer = await work
        self.console.print(f"  {name} [dim]{time.perf_counter() - began:.0f} s[/]")
        return answer

    async def load(self, name: str, work: Coroutine[Any, Any, Tally]) -> Tally:
        tally = await self.step(name, work)
        result = self.result
        result.rates[name] = tally.rate
        if tally.latencies:
            result.latency_seconds[name] = _percentiles(tally.latencies)
        bad = sum(count for status, count in tally.statuses.items() if status not in {200, 204})
        if bad:
            result.refused[name] = bad
        return tally

    def stored_after(self, name: str, tally: Tally, seconds: float) -> None:
        """Count the rate until the projection had all of it: what waits is not done."""
        self.result.rates[name] = tally.statements / (tally.seconds + seconds)

    async def ceilings(self) -> None:
        """What the parts reach alone."""
        stack, pool, rates = self.stack, self.pool, self.result.rates
        await ceilings.make_topics(stack, ceilings.KAFKA_TOPIC, bench_bare.TOPIC)
        name = "ceiling: Kafka produce"
        rates[name] = await self.step(name, ceilings.kafka_produce(stack, pool, CEILING_SECONDS))
        rates["ceiling: pydantic alone"] = ceilings.pydantic_alone(pool, CEILING_SECONDS / 2)
        rates["product's checking alone"] = ceilings.checking_alone(pool, CEILING_SECONDS / 2)

    async def bare_road(self) -> None:
        """What the parts reach together, without the product's logic."""
        pool, seconds = self.pool, self.seconds
        async with ceilings.bare_road(self.stack) as port:
            await ceilings.bare_batches(port, pool, WARM_UP_SECONDS)
            for name, load in (
                ("bare road, batches", ceilings.bare_batches),
                ("bare road, singles", ceilings.bare_singles),
            ):
                tally = await self.load(name, load(port, pool, seconds))
                behind = await _bare_behind(self.stack)
                self.result.behind_seconds[name] = behind
                self.stored_after(name, tally, behind)

    async def product(self) -> None:
        """What the product reaches. Nothing waits from one load when the next one begins."""
        stack, pool, seconds = self.stack, self.pool, self.seconds
        await bench_product.batches(stack, pool, WARM_UP_SECONDS)
        await self.quiet("product, warming up")
        tally = await self.load("product, batches", bench_product.batches(stack, pool, seconds))
        behind = await self.step("product, draining", bench_product.until_drained(stack))
        self.stored_after("product, batches", tally, behind.stored)
        issued = await self.step("product, credentials", bench_product.until_issued(stack))
        self.result.behind_seconds |= {
            "product, stored": behind.stored,
            "product, decided": behind.decided,
            "product, last credential": behind.decided + issued,
        }
        tally = await self.load("product, singles", bench_product.singles(stack, pool, seconds))
        behind = await self.step("product, draining", bench_product.until_drained(stack))
        self.stored_after("product, singles", tally, behind.stored)
        await bench_product.until_issued(stack)
        records = int(seconds * KAFKA_RECORDS_PER_SECOND)
        await self.load("product, Kafka input", bench_product.kafka_input(stack, pool, records))
        await self.quiet("product, draining")

    async def quiet(self, name: str) -> None:
        await self.step(name, bench_product.until_drained(self.stack))
        await bench_product.until_issued(self.stack)

    async def latencies(self) -> None:
        """How long the road takes, at a steady rate."""
        seconds = min(self.seconds, 30.0)
        work = bench_product.latencies(self.stack, LATENCY_PER_SECOND, seconds)
        times = await self.step("latencies", work)
        for name, values in (
            ("posted to acknowledged", times.acknowledged),
            ("posted to stored", times.stored),
            ("posted to decision", times.decided),
            ("posted to credential", times.credential),
        ):
            if values:
                self.result.latency_seconds[name] = _percentiles(values)
        self.result.awards_never_seen = times.missing


async def _measure(stack: StackInfo, seconds: float, console: Console) -> Result:
    run = _Run(stack, seconds, console)
    await run.ceilings()
    await run.bare_road()
    await run.product()
    await run.latencies()
    # Last, because this ceiling needs the product's own rows.
    name = "ceiling: Postgres COPY"
    run.result.rates[name], _ = await run.step(name, ceilings.postgres_copy(stack))
    _ratios(run.result)
    return run.result


async def _bare_behind(stack: StackInfo) -> float:
    """Seconds until the bare road's projection stood still after the load."""
    began = time.perf_counter()
    last, still_since = await ceilings.bare_rows(stack), time.perf_counter()
    while time.perf_counter() - still_since < 1.0:
        await asyncio.sleep(0.1)
        now = await ceilings.bare_rows(stack)
        if now != last:
            last, still_since = now, time.perf_counter()
    return still_since - began


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if len(values) < 2:
        return {"p50": values[0], "p95": values[0], "p99": values[0]}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def _ratios(result: Result) -> None:
    rates = result.rates
    for name, over, under in (
        ("batches / bare road", "product, batches", "bare road, batches"),
        ("singles / bare road", "product, singles", "bare road, singles"),
        ("Kafka input / bare road", "product, Kafka input", "bare road, batches"),
        ("batches / Kafka produce", "product, batches", "ceiling: Kafka produce"),
        ("batches / Postgres COPY", "product, batches", "ceiling: Postgres COPY"),
        ("checking / pydantic alone", "product's checking alone", "ceiling: pydantic alone"),
    ):
        if rates.get(under):
            result.ratios[name] = rates[over] / rates[under]


def _missed(result: Result) -> list[str]:
    lines = []
    for name, target in (
        ("batches / bare road", BATCH_RATIO),
        ("singles / bare road", SINGLE_RATIO),
    ):
        if result.ratios[name] < target:
            lines.append(f"{name}: {result.ratios[name]:.2f}, wanted {target}")
    if result.behind_seconds["product, decided"] > BEHIND_SECONDS:
        lines.append(
            f"decisions {result.behind_seconds['product, decided']:.1f} s behind at the end, "
            f"wanted {BEHIND_SECONDS:.0f}"
        )
    decided = result.latency_seconds.get("posted to decision")
    if decided is None or decided["p95"] > DECISION_P95_SECONDS:
        lines.append(f"posted to decision p95 is {decided and decided['p95']}, wanted under 0.5 s")
    if result.awards_never_seen:
        lines.append(f"{result.awards_never_seen} decisions or credentials were never seen")
    for name, count in result.refused.items():
        lines.append(f"{name}: {count} requests were refused")
    return lines


def _print(console: Console, result: Result) -> None:
    table = Table(title="Rates, statements per second, one run", title_justify="left")
    table.add_column("what")
    table.add_column("rate", justify="right")
    table.add_column("request p50 / p95 / p99, ms", justify="right")
    for name, rate in result.rates.items():
        found = result.latency_seconds.get(name)
        shown = " / ".join(f"{found[key] * 1000:.0f}" for key in found) if found else ""
        table.add_row(name, f"{rate:,.0f}", shown)
    console.print(table)
    table = Table(title="Ratios and delays", title_justify="left")
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("wanted", justify="right")
    wanted = {"batches / bare road": BATCH_RATIO, "singles / bare road": SINGLE_RATIO}
    for name, ratio in result.ratios.items():
        table.add_row(name, f"{ratio:.2f}", str(wanted.get(name, "")))
    for name, value in result.behind_seconds.items():
        limit = "2 s" if name == "product, decided" else ""
        table.add_row(f"behind when the load ended: {name}", f"{value:.2f} s", limit)
    for name, found in result.latency_seconds.items():
        if name.startswith("posted"):
            shown = " / ".join(f"{found[key] * 1000:.0f}" for key in found)
            limit = "p95 500" if name == "posted to decision" else ""
            table.add_row(f"{name}, ms, p50 / p95 / p99", shown, limit)
    console.print(table)


def _document(result: Result) -> dict[str, Any]:
    return {name: getattr(result, name) for name in Result.__slots__}


if __name__ == "__main__":
    sys.exit(run(StackInfo.from_environment()))
