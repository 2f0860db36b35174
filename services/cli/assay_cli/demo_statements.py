"""Makers of the statements that training tools send: courses, VR sessions, observations.

Pure: each takes its source of randomness, the actor and the time, and returns statements in the
order of their happening. The evidence (what a rule may match) is marked as such; the rest is what
tools tell beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Literal
from uuid import UUID

BASE = "https://assay.example/demo"
ACTIVITIES = f"{BASE}/activities/"
COMPETENCIES = f"{BASE}/competencies/"

ADL_VERBS = "http://adlnet.gov/expapi/verbs/"
CMI5_VERBS = "https://w3id.org/xapi/adl/verbs/"
CMI5 = "https://w3id.org/xapi/cmi5/context/"
ACTIVITY_TYPES = "http://adlnet.gov/expapi/activities/"
CHECKLIST = "http://id.tincanapi.com/activitytype/checklist"
CHECKLIST_ITEM = "http://id.tincanapi.com/activitytype/checklist-item"
PROGRESS = "https://w3id.org/xapi/cmi5/result/extensions/progress"
WAIVED_REASON = "https://w3id.org/xapi/cmi5/result/extensions/reason"

Statement = dict[str, object]
Agent = dict[str, object]
Verb = Literal["passed", "failed", "completed", "waived"]

# Short words of a VR task and of a checklist, for the statements beside the evidence.
_VR_STEPS = ("gloves", "airlock", "wipe-down", "pressure-check", "sleeve", "label")
_CHECKLIST_ITEMS = ("prepares", "follows-order", "keeps-first-air", "records")


@dataclass(frozen=True, slots=True)
class Made:
    """One statement with its id and time; `evidence` when a rule may match it."""

    id: str
    at: datetime
    statement: Statement
    evidence: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a course, a task or an observation.

    `scaled` is None for no score; `raw_only` sends it as a bare raw number of unknown range.
    `mastery` is the course's own pass mark. `reason` is that of a waiver.
    """

    verb: Verb = "passed"
    scaled: float | None = None
    mastery: float | None = None
    launch_mode: str = "Normal"
    raw_only: bool = False
    reason: str | None = None


def new_id(randomness: Random) -> str:
    """A version 4 UUID, from the given randomness."""
    return str(UUID(int=randomness.getrandbits(128), version=4))


def timestamp(at: datetime) -> str:
    """An aware time as xAPI text, in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def account(home_page: str, name: str, display: str | None = None) -> Agent:
    """An agent by its account."""
    agent: Agent = {"objectType": "Agent", "account": {"homePage": home_page, "name": name}}
    return agent if display is None else {**agent, "name": display}


def mbox(address: str, display: str | None = None) -> Agent:
    """An agent by its e-mail address."""
    agent: Agent = {"objectType": "Agent", "mbox": f"mailto:{address}"}
    return agent if display is None else {**agent, "name": display}


def _verb(name: str, base: str = ADL_VERBS) -> dict[str, object]:
    return {"id": base + name, "display": {"en-GB": name}}


def _activity(path: str, name: str, kind: str) -> dict[str, object]:
    return {
        "objectType": "Activity",
        "id": ACTIVITIES + path,
        "definition": {"type": kind, "name": {"en-GB": name}},
    }


def _references(*ids: str) -> list[dict[str, object]]:
    return [{"objectType": "Activity", "id": one} for one in ids]


@dataclass(frozen=True, slots=True)
class _Session:
    """What all statements of one sitting share."""

    randomness: Random
    actor: Agent
    start: datetime
    platform: str
    grouping: str
    registration: str
    session: str | None = None
    instructor: Agent | None = None

    def tell(
        self,
        minutes: float,
        verb: dict[str, object],
        target: dict[str, object],
        *,
        categories: Sequence[str] = (),
        result: dict[str, object] | None = None,
        extensions: dict[str, object] | None = None,
        evidence: bool = False,
    ) -> Made:
        """One statement, `minutes` after the start."""
        at = self.start + timedelta(minutes=minutes)
        activities: dict[str, object] = {"grouping": _references(self.grouping)}
        if categories:
            activities["category"] = _references(*(f"{CMI5}categories/{c}" for c in categories))
        context: dict[str, object] = {
            "registration": self.registration,
            "platform": self.platform,
            "language": "en-GB",
            "contextActivities": activities,
        }
        if self.instructor is not None:
            context["instructor"] = self.instructor
        more = dict(extensions or {})
        if self.session is not None:
            more[CMI5 + "extensions/sessionid"] = self.session
        if more:
            context["extensions"] = more
        statement_id = new_id(self.randomness)
        statement: Statement = {
            "id": statement_id,
            "timestamp": timestamp(at),
            "actor": self.actor,
            "verb": verb,
            "object": target,
            "context": context,
        }
        if result is not None:
            statement["result"] = result
        return Made(statement_id, at, statement, evidence)


def _duration(randomness: Random, minutes: tuple[int, int]) -> str:
    return f"PT{randomness.randint(*minutes)}M{randomness.randint(0, 59)}S"


def _result(outcome: Outcome, duration: str | None = None) -> dict[str, object]:
    """The result object of the statement that tells the outcome."""
    result: dict[str, object] = {"success": outcome.verb != "failed"}
    if outcome.verb == "waived":
        result["completion"] = True
        result["extensions"] = {WAIVED_REASON: outcome.reason or "Tested Out"}
    if outcome.scaled is not None:
        raw = round(outcome.scaled * 100)
        result["score"] = (
            {"raw": raw}
            if outcome.raw_only
            else {"scaled": outcome.scaled, "raw": raw, "min": 0, "max": 100}
        )
    if duration is not None:
        result["duration"] = duration
    return result


def course_session(
    randomness: Random,
    actor: Agent,
    path: str,
    name: str,
    at: datetime,
    outcome: Outcome | None,
    registration: str,
) -> list[Made]:
    """One sitting of an online course, told the way of cmi5; `outcome` None ends it unfinished.

    The statement of the outcome is the evidence. A waiver is told by the platform, without a
    sitting.
    """
    sitting = _Session(
        randomness,
        actor,
        at,
        platform="Online training platform",
        grouping=f"{ACTIVITIES}{path}/publisher",
        registration=registration,
        session=new_id(randomness),
    )
    course = _activity(path, name, ACTIVITY_TYPES + "course")
    defined, counts = ("cmi5",), ("cmi5", "moveon")
    if outcome is not None and outcome.verb == "waived":
        verb = _verb("waived", CMI5_VERBS)
        result = _result(outcome)
        return [sitting.tell(0, verb, course, categories=counts, result=result, evidence=True)]
    launch: dict[str, object] = {
        CMI5 + "extensions/launchmode": "Normal" if outcome is None else outcome.launch_mode
    }
    if outcome is not None and outcome.mastery is not None:
        launch[CMI5 + "extensions/masteryscore"] = outcome.mastery
    made = [
        sitting.tell(0, _verb("launched"), course, categories=defined, extensions=launch),
        sitting.tell(0.4, _verb("initialized"), course, categories=defined),
        *_pages_and_questions(sitting, path),
    ]
    duration = _duration(randomness, (18, 55))
    if outcome is not None:
        done: dict[str, object] = {"completion": True, "duration": duration}
        is_evidence = outcome.verb == "completed"
        made.append(
            sitting.tell(
                24,
                _verb("completed"),
                course,
                categories=counts,
                result=done,
                evidence=is_evidence,
            )
        )
        if not is_evidence:
            made.append(
                sitting.tell(
                    24.5,
                    _verb(outcome.verb),
                    course,
                    categories=counts,
                    result=_result(outcome, duration),
                    extensions=launch,
                    evidence=True,
                )
            )
    ended: dict[str, object] = {"duration": duration}
    verb = _verb("terminated")
    return [*made, sitting.tell(25, verb, course, categories=defined, result=ended)]


def _pages_and_questions(sitting: _Session, path: str) -> list[Made]:
    """What a learner does inside a course: pages, questions, one report of progress."""
    randomness = sitting.randomness
    made = []
    for number in range(1, randomness.randint(2, 4) + 1):
        page = _activity(f"{path}/page/{number}", f"Page {number}", ACTIVITY_TYPES + "lesson")
        made.append(sitting.tell(2 * number, _verb("experienced"), page))
    half: dict[str, object] = {"extensions": {PROGRESS: 50}}
    lesson = _activity(path, "Course", ACTIVITY_TYPES + "course")
    made.append(sitting.tell(10, _verb("progressed"), lesson, result=half))
    for number in range(1, randomness.randint(3, 5) + 1):
        question = _activity(
            f"{path}/question/{number}", f"Question {number}", ACTIVITY_TYPES + "question"
        )
        answer: dict[str, object] = {
            "success": randomness.random() < 0.8,
            "response": randomness.choice("abcd"),
            "duration": f"PT{randomness.randint(9, 80)}S",
        }
        made.append(sitting.tell(11 + 2 * number, _verb("answered"), question, result=answer))
    return made


def vr_session(
    randomness: Random, actor: Agent, path: str, name: str, at: datetime, outcome: Outcome
) -> list[Made]:
    """One session on a VR rig: the steps of the task, then the outcome, which is the evidence."""
    sitting = _Session(
        randomness,
        actor,
        at,
        platform="VR laboratory rig",
        grouping=f"{BASE}/rigs/{randomness.randint(1, 8)}",
        registration=new_id(randomness),
    )
    task = _activity(path, name, ACTIVITY_TYPES + "simulation")
    made = [sitting.tell(0, _verb("initialized"), task)]
    steps = randomness.sample(_VR_STEPS, randomness.randint(2, 4))
    for number, step in enumerate(steps, start=1):
        part = _activity(f"{path}/step/{step}", step, ACTIVITY_TYPES + "interaction")
        made.append(sitting.tell(3 * number, _verb("interacted"), part))
    result = _result(outcome, _duration(randomness, (9, 20)))
    return [*made, sitting.tell(18, _verb(outcome.verb), task, result=result, evidence=True)]


def observation(
    randomness: Random,
    actor: Agent,
    path: str,
    name: str,
    at: datetime,
    outcome: Outcome,
    assessor: Agent | None,
    *,
    with_items: bool,
) -> list[Made]:
    """An observed practical, with its checklist's items or without; the last one is evidence."""
    sitting = _Session(
        randomness,
        actor,
        at,
        platform="Assessor tablet",
        grouping=f"{BASE}/practicals",
        registration=new_id(randomness),
        instructor=assessor,
    )
    made = []
    if with_items:
        for number, item in enumerate(_CHECKLIST_ITEMS, start=1):
            part = _activity(f"{path}/item/{item}", item, CHECKLIST_ITEM)
            done: dict[str, object] = {"success": True}
            made.append(sitting.tell(2 * number, _verb("completed"), part, result=done))
    result = _result(outcome, _duration(randomness, (10, 25)))
    task = _activity(path, name, CHECKLIST)
    return [*made, sitting.tell(15, _verb(outcome.verb), task, result=result, evidence=True)]


def workplace_record(
    randomness: Random, actor: Agent, path: str, name: str, at: datetime, outcome: Outcome
) -> list[Made]:
    """A record of work that counts as evidence, such as a place in a media fill."""
    sitting = _Session(
        randomness,
        actor,
        at,
        platform="Manufacturing execution system",
        grouping=f"{BASE}/batches/{randomness.randint(1000, 9999)}",
        registration=new_id(randomness),
    )
    task = _activity(path, name, ACTIVITY_TYPES + "performance")
    return [sitting.tell(0, _verb(outcome.verb), task, result=_result(outcome), evidence=True)]


def team_exercise(
    randomness: Random,
    members: Sequence[Agent],
    path: str,
    name: str,
    at: datetime,
    outcome: Outcome,
) -> list[Made]:
    """A VR task that a team did together: nobody can say who of them can do it."""
    team: Agent = {"objectType": "Group", "name": "Team exercise", "member": list(members)}
    return vr_session(randomness, team, path, name, at, outcome)


def voiding(statement_id: str, target: str, actor: Agent) -> Statement:
    """The statement that voids `target`. It has no timestamp: it takes effect when it is stored."""
    return {
        "id": statement_id,
        "actor": actor,
        "verb": _verb("voided"),
        "object": {"objectType": "StatementRef", "id": target},
    }
