"""What a perfect score in the official suite does not prove, and must hold all the same.

Each was found broken in a learning record store that passes the suite.
"""

import json
from decimal import Decimal
from email.utils import parsedate_to_datetime
from uuid import UUID

import httpx
import pytest

from xapi_lrs import Json, Lrs, new_agent, new_id, new_iri, new_statement, parse_time, voiding

JSON = {"Content-Type": "application/json"}
PAGES = 1000


def _raw(lrs: Lrs, statement: Json, value: str) -> httpx.Response:
    """Post `statement` with the JSON text `value` in the place of "MARK"."""
    body = json.dumps(statement).replace('"MARK"', value)
    return lrs.request("POST", content=body.encode(), headers=JSON)


def _extended(**properties: object) -> Json:
    return new_statement(result={"extensions": {"https://example.org/x": "MARK"}}, **properties)


# Filters and StatementRefs (Communication 2.1.3): a statement is found through what it refers to.


def _reference(target: str, **properties: object) -> Json:
    return new_statement(object={"objectType": "StatementRef", "id": target}, **properties)


def test_filters_match_through_references_recursively(lrs: Lrs) -> None:
    registration = new_id()
    target = new_statement(id=new_id(), context={"registration": registration})
    near = _reference(target["id"], id=new_id())
    far = _reference(near["id"], id=new_id())
    lrs.keep(target)
    lrs.keep(near)
    (last,) = lrs.keep(far)
    lrs.settle(last)
    chain = {target["id"], near["id"], far["id"]}
    assert set(lrs.ids(activity=target["object"]["id"])) == chain
    assert set(lrs.ids(agent=target["actor"])) == chain
    assert set(lrs.ids(verb=target["verb"]["id"])) == chain
    assert set(lrs.ids(registration=registration)) == chain
    both = {"agent": target["actor"], "verb": target["verb"]["id"]}
    assert set(lrs.ids(**both, activity=target["object"]["id"])) == chain
    assert lrs.ids(verb=far["verb"]["id"]) == [far["id"]]
    assert set(lrs.ids(agent=near["actor"])) == {near["id"], far["id"]}


def test_what_is_referred_to_may_arrive_later(lrs: Lrs) -> None:
    target = new_statement(id=new_id())
    near = _reference(target["id"], id=new_id())
    far = _reference(near["id"], id=new_id())
    for one in (far, near, target):
        (last,) = lrs.keep(one)
    lrs.settle(last)
    chain = {target["id"], near["id"], far["id"]}
    assert set(lrs.ids(activity=target["object"]["id"])) == chain


def test_references_in_a_circle_end(lrs: Lrs) -> None:
    one, two = new_id(), new_id()
    first, second = _reference(two, id=one), _reference(one, id=two)
    lrs.keep(first)
    (last,) = lrs.keep(second)
    lrs.settle(last)
    assert set(lrs.ids(verb=first["verb"]["id"])) == {one, two}


def test_since_and_until_apply_to_the_reference_itself(lrs: Lrs) -> None:
    target = new_statement(id=new_id())
    lrs.keep(target)
    lrs.settle(target["id"])
    border = lrs.read(target["id"])["stored"]
    near = _reference(target["id"], id=new_id())
    lrs.keep(near)
    lrs.settle(near["id"])
    asked = target["object"]["id"]
    assert lrs.ids(activity=asked, since=border) == [near["id"]]
    assert lrs.ids(activity=asked, until=border) == [target["id"]]


def test_a_voided_target_still_leads_to_what_refers_to_it(lrs: Lrs) -> None:
    target = new_statement(id=new_id())
    comment = _reference(target["id"], id=new_id())
    lrs.keep(target)
    lrs.keep(comment)
    (void,) = lrs.keep(voiding(target["id"]))
    lrs.settle(comment["id"])
    lrs.settle(void)
    assert set(lrs.ids(activity=target["object"]["id"])) == {comment["id"], void}


# Groups


@pytest.mark.parametrize("place", ["actor", "object"])
def test_an_agent_is_found_as_member_of_a_group(lrs: Lrs, place: str) -> None:
    agent = new_agent()
    group = {**new_agent(), "objectType": "Group", "member": [new_agent(), agent]}
    (kept,) = lrs.keep(new_statement(**{place: group}))
    lrs.settle(kept)
    assert lrs.ids(agent=agent) == [kept]
    assert lrs.ids(agent={"objectType": "Group", "mbox": group["mbox"]}) == [kept]


# Strings


def test_a_null_character_breaks_nothing_else(lrs: Lrs) -> None:
    """It is stored or refused with 400; what stands beside it is read as before."""
    activity = {"id": new_iri()}
    (good,) = lrs.keep(new_statement(object=activity))
    answer = _raw(lrs, _extended(object=activity), '"a\\u0000b"')
    assert answer.status_code in (200, 400)
    kept = {good}
    if answer.status_code == 200:
        (odd,) = answer.json()
        kept.add(odd)
        assert lrs.read(odd)["result"]["extensions"]["https://example.org/x"] == "a\0b"
        lrs.settle(odd)
    lrs.settle(good)
    assert set(lrs.ids(activity=activity["id"])) == kept
    for wanted in ("exact", "ids", "canonical"):
        assert lrs.get(activity=activity["id"], format=wanted).status_code == 200


@pytest.mark.parametrize("name", ["name", "platform", "response", "verb", "parameter", "document"])
def test_a_null_character_anywhere_is_no_error_of_the_server(lrs: Lrs, name: str) -> None:
    odd = "a\0b"
    agent, iri = json.dumps(new_agent()), new_iri()
    if name == "parameter":
        answers = [lrs.get(verb=iri + odd), lrs.get(statementId=odd), lrs.get(agent=f'"{odd}"')]
        state = {"activityId": iri, "agent": agent, "stateId": odd}
        answers.append(lrs.request("GET", "activities/state", params=state))
        answers.append(lrs.request("GET", "agents", params={"agent": json.dumps({"name": odd})}))
    elif name == "document":
        where = {"activityId": iri, "agent": agent, "stateId": odd}
        answers = [lrs.request("PUT", "activities/state", params=where, json={"a": odd})]
        where["stateId"] = "s"
        answers.append(lrs.request("POST", "activities/state", params=where, json={odd: odd}))
        answers.append(lrs.request("POST", "activities/state", params=where, json={"b": 1}))
    else:
        statement = {
            "name": new_statement(actor=new_agent(odd)),
            "platform": new_statement(context={"platform": odd}),
            "response": new_statement(result={"response": odd}),
            "verb": new_statement(verb={"id": new_iri(), "display": {"en": odd}}),
        }[name]
        answers = [lrs.post(statement)]
    for answer in answers:
        assert answer.status_code < 500, answer.text


# Numbers


@pytest.mark.parametrize(
    "number",
    [
        "9007199254740993",
        "123456789012345678901234567890",
        "-9223372036854775809",
        "0.1",
        "0.30000000000000004",
        "3.141592653589793238462643383279",
        "1e400",
        "1E-7",
        "1.0",
        "-0.0",
    ],
)
def test_numbers_come_back_as_they_were_sent(lrs: Lrs, number: str) -> None:
    answer = _raw(lrs, _extended(), number)
    assert answer.status_code == 200, answer.text
    (kept,) = answer.json()
    text = lrs.get(statementId=kept).text
    read = json.loads(text, parse_int=Decimal, parse_float=Decimal)
    value = read["result"]["extensions"]["https://example.org/x"]
    assert value == Decimal(number)


def test_two_numbers_that_a_double_cannot_tell_apart_are_a_conflict(lrs: Lrs) -> None:
    sent = _extended(id=new_id())
    assert _raw(lrs, sent, "9007199254740992").status_code == 200
    assert _raw(lrs, sent, "9007199254740992").status_code == 200
    assert _raw(lrs, sent, "9007199254740993").status_code == 409


def test_a_score_is_not_rounded_into_its_limits(lrs: Lrs) -> None:
    statement = new_statement(result={"score": {"scaled": "MARK"}})
    assert _raw(lrs, statement, "1.0").status_code == 200
    assert _raw(lrs, statement, "1.00000000000000000001").status_code == 400


# JSON


def test_duplicate_keys_are_refused(lrs: Lrs) -> None:
    whole = json.dumps(new_statement())
    assert whole.startswith('{"actor"')
    for body in (
        f'{{"id": "{new_id()}", "id": "{new_id()}", {whole[1:]}',
        '{"actor": {"mbox": "mailto:b@example.org"}, ' + whole[1:],
    ):
        assert lrs.request("POST", content=body, headers=JSON).status_code == 400
    assert _raw(lrs, _extended(), '{"a": 1, "a": 2}').status_code == 400
    # The same key, spelled with an escape.
    assert _raw(lrs, _extended(), '{"a": 1, "\\u0061": 2}').status_code == 400


@pytest.mark.parametrize("depth", [200, 100_000])
def test_depth_is_limited(lrs: Lrs, depth: int) -> None:
    assert _raw(lrs, _extended(), "[" * depth + "]" * depth).status_code == 400
    assert _raw(lrs, _extended(), '{"a":' * depth + "1" + "}" * depth).status_code == 400
    assert _raw(lrs, _extended(), "[" * depth).status_code == 400


def test_what_is_not_json_though_parsers_like_it_is_refused(lrs: Lrs) -> None:
    for value in ("NaN", "Infinity", "-Infinity", "01", "1.", ".5", "0x10", "'a'", "1,"):
        assert _raw(lrs, _extended(), value).status_code == 400, value
    assert _raw(lrs, _extended(), '"\\ud800"').status_code in (200, 400)


# Time


def test_an_absent_timestamp_is_stored(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    read = lrs.read(kept)
    assert parse_time(read["timestamp"]) == parse_time(read["stored"])
    lrs.settle(kept)
    read = lrs.read(kept)
    assert parse_time(read["timestamp"]) == parse_time(read["stored"])


def test_last_modified_is_an_http_date(lrs_2: Lrs) -> None:
    (kept,) = lrs_2.keep(new_statement())
    where = {"activityId": new_iri(), "profileId": "p"}
    answer = lrs_2.request("PUT", "activities/profile", params=where, json={})
    assert answer.status_code == 204, answer.text
    for answer in (
        lrs_2.get(statementId=kept),
        lrs_2.request("GET", "activities/profile", params=where),
    ):
        text = answer.headers["last-modified"]
        assert text.endswith(" GMT")
        assert parsedate_to_datetime(text).tzinfo is not None


def test_generated_ids_are_version_4(lrs: Lrs) -> None:
    for one in lrs.keep(*(new_statement() for _ in range(5))):
        assert UUID(one).version == 4


# Pages


def test_more_over_a_thousand_pages_has_no_loss_and_no_repeats_while_writing(lrs_2: Lrs) -> None:
    """Every tenth page, a statement arrives that the list could show."""
    lrs, activity = lrs_2, {"id": new_iri()}

    def write(count: int) -> list[str]:
        return lrs.keep(*(new_statement(object=activity) for _ in range(count)))

    def walk(**parameters: object) -> list[list[str]]:
        """The ids of each page."""
        answer = lrs.get(activity=activity["id"], **parameters)
        pages: list[list[str]] = []
        while True:
            assert answer.status_code == 200, answer.text
            page = answer.json()
            pages.append([one["id"] for one in page["statements"]])
            if len(pages) % 10 == 0 and len(pages) <= PAGES:
                meanwhile.extend(write(1))
            if not page.get("more"):
                return pages
            answer = lrs.more(page["more"])

    meanwhile: list[str] = []
    kept = [one for _ in range(4) for one in write(PAGES // 4)]
    lrs.settle(kept[-1])
    before = set(kept)
    # Newest first: what arrives meanwhile belongs before the first page, and moves nothing.
    pages = walk(limit=1)
    found = [one for page in pages for one in page]
    assert len(pages) >= PAGES
    assert len(found) == len(set(found))
    assert before <= set(found) <= before | set(meanwhile)
    # Oldest first: what arrives meanwhile comes at the end, once.
    arrived = {*before, *meanwhile}
    lrs.settle(meanwhile[-1])
    found = [one for page in walk(limit=5, ascending=True) for one in page]
    assert len(found) == len(set(found))
    assert arrived <= set(found) <= arrived | set(meanwhile)
