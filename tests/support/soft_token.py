"""A PKCS#11 token in software (SoftHSM 2), for tests of keys in hardware modules."""

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

LABEL = "assay"
PIN = "4711-and-more"

_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


@dataclass(frozen=True)
class SoftToken:
    """The module, and the file of the PIN of its token `LABEL`."""

    module: Path
    pin_file: Path

    def environment(self) -> dict[str, str]:
        """The settings of a service that keeps keys in it."""
        return {
            "ASSAY_PKCS11_MODULE": str(self.module),
            "ASSAY_PKCS11_TOKEN": LABEL,
            "ASSAY_PKCS11_PIN_FILE": str(self.pin_file),
        }


@cache
def soft_token() -> SoftToken:
    """The token of this test run. The module reads its configuration once in a process."""
    tool = shutil.which("softhsm2-util")
    module = next((Path(one) for one in _MODULES if Path(one).is_file()), None)
    if tool is None or module is None:
        pytest.fail("SoftHSM 2 is not installed: run `make tools`, or install softhsm2")
    folder = Path(tempfile.mkdtemp(prefix="assay-token-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\n"
        "objectstore.backend = file\n"
        "log.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    subprocess.run(
        [tool, "--init-token", "--free", "--label", LABEL, "--so-pin", "12345678", "--pin", PIN],
        check=True,
        capture_output=True,
        timeout=30,
    )
    pin_file = folder / "pin"
    pin_file.write_text(f"{PIN}\n")
    pin_file.chmod(0o600)
    return SoftToken(module, pin_file)
