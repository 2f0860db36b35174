"""The documents say what is there: commands run, links resolve, nothing is left out."""

import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.main import get_command

from assay_cli.app import app
from assay_runtime.settings import PREFIX, Settings
from assay_schemas.topics import TOPICS

SERVICES = ("ingest", "aggregator", "credentials")
PACKAGES = tuple(f"assay_{name}" for name in ("runtime", *SERVICES))
_CODE = re.compile(r"```.*?```|(?:^ {4}.*\n?)+|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s#]+)(#[^)]*)?\)")
_MAKE = re.compile(
    r"(?:^ {4}|^```\n|^|`|&& )make ([a-z]+)\b(?=\s*(?:`|#|$|&&| [A-Z]))", re.MULTILINE
)
_ASSAY = re.compile(r"(?:^ {4}|^|`|&& |bin/)assay ([a-z]+)\b", re.MULTILINE)


def tracked(project: Path) -> list[Path]:
    """The files of the repository, and those that are not ignored and will be added."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=project,
        capture_output=True,
        check=True,
    )
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [project / name for name in names if (project / name).is_file()]


def documents(project: Path) -> list[Path]:
    return [path for path in tracked(project) if path.suffix == ".md"]


def _code(text: str) -> Iterator[str]:
    return (match.group() for match in _CODE.finditer(text))


def test_commands_of_make_that_documents_name_are_in_the_makefile(project: Path) -> None:
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    unknown = {
        f"{path.name}: make {name}"
        for path in documents(project)
        for code in _code(path.read_text(encoding="utf-8"))
        for name in _MAKE.findall(code)
        if name not in targets
    }
    assert unknown == set()
    assert {"run", "test", "demo", "bench", "check", "clean"} <= targets


def test_every_target_of_the_makefile_says_what_it_does(project: Path) -> None:
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None
    for target in phony[1].split():
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target


def test_commands_of_assay_that_documents_name_exist(project: Path) -> None:
    command = get_command(app)
    known = set(command.commands)  # type: ignore[attr-defined]
    unknown = {
        f"{path.name}: assay {name}"
        for path in documents(project)
        for code in _code(path.read_text(encoding="utf-8"))
        for name in _ASSAY.findall(code)
        if name not in known
    }
    assert unknown == set()


def test_links_between_files_resolve(project: Path) -> None:
    broken = []
    for path in documents(project):
        for target, _ in _LINK.findall(path.read_text(encoding="utf-8")):
            if "://" in target or target.startswith("mailto:"):
                continue
            if not (path.parent / target).exists():
                broken.append(f"{path.relative_to(project)}: {target}")
    assert broken == []


def _all_documents(project: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in documents(project))


def _settings_classes() -> Iterator[type[Settings]]:
    for package in PACKAGES:
        module = importlib.import_module(f"{package}.settings")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Settings) and value is not Settings:
                yield value


def test_every_setting_is_documented(project: Path) -> None:
    text = _all_documents(project)
    names = {PREFIX + name.upper() for one in _settings_classes() for name in one.model_fields}
    assert len(names) > 10
    assert sorted(name for name in names if name not in text) == []


def _metric_names() -> set[str]:
    names = set()
    for package in PACKAGES:
        module = importlib.import_module(f"{package}.metrics")
        for value in vars(module).values():
            register = getattr(value, "register", None)
            if isinstance(value, type) and value.__module__ == module.__name__ and register:
                registry = CollectorRegistry()
                register(registry)
                names |= {metric.name for metric in registry.collect()}
    return names


def test_every_metric_is_documented(project: Path) -> None:
    text = _all_documents(project)
    names = _metric_names()
    assert len(names) > 10
    assert sorted(name for name in names if name not in text) == []


def test_every_topic_is_documented(project: Path) -> None:
    text = _all_documents(project)
    assert [topic.name for topic in TOPICS if topic.name not in text] == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_tells_its_flow_in_numbered_lines(project: Path, name: str) -> None:
    readme = project / "services" / name / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert re.search(r"life of an? ", text, re.IGNORECASE)
    assert len(re.findall(r"^\d+\. ", text, re.MULTILINE)) >= 5
    # The functions that the lines name are there.
    package = project / "services" / name / f"assay_{name}"
    source = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    numbered = re.findall(r"^\d+\. (?:.*(?:\n {2,}.*)*)", text, re.MULTILINE)
    named = {
        one.rpartition(".")[2].removesuffix("()")
        for line in numbered
        for one in re.findall(r"`([A-Za-z_.]+(?:\(\))?)`", line)
        if re.fullmatch(r"[A-Za-z_.]*[a-z_]+\(?\)?", one)
    }
    functions = {one for one in named if re.search(rf"\bdef {one}\b", source)}
    assert functions, f"{readme} names no function"
