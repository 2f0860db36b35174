"""Verifying a pack offline: that it is whole, that nothing in it changed, that it decides so.

Nothing is needed but the pack. It is read file by file: memory holds one of them at most.
"""

import hashlib
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import orjson
from pydantic import ValidationError

from assay_aggregator.copies import milliseconds_up
from assay_aggregator.decide import canonical, decide
from assay_aggregator.inspection.archive import CHUNK_BYTES, seal_of
from assay_aggregator.inspection.manifest import MANIFEST, Manifest
from assay_aggregator.inspection.replay import decode_known
from assay_aggregator.inspection.rules import book_of
from assay_aggregator.rule import ENGINE_VERSION, RuleError
from assay_aggregator.rulebook import RuleBook

# A file that is read whole (any but a table) may not fill the memory of whoever verifies.
FILE_BYTES_MAX: Final = 256 * 1024 * 1024

# What reading a damaged archive raises.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


class NoPack(Exception):
    """The file cannot be read at all, or holds no manifest of a pack. The text says why."""


@dataclass
class Verdict:
    """What was looked at, and every finding as one sentence that names the file."""

    manifest: Manifest
    manifest_sha256: str
    findings: list[str] = field(default_factory=list)
    files: int = 0
    decisions: int | None = None

    @property
    def good(self) -> bool:
        return not self.findings

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "good": self.good,
            "findings": self.findings,
            "files": self.files,
            "decisions_recomputed": self.decisions,
            "manifest_sha256": self.manifest_sha256,
            "question": self.manifest.question,
            "made_by": self.manifest.made_by.model_dump(),
        }


def verify(path: Path, *, recompute: bool = False) -> Verdict:
    """Look at every byte of a pack; with `recompute`, decide everything in it again.

    Raises NoPack. A pack that was unpacked and packed anew is told by its seal, even when no file
    in it changed.
    """
    try:
        with path.open("rb") as file:
            try:
                with zipfile.ZipFile(file) as archive:
                    return _verified(file, archive, recompute=recompute)
            except _DAMAGED as error:
                raise NoPack(f"{path.name} is no readable zip archive: {error}") from None
    except OSError as error:
        raise NoPack(f"{path.name}: {error.strerror}") from None


def _verified(file: IO[bytes], archive: zipfile.ZipFile, *, recompute: bool) -> Verdict:
    try:
        data = _whole(archive, MANIFEST)
        manifest = Manifest.model_validate_json(data)
    except KeyError:
        raise NoPack(f"there is no {MANIFEST}") from None
    except (*_DAMAGED, ValidationError) as error:
        raise NoPack(f"{MANIFEST} is not readable: {_short(error)}") from None
    verdict = Verdict(manifest, hashlib.sha256(data).hexdigest())
    # 1. The archive as a whole: every byte of it stands under the seal.
    seal, found = seal_of(file)
    if seal is None:
        verdict.findings.append("the archive bears no seal: it was packed anew, or cut short")
    elif seal != found:
        verdict.findings.append("the archive is not as it was written: its seal does not fit")
    # 2. The same files as the manifest names, no more and no fewer.
    names = Counter(archive.namelist())
    listed = Counter(one.name for one in manifest.files)
    verdict.findings += [f"{name} is there more than once" for name, n in names.items() if n > 1]
    verdict.findings += [
        f"{MANIFEST} lists {name} more than once" for name, n in listed.items() if n > 1
    ]
    verdict.findings += [f"{name} is missing" for name in listed if name not in names]
    verdict.findings += [
        f"{name} is not in the manifest" for name in names if name not in listed | {MANIFEST: 1}
    ]
    # 3. Each of them with the content that it was made with.
    for one in manifest.files:
        if one.name in names:
            verdict.files += 1
            size, digest = _measured(archive, one.name)
            if digest is None:
                verdict.findings.append(f"{one.name} cannot be unpacked")
            elif (size, digest) != (one.bytes, one.sha256):
                verdict.findings.append(f"{one.name} was changed: its SHA-256 is another")
    # 4. The decisions again, from what is in the pack alone.
    if recompute:
        _recompute(archive, verdict)
    return verdict


def _measured(archive: zipfile.ZipFile, name: str) -> tuple[int, str | None]:
    """(bytes, SHA-256) of a file's content; None when it cannot be unpacked."""
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open(name) as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except _DAMAGED:
        return size, None
    return size, digest.hexdigest()


def _recompute(archive: zipfile.ZipFile, verdict: Verdict) -> None:
    """Decide again, and compare each document byte for byte in canonical form."""
    manifest = verdict.manifest
    if manifest.made_by.engine != ENGINE_VERSION:
        verdict.findings.append(
            f"decisions cannot be made again: the pack is of {manifest.made_by.engine}, this is "
            f"{ENGINE_VERSION}"
        )
        return
    try:
        question = manifest.question
        as_of = datetime.fromisoformat(question["as_of"])
        known_at_ms = milliseconds_up(datetime.fromisoformat(question["known_at"]))
        names = [one.name for one in manifest.files]
        rules = [name for name in names if name.startswith("rules/")]
        book = book_of(orjson.loads(_whole(archive, name)) for name in rules)
    except (*_DAMAGED, KeyError, TypeError, RuleError) as error:
        verdict.findings.append(f"the rules of the pack are not readable: {_short(error)}")
        return
    verdict.decisions = 0
    for name in names:
        if name.startswith("recompute/"):
            person = name.removeprefix("recompute/")
            try:
                _recompute_one(archive, verdict, book, person, (as_of, known_at_ms))
            except (*_DAMAGED, KeyError, TypeError, msgspec.MsgspecError) as error:
                verdict.findings.append(f"{name} cannot be decided again: {_short(error)}")


def _recompute_one(
    archive: zipfile.ZipFile,
    verdict: Verdict,
    book: RuleBook,
    person: str,
    times: tuple[datetime, int],
) -> None:
    known = decode_known(_whole(archive, f"recompute/{person}"))
    said = {
        one["competency"]: one
        for one in orjson.loads(_whole(archive, f"people/{person}"))["decisions"]
    }
    for competency in verdict.manifest.competencies:
        outcome = decide(known, book, competency, *times)
        document = said.pop(competency, None)
        verdict.decisions = (verdict.decisions or 0) + 1
        place = f"people/{person}: {competency}"
        if outcome is None or document is None:
            if outcome is not None or document is not None:
                verdict.findings.append(f"{place} is decided on one side only")
        elif canonical(outcome.document) != canonical(document):
            verdict.findings.append(f"{place} is decided otherwise from the evidence in the pack")
    verdict.findings += [
        f"people/{person}: {competency} is not a competency of the pack" for competency in said
    ]


def _whole(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > FILE_BYTES_MAX:
        raise ValueError(f"{name} is larger than {FILE_BYTES_MAX} bytes")
    with archive.open(name) as file:
        # One more than allowed: the size that the archive states may be a lie.
        data = file.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        raise ValueError(f"{name} is larger than {FILE_BYTES_MAX} bytes")
    return data


def _short(error: Exception) -> str:
    """One line of an error's text."""
    return " ".join(str(error).split())[:200] or type(error).__name__
