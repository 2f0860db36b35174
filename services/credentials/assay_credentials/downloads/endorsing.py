"""Endorsements: made, withdrawn, and found beside what they are about.

They are asked for under an id of the caller's, so that asking again after an answer that was lost
makes no second one.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
import rfc8785

from assay_credentials.awards import Place
from assay_credentials.downloads.self_check import require_signing_key, self_checked
from assay_credentials.downloads.store import DownloadStore, Endorsement, Kind
from assay_credentials.endorsement import EndorsementFacts, build_endorsement
from assay_credentials.intake import JsonObject
from assay_credentials.issuers import IssuerKey, Issuers
from assay_credentials.making import credential_url
from assay_credentials.places import RandomBytes, take_places
from assay_credentials.proof import add_proof
from assay_credentials.records import Records
from assay_credentials.status_list import StatusEntry
from assay_credentials.statuses import list_url
from assay_credentials.store import Bit, Store
from assay_runtime.refusals import Contradiction, Refused, Unknown


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to be said."""

    endorsement: UUID
    issuer: str
    kind: Kind
    endorsed: str
    """The credential's UUID, the achievement's id, or the issuer's DID."""
    name: str
    comment: str
    valid_until: datetime | None

    def sha256(self) -> bytes:
        """Of the content in JCS (RFC 8785)."""
        content = {
            "issuer": self.issuer,
            "kind": self.kind,
            "endorsed": self.endorsed,
            "name": self.name,
            "comment": self.comment,
            "valid_until": None if self.valid_until is None else self.valid_until.isoformat(),
        }
        return hashlib.sha256(rfc8785.dumps(content)).digest()


@dataclass(frozen=True, slots=True)
class Endorser:
    """What endorsing stands on."""

    issuers: Issuers
    public_url: str
    list_entries: int
    random_bytes: RandomBytes

    async def endorse(
        self, records: Records, asked: Asked, now: datetime
    ) -> tuple[Endorsement, bool]:
        """The endorsement, and whether it is new; in the transaction of `records`.

        Raises Unknown for a credential that is not there, Contradiction when the id stands for
        another content, BadgeRefused and SelfCheckFailed.
        """
        tenant, store = records.tenant, Store(records.connection)
        downloads = DownloadStore(records.connection)
        await downloads.lock_endorsement(tenant, asked.endorsement)
        there = await downloads.endorsement(tenant, asked.endorsement)
        if there is not None:
            if there.content_sha256 != asked.sha256():
                raise Contradiction("an endorsement of this id says something else")
            return there, False
        credential, endorsed_id = await self._endorsed(downloads, tenant, asked)
        key = await self.issuers.locked_key(store, tenant, asked.issuer)
        await require_signing_key(records.connection, key)
        # The lists stay locked until the end, so they come last before the signature.
        places = await take_places(
            store,
            {asked.endorsement: (tenant, key.did)},
            self.random_bytes,
            self.list_entries,
            single={asked.endorsement},
        )
        place = places[asked.endorsement]["revocation"]
        document = await asyncio.to_thread(self._signed, asked, endorsed_id, key, place, now)
        made = Endorsement(
            tenant=tenant,
            endorsement=asked.endorsement,
            issuer=asked.issuer,
            method=key.method,
            state="issued",
            kind=asked.kind,
            endorsed=endorsed_id,
            credential=credential,
            name=asked.name,
            comment=asked.comment,
            valid_until=asked.valid_until,
            content_sha256=asked.sha256(),
            document=document,
            place=place,
            made_at=now,
        )
        await downloads.insert_endorsement(made)
        await records.audit(
            "endorsement.made",
            f"endorsement:{asked.endorsement}",
            after={"issuer": asked.issuer, "kind": asked.kind, "endorsed": endorsed_id},
        )
        return made, True

    async def _endorsed(
        self, downloads: DownloadStore, tenant: str, asked: Asked
    ) -> tuple[UUID | None, str]:
        """What it is about: the credential where it is one, and its id in documents."""
        if asked.kind != "credential":
            if asked.kind == "issuer" and not asked.endorsed.startswith("did:"):
                raise Refused("`endorsed`: an issuer is named by its DID")
            return None, asked.endorsed
        try:
            credential = UUID(asked.endorsed)
        except ValueError:
            raise Refused("`endorsed`: a credential is named by its UUID") from None
        if await downloads.credential(tenant, credential) is None:
            raise Unknown("there is no such credential")
        return credential, credential_url(self.public_url, credential)

    def _signed(
        self,
        asked: Asked,
        endorsed_id: str,
        key: IssuerKey,
        place: Place,
        now: datetime,
    ) -> bytes:
        unsigned = build_endorsement(
            EndorsementFacts(
                endorsement_id=endorsement_url(self.public_url, asked.endorsement),
                endorsed_id=endorsed_id,
                name=asked.name,
                comment=asked.comment,
                made_at=now,
                valid_until=asked.valid_until,
            ),
            key.profile,
            StatusEntry("revocation", list_url(self.public_url, place.list), place.index),
        )
        document = orjson.dumps(
            add_proof(unsigned, key.signer, verification_method=key.method, created=now)
        )
        return self_checked(document, key, now)


async def withdraw(records: Records, endorsement: UUID) -> bool:
    """Take an endorsement back: its bit is set. Whether it held until now.

    Raises Unknown, and Refused without a reason.
    """
    records.required_reason()
    downloads, store = DownloadStore(records.connection), Store(records.connection)
    if await downloads.endorsement(records.tenant, endorsement) is None:
        raise Unknown("there is no such endorsement")
    place = await downloads.withdraw_endorsement(records.tenant, endorsement)
    if place is None:
        return False
    await _set_bit(store, records.tenant, place)
    await records.audit("endorsement.withdrawn", f"endorsement:{endorsement}")
    return True


async def _set_bit(store: Store, tenant: str, place: Place) -> None:
    await store.lock_lists([(tenant, place.list)])
    await store.set_entries([Bit(tenant, place.list, place.index, True)])


async def endorsements_of(
    downloads: DownloadStore, tenant: str, document: JsonObject
) -> list[Endorsement]:
    """Those that hold now of a badge of ours: of itself, of what was earned, of who issued it."""
    subject, issuer = document.get("credentialSubject"), document.get("issuer")
    achievement = subject.get("achievement") if isinstance(subject, dict) else None
    named = [
        document.get("id"),
        achievement.get("id") if isinstance(achievement, dict) else None,
        issuer.get("id") if isinstance(issuer, dict) else issuer,
    ]
    return await downloads.endorsements_of(tenant, [one for one in named if isinstance(one, str)])


def endorsement_url(public_url: str, endorsement: UUID) -> str:
    return f"{public_url}/endorsements/{endorsement}"
