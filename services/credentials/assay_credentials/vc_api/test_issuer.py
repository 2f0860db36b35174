"""An issuer that signs what it is given, for conformance suites.

Its key is made at start and lives in memory alone, and nobody is told to trust its DID: what it
signs is worth nothing, as it must be for an issuer that signs everything.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from assay_credentials.contexts import CREDENTIALS_V1, CREDENTIALS_V2, DATA_INTEGRITY_V2
from assay_credentials.did import did_key, did_key_method
from assay_credentials.errors import DocumentRefused
from assay_credentials.intake import JsonObject, checked_document
from assay_credentials.jsonld import JsonLd
from assay_credentials.keys import Ed25519Signer
from assay_credentials.proof import JCS, RDFC, Cryptosuite, add_proof
from assay_credentials.status_list import (
    Purpose,
    build_status_list,
    candidate_indexes,
    status_bits,
)
from assay_credentials.verification.envelope import sign_jwt
from assay_credentials.verification.form import credential_form, many

LISTS_PATH: Final = "/credentials/status-lists"
PURPOSES: Final[tuple[Purpose, ...]] = ("revocation", "suspension")
ISSUED_MAX: Final = 1_000
"""Credentials whose places are remembered; then the oldest is forgotten."""

LIST_VALID: Final = timedelta(hours=1)
_ENVELOPE: Final = "EnvelopedVerifiableCredential"


@dataclass(frozen=True)
class IssueOptions:
    """`options` of `POST /credentials/issue`. Others are ignored, as VC-API has it."""

    cryptosuite: Cryptosuite = RDFC
    enveloped: bool = False
    status_purposes: tuple[Purpose, ...] = ()

    @classmethod
    def read(cls, options: object) -> "IssueOptions":
        """Raises DocumentRefused for a value that is none."""
        given: dict[str, Any] = options if isinstance(options, dict) else {}
        suite = given.get("cryptosuite", RDFC)
        if suite not in (RDFC, JCS):
            raise DocumentRefused("form", f"options.cryptosuite: {RDFC} or {JCS}")
        media_type = given.get("mediaType", "application/vc")
        if media_type not in ("application/vc", "application/vc+jwt"):
            raise DocumentRefused("form", "options.mediaType: application/vc or application/vc+jwt")
        purposes = []
        for wanted in many(given.get("credentialStatus", [])):
            purpose = wanted.get("statusPurpose") if isinstance(wanted, dict) else None
            if purpose not in PURPOSES or purpose in purposes:
                raise DocumentRefused(
                    "form", f"options.credentialStatus.statusPurpose: one of {PURPOSES}"
                )
            purposes.append(purpose)
        return cls(suite, media_type == "application/vc+jwt", tuple(purposes))


class TestIssuer:
    """Of one process; what it issued is forgotten with it."""

    __test__ = False  # not a test, whatever its name tells pytest

    def __init__(
        self,
        *,
        url: str,
        jsonld: JsonLd,
        now: Callable[[], datetime],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._signer = Ed25519Signer.from_seed(random_bytes(32))
        self.did = did_key(self._signer.public_key)
        self._method = did_key_method(self._signer.public_key)
        self._base = url
        self._jsonld = jsonld
        self._now = now
        self._random_bytes = random_bytes
        self._places: OrderedDict[str, dict[Purpose, int]] = OrderedDict()
        self._set: dict[Purpose, set[int]] = {purpose: set() for purpose in PURPOSES}

    def issue(self, credential: object, options: IssueOptions) -> JsonObject:
        """The signed credential. Raises DocumentRefused, DocumentUnsupported and
        CanonicalisationBudgetExceeded.
        """
        document = checked_document(credential)
        form = credential_form(document)
        if form.issuer != self.did:
            raise DocumentRefused("issuer", f"issuer: this service signs for {self.did} only")
        if options.status_purposes:
            document["credentialStatus"] = self._entries(document, options.status_purposes)
        if options.enveloped:
            # Expanded for its rules alone.
            self._jsonld.quads(document)
            token = sign_jwt(document, self._signer, kid=self._method)
            return {
                "@context": CREDENTIALS_V2,
                "id": f"data:application/vc+jwt,{token}",
                "type": _ENVELOPE,
            }
        context = many(document.get("@context"))
        if context[:1] == [CREDENTIALS_V1] and DATA_INTEGRITY_V2 not in context:
            # The terms of the proof, which that base context lacks (VC Data Integrity 1.0, 2.4.2).
            document["@context"] = [*context, DATA_INTEGRITY_V2]
        signed = add_proof(
            document,
            self._signer,
            verification_method=self._method,
            created=self._now(),
            cryptosuite=options.cryptosuite,
            jsonld=self._jsonld,
        )
        # VC-API shows one proof as an object.
        return {**signed, "proof": many(signed["proof"])[0]}

    def set_status(self, credential: object, purpose: object, status: bool) -> bool:
        """Set or clear a bit of a credential that was issued with a place; False: there is none."""
        places = self._places.get(credential) if isinstance(credential, str) else None
        if places is None or purpose not in places:
            return False
        change = self._set[purpose].add if status else self._set[purpose].discard
        change(places[purpose])
        return True

    def status_list(self, url: str) -> JsonObject | None:
        """The signed list of one of our URLs; None for any other."""
        for purpose in PURPOSES:
            if url == self.list_url(purpose):
                now = self._now()
                unsigned = build_status_list(
                    url=url,
                    issuer=self.did,
                    purpose=purpose,
                    bits=status_bits(self._set[purpose]),
                    valid_from=now,
                    valid_until=now + LIST_VALID,
                )
                return add_proof(
                    unsigned, self._signer, verification_method=self._method, created=now
                )
        return None

    def list_url(self, purpose: str) -> str:
        """The address of the list of a purpose."""
        return f"{self._base}{LISTS_PATH}/{purpose}"

    def _entries(self, document: JsonObject, purposes: tuple[Purpose, ...]) -> object:
        if "credentialStatus" in document:
            raise DocumentRefused("form", "credentialStatus: given, and asked for in the options")
        identifier = document.get("id")
        places = {purpose: next(candidate_indexes(self._random_bytes)) for purpose in purposes}
        if isinstance(identifier, str):
            self._places[identifier] = places
            if len(self._places) > ISSUED_MAX:
                self._places.popitem(last=False)
        entries: list[object] = [
            {
                "id": f"{self.list_url(purpose)}#{index}",
                "type": "BitstringStatusListEntry",
                "statusPurpose": purpose,
                "statusListIndex": str(index),
                "statusListCredential": self.list_url(purpose),
            }
            for purpose, index in places.items()
        ]
        return entries[0] if len(entries) == 1 else entries
