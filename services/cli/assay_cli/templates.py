"""`assay template …`: templates of credentials, over the credentials service's HTTP."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from assay_aggregator.rule_text import TextError, read_text
from assay_cli.credentials_door import CredentialsDoor
from assay_cli.errors import StackError
from assay_cli.rule_lifecycle import Signer

Say = Callable[[str], None]
Json = dict[str, Any]
PAGE: Final = 100


def read_document(file: Path) -> Json:
    """The template that a JSON or YAML file holds. Raises StackError."""
    try:
        value = read_text(file.read_bytes(), file.name).value
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from error
    except TextError as error:
        raise StackError(f"{file}: {error}") from error
    if not isinstance(value, dict):
        raise StackError(f"{file}: a template is a map of keys")
    found: Json = json.loads(json.dumps(value, default=_number))
    return found


def _number(value: object) -> int | float:
    if not isinstance(value, Decimal):
        raise StackError(f"{value!r} cannot be sent as JSON")
    return int(value) if value == value.to_integral_value() else float(value)


def put_image(door: CredentialsDoor, file: Path) -> str:
    """The name under which a template says it. Raises StackError."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from error
    return str(door.upload("/images", content, "application/octet-stream")["image"])


def propose(
    door: CredentialsDoor,
    template: str,
    document: Mapping[str, Any],
    signer: Signer,
    reason: str,
) -> Json:
    """Write the next version down, signed by its author."""
    body = {"document": dict(document), "reason": reason, "signature": signer.body()}
    return door.post(f"/templates/{template}/versions", body)


def approve(
    door: CredentialsDoor,
    template: str,
    version: int,
    signer: Signer,
    reason: str,
    content_sha256: str | None = None,
) -> Json:
    """Bring a version into force that somebody else proposed."""
    body: Json = {"reason": reason, "signature": signer.body()}
    if content_sha256 is not None:
        body["content_sha256"] = content_sha256
    return door.post(f"/templates/{template}/versions/{version}/approve", body)


def end(door: CredentialsDoor, template: str, version: int, signer: Signer, reason: str) -> Json:
    """Withdraw a proposal, or retire what is in force."""
    body = {"reason": reason, "signature": signer.body()}
    return door.post(f"/templates/{template}/versions/{version}/end", body)


def listed(door: CredentialsDoor, template: str | None = None) -> Iterator[Json]:
    """Every version, page by page."""
    after: Json | None = {"after": "", "after_version": "0"}
    while after is not None:
        query = {name: str(value) for name, value in after.items()}
        page = door.get("/templates", {"template": template, "limit": str(PAGE), **query})
        yield from page["templates"]
        after = page["next"]


@dataclass(frozen=True, slots=True)
class Previewed:
    """What is looked at: a version, or the content of a file that is not proposed yet."""

    template: str
    version: int | None
    document: Mapping[str, Any] | None
    language: str | None


def preview(door: CredentialsDoor, what: Previewed) -> Json:
    """The unsigned sample. Raises StackError."""
    found: Json = json.loads(_previewed(door, what, None))
    return found


def picture(door: CredentialsDoor, what: Previewed, kind: str) -> bytes:
    """How its badge looks; `png` or `svg`. Raises StackError."""
    return _previewed(door, what, kind)


def _previewed(door: CredentialsDoor, what: Previewed, picture: str | None) -> bytes:
    if (what.version is None) == (what.document is None):
        raise StackError("say a version, or a file that is not proposed yet")
    query = {} if picture is None else {"picture": picture}
    if what.document is None:
        if what.language is not None:
            query["language"] = what.language
        return door.content(f"/templates/{what.template}/versions/{what.version}/preview", query)
    body: Json = {"document": dict(what.document)}
    if what.language is not None:
        body["language"] = what.language
    return door.content(f"/templates/{what.template}/preview", query, body)


def line(one: Mapping[str, Any]) -> str:
    """A version in one line."""
    document = one["document"]
    who = f"proposed by {one['proposed_by']}"
    if one["approved_by"] is not None:
        who += f", approved by {one['approved_by']}"
    languages = ",".join(sorted(document["texts"]))
    name = document["texts"][document["language"]]["name"]
    return (
        f"{one['template']}  version {one['version']}  {one['state']}  {name} ({languages})  "
        f"{document['competency']}  {who}  content {one['content_sha256'][:12]}"
    )
