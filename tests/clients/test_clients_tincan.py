"""The published Python client `tincan` works with the product as it is."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from tincan import (  # type: ignore[import-untyped]  # ships no types
    Activity,
    ActivityDefinition,
    Agent,
    AgentProfileDocument,
    Attachment,
    Context,
    LanguageMap,
    RemoteLRS,
    Result,
    Score,
    StateDocument,
    Statement,
    StatementRef,
    Verb,
)
from tincan.documents import ActivityProfileDocument  # type: ignore[import-untyped]

from xapi_lrs import Endpoint, Lrs

VOIDED = "http://adlnet.gov/expapi/verbs/voided"


@pytest.fixture
def lrs(endpoint: Endpoint) -> RemoteLRS:
    return RemoteLRS(
        endpoint=f"{endpoint.url}/", username=endpoint.user, password=endpoint.password
    )


@pytest.fixture
def agent() -> Agent:
    return Agent(name="Ada", mbox=f"mailto:{uuid4()}@example.org")


@pytest.fixture
def activity() -> Activity:
    name = LanguageMap({"en-GB": "Gowning"})
    return Activity(
        id=f"https://example.org/activity/{uuid4()}", definition=ActivityDefinition(name=name)
    )


def _statement(agent: Agent, activity: Activity) -> Statement:
    return Statement(
        actor=agent,
        verb=Verb(id=f"https://example.org/verb/{uuid4()}", display=LanguageMap({"en": "gowned"})),
        object=activity,
        result=Result(
            score=Score(scaled=0.9, raw=9, min=0, max=10),
            success=True,
            completion=True,
            duration=timedelta(minutes=3, seconds=1),
        ),
        context=Context(registration=uuid4(), language="en-GB"),
        timestamp=datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    )


def test_about_can_be_read_by_a_client_that_knows_no_2_0(lrs: RemoteLRS) -> None:
    """The package refuses a version that it does not know. It says which it speaks, and is told of
    that one."""
    answer = lrs.about()
    assert answer.success, answer.data
    assert answer.content.version == ["1.0.3"]


def test_statements_are_saved_and_read_back(
    lrs: RemoteLRS, agent: Agent, activity: Activity
) -> None:
    sent = _statement(agent, activity)
    saved = lrs.save_statement(sent)
    assert saved.success, saved.data
    read = lrs.retrieve_statement(saved.content.id)
    assert read.success, read.data
    for name in ("actor", "verb", "object"):
        assert getattr(read.content, name).to_json() == getattr(sent, name).to_json()
    assert read.content.id == sent.id
    assert read.content.timestamp == sent.timestamp
    assert read.content.result.score.scaled == 0.9
    assert read.content.result.duration == timedelta(minutes=3, seconds=1)
    assert read.content.stored is not None
    assert read.content.authority is not None


def test_a_statement_with_an_id_is_put(lrs: RemoteLRS, agent: Agent, activity: Activity) -> None:
    sent = _statement(agent, activity)
    sent.id = uuid4()
    assert lrs.save_statement(sent).success
    assert lrs.save_statement(sent).success, "a retry"
    assert lrs.retrieve_statement(str(sent.id)).content.id == sent.id


def test_a_list_is_asked_for_and_followed(lrs: RemoteLRS, agent: Agent, activity: Activity) -> None:
    saved = lrs.save_statements([_statement(agent, activity) for _ in range(3)])
    assert saved.success, saved.data
    expected = {one.id for one in saved.content}
    # A flag given as True goes out as "True", which the standard does not have (2.1.3).
    flags = {"ascending": "true", "related_agents": "true"}
    query = {"agent": agent, "activity": activity, "limit": 2, "format": "exact", **flags}
    answer = lrs.query_statements(query)
    assert answer.success, answer.data
    found = [one.id for one in answer.content.statements]
    assert len(found) == 2
    answer = lrs.more_statements(answer.content)
    assert answer.success, answer.data
    found += [one.id for one in answer.content.statements]
    assert len(found) == 3
    assert set(found) == expected


def test_a_statement_is_voided(lrs: RemoteLRS, agent: Agent, activity: Activity) -> None:
    target = lrs.save_statement(_statement(agent, activity)).content
    void = Statement(actor=agent, verb=Verb(id=VOIDED), object=StatementRef(id=target.id))
    assert lrs.save_statement(void).success
    assert lrs.retrieve_statement(str(target.id)).response.status == 404
    found = lrs.retrieve_voided_statement(str(target.id))
    assert found.success, found.data
    assert found.content.id == target.id


def test_an_attachment_that_lies_elsewhere(
    lrs: RemoteLRS, agent: Agent, activity: Activity
) -> None:
    """The package sends no bytes of attachments, so theirs is a fileUrl."""
    sent = _statement(agent, activity)
    sent.attachments = [
        Attachment(
            usage_type="https://example.org/usage/evidence",
            display=LanguageMap({"en": "Evidence"}),
            content_type="image/png",
            length=4,
            sha2="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            fileurl="https://example.org/photo.png",
        )
    ]
    saved = lrs.save_statement(sent)
    assert saved.success, saved.data
    (kept,) = lrs.retrieve_statement(saved.content.id).content.attachments
    assert kept.fileurl == "https://example.org/photo.png"


def test_state_is_kept_listed_and_cleared(lrs: RemoteLRS, agent: Agent, activity: Activity) -> None:
    for name in ("a", "b"):
        state = StateDocument(
            id=name,
            activity=activity,
            agent=agent,
            content=bytearray(b'{"page": 7}'),
            content_type="application/json",
        )
        saved = lrs.save_state(state)
        assert saved.success, saved.data
    read = lrs.retrieve_state(activity, agent, "a")
    assert read.success, read.data
    assert bytes(read.content.content) == b'{"page": 7}'
    assert sorted(lrs.retrieve_state_ids(activity, agent).content) == ["a", "b"]
    assert lrs.delete_state(read.content).success
    assert lrs.retrieve_state_ids(activity, agent).content == ["b"]
    assert lrs.clear_state(activity, agent).success
    assert lrs.retrieve_state_ids(activity, agent).content == []


def test_profiles_are_replaced_and_deleted(
    lrs: RemoteLRS, endpoint: Endpoint, agent: Agent, activity: Activity
) -> None:
    """The package cannot say "only if there is none" (If-None-Match), which 1.0.3 asks of whoever
    makes a profile; so another client makes them."""
    headers = {"Content-Type": "text/plain", "If-None-Match": "*"}
    of_agent = {"agent": agent.to_json(), "profileId": "p"}
    of_activity = {"activityId": activity.id, "profileId": "p"}
    with httpx.Client() as http:
        other = Lrs(endpoint, "1.0.3", http)
        for resource, where in (("agents/profile", of_agent), ("activities/profile", of_activity)):
            made = other.request("PUT", resource, params=where, content=b"first", headers=headers)
            assert made.status_code == 204, made.text

    read = lrs.retrieve_agent_profile(agent, "p")
    assert read.success, read.data
    profile = AgentProfileDocument(
        id="p", agent=agent, etag=read.response.getheader("etag"), content=bytearray(b"second")
    )
    assert lrs.save_agent_profile(profile).success
    assert lrs.save_agent_profile(profile).response.status == 412
    assert bytes(lrs.retrieve_agent_profile(agent, "p").content.content) == b"second"
    assert lrs.retrieve_agent_profile_ids(agent).content == ["p"]
    profile.etag = None
    assert lrs.delete_agent_profile(profile).success

    found = lrs.retrieve_activity_profile(activity, "p")
    assert bytes(found.content.content) == b"first"
    assert lrs.retrieve_activity_profile_ids(activity).content == ["p"]
    course = ActivityProfileDocument(id="p", activity=activity)
    assert lrs.delete_activity_profile(course).success
