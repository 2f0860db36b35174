"""Runs the Node scripts of tests, with the packages locked beside them."""

from pathlib import Path

from assay_cli import node_packages

VERIFIERS = Path(__file__).parents[1] / "verifiers"


def run_node(script: str, stdin: object, folder: Path = VERIFIERS) -> object:
    """Run `<folder>/<script>` with JSON on standard input; its standard output as JSON."""
    return node_packages.run_node(script, stdin, folder)


def installed(folder: Path) -> Path:
    """The folder where the packages locked in `folder` are installed."""
    return node_packages.installed(folder)
