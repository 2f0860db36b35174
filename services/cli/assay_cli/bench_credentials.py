"""`assay bench --credentials`: issuing and verifying, with a peer beside it in the same run.

Three things are measured: how many credentials a core makes and checks without a database, beside
npm `@digitalbazaar/vc` on the same credentials; how fast an award of thousands becomes credentials
in Postgres; how long it takes from a void that is posted until the status list is served with the
bit set.
"""

import json
import os
import platform
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from assay_cli import bench_awards, bench_voids
from assay_cli.errors import StackError
from assay_cli.node_packages import run_node
from assay_cli.stack import StackInfo
from assay_credentials.badge import (
    Achievement,
    Alignment,
    AwardFacts,
    Issuer,
    Level,
    build_badge,
)
from assay_credentials.contexts import pinned_contexts
from assay_credentials.did import did_key, did_key_method
from assay_credentials.intake import JsonObject
from assay_credentials.keys import Ed25519Signer
from assay_credentials.multibase import encode_base58, encode_ed25519_public_key
from assay_credentials.proof import add_proof
from assay_credentials.status_list import StatusEntry, build_status_list, status_bits
from assay_credentials.template import template_jsonld
from assay_credentials.verify import Outcome, open_status_list, verify_credential

T = TypeVar("T")

COMPILED: Final = 4_000
FULL: Final = 200
"""Of what takes milliseconds each."""

ISSUED_PER_SECOND: Final = 2_000
ISSUED_END_TO_END_PER_SECOND: Final = 600
VERIFIED_PER_SECOND: Final = 100
ISSUING_RATIO: Final = 10.0
VERIFYING_RATIO: Final = 1.0
STATUS_P95_SECONDS: Final = 2.0

_ED25519_SECRET: Final = b"\x80\x26"
"""Multicodec prefix of an Ed25519 private key (`z3u2…`)."""

_WHEN: Final = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
_LISTS: Final = "https://credentials.example.org/status"


@dataclass(slots=True)
class Credentials:
    """Rates are credentials per second, times are seconds."""

    machine: dict[str, object]
    rates: dict[str, float] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    award: dict[str, float] = field(default_factory=dict)
    void_to_status_seconds: dict[str, float] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)


def run(stack: StackInfo, *, people: int, output: Path | None) -> int:
    """Measure, print a table, write JSON. Exit code 1 when a target is missed."""
    console = Console()
    result = Credentials(
        {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "load_before": round(os.getloadavg()[0], 2),
        }
    )
    try:
        _alone(result, console)
        result.award = bench_awards.measure(stack, people).as_json()
        result.rates["issued end to end"] = result.award["issued_per_second"]
        with console.status("from void to status list"):
            result.void_to_status_seconds = bench_voids.run(stack)
    except (OSError, StackError, KeyError, httpx.HTTPError) as error:
        console.print(f"[red]The stack cannot be measured:[/] {error}. Is `make run` running?")
        return 2
    _judge(result)
    _print(console, result)
    if output is not None:
        output.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
        console.print(f"Written to {output}")
    return 1 if result.missed else 0


def _alone(result: Credentials, console: Console) -> None:
    """One core, no database, no network; both sides on the same credentials."""
    sample = _Sample()
    with console.status("issuing and verifying, compiled"):
        unsigned = [sample.badge(number) for number in range(COMPILED)]
        sample.sign(unsigned[0], compiled=True)
        began = time.perf_counter()
        signed = [sample.sign(sample.badge(n), compiled=True) for n in range(COMPILED)]
        result.rates["issued, compiled"] = COMPILED / (time.perf_counter() - began)
    with console.status("issuing and verifying, the full way"):
        some = unsigned[:FULL]
        result.rates["issued, the full way"] = _rate(some, lambda one: sample.sign(one))
        result.rates["verified"] = _rate(signed[:FULL], sample.verify)
    with console.status("the peer: @digitalbazaar/vc"):
        peer = sample.peer(some, signed[:FULL])
    result.rates["peer issued"] = 1 / peer["issue"]
    result.rates["peer verified"] = 1 / peer["verify"]
    result.ratios["issuing / peer"] = result.rates["issued, compiled"] * peer["issue"]
    result.ratios["verifying / peer"] = result.rates["verified"] * peer["verify"]


def _rate(many: Sequence[T], work: Callable[[T], object]) -> float:
    for one in many[:10]:
        work(one)
    began = time.perf_counter()
    for one in many:
        work(one)
    return len(many) / (time.perf_counter() - began)


class _Sample:
    """An issuer with a key of its own, and badges as the product makes them."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self._signer = Ed25519Signer(self._private)
        self._did = did_key(self._signer.public_key)
        self._method = did_key_method(self._signer.public_key)
        self._issuer = Issuer(self._did, "Training Centre North", "https://centre.example.org")
        self._achievement = Achievement(
            id="https://credentials.example.org/achievements/gowning-b",
            name="Gown aseptically for grade B",
            description="Gowns without supervision for a grade B clean room.",
            criteria="Two observed gownings without a critical error, by two assessors.",
            alignments=(
                Alignment("Gown aseptically for grade B", "https://example.org/uri/asp2", "ASP2"),
            ),
            levels=tuple(
                Level(f"https://example.org/levels/{number}", name, str(number))
                for number, name in enumerate(("Aware", "Supervised", "Alone"), 1)
            ),
        )
        self._lists = {
            f"{_LISTS}/{number}": open_status_list(
                add_proof(
                    build_status_list(
                        url=f"{_LISTS}/{number}",
                        issuer=self._did,
                        purpose="revocation" if number == 1 else "suspension",
                        bits=status_bits(()),
                        valid_from=_WHEN,
                        valid_until=_WHEN.replace(year=2027),
                    ),
                    self._signer,
                    verification_method=self._method,
                    created=_WHEN,
                ),
                url=f"{_LISTS}/{number}",
                now=_WHEN,
            )
            for number in (1, 2)
        }

    def badge(self, number: int) -> JsonObject:
        return build_badge(
            AwardFacts(
                credential_id=f"https://credentials.example.org/credentials/{uuid4()}",
                achievement=self._achievement,
                awarded_at=_WHEN,
                expires_on=date(2027, 3, 2),
                timezone="Europe/London",
                identity=str(uuid4()),
                identity_type="systemId",
                salt=secrets.token_bytes(16),
                level_id="https://example.org/levels/3",
                evidence_sha256=(secrets.token_bytes(32),),
            ),
            self._issuer,
            (
                StatusEntry("revocation", f"{_LISTS}/1", number),
                StatusEntry("suspension", f"{_LISTS}/2", number + 7),
            ),
        )

    def sign(self, badge: JsonObject, *, compiled: bool = False) -> JsonObject:
        return add_proof(
            badge,
            self._signer,
            verification_method=self._method,
            created=_WHEN,
            jsonld=template_jsonld() if compiled else None,
        )

    def verify(self, credential: JsonObject) -> None:
        """As a stranger's credential is verified: by the full way, every check. Raises StackError.

        The status lists have been opened before, as they are in a service that verifies many.
        """
        found = verify_credential(
            json.dumps(credential).encode(),
            now=_WHEN,
            resolve_status=self._lists.get,
            trusted_issuers={self._did: "Training Centre North"},
        )
        if found.outcome is not Outcome.VALID:
            raise StackError(f"a credential of the benchmark is {found.outcome}")

    def peer(
        self, unsigned: Sequence[JsonObject], signed: Sequence[JsonObject]
    ) -> dict[str, float]:
        """Seconds a credential that the peer takes to issue and to verify the same."""
        public = self._signer.public_key
        stdin = {
            "documents": dict(pinned_contexts().documents),
            "unsigned": list(unsigned),
            "signed": list(signed),
            "method": self._method,
            "publicKeyMultibase": encode_ed25519_public_key(public),
            "secretKeyMultibase": encode_base58(
                _ED25519_SECRET + self._private.private_bytes_raw() + public
            ),
            "now": _WHEN.isoformat(),
        }
        with as_file(files("assay_cli").joinpath("data", "peer")) as folder:
            answer = run_node("bench.mjs", stdin, folder)
        if not isinstance(answer, dict) or answer["verified"] < len(signed):
            raise StackError("the peer did not verify what was signed here")
        return {"issue": float(answer["issue"]), "verify": float(answer["verify"])}


def _judge(result: Credentials) -> None:
    rates, ratios = result.rates, result.ratios
    wanted = [
        ("issued, compiled", rates["issued, compiled"], ISSUED_PER_SECOND),
        ("issued end to end", rates["issued end to end"], ISSUED_END_TO_END_PER_SECOND),
        ("verified", rates["verified"], VERIFIED_PER_SECOND),
        ("issuing / peer", ratios["issuing / peer"], ISSUING_RATIO),
        ("verifying / peer", ratios["verifying / peer"], VERIFYING_RATIO),
    ]
    result.missed = [
        f"{name}: {value:,.1f}, wanted {least:,.1f}"
        for name, value, least in wanted
        if value < least
    ]
    p95 = result.void_to_status_seconds["p95"]
    if p95 > STATUS_P95_SECONDS:
        result.missed.append(f"void to status list, p95: {p95:.2f} s, wanted {STATUS_P95_SECONDS}")


def _print(console: Console, result: Credentials) -> None:
    table = Table("credentials per second", "rate", title="Credentials")
    for name, rate in result.rates.items():
        table.add_row(name, f"{rate:,.0f}")
    for name, ratio in result.ratios.items():
        table.add_row(name, f"{ratio:.1f} times")
    for name, seconds in result.void_to_status_seconds.items():
        table.add_row(f"void posted to status list served, {name}", f"{seconds:.3f} s")
    console.print(table)
    for line in result.missed:
        console.print(f"[red]missed[/] {line}")
