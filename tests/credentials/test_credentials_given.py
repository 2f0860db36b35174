"""What somebody gave, told by its bytes."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_credentials.given import Credential, File, Link, NotUnderstood, read_given

PUBLIC = "https://records.example/assay"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJ0eXBlIjoieCJ9.c2lnbmF0dXJl"
ID = UUID("0c4ee42a-5a44-4c66-8b5e-2f3a62b0a2c5")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"type": "x"}', Credential(b'{"type": "x"}', "json")),
        (b'\xef\xbb\xbf {"a": 1}\n', Credential(b' {"a": 1}\n', "json")),
        (JWT.encode(), Credential(JWT.encode(), "jwt")),
        (f"  {JWT}\n".encode(), Credential(JWT.encode(), "jwt")),
        (f'"{JWT}"'.encode(), Credential(JWT.encode(), "jwt")),
        (
            f'{{"@context": "https://www.w3.org/ns/credentials/v2", "type": '
            f'"EnvelopedVerifiableCredential", "id": "data:application/vc+jwt,{JWT}"}}'.encode(),
            Credential(JWT.encode(), "jwt"),
        ),
        (f"{PUBLIC}/share/abc".encode(), Link("abc")),
        (f"{PUBLIC}/verify?lang=cy&share=abc#top".encode(), Link("abc")),
        (f'{{"url": "{PUBLIC}/share/abc"}}'.encode(), Link("abc")),
        (f'"{PUBLIC}/share/abc"'.encode(), Link("abc")),
        (f"{PUBLIC}/credentials/{ID}?share=abc".encode(), Link("abc", ID)),
        (b"\x89PNG\r\n\x1a\nrest", File(b"\x89PNG\r\n\x1a\nrest", "png")),
        (b"%PDF-1.7\nrest", File(b"%PDF-1.7\nrest", "pdf")),
        (b"<?xml version='1.0'?><svg/>", File(b"<?xml version='1.0'?><svg/>", "svg")),
    ],
)
def test_what_it_is(content: bytes, found: object) -> None:
    assert read_given(content, PUBLIC) == found


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "nothing"),
        (b" \n", "nothing"),
        (b"{", "JSON"),
        (b"[1]", "object"),
        (b"hello", "neither"),
        (b"\xff\xd8\xff\xe0 a photograph", "PNG"),
        (b"<html><body>", "web page"),
        (f"{JWT}~disclosure~".encode(), "SD-JWT"),
        (b"openid-credential-offer://?credential_offer=x", "wallet"),
        (b"https://evil.example/share/abc", "not followed"),
        (b"http://169.254.169.254/latest/meta-data", "not followed"),
        (b'{"url": "https://evil.example/x"}', "not followed"),
        (b"https://records.example/assay.evil.example/share/x", "not followed"),
        (b"https://records.example/assay@evil.example/share/x", "not followed"),
        (b"file:///etc/passwd", "not followed"),
        (f"{PUBLIC}/share/".encode(), "shared"),
        (f"{PUBLIC}/credentials/{ID}".encode(), "shared"),
        (f"{PUBLIC}/credentials/1?share=x".encode(), "not the link"),
        (f"{PUBLIC}/status/{ID}".encode(), "shared"),
        (f"{PUBLIC}/share/{'a' * 3000}".encode(), "2000"),
    ],
)
def test_what_it_is_not(content: bytes, why: str) -> None:
    with pytest.raises(NotUnderstood, match=why):
        read_given(content, PUBLIC)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode()))
def test_nothing_breaks_the_reader(content: bytes) -> None:
    try:
        found = read_given(content, PUBLIC)
    except NotUnderstood:
        return
    assert isinstance(found, Credential | Link | File)
