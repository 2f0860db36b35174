"""Keys, DIDs and proofs, held to the W3C test vector of `eddsa-rdfc-2022`."""

import copy
import json
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Thread
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay_credentials.contexts import pinned_contexts
from assay_credentials.did import did_key, did_key_method, resolve_did_key
from assay_credentials.errors import (
    DocumentRefused,
    DocumentUnsupported,
    KeyFileRefused,
    SignatureInvalid,
)
from assay_credentials.intake import checked_document
from assay_credentials.jsonld import JsonLd
from assay_credentials.keys import (
    Ed25519Signer,
    check_signature,
    load_key_file,
    load_or_create_key_file,
)
from assay_credentials.multibase import (
    decode_base58,
    decode_base64url,
    decode_ed25519_public_key,
    encode_base58,
    encode_base64url,
)
from assay_credentials.proof import add_proof, verify_proofs
from credential_samples import CENTRE, STRANGER

VECTOR = json.loads(
    (Path(__file__).parent / "data" / "w3c-eddsa-rdfc-2022.json").read_text("utf-8")
)
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"


def _examples_jsonld() -> JsonLd:
    """The processor with the context that the W3C vector names; the product refuses that."""
    pinned = pinned_contexts()
    examples = {"@context": {"@vocab": "https://www.w3.org/ns/credentials/examples#"}}
    return JsonLd(
        replace(
            pinned,
            documents=MappingProxyType({**pinned.documents, EXAMPLES: examples}),
            accepted=frozenset({tuple(VECTOR["signed"]["@context"])}),
        )
    )


def test_the_w3c_vector_verifies() -> None:
    (proof,) = verify_proofs(
        checked_document(VECTOR["signed"]), resolve_did_key, jsonld=_examples_jsonld()
    )
    assert proof.controller == "did:key:" + VECTOR["key"]["publicKeyMultibase"]
    assert proof.created == datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC)


def test_the_w3c_vector_is_made_again_byte_for_byte() -> None:
    secret = decode_base58(VECTOR["key"]["privateKeyMultibase"])
    assert secret[:2] == b"\x80\x26"
    signer = Ed25519Signer.from_seed(secret[2:])
    signed = dict(VECTOR["signed"])
    expected = signed.pop("proof")
    made = add_proof(
        signed,
        signer,
        verification_method=did_key_method(signer.public_key),
        created=datetime(2023, 2, 24, 23, 36, 38, tzinfo=UTC),
        jsonld=_examples_jsonld(),
    )
    assert made == {**signed, "proof": [expected]}


def test_the_w3c_hashes_are_what_is_signed() -> None:
    """The signature of the vector is over the two hashes that the vector lists."""
    data = bytes.fromhex(VECTOR["proofConfigurationHash"] + VECTOR["documentHash"])
    check_signature(
        decode_ed25519_public_key(VECTOR["key"]["publicKeyMultibase"]),
        decode_base58(VECTOR["signed"]["proof"]["proofValue"]),
        data,
    )


def test_signing_twice_gives_the_same_document_and_leaves_the_argument_alone() -> None:
    unsigned = {key: value for key, value in CENTRE.badge().items() if key != "proof"}
    before = copy.deepcopy(unsigned)
    assert CENTRE.sign(unsigned) == CENTRE.sign(unsigned)
    assert unsigned == before


def test_what_our_verifier_would_refuse_is_not_signed() -> None:
    badge = {key: value for key, value in CENTRE.badge().items() if key != "proof"}
    with pytest.raises(DocumentRefused):
        CENTRE.sign({**badge, "grade": "A"})
    with pytest.raises(DocumentRefused):
        CENTRE.sign(CENTRE.badge())
    with pytest.raises(ValueError, match="offset"):
        CENTRE.sign(badge, datetime(2026, 6, 1, 12, 0))


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("proofValue", encode_base58(bytes(64)), SignatureInvalid),
        ("proofValue", encode_base58(bytes(63)), SignatureInvalid),
        ("proofValue", "u" + "A" * 86, SignatureInvalid),
        ("proofValue", "z0", SignatureInvalid),
        ("proofPurpose", "authentication", DocumentRefused),
        ("created", "2026-06-01T12:00:01Z", SignatureInvalid),
        ("created", "2026-06-01", DocumentRefused),
        ("verificationMethod", STRANGER.method, SignatureInvalid),
        ("verificationMethod", CENTRE.did, DocumentRefused),
        ("verificationMethod", "did:web:e.example#key-1", DocumentUnsupported),
        ("cryptosuite", "eddsa-jcs-2022", SignatureInvalid),
        ("cryptosuite", "ecdsa-rdfc-2019", DocumentUnsupported),
        ("type", "Ed25519Signature2020", DocumentUnsupported),
        ("challenge", "x", DocumentRefused),
        ("@context", "https://www.w3.org/ns/credentials/v2", DocumentRefused),
        ("expires", "2030-01-01T00:00:00Z", SignatureInvalid),
    ],
)
def test_a_changed_proof_does_not_verify(field: str, value: str, error: type[Exception]) -> None:
    badge: Any = CENTRE.badge()
    badge["proof"][0][field] = value
    with pytest.raises(error):
        verify_proofs(checked_document(badge), resolve_did_key)


@pytest.mark.parametrize(
    "field", ["type", "cryptosuite", "verificationMethod", "proofPurpose", "proofValue"]
)
def test_a_proof_without_a_field_does_not_verify(field: str) -> None:
    badge: Any = CENTRE.badge()
    del badge["proof"][0][field]
    with pytest.raises((DocumentRefused, DocumentUnsupported)):
        verify_proofs(checked_document(badge), resolve_did_key)


def test_did_key_of_the_specification() -> None:
    # The did:key Method v0.9, section 5 test vectors, Ed25519.
    did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
    key = bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
    assert did_key(key) == did
    resolved = resolve_did_key(did + "#" + did.removeprefix("did:key:"))
    assert resolved is not None
    assert resolved == (did, key, "Ed25519", None)


@pytest.mark.parametrize(
    "method",
    [
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp#other",
        "did:key:z#z",
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"
        "#zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        "did:key:" + "z" + "1" * 10_000 + "#" + "z" + "1" * 10_000,
    ],
)
def test_a_did_key_that_is_none_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        resolve_did_key(method)


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_multibase_returns_the_bytes(data: bytes) -> None:
    if data:
        assert decode_base58(encode_base58(data)) == data
    assert decode_base64url(encode_base64url(data)) == data


def test_a_key_file_is_made_once_private_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "issuer.pem"
    made = load_or_create_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create_key_file(path).public_key == made.public_key
    assert load_key_file(path).sign(b"x") == made.sign(b"x")
    assert os.listdir(tmp_path) == ["issuer.pem"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "issuer.pem"
    load_or_create_key_file(path)
    path.chmod(mode)
    with pytest.raises(KeyFileRefused, match="600"):
        load_or_create_key_file(path)


def test_a_link_or_a_file_without_key_is_refused_and_never_replaced(tmp_path: Path) -> None:
    real = tmp_path / "real.pem"
    load_or_create_key_file(real)
    link = tmp_path / "link.pem"
    link.symlink_to(real)
    with pytest.raises(KeyFileRefused):
        load_or_create_key_file(link)
    broken = tmp_path / "broken.pem"
    broken.write_bytes(b"no key")
    broken.chmod(0o600)
    with pytest.raises(KeyFileRefused):
        load_or_create_key_file(broken)
    assert broken.read_bytes() == b"no key"


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    path = tmp_path / "issuer.pem"
    barrier = Barrier(8)
    keys: list[bytes] = []

    def start() -> None:
        barrier.wait()
        keys.append(load_or_create_key_file(path).public_key)

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1
