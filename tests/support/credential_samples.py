"""An issuer, an award and its status lists, complete and signed, for the credentials tests."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from assay_credentials.badge import (
    Achievement,
    Alignment,
    AwardFacts,
    Issuer,
    Level,
    build_badge,
)
from assay_credentials.did import did_key, did_key_method
from assay_credentials.intake import JsonObject
from assay_credentials.keys import Ed25519Signer
from assay_credentials.proof import add_proof
from assay_credentials.status_list import Purpose, StatusEntry, build_status_list, status_bits
from assay_credentials.verify import Verification, verify_credential

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
IDENTITY = "https://id.example.org|ada"
SALT = bytes(range(16))
REVOCATION_URL = "https://credentials.example.org/status/1"
SUSPENSION_URL = "https://credentials.example.org/status/2"
REVOCATION = StatusEntry("revocation", REVOCATION_URL, 90_210)
SUSPENSION = StatusEntry("suspension", SUSPENSION_URL, 4_711)

ACHIEVEMENT = Achievement(
    id="https://credentials.example.org/achievements/gowning-b",
    name="Gown aseptically for grade B",
    description="Gowns without supervision for a grade B clean room.",
    criteria="Two observed gownings without a critical error,\nby two assessors.",
    alignments=(
        Alignment(
            name="Gown aseptically for grade B",
            url="https://example.org/uri/0d6f2c1e-0000-4000-8000-0000000000a2",
            code="ASP2",
            framework="ATMP practice",
        ),
        Alignment(name="Work aseptically", url="https://example.org/uri/a1"),
    ),
    levels=(
        Level("https://example.org/levels/1", "Aware", "1"),
        Level("https://example.org/levels/2", "Practises under supervision", "2"),
        Level("https://example.org/levels/3", "Practises without supervision", "3"),
    ),
)

AWARD = AwardFacts(
    credential_id="urn:uuid:7a1f1a0e-5b55-4c53-8d3e-0f3a3b7b9a10",
    achievement=ACHIEVEMENT,
    awarded_at=datetime(2026, 3, 2, 14, 0, tzinfo=UTC),
    expires_on=date(2027, 3, 2),
    timezone="Europe/London",
    identity=IDENTITY,
    identity_type="systemId",
    salt=SALT,
    level_id="https://example.org/levels/3",
    evidence_sha256=(bytes(32), bytes(range(32))),
)


@dataclass(frozen=True)
class Party:
    """Somebody with a key who signs as did:key."""

    signer: Ed25519Signer
    name: str

    @property
    def did(self) -> str:
        return did_key(self.signer.public_key)

    @property
    def method(self) -> str:
        return did_key_method(self.signer.public_key)

    @property
    def issuer(self) -> Issuer:
        return Issuer(id=self.did, name=self.name, url="https://centre.example.org")

    def sign(self, document: JsonObject, created: datetime = NOW) -> JsonObject:
        return add_proof(document, self.signer, verification_method=self.method, created=created)

    def badge(
        self,
        award: AwardFacts = AWARD,
        status: tuple[StatusEntry, ...] = (REVOCATION, SUSPENSION),
    ) -> JsonObject:
        return self.sign(build_badge(award, self.issuer, status))

    def status_list(
        self,
        purpose: Purpose,
        indexes: Iterable[int] = (),
        *,
        at: datetime = NOW,
        url: str | None = None,
    ) -> JsonObject:
        return self.sign(
            build_status_list(
                url=url or (REVOCATION_URL if purpose == "revocation" else SUSPENSION_URL),
                issuer=self.did,
                purpose=purpose,
                bits=status_bits(indexes),
                valid_from=at - timedelta(minutes=1),
                valid_until=at + timedelta(hours=1),
            ),
            at,
        )


CENTRE = Party(Ed25519Signer.from_seed(bytes(range(32))), "Training Centre North")
STRANGER = Party(Ed25519Signer.from_seed(bytes(range(32, 64))), "Training Centre North")
TRUSTED = {CENTRE.did: "Training Centre North (register)"}


def status_lists(
    party: Party = CENTRE,
    revoked: Iterable[int] = (),
    suspended: Iterable[int] = (),
    at: datetime = NOW,
) -> dict[str, JsonObject]:
    """Both lists by URL, as a resolver would find them."""
    return {
        REVOCATION_URL: party.status_list("revocation", revoked, at=at),
        SUSPENSION_URL: party.status_list("suspension", suspended, at=at),
    }


CLEAR_LISTS = status_lists()


def verify(document: bytes | str | JsonObject, at: datetime = NOW, **changed: Any) -> Verification:
    """`verify_credential` with clear lists and the centre trusted, but for what is `changed`."""
    arguments: dict[str, Any] = {
        "now": at,
        "resolve_status": CLEAR_LISTS.get,
        "trusted_issuers": TRUSTED,
        **changed,
    }
    return verify_credential(document, **arguments)


def with_level(award: AwardFacts, level_id: str | None) -> AwardFacts:
    return replace(award, level_id=level_id)
