"""`assay report`: the file is there whole, or not at all."""

from pathlib import Path

import httpx
import pytest

from assay_cli.aggregator_door import AggregatorDoor
from assay_cli.errors import StackError
from assay_cli.reports import fetch_report
from assay_cli.xapi_door import Address

ADDRESS = Address("http://aggregator.test", "reader", "secret")


def door(answer: httpx.Response, asked: list[httpx.Request]) -> AggregatorDoor:
    """A door to a server that gives one answer."""

    def serve(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    return AggregatorDoor(ADDRESS, httpx.MockTransport(serve))


def test_the_answer_is_the_file(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []
    target = tmp_path / "matrix.csv"
    with door(httpx.Response(200, content=b"person\r\n"), asked) as open_door:
        fetch_report(open_door, "/matrix", [("status", "expired"), ("status", "achieved")], target)
    assert target.read_bytes() == b"person\r\n"
    (request,) = asked
    assert request.url.path == "/matrix"
    assert request.url.params.get_list("status") == ["expired", "achieved"]
    assert request.url.params["format"] == "csv"
    assert list(tmp_path.iterdir()) == [target]


def test_a_refusal_leaves_no_file(tmp_path: Path) -> None:
    refusal = httpx.Response(
        404, json={"title": "Not found", "detail": "there is no such role", "status": 404}
    )
    with door(refusal, []) as open_door, pytest.raises(StackError, match="no such role"):
        fetch_report(open_door, "/gaps", [("role", "x")], tmp_path / "gaps.xlsx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "query", "name", "why"),
    [
        ("/matrix", [], "matrix.pdf", "ends in .csv or .xlsx"),
        ("/expiring", [("as_of", "2026-01-01")], "e.csv", "--as-of is no option"),
        ("/readiness", [("cohort", "c1")], "r.csv", "--cohort is no option"),
    ],
)
def test_what_the_report_has_not_is_not_left_out_in_silence(
    tmp_path: Path, path: str, query: list[tuple[str, str]], name: str, why: str
) -> None:
    asked: list[httpx.Request] = []
    with door(httpx.Response(200), asked) as open_door, pytest.raises(StackError, match=why):
        fetch_report(open_door, path, query, tmp_path / name)
    assert asked == []
