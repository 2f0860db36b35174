"""How issuers and keys are called, and the DID document that says it."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_credentials.did import resolve_did_key
from assay_credentials.keyring.documents import did_document, public_jwk
from assay_credentials.keyring.names import (
    Kind,
    did_of,
    did_web,
    method_of,
    public_key_of,
    reference_for,
)
from assay_credentials.resolving.did_web import did_web_url, keys_of_document
from assay_schemas.topics import is_slug

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = st.binary(min_size=32, max_size=32)
SLUGS = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?", fullmatch=True).filter(is_slug)
KINDS: tuple[Kind, ...] = ("file", "pkcs11", "awskms")


@pytest.mark.parametrize(
    ("public_url", "did"),
    [
        ("https://credentials.example", "did:web:credentials.example:issuers:north:main"),
        ("https://Example.ORG:8443", "did:web:example.org%3A8443:issuers:north:main"),
        ("https://example.org/a/b", "did:web:example.org:a:b:issuers:north:main"),
    ],
)
def test_a_did_web_names_where_its_document_is(public_url: str, did: str) -> None:
    assert did_web(public_url, "north", "main") == did
    served = f"{public_url}/issuers/north/main/did.json"
    assert did_web_url(did).lower() == served.lower()


@given(public_key=KEYS, tenant=SLUGS, issuer=SLUGS)
def test_who_resolves_the_document_finds_the_keys(
    public_key: bytes, tenant: str, issuer: str
) -> None:
    did = did_of("web", public_key, "https://credentials.example", tenant, issuer)
    method = method_of(did, public_key)
    assert public_key_of(method) == public_key
    keys = keys_of_document(did, did_document(did, [method]), NOW)
    assert {key.public_key for key in keys.values() if key is not None} == {public_key}
    # As Multikey and as JsonWebKey.
    assert len(keys) == 2
    assert method in keys


@given(public_key=KEYS)
def test_the_method_of_a_did_key_is_that_of_the_specification(public_key: bytes) -> None:
    did = did_of("key", public_key, "https://credentials.example", "north", "main")
    key = resolve_did_key(method_of(did, public_key))
    assert key is not None
    assert (key.controller, key.public_key) == (did, public_key)


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """Appendix A.3."""
    public_key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    jwk = public_jwk(public_key)
    assert jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert jwk["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_keys_have_one_reference(kind: Kind) -> None:
    slugs = ("north", "north-main", "main", "n", "0", "north_1")
    references = [
        reference_for(kind, tenant, issuer, number)
        for tenant, issuer, number in itertools.product(slugs, slugs, range(12))
    ]
    assert len(set(references)) == len(references)
    # The key that there was before there were issuers and kinds.
    if kind == "file":
        assert reference_for(kind, "north", "main", 0) == "north.pem"
