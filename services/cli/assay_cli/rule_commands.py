"""The commands of rule authors that need no running stack: `rules check` and `rules test`."""

from pathlib import Path
from typing import Annotated

import typer


def register(rules: typer.Typer) -> None:
    """Add the commands to `assay rules`."""

    @rules.command("check")
    def rules_check(
        files: Annotated[list[Path], typer.Argument(help="Rules (JSON or YAML), or folders.")],
        as_json: Annotated[
            bool, typer.Option("--json", help="Print a list of {file, line, pointer, reason}.")
        ] = False,
    ) -> None:
        """Say what is wrong with rules, by line, key and reason. Exit code 1 when anything is.

        Files that are checked together are held against each other, too: names taken twice, rules
        that look at each other in a circle, levels that another rule does not give.
        """
        from assay_cli.rule_check import run

        code = run(files, as_json)
        if code:
            raise typer.Exit(code)

    @rules.command("test")
    def rules_test(
        cases: Annotated[list[Path], typer.Argument(help="Case files (JSON or YAML), or folders.")],
        as_json: Annotated[
            bool, typer.Option("--json", help='Print a list of {"case", "result"}.')
        ] = False,
    ) -> None:
        """Run rule cases. Exit code 1 when a case that states its expected result fails it."""
        from assay_cli.rule_cases import run

        code = run(cases, as_json)
        if code:
            raise typer.Exit(code)
