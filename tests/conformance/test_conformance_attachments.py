"""Attachments and signed statements.

xAPI 1.0.3 Data 2.4.11 and 2.6, Communication 1.5 and 2.1.3; IEEE 9274.1.1 4.1.3, 4.2.2.6.
"""

import base64
import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from xapi_lrs import Json, Lrs, new_id, new_iri, new_statement
from xapi_multipart import (
    Part,
    attachment_part,
    body_of,
    content_type,
    parts_of,
    statements_part,
)

SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"
HASHES = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}


def _described(content: bytes, **more: object) -> Json:
    return {
        "usageType": "https://example.org/usage/evidence",
        "display": {"en": "Evidence"},
        "contentType": "application/octet-stream",
        "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
        **more,
    }


def _send(
    lrs: Lrs, parts: Sequence[Part], headers: Mapping[str, str] | None = None
) -> httpx.Response:
    return lrs.request("POST", content=body_of(parts), headers=headers or content_type())


def _bytes(length: int = 64) -> bytes:
    # With everything in it that a reader of text would break.
    return b"\r\n--\r\n\x00\xff\xfe" + os.urandom(length) + b"\r\n"


# Into the LRS


def test_xapi_00127_statements_come_as_json_or_as_multipart_mixed(lrs: Lrs) -> None:
    body = json.dumps(new_statement()).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = lrs.request("POST", content=body, headers=headers)
        assert answer.status_code in (400, 415), kind
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON"):
        answer = lrs.request("POST", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 200, kind


def test_xapi_00133_an_attachment_goes_in_and_comes_out_as_it_was(lrs: Lrs) -> None:
    content, other = _bytes(), _bytes(100_000)
    statement = new_statement(attachments=[_described(content), _described(other)])
    answer = _send(
        lrs, [statements_part(statement), attachment_part(other), attachment_part(content)]
    )
    assert answer.status_code == 200, answer.text
    (kept,) = answer.json()
    first, *rest = parts_of(lrs.get(statementId=kept, attachments=True))
    assert first.headers["content-type"].startswith("application/json")
    assert json.loads(first.content)["id"] == kept
    assert {part.content for part in rest} == {content, other}
    for part in rest:
        assert part.headers["x-experience-api-hash"] == hashlib.sha256(part.content).hexdigest()
        assert part.headers["content-transfer-encoding"].lower() == "binary"
        assert part.headers["content-type"] == "application/octet-stream"


def test_put_takes_attachments_too(lrs: Lrs) -> None:
    content = _bytes()
    statement = new_statement(attachments=[_described(content)])
    wanted = new_id()
    answer = lrs.request(
        "PUT",
        params={"statementId": wanted},
        content=body_of([statements_part(statement), attachment_part(content)]),
        headers=content_type(),
    )
    assert answer.status_code == 204, answer.text
    _, part = parts_of(lrs.get(statementId=wanted, attachments=True))
    assert part.content == content


def test_one_part_serves_every_statement_that_names_it(lrs: Lrs) -> None:
    content = _bytes()
    activity = {"id": new_iri()}
    statements = [
        new_statement(object=activity, attachments=[_described(content)]) for _ in range(2)
    ]
    answer = _send(lrs, [statements_part(statements), attachment_part(content)])
    assert answer.status_code == 200, answer.text
    for one in answer.json():
        lrs.settle(one)
    first, *rest = parts_of(lrs.get(activity=activity["id"], attachments=True))
    assert len(json.loads(first.content)["statements"]) == 2
    assert [part.content for part in rest] == [content]


def test_an_attachment_of_a_sub_statement_is_one_too(lrs: Lrs) -> None:
    content = _bytes()
    sub = {"objectType": "SubStatement", **new_statement(attachments=[_described(content)])}
    answer = _send(lrs, [statements_part(new_statement(object=sub)), attachment_part(content)])
    assert answer.status_code == 200, answer.text
    _, part = parts_of(lrs.get(statementId=answer.json()[0], attachments=True))
    assert part.content == content


def test_xapi_00161_00167_attachments_false_is_json(lrs: Lrs) -> None:
    content = _bytes()
    statement = new_statement(attachments=[_described(content)])
    answer = _send(lrs, [statements_part(statement), attachment_part(content)])
    (kept,) = answer.json()
    for given in ({}, {"attachments": False}):
        answer = lrs.get(statementId=kept, **given)
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json()["attachments"] == [_described(content)]


def test_xapi_00167_attachments_true_is_multipart_also_without_any(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    (only,) = parts_of(lrs.get(statementId=kept, attachments=True))
    assert json.loads(only.content)["id"] == kept
    assert parts_of(lrs.get(activity=new_iri(), attachments=True))
    head = lrs.request("HEAD", params={"statementId": kept, "attachments": "true"})
    assert head.headers["content-type"].startswith("multipart/mixed")
    assert head.content == b""


def test_xapi_00129_what_has_a_file_url_needs_no_part(lrs: Lrs) -> None:
    described = _described(_bytes(), fileUrl="https://example.org/film.mp4")
    (kept,) = lrs.keep(new_statement(attachments=[described]))
    parts = parts_of(lrs.get(statementId=kept, attachments=True))
    assert len(parts) == 1


def test_4_1_3_multipart_without_any_attachment_is_fine(lrs_2: Lrs) -> None:
    assert _send(lrs_2, [statements_part(new_statement())]).status_code == 200
    by_url = _described(b"x", fileUrl="https://example.org/film.mp4")
    assert _send(lrs_2, [statements_part(new_statement(attachments=[by_url]))]).status_code == 200


def _wrong_parts() -> list[tuple[str, str, list[Part]]]:
    content = _bytes()
    statement = new_statement(attachments=[_described(content)])
    head, part = statements_part(statement), attachment_part(content)
    plain = statements_part(new_statement())
    return [
        ("00128", "a part that no statement names", [head, part, attachment_part(b"other")]),
        ("00128", "a part, and no attachment", [plain, part]),
        ("00129", "no part for an attachment", [head]),
        ("00132", "no hash", [head, attachment_part(content, X_Experience_API_Hash="")]),
        ("00132", "another hash", [head, attachment_part(content, X_Experience_API_Hash="0" * 64)]),
        ("00133", "other bytes", [head, Part(content + b"x", part.headers)]),
        ("00134", "statements last", [part, head]),
        ("00134", "no statements", [part]),
        ("00134", "statements that are none", [Part(b"{", head.headers), part]),
        ("00134", "statements as text", [Part(head.content, {"Content-Type": "text/plain"}), part]),
        ("00135", "no encoding", [head, attachment_part(content, Content_Transfer_Encoding="")]),
        (
            "00135",
            "another encoding",
            [head, attachment_part(content, Content_Transfer_Encoding="base64")],
        ),
    ]


@pytest.mark.parametrize("index", range(len(_wrong_parts())))
def test_a_multipart_body_with_something_wrong_is_refused(lrs: Lrs, index: int) -> None:
    number, what, parts = _wrong_parts()[index]
    assert _send(lrs, parts).status_code == 400, f"XAPI-{number}: {what}"


def test_xapi_00129_json_with_an_attachment_whose_bytes_are_nowhere_is_refused(lrs: Lrs) -> None:
    assert lrs.post(new_statement(attachments=[_described(_bytes())])).status_code == 400


def test_xapi_00130_00131_a_boundary_is_needed_in_header_and_body(lrs: Lrs) -> None:
    content = _bytes()
    head = statements_part(new_statement(attachments=[_described(content)]))
    parts = [head, attachment_part(content)]
    for headers in (
        {"Content-Type": "multipart/mixed"},
        {"Content-Type": "multipart/mixed; boundary="},
        content_type("another-boundary"),
        content_type(kind="multipart/form-data"),
        content_type("x" * 300),
    ):
        assert _send(lrs, parts, headers=headers).status_code == 400, headers
    for body in (b"", body_of(parts, end=False), body_of(parts)[:200], body_of([])):
        answer = lrs.request("POST", content=body, headers=content_type())
        assert answer.status_code == 400


def test_nothing_of_a_refused_request_is_kept(lrs: Lrs) -> None:
    """XAPI-00326, with attachments: their statement is not there, whole or in part."""
    content = _bytes()
    good = new_statement(attachments=[_described(content)], id=new_id())
    parts = [statements_part([good, new_statement(actor={})]), attachment_part(content)]
    assert _send(lrs, parts).status_code == 400
    assert lrs.get(statementId=good["id"]).status_code == 404


# Signed statements (Data 2.6)

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _certificate(key: rsa.RSAPrivateKey) -> str:
    """A certificate of `key`, signed by itself, as x5c has it (RFC 7515 4.1.6)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Assessor")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.DER)).decode()


def _signature(payload: object, algorithm: str = "RS256", **header: object) -> bytes:
    """A JWS in compact form (RFC 7515) over `payload`, by KEY."""
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signed = f"{_base64(json.dumps({'alg': algorithm, **header}).encode())}.{_base64(text)}"
    if algorithm in HASHES:
        raw = KEY.sign(signed.encode(), padding.PKCS1v15(), HASHES[algorithm])
    else:
        raw = hashlib.sha256(signed.encode()).digest() if algorithm != "none" else b""
    return f"{signed}.{_base64(raw)}".encode()


def _signed(statement: Json, signature: bytes, **more: object) -> list[Part]:
    described = _described(signature, usageType=SIGNATURE, **more)
    return [statements_part({**statement, "attachments": [described]}), attachment_part(signature)]


@pytest.mark.parametrize("algorithm", HASHES)
def test_xapi_00115_00117_a_signed_statement_is_taken(lrs: Lrs, algorithm: str) -> None:
    statement = new_statement(result={"duration": "PT1.234S", "score": {"scaled": 0.5}})
    signature = _signature(statement, algorithm)
    answer = _send(lrs, _signed(statement, signature))
    assert answer.status_code == 200, answer.text
    _, part = parts_of(lrs.get(statementId=answer.json()[0], attachments=True))
    assert part.content == signature


def test_xapi_00116_the_payload_must_be_the_statement(lrs: Lrs) -> None:
    statement = new_statement(result={"success": False})
    better = copy.deepcopy(statement)
    better["result"]["success"] = True
    assert _send(lrs, _signed(better, _signature(statement))).status_code == 400
    # The order of the keys, and what the LRS adds, make no difference.
    turned = dict(reversed(statement.items()))
    assert _send(lrs, _signed(statement, _signature(turned))).status_code == 200


def test_4_2_6_a_certificate_in_the_signature_must_be_that_of_its_key(lrs: Lrs) -> None:
    statement = new_statement()
    good = _signature(statement, x5c=[_certificate(KEY)])
    answer = _send(lrs, _signed(statement, good))
    assert answer.status_code == 200, answer.text
    for wrong in ([_certificate(OTHER_KEY)], ["no certificate"], [], _certificate(KEY), [7]):
        other = new_statement()
        signature = _signature(other, x5c=wrong)
        assert _send(lrs, _signed(other, signature)).status_code == 400, wrong


def test_4_2_6_a_changed_signature_is_refused(lrs: Lrs) -> None:
    statement = new_statement()
    head, payload, _ = _signature(statement, x5c=[_certificate(KEY)]).split(b".")
    forged = b".".join([head, payload, _base64(os.urandom(256)).encode()])
    assert _send(lrs, _signed(statement, forged)).status_code == 400


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS1", "ES256"])
def test_xapi_00117_other_algorithms_are_refused(lrs: Lrs, algorithm: str) -> None:
    statement = new_statement()
    assert _send(lrs, _signed(statement, _signature(statement, algorithm))).status_code == 400


def test_xapi_00115_00116_a_signature_that_is_none_is_refused(lrs: Lrs) -> None:
    statement = new_statement()
    for signature in (b"", b"x", b"a.b.c", _signature(b"[]"), _signature(b"{"), b"..", b"\xff.a.b"):
        assert _send(lrs, _signed(statement, signature)).status_code == 400, signature
    good = _signature(statement)
    # It must come as application/octet-stream.
    parts = _signed(statement, good, contentType="application/json")
    assert _send(lrs, parts).status_code == 400
