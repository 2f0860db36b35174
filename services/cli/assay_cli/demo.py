"""`assay demo`: a training programme, played through the front doors, and what comes of it.

1. look whether the stack is up and the demo tenant is there (`begin`)
2. the training office says who may assess, and who has an interest (`authorities`)
3. the tools send: HTTP single and batch, Kafka late and mixed, repeats, mistakes (`send`)
4. wait until everything is stored, and say what came in (`came_in`)
5. the training office says which identifiers are one person (`link`)
6. wait until everybody is decided, and compare with what the stories promise (`decided`)
7. say what counted, what did not and why; explain one learner's record (`tell`)
8. the credentials: all there, one verified by a stranger (`credentials`)
9. void one piece of evidence, and see the competency withdrawn and the credential suspended
   without anyone's help (`void`)
10. four stories of what happens later: a late renewal, a failed media fill, a back-dated
   authorisation, two people taken for one (`later`)
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime

from rich.console import Console

from assay_cli import demo_chapters, demo_credentials
from assay_cli.demo_catalogue import catalogue, rule_documents
from assay_cli.demo_chapters import Play
from assay_cli.demo_doors import Doors
from assay_cli.demo_later import later
from assay_cli.demo_programme import Programme, build
from assay_cli.demo_report import Story
from assay_cli.errors import StackError
from assay_cli.stack import StackInfo


def run(stack: StackInfo, seed: int = 1, learners: int = 120) -> int:
    """Play the demo against a running stack; 1 when something of the story did not come true."""
    console = Console(soft_wrap=True)
    story = Story(console)
    day = datetime.now(UTC).date()
    failures: list[str] = []
    try:
        programme = build(catalogue(), rule_documents(), seed, day, learners)
        asyncio.run(_play(stack, programme, story, seed, day))
    except* (StackError, ValueError) as errors:
        failures = [str(error) for error in _leaves(errors)]
    for text in failures:
        Console(stderr=True, soft_wrap=True).print(
            f"assay demo: {text}", style="red", markup=False, highlight=False
        )
    console.print()
    if story.failed:
        story.say(f"{len(story.failed)} parts of the story did not come true:")
        for text in story.failed:
            story.say(f"  {text}")
    if story.failed or failures:
        return 1
    story.say("Every part of the story came true.")
    return 0


def _leaves(errors: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _play(stack: StackInfo, programme: Programme, story: Story, seed: int, day: date) -> None:
    async with Doors(stack) as doors:
        play = Play(doors, story, programme)
        await demo_chapters.begin(play, seed)
        await demo_chapters.authorities(play)
        await demo_chapters.send(play)
        await demo_chapters.came_in(play)
        await demo_chapters.link(play)
        await demo_chapters.decided(play)
        await demo_chapters.tell(play)
        chosen = await demo_credentials.credentials(play)
        if chosen is not None:
            await demo_credentials.void(play, chosen)
        await later(play, day, seed)
