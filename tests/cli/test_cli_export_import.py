"""`assay export` and `assay import` through the front door of a real ingest and store."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pyarrow.parquet as pq
import pytest

from assay_cli.counting import Counter
from assay_cli.errors import StackError
from assay_cli.exporting import Exported, export, output_to
from assay_cli.importing import Import, Progress, check_file
from assay_cli.xapi_door import Address, Door
from assay_ingest.importing import derived_id
from assay_testing import Database, KafkaSpace
from ingest_samples import statement, void
from ingest_service import Service, XapiClient, service_on

SCOPES = ("statements/write", "statements/read")


@pytest.fixture
async def service(postgres: Database, kafka: KafkaSpace) -> AsyncIterator[Service]:
    async with service_on(postgres, kafka) as made:
        await made.start_store()
        await made.start_ingest()
        await made.ready()
        yield made


def address(client: XapiClient) -> Address:
    return Address(f"{client.url}/xapi", client.name, client.secret)


def quiet(what: str = "statements") -> Counter:
    return Counter(what, file=io.StringIO())


async def exported(client: XapiClient, file: Path, form: str = "jsonl", **filters: str) -> Exported:
    def work() -> Exported:
        with Door(address(client)) as door, output_to(str(file), form) as writer:
            return export(door, writer, filters, quiet())

    return await asyncio.to_thread(work)


async def imported(
    client: XapiClient,
    file: Path,
    *,
    restart: bool = False,
    batch: int = 10,
    door: Callable[[Address], Door] = Door,
) -> Progress:
    def work() -> Progress:
        with door(address(client)) as opened:
            return Import(
                file,
                opened,
                default="2.0.0",
                batch_statements=batch,
                rate_per_second=None,
                counter=quiet(),
            ).run(restart=restart)

    return await asyncio.to_thread(work)


def written(file: Path, lines: Sequence[Any]) -> Path:
    file.write_bytes(
        b"".join((one if isinstance(one, bytes) else orjson.dumps(one)) + b"\n" for one in lines)
    )
    return file


def written_files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def rejected_lines(file: Path) -> list[dict[str, Any]]:
    text = file.with_name(file.name + ".rejected.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


async def test_an_export_holds_every_statement_once_in_order_with_its_bytes(
    service: Service, tmp_path: Path
) -> None:
    client = await service.new_client(SCOPES)
    # The spelling of a number, the order of members and the spaces are the sender's.
    odd = b'{ "verb" : {"id":"http://e.org/v"},"actor":{"mbox":"mailto:a@e.org"},"result":{"score":'
    odd += b'{"raw":1.50e1}}, "object":{"id":"http://e.org/a"},"id":"%b"}' % str(uuid4()).encode()
    sent = await client.request(
        "POST",
        content=odd,
        headers={"X-Experience-API-Version": "2.0.0", "Content-Type": "application/json"},
    )
    assert sent.status_code == 200, sent.text
    ids = sent.json()
    for _ in range(5):
        answer = await client.post([statement() for _ in range(500)])
        assert answer.status_code == 200, answer.text
        ids += answer.json()
    await service.applied()
    file = tmp_path / "all.jsonl"
    done = await exported(client, file)
    lines = file.read_bytes().splitlines()
    found = [json.loads(line) for line in lines]
    assert done.statements == len(found) == 2501
    assert {one["id"] for one in found} == set(ids)
    assert [one["stored"] for one in found] == sorted(one["stored"] for one in found)
    assert all(one["stored"] <= done.through for one in found)
    (line,) = [one for one in lines if ids[0].encode() in one]
    assert line.endswith(odd[1:])
    assert {one.name for one in written_files(tmp_path)} == {"all.jsonl"}


async def test_filters_are_those_of_a_get_and_since_goes_on_where_an_export_ended(
    service: Service, tmp_path: Path
) -> None:
    client = await service.new_client(SCOPES)
    other = await service.new_client(SCOPES)
    await other.post(statement(uuid4()))
    first, second, later = uuid4(), uuid4(), uuid4()
    await client.post(statement(first, verb="http://e.org/verbs/one"))
    await client.post(statement(second, actor="mailto:b@example.org"))
    await service.applied()
    file = tmp_path / "some.jsonl"

    async def ids(**filters: str) -> set[str]:
        await exported(client, file, **filters)
        return {json.loads(line)["id"] for line in file.read_text().splitlines()}

    assert await ids(verb="http://e.org/verbs/one") == {str(first)}
    assert await ids(agent='{"mbox":"mailto:b@example.org"}') == {str(second)}
    assert await ids(activity="http://e.org/none") == set()
    whole = await exported(client, file)
    assert whole.statements == 2
    await client.post(statement(later))
    assert await ids(since=whole.through) == {str(later)}
    assert await ids(until=whole.through) == {str(first), str(second)}
    with pytest.raises(StackError, match=r"400.*verb"):
        await exported(client, tmp_path / "none", verb="no iri")
    assert not (tmp_path / "none").exists()


async def test_tables_hold_the_same_statements(service: Service, tmp_path: Path) -> None:
    client = await service.new_client(SCOPES)
    answer = await client.post([statement() for _ in range(30)])
    await service.applied()
    await exported(client, tmp_path / "t.parquet", "parquet")
    await exported(client, tmp_path / "t.csv", "csv")
    await exported(client, tmp_path / "t.jsonl", "jsonl")
    table = pq.read_table(tmp_path / "t.parquet")
    assert set(table.column("id").to_pylist()) == set(answer.json())
    raws = (tmp_path / "t.jsonl").read_text().splitlines()
    assert table.column("raw").to_pylist() == raws
    assert (tmp_path / "t.csv").read_text().count("\n") == 31


async def test_what_was_exported_is_imported_elsewhere_under_its_ids(
    service: Service, tmp_path: Path
) -> None:
    client, other = await service.new_client(SCOPES), await service.new_client(SCOPES)
    answer = await client.post([statement() for _ in range(25)])
    await service.applied()
    file = tmp_path / "all.jsonl"
    await exported(client, file)
    done = await imported(other, file)
    assert (done.kept, done.rejected) == (25, 0)
    await service.applied()
    assert set(await other.ids()) == set(answer.json())
    # Where it came from it is the same too, although the store had added the times.
    again = await imported(client, file, restart=True)
    assert (again.kept, again.rejected) == (25, 0)
    await service.applied()
    assert await service.owner.fetchval("select count(*) from ingest.conflict") == 0
    assert await service.owner.fetchval("select count(*) from ingest.statement") == 50


async def test_lines_that_are_refused_are_named_with_the_reason_and_the_rest_goes_on(
    service: Service, tmp_path: Path
) -> None:
    client = await service.new_client(SCOPES)
    taken, own = uuid4(), uuid4()
    await client.post(statement(taken))
    await client.post(void(taken, own))
    file = written(
        tmp_path / "mixed.jsonl",
        [
            statement(uuid4()),
            b"no json at all",
            statement(uuid4(), result={"score": {"scaled": 2}}),
            statement(taken, verb="http://e.org/other"),
            statement(),
            b"",
            {"id": "not a uuid", **statement()},
            void(own, uuid4()),
            # Bytes that are no text make the request unreadable as a whole.
            orjson.dumps(statement(uuid4(), actor="mailto:X@e.org")).replace(b"X", b"\xff"),
            statement(uuid4()),
        ],
    )
    done = await imported(client, file)
    found = rejected_lines(file)
    assert [(one["line"], one["reason"]) for one in found] == [
        (2, "line_unreadable"),
        (3, "statement_invalid"),
        (4, "id_conflict"),
        (7, "statement_invalid"),
        (9, "statement_invalid"),
    ]
    assert found[1]["errors"][0]["pointer"] == "/result/score/scaled"
    assert found[1]["statement"]["result"] == {"score": {"scaled": 2}}
    assert (done.kept, done.rejected) == (4, 5)
    # A second run has nothing to do, and says the same.
    again = await imported(client, file)
    assert again == done
    assert len(rejected_lines(file)) == 5


class Interrupted(Exception):
    """The import ends here."""


class Breaking(Door):
    """Lets some requests through, and loses the answer of the next one."""

    requests = 2

    def ask(self, *arguments: Any, **more: Any) -> Any:
        answer = super().ask(*arguments, **more)
        self.requests -= 1
        if self.requests < 0:
            raise Interrupted
        return answer


async def test_an_import_that_was_cut_off_goes_on_and_nothing_is_in_twice(
    service: Service, tmp_path: Path
) -> None:
    client = await service.new_client(SCOPES)
    lines: list[Any] = [statement() for _ in range(60)]
    lines[5] = lines[25] = b"bad"
    file = written(tmp_path / "long.jsonl", lines)
    with pytest.raises(Interrupted):
        await imported(client, file, door=Breaking)
    state = json.loads((tmp_path / "long.jsonl.import.json").read_text())
    assert 0 < state["line"] < 60
    # As if it had been killed between the two files.
    with (tmp_path / "long.jsonl.rejected.jsonl").open("ab") as rejected:
        rejected.write(b'{"line":26}\n')
    done = await imported(client, file)
    assert (done.kept, done.rejected, done.line) == (58, 2, 60)
    assert [one["line"] for one in rejected_lines(file)] == [6, 26]
    await service.applied()
    assert await service.owner.fetchval("select count(*) from ingest.statement") == 58
    # More lines at the end are what a next run finds.
    with file.open("ab") as longer:
        longer.write(orjson.dumps(statement()) + b"\n")
    assert (await imported(client, file)).kept == 59


async def test_another_file_or_another_server_is_not_gone_on_with(
    service: Service, tmp_path: Path
) -> None:
    client, other = await service.new_client(SCOPES), await service.new_client(SCOPES)
    file = written(tmp_path / "one.jsonl", [statement()])
    await imported(client, file)
    with pytest.raises(StackError, match="--restart"):
        await imported(other, file)
    written(file, [statement(actor="mailto:other@example.org")])
    with pytest.raises(StackError, match="not the file"):
        await imported(client, file)
    assert (await imported(other, file, restart=True)).kept == 1


async def test_a_key_that_may_not_write_ends_the_import_before_anything_is_done(
    service: Service, tmp_path: Path
) -> None:
    client = await service.new_client(("statements/read",))
    file = written(tmp_path / "one.jsonl", [statement()])
    with pytest.raises(StackError, match="403"):
        await imported(client, file)
    client.secret = "wrong"
    with pytest.raises(StackError, match="401"):
        await imported(client, file)
    assert not (tmp_path / "one.jsonl.import.json").exists()


def test_a_dry_run_names_each_fault_by_its_line(tmp_path: Path) -> None:
    file = written(
        tmp_path / "dry.jsonl",
        [statement(), b"bad", statement(result={"score": {"scaled": 2}, "success": "yes"})],
    )
    said: list[str] = []
    assert check_file(file, default="2.0.0", say=said.append) == (3, 2)
    assert [line.split(":")[0] for line in said] == ["line 2", "line 3", "line 3"]
    assert "/result/score/scaled" in "".join(said)
    assert [one.name for one in tmp_path.iterdir()] == ["dry.jsonl"]


def test_a_server_that_is_away_is_asked_a_bounded_number_of_times() -> None:
    pauses: list[float] = []
    nowhere = Address("http://127.0.0.1:9/xapi", "u", "s")
    with (
        Door(nowhere, tries=5, sleep=pauses.append) as door,
        pytest.raises(StackError, match="did not answer 5 times: ConnectError"),
    ):
        door.ask("GET", nowhere.url, version="2.0.0")
    assert len(pauses) == 4
    assert pauses[-1] > pauses[0]


def test_the_id_of_a_line_stays_a_uuid_of_version_4() -> None:
    assert UUID(str(derived_id(1, b"{}"))).version == 4
