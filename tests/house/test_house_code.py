"""The repository's own rules: layers, sizes, no path of a machine, no host, no side effect."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The house style says "about 400" and "about 70".
LINES_MAX = 440
FUNCTION_LINES_MAX = 80
PACKAGES = ("schemas", "runtime", "ingest", "aggregator", "credentials", "cli")

# A lock or a document that names a host works only where that host is reached.
_HOSTS = re.compile(
    r"https?://(?:[\w.-]+\.)?(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|"
    r"repo1?\.maven\.(?:org|apache\.org)|artifactory[\w.-]*|nexus[\w.-]*)|"
    r"(?:--index-url|--extra-index-url|--registry)\b"
)
_MACHINE_PATHS = re.compile(r"(?<![\w./])/(?:home|Users|root|work|mnt|tmp/w)/\w")
_SECRETS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bAKIA[0-9A-Z]{16}\b")
_TEXT = {
    *(".py", ".md", ".sql", ".toml", ".yml", ".yaml", ".json", ".lock", ".txt", ".cfg"),
    *(".mjs", ".js", ".sh", ""),
}


def _tracked(project: Path) -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=project,
        capture_output=True,
        check=True,
    )
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [project / name for name in names if (project / name).is_file()]


def _sources(project: Path) -> list[Path]:
    """The code of the product."""
    return [
        path
        for path in _tracked(project)
        if path.suffix == ".py" and "tests" not in path.relative_to(project).parts
    ]


def _found(project: Path, pattern: re.Pattern[str]) -> list[str]:
    here = Path(__file__)
    return [
        f"{path.relative_to(project)}: {match.group()}"
        for path in _tracked(project)
        if path.suffix in _TEXT and path != here
        for match in [pattern.search(path.read_text(encoding="utf-8", errors="replace"))]
        if match is not None
    ]


def test_no_file_holds_the_path_of_a_machine(project: Path) -> None:
    assert _found(project, _MACHINE_PATHS) == []


def test_no_file_names_the_host_of_a_package_registry(project: Path) -> None:
    assert _found(project, _HOSTS) == []


def test_no_file_holds_a_private_key(project: Path) -> None:
    assert _found(project, _SECRETS) == []


def test_every_locked_package_has_hashes(project: Path) -> None:
    lock = (project / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE | re.IGNORECASE)[1:]
    assert len(entries) > 30
    assert [one.split()[0] for one in entries if "--hash=sha256:" not in one] == []


def test_layers_are_kept(project: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_are_short(project: Path) -> None:
    long = {}
    for path in _sources(project):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LINES_MAX:
            long[str(path.relative_to(project))] = lines
    assert long == {}


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_are_short(project: Path) -> None:
    long = {}
    for path in _sources(project):
        for function in _functions(ast.parse(path.read_text(encoding="utf-8"))):
            lines = (function.end_lineno or 0) - function.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                long[f"{path.relative_to(project)}: {function.name}"] = lines
    assert long == {}


def test_nothing_is_called_todo(project: Path) -> None:
    found = _found(project, re.compile(r"\b(?:TODO|FIXME|XXX)\b"))
    # Kept as its author published it.
    vendored = "services/credentials/assay_credentials/pages/static/qr/"
    assert [one for one in found if not one.startswith(vendored)] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_importing_a_package_does_nothing(name: str, project: Path) -> None:
    """Every module can be imported where there is no setting, no file and no network."""
    folder = project / ("schemas" if name == "schemas" else f"services/{name}") / f"assay_{name}"
    modules = sorted(
        ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        for path in folder.rglob("*.py")
        # This one is run by path, before site-packages are there.
        if path.name != "launch.py"
    )
    code = (
        "import importlib, socket, sys, threading\n"
        "def refuse(*_, **__): raise AssertionError('a socket at import')\n"
        "socket.socket.connect = refuse\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
