"""Credentials in pictures and PDFs, and what a hostile file can do: nothing but be refused."""

import logging
import struct
import tracemalloc
import zlib
from io import BytesIO

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    NameObject,
    StreamObject,
)

from assay_credentials.downloads.bake import KEYWORD, NAMESPACE, BakingFailed, bake_png, bake_svg
from assay_credentials.downloads.picture import Look, badge_picture
from assay_credentials.downloads.png_chunks import Chunk, read_chunks, write_chunks
from assay_credentials.downloads.unbake import (
    PDF_UNPACKED_BYTES_MAX,
    NothingInside,
    extract_credential,
)
from assay_credentials.intake import MAX_DOCUMENT_BYTES

LOOK = Look("Gown aseptically", "Training Centre North", "Practises under supervision")
PNG = badge_picture(LOOK, "png")
SVG = badge_picture(LOOK, "svg")
SVG_HEAD = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:openbadges="{NAMESPACE}">'
JWT = b"eyJhbGciOiJFZERTQSJ9.eyJhIjoxfQ.c2ln"

documents = st.one_of(
    st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=80)).map(orjson.dumps),
    st.just(b'{"a":"]]>","b":"<![CDATA[ & \\u0000"}'),
    st.just(JWT),
)


@given(documents)
@settings(deadline=None, max_examples=50)
def test_what_is_baked_comes_out_again(document: bytes) -> None:
    for baked in (bake_png(PNG, document), bake_svg(SVG, document, title="Gown & <scrub>")):
        found = extract_credential(baked)
        assert found.content == document
        assert found.is_jwt == (document == JWT)


def test_baking_changes_nothing_else_and_leaves_one_credential() -> None:
    baked = bake_png(bake_png(PNG, b'{"old":1}'), b'{"new":1}')
    assert [one for one in read_chunks(baked) if one.name != b"iTXt"] == list(read_chunks(PNG))
    assert extract_credential(baked).content == b'{"new":1}'
    assert bake_svg(SVG, JWT).replace(_element(bake_svg(SVG, JWT)), b"") == SVG
    with pytest.raises(BakingFailed, match="already"):
        bake_svg(bake_svg(SVG, JWT), JWT)


def _element(baked: bytes) -> bytes:
    start = baked.index(b"<openbadges:")
    return baked[start : baked.index(b"/>", start) + 2]


@pytest.mark.parametrize(
    "picture",
    [
        b'<?xml version="1.0"?>\n<!-- > --><s:svg xmlns:s="http://www.w3.org/2000/svg" a="x>y"/>',
        b'<svg xmlns="http://www.w3.org/2000/svg"><g/></svg>',
        b"<svg xmlns='http://www.w3.org/2000/svg' title='\">'\n></svg>",
    ],
)
def test_any_way_to_write_an_svg_can_be_baked(picture: bytes) -> None:
    assert extract_credential(bake_svg(picture, b'{"a":1}')).content == b'{"a":1}'


@pytest.mark.parametrize(
    "picture",
    [
        b"<html/>",
        b'<svg xmlns="http://www.w3.org/2000/svg">',
        b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>',
        SVG.decode().encode("utf-16"),
        PNG,
    ],
)
def test_what_is_no_plain_svg_is_not_baked(picture: bytes) -> None:
    with pytest.raises(BakingFailed):
        bake_svg(picture, b"{}")


# Attacks ------------------------------------------------------------------------------------------


def png_with(*chunks: Chunk) -> bytes:
    head, *rest = read_chunks(PNG)
    return write_chunks(iter([head, *chunks, *rest]))


def itxt(text: bytes, *, packed: bool = False) -> Chunk:
    flags = b"\1\0" if packed else b"\0\0"
    return Chunk(b"iTXt", KEYWORD + b"\0" + flags + b"\0\0" + text)


def pdf_with(*streams: StreamObject) -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    names = ArrayObject()
    for number, stream in enumerate(streams):
        file = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Filespec"),
                NameObject("/EF"): DictionaryObject({NameObject("/F"): writer._add_object(stream)}),
            }
        )
        names += [ByteStringObject(b"%d.json" % number), writer._add_object(file)]
    tree = DictionaryObject({NameObject("/Names"): names})
    writer.root_object[NameObject("/Names")] = DictionaryObject(
        {NameObject("/EmbeddedFiles"): writer._add_object(tree)}
    )
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def stream(content: bytes, *, packed: bool = False) -> StreamObject:
    made = StreamObject()
    made.set_data(zlib.compress(content) if packed else content)
    if packed:
        made[NameObject("/Filter")] = NameObject("/FlateDecode")
    return made


BOMB = b'{"a":"' + b"a" * (64 * 1024 * 1024) + b'"}'


def bombs() -> dict[str, bytes]:
    return {
        "png": png_with(itxt(zlib.compress(BOMB), packed=True)),
        "pdf": pdf_with(stream(BOMB, packed=True)),
    }


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_a_bomb_is_never_unpacked(kind: str) -> None:
    bomb = bombs()[kind]
    assert len(bomb) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(NothingInside, match="longer than"):
            extract_credential(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MAX_DOCUMENT_BYTES


def test_a_bomb_in_the_table_of_contents_is_never_unpacked() -> None:
    whole = 128 * 1024 * 1024
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * 2**20) for _ in range(whole // 2**20)) + packer.flush()
    listing = (
        b"<< /Type /XRef /Size 3 /W [1 2 1] /Root 1 0 R /Filter /FlateDecode /Length %d >>"
        % len(packed)
    )
    body = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n"
    at = len(body)
    body += b"2 0 obj\n" + listing + b"\nstream\n" + packed + b"\nendstream\nendobj\n"
    tracemalloc.start()
    try:
        with pytest.raises(NothingInside):
            extract_credential(body + b"startxref\n%d\n%%%%EOF" % at)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * PDF_UNPACKED_BYTES_MAX


def test_a_bomb_of_entities_and_files_of_this_machine_are_not_read() -> None:
    laughs = '<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    secret = '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    remote = '<!DOCTYPE svg SYSTEM "http://169.254.169.254/latest">'
    for declared in (laughs, secret, remote):
        svg = f"{declared}{SVG_HEAD}<openbadges:credential>&a;</openbadges:credential></svg>"
        with pytest.raises(NothingInside, match="document type"):
            extract_credential(svg.encode())


def test_two_credentials_in_one_file_are_refused() -> None:
    element = "<openbadges:credential>{}</openbadges:credential>"
    files = (
        png_with(itxt(b"{}"), itxt(b"{}")),
        f"{SVG_HEAD}{element}<g>{element}</g></svg>".encode(),
        pdf_with(stream(b"{}"), stream(b"{}", packed=True)),
    )
    for file in files:
        with pytest.raises(NothingInside, match="more than one"):
            extract_credential(file)


def test_a_pdf_finds_the_one_attachment_that_may_be_a_credential() -> None:
    found = extract_credential(pdf_with(stream(b"GIF89a"), stream(JWT, packed=True), stream(b"")))
    assert (found.kind, found.content, found.is_jwt) == ("pdf", JWT, True)


def test_a_tree_of_names_that_bites_its_tail_ends() -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    tree = DictionaryObject()
    reference = writer._add_object(tree)
    tree[NameObject("/Kids")] = ArrayObject([reference] * 50)
    writer.root_object[NameObject("/Names")] = DictionaryObject(
        {NameObject("/EmbeddedFiles"): reference}
    )
    out = BytesIO()
    writer.write(out)
    with pytest.raises(NothingInside, match="no credential"):
        extract_credential(out.getvalue())


def test_an_encrypted_pdf_is_named_as_such() -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-40")
    out = BytesIO()
    writer.write(out)
    with pytest.raises(NothingInside, match="password"):
        extract_credential(out.getvalue())


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (PNG, "picture only"),
        (SVG, "picture only"),
        (pdf_with(), "no credential"),
        (b"GIF89a", "not a PNG, SVG or PDF"),
        (b"", "not a PNG, SVG or PDF"),
        (b"%PDF-1.7\n", "cannot be read"),
        (PNG[:-20], "middle of a chunk"),
        (PNG[:40] + bytes([PNG[40] ^ 1]) + PNG[41:], "damaged"),
        (b"<html xmlns='http://www.w3.org/1999/xhtml'/>", "not a PNG, SVG or PDF"),
        (png_with(itxt(b"not a credential")), "neither JSON nor"),
        (png_with(itxt(b"\xff\xfe", packed=True)), "cannot be unpacked"),
        (png_with(Chunk(b"iTXt", KEYWORD + b"\0")), "not whole"),
        (png_with(itxt(b"{" + b"a" * MAX_DOCUMENT_BYTES)), "longer than"),
        (f"{SVG_HEAD}{'<g/>' * 100_001}</svg>".encode(), "elements"),
        (SVG_HEAD.encode() + b" " * (4 * 1024 * 1024), "more than"),
        (b"%PDF-1.7\n" + b"1 0 obj\n<<>>\nendobj\n" * 100_000, "cannot be read"),
        (f"{SVG_HEAD}{'<g>' * 300}{'</g>' * 300}</svg>".encode(), "nested deeper"),
    ],
)
def test_what_holds_none_says_so(file: bytes, why: str) -> None:
    with pytest.raises(NothingInside, match=why):
        extract_credential(file)


@given(
    st.sampled_from([bake_png(PNG, b"{}"), bake_svg(SVG, b"{}"), pdf_with(stream(b"{}"))]),
    st.lists(st.tuples(st.integers(0, 2**20), st.binary(max_size=6)), max_size=6),
)
@settings(deadline=None, max_examples=150)
def test_a_broken_file_is_refused_and_never_crashes(
    file: bytes, damages: list[tuple[int, bytes]]
) -> None:
    broken = bytearray(file)
    for place, patch in damages:
        at = place % len(broken)
        broken[at : at + len(patch)] = patch
    try:
        extract_credential(bytes(broken))
    except NothingInside as refused:
        assert str(refused)  # noqa: PT017 - either way is right, another error is not


def test_a_length_beyond_the_file_is_no_reason_to_reserve_memory() -> None:
    whole = PNG[:8] + struct.pack(">I", 2**31 - 1) + b"iTXt" + b"openbadgecredential"
    with pytest.raises(NothingInside, match="middle of a chunk"):
        extract_credential(whole)


def test_a_broken_pdf_writes_nothing_of_itself_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(NothingInside):
        extract_credential(b"%PDF-1.7\n1 0 obj << /Name (Ada Lovelace) >>\nstartxref\n99\n%%EOF")
    assert "Ada" not in caplog.text
