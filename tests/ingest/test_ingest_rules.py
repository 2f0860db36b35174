"""Pure parts: which version holds, which schema is meant, every refusal has an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_ingest import errors
from assay_ingest.errors import IngestError, problem_of
from assay_ingest.search import Cursor, Search, more_token, parse_parameters
from assay_ingest.search_sql import compose
from assay_ingest.versions import negotiate
from assay_runtime.sql import load_queries

NAMES = ["verb", "activity", "since", "until", "limit", "ascending"]
VALUES = {
    "verb": st.sampled_from(["http://e.org/v", "http://adlnet.gov/expapi/verbs/voided"]),
    "activity": st.sampled_from(["http://e.org/a", "urn:x:y?ü&="]),
    "since": st.just("2026-01-01T00:00:00.5Z"),
    "until": st.just("2026-01-02T00:00:00+01:00"),
    "limit": st.integers(0, 10**8).map(str),
    "ascending": st.sampled_from(["true", "false"]),
}


@given(
    st.sets(st.sampled_from(NAMES)).flatmap(
        lambda names: st.fixed_dictionaries({name: VALUES[name] for name in sorted(names)})
    ),
    st.integers(0, 2**52),
    st.uuids(),
)
def test_a_token_continues_the_same_search(
    sent: dict[str, str], stored_ms: int, last: object
) -> None:
    search = parse_parameters(list(sent.items()), version="2.0.0")
    assert isinstance(search, Search)
    cursor = Cursor(stored_ms, last)  # type: ignore[arg-type] # a UUID by its strategy
    token = more_token(search, cursor)
    continued = parse_parameters([("more", token)], version="2.0.0")
    assert isinstance(continued, Search)
    assert continued.cursor == cursor
    assert more_token(continued, cursor) == token
    unchanged = ("agent", "verb", "activity", "registration", "since_ms", "until_ms", "limit")
    assert all(getattr(continued, name) == getattr(search, name) for name in unchanged)
    sql, values = compose(
        continued,
        load_queries("assay_ingest"),
        tenant="t",
        watermark_ms=1,
        rows_max=5,
        bytes_max=9,
        scan_rows_max=7,
    )
    assert f"${len(values)}" in sql
    assert f"${len(values) + 1}" not in sql
    assert "{" not in sql


@given(st.text(max_size=40))
def test_any_other_token_is_refused_in_words(token: str) -> None:
    with pytest.raises(errors.RequestInvalid):
        parse_parameters([("more", token)], version="2.0.0")


def test_versions_are_negotiated_by_their_first_two_numbers() -> None:
    assert {negotiate(one) for one in ("1.0", "1.0.0", "1.0.3", "1.0.9")} == {"1.0.3"}
    assert {negotiate(one) for one in ("2.0", "2.0.0", " 2.0.0 ")} == {"2.0.0"}
    assert {negotiate(one) for one in ("", "1", "0.95", "1.1", "3.0", "1.0.x", "1.0.0.0")} == {None}


def test_every_refusal_has_an_answer() -> None:
    arguments: dict[str, tuple[object, ...]] = {
        "StatementsInvalid": ([],),
        "IdConflict": ([],),
        "VoidNotAuthorised": ([],),
        "NotAcknowledged": ("why", []),
        "AttachmentTooLarge": ("why", 1),
    }
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, IngestError) and kind is not IngestError
    ]
    assert len(kinds) > 10
    for kind in kinds:
        problem = problem_of(kind(*arguments.get(kind.__name__, ("why",))))
        assert 400 <= problem.status < 600
        assert (problem.status != 503) or "Retry-After" in problem.headers
