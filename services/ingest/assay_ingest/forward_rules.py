"""What is forwarded to whom, what an answer means, and how a webhook is signed. Pure."""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

import msgspec

NOT_NOW_STATUSES = frozenset({408, 425, 429})
# About this content, and not about us, the way or the moment.
REFUSED_STATUSES = frozenset({400, 409, 413, 422})
WEBHOOK_VERSION = 1


class Kind(StrEnum):
    """What a target is."""

    LRS = "lrs"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class Target:
    """Where statements of a tenant go, and which. An empty filter lets everything pass.

    `own_source` is the source as which the other side sends to us: nothing of it goes back there.
    """

    tenant: str
    name: str
    kind: Kind
    url: str
    user: str | None = None
    own_source: str | None = None
    sources: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    activity_prefixes: tuple[str, ...] = ()

    def wants(self, source: str, verb: str, activity: str | None) -> bool:
        """Whether a statement from `source` is for this target."""
        if self.own_source is not None and source == self.own_source:
            return False
        if self.sources and source not in self.sources:
            return False
        if self.verbs and verb not in self.verbs:
            return False
        if self.activity_prefixes:
            return activity is not None and activity.startswith(self.activity_prefixes)
        return True


class Verdict(StrEnum):
    """What an answer means for the statements of a request."""

    DONE = "done"
    REFUSED = "refused"
    NOT_NOW = "not now"


def judge(status: int) -> Verdict:
    """What `status` means.

    A wrong key or a wrong address is "not now" too: a person mends it, and nothing is lost before
    the tries are used up.
    """
    if 200 <= status < 300:
        return Verdict.DONE
    return Verdict.REFUSED if status in REFUSED_STATUSES else Verdict.NOT_NOW


def pause_seconds(failures: int, *, longest: float, wished: float | None, jitter: float) -> float:
    """How long to leave a target alone after `failures` in a row (1 or more).

    Doubles from one second; the target's own wish counts when it is longer. `jitter` is 0 to 1.
    """
    doubled = min(longest, 2.0 ** min(failures - 1, 30))
    spread: float = doubled * (0.5 + jitter / 2)
    return spread if wished is None else min(longest, max(spread, wished))


def delivery_id(tenant: str, target: str, ids: Sequence[UUID]) -> str:
    """The name of a delivery: the same for the same statements, so a receiver knows a repeat."""
    text = "\0".join([tenant, target, *(str(one) for one in ids)])
    return f"msg_{sha256(text.encode()).hexdigest()[:32]}"


def webhook_body(tenant: str, target: str, statements: Sequence[bytes]) -> bytes:
    """What a webhook is sent. The statements have the bytes that a GET answers."""
    head = msgspec.json.encode(
        {"type": "statements.stored", "version": WEBHOOK_VERSION, "tenant": tenant, "to": target}
    )
    return b'%b,"statements":[%b]}' % (head[:-1], b",".join(statements))


def webhook_headers(secret: str, delivery: str, seconds: int, body: bytes) -> dict[str, str]:
    """The signature of a delivery: HMAC-SHA256 over id, time and body.

    Source: Standard Webhooks 1.0.0, "Signature scheme" (symmetric).
    """
    signed = b"%b.%d.%b" % (delivery.encode(), seconds, body)
    digest = hmac.digest(secret.encode(), signed, sha256)
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def version_to_send(stated: str) -> str:
    """The version of a request that holds a statement recorded under version `stated`."""
    return "1.0.3" if stated.startswith("1.") else "2.0.0"
