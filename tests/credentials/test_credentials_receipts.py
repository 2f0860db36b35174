"""A receipt says what was found, can be told from what others signed, and comes as PDF, too."""

import base64
import hashlib
import json
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import OKPKey
from pypdf import PdfReader

from assay_credentials.did import did_key, did_key_method
from assay_credentials.given import Given
from assay_credentials.keys import Ed25519Signer
from assay_credentials.receipts.paper import receipt_json, receipt_pdf
from assay_credentials.receipts.receipt import (
    NotAReceipt,
    Receipt,
    public_jwk,
    read_receipt,
    receipt_content,
    sign_receipt,
)
from assay_credentials.verify import verify_credential
from credential_samples import CENTRE, CLEAR_LISTS, NOW, STRANGER

ID = UUID("7a1f1a0e-5b55-4c53-8d3e-0f3a3b7b9a10")
SERVICE = "https://records.example"
SIGNER = Ed25519Signer.from_seed(bytes(32))
METHODS = {did_key_method(SIGNER.public_key): did_key(SIGNER.public_key)}


def verified(document: Any, name: str = "Training Centre North") -> Given:
    text = json.dumps(document)
    found = verify_credential(
        text.encode(),
        now=NOW,
        resolve_status=CLEAR_LISTS.get,
        trusted_issuers={CENTRE.did: name},
    )
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return Given(
        verification=found,
        text=text,
        kind="json",
        source="text",
        given_sha256=sha256,
        credential_sha256=sha256,
        checked_at=datetime(2026, 6, 1, 12, 30, 15, tzinfo=UTC),
        document=found.document,
    )


def signed(document: Any, name: str = "Training Centre North") -> Receipt:
    return sign_receipt(receipt_content(verified(document, name), id=ID, service=SERVICE), SIGNER)


BADGE: Any = CENTRE.badge()


def test_it_says_what_was_found_and_of_what() -> None:
    content: Any = signed(BADGE).content
    assert (content["outcome"], content["id"]) == ("valid", f"urn:uuid:{ID}")
    assert content["checked_at"] == "2026-06-01T12:30:15Z"
    assert content["service"] == SERVICE
    assert content["credential"]["sha256"] == hashlib.sha256(json.dumps(BADGE).encode()).hexdigest()
    assert content["credential"]["title"] == "Gown aseptically for grade B"
    assert content["issuer"]["name"] == "Training Centre North"
    assert {check["result"] for check in content["checks"]} == {"passed"}


def test_of_what_is_not_genuine_nothing_is_repeated() -> None:
    tampered = json.loads(json.dumps(BADGE))
    tampered["credentialSubject"]["achievement"]["name"] = "Brain surgery"
    content: Any = signed(tampered).content
    assert content["outcome"] == "not_genuine"
    assert content["credential"]["title"] is None
    assert content["issuer"] is None
    assert "Brain surgery" not in json.dumps(content)


def test_what_an_issuer_says_of_itself_is_not_in_it() -> None:
    content: Any = signed(STRANGER.badge(status=()), "somebody else").content
    assert content["outcome"] == "issuer_unknown"
    assert content["issuer"] == {
        "id": STRANGER.did,
        "name": None,
        "registry": None,
        "registry_url": None,
    }


# RFC 9864 has another name for the algorithm; software that verifies knows the old one.
@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
def test_it_is_read_back_and_verifies_with_software_of_others() -> None:
    receipt = signed(BADGE)
    assert read_receipt(receipt.jws, METHODS) == receipt
    file = json.loads(receipt_json(receipt))
    assert read_receipt(json.dumps(file), METHODS) == receipt
    # What the file says beside is not what is read.
    assert read_receipt(json.dumps({**file, "receipt": {"outcome": "x"}}), METHODS) == receipt
    ((method, did),) = METHODS.items()
    key = OKPKey.import_key({**public_jwk(did, method)})
    opened = jws.deserialize_compact(receipt.jws, key, algorithms=["EdDSA"])
    assert orjson.loads(opened.payload) == receipt.content
    assert signed(BADGE) == receipt


def part(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def forged(header: dict[str, object], content: object = None) -> str:
    receipt = signed(BADGE)
    ((method, _),) = METHODS.items()
    whole = {"alg": "EdDSA", "typ": "assay-receipt+jwt", "kid": method, **header}
    body = f"{part(whole)}.{part(receipt.content if content is None else content)}"
    signature = base64.urlsafe_b64encode(SIGNER.sign(body.encode())).rstrip(b"=").decode()
    return f"{body}.{signature}"


def test_the_forger_of_this_test_can_sign() -> None:
    assert read_receipt(forged({}), METHODS).content == signed(BADGE).content


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"alg": "none"}, "not a receipt"),
        ({"alg": "HS256"}, "not a receipt"),
        ({"typ": "vc+jwt"}, "not a receipt"),
        ({"typ": None}, "not a receipt"),
        ({"crit": ["exp"]}, "not a receipt"),
        ({"kid": CENTRE.method}, "none of this service's"),
        ({"kid": ["x"]}, "none of this service's"),
        ({"kid": None}, "none of this service's"),
    ],
)
def test_what_has_another_header_is_none(header: dict[str, object], why: str) -> None:
    with pytest.raises(NotAReceipt, match=why):
        read_receipt(forged(header), METHODS)


def test_a_changed_receipt_is_none() -> None:
    receipt = signed(BADGE)
    head, _, signature = receipt.jws.split(".")
    changed = {**receipt.content, "outcome": "valid", "checked_at": "2030-01-01T00:00:00Z"}
    for text in (
        f"{head}.{part(changed)}.{signature}",
        f"{head}.{part(receipt.content)}.{signature[:-4]}AAAA",
        f"{head}.{part(receipt.content)}.",
    ):
        with pytest.raises(NotAReceipt, match="changed"):
            read_receipt(text, METHODS)


def test_the_key_that_issues_credentials_makes_no_receipt() -> None:
    receipt = sign_receipt(signed(BADGE).content, CENTRE.signer)
    with pytest.raises(NotAReceipt, match="none of this service's"):
        read_receipt(receipt.jws, METHODS)


@given(st.text(max_size=80) | st.lists(st.text("abcAB01-_=.", max_size=9)).map(".".join))
def test_nothing_breaks_the_reader(text: str) -> None:
    with pytest.raises(NotAReceipt):
        read_receipt(text, METHODS)


@pytest.mark.parametrize(("lang", "words"), [("en", "The credential"), ("cy", "Y dystysgrif")])
def test_the_pdf_holds_the_words_and_the_signed_receipt(lang: str, words: str) -> None:
    receipt = signed(BADGE, 'A "name" with #markup $and \\ such *things*')
    pdf = receipt_pdf(receipt, lang)
    assert pdf == receipt_pdf(receipt, lang)
    reader = PdfReader(BytesIO(pdf))
    text = "\n".join(page.extract_text() for page in reader.pages)
    assert words in text
    assert "#markup" in text
    assert "Gown aseptically" in text
    assert hashlib.sha256(json.dumps(BADGE).encode()).hexdigest() in text
    (attached,) = reader.attachments["receipt.json"]
    assert attached == receipt_json(receipt)
    assert read_receipt(json.loads(attached)["jws"], METHODS) == receipt
