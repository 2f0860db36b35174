"""A rule version with its whole life, as it is shown: content, steps, signatures, previews."""

from typing import Any, Final
from uuid import UUID

import orjson

from assay_aggregator.copies import instant
from assay_aggregator.dates import format_instant
from assay_aggregator.errors import Unknown
from assay_aggregator.lifecycle.store import LifecycleStore, VersionKey
from assay_aggregator.rule import rule_hash
from assay_aggregator.signing import Signature, signatures
from assay_aggregator.store import Row
from assay_runtime.postgres import Connection

PREVIEWS_SHOWN: Final = 20


async def rule_document(connection: Connection, key: VersionKey) -> dict[str, Any]:
    """Everything about one version. Raises Unknown.

    A signature is `is_valid` when it was given for just the content that is shown here.
    """
    tables = LifecycleStore(connection)
    version, draft = await tables.find_version(key), await tables.last_draft(key)
    if version is None and draft is None:
        raise Unknown(f"there is no rule version {key}")
    source = draft if version is None else version
    document = orjson.loads(source["document"]) if source is not None else {}
    content_hash = rule_hash(document)
    drafts, steps = await tables.drafts(key), await tables.steps(key)
    approvals = await tables.approvals(key)
    wanted = {row["signature"] for rows in (drafts, approvals, steps) for row in rows}
    if version is not None:
        wanted.add(version["retired_signature"])
    signed = await signatures(connection, key.tenant, sorted(wanted - {None}))
    return {
        "rule": key.rule_id,
        "version": key.version,
        "state": _state(version, steps),
        "content_hash": content_hash,
        "document": document,
        "in_force": None if version is None else _in_force(version, signed),
        "drafts": [_signed(row, signed, content_hash) for row in drafts],
        "approvals": [_signed(row, signed, content_hash) for row in approvals],
        "steps": [_step(row) for row in steps],
        "previews": [_preview(row) for row in await tables.previews(key, PREVIEWS_SHOWN)],
    }


def rule_row(row: Row) -> dict[str, Any]:
    """One version in a list."""
    return {
        "rule": row["rule_id"],
        "version": row["version"],
        "competency": row["competency"],
        "content_hash": row["content_hash"],
        "state": _state_of(row["state"], row["status"], is_retired=row["is_retired"]),
        "is_approved": row["is_approved"],
        "effective_from": row["effective_from"],
        "effective_to": row["effective_to"],
        "recorded": None
        if row["recorded_ms"] is None
        else format_instant(instant(row["recorded_ms"])),
    }


def _state(version: Row | None, steps: list[Row]) -> str:
    last = steps[-1]["state"] if steps else None
    if version is None:
        return str(last)
    return _state_of(last, version["status"], is_retired=version["retired_on"] is not None)


def _state_of(state: str | None, status: str | None, *, is_retired: bool) -> str:
    """Of a version that came in without a draft, the status that it was recorded with."""
    if state is not None:
        return state
    return "retired" if is_retired else str(status)


def _in_force(version: Row, signed: dict[UUID, Signature]) -> dict[str, Any]:
    retired = signed.get(version["retired_signature"])
    return {
        "recorded": format_instant(instant(version["recorded_ms"])),
        "effective_from": version["effective_from"],
        "effective_to": version["effective_to"],
        "retired_on": version["retired_on"],
        "retired_because": version["retired_because"],
        "retired_by": None if retired is None else retired.document(),
    }


def _signed(row: Row, signed: dict[UUID, Signature], content_hash: str) -> dict[str, Any]:
    found = dict(row)
    found.pop("recorded_ms")
    signature = signed[row["signature"]]
    return {
        **found,
        "recorded": format_instant(instant(row["recorded_ms"])),
        "signature": signature.document(),
        "is_valid": signature.content_hash == row["content_hash"] == content_hash,
    }


def _step(row: Row) -> dict[str, Any]:
    found = dict(row)
    found["recorded"] = format_instant(instant(found.pop("recorded_ms")))
    return found


def _preview(row: Row) -> dict[str, Any]:
    return {
        "preview": row["preview"],
        "content_hash": row["content_hash"],
        "actor": row["actor"],
        "as_of": format_instant(instant(row["as_of_ms"])),
        "known_at": format_instant(instant(row["known_at_ms"])),
        "people": row["people"],
        "counts": orjson.loads(row["counts"]),
        "changes_hash": row["changes_hash"],
        "previewed_at": row["previewed_at"],
    }
