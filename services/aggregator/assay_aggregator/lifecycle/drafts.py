"""Writing, reviewing, approving and retiring rules.

Each function runs in the transaction of `Records`, and writes its step beside the audit trail. The
content of a draft is hashed as the rule that it will be in force: what was signed is, bit for bit,
what decides, and every decision names its hash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

import orjson

from assay_aggregator.admin import COMPETENCY_BYTES_MAX, Records
from assay_aggregator.errors import Forbidden, Refused, RuleConflict, Unknown
from assay_aggregator.lifecycle.steps import Action, State, step
from assay_aggregator.lifecycle.store import LifecycleStore, VersionKey, retirement_hash
from assay_aggregator.rule import Rule, parse_rule
from assay_aggregator.signing import Signature, SignatureBody, sign
from assay_aggregator.store import Row

AUTHOR: Final = "rule_author"
APPROVER: Final = "rule_approver"

# Statuses that somebody may write into a draft; what it is really is in `rule_step`.
_DRAFTED: Final = (None, "draft", "in_review", "effective")


@dataclass(frozen=True, slots=True)
class Policy:
    """How many people must approve a rule, and how old the preview that they saw may be."""

    approvals_min: int = 1
    preview_ms_max: int = 24 * 3600 * 1000


DEFAULT_POLICY: Final = Policy()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a version stands: its state and the content that this state is about."""

    state: State
    revision: int
    content_hash: str


def as_in_force(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as it will decide. Raises Refused for a status that no draft has."""
    if document.get("status") not in _DRAFTED:
        raise Refused("/status: a draft is not retired; retiring is a step of its own")
    return {**document, "status": "effective"}


class Lifecycle:
    """The steps of one tenant's rules, within the transaction of `records`."""

    def __init__(self, records: Records, policy: Policy = DEFAULT_POLICY) -> None:
        self._records = records
        self._policy = policy
        self._store = LifecycleStore(records.store.connection)

    def key(self, rule_id: str, version: int) -> VersionKey:
        return VersionKey(self._records.tenant, rule_id, version)

    async def draft(self, document: Mapping[str, Any], signature: SignatureBody) -> Standing:
        """Write a version's first or next content, signed by its author.

        Another content voids what was signed before: the version starts again. The same content
        again changes nothing. Raises RuleError for a document that is no rule.
        """
        reason = _required(self._records.reason)
        content = as_in_force(document)
        rule = parse_rule(content)
        if len(rule.competency.encode()) > COMPETENCY_BYTES_MAX:
            raise Refused(f"/competency: longer than {COMPETENCY_BYTES_MAX} bytes")
        key = self.key(rule.id, rule.version)
        await self._require_free(key, rule)
        last = await self._store.last_draft(key)
        state = await self._state(key)
        following = step(state, "draft")
        if last is not None and last["content_hash"] == rule.hash and state != "withdrawn":
            return Standing(state or following, last["revision"], rule.hash)
        signed = await self._sign(signature, rule.hash, AUTHOR)
        revision = 1 if last is None else last["revision"] + 1
        await self._store.insert_draft(
            key,
            revision,
            rule.competency,
            rule.hash,
            orjson.dumps(content).decode(),
            self._records.actor,
            signed.account,
            signed.signature,
            reason,
            self._records.recorded_ms,
        )
        standing = Standing(following, revision, rule.hash)
        await self._note(key, "draft", standing, signed)
        return standing

    async def submit(self, key: VersionKey) -> Standing:
        """Put the content up for review."""
        return await self._plain(key, "submit")

    async def give_back(self, key: VersionKey) -> Standing:
        """Send a version back to its author, with a reason; approvals so far are void."""
        _required(self._records.reason)
        return await self._plain(key, "return")

    async def withdraw(self, key: VersionKey) -> Standing:
        """Give a version up, with a reason."""
        _required(self._records.reason)
        return await self._plain(key, "withdraw")

    async def approve(
        self, key: VersionKey, content_hash: str, preview: UUID, signature: SignatureBody
    ) -> Standing:
        """Approve a content that was previewed; with the last approval needed it gets into force.

        `content_hash` is what the approver has read. Raises Forbidden for an author of the version
        or somebody who has approved it already, RuleConflict for another content than the one in
        review, Refused for a preview of another content or an old one.
        """
        following = step(await self._state(key), "approve")
        last = await self._drafted(key)
        if last["content_hash"] != content_hash:
            raise RuleConflict(
                f"the content in review has the hash {last['content_hash']}: read it again"
            )
        await self._require_preview(key, content_hash, preview)
        signed = await self._sign(signature, content_hash, APPROVER)
        if signed.account in await self._store.authors(key):
            raise Forbidden(f"{signed.account} has written this version: somebody else approves it")
        approvals = await self.approvals_of(key, last)
        if signed.account in approvals:
            raise Forbidden(f"{signed.account} has approved this content already")
        await self._store.insert_approval(
            key,
            signed.signature,
            last["revision"],
            content_hash,
            signed.account,
            preview,
            self._records.recorded_ms,
        )
        standing = Standing(following, last["revision"], content_hash)
        await self._note(key, "approve", standing, signed)
        if len(approvals) + 1 < self._policy.approvals_min:
            return standing
        return await self._publish(key, last, signed)

    async def _publish(self, key: VersionKey, last: Row, signed: Signature) -> Standing:
        rule = await self._records.put_rule(orjson.loads(last["document"]))
        if rule.hash != last["content_hash"]:
            raise RuleConflict("the stored content does not have the hash that was approved")
        standing = Standing(step("in_review", "publish"), last["revision"], rule.hash)
        await self._note(key, "publish", standing, signed)
        return standing

    async def retire(
        self, key: VersionKey, effective_to: date, preview: UUID, signature: SignatureBody
    ) -> Standing:
        """End a version in force: it decides no more from the local day `effective_to` on.

        Raises Refused for a preview of something else, or an old one.
        """
        reason = _required(self._records.reason)
        held = await self._store.find_version(key)
        if held is None:
            raise Unknown(f"no version {key} is in force")
        state = await self._state(key) or "effective"
        following = step(state, "retire")
        content_hash = retirement_hash(key, held["hash"], effective_to)
        await self._require_preview(key, content_hash, preview)
        signed = await self._sign(signature, content_hash, APPROVER)
        await self._store.insert_retirement(
            key,
            effective_to,
            signed.account,
            signed.signature,
            reason,
            self._records.recorded_ms,
        )
        last = await self._store.last_draft(key)
        standing = Standing(following, 0 if last is None else last["revision"], held["hash"])
        await self._note(key, "retire", standing, signed)
        await self._records.mark_rule(parse_rule(orjson.loads(held["document"])))
        return standing

    async def approvals_of(self, key: VersionKey, last: Row) -> set[str]:
        """Who has approved just this content since it was last put up for review."""
        steps = await self._store.steps(key)
        submitted = max(
            (one["step"] for one in steps if one["action"] == "submit"), default=len(steps)
        )
        signed = {one["signature"] for one in steps if one["step"] > submitted}
        return {
            one["account"]
            for one in await self._store.approvals(key)
            if one["content_hash"] == last["content_hash"] and one["signature"] in signed
        }

    async def _plain(self, key: VersionKey, action: Action) -> Standing:
        """A step that needs no signature."""
        following = step(await self._state(key), action)
        last = await self._drafted(key)
        standing = Standing(following, last["revision"], last["content_hash"])
        await self._note(key, action, standing, None)
        return standing

    async def _state(self, key: VersionKey) -> State | None:
        row = await self._store.last_step(key)
        return None if row is None else row["state"]

    async def _drafted(self, key: VersionKey) -> Row:
        row = await self._store.last_draft(key)
        if row is None:
            raise Unknown(f"there is no draft {key}")
        return row

    async def _require_free(self, key: VersionKey, rule: Rule) -> None:
        """Raise RuleConflict where the version, or its competency, belongs to another rule."""
        held = await self._store.find_version(key)
        if held is not None and held["hash"] != rule.hash:
            raise RuleConflict(f"{key} is in force with other content: a change is a new version")
        await self._records.require_place(rule)

    async def _require_preview(self, key: VersionKey, content_hash: str, preview: UUID) -> None:
        row = await self._store.find_preview(key.tenant, preview)
        if row is None:
            raise Unknown("there is no such preview")
        if row["content_hash"] != content_hash:
            raise Refused("`preview` was made of another content")
        if self._records.recorded_ms - row["known_at_ms"] > self._policy.preview_ms_max:
            raise Refused("`preview` is too old: the evidence has moved on, make it again")

    async def _sign(self, given: SignatureBody, content_hash: str, role: str) -> Signature:
        return await sign(
            self._records.store.connection,
            self._records.tenant,
            given.account,
            given.password,
            given.meaning,
            content_hash,
            recorded_ms=self._records.recorded_ms,
            role=role,
        )

    async def _note(
        self, key: VersionKey, action: Action, standing: Standing, signed: Signature | None
    ) -> None:
        """Write the step, and the audit trail beside it."""
        before = await self._store.last_step(key)
        await self._store.insert_step(
            key,
            1 if before is None else before["step"] + 1,
            action,
            standing.state,
            standing.revision,
            standing.content_hash,
            self._records.actor,
            None if signed is None else signed.account,
            None if signed is None else signed.signature,
            self._records.reason,
            self._records.recorded_ms,
        )
        after: dict[str, Any] = {"state": standing.state, "hash": standing.content_hash}
        if signed is not None:
            after |= {"account": signed.account, "signature": signed.signature}
        await self._records.audit(
            f"rule.{action}",
            f"rule:{key}",
            before=None if before is None else {"state": before["state"]},
            after=after,
        )


def _required(reason: str | None) -> str:
    if reason is None or not reason.strip():
        raise Refused("`reason` is required")
    return reason
