"""An issuer with a did:web on a server of this machine, for tests of what others issue."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from assay_credentials.intake import JsonObject
from assay_credentials.multibase import encode_ed25519_public_key
from assay_credentials.status_list import Purpose, StatusEntry
from credential_samples import AWARD, CENTRE, Party
from small_servers import answer, certificate, serving

HOST = "localhost"


@dataclass(frozen=True)
class WebParty(Party):
    """A party whose identifier is a did:web."""

    web: str

    @property
    def did(self) -> str:
        return self.web

    @property
    def method(self) -> str:
        return f"{self.web}#key-1"


@dataclass
class WebIssuer:
    """The party, its server, and what stands there by path."""

    party: WebParty
    host: str
    ca_file: Path
    served: dict[str, bytes] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """What lets the service ask this server."""
        return {
            "ASSAY_FETCH_PRIVATE_HOSTS": self.host,
            "ASSAY_FETCH_CA_FILE": str(self.ca_file),
        }

    def url(self, path: str) -> str:
        return f"https://{self.host}{path}"

    def put(self, path: str, document: object, media_type: str = "application/json") -> None:
        body = document if isinstance(document, bytes) else orjson.dumps(document)
        self.served[path] = answer(body, media_type)

    def did_document(self, **changed: Any) -> JsonObject:
        return {
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
            "id": self.party.did,
            "verificationMethod": [
                {
                    "id": self.party.method,
                    "type": "Multikey",
                    "controller": self.party.did,
                    "publicKeyMultibase": encode_ed25519_public_key(self.party.signer.public_key),
                }
            ],
            "assertionMethod": [self.party.method],
            **changed,
        }

    def put_list(self, purpose: Purpose, indexes: Iterable[int] = (), **changed: Any) -> None:
        path = f"/status/{purpose}"
        document = self.party.status_list(
            purpose, indexes, url=self.url(path), **{"at": datetime.now(UTC), **changed}
        )
        self.put(path, document, "application/vc")

    def badge(self) -> JsonObject:
        return self.party.badge(
            AWARD,
            (
                StatusEntry("revocation", self.url("/status/revocation"), 90_210),
                StatusEntry("suspension", self.url("/status/suspension"), 4_711),
            ),
        )


@asynccontextmanager
async def web_issuer(folder: Path) -> AsyncIterator[WebIssuer]:
    """One with its document and two clear lists in place."""
    pem = certificate(folder, HOST)
    served: dict[str, bytes] = {}
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        seen.append(path)
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        writer.write(served.get(path, missing))
        await writer.drain()

    async with serving(talk, pem) as port:
        party = WebParty(CENTRE.signer, "College of the Web", f"did:web:{HOST}%3A{port}:college")
        issuer = WebIssuer(party, f"{HOST}:{port}", pem, served, seen)
        issuer.put("/college/did.json", issuer.did_document(), "application/did+json")
        issuer.put_list("revocation")
        issuer.put_list("suspension")
        yield issuer
