"""Files that frameworks and roles come in: one JSON file, or a folder or zip of tables."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Final, Literal, Protocol

from assay_cli.errors import StackError

Form = Literal["case", "esco", "onet"]

_ONET_FILE: Final = "Skills.txt"
_ESCO_PREFIX: Final = "skills_"


class Files(Protocol):
    """Files by their bare names, whatever folder they lie in."""

    def names(self) -> Iterable[str]: ...

    def lines(self, name: str) -> Iterable[str] | None: ...


@dataclass(frozen=True, slots=True)
class Folder:
    path: Path

    def names(self) -> Iterable[str]:
        return [one.name for one in self.path.iterdir() if one.is_file()]

    def lines(self, name: str) -> Iterable[str] | None:
        file = self.path / name
        return _lines_of(file) if file.is_file() else None


@dataclass(frozen=True, slots=True)
class Archive:
    path: Path

    def _members(self) -> dict[str, str]:
        with zipfile.ZipFile(self.path) as archive:
            return {PurePosixPath(name).name: name for name in archive.namelist()}

    def names(self) -> Iterable[str]:
        return self._members()

    def lines(self, name: str) -> Iterable[str] | None:
        whole = self._members().get(name)
        return None if whole is None else self._read(whole)

    def _read(self, whole: str) -> Iterator[str]:
        with zipfile.ZipFile(self.path) as archive, archive.open(whole) as file:
            yield from _texts_of(file)


def files_of(path: Path) -> Files:
    """Raises StackError for what is neither a folder nor a zip."""
    if path.is_dir():
        return Folder(path)
    if zipfile.is_zipfile(path):
        return Archive(path)
    raise StackError(f"{path} is no folder and no zip")


def form_of(path: Path) -> Form:
    """What a path holds: a CASE package (a JSON file), ESCO or O*NET tables. Raises StackError."""
    if not path.exists():
        raise StackError(f"cannot read {path}: there is no such file")
    if path.is_file() and not zipfile.is_zipfile(path):
        return "case"
    names = list(files_of(path).names())
    if _ONET_FILE in names:
        return "onet"
    if any(name.startswith(_ESCO_PREFIX) and name.endswith(".csv") for name in names):
        return "esco"
    raise StackError(f"{path} holds neither {_ESCO_PREFIX}<language>.csv nor {_ONET_FILE}")


def _lines_of(file: Path) -> Iterator[str]:
    with file.open("rb") as opened:
        yield from _texts_of(opened)


def _texts_of(opened: IO[bytes]) -> Iterator[str]:
    # Line ends stay as they are: a table may hold them inside quotes.
    with io.TextIOWrapper(opened, encoding="utf-8-sig", newline="") as text:
        yield from text
