"""The archive of an inspection pack: a function of its files, and every byte of it under a seal."""

import io
import zipfile
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from assay_aggregator.inspection.archive import Archive, seal_of
from assay_aggregator.inspection.tables import cell

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
names = st.from_regex(r"[a-z0-9/._-]{1,20}", fullmatch=True)
contents = st.dictionaries(names, st.binary(max_size=2_000), max_size=8)


def archive_of(files: dict[str, bytes], moment: datetime = MOMENT, *, spooled: bool) -> bytes:
    archive = Archive(moment)
    written = []
    for name, data in files.items():
        if spooled:
            written += list(archive.add_file(name, io.BytesIO(data)))
        else:
            written.append(archive.add(name, data))
    return b"".join(written) + archive.close()


@given(contents, st.booleans())
def test_equal_files_are_equal_bytes_and_any_tool_reads_them(
    files: dict[str, bytes], spooled: bool
) -> None:
    data = archive_of(files, spooled=spooled)
    assert data == archive_of(files, spooled=spooled)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == list(files)
        assert {name: archive.read(name) for name in files} == files
        assert archive.testzip() is None
    assert data == archive_of(files, spooled=not spooled)


@settings(max_examples=200)
@given(contents, st.data())
def test_a_changed_or_missing_byte_breaks_the_seal(
    files: dict[str, bytes], data: st.DataObject
) -> None:
    packed = archive_of(files, spooled=False)
    seal, found = seal_of(io.BytesIO(packed))
    assert seal == found
    place = data.draw(st.integers(0, len(packed) - 1))
    bit = data.draw(st.integers(0, 7))
    flipped = bytearray(packed)
    flipped[place] ^= 1 << bit
    for changed in (bytes(flipped), packed[:place] + packed[place + 1 :], packed + b"x"):
        seal, found = seal_of(io.BytesIO(changed))
        assert seal is None or seal != found


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_any_time_can_be_asked_about(moment: datetime) -> None:
    files = {"a": b"a"}
    data = archive_of(files, moment.replace(tzinfo=UTC), spooled=False)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("a") == b"a"


@given(st.text())
def test_no_text_begins_a_formula(text: str) -> None:
    assert not cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell(text).removeprefix("'") == text.removeprefix("'")
