"""Transcripts (CLR 2.0) and endorsements: genuine in our verifier and in @digitalbazaar/vc, and
found out by both when somebody changed them."""

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest

from assay_credentials.clr import TranscriptFacts, build_transcript
from assay_credentials.contexts import TRANSCRIPT_CONTEXT, pinned_contexts
from assay_credentials.endorsement import EndorsementFacts, build_endorsement
from assay_credentials.errors import BadgeRefused
from assay_credentials.intake import MAX_DOCUMENT_BYTES, JsonObject
from assay_credentials.verification.schemas import schema_errors
from assay_credentials.verify import Outcome, Verification
from credential_samples import (
    AWARD,
    CENTRE,
    REVOCATION,
    SALT,
    STRANGER,
    TRUSTED,
    status_lists,
    verify,
)
from node_tools import run_node

NOW = datetime.now(UTC).replace(microsecond=0)
LIVING = replace(AWARD, awarded_at=NOW - timedelta(days=30), expires_on=date(NOW.year + 1, 1, 31))
CLR = "https://purl.imsglobal.org/spec/vc/clr/vocab.html#"
OTHERS = {**TRUSTED, STRANGER.did: "Employer"}


def badges(count: int, **changed: Any) -> tuple[JsonObject, ...]:
    return tuple(
        CENTRE.badge(
            replace(
                LIVING,
                credential_id=f"urn:uuid:7a1f1a0e-5b55-4c53-8d3e-{n:012x}",
                salt=n.to_bytes(16, "big"),
                **changed,
            )
        )
        for n in range(count)
    )


TWO = badges(2)
FACTS = TranscriptFacts(
    transcript_id="urn:uuid:7a1f1a0e-5b55-4c53-8d3e-0f3a3b7b9a11",
    name="Comprehensive learner record",
    made_at=NOW,
    identity="https://id.example.org|ada",
    salt=SALT,
    credentials=TWO,
)
ENDORSEMENT = EndorsementFacts(
    endorsement_id="urn:uuid:7a1f1a0e-5b55-4c53-8d3e-0f3a3b7b9a12",
    endorsed_id=str(TWO[0]["id"]),
    name="Endorsement",
    comment="She gowned for us for a year.",
    made_at=NOW,
    valid_until=NOW + timedelta(days=365),
)


def transcript(*credentials: JsonObject) -> JsonObject:
    facts = replace(FACTS, credentials=credentials or TWO)
    return CENTRE.sign(build_transcript(facts, CENTRE.issuer), NOW)


def endorsement() -> JsonObject:
    return STRANGER.sign(build_endorsement(ENDORSEMENT, STRANGER.issuer, REVOCATION), NOW)


def ours(document: JsonObject, lists: dict[str, Any] | None = None) -> Verification:
    served = status_lists(at=NOW) if lists is None else lists
    return verify(orjson.dumps(document), NOW, resolve_status=served.get, trusted_issuers=OTHERS)


def theirs(*documents: JsonObject, lists: dict[str, Any]) -> list[dict[str, Any]]:
    known: dict[str, object] = {**pinned_contexts().documents, **lists}
    answers = run_node(
        "verify.mjs",
        {
            "documents": known,
            "credentials": [{"credential": one, "now": NOW.isoformat()} for one in documents],
        },
    )
    assert isinstance(answers, list)
    return answers


def test_a_transcript_wraps_what_was_signed_and_changes_nothing_of_it() -> None:
    made = transcript()
    subject = made["credentialSubject"]
    assert isinstance(subject, dict)
    assert subject["verifiableCredential"] == list(TWO)
    found = ours(made)
    assert (found.outcome, found.issuer) == (Outcome.VALID, CENTRE.did)
    assert [one.outcome for one in found.credentials] == [Outcome.VALID, Outcome.VALID]
    text = orjson.dumps({**made, "credentialSubject": {**subject, "verifiableCredential": []}})
    assert FACTS.identity.encode() not in text


def test_others_verify_transcripts_and_endorsements_and_find_what_was_changed() -> None:
    made, vouched = transcript(), endorsement()
    renamed, lent = copy.deepcopy(made), copy.deepcopy(vouched)
    inside(renamed)["name"] = "Another"
    lent["credentialSubject"]["id"] = str(TWO[1]["id"])  # type: ignore[index]
    lists = status_lists(STRANGER, at=NOW)
    genuine, endorsed, changed, moved = theirs(made, vouched, renamed, lent, lists=lists)
    assert (genuine["errors"], genuine["verified"]) == ([], True)
    assert (endorsed["errors"], endorsed["verified"]) == ([], True)
    assert not changed["verified"]
    assert not moved["verified"]
    assert ours(vouched, lists).outcome is Outcome.VALID
    assert ours(renamed).outcome is Outcome.NOT_GENUINE
    assert ours(lent, lists).outcome is Outcome.NOT_GENUINE


def inside(document: JsonObject, number: int = 0) -> dict[str, Any]:
    subject: Any = document["credentialSubject"]
    wrapped: dict[str, Any] = subject["verifiableCredential"][number]
    return wrapped


def test_what_is_revoked_inside_is_found_inside() -> None:
    found = ours(transcript(), status_lists(revoked=[REVOCATION.index], at=NOW))
    assert found.outcome is Outcome.PARTLY_VALID
    assert {one.outcome for one in found.credentials} == {Outcome.REVOKED}


def test_a_forged_credential_under_a_genuine_cover_is_not_genuine() -> None:
    # An issuer that wraps what somebody else never signed: the cover is good, the inside is not.
    forged = {**TWO[0], "name": "Everything"}
    found = ours(transcript(forged, TWO[1]))
    assert found.outcome is Outcome.PARTLY_VALID
    assert [one.outcome for one in found.credentials] == [Outcome.NOT_GENUINE, Outcome.VALID]


@pytest.mark.parametrize(
    "respell",
    [
        lambda subject: subject.update({f"{CLR}identifier-1": subject.pop("identifier")}),
        lambda subject: subject.update(
            {f"{CLR}verifiableCredential": subject.pop("verifiableCredential")}
        ),
        lambda subject: subject["verifiableCredential"][0].update(
            {"https://www.w3.org/2018/credentials#validUntil": "x"}
        ),
        lambda subject: subject["verifiableCredential"][0].pop("credentialStatus"),
        lambda subject: subject["verifiableCredential"][0]["@context"].append({"x": "urn:x"}),
        lambda subject: subject.update({"achievement": subject.pop("identifier")}),
        lambda subject: subject["verifiableCredential"].reverse() or subject.pop("identifier"),
    ],
)
def test_a_respelled_transcript_does_not_pass(respell: Any) -> None:
    made = copy.deepcopy(transcript())
    respell(made["credentialSubject"])
    assert ours(made).outcome in (Outcome.NOT_GENUINE, Outcome.COULD_NOT_CHECK)
    assert ours(made).outcome is not Outcome.VALID


def test_a_hundred_credentials_fit() -> None:
    made = transcript(*badges(100, evidence_sha256=()))
    assert len(orjson.dumps(made)) < MAX_DOCUMENT_BYTES
    found = ours(made)
    assert (found.outcome, len(found.credentials)) == (Outcome.VALID, 100)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"credentials": ()}, "record of nothing"),
        ({"credentials": (TWO[0], TWO[0])}, "already"),
        ({"credentials": ({"id": "urn:x"},)}, "not signed"),
        ({"salt": b"short"}, "salt"),
        ({"made_at": datetime(2026, 1, 1)}, "offset"),
    ],
)
def test_what_would_mislead_is_not_built(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(BadgeRefused, match=why):
        build_transcript(replace(FACTS, **changed), CENTRE.issuer)


def test_an_endorsement_keeps_the_official_schema() -> None:
    made = endorsement()
    assert schema_errors(made) == []
    assert schema_errors({key: item for key, item in made.items() if key != "name"})
    assert made["@context"] != list(TRANSCRIPT_CONTEXT)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"comment": "  "}, "comment"),
        ({"comment": "a" * 2_001}, "longer"),
        ({"endorsed_id": "x"}, "absolute"),
        ({"endorsed_id": STRANGER.did}, "themselves"),
        ({"valid_until": NOW}, "valid_until"),
    ],
)
def test_what_vouches_for_nothing_is_not_built(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(BadgeRefused, match=why):
        build_endorsement(replace(ENDORSEMENT, **changed), STRANGER.issuer, None)
