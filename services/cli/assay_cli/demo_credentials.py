"""The last chapters of the demo: credentials, a stranger who verifies one, and a void."""

import time
from dataclasses import dataclass
from random import Random

import orjson

from assay_cli.demo_catalogue import framework
from assay_cli.demo_chapters import Play
from assay_cli.demo_doors import Json, eventually, side_by_side
from assay_cli.demo_programme import Expected, Learner
from assay_cli.demo_statements import COMPETENCIES, account, new_id, voiding

ISSUED_SECONDS = 180.0
WITHDRAWN_SECONDS = 30.0
TITLE = "ASP2"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose credential is shown and whose evidence is voided."""

    learner: Learner
    person: str
    credential: str
    evidence: str


async def credentials(play: Play) -> Chosen | None:
    """Wait for a credential for every competency held; show one to a verifier."""
    doors, story = play.doors, play.story
    story.chapter("Credentials")
    wrong: list[str] = []
    found: dict[tuple[int, str], Json] = {}

    async def look(number: int) -> None:
        held = {
            competency
            for competency, decision in play.decisions[number].items()
            if decision["status"] == "achieved"
        }

        async def all_issued() -> dict[str, Json] | None:
            listed = await doors.credentials(play.people[number])
            issued = [one for one in listed if one["status"] == "issued"]
            by = {one["competency"]: one for one in issued}
            return by if by.keys() == held and len(by) == len(issued) else None

        issued = await eventually(all_issued, ISSUED_SECONDS, 0.5)
        if issued is None:
            wrong.append(f"{play.programme.learners[number].name} holds other credentials")
            return
        found.update({(number, competency): one for competency, one in issued.items()})

    with play.progress("learners with their credentials", len(play.decisions)) as advance:
        await side_by_side(look, sorted(play.decisions), advance)
    story.check(
        not wrong,
        f"{len(found)} credentials are valid, one for every competency that somebody holds",
        "; ".join(wrong[:5]),
    )
    by_code = {one.iri: one.code for one in framework()}
    counts: dict[str, int] = {}
    for _, competency in found:
        counts[by_code[competency]] = counts.get(by_code[competency], 0) + 1
    story.table(("credential", "valid"), sorted(counts.items()))
    for expected in play.programme.expected:
        credential = found.get((expected.learner, expected.competency))
        if expected.code == TITLE and expected.kind == "clean" and credential is not None:
            chosen = _choose(play, expected, credential)
            await _show(play, chosen)
            return chosen
    story.check(False, f"somebody holds {TITLE} by evidence that can be voided")
    return None


def _choose(play: Play, expected: Expected, credential: Json) -> Chosen:
    observed = [one for clause, one in expected.evidence if clause == "observed"]
    return Chosen(
        play.programme.learners[expected.learner],
        play.people[expected.learner],
        str(credential["id"]),
        observed[-1],
    )


async def _show(play: Play, chosen: Chosen) -> None:
    """A stranger verifies the credential, and a copy in which somebody changed a word."""
    doors, story = play.doors, play.story
    document = await doors.credential(chosen.credential)
    answer = await doors.verify(document)
    story.say(f"A stranger verifies the {TITLE} credential of {chosen.learner.name}:")
    story.table(
        ("check", "result", "detail"),
        [(one["name"], one["result"], one["detail"]) for one in answer["checks"]],
    )
    story.check(answer["outcome"] == "valid", answer["sentence"], answer["outcome"])
    link = await doors.share(chosen.credential)
    story.say(f"In a browser, for a week: {link}")
    changed = orjson.loads(document)
    changed["credentialSubject"]["achievement"]["name"] = "Qualified Person"
    forged = await doors.verify(orjson.dumps(changed))
    story.check(
        forged["outcome"] == "not_genuine",
        "A copy that says something else is found out",
        forged["outcome"],
    )


async def void(play: Play, chosen: Chosen) -> None:
    """Take one observation back; everything that stood on it follows by itself."""
    doors, story = play.doors, play.story
    story.chapter("One piece of evidence is taken back")
    competency = COMPETENCIES + TITLE
    # The same void of the same statement has the same id, also in another run.
    # A demo is to be repeatable; nothing here is a secret.
    randomness = Random(f"{play.programme.cohort}/void/{chosen.evidence}")  # noqa: S311
    office = account("https://assay.example/demo/staff", "training-office", "Training office")
    answer = await doors.void(voiding(new_id(randomness), chosen.evidence, office))
    began = time.monotonic()
    story.check(
        answer.status_code == 200,
        f"The training office voids the observed gowning of {chosen.learner.name}",
        f"answered {answer.status_code}",
    )

    async def withdrawn() -> str | None:
        status = (await doors.live_statuses(chosen.person)).get(competency)
        return status if status != "achieved" else None

    async def suspended() -> str | None:
        for one in await doors.credentials(chosen.person):
            if one["id"] == chosen.credential and one["status"] == "suspended":
                return "suspended"
        return None

    status = await eventually(withdrawn, WITHDRAWN_SECONDS, 0.02)
    after = time.monotonic() - began
    story.check(
        status == "in_progress",
        f"{TITLE} is withdrawn {after:.2f} s later, without anyone's help",
        f"status {status or 'achieved'}",
    )
    state = await eventually(suspended, WITHDRAWN_SECONDS, 0.02)
    after = time.monotonic() - began
    story.check(
        state is not None, f"its credential is suspended after {after:.2f} s", "still issued"
    )
    decisions, _ = await doors.decisions(chosen.person)
    reasons = [one["reason"] for one in decisions[competency]["excluded"]]
    story.check(
        "voided" in reasons, "the record says why: the observation was voided", str(reasons)
    )
    document = await doors.credential(chosen.credential)

    async def told() -> Json | None:
        answer = await doors.verify(document)
        return answer if answer["outcome"] == "suspended" else None

    verified = await eventually(told, WITHDRAWN_SECONDS, 0.05)
    story.check(verified is not None, "whoever verifies it is told", "the verifier says otherwise")
    if verified is not None:
        story.say(f"     {verified['sentence']}")
