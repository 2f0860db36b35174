"""Status lists as the verifier meets them: a bad one means "could not check"."""

import zlib
from datetime import timedelta
from typing import Any

import pytest

from assay_credentials.intake import JsonObject
from assay_credentials.multibase import encode_base64url
from assay_credentials.verify import Outcome, Result
from credential_samples import (
    CENTRE,
    CLEAR_LISTS,
    NOW,
    REVOCATION,
    REVOCATION_URL,
    STRANGER,
    SUSPENSION,
    SUSPENSION_URL,
    status_lists,
    verify,
)

BADGE = CENTRE.badge()
REVOKED = status_lists(revoked=[REVOCATION.index])


def _list(**changed: Any) -> JsonObject:
    """A signed suspension list whose unsigned form was changed first."""
    document: Any = CENTRE.status_list("suspension")
    del document["proof"]
    subject = document["credentialSubject"]
    for key, value in changed.items():
        target = subject if key in ("encodedList", "statusPurpose") else document
        if value is None:
            del target[key]
        else:
            target[key] = value
    return CENTRE.sign(document)


def _bomb() -> str:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(64)) + compressor.flush()
    return encode_base64url(data)


def _tampered_list() -> JsonObject:
    document: Any = status_lists(suspended=[SUSPENSION.index])[SUSPENSION_URL]
    clear: Any = CENTRE.status_list("suspension")
    document["credentialSubject"]["encodedList"] = clear["credentialSubject"]["encodedList"]
    return dict(document)


@pytest.mark.parametrize(
    ("served", "why"),
    [
        (None, "fetched"),
        (b"<html>", "not genuine"),
        (_tampered_list(), "not genuine"),
        (STRANGER.status_list("suspension"), "somebody else"),
        (CENTRE.status_list("revocation"), "another status list"),
        (CENTRE.status_list("revocation", url=SUSPENSION_URL), "not one of suspension"),
        (CENTRE.status_list("suspension", at=NOW - timedelta(hours=2)), "out of date"),
        (CENTRE.status_list("suspension", at=NOW + timedelta(hours=2)), "out of date"),
        (_list(validUntil=None), "validUntil"),
        (_list(type=["VerifiableCredential"]), "not a status list"),
        (_list(encodedList=_bomb()), "unzips"),
        (_list(encodedList="uAAAA"), "read"),
        (_list(statusPurpose="message"), "not one of suspension"),
        (BADGE, "@context"),
    ],
)
def test_a_list_that_cannot_be_relied_on_means_could_not_check(served: Any, why: str) -> None:
    lists = {**CLEAR_LISTS, SUSPENSION_URL: served}
    answer = verify(BADGE, resolve_status=lists.get)
    assert answer.outcome is Outcome.COULD_NOT_CHECK
    (check,) = [c for c in answer.checks if c.result is Result.COULD_NOT_CHECK]
    assert check.name == "status"
    assert why in check.detail


def test_a_revocation_is_told_even_when_the_other_list_is_missing() -> None:
    lists = {REVOCATION_URL: REVOKED[REVOCATION_URL]}
    assert verify(BADGE, resolve_status=lists.get).outcome is Outcome.REVOKED


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "StatusList2021Entry"},
        {"statusPurpose": "refresh"},
        {"statusListIndex": "-1"},
        {"statusListIndex": "999999999"},
        {"statusListIndex": "٣"},  # a digit to Python, not to the specification
        {"statusSize": 2},
    ],
)
def test_a_status_entry_of_another_kind_means_could_not_check(entry: dict[str, Any]) -> None:
    badge: Any = CENTRE.badge(status=(SUSPENSION,))
    del badge["proof"]
    badge["credentialStatus"].update(entry)
    if "type" in entry:
        badge["credentialStatus"] = {"id": "https://e.example/s#1", "type": "BitstringStatusList"}
    answer = verify(CENTRE.sign(badge))
    assert answer.outcome is Outcome.COULD_NOT_CHECK


def test_many_status_entries_are_not_fetched() -> None:
    badge: Any = CENTRE.badge(status=(SUSPENSION,))
    del badge["proof"]
    entry = badge["credentialStatus"]
    badge["credentialStatus"] = [{**entry, "id": f"{SUSPENSION_URL}#{i}"} for i in range(9)]
    asked: list[str] = []

    def resolve(url: str) -> JsonObject | None:
        asked.append(url)
        return CLEAR_LISTS.get(url)

    answer = verify(CENTRE.sign(badge), resolve_status=resolve)
    assert answer.outcome is Outcome.COULD_NOT_CHECK
    assert asked == []
