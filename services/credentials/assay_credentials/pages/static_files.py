"""Style and scripts of the pages, under an address that changes with their content.

The hash is that of the whole folder, so that one script can import another by its plain name.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

_MEDIA_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_DIGEST_CHARACTERS: Final = 16


@dataclass(frozen=True)
class StaticFile:
    content: bytes
    media_type: str


@dataclass(frozen=True)
class StaticFiles:
    """Every file that browsers may ask for, by its name under the folder."""

    digest: str
    files: dict[str, StaticFile]

    def path(self, name: str) -> str:
        """Where a file is served, from the root of the service. Raises KeyError for no file."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.digest}/{name}"


@cache
def static_files() -> StaticFiles:
    """Read the folder once."""
    found = dict(sorted(_walk(files("assay_credentials").joinpath("pages", "static"), "")))
    whole = hashlib.sha256()
    for name, file in found.items():
        whole.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
    return StaticFiles(whole.hexdigest()[:_DIGEST_CHARACTERS], found)


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, StaticFile]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _walk(one, f"{prefix}{one.name}/")
            continue
        media_type = _MEDIA_TYPES.get(one.name.rpartition(".")[2])
        # Licences and notes stand there for whoever reads the code.
        if media_type is not None:
            yield prefix + one.name, StaticFile(one.read_bytes(), media_type)
