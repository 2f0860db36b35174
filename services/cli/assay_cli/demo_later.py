"""What happens later to learners who are qualified, or nearly: four short stories.

late_renewal        a yearly run that came after the expiry does not renew: the course begins anew
failed_media_fill   a failure elsewhere suspends a competency and its credential
back_dated          an authorisation that was recorded too late, and both views of the record
two_people          two learners taken for one, and told apart again
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

import orjson

from assay_cli.demo_catalogue import catalogue
from assay_cli.demo_chapters import Play
from assay_cli.demo_doors import DemoError, Json, eventually
from assay_cli.demo_programme import Authorisation, Delivery
from assay_cli.demo_statements import (
    COMPETENCIES,
    Agent,
    Made,
    Outcome,
    account,
    observation,
    workplace_record,
)

DECIDED_SECONDS = 60.0
SCOPE = "isolator"
GLOVES = "ASP8"
TRANSFER = "ASP6"
_RUN = "practical/isolator-gloves"
_MOVE = "practical/material-transfer"
_FILL = "workplace/media-fill"


@dataclass(frozen=True, slots=True)
class Later:
    """Who tells: the play, its own people and its own chance."""

    play: Play
    day: date
    randomness: Random
    assessor: Agent

    def learner(self, name: str) -> Agent:
        """Somebody who has no other story. Their account is of this programme alone."""
        given = f"later-{self.play.programme.cohort}-{name.lower().replace(' ', '-')}"
        return account(catalogue().organisations[0].home_page, given, name)

    def runs(self, actor: Agent, path: str, days: Sequence[int], assessor: Agent) -> list[Made]:
        """One passed observation each so many days ago."""
        name = catalogue().activities[path]
        return [
            made
            for ago in days
            for made in observation(
                self.randomness,
                actor,
                path,
                name,
                self.at(ago),
                Outcome("passed"),
                assessor,
                with_items=False,
            )
        ]

    def at(self, days_ago: int) -> datetime:
        """Ten in the morning of that day."""
        return datetime.combine(self.day - timedelta(days=days_ago), time(10), UTC)

    async def observed(self, made: Sequence[Made]) -> None:
        """The assessors' tablets send this."""
        body = orjson.dumps([one.statement for one in made])
        answer = await self.play.doors.post("in-person", body)
        if answer.status_code != 200:
            raise DemoError(f"the tablets' statements were answered {answer.status_code}")

    async def becomes(self, person: str, code: str, status: str) -> str:
        """Wait for a standing decision; the status that there is at the end."""
        seen = ["not_started"]

        async def look() -> bool | None:
            statuses = await self.play.doors.live_statuses(person)
            seen[0] = statuses.get(COMPETENCIES + code, "not_started")
            return seen[0] == status or None

        await eventually(look, DECIDED_SECONDS)
        return seen[0]

    async def check(self, person: str, code: str, status: str, text: str) -> Json:
        """Say whether it came true; the decision with its explanation."""
        found = await self.becomes(person, code, status)
        self.play.story.check(found == status, text, f"it is {found}")
        return await self.play.doors.decision(person, COMPETENCIES + code)

    async def credential(self, person: str, status: str, text: str) -> None:
        """Wait until the newest credential of a person has this status."""

        async def look() -> bool | None:
            listed = await self.play.doors.credentials(person)
            return any(one["status"] == status for one in listed) or None

        found = await eventually(look, DECIDED_SECONDS)
        self.play.story.check(found is not None, text, "no such credential")


async def later(play: Play, day: date, seed: int) -> None:
    """All four stories, unless this stack has heard them before."""
    if play.again:
        play.story.chapter("What happens later")
        play.story.say("These stories were told to this stack before.")
        return
    # A demo is to be repeatable; nothing here is a secret.
    randomness = Random(f"{play.programme.cohort}/later/{seed}")  # noqa: S311
    home = catalogue().assessors.home_page
    told = Later(play, day, randomness, account(home, f"later-{play.programme.cohort}", "Eluned"))
    await _authorise(told, told.assessor, day - timedelta(days=700))
    await late_renewal(told)
    await failed_media_fill(told)
    await back_dated(told)
    await two_people(told)


async def _authorise(told: Later, assessor: Agent, start: date) -> None:
    doors = told.play.doors
    given = Authorisation(assessor, SCOPE, start, told.day + timedelta(days=365))
    await doors.authorise(await doors.put_person([assessor]), given)


async def late_renewal(told: Later) -> None:
    """Three runs, a year, a lapse; the late run counts as the first of three new ones."""
    story, doors = told.play.story, told.play.doors
    story.chapter("A renewal that came late")
    learner = told.learner("Wyn Bowen")
    person = await doors.put_person([learner])
    await told.observed(told.runs(learner, _RUN, (430, 420, 410), told.assessor))
    await told.check(person, GLOVES, "expired", "three runs qualified Wyn, and a year has passed")
    await told.observed(told.runs(learner, _RUN, (20,), told.assessor))

    async def counted() -> Json | None:
        decision = await doors.decision(person, COMPETENCIES + GLOVES)
        return decision if decision["clauses"]["run"]["passes"] == 1 else None

    decision = await eventually(counted, DECIDED_SECONDS)
    if decision is None:
        decision = await doors.decision(person, COMPETENCIES + GLOVES)
    story.check(
        decision["status"] == "expired" and decision["clauses"]["run"]["have"] == "1",
        "the yearly run came after the expiry: it does not renew, it is one of three new ones",
        str(decision["clauses"]["run"]),
    )
    await told.observed(told.runs(learner, _RUN, (10, 5), told.assessor))
    decision = await told.check(person, GLOVES, "achieved", "two more runs, and Wyn is qualified")
    story.say(f"     valid to {decision['expires_on']}")


async def failed_media_fill(told: Later) -> None:
    """A failed media fill suspends the transfer of materials until it is observed anew."""
    story, doors = told.play.story, told.play.doors
    story.chapter("A failed media fill")
    learner = told.learner("Nerys Adair")
    person = await doors.put_person([learner])
    await told.observed(told.runs(learner, _MOVE, (60,), told.assessor))
    await told.check(person, TRANSFER, "achieved", "Nerys may transfer materials")
    await told.credential(person, "issued", "and holds a credential for it")
    name = catalogue().activities[_FILL]
    failed = workplace_record(told.randomness, learner, _FILL, name, told.at(7), Outcome("failed"))
    body = orjson.dumps([one.statement for one in failed])
    record = Delivery("kafka", "workplace", tuple(failed), body)
    await doors.produce(catalogue().tenant, [record], lambda: None)
    decision = await told.check(
        person, TRANSFER, "suspended", "the employer's system reports a failed media fill of hers"
    )
    story.check(
        decision["trigger"] == failed[-1].id,
        "the record names the statement that suspended it",
        str(decision["trigger"]),
    )
    await told.credential(person, "suspended", "her credential is suspended, too")
    await told.observed(told.runs(learner, _MOVE, (2,), told.assessor))
    await told.check(person, TRANSFER, "achieved", "observed anew, she may do it again")


async def back_dated(told: Later) -> None:
    """The assessor was authorised, but the office recorded it late: both views are kept."""
    story, doors = told.play.story, told.play.doors
    story.chapter("An authorisation that was recorded late")
    learner = told.learner("Ifan Moss")
    person = await doors.put_person([learner])
    home = catalogue().assessors.home_page
    assessor = account(home, f"late-{told.play.programme.cohort}", "Sioned")
    made = told.runs(learner, _RUN, (30, 25, 20), assessor)
    await told.observed(made)

    async def known() -> Json | None:
        decision = await doors.decision(person, COMPETENCIES + GLOVES)
        return decision if len(decision["excluded"]) == len(made) else None

    decision = await eventually(known, DECIDED_SECONDS) or {"excluded": []}
    reasons = {one["reason"] for one in decision["excluded"]}
    story.check(
        reasons == {"assessor_not_authorised"},
        "three runs of Ifan do not count: nobody has authorised the assessor",
        str(reasons),
    )
    before = datetime.fromisoformat(decision["known_at"])
    await _authorise(told, assessor, told.day - timedelta(days=60))
    await told.check(
        person, GLOVES, "achieved", "the office records the authorisation, two months back"
    )
    then = await doors.decision(person, COMPETENCIES + GLOVES, before)
    story.check(
        then["status"] == "not_started",
        "asked what was known before, the record still says that they did not count",
        str(then["status"]),
    )


async def two_people(told: Later) -> None:
    """Two learners of one name are taken for one; the mistake gives an award, and takes it back."""
    story, doors = told.play.story, told.play.doors
    story.chapter("Two people taken for one")
    one, other = told.learner("Rhian Tudor"), told.learner("Rhian Tudor the younger")
    person, younger = await doors.put_person([one]), await doors.put_person([other])
    await told.observed(told.runs(one, _RUN, (40, 35), told.assessor))
    await told.observed(told.runs(other, _RUN, (30,), told.assessor))
    await told.check(person, GLOVES, "in_progress", "Rhian has two runs of three")
    merge = await doors.merge(younger, person, "same name and employer")
    decision = await told.check(
        person, GLOVES, "achieved", "somebody merges her with a namesake, whose run makes the third"
    )
    story.check(len(decision["used"]) == 3, "all three runs carry it", str(decision["used"]))
    await told.credential(person, "issued", "and a credential says so")
    await doors.unmerge(merge, "they are two: the employer's register says so")
    await told.check(
        person, GLOVES, "in_progress", "they are told apart again, and the competency is withdrawn"
    )
    await told.credential(person, "suspended", "its credential is suspended, without anyone's help")
    await told.check(younger, GLOVES, "in_progress", "the namesake has her own run back")
