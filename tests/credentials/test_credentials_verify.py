"""The verifier's answers, and the attacks that they must withstand."""

import copy
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pyld import jsonld

from assay_credentials.contexts import pinned_contexts
from assay_credentials.did import VerificationKey
from assay_credentials.intake import MAX_ITEMS, JsonObject
from assay_credentials.verify import Outcome, Result, Verification
from credential_samples import (
    AWARD,
    CENTRE,
    CLEAR_LISTS,
    NOW,
    REVOCATION,
    STRANGER,
    SUSPENSION,
    TRUSTED,
    status_lists,
    verify,
)

BADGE = CENTRE.badge()
REVOKED = status_lists(revoked=[REVOCATION.index])
SUSPENDED = status_lists(suspended=[SUSPENSION.index])
BOTH = status_lists(revoked=[REVOCATION.index], suspended=[SUSPENSION.index])
AFTER = datetime(2027, 3, 3, tzinfo=UTC)


def _edited(document: JsonObject = BADGE) -> Any:
    return copy.deepcopy(document)


def _results(verification: Verification) -> list[tuple[str, str]]:
    return [(check.name, check.result.value) for check in verification.checks]


def test_a_good_badge_is_valid_and_every_check_is_listed() -> None:
    answer = verify(json.dumps(BADGE).encode())
    assert answer.outcome is Outcome.VALID
    assert _results(answer) == [
        ("form", "passed"),
        ("contexts", "passed"),
        ("terms", "passed"),
        ("signature", "passed"),
        ("dates", "passed"),
        ("status", "passed"),
        ("status", "passed"),
        ("issuer", "passed"),
        ("achievement", "passed"),
        ("schema", "passed"),
    ]
    assert answer.issuer == CENTRE.did
    # The name is the register's, not the one in the document.
    assert answer.issuer_name == "Training Centre North (register)"
    assert answer.valid_until == datetime(2027, 3, 2, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "lists", "trusted", "outcome"),
    [
        (NOW, SUSPENDED, TRUSTED, Outcome.SUSPENDED),
        (NOW, REVOKED, TRUSTED, Outcome.REVOKED),
        (NOW, BOTH, TRUSTED, Outcome.REVOKED),
        (AFTER, status_lists(at=AFTER), TRUSTED, Outcome.EXPIRED),
        (AFTER, {}, TRUSTED, Outcome.EXPIRED),
        (AFTER, status_lists(revoked=[90_210], at=AFTER), TRUSTED, Outcome.REVOKED),
        (AFTER, status_lists(suspended=[4_711], at=AFTER), TRUSTED, Outcome.EXPIRED),
        (NOW, CLEAR_LISTS, {}, Outcome.ISSUER_UNKNOWN),
        (NOW, SUSPENDED, {}, Outcome.SUSPENDED),
        (NOW, {}, {}, Outcome.COULD_NOT_CHECK),
        (NOW, {}, TRUSTED, Outcome.COULD_NOT_CHECK),
    ],
)
def test_the_outcome_of_each_state(
    at: datetime, lists: dict[str, JsonObject], trusted: dict[str, str], outcome: Outcome
) -> None:
    answer = verify(BADGE, at, resolve_status=lists.get, trusted_issuers=trusted)
    assert answer.outcome is outcome
    assert answer.sentence


@pytest.mark.parametrize(
    ("at", "outcome"),
    [
        (datetime(2027, 3, 2, 23, 59, 59, tzinfo=UTC), Outcome.VALID),
        (datetime(2027, 3, 3, tzinfo=UTC), Outcome.EXPIRED),
        (AWARD.awarded_at, Outcome.VALID),
        (AWARD.awarded_at - timedelta(minutes=4), Outcome.VALID),
        (AWARD.awarded_at - timedelta(minutes=6), Outcome.NOT_YET_VALID),
    ],
)
def test_the_period_of_validity_is_kept_to_the_second(at: datetime, outcome: Outcome) -> None:
    assert verify(BADGE, at, resolve_status=status_lists(at=at).get).outcome is outcome


def test_a_badge_without_status_or_end_is_valid() -> None:
    assert verify(CENTRE.badge(status=())).outcome is Outcome.VALID


# Attacks on the document. Each keeps as much of the genuine badge as it can.


def _move_date(badge: Any) -> None:
    badge["validUntil"] = "2036-03-02T23:59:59Z"


def _drop_date(badge: Any) -> None:
    del badge["validUntil"]


def _respell_date(badge: Any) -> None:
    name = "https://www.w3.org/2018/credentials#validUntil"
    badge[name] = {"@type": "xsd:dateTime", "@value": badge.pop("validUntil")}


def _respell_date_fully(badge: Any) -> None:
    name = "https://www.w3.org/2018/credentials#validUntil"
    badge[name] = {
        "@type": "http://www.w3.org/2001/XMLSchema#dateTime",
        "@value": badge.pop("validUntil"),
    }


def _drop_status(badge: Any) -> None:
    del badge["credentialStatus"]


def _drop_one_status(badge: Any) -> None:
    badge["credentialStatus"].pop()


def _respell_status(badge: Any) -> None:
    badge["https://www.w3.org/2018/credentials#credentialStatus"] = badge.pop("credentialStatus")


def _move_status_index(badge: Any) -> None:
    badge["credentialStatus"][1]["statusListIndex"] = "1"


def _alias_status(badge: Any) -> None:
    badge["@context"].append({"x": "https://www.w3.org/2018/credentials#credentialStatus"})
    badge["x"] = badge.pop("credentialStatus")


def _redefine_date(badge: Any) -> None:
    badge["@context"].insert(0, {"validUntil": "https://e.example/ignored"})


def _nested_alias(badge: Any) -> None:
    badge["credentialSubject"]["@context"] = {"achievement": "u:other"}


def _other_level(badge: Any) -> None:
    badge["credentialSubject"]["result"][0]["achievedLevel"] = "https://example.org/levels/1"


def _other_name(badge: Any) -> None:
    badge["name"] = "Something better"


def _extra_claim(badge: Any) -> None:
    badge["credentialSubject"]["achievement"]["fieldOfStudy"] = "Everything"


def _unknown_claim(badge: Any) -> None:
    badge["level"] = "master"


def _other_issuer(badge: Any) -> None:
    badge["issuer"]["id"] = STRANGER.did


def _proof_of_another(badge: Any) -> None:
    badge["proof"] = STRANGER.badge()["proof"]


def _proof_of_another_badge(badge: Any) -> None:
    other = CENTRE.badge(status=(REVOCATION,))
    badge["proof"] = other["proof"]


def _no_proof(badge: Any) -> None:
    del badge["proof"]


def _later_proof_date(badge: Any) -> None:
    badge["proof"][0]["created"] = "2026-06-02T12:00:00Z"


def _two_dates(badge: Any) -> None:
    badge["validUntil"] = [badge["validUntil"], "2036-03-02T23:59:59Z"]


def _null_date(badge: Any) -> None:
    badge["validUntil"] = None


def _no_type(badge: Any) -> None:
    badge["type"] = ["OpenBadgeCredential"]


@pytest.mark.parametrize(
    ("attack", "stopped_at"),
    [
        (_move_date, "signature"),
        (_drop_date, "signature"),
        (_respell_date, "terms"),
        (_respell_date_fully, "terms"),
        (_drop_status, "signature"),
        (_drop_one_status, "signature"),
        (_respell_status, "terms"),
        (_move_status_index, "signature"),
        (_alias_status, "contexts"),
        (_redefine_date, "contexts"),
        (_nested_alias, "terms"),
        (_other_level, "signature"),
        (_other_name, "signature"),
        (_extra_claim, "signature"),
        (_unknown_claim, "terms"),
        (_other_issuer, "signature"),
        (_proof_of_another, "signature"),
        (_proof_of_another_badge, "signature"),
        (_no_proof, "signature"),
        (_later_proof_date, "signature"),
        (_two_dates, "form"),
        (_null_date, "form"),
        (_no_type, "form"),
    ],
)
def test_a_tampered_badge_is_not_genuine(attack: Callable[[Any], None], stopped_at: str) -> None:
    badge = _edited()
    attack(badge)
    answer = verify(badge)
    assert answer.outcome is Outcome.NOT_GENUINE
    assert (answer.checks[-1].name, answer.checks[-1].result) == (stopped_at, Result.FAILED)
    assert answer.issuer is None


def test_a_respelled_badge_is_refused_although_its_signature_still_fits() -> None:
    """The attack is real: plain JSON-LD reads the re-spelled badge as the same statements."""

    def n_quads(badge: Any) -> Any:
        return jsonld.to_rdf(
            badge,
            {
                "base": None,
                "format": "application/n-quads",
                "documentLoader": lambda url, _: {
                    "contentType": "application/ld+json",
                    "contextUrl": None,
                    "documentUrl": url,
                    "document": pinned_contexts().documents[url],
                },
            },
        )

    badge = _edited()
    del badge["proof"]
    before = sorted(n_quads(badge).splitlines())
    _respell_date_fully(badge)
    # Blank node labels do not depend on this key, so the texts can be compared as they are.
    assert sorted(n_quads(badge).splitlines()) == before
    assert "validUntil" not in badge


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"", Outcome.NOT_GENUINE),
        (b"[]", Outcome.NOT_GENUINE),
        (b"{}", Outcome.NOT_GENUINE),
        (b"{" + b'"a":{' * 50_000, Outcome.COULD_NOT_CHECK),
        (b" " * 600_000, Outcome.COULD_NOT_CHECK),
    ],
)
def test_what_is_no_credential_is_answered_and_not_raised(data: bytes, outcome: Outcome) -> None:
    assert verify(data).outcome is outcome


def test_a_duplicate_key_is_seen_in_the_bytes() -> None:
    """One reader takes the first `validUntil`, another the last; so nobody gets to choose."""
    text = json.dumps(BADGE)
    twice = text.replace('"validUntil":', '"validUntil": "2036-03-02T23:59:59Z", "validUntil":')
    assert json.loads(twice) == BADGE
    answer = verify(twice.encode())
    assert answer.outcome is Outcome.NOT_GENUINE
    assert "validUntil" in answer.checks[-1].detail


def test_a_graph_bomb_is_not_worked_on() -> None:
    badge = _edited()
    nodes = 40
    badge["credentialSubject"] = [
        {"id": f"_:n{a}", "type": "AchievementSubject", "source": [f"_:n{b}" for b in range(nodes)]}
        for a in range(nodes)
    ]
    started = time.process_time()
    assert verify(badge).outcome is Outcome.COULD_NOT_CHECK
    assert time.process_time() - started < 5


def test_a_bomb_of_equal_nodes_without_labels_ends_too() -> None:
    badge = _edited()
    badge["evidence"] = [{"type": ["Evidence"]}] * 900
    started = time.process_time()
    assert verify(badge).outcome in (Outcome.COULD_NOT_CHECK, Outcome.NOT_GENUINE)
    assert time.process_time() - started < 5


def test_a_wide_document_ends_too() -> None:
    """As many values as one array may hold, in several: JSON-LD compares each with each."""
    badge = _edited()
    badge["evidence"] = [{"type": ["Evidence"]}] * MAX_ITEMS
    badge["credentialSubject"]["result"] = [
        {"type": ["Result"], "value": str(number)} for number in range(MAX_ITEMS)
    ]
    badge["credentialSubject"]["achievement"]["alignment"] = [
        {
            "type": ["Alignment"],
            "targetName": str(number),
            "targetUrl": f"https://e.example/{number}",
        }
        for number in range(MAX_ITEMS)
    ]
    started = time.process_time()
    assert verify(badge).outcome is Outcome.NOT_GENUINE
    assert time.process_time() - started < 5
    badge["evidence"] *= 2
    assert verify(badge).outcome is Outcome.COULD_NOT_CHECK


def test_another_vocabulary_or_suite_could_not_be_checked() -> None:
    badge = _edited()
    badge["@context"][1] = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json"
    assert verify(badge).outcome is Outcome.COULD_NOT_CHECK
    badge = _edited()
    badge["proof"][0]["cryptosuite"] = "ecdsa-rdfc-2019"
    assert verify(badge).outcome is Outcome.COULD_NOT_CHECK


def test_a_key_that_cannot_be_looked_up_is_not_a_forgery() -> None:
    answer = verify(BADGE, resolve_key=lambda _: None)
    assert answer.outcome is Outcome.COULD_NOT_CHECK
    assert _results(answer)[-1] == ("signature", "could_not_check")


def test_a_key_of_somebody_else_does_not_speak_for_the_issuer() -> None:
    key = VerificationKey("did:web:other.example", CENTRE.signer.public_key)
    answer = verify(BADGE, resolve_key=lambda _: key)
    assert answer.outcome is Outcome.NOT_GENUINE


def test_a_stranger_who_takes_the_name_is_an_unknown_issuer() -> None:
    answer = verify(STRANGER.badge(), resolve_status=status_lists(STRANGER).get)
    assert answer.outcome is Outcome.ISSUER_UNKNOWN
    assert answer.issuer_name is None


def test_nothing_is_fetched_for_a_forgery() -> None:
    """Else a forged badge would make us call any URL that it names."""
    asked: list[str] = []
    badge = _edited()
    _move_date(badge)
    verify(badge, resolve_status=lambda url: asked.append(url))
    assert asked == []
