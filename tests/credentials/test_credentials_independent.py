"""Software that we did not write verifies what we issue: @digitalbazaar/vc, offline."""

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from assay_credentials.contexts import pinned_contexts
from assay_credentials.status_list import Purpose
from assay_credentials.verify import Outcome
from credential_samples import (
    AWARD,
    CENTRE,
    REVOCATION,
    STRANGER,
    SUSPENSION,
    SUSPENSION_URL,
    status_lists,
    verify,
)
from node_tools import run_node

# That verifier reads the clock for status lists itself, so these badges live now.
NOW = datetime.now(UTC).replace(microsecond=0)
LIVING = replace(AWARD, awarded_at=NOW - timedelta(days=30), expires_on=date(NOW.year + 1, 1, 31))


def _verify_by_both(
    badge: Any, lists: dict[str, Any], at: datetime = NOW
) -> tuple[dict[str, Any], Outcome]:
    documents: dict[str, object] = {**pinned_contexts().documents, **lists}
    answers = run_node(
        "verify.mjs",
        {
            "documents": documents,
            "credentials": [{"credential": badge, "now": at.isoformat()}],
        },
    )
    assert isinstance(answers, list)
    (theirs,) = answers
    return theirs, verify(badge, at, resolve_status=lists.get).outcome


def test_a_valid_badge() -> None:
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), status_lists(at=NOW))
    assert theirs["errors"] == []
    assert theirs["verified"] is True
    assert {s["purpose"]: s["status"] for s in theirs["statuses"]} == {
        "revocation": False,
        "suspension": False,
    }
    assert ours is Outcome.VALID


@pytest.mark.parametrize(
    ("purpose", "outcome"),
    [("suspension", Outcome.SUSPENDED), ("revocation", Outcome.REVOKED)],
)
def test_a_suspended_and_a_revoked_badge(purpose: Purpose, outcome: Outcome) -> None:
    lists = status_lists(
        revoked=[REVOCATION.index] if purpose == "revocation" else [],
        suspended=[SUSPENSION.index] if purpose == "suspension" else [],
        at=NOW,
    )
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), lists)
    assert {s["purpose"]: s["status"] for s in theirs["statuses"]}[purpose] is True
    assert sum(s["status"] for s in theirs["statuses"]) == 1
    assert ours is outcome


def test_a_badge_with_one_status_entry_and_texts_of_many_scripts() -> None:
    award = replace(
        LIVING,
        achievement=replace(
            LIVING.achievement,
            name='Gwisgo\u2019n aseptig \u2014 "gradd B" \\ 無菌 \U0001f9ea',
            criteria="line one\n\tline two\r\n\u00a0end",
        ),
    )
    theirs, ours = _verify_by_both(CENTRE.badge(award, (SUSPENSION,)), status_lists(at=NOW))
    assert theirs["errors"] == []
    assert theirs["verified"] is True
    assert ours is Outcome.VALID


def test_an_expired_badge() -> None:
    later = NOW + timedelta(days=800)
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), status_lists(at=NOW), at=later)
    assert theirs["verified"] is False
    assert "validUntil" in " ".join(theirs["errors"])
    assert ours is Outcome.EXPIRED


@pytest.mark.parametrize("field", ["validUntil", "name", "id"])
def test_a_tampered_badge(field: str) -> None:
    badge: Any = copy.deepcopy(CENTRE.badge(LIVING))
    badge[field] = "2099-01-01T00:00:00Z" if field == "validUntil" else badge[field] + "0"
    theirs, ours = _verify_by_both(badge, status_lists(at=NOW))
    assert theirs["verified"] is False
    assert "Invalid signature" in " ".join(theirs["errors"])
    assert ours is Outcome.NOT_GENUINE


def test_a_status_list_signed_by_somebody_else() -> None:
    lists = {
        **status_lists(at=NOW),
        SUSPENSION_URL: STRANGER.status_list("suspension", at=NOW),
    }
    theirs, ours = _verify_by_both(CENTRE.badge(LIVING), lists)
    assert theirs["verified"] is False
    assert ours is Outcome.COULD_NOT_CHECK
