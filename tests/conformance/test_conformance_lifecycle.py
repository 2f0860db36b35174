"""What the LRS adds to a statement, keeps of it, and how it is voided.

xAPI 1.0.3 Data 2.3, 2.4.1, 2.4.7 to 2.4.10, Communication 2.1.1, 2.1.2 and 3.3; IEEE 9274.1.1
4.2.4 and 4.2.5.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import pytest

from xapi_lrs import (
    Json,
    Lrs,
    complete_statement,
    new_agent,
    new_id,
    new_iri,
    new_statement,
    parse_time,
    voiding,
)

# Clocks of a test and of an LRS on another machine may differ by so much.
CLOCKS = timedelta(seconds=30)


def test_xapi_00023_00097_stored_is_the_time_of_receipt_whatever_was_sent(lrs: Lrs) -> None:
    sent = new_statement(stored="2001-01-01T00:00:00Z")
    before = datetime.now(UTC)
    (kept,) = lrs.keep(sent)
    after = datetime.now(UTC)
    assert before - CLOCKS < parse_time(lrs.read(kept)["stored"]) < after + CLOCKS


def test_xapi_00026_an_id_is_made_where_none_was_sent(lrs: Lrs) -> None:
    ids = lrs.keep(new_statement(), new_statement())
    assert len(set(ids)) == 2
    for one in ids:
        # An old client library refuses other versions of UUID than 4.
        assert UUID(one).version == 4
        assert lrs.read(one)["id"] == one


def test_xapi_00099_authority_is_set_from_the_key(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    authority = lrs.read(kept)["authority"]
    assert authority["objectType"] in ("Agent", "Group")
    assert {"mbox", "mbox_sha1sum", "openid", "account", "member"} & set(authority)


def test_xapi_00099_an_authority_that_was_sent_does_not_become_the_authority(lrs: Lrs) -> None:
    claimed = new_agent("the ministry")
    (kept,) = lrs.keep(new_statement(authority=claimed))
    (other,) = lrs.keep(new_statement())
    assert lrs.read(kept)["authority"] == lrs.read(other)["authority"] != claimed


def test_xapi_00330_00332_the_version_of_a_statement_is_kept_or_set(lrs_1: Lrs, lrs_2: Lrs) -> None:
    (kept,) = lrs_1.keep(new_statement(version="1.0.1"))
    assert lrs_1.read(kept)["version"] == "1.0.1"
    (kept,) = lrs_1.keep(new_statement())
    assert lrs_1.read(kept)["version"] == "1.0.0"
    (kept,) = lrs_2.keep(new_statement(version="2.0.0"))
    assert lrs_2.read(kept)["version"] == "2.0.0"
    (kept,) = lrs_2.keep(new_statement())
    assert lrs_2.read(kept)["version"] == "2.0.0"


def test_xapi_00002_00122_everything_sent_comes_back(lrs: Lrs) -> None:
    sent = complete_statement()
    sent["result"]["score"] = {"scaled": 0.123456789, "raw": 3.4028235e38, "min": -1e-37}
    (kept,) = lrs.keep(sent)
    read = lrs.read(kept)
    assert parse_time(read.pop("timestamp")) == parse_time(sent.pop("timestamp"))
    for name, value in sent.items():
        assert read[name] == value, name


def test_4_2_4_2_a_time_with_an_offset_comes_back_as_the_same_instant(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement(timestamp="2024-02-29T23:59:59.123+05:30"))
    text = lrs.read(kept)["timestamp"]
    assert parse_time(text) == datetime(2024, 2, 29, 18, 29, 59, 123000, UTC)
    if lrs.is_2:
        assert parse_time(text).utcoffset() == timedelta(0)


def test_xapi_00096_a_single_context_activity_comes_back_as_a_list(lrs: Lrs) -> None:
    parent = {"id": new_iri()}
    sub = {
        "objectType": "SubStatement",
        **new_statement(),
        "context": {"contextActivities": {"grouping": parent}},
    }
    (kept,) = lrs.keep(new_statement(object=sub, context={"contextActivities": {"parent": parent}}))
    read = lrs.read(kept)
    assert [one["id"] for one in read["context"]["contextActivities"]["parent"]] == [parent["id"]]
    inner = read["object"]["context"]["contextActivities"]["grouping"]
    assert [one["id"] for one in inner] == [parent["id"]]


def test_xapi_00143_00144_a_statement_is_put_under_its_id(lrs: Lrs) -> None:
    wanted = new_id()
    answer = lrs.put(wanted, new_statement())
    assert answer.status_code == 204, answer.text
    assert answer.content == b""
    assert lrs.read(wanted)["id"] == wanted


def test_xapi_00145_put_needs_the_statement_id_and_the_same_as_in_the_body(lrs: Lrs) -> None:
    assert lrs.request("PUT", json=new_statement()).status_code == 400
    assert lrs.put("no-uuid", new_statement()).status_code == 400
    wanted = new_id()
    assert lrs.put(wanted, new_statement(id=new_id())).status_code == 400
    assert lrs.get(statementId=wanted).status_code == 404


def test_xapi_00146_post_answers_the_ids_in_the_order_sent(lrs: Lrs) -> None:
    sent = [new_statement(id=new_id()), new_statement(), new_statement(id=new_id())]
    answer = lrs.post(sent)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/json")
    ids = answer.json()
    assert [ids[0], ids[2]] == [sent[0]["id"], sent[2]["id"]]
    assert lrs.post(new_statement()).json() != []


def test_xapi_00142_another_statement_under_the_same_id_is_a_conflict(lrs: Lrs) -> None:
    sent = new_statement(id=new_id())
    assert lrs.put(sent["id"], sent).status_code == 204
    changed = {**sent, "verb": {"id": new_iri("verb")}}
    assert lrs.put(sent["id"], changed).status_code == 409
    assert lrs.post(changed).status_code == 409
    assert lrs.read(sent["id"])["verb"] == sent["verb"]


def test_xapi_00326_a_batch_is_kept_whole_or_not_at_all(lrs: Lrs) -> None:
    good, bad = new_statement(id=new_id()), new_statement(id=new_id(), actor={})
    assert lrs.post([good, bad]).status_code == 400
    assert lrs.get(statementId=good["id"]).status_code == 404
    taken = new_statement(id=new_id())
    lrs.keep(taken)
    assert lrs.post([good, {**taken, "verb": {"id": new_iri("verb")}}]).status_code == 409
    assert lrs.get(statementId=good["id"]).status_code == 404


def test_the_same_id_twice_in_a_batch_is_refused(lrs_2: Lrs) -> None:
    """IEEE 9274.1.1 4.1.6.1: a batch that has it is refused as a whole."""
    one, two = new_statement(id=new_id()), new_statement()
    assert lrs_2.post([one, {**two, "id": one["id"]}]).status_code == 400
    assert lrs_2.get(statementId=one["id"]).status_code == 404


def test_2_0_last_modified_is_the_time_of_storing(lrs_2: Lrs) -> None:
    """IEEE 9274.1.1 4.1.6.1: an HTTP date (RFC 9110 5.6.7), to the second."""
    (kept,) = lrs_2.keep(new_statement())
    answer = lrs_2.get(statementId=kept)
    text = answer.headers["last-modified"]
    assert text.endswith(" GMT")
    stored = parse_time(answer.json()["stored"]).replace(microsecond=0)
    assert parsedate_to_datetime(text) == stored


# Voiding


def test_xapi_00018_00155_00156_a_voided_statement_is_found_under_its_other_name(
    lrs: Lrs,
) -> None:
    sent = new_statement()
    (kept,) = lrs.keep(sent)
    assert lrs.get(voidedStatementId=kept).status_code == 404
    (void,) = lrs.keep(voiding(kept))
    assert lrs.get(statementId=kept).status_code == 404
    answer = lrs.get(voidedStatementId=kept)
    assert answer.status_code == 200
    assert answer.json()["verb"] == sent["verb"]
    assert lrs.read(void)["object"]["id"] == kept
    assert lrs.get(voidedStatementId=void).status_code == 404


def test_xapi_00162_00163_lists_leave_out_the_voided_and_show_the_voiding(lrs: Lrs) -> None:
    activity = {"id": new_iri()}
    kept, stays = lrs.keep(new_statement(object=activity), new_statement(object=activity))
    (void,) = lrs.keep(voiding(kept))
    lrs.settle(void)
    found = lrs.ids(activity=activity["id"])
    assert stays in found
    assert kept not in found
    # It has no activity of its own: it is found because it refers to one that has (2.1.3).
    assert void in found


def test_xapi_00017_00020_voiding_needs_a_reference(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    for target in ({"id": new_iri()}, {"objectType": "Activity", "id": new_iri()}, new_agent()):
        assert lrs.post({**voiding(kept), "object": target}).status_code == 400
    assert lrs.get(statementId=kept).status_code == 200


def test_xapi_00016_a_voiding_statement_cannot_be_voided(lrs: Lrs) -> None:
    (kept,) = lrs.keep(new_statement())
    (void,) = lrs.keep(voiding(kept))
    # It may be refused or ignored; both leave the first void in force.
    assert lrs.post(voiding(void)).status_code in (200, 400, 403)
    assert lrs.get(statementId=void).status_code == 200
    assert lrs.get(statementId=kept).status_code == 404


def test_4_2_5_what_is_not_there_yet_can_be_voided(lrs_2: Lrs) -> None:
    later = new_statement(id=new_id())
    (void,) = lrs_2.keep(voiding(later["id"]))
    lrs_2.settle(void)
    lrs_2.keep(later)
    assert lrs_2.get(statementId=later["id"]).status_code == 404
    assert lrs_2.get(voidedStatementId=later["id"]).status_code == 200


# Immutability: a retry of a client must succeed where it says the same (Data 2.3.1, 4.2.4)


def _said_otherwise(sent: Json) -> list[Json]:
    """The same statement, written in other ways that immutability leaves open."""
    definition = {**sent["object"]["definition"], "name": {"en-GB": "Another name"}}
    team = sent["context"]["team"]
    return [
        sent,
        {**sent, "verb": {**sent["verb"], "display": {"fr": "a répondu"}}},
        {**sent, "object": {**sent["object"], "definition": definition}},
        {**sent, "stored": "2001-01-01T00:00:00Z", "authority": new_agent()},
        {**sent, "timestamp": "2024-02-29T13:30:00.123+01:00"},
        {**sent, "context": {**sent["context"], "team": {**team, "member": team["member"][::-1]}}},
        dict(reversed(sent.items())),
    ]


@pytest.mark.parametrize("index", range(7))
def test_a_retry_that_says_the_same_succeeds(lrs: Lrs, index: int) -> None:
    sent = complete_statement()
    sent["id"] = new_id()
    sent["context"]["team"]["member"].append(new_agent())
    lrs.keep(sent)
    first = lrs.read(sent["id"])
    again = _said_otherwise(sent)[index]
    answer = lrs.post(again)
    assert answer.status_code == 200, answer.text
    assert answer.json() == [sent["id"]]
    assert lrs.put(sent["id"], again).status_code == 204
    assert lrs.read(sent["id"]) == first


def test_a_retry_that_says_something_else_is_a_conflict(lrs: Lrs) -> None:
    sent = complete_statement()
    sent["id"] = new_id()
    lrs.keep(sent)
    for name, value in (
        ("result", {**sent["result"], "success": False}),
        ("context", {**sent["context"], "platform": "paper"}),
        ("timestamp", "2024-02-29T12:30:01.123Z"),
        ("object", {**sent["object"], "id": new_iri()}),
        ("actor", new_agent()),
    ):
        assert lrs.post({**sent, name: value}).status_code == 409, name
