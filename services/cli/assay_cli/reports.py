"""`assay report`: a table of the aggregator as a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from assay_cli.aggregator_door import AggregatorDoor
from assay_cli.errors import StackError

FORMATS: Final = ("csv", "xlsx")


def fetch_report(
    door: AggregatorDoor, path: str, query: Sequence[tuple[str, str]], target: Path
) -> None:
    """Write the answer; the file has its name only when it is complete. Raises StackError.

    What an option means for a report that has none of it is refused here, not left out in silence.
    """
    form = target.suffix.lower().removeprefix(".")
    if form not in FORMATS:
        raise StackError(f"--output {target}: the name ends in .csv or .xlsx")
    for name, _ in query:
        if name not in _taken_by(path):
            raise StackError(f"--{name.replace('_', '-')} is no option of this report")
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as file:
            for chunk in door.download(path, [*query, ("format", form)]):
                file.write(chunk)
        part.replace(target)
    except OSError as error:
        raise StackError(f"--output {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _taken_by(path: str) -> frozenset[str]:
    moment = {"as_of", "known_at"}
    people = {"role", "organisation", "cohort"}
    taken = {
        "/matrix": people | moment | {"competency", "status"},
        "/matrix/roles": people | moment,
        "/gaps": people | moment,
        "/expiring": people | {"competency"},
        "/readiness": moment | {"role"},
        "/gaps/by-organisation": moment,
    }
    return frozenset(taken[path])
