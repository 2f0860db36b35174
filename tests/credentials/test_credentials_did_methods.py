"""did:web and did:jwk: where a document is, and which of its keys count."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from assay_credentials.did import VerificationKey
from assay_credentials.keys import Ed25519Signer
from assay_credentials.multibase import encode_base58, encode_ed25519_public_key
from assay_credentials.resolving.did_jwk import resolve_did_jwk
from assay_credentials.resolving.did_web import did_web_url, keys_of_document

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DID = "did:web:college.example:issuers:north"
KEY = Ed25519Signer.from_seed(bytes(32)).public_key
P256 = ec.derive_private_key(7, ec.SECP256R1()).public_key()
P256_POINT = P256.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def p256_jwk() -> dict[str, object]:
    numbers = P256.public_numbers()
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": text(numbers.x.to_bytes(32, "big")),
        "y": text(numbers.y.to_bytes(32, "big")),
    }


ED25519_JWK = {"kty": "OKP", "crv": "Ed25519", "x": text(KEY)}


@pytest.mark.parametrize(
    ("did", "url"),
    [
        # The examples of the specification, section 2.5.2.
        ("did:web:w3c-ccg.github.io", "https://w3c-ccg.github.io/.well-known/did.json"),
        (
            "did:web:w3c-ccg.github.io:user:alice",
            "https://w3c-ccg.github.io/user/alice/did.json",
        ),
        ("did:web:example.com%3A3000:user:alice", "https://example.com:3000/user/alice/did.json"),
        ("did:web:localhost%3a8443", "https://localhost:8443/.well-known/did.json"),
        ("did:web:example.com:a%20b", "https://example.com/a%20b/did.json"),
    ],
)
def test_where_the_document_of_a_did_web_is(did: str, url: str) -> None:
    assert did_web_url(did) == url


@pytest.mark.parametrize(
    "did",
    [
        "did:web:",
        "did:key:z6Mk",
        "did:web:127.0.0.1",
        "did:web:2130706433",
        "did:web:0x7f000001",
        "did:web:a.0x7f",
        "did:web:[::1]",
        "did:web:%5B::1%5D",
        "did:web:example.com%3A0",
        "did:web:example.com%3A99999",
        "did:web:example.com%3A80%3A80",
        "did:web:example.com/path",
        "did:web:user@example.com",
        "did:web:example.com%40evil.example",
        "did:web:example.com%2Fpath",
        "did:web:example.com:..:etc",
        "did:web:example.com:%2e%2e",
        "did:web:example.com:",
        "did:web:example.com::a",
        "did:web:example.com:a?query",
        "did:web:example.com:a#fragment",
        "did:web:example.com:a\nb",
        "did:web:-example.com",
        "did:web:exa mple.com",
        "did:web:\uff45xample.com",
        "did:web:" + "a" * 600,
    ],
)
def test_what_is_no_did_web_is_refused(did: str) -> None:
    with pytest.raises(ValueError, match="did:web"):
        did_web_url(did)


@given(st.text(max_size=60))
def test_whatever_stands_in_a_did_web_its_host_is_the_one_that_is_named(rest: str) -> None:
    try:
        url = did_web_url(f"did:web:{rest}")
    except ValueError:
        return
    authority = rest.partition(":")[0].replace("%3A", ":").replace("%3a", ":")
    assert urlsplit(url).netloc.partition(":")[0] == authority.partition(":")[0]
    assert url.startswith("https://")
    assert url.endswith("/did.json")
    assert not {"@", "\\", "?", "#"} & set(url)


def document(*methods: dict[str, Any], **relationships: Any) -> Any:
    return {
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": DID,
        "verificationMethod": list(methods),
        **relationships,
    }


def method(name: str = "#a", **changed: Any) -> dict[str, Any]:
    return {
        "id": DID + name if name.startswith("#") else name,
        "type": "Multikey",
        "controller": DID,
        "publicKeyMultibase": encode_ed25519_public_key(KEY),
        **changed,
    }


def test_a_key_counts_for_what_the_document_lists_it() -> None:
    found = keys_of_document(
        DID,
        document(
            method("#a"),
            method("#b"),
            method("#c"),
            assertionMethod=["#a", f"{DID}#b"],
            authentication=[f"{DID}#b", method("#embedded")],
        ),
        NOW,
    )
    assert found[f"{DID}#a"] == VerificationKey(DID, KEY, "Ed25519", frozenset({"assertionMethod"}))
    both = found[f"{DID}#b"]
    assert both is not None
    assert both.purposes == frozenset({"assertionMethod", "authentication"})
    nothing = found[f"{DID}#c"]
    assert nothing is not None
    assert nothing.purposes == frozenset()
    embedded = found[f"{DID}#embedded"]
    assert embedded is not None
    assert embedded.purposes == frozenset({"authentication"})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"type": "Ed25519VerificationKey2020"}, ("Ed25519", KEY)),
        (
            {"type": "JsonWebKey", "publicKeyMultibase": None, "publicKeyJwk": ED25519_JWK},
            ("Ed25519", KEY),
        ),
        (
            {"type": "JsonWebKey2020", "publicKeyMultibase": None, "publicKeyJwk": p256_jwk()},
            ("P-256", P256_POINT),
        ),
        ({"publicKeyMultibase": encode_base58(b"\x80\x24" + P256_POINT)}, ("P-256", P256_POINT)),
        (
            {
                "type": "Ed25519VerificationKey2018",
                "publicKeyMultibase": None,
                "publicKeyBase58": encode_base58(KEY)[1:],
            },
            ("Ed25519", KEY),
        ),
        ({"publicKeyMultibase": encode_base58(b"\xe7\x01" + bytes(33))}, None),
        ({"publicKeyMultibase": "z"}, None),
        ({"publicKeyMultibase": 7}, None),
        ({"publicKeyMultibase": None, "publicKeyJwk": {"kty": "RSA"}}, None),
        ({"publicKeyMultibase": None, "publicKeyJwk": {**ED25519_JWK, "d": "x"}}, None),
        ({"publicKeyMultibase": None, "publicKeyJwk": {**ED25519_JWK, "x": "AA"}}, None),
    ],
)
def test_the_kinds_of_keys(changed: dict[str, Any], expected: tuple[str, bytes] | None) -> None:
    found = keys_of_document(DID, document(method(**changed), assertionMethod=["#a"]), NOW)
    key = found[f"{DID}#a"]
    assert (None if key is None else (key.kind, key.public_key)) == expected


@pytest.mark.parametrize(
    "changed",
    [
        {"controller": "did:web:other.example"},
        {"controller": None},
        {"revoked": "2026-05-31T00:00:00Z"},
        {"expires": "2026-05-31T00:00:00Z"},
        {"expires": "soon"},
        {"id": "did:web:other.example#a"},
        {"id": None},
    ],
)
def test_a_key_that_is_over_or_of_another_is_not_there(changed: dict[str, Any]) -> None:
    assert keys_of_document(DID, document(method(**changed), assertionMethod=["#a"]), NOW) == {}


def test_a_key_with_an_end_to_come_is_there() -> None:
    whole = document(method(expires="2027-01-01T00:00:00Z"), assertionMethod=["#a"])
    assert keys_of_document(DID, whole, NOW).keys() == {f"{DID}#a"}


@pytest.mark.parametrize("name", ["did:web:other.example", None, [DID]])
def test_the_document_of_another_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="another"):
        keys_of_document(DID, {**document(method()), "id": name}, NOW)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(DID),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        *("id", "controller", "verificationMethod", "assertionMethod"),
                        *("publicKeyJwk", "kty", "crv", "x", "publicKeyMultibase", "expires"),
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
def test_no_document_breaks_the_reader(value: Any) -> None:
    whole = value if isinstance(value, dict) else {"verificationMethod": value}
    assert isinstance(keys_of_document(DID, {**whole, "id": DID}, NOW), dict)


def did_jwk(jwk: object) -> str:
    return "did:jwk:" + text(json.dumps(jwk).encode())


def test_a_did_jwk_is_its_key() -> None:
    did = did_jwk(p256_jwk())
    assert resolve_did_jwk(f"{did}#0") == VerificationKey(did, P256_POINT, "P-256")
    did = did_jwk({**ED25519_JWK, "use": "sig"})
    assert resolve_did_jwk(f"{did}#0") == VerificationKey(did, KEY, "Ed25519")
    assert resolve_did_jwk("did:key:z6Mk#z6Mk") is None


@pytest.mark.parametrize(
    "name",
    [
        did_jwk(ED25519_JWK),
        did_jwk(ED25519_JWK) + "#1",
        did_jwk({**ED25519_JWK, "d": text(bytes(32))}) + "#0",
        did_jwk({**ED25519_JWK, "use": "enc"}) + "#0",
        did_jwk({"kty": "RSA", "n": "x", "e": "AQAB"}) + "#0",
        did_jwk([1]) + "#0",
        "did:jwk:e30!#0",
        "did:jwk:#0",
        "did:jwk:" + "A" * 3_000 + "#0",
        "did:jwk:" + text(b"[" * 1_400) + "#0",
    ],
)
def test_what_is_no_did_jwk_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        resolve_did_jwk(name)
