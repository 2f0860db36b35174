"""A wallet takes up an offer: the life of a bound copy.

    1. redeem   the code and the transaction code, for an access token; a code works once
    2. prove    the wallet signs a nonce of ours with the key that it wants the copy bound to
    3. bind     the credential about that key is built, signed, and checked as a stranger would
    4. keep     nonce used, copy kept, offer claimed: one transaction; only then it is handed over

Nothing is handed over before line 4 is committed, and what is kept there is what is handed over
when the same wallet asks again. So a crash loses nothing, and makes no second copy for one key.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import orjson

from assay_credentials.contexts import BADGE_CONTEXT, pinned_contexts
from assay_credentials.errors import CredentialsError
from assay_credentials.holding.binding import check_copy, signed_copy
from assay_credentials.holding.codes import CODE_CHARACTERS_MAX, digest, fits, new_code
from assay_credentials.holding.errors import KeyProofRefused, ProtocolRefused, token_refused
from assay_credentials.holding.key_proof import read_key_proof
from assay_credentials.holding.metadata import COPIES_MAX
from assay_credentials.holding.nonces import Nonce, make_nonce, read_nonce
from assay_credentials.holding.offers import (
    CONFIGURATIONS,
    Format,
    Offer,
    issuer_url,
    standing,
)
from assay_credentials.holding.store import Copy, HoldingStore, ToBind
from assay_credentials.issuers import IssuerKey
from assay_credentials.keys import load_or_create_key_file
from assay_credentials.store import Store

if TYPE_CHECKING:
    from assay_credentials.api import Api

NOTICE_TIME: Final = timedelta(days=1)
"""How long after its token's end a wallet may still tell what became of the copy."""

NONCES_FILE: Final = ".nonces.pem"
"""The key that the secret of nonces is made with. No tenant's name begins with a dot."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, shown once."""

    text: str
    expires_in: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a wallet is given."""

    offer: Offer
    documents: tuple[bytes, ...]


class Claims:
    """The use cases of wallets."""

    def __init__(self, api: "Api") -> None:
        self._api = api
        self._settings = api.settings
        self._secret: bytes | None = None

    # 1. Redeem

    async def redeem(self, code: str, transaction_code: str | None) -> Token:
        """The access token for a code, once. Raises ProtocolRefused.

        What is wrong with a code is not told apart: unknown, over, used, withdrawn, locked, or with
        another transaction code.
        """
        now, settings = self._api.now(), self._settings
        refused = ProtocolRefused("invalid_grant", "the code or the transaction code does not hold")
        async with self._api.connected() as connection, connection.transaction():
            store = HoldingStore(connection)
            found = await store.find_offer(digest(code)) if _is_sound(code) else None
            if found is None or found.protocol != "oid4vci" or found.sealed is None:
                raise refused
            if transaction_code is None:
                raise ProtocolRefused("invalid_request", "tx_code: missing")
            # Locked: two wallets at once are told apart, and guesses are counted one by one.
            offer = await store.lock_offer(found.tenant, found.id)
            if standing(offer, now, settings.offer_wrong_codes_max) != "open":
                raise refused
            if fits(found.sealed, code, transaction_code):
                token = new_code(secrets.token_bytes)
                ends = now + timedelta(seconds=settings.offer_token_seconds)
                await store.redeem_offer(offer, now, digest(token), ends)
                return Token(token, int(settings.offer_token_seconds))
            await store.count_wrong_code(offer)
        # The transaction is committed: the guess is counted.
        raise refused

    # 2. Prove

    async def nonce(self) -> str:
        """A fresh nonce. Raises KeyFileRefused and OSError."""
        return make_nonce(
            await self._nonce_secret(),
            self._api.now(),
            timedelta(seconds=self._settings.nonce_seconds),
            secrets.token_bytes,
        )

    async def read_nonce(self, text: str) -> Nonce | None:
        """The nonce, when it is one of ours and not over."""
        return read_nonce(await self._nonce_secret(), text, self._api.now())

    async def _nonce_secret(self) -> bytes:
        if self._secret is None:
            self._secret = await asyncio.to_thread(self._load_secret)
        return self._secret

    def _load_secret(self) -> bytes:
        folder = self._settings.signing_key_dir
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A file that all processes share. Ed25519 is deterministic: who has not the key cannot
        # know this signature.
        return load_or_create_key_file(folder / NONCES_FILE).sign(b"assay: secret of nonces")

    async def by_token(self, token: str) -> Offer:
        """The offer that a token stands for. Raises ProtocolRefused (401)."""
        async with self._api.connected() as connection:
            offer = await HoldingStore(connection).find_offer_by_token(digest(token))
        if offer is None or offer.token_expires_at is None:
            raise token_refused()
        return offer

    async def claim(self, token: str, configuration: str, proofs: Sequence[str]) -> Claimed:
        """The copies for the keys that `proofs` prove, in their order. Raises ProtocolRefused."""
        offer = await self.by_token(token)
        now = self._api.now()
        if offer.token_expires_at is None or now >= offer.token_expires_at:
            raise token_refused()
        format_ = CONFIGURATIONS.get(configuration)
        if format_ is None:
            raise ProtocolRefused(
                "unknown_credential_configuration",
                f"credential_configuration_id: there are {', '.join(CONFIGURATIONS)}",
            )
        if not 1 <= len(proofs) <= COPIES_MAX:
            raise ProtocolRefused("invalid_proof", f"proofs.jwt: 1 to {COPIES_MAX} are wanted")
        credential = await self._to_bind(offer)
        audience = issuer_url(self._settings.public_url, credential.tenant, credential.issuer)
        try:
            read = await asyncio.to_thread(
                lambda: [read_key_proof(one, audience=audience, now=now) for one in proofs]
            )
        except KeyProofRefused as error:
            raise ProtocolRefused("invalid_proof", str(error)) from error
        holders = [one.holder.did for one in read]
        if len(set(holders)) != len(holders):
            raise ProtocolRefused("invalid_proof", "two proofs are of one key")
        nonces = {one.nonce for one in read}
        # One nonce for all proofs of a request: they were made together (appendix F.1).
        nonce = await self.read_nonce(nonces.pop()) if len(nonces) == 1 else None
        if nonce is None:
            raise ProtocolRefused("invalid_nonce", "the nonce is not one of ours, or over")
        return await self.give(offer, credential, format_, holders, nonce)

    # 3. and 4.

    async def give(
        self,
        offer: Offer,
        credential: ToBind,
        format_: Format,
        holders: Sequence[str],
        nonce: Nonce,
    ) -> Claimed:
        """Copies for holders who proved their keys with `nonce`. Raises ProtocolRefused."""
        # 3. Bind those that there are not yet.
        async with self._api.store() as store:
            holding = HoldingStore(store.connection)
            there = await holding.find_copies(offer.tenant, offer.credential, format_, holders)
            key = await self._key(store, credential)
        wanted = [one for one in holders if one not in there]
        now = self._api.now()
        made = await asyncio.to_thread(_bind, credential, key, format_, wanted, now, offer)
        # 4. Keep, all in one transaction.
        async with self._api.connected() as connection, connection.transaction():
            holding = HoldingStore(connection)
            await holding.forget_nonces(now)
            locked = await holding.lock_offer(offer.tenant, offer.id)
            if locked.withdrawn_at is not None:
                raise ProtocolRefused("credential_request_denied", "the offer was withdrawn")
            if await holding.lock_to_bind(offer.tenant, offer.credential) != "issued":
                raise _not_valid()
            if not await holding.use_nonce(offer.tenant, nonce.sha256, nonce.expires_at):
                raise ProtocolRefused("invalid_nonce", "the nonce was used before")
            _require_room(await holding.copies_of_offer(offer), format_, wanted)
            await holding.insert_copies(made)
            await holding.claim_offer(offer, now)
            kept = await holding.find_copies(offer.tenant, offer.credential, format_, holders)
        return Claimed(offer, tuple(kept[one] for one in holders))

    async def _to_bind(self, offer: Offer) -> ToBind:
        async with self._api.connected() as connection:
            found = await HoldingStore(connection).to_bind(offer.tenant, offer.credential)
        if found is None or found.state != "issued":
            raise _not_valid()
        return found

    async def _key(self, store: Store, credential: ToBind) -> IssuerKey:
        # The key of the same DID: the status lists are of that DID, and count for no other.
        try:
            return await self._api.issuers.key_of(store, credential.tenant, credential.did)
        except CredentialsError as error:
            raise ProtocolRefused(
                "credential_request_denied",
                "the issuer's key is not there to sign with; ask the issuer",
            ) from error

    async def note(self, token: str, notification: str, event: str) -> None:
        """What a wallet tells of its copy. Raises ProtocolRefused."""
        offer, now = await self.by_token(token), self._api.now()
        if offer.token_expires_at is None or now >= offer.token_expires_at + NOTICE_TIME:
            raise token_refused()
        if notification != str(offer.id):
            raise ProtocolRefused("invalid_notification_id", "no such notification of this token")
        async with self._api.connected() as connection:
            await HoldingStore(connection).note_wallet_event(offer, event, now)


def _is_sound(code: str) -> bool:
    return 0 < len(code) <= CODE_CHARACTERS_MAX


def _not_valid() -> ProtocolRefused:
    return ProtocolRefused("credential_request_denied", "the credential is not valid any more")


def _require_room(
    there: Sequence[tuple[str, str, bytes]], format_: Format, wanted: Sequence[str]
) -> None:
    """An offer is for one holder, whose keys are named in one request of each format."""
    given = {holder for kept, holder, _ in there if kept == format_}
    if given and not given.issuperset(wanted):
        raise ProtocolRefused("credential_request_denied", "the offer was taken up by other keys")


def _bind(
    credential: ToBind,
    key: IssuerKey,
    format_: Format,
    holders: Sequence[str],
    now: datetime,
    offer: Offer,
) -> list[Copy]:
    digests = pinned_contexts().digests
    copies = []
    for holder in holders:
        document = signed_copy(
            credential.document, holder, format_, signer=key.signer, method=key.method, now=now
        )
        check_copy(
            document,
            now=now,
            trusted_issuers={key.did: key.name},
            resolve_key=key.resolve,
        )
        copies.append(
            Copy(
                tenant=credential.tenant,
                credential=credential.credential,
                format=format_,
                holder=holder,
                offer=offer.id,
                method=key.method,
                document=document,
                contexts=orjson.dumps({url: digests[url] for url in BADGE_CONTEXT}).decode(),
                issued_at=now,
            )
        )
    return copies
