"""The parser of multipart/mixed: the same parts however the body is cut, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest.multipart import (
    HEADER_BYTES_MAX,
    MixedParser,
    MultipartFault,
    PartBegins,
    PartEnds,
    boundary_of,
)

BOUNDARY = b"-------314159265358979323846"
Parts = list[tuple[dict[str, str], bytes]]


def body_of(parts: Parts, boundary: bytes = BOUNDARY) -> bytes:
    """A multipart body as RFC 2046 has it."""
    pieces = []
    for headers, content in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        pieces.append(b"--%b\r\n%b\r\n%b\r\n" % (boundary, head.encode(), content))
    return b"".join(pieces) + b"--%b--\r\n" % boundary


def parts_of(pieces: list[bytes], boundary: bytes = BOUNDARY) -> Parts:
    """What the parser makes of a body that comes in `pieces`."""
    parser = MixedParser(boundary)
    found: Parts = []
    is_open = False
    for piece in pieces:
        for event in parser.feed(piece):
            if isinstance(event, PartBegins):
                assert not is_open
                is_open = True
                assert event.number == len(found) + 1
                found.append((dict(event.headers), b""))
            elif isinstance(event, PartEnds):
                assert is_open
                is_open = False
            else:
                assert is_open
                headers, content = found[-1]
                found[-1] = (headers, content + event)
    parser.close()
    assert not is_open
    return found


def cut(body: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(body) + 1) for place in places})
    return [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]


# Contents that look like boundaries are the ones that go wrong.
CONTENTS = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"-", b"--", b"\r\n", b"\r\n--", b"\r\n" + BOUNDARY, BOUNDARY[:9], b"x"]
    )
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@given(contents=st.lists(CONTENTS, min_size=1, max_size=4), places=st.lists(st.integers(0)))
def test_parts_are_the_same_bytes_however_the_body_is_cut(
    contents: list[bytes], places: list[int]
) -> None:
    contents = [one.replace(b"\r\n--" + BOUNDARY, b"") for one in contents]
    parts: Parts = [({"a": str(index)}, one) for index, one in enumerate(contents)]
    if any(b"\r\n--" + BOUNDARY in b"\r\n" + one for one in contents):
        return
    assert parts_of(cut(body_of(parts), places)) == parts


@given(body=st.binary(max_size=200), places=st.lists(st.integers(0), max_size=3))
def test_any_bytes_are_parsed_or_refused_in_our_own_words(body: bytes, places: list[int]) -> None:
    for text in (body, b"--" + BOUNDARY + b"\r\n" + body):
        with suppress(MultipartFault):
            parts_of(cut(text, places))


def test_names_of_headers_are_in_lower_case_and_values_without_surrounding_space() -> None:
    body = b"--b\r\nX-Experience-API-Hash:abc \r\nContent-Type:  text/plain\r\n\r\n1\r\n--b--"
    assert parts_of([body], b"b") == [
        ({"x-experience-api-hash": "abc", "content-type": "text/plain"}, b"1")
    ]


def test_a_line_end_before_the_first_boundary_and_a_text_after_the_last_are_let_through() -> None:
    assert parts_of([b"\r\n--b\r\n\r\nx\r\n--b--\r\nbye"], b"b") == [({}, b"x")]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", None),
        (b'{"actor":1}\r\n--b\r\n\r\nx\r\n--b--', None),
        (b"--b--", None),
        (b"--c\r\n\r\nx\r\n--c--", None),
        (b"--b\r\n\r\nx", 1),
        (b"--b\r\n\r\nx\r\n--b\r\n\r\ny", 2),
        (b"--b\r\n\r\nx\r\n--b", 1),
        (b"--b\r\nno colon\r\n\r\nx\r\n--b--", 1),
        (b"--b\r\na: 1\r\nA: 2\r\n\r\nx\r\n--b--", 1),
        (b"--b\r\na: " + b"1" * (HEADER_BYTES_MAX + 1) + b"\r\n\r\nx\r\n--b--", 1),
        (b"--b\r\n" + b"".join(b"a%d: 1\r\n" % n for n in range(40)) + b"\r\nx\r\n--b--", 1),
    ],
)
def test_a_body_without_its_boundaries_or_with_bad_headers_is_refused(
    body: bytes, part: int | None
) -> None:
    with pytest.raises(MultipartFault) as refused:
        parts_of([body], b"b")
    assert refused.value.part == part


@pytest.mark.parametrize(
    ("sent", "boundary"),
    [
        ("multipart/mixed; boundary=abc", b"abc"),
        ('multipart/mixed; boundary="a b:c"', b"a b:c"),
        ("multipart/mixed; charset=utf-8; Boundary=abc", b"abc"),
    ],
)
def test_the_boundary_is_read(sent: str, boundary: bytes) -> None:
    assert boundary_of(sent) == boundary


@pytest.mark.parametrize(
    "sent",
    [
        "multipart/mixed",
        "multipart/mixed;",
        "multipart/mixed; boundary=",
        "multipart/mixed; boundary=" + "a" * 71,
        'multipart/mixed; boundary="a "',
        'multipart/mixed; boundary="a\u00e9"',
    ],
)
def test_a_bad_boundary_is_refused(sent: str) -> None:
    with pytest.raises(MultipartFault):
        boundary_of(sent)
