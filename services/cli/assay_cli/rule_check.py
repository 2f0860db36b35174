"""`assay rules check`: whether files hold rules that can be evaluated, alone and together."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from assay_aggregator.dependencies import find_cycles, unreachable
from assay_aggregator.rule import Rule, RuleError, parse_rule
from assay_aggregator.rule_text import YAML_SUFFIXES, TextError, Written, read_text


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and where: line from 1 (None: not known), RFC 6901 pointer."""

    file: Path
    line: int | None
    pointer: str
    reason: str

    def text(self) -> str:
        """As a compiler would say it."""
        place = str(self.file) if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.pointer or '/'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class _Read:
    file: Path
    written: Written
    rule: Rule

    def finding(self, pointer: str, reason: str) -> Finding:
        return Finding(self.file, self.written.line(pointer), pointer, reason)


def check(paths: Iterable[Path]) -> tuple[list[Rule], list[Finding]]:
    """The rules that could be read, and all that is wrong with the files, by file and line."""
    read: list[_Read] = []
    found: list[Finding] = []
    for file in _files(paths):
        try:
            written = read_text(file.read_bytes(), file.name)
        except OSError as error:
            found.append(Finding(file, None, "", error.strerror or str(error)))
            continue
        except TextError as error:
            found.append(Finding(file, error.line, "", error.reason))
            continue
        if not isinstance(written.value, Mapping):
            found.append(Finding(file, 1, "", "a rule is a map of keys"))
            continue
        try:
            read.append(_Read(file, written, parse_rule(written.value)))
        except RuleError as error:
            found += [
                Finding(file, written.line(one.pointer), one.pointer, one.reason)
                for one in error.problems
            ]
    found += _together(read)
    found.sort(key=lambda one: (str(one.file), one.line or 0, one.pointer))
    return [one.rule for one in read], found


def _together(read: Sequence[_Read]) -> list[Finding]:
    """What no file shows alone: names taken twice, circles, levels that nobody gives."""
    found: list[Finding] = []
    versions: dict[tuple[str, int], _Read] = {}
    of_competency: dict[str, _Read] = {}
    for one in read:
        rule = one.rule
        same = versions.setdefault((rule.id, rule.version), one)
        if same is not one:
            reason = f"version {rule.version} of {rule.id} is in {same.file}, too"
            found.append(one.finding("/version", reason))
        first = of_competency.setdefault(rule.competency, one)
        if first.rule.id != rule.id:
            reason = f"the rule {first.rule.id} of {first.file} is about this competency, too"
            found.append(one.finding("/competency", reason))
    rules = [one.rule for one in read]
    for circle in find_cycles(rules):
        reason = f"rules look at each other in a circle: {' -> '.join((*circle, circle[0]))}"
        found.append(of_competency[circle[0]].finding("/competency", reason))
    for rule, pointer, reason in unreachable(rules):
        one = next(one for one in read if one.rule is rule)
        found.append(one.finding(pointer, reason))
    return found


def _files(paths: Iterable[Path]) -> list[Path]:
    suffixes = (".json", *YAML_SUFFIXES)
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(one for one in path.iterdir() if one.suffix.lower() in suffixes)
        else:
            files.append(path)
    return files


def run(paths: Sequence[Path], json_wanted: bool) -> int:
    """Exit code: 0 when there are rules and nothing is wrong, 1 otherwise."""
    rules, found = check(paths)
    if json_wanted:
        print(json.dumps([_as_json(one) for one in found], indent=2, ensure_ascii=False))
    else:
        console = Console(soft_wrap=True)
        for one in found:
            console.print(one.text(), highlight=False, markup=False)
        for rule in rules:
            line = f"{rule.id} version {rule.version}, {rule.status}: {rule.competency}"
            console.print(f"{line} ({rule.hash})", highlight=False, markup=False)
        verdict = f"{len(rules)} rules can be evaluated, {len(found)} problems"
        console.print(verdict, highlight=False, markup=False)
    return 0 if rules and not found else 1


def _as_json(one: Finding) -> dict[str, str | int | None]:
    return {
        "file": str(one.file),
        "line": one.line,
        "pointer": one.pointer,
        "reason": one.reason,
    }
