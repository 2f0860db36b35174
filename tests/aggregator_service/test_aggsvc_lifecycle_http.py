"""A rule's life over HTTP and by the commands `assay rules …`, against a served aggregator."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from rich.console import Console

from aggregator_lifecycle import PASSWORD, add_accounts, signed_by
from aggregator_service_driver import TENANT, Driver, agent, day, driver_of, statement, theory_rule
from assay_aggregator import api
from assay_aggregator.settings import AggregatorSettings
from assay_cli import rule_lifecycle
from assay_cli.aggregator_door import AggregatorDoor
from assay_cli.errors import StackError
from assay_cli.rule_lifecycle import Signer
from assay_cli.xapi_door import Address
from assay_runtime.auth import hash_secret
from assay_runtime.serve import new_app, serve
from assay_testing import Database

KEYS = {
    "reader": ["competencies/read"],
    "admin": ["competencies/read", "competencies/admin"],
    "forcer": ["competencies/read", "competencies/admin", "rules/force"],
}
AUTHOR = Signer("ada", PASSWORD, "authorship")
APPROVER = Signer("cai", PASSWORD, "approval")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Served:
    """A running aggregator without Kafka, and its driver."""

    url: str
    driver: Driver

    def door(self, key: str = "admin") -> AggregatorDoor:
        return AggregatorDoor(Address(self.url, key, "secret"))

    async def command(self, work: Callable[[AggregatorDoor], Any], key: str = "admin") -> Any:
        """Run a command's work as a process of its own would: in another thread."""

        def run() -> Any:
            with self.door(key) as door:
                return work(door)

        return await asyncio.to_thread(run)


@pytest.fixture
async def served(postgres: Database) -> AsyncIterator[Served]:
    owner = await postgres.connect("assay_owner")
    await owner.executemany(
        "insert into aggregator.api_client (name, tenant, secret_hash, scopes) "
        "values ($1, $2, $3, $4)",
        [(name, TENANT, hash_secret("secret"), scopes) for name, scopes in KEYS.items()],
    )
    await owner.close()
    port = free_port()
    settings = AggregatorSettings.from_environment(
        {
            **postgres.environment("assay_aggregator"),
            "ASSAY_KAFKA_BOOTSTRAP": "localhost:1",
            "ASSAY_KAFKA_USER": "aggregator",
            "ASSAY_KAFKA_PASSWORD_FILE": "unused",
            "ASSAY_HTTP_PORT": str(port),
        }
    )
    async with driver_of(postgres) as driver:
        await add_accounts(driver)
        for name in ("eve", "fay"):
            made = statement(f"s-{name}", actor=name, at=day(1), scaled="0.75")
            await driver.post("online", made, stored=day(2))
        app = new_app("Assay aggregator", CollectorRegistry(), {})
        api.install(app, pool=driver.pool, shelf=driver.shelf, settings=settings)
        serving = asyncio.create_task(serve(app, settings))
        one = Served(f"http://127.0.0.1:{port}", driver)
        async with httpx.AsyncClient(base_url=one.url) as http:
            async with asyncio.timeout(20):
                while True:
                    try:
                        await http.get("/livez")
                        break
                    except httpx.TransportError:
                        await asyncio.sleep(0.02)
        yield one
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def test_from_draft_to_explanation_by_commands(served: Served, tmp_path: Path) -> None:
    said: list[str] = []
    file = tmp_path / "rule.json"
    file.write_text(json.dumps(theory_rule(status="draft")), encoding="utf-8")
    document = rule_lifecycle.read_rule(file)
    await served.command(
        lambda door: rule_lifecycle.draft(door, document, AUTHOR, "a new rule", said.append)
    )
    assert "revision 1, draft" in said[-1]
    await served.command(
        lambda door: rule_lifecycle.take_step(door, "theory-0", 1, "submit", None, said.append)
    )
    with pytest.raises(StackError, match="no preview"):
        await served.command(lambda door: approve(door, said.append))
    changes = tmp_path / "changes.jsonl"
    written = io.StringIO()
    console = Console(file=written, width=200)
    await served.command(lambda door: rule_lifecycle.preview(door, "theory-0", 1, console, changes))
    told = written.getvalue()
    assert "for 2 people" in told
    assert "       2 gain the competency" in told
    assert "begins in the past" in told
    kept = [json.loads(line) for line in changes.read_text(encoding="utf-8").splitlines()]
    assert [one["kinds"] for one in kept] == [["gains"], ["gains"]]
    with pytest.raises(StackError, match="read it again"):
        await served.command(lambda door: approve(door, said.append, content_hash="0" * 64))
    await served.command(lambda door: approve(door, said.append))
    assert said[-1].startswith("theory-0 version 1 is effective")
    await served.driver.tick(day(3))
    await served.driver.decide()
    said.clear()

    def explain(door: AggregatorDoor) -> None:
        person = rule_lifecycle.person_of(door, json.dumps(agent("eve")))
        rule_lifecycle.explain(door, person, {}, as_json=False, say=said.append)

    await served.command(explain, "reader")
    assert any("achieved on 2026-01-02" in line for line in said)
    assert any("[x] theory: 1 of 1" in line for line in said)
    said.clear()
    await served.command(
        lambda door: rule_lifecycle.print_list(door, as_json=False, say=said.append), "reader"
    )
    assert "theory-0  1  effective  approved  2024-01-01 to open" in said[0]
    said.clear()
    await served.command(
        lambda door: rule_lifecycle.print_one(door, "theory-0", 1, as_json=False, say=said.append),
        "reader",
    )
    assert any("approval: Cai (cai)" in line for line in said)
    assert not any("void" in line for line in said)
    await served.command(
        lambda door: rule_lifecycle.retire(
            door,
            "theory-0",
            1,
            effective_to="2026-01-20",
            ask=lambda: APPROVER,
            reason="replaced",
            console=console,
        )
    )
    told = written.getvalue()
    assert "       2 lose it" in told
    assert "theory-0 version 1 is retired" in told


def approve(
    door: AggregatorDoor, say: Callable[[str], None], content_hash: str | None = None
) -> None:
    rule_lifecycle.approve(
        door,
        "theory-0",
        1,
        content_hash=content_hash,
        preview_id=None,
        ask=lambda: APPROVER,
        reason=None,
        say=say,
    )


async def test_faults_of_a_rule_are_told_by_pointer(served: Served) -> None:
    wrong = theory_rule() | {"colour": "red"}
    with pytest.raises(StackError, match="/colour: unknown key"):
        await served.command(
            lambda door: rule_lifecycle.draft(door, wrong, AUTHOR, "why", lambda _: None)
        )


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("PUT", "/admin/rules", "admin", 403),
        ("PUT", "/admin/rules", "forcer", 200),
        ("POST", "/admin/rules/drafts", "reader", 403),
        ("POST", "/admin/rules/theory-0/1/submit", "reader", 403),
        ("POST", "/admin/rules/theory-0/1/approve", "reader", 403),
        ("POST", "/admin/rules/theory-0/1/retire", "reader", 403),
        ("POST", "/admin/rules/theory-0/1/preview", "reader", 403),
        ("POST", "/admin/rules/theory-0/1/preview", "admin", 404),
        ("POST", "/admin/rules/theory-0/1/submit", "admin", 404),
        ("GET", "/rules/theory-0/1", "reader", 404),
        ("GET", "/rules?after=x", "reader", 400),
        ("POST", "/admin/rules/theory-0/0/submit", "admin", 400),
    ],
)
async def test_who_may_do_what(
    served: Served, method: str, path: str, key: str, status: int
) -> None:
    body = theory_rule() if path == "/admin/rules" else {}
    async with httpx.AsyncClient(base_url=served.url, auth=(key, "secret")) as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == status, answer.text


async def test_a_scope_is_not_enough_to_approve(served: Served) -> None:
    """Over HTTP as over the functions: the same person, a wrong password, nobody at all."""
    async with httpx.AsyncClient(base_url=served.url, auth=("admin", "secret")) as http:
        signature = signed_by("ben", "authorship").model_dump()
        draft = {"document": theory_rule(), "reason": "new", "signature": signature}
        made = await http.post("/admin/rules/drafts", json=draft)
        assert made.status_code == 201
        content_hash = made.json()["content_hash"]
        path = "/admin/rules/theory-0/1"
        assert (await http.post(f"{path}/submit", json={})).json()["state"] == "in_review"
        lines = (await http.post(f"{path}/preview")).text.splitlines()
        preview = json.loads(lines[-1])["preview"]["preview"]
        body = {"content_hash": content_hash, "preview": preview}
        unsigned = await http.post(f"{path}/approve", json=body)
        assert unsigned.status_code == 400
        own = await http.post(f"{path}/approve", json={**body, "signature": signature})
        assert own.status_code == 403
        wrong = signed_by("cai", password="guess").model_dump()
        guessed = await http.post(f"{path}/approve", json={**body, "signature": wrong})
        assert guessed.status_code == 403
        page = (await http.get(f"/rules/theory-0/1/previews/{preview}?limit=1")).json()
        rest = await http.get(
            f"/rules/theory-0/1/previews/{preview}", params={"after": page["next"]}
        )
        people = [one["person"] for one in (*page["changes"], *rest.json()["changes"])]
        assert len(people) == len(set(people)) == 2
        shown = (await http.get("/rules/theory-0/1")).json()
        assert shown["state"] == "in_review"
        assert shown["approvals"] == []
        right = signed_by("cai").model_dump()
        done = await http.post(f"{path}/approve", json={**body, "signature": right})
        assert done.json()["state"] == "effective"
