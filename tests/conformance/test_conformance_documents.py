"""State, Agent Profile and Activity Profile.

xAPI 1.0.3 Communication 2.2, 2.3, 2.6, 2.7 and 3.1; IEEE 9274.1.1 4.1.4, 4.1.6.2, .5 and .6.
"""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx
import pytest

from xapi_lrs import Json, Lrs, eventually, new_agent, new_id, new_iri, parse_time

WRITERS = 20


@dataclass(frozen=True)
class Place:
    """Where documents of one kind lie: the resource, what names the shelf, what names the one."""

    lrs: Lrs
    resource: str
    shelf: Json
    name: str

    def where(self, one: str | None = None, **more: object) -> dict[str, str]:
        whole = {**self.shelf, **({} if one is None else {self.name: one}), **more}
        return {k: v if isinstance(v, str) else json.dumps(v) for k, v in whole.items()}

    def request(
        self,
        method: str,
        one: str | None = None,
        content: bytes | None = None,
        kind: str = "application/json",
        **headers: str,
    ) -> httpx.Response:
        """`headers` with _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None:
            sent["Content-Type"] = kind
        return self.lrs.request(
            method, self.resource, params=self.where(one), content=content, headers=sent
        )

    def create(self, one: str, content: bytes, kind: str = "application/json") -> None:
        answer = self.request("PUT", one, content, kind, If_None_Match="*")
        assert answer.status_code == 204, answer.text

    def etag(self, one: str) -> str:
        return self.request("GET", one).headers["etag"]


# What names the shelf and the single document, for each resource.
NAMES = {
    "activities/state": ("activityId", "agent", "stateId"),
    "agents/profile": ("agent", "profileId"),
    "activities/profile": ("activityId", "profileId"),
}
METHODS = ("GET", "PUT", "POST", "DELETE")


def _place(lrs: Lrs, resource: str) -> Place:
    *shelf, name = NAMES[resource]
    given = {one: new_agent() if one == "agent" else new_iri() for one in shelf}
    return Place(lrs, resource, given, name)


@pytest.fixture(params=NAMES)
def place(request: pytest.FixtureRequest, lrs: Lrs) -> Place:
    """A shelf that nothing lies on; a test that asks for it runs for each kind and version."""
    return _place(lrs, request.param)


def _is_state(place: Place) -> bool:
    return place.resource == "activities/state"


# One document


def test_xapi_00190_00273_00287_a_document_is_kept_byte_for_byte(place: Place) -> None:
    content = os.urandom(1000) + b"\x00\r\n"
    place.create("film", content, "video/mp4; codecs=x")
    answer = place.request("GET", "film")
    assert answer.status_code == 200
    assert answer.content == content
    assert answer.headers["content-type"] == "video/mp4; codecs=x"
    assert parsedate_to_datetime(answer.headers["last-modified"]).tzinfo is not None
    head = place.request("HEAD", "film")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "last-modified", "content-length"):
        assert head.headers[name] == answer.headers[name], name


def test_json_keeps_its_spelling(place: Place) -> None:
    content = b'{ "n": 9007199254740993, "d": 0.10, "s": "\\u00e9" }'
    place.create("d", content)
    assert place.request("GET", "d").content == content


def test_xapi_00322_the_etag_changes_with_the_content(place: Place) -> None:
    place.create("d", b'{"a": 1}')
    first = place.etag("d")
    assert first.startswith('"')
    assert first.endswith('"')
    if not place.lrs.is_2:
        # Communication 3.1: the SHA-1 of the content, quoted.
        digest = hashlib.sha1(b'{"a": 1}', usedforsecurity=False).hexdigest()
        assert first == f'"{digest}"'
    assert place.request("PUT", "d", b'{"a": 2}', If_Match=first).status_code == 204
    assert place.etag("d") != first


def test_xapi_00188_a_document_that_is_not_there_is_404(place: Place) -> None:
    assert place.request("GET", "nothing").status_code == 404
    assert place.request("HEAD", "nothing").status_code == 404
    assert place.request("DELETE", "nothing").status_code in (204, 404)


def test_xapi_00187_00271_00285_a_document_is_deleted(place: Place) -> None:
    place.create("a", b"1", "text/plain")
    place.create("b", b"2", "text/plain")
    assert place.request("DELETE", "a").status_code == 204
    assert place.request("GET", "a").status_code == 404
    assert place.request("GET", "b").content == b"2"


def test_documents_of_others_are_not_touched(place: Place) -> None:
    other = _place(place.lrs, place.resource)
    place.create("d", b"mine", "text/plain")
    other.create("d", b"theirs", "text/plain")
    assert place.request("DELETE", "d").status_code == 204
    assert other.request("GET", "d").content == b"theirs"


def test_ids_may_hold_anything(place: Place) -> None:
    for one in ("a/b", "ä ö", "?x=1&y", "https://example.org/#1", "x" * 500, ".", "%2F"):
        place.create(one, one.encode(), "text/plain")
        assert place.request("GET", one).content == one.encode()
    assert len(place.request("GET").json()) == 7


# Lists


def test_xapi_00193_00270_00289_without_an_id_the_ids_are_listed(place: Place) -> None:
    assert place.request("GET").json() == []
    place.create("b", b"{}")
    place.create("a", b"{}")
    answer = place.request("GET")
    assert answer.headers["content-type"].startswith("application/json")
    assert sorted(answer.json()) == ["a", "b"]


def test_xapi_00195_00275_00294_since_lists_what_changed_after(place: Place) -> None:
    place.create("old", b"{}")
    border = place.request("GET", "old").headers["last-modified"]
    # The header has seconds only; go past its second, so that the new one is after it.
    limit = parsedate_to_datetime(border).timestamp() + 1

    def later() -> bool:
        place.request("PUT", "new", os.urandom(4).hex().encode(), "text/plain", **_replace(place))
        changed = place.request("GET", "new").headers["last-modified"]
        return parsedate_to_datetime(changed).timestamp() > limit

    eventually(later, "a document is changed in a later second")
    since = parsedate_to_datetime(border).timestamp() + 1
    text = parse_time("1970-01-01T00:00:00Z").fromtimestamp(since).astimezone().isoformat()
    answer = place.lrs.request("GET", place.resource, params=place.where(since=text))
    assert answer.json() == ["new"]


def _replace(place: Place) -> dict[str, str]:
    """The header that lets a PUT through, whether the document is there or not."""
    found = place.request("HEAD", "new")
    return {"If_Match": found.headers["etag"]} if found.is_success else {"If_None_Match": "*"}


@pytest.mark.parametrize("since", ["yesterday", "1", ""])
def test_xapi_00204_00260_00295_since_must_be_a_time(place: Place, since: str) -> None:
    answer = place.lrs.request("GET", place.resource, params=place.where(since=since))
    assert answer.status_code == 400


# Parameters


def _needed(resource: str, method: str) -> list[str]:
    """The parameters without which a request is refused."""
    *shelf, name = NAMES[resource]
    whole_shelf = method == "GET" or (resource == "activities/state" and method == "DELETE")
    return shelf if whole_shelf else [*shelf, name]


def _answer(place: Place, method: str, where: dict[str, str]) -> httpx.Response:
    """A request that is good but for `where`."""
    content = b"{}" if method in ("PUT", "POST") else None
    headers = {"Content-Type": "application/json", "If-None-Match": "*"} if content else {}
    return place.lrs.request(method, place.resource, params=where, content=content, headers=headers)


@pytest.mark.parametrize(
    ("resource", "method", "missing"),
    [(one, method, name) for one in NAMES for method in METHODS for name in _needed(one, method)],
)
def test_xapi_00206_to_00215_00261_to_00302_a_missing_parameter_is_named(
    lrs: Lrs, resource: str, method: str, missing: str
) -> None:
    place = _place(lrs, resource)
    where = place.where("d")
    del where[missing]
    answer = _answer(place, method, where)
    assert answer.status_code == 400
    assert missing in answer.text


WRONG = [
    ("agent", "ada"),
    ("agent", "{}"),
    ("agent", '{"mbox": "ada"}'),
    ("agent", '{"objectType": "Agent", "name": "Ada"}'),
    ("activityId", "course"),
    ("registration", "1"),
    ("unknown", "1"),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("resource", "name", "value"),
    [
        (resource, name, value)
        for resource, names in NAMES.items()
        for name, value in WRONG
        # What a resource does not have is refused as well, but as unknown.
        if name in (*names, "unknown", "registration")
    ],
)
def test_xapi_00196_to_00203_00255_to_00258_a_wrong_parameter_is_refused(
    lrs: Lrs, resource: str, method: str, name: str, value: str
) -> None:
    place = _place(lrs, resource)
    answer = _answer(place, method, {**place.where("d"), name: value})
    assert answer.status_code == 400
    assert name in answer.text


# Merging (2.2)


def test_xapi_00183_00184_post_merges_the_top_level(place: Place) -> None:
    answer = place.request("POST", "d", b'{"a": {"x": 1}, "b": 1}')
    assert answer.status_code == 204, answer.text
    assert place.request("POST", "d", b'{"a": {"y": 2}, "c": null}').status_code == 204
    assert place.request("GET", "d").json() == {"a": {"y": 2}, "b": 1, "c": None}


def test_a_merge_keeps_numbers_as_they_were(place: Place) -> None:
    place.create("d", b'{"n": 9007199254740993, "k": 1}')
    assert place.request("POST", "d", b'{"k": 12345678901234567890}').status_code == 204
    text = place.request("GET", "d").text
    assert "9007199254740993" in text
    assert "12345678901234567890" in text


@pytest.mark.parametrize(
    ("stored", "kind", "sent", "sent_kind"),
    [
        (b"text", "text/plain", b'{"a": 1}', "application/json"),
        (b'{"a": 1}', "application/json", b"text", "text/plain"),
        (b"[1]", "application/json", b'{"a": 1}', "application/json"),
        (b'{"a": 1}', "application/json", b"[1]", "application/json"),
        (b'{"a": 1}', "application/json", b"{", "application/json"),
    ],
)
def test_xapi_00182_00229_00232_00278_00309_what_cannot_be_merged_changes_nothing(
    place: Place, stored: bytes, kind: str, sent: bytes, sent_kind: str
) -> None:
    place.create("d", stored, kind)
    assert place.request("POST", "d", sent, sent_kind).status_code == 400
    answer = place.request("GET", "d")
    assert (answer.content, answer.headers["content-type"]) == (stored, kind)


def test_xapi_00235_00281_00314_json_that_is_none_is_refused(place: Place) -> None:
    assert place.request("POST", "d", b'{"a":').status_code == 400
    assert place.request("GET", "d").status_code == 404


def test_xapi_00233_00280_00310_post_creates_what_is_not_there(place: Place) -> None:
    assert place.request("POST", "d", b"text", "text/plain").status_code == 204
    assert place.request("GET", "d").content == b"text"


# Concurrency (1.0.3 3.1, 2.0 4.1.4)


def test_3_1_if_none_match_guards_what_is_there(place: Place) -> None:
    if _is_state(place) and not place.lrs.is_2:
        pytest.skip("1.0.3 leaves State to the last writer")
    place.create("d", b"1", "text/plain")
    assert place.request("PUT", "d", b"2", "text/plain", If_None_Match="*").status_code == 412
    assert place.request("GET", "d").content == b"1"


def test_3_1_if_match_guards_against_a_change_in_between(place: Place) -> None:
    if _is_state(place) and not place.lrs.is_2:
        pytest.skip("1.0.3 leaves State to the last writer")
    place.create("d", b"1", "text/plain")
    read = place.etag("d")
    assert place.request("PUT", "d", b"2", "text/plain", If_Match=read).status_code == 204
    assert place.request("PUT", "d", b"3", "text/plain", If_Match=read).status_code == 412
    assert place.request("GET", "d").content == b"2"
    assert place.request("PUT", "none", b"3", "text/plain", If_Match=read).status_code == 412
    assert place.request("GET", "none").status_code == 404


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_4_1_4_if_match_holds_for_post_and_delete(place: Place, method: str) -> None:
    if not place.lrs.is_2:
        pytest.skip("1.0.3 asks for it with PUT alone")
    place.create("d", b'{"a": 1}')
    read = place.etag("d")
    content = b'{"b": 1}' if method == "POST" else None
    answer = place.request(method, "d", content, If_Match='"' + "0" * 40 + '"')
    assert answer.status_code == 412
    assert place.request("GET", "d").content == b'{"a": 1}'
    assert place.request(method, "d", content, If_Match=read).status_code == 204


def test_xapi_00322_put_over_a_document_without_a_condition_is_a_conflict(place: Place) -> None:
    if _is_state(place) and not place.lrs.is_2:
        pytest.skip("1.0.3 leaves State to the last writer")
    place.create("d", b"1", "text/plain")
    answer = place.request("PUT", "d", b"2", "text/plain")
    assert answer.status_code == 409
    # It must say in words what the client can do.
    assert "if-match" in answer.text.lower()
    assert place.request("GET", "d").content == b"1"


def test_put_of_a_new_document_without_a_condition(place: Place) -> None:
    """1.0.3 3.1: a profile needs one, also when it is new; 2.0: it does not."""
    answer = place.request("PUT", "d", b"1", "text/plain")
    refused = not place.lrs.is_2 and not _is_state(place)
    assert answer.status_code == (400 if refused else 204)


def test_2_3_state_of_1_0_3_is_last_write_wins(lrs_1: Lrs) -> None:
    state = _place(lrs_1, "activities/state")
    for content in (b"1", b"2"):
        assert state.request("PUT", "d", content, "text/plain").status_code == 204
    assert state.request("GET", "d").content == b"2"


def test_of_many_writers_at_once_one_wins_and_merges_lose_nothing(place: Place) -> None:
    place.create("d", b"{}")
    read = place.etag("d")
    with ThreadPoolExecutor(WRITERS) as pool:
        if place.lrs.is_2 or not _is_state(place):
            bodies = [json.dumps({"winner": number}).encode() for number in range(WRITERS)]
            answers = list(
                pool.map(lambda body: place.request("PUT", "d", body, If_Match=read), bodies)
            )
            codes = sorted(one.status_code for one in answers)
            assert codes == [204] + [412] * (WRITERS - 1)
        keys = [json.dumps({f"k{number}": number}).encode() for number in range(WRITERS)]
        merged = list(pool.map(lambda body: place.request("POST", "d", body), keys))
    assert {one.status_code for one in merged} == {204}
    document = place.request("GET", "d").json()
    assert {f"k{number}" for number in range(WRITERS)} <= set(document)


# State alone (2.3)


def _state(lrs: Lrs, **shelf: object) -> Place:
    whole = {"activityId": new_iri(), "agent": new_agent(), **shelf}
    return Place(lrs, "activities/state", whole, "stateId")


def test_xapi_00218_to_00220_00227_a_registration_has_its_own_states(lrs: Lrs) -> None:
    plain = _state(lrs)
    registered = _state(lrs, **plain.shelf, registration=new_id())
    plain.create("d", b"plain", "text/plain")
    registered.create("d", b"registered", "text/plain")
    registered.create("e", b"registered", "text/plain")
    assert plain.request("GET", "d").content == b"plain"
    assert registered.request("GET", "d").content == b"registered"
    assert sorted(registered.request("GET").json()) == ["d", "e"]
    assert registered.request("DELETE", "d").status_code == 204
    assert registered.request("GET", "d").status_code == 404
    assert plain.request("GET", "d").content == b"plain"


def test_xapi_00194_delete_without_an_id_clears(lrs: Lrs) -> None:
    shelf, other = _state(lrs), _state(lrs)
    for one in ("a", "b"):
        shelf.create(one, b"{}")
    other.create("a", b"{}")
    assert shelf.request("DELETE").status_code == 204
    assert shelf.request("GET").json() == []
    assert other.request("GET").json() == ["a"]


def test_the_same_agent_written_otherwise_has_the_same_states(lrs: Lrs) -> None:
    mine = _state(lrs)
    mine.create("d", b"1", "text/plain")
    agent = {"name": "Ada", "mbox": mine.shelf["agent"]["mbox"]}
    again = _state(lrs, activityId=mine.shelf["activityId"], agent=agent)
    assert again.request("GET", "d").content == b"1"
