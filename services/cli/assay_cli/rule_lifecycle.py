"""`assay rules draft|submit|preview|approve|…`: the life of a rule, over the aggregator's HTTP."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from assay_aggregator.rule_text import TextError, read_text
from assay_cli.aggregator_door import AggregatorDoor, Json
from assay_cli.errors import StackError
from assay_cli.rule_explanation import lines

Say = Callable[[str], None]
PAGE = 500

KINDS: Mapping[str, str] = {
    "gains": "gain the competency",
    "loses": "lose it",
    "date": "change a date",
    "level": "change the level",
    "status": "change status without gaining or losing",
    "evidence": "keep it by other evidence",
}


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, with which words."""

    account: str
    password: str
    meaning: str

    def body(self) -> Json:
        return {"account": self.account, "password": self.password, "meaning": self.meaning}


def read_rule(file: Path) -> dict[str, Any]:
    """The rule that a file holds. Raises StackError, with its line where that is known."""
    try:
        value = read_text(file.read_bytes(), file.name).value
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from error
    except TextError as error:
        raise StackError(f"{file}: {error}") from error
    if not isinstance(value, dict):
        raise StackError(f"{file}: a rule is a map of keys")
    # Its numbers keep their digits as Decimal; over HTTP they go as JSON numbers.
    found: dict[str, Any] = json.loads(json.dumps(value, default=_number))
    return found


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise StackError(f"{value!r} cannot be sent as JSON")
    return int(value) if value == value.to_integral_value() else float(value)


def draft(
    door: AggregatorDoor, document: Mapping[str, Any], signer: Signer, reason: str, say: Say
) -> None:
    """Write a draft, signed by its author."""
    body = {"document": dict(document), "reason": reason, "signature": signer.body()}
    found = door.post("/admin/rules/drafts", body)
    say(
        f"{document['id']} version {document['version']}: revision {found['revision']}, "
        f"{found['state']}, content {found['content_hash']}"
    )


def take_step(
    door: AggregatorDoor, rule: str, version: int, step: str, reason: str | None, say: Say
) -> None:
    """`submit`, `return` or `withdraw`."""
    body = {} if reason is None else {"reason": reason}
    _told(rule, version, door.post(f"/admin{_path(rule, version)}/{step}", body), say)


def preview(
    door: AggregatorDoor,
    rule: str,
    version: int,
    console: Console,
    output: Path | None = None,
    retire_on: str | None = None,
) -> Json:
    """Make the impact preview; each change is one line of `output`, when that is given."""
    summary: Json | None = None
    path = f"/admin{_path(rule, version)}/preview"
    if retire_on is not None:
        path += f"?retire_on={quote(retire_on, safe='')}"
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    # Written as they come: there may be many.
    with (
        open(output or os.devnull, "w", encoding="utf-8") as kept,
        Progress(*columns, console=console, transient=True) as progress,
    ):
        task = progress.add_task("deciding", total=None)
        for line in door.lines(path):
            if "change" in line:
                kept.write(json.dumps(line["change"], ensure_ascii=False) + "\n")
            elif "progress" in line:
                people = line["progress"]["people"]
                progress.update(task, description=f"{people} people decided")
            else:
                summary = line["preview"]
    if summary is None:
        raise StackError("the preview broke off; it was not kept")
    for text in described(summary):
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    return summary


def described(summary: Json) -> list[str]:
    """A preview in words."""
    told = [
        f"preview {summary['preview']} of {summary['rule']} version {summary['version']}",
        f"content {summary['content_hash']}",
        f"decided as of {summary['as_of']} for {summary['people']} people",
    ]
    if summary.get("starts_in_the_past"):
        told.append("the version begins in the past: it also changes what was")
    counts = summary["counts"]
    told += [f"{counts.get(kind, 0):>8} {text}" for kind, text in KINDS.items()]
    return told


def approve(
    door: AggregatorDoor,
    rule: str,
    version: int,
    *,
    content_hash: str | None,
    preview_id: str | None,
    ask: Callable[[], Signer],
    reason: str | None,
    say: Say,
) -> None:
    """Show what is to be approved, then sign it. By default the content and preview of now."""
    found = door.get(_path(rule, version))
    held = [one for one in found["previews"] if one["content_hash"] == found["content_hash"]]
    if preview_id is not None:
        held = [one for one in held if one["preview"] == preview_id]
    if not held:
        raise StackError(
            f"there is no preview of this content: run `assay rules preview {rule} {version}`"
        )
    if content_hash not in (None, found["content_hash"]):
        raise StackError(f"the content has the hash {found['content_hash']} now: read it again")
    last = held[0]
    for text in described({**last, "rule": rule, "version": version}):
        say(text)
    body: Json = {
        "content_hash": found["content_hash"],
        "preview": last["preview"],
        "signature": ask().body(),
    }
    if reason is not None:
        body["reason"] = reason
    _told(rule, version, door.post(f"/admin{_path(rule, version)}/approve", body), say)


def retire(
    door: AggregatorDoor,
    rule: str,
    version: int,
    *,
    effective_to: str,
    ask: Callable[[], Signer],
    reason: str,
    console: Console,
) -> None:
    """Show who loses by the end of a version in force, then sign it."""
    seen = preview(door, rule, version, console, retire_on=effective_to)
    body = {
        "effective_to": effective_to,
        "preview": seen["preview"],
        "reason": reason,
        "signature": ask().body(),
    }
    found = door.post(f"/admin{_path(rule, version)}/retire", body)
    _told(rule, version, found, lambda text: console.print(text, highlight=False, markup=False))


def print_list(door: AggregatorDoor, *, as_json: bool, say: Say) -> None:
    """Every version of every rule."""
    found: list[Json] = []
    after: str | None = None
    while True:
        page = door.get("/rules", {"after": after, "limit": str(PAGE)})
        found += page["rules"]
        after = page["next"]
        if after is None:
            break
    if as_json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for one in found:
        days = f"{one['effective_from'] or '-'} to {one['effective_to'] or 'open'}"
        approved = "approved" if one["is_approved"] else "not approved"
        say(
            f"{one['rule']}  {one['version']}  {one['state']}  {approved}  {days}  "
            f"{one['competency']}"
        )
    if not found:
        say("there is no rule")


def print_one(door: AggregatorDoor, rule: str, version: int, *, as_json: bool, say: Say) -> None:
    """One version: content, steps, signatures, previews."""
    found = door.get(_path(rule, version))
    if as_json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return
    say(f"{rule} version {version}: {found['state']}")
    say(f"content {found['content_hash']}")
    for one in found["drafts"]:
        say(f"  revision {one['revision']}: {_signature(one)}; {one['reason']}")
    for one in found["approvals"]:
        say(f"  {_signature(one)}")
    for one in found["steps"]:
        why = f": {one['reason']}" if one["reason"] else ""
        say(f"  {one['stepped_at']}  {one['action']} -> {one['state']} by {one['actor']}{why}")
    for one in found["previews"]:
        say(f"  preview {one['preview']} at {one['previewed_at']}: {one['people']} people")
    say(json.dumps(found["document"], indent=2, ensure_ascii=False))


def explain(
    door: AggregatorDoor,
    person: str,
    question: Mapping[str, str | None],
    *,
    as_json: bool,
    say: Say,
) -> None:
    """Why one person has what they have, as plain text."""
    found = door.get(f"/people/{quote(person, safe='')}/competencies", question)
    if as_json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for index, document in enumerate(found["competencies"]):
        if index:
            say("")
        for text in lines(document):
            say(text)
    if not found["competencies"]:
        say("no rule decides about this person on this day")


def person_of(door: AggregatorDoor, agent: str) -> str:
    """The person whom an xAPI agent (JSON) names. Raises StackError unless it is just one."""
    people = door.get("/people", {"agent": agent})["people"]
    if len(people) != 1:
        raise StackError(f"the agent names {len(people)} people: give the person's id")
    return str(people[0]["person"])


def _signature(one: Json) -> str:
    given = one["signature"]
    valid = "" if one["is_valid"] else " (void: of another content)"
    return f"{given['meaning']}: {given['name']} ({given['account']}), {given['signed_at']}{valid}"


def _told(rule: str, version: int, found: Json, say: Say) -> None:
    say(f"{rule} version {version} is {found['state']}, content {found['content_hash']}")


def _path(rule: str, version: int) -> str:
    return f"/rules/{quote(rule, safe='')}/{version}"
