"""The use case of asking a wallet: a request is made, shown, answered once, read, forgotten."""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter

from assay_credentials.metrics import CredentialsMetrics
from assay_credentials.presenting.request import PresentationRequest, client_id
from assay_credentials.presenting.response import AnswerRefused, Declined, Presented
from assay_credentials.presenting.store import Asked, PresentingStore
from assay_credentials.settings import CredentialsSettings
from assay_credentials.verify import PresentationVerification, verify_presentation
from assay_runtime.postgres import TRANSIENT, Pool
from assay_runtime.problem import not_available

if TYPE_CHECKING:
    from assay_credentials.api import Api

SECRET_BYTES: Final = 32
FORGET_SECONDS: Final = 30.0
FORGET_ROWS_MAX: Final = 1_000

_ANSWER: Final[TypeAdapter[PresentationVerification]] = TypeAdapter(PresentationVerification)


class Desk:
    """Where wallets are asked to show a credential."""

    def __init__(self, api: "Api") -> None:
        self._api = api
        self._settings = api.settings

    async def ask(self) -> str:
        """A new request. The answer is the secret of the page that shows it.

        Problem: 503 when too many are waiting.
        """
        now = self._api.verifier.now()
        session = secrets.token_urlsafe(SECRET_BYTES)
        asked = PresentationRequest(
            request=secrets.token_urlsafe(SECRET_BYTES),
            nonce=secrets.token_urlsafe(SECRET_BYTES),
            made_at=now,
            expires_at=now + timedelta(seconds=self._settings.presentation_seconds),
        )
        async with self._api.connected() as connection:
            kept = await PresentingStore(connection).insert(
                session, asked, self._settings.presentations_waiting_max
            )
        if not kept:
            raise not_available("too many requests wait for a wallet", retry_seconds=30)
        self._api.verifier.metrics.presentations.labels(result="asked").inc()
        return session

    async def of_session(self, session: str) -> Asked | None:
        """What the page with this secret asked; None: nothing, or it is forgotten."""
        async with self._api.connected() as connection:
            found = await PresentingStore(connection).of_session(session)
        if found is None:
            return None
        ended = found.answered_at or found.request.expires_at
        kept = timedelta(seconds=self._settings.presentation_kept_seconds)
        return found if self._api.verifier.now() < ended + kept else None

    async def waiting(self, request: str) -> PresentationRequest | None:
        """The request that a wallet asks for by its reference."""
        async with self._api.connected() as connection:
            return await PresentingStore(connection).waiting(request, self._api.verifier.now())

    async def answer(self, given: Presented | Declined) -> None:
        """Check what a wallet showed, and keep what is to be said of it: once.

        Raises AnswerRefused when the request is unknown, answered already, or over.
        """
        asked = await self.waiting(given.state)
        if asked is None:
            raise AnswerRefused("state: no request of this name waits for an answer")
        answer: bytes | None = None
        declined: str | None = None
        if isinstance(given, Declined):
            declined, result = given.error, "declined"
        else:
            found = await self._checked(asked, given)
            answer, result = _ANSWER.dump_json(found), found.outcome.value
        async with self._api.connected() as connection:
            kept = await PresentingStore(connection).answer(
                given.state, self._api.verifier.now(), answer=answer, declined=declined
            )
        if not kept:
            raise AnswerRefused("state: the request was answered meanwhile, or it is too late")
        self._api.verifier.metrics.presentations.labels(result=result).inc()

    async def _checked(
        self, asked: PresentationRequest, given: Presented
    ) -> PresentationVerification:
        if len(given.presentation) > self._settings.verify_bytes_max:
            raise AnswerRefused(
                f"vp_token: a presentation of more than {self._settings.verify_bytes_max} bytes"
            )
        found = await self._api.verifier.settle(
            lambda means: verify_presentation(
                given.presentation,
                challenge=asked.nonce,
                domain=client_id(self._settings.public_url),
                **means._asdict(),
            )
        )
        if found.holder is not None and not found.credentials:
            raise AnswerRefused("vp_token: the presentation holds no credential")
        for one in found.credentials:
            self._api.verifier.count(one)
        return found


async def forget_presentations(
    pool: Pool,
    settings: CredentialsSettings,
    now: Callable[[], datetime],
    metrics: CredentialsMetrics,
) -> None:
    """Delete, again and again, what was shown too long ago. Ends when cancelled."""
    while True:
        try:
            await forget_old(pool, now() - timedelta(seconds=settings.presentation_kept_seconds))
        except TRANSIENT:
            metrics.retries.inc()
        await asyncio.sleep(FORGET_SECONDS)


async def forget_old(pool: Pool, before: datetime) -> int:
    """Delete what ended before a moment; how many."""
    forgotten = 0
    async with pool.acquire(timeout=5) as connection:
        store = PresentingStore(connection)
        while count := await store.forget(before, FORGET_ROWS_MAX):
            forgotten += count
    return forgotten


def read_verification(answer: bytes) -> PresentationVerification:
    """What was kept of an answer."""
    return _ANSWER.validate_json(answer)
