"""The command `assay bench`, as people type it."""

from pathlib import Path
from typing import Annotated

import typer

from assay_cli.stack import StackInfo


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("bench")(bench)


def bench(
    seconds: Annotated[int, typer.Option(min=1, help="How long each load is sustained.")] = 60,
    output: Annotated[Path, typer.Option("--json", help="Where the numbers are written.")] = Path(
        "bench-result.json"
    ),
    reads: Annotated[
        bool, typer.Option(help="Measure GET by every filter, documents and attachments instead.")
    ] = False,
    decisions: Annotated[
        bool, typer.Option(help="Measure how fast evidence becomes decisions instead.")
    ] = False,
    credentials: Annotated[
        bool, typer.Option(help="Measure issuing, verifying and status lists instead.")
    ] = False,
    statements: Annotated[
        int, typer.Option(min=1000, help="With --reads, --decisions: how many statements.")
    ] = 1_000_000,
    people: Annotated[
        int, typer.Option(min=1, help="With --credentials: how many one award is for.")
    ] = 10_000,
) -> None:
    """Measure the running stack against the ceilings of this machine."""
    stack = StackInfo.from_environment()
    if credentials:
        from assay_cli import bench_credentials

        code = bench_credentials.run(stack, people=people, output=output)
    elif decisions:
        from assay_cli import bench_decisions

        code = bench_decisions.run(stack, statements=statements, output=output)
    elif reads:
        from assay_cli import bench_reads

        code = bench_reads.run(stack, statements=statements, seconds=seconds, output=output)
    else:
        from assay_cli import bench as bench_all

        code = bench_all.run(stack, seconds=seconds, output=output)
    raise typer.Exit(code)
