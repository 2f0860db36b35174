"""What a signature of a statement must be, and whose it is said to be."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography import x509

from assay_ingest.signatures import (
    KeyUnusable,
    Outcome,
    Signature,
    SignatureInvalid,
    SigningKey,
    Verdict,
    chosen,
    judge,
    read_public_key,
    read_signature,
)
from assay_schemas.statement import CheckedStatement, Limits, Version, check_statements
from ingest_samples import statement
from xapi_signing import certificate, new_key, public_pem, sign, signature_of, x5c

KEY = new_key()
OTHER = new_key()
AUTHORITY = new_key()
ROOT = certificate(AUTHORITY, "root", is_authority=True)
NOW = datetime.now(UTC)
ASSESSOR = "mailto:assessor@example.org"
AGENT = f"mbox:{ASSESSOR}"


def observed(**more: Any) -> dict[str, Any]:
    """A statement in which the assessor is named, with id and timestamp."""
    return statement(
        uuid4(),
        timestamp="2026-03-01T10:00:00Z",
        context={"instructor": {"mbox": ASSESSOR}},
        **more,
    )


def with_signatures(
    sent: Mapping[str, Any], *signatures: bytes, version: Version = "2.0.0"
) -> CheckedStatement:
    others = list(sent.get("attachments", ()))
    body = {**sent, "attachments": [*others, *map(signature_of, signatures)]}
    (checked,), _ = check_statements(json.dumps(body).encode(), version=version, limits=Limits())
    return checked


def read(
    sent: Mapping[str, Any],
    signature: bytes,
    *,
    anchors: Sequence[x509.Certificate] = (),
    beside: Sequence[bytes] = (),
    put_id: UUID | None = None,
    version: Version = "2.0.0",
) -> Signature:
    """The signature of a statement that has it, and those `beside`, as attachments."""
    checked = with_signatures(sent, signature, *beside, version=version)
    names = [signature_of(one)["sha2"] for one in (signature, *beside)]
    return read_signature(
        signature,
        checked,
        own_sha2=names[0],
        is_signature=frozenset(names),
        statement_id=checked.id or put_id,
        version=version,
        limits=Limits(),
        anchors=anchors,
        now=NOW,
    )


def registered(**more: Any) -> SigningKey:
    thumbprint, pem = read_public_key(public_pem(KEY))
    fields: dict[str, Any] = {
        "key_id": "k1",
        "thumbprint": thumbprint,
        "public_key": pem,
        "agent": AGENT,
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        **more,
    }
    return SigningKey(**fields)


# What is refused


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
def test_the_three_algorithms_verify(algorithm: str) -> None:
    sent = observed()
    found = read(sent, sign(sent, KEY, algorithm, kid="k1"))
    assert judge(found, [registered()], NOW) == Outcome(Verdict.VERIFIED, AGENT)


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "PS256", "RS1", "none", "", 5, None])
def test_any_other_algorithm_is_refused(algorithm: Any) -> None:
    sent = observed()
    with pytest.raises(SignatureInvalid):
        read(sent, sign(sent, KEY, algorithm))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"..",
        b"a.b.c",
        b"\xff.a.b",
        b"e30.e30.e30",
        b'{"payload":"x"}',
        b"eyJhbGciOiJSUzI1NiJ9.e30.",
        b"W10.e30.e30",
        b"a" * 100,
    ],
)
def test_what_is_no_jws_is_refused(content: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        read(observed(), content)


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["unheard-of"], "unheard-of": 1},
        {"b64": False},
        {"b64": False, "crit": ["b64"]},
        {"x5c": []},
        {"x5c": "text"},
        {"x5c": ["no base64!"]},
        {"x5c": ["AAAA"]},
        {"x5c": [5]},
    ],
)
def test_a_header_that_is_not_understood_is_refused(header: dict[str, Any]) -> None:
    sent = observed()
    with pytest.raises(SignatureInvalid):
        read(sent, sign(sent, KEY, **header))


@pytest.mark.parametrize("payload", [b"{", b"[]", b"5", b"", b'{"actor":{}}', b"\xff"])
def test_a_payload_that_is_no_statement_is_refused(payload: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        read(observed(), sign(payload, KEY))


def test_a_list_as_payload_is_refused() -> None:
    sent = observed()
    with pytest.raises(SignatureInvalid):
        read(sent, sign([sent], KEY))


@pytest.mark.parametrize(
    "change",
    [
        {"result": {"success": True}},
        {"actor": {"mbox": "mailto:somebody-else@example.org"}},
        {"verb": {"id": "http://example.org/verbs/other"}},
        {"timestamp": "2026-03-01T10:00:01Z"},
        {"context": {"instructor": {"mbox": "mailto:other@example.org"}}},
        {"id": str(uuid4())},
        {"attachments": [signature_of(b"x", usageType="http://example.org/usage/evidence")]},
    ],
)
def test_a_statement_that_was_changed_after_it_was_signed_is_refused(
    change: dict[str, Any],
) -> None:
    sent = observed()
    signature = sign(sent, KEY)
    read(sent, signature)
    with pytest.raises(SignatureInvalid):
        read({**sent, **change}, signature)


def test_a_signed_timestamp_cannot_be_left_out() -> None:
    sent = observed()
    signature = sign(sent, KEY)
    del sent["timestamp"]
    with pytest.raises(SignatureInvalid):
        read(sent, signature)


# What makes no difference


@pytest.mark.parametrize(
    "change",
    [
        {"stored": "2026-03-01T10:00:05Z"},
        {"authority": {"mbox": "mailto:lrs@example.org"}},
        {"version": "2.0.0"},
        {"timestamp": "2026-03-01T11:00:00.0004+01:00"},
        {"verb": {"id": "http://example.org/verbs/did", "display": {"en": "did"}}},
    ],
)
def test_what_a_record_store_may_change_makes_no_difference(change: dict[str, Any]) -> None:
    sent = observed()
    found = read({**sent, **change}, sign(sent, KEY))
    assert judge(found, [registered()], NOW).agent == AGENT


def test_the_order_of_keys_and_fine_durations_make_no_difference() -> None:
    sent = observed(result={"duration": "PT1.234S"})
    turned = {**dict(reversed(sent.items())), "result": {"duration": "PT1.2399S"}}
    assert judge(read(sent, sign(turned, KEY)), [registered()], NOW).agent == AGENT


def test_a_payload_of_the_other_version_is_the_same_statement() -> None:
    sent = observed()
    found = read(sent, sign({**sent, "version": "1.0.3"}, KEY), version="2.0.0")
    assert judge(found, [registered()], NOW).agent == AGENT


def test_other_attachments_are_signed_and_later_signatures_are_not() -> None:
    evidence = signature_of(b"film", usageType="http://example.org/usage/evidence")
    sent = observed(attachments=[evidence])
    first = sign(sent, KEY)
    second = sign({**sent, "attachments": [evidence, signature_of(first)]}, OTHER)
    for own, other in ((first, second), (second, first)):
        assert read(sent, own, beside=[other]).covers
    without = {name: value for name, value in sent.items() if name != "attachments"}
    with pytest.raises(SignatureInvalid):
        read(without, first)


# Whose it is


def test_a_key_that_nobody_registered_counts_for_nobody() -> None:
    sent = observed()
    found = read(sent, sign(sent, KEY))
    assert judge(found, [], NOW) == Outcome(Verdict.KEY_UNKNOWN)
    assert chosen([judge(found, [], NOW)], with_signatures(sent)) is None


def test_without_a_kid_the_keys_of_those_who_are_named_are_tried() -> None:
    sent = observed()
    found = read(sent, sign(sent, KEY))
    other = registered(key_id="k0", thumbprint="t0", public_key=public_pem(OTHER))
    assert judge(found, [other, registered()], NOW).agent == AGENT
    stranger = registered(agent="mbox:mailto:stranger@example.org")
    assert judge(found, [stranger], NOW) == Outcome(Verdict.KEY_UNKNOWN)


def test_a_kid_names_the_key_that_must_verify() -> None:
    sent = observed()
    thumbprint, _ = read_public_key(public_pem(KEY))
    for kid in ("k1", thumbprint):
        assert judge(read(sent, sign(sent, KEY, kid=kid)), [registered()], NOW).agent == AGENT
        with pytest.raises(SignatureInvalid):
            judge(read(sent, sign(sent, OTHER, kid=kid)), [registered()], NOW)
    unknown = read(sent, sign(sent, OTHER, kid="k9"))
    assert judge(unknown, [registered()], NOW) == Outcome(Verdict.KEY_UNKNOWN)


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ({"revoked_at": NOW - timedelta(seconds=1)}, Verdict.KEY_NOT_VALID),
        ({"revoked_at": NOW + timedelta(days=1)}, Verdict.VERIFIED),
        ({"valid_from": datetime(2026, 3, 1, 10, 0, 1, tzinfo=UTC)}, Verdict.KEY_NOT_VALID),
        ({"valid_from": datetime(2026, 3, 1, 10, tzinfo=UTC)}, Verdict.VERIFIED),
        ({"valid_to": datetime(2026, 3, 1, 10, tzinfo=UTC)}, Verdict.KEY_NOT_VALID),
        ({"valid_to": datetime(2026, 3, 1, 10, 0, 1, tzinfo=UTC)}, Verdict.VERIFIED),
    ],
)
def test_a_key_counts_when_it_was_valid_at_the_timestamp_and_is_not_revoked(
    more: dict[str, Any], verdict: Verdict
) -> None:
    sent = observed()
    outcome = judge(read(sent, sign(sent, KEY)), [registered(**more)], NOW)
    assert outcome == Outcome(verdict, AGENT if verdict is Verdict.VERIFIED else None)


@pytest.mark.parametrize("missing", ["id", "timestamp"])
def test_a_signature_that_could_be_used_again_counts_for_nobody(missing: str) -> None:
    sent = observed()
    payload = {name: value for name, value in sent.items() if name != missing}
    found = read(sent, sign(payload, KEY))
    assert judge(found, [registered()], NOW) == Outcome(Verdict.NOT_COVERED)


def test_a_definition_that_was_not_signed_makes_it_count_for_nobody() -> None:
    sent = observed(
        object={"id": "http://e.org/a", "definition": {"type": "http://e.org/types/lesson"}}
    )
    signature = sign(sent, KEY)
    assert judge(read(sent, signature), [registered()], NOW).agent == AGENT
    other = {"id": "http://e.org/a", "definition": {"type": "http://e.org/types/assessment"}}
    found = read({**sent, "object": other}, signature)
    assert judge(found, [registered()], NOW) == Outcome(Verdict.NOT_COVERED)


def test_the_id_of_a_put_is_covered_when_it_is_signed() -> None:
    sent = observed()
    put_id = UUID(sent.pop("id"))
    assert read(sent, sign({**sent, "id": str(put_id)}, KEY), put_id=put_id).covers
    with pytest.raises(SignatureInvalid):
        read(sent, sign({**sent, "id": str(uuid4())}, KEY), put_id=put_id)


def test_of_several_signers_the_assessor_is_the_one() -> None:
    checked = with_signatures(observed())
    learner = Outcome(Verdict.VERIFIED, "mbox:mailto:a@example.org")
    assessor = Outcome(Verdict.VERIFIED, AGENT)
    unknown = Outcome(Verdict.KEY_UNKNOWN)
    assert chosen([unknown, learner, assessor], checked) == AGENT
    assert chosen([unknown, learner], checked) == learner.agent
    assert chosen([], checked) is None


# Certificates


def test_the_certificate_s_key_must_verify() -> None:
    sent = observed()
    leaf = certificate(KEY)
    found = read(sent, sign(sent, KEY, x5c=x5c(leaf)))
    assert judge(found, [registered()], NOW) == Outcome(Verdict.VERIFIED, AGENT)
    assert judge(found, [], NOW) == Outcome(Verdict.KEY_UNKNOWN)
    with pytest.raises(SignatureInvalid):
        read(sent, sign(sent, OTHER, x5c=x5c(leaf)))


def test_a_certificate_says_nobody_s_name() -> None:
    """Whatever certificate came along is not believed: only the registered key is."""
    sent = observed()
    found = read(sent, sign(sent, OTHER, x5c=x5c(certificate(OTHER, ASSESSOR)), kid="k1"))
    assert judge(found, [registered()], NOW) == Outcome(Verdict.KEY_UNKNOWN)


def test_where_anchors_are_configured_the_chain_must_lead_to_one() -> None:
    sent = observed()
    middle_key = new_key()
    middle = certificate(middle_key, "middle", issuer=("root", AUTHORITY), is_authority=True)
    leaf = certificate(KEY, "leaf", issuer=("middle", middle_key))
    read(sent, sign(sent, KEY, x5c=x5c(leaf, middle)), anchors=[ROOT])
    ended = certificate(KEY, "leaf", issuer=("middle", middle_key), days=-1)
    forged = certificate(KEY, "leaf", issuer=("root", new_key()))
    no_authority = certificate(middle_key, "middle", issuer=("root", AUTHORITY))
    for chain in ([certificate(KEY)], [leaf], [ended, middle], [forged], [leaf, no_authority]):
        with pytest.raises(SignatureInvalid):
            read(sent, sign(sent, KEY, x5c=x5c(*chain)), anchors=[ROOT])


def test_a_certificate_with_a_short_key_is_refused() -> None:
    sent = observed()
    short = new_key(1024)
    with pytest.raises(SignatureInvalid):
        read(sent, sign(sent, short, x5c=x5c(certificate(short))))


# Keys to register


def test_a_key_to_register_is_an_rsa_public_key_of_2048_bits() -> None:
    thumbprint, pem = read_public_key(public_pem(KEY))
    assert len(thumbprint) == 43
    assert read_public_key(pem) == (thumbprint, pem)
    for bad in ("", "text", public_pem(new_key(1024)), "\u00e9"):
        with pytest.raises(KeyUnusable):
            read_public_key(bad)
