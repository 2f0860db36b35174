"""Changing records: how issuers and achievements are described. Run as the owner role."""

from assay_credentials.awards import Described
from assay_credentials.keyring.names import MAIN
from assay_credentials.keyring.store import KeyringStore
from assay_credentials.store import Store
from assay_runtime.postgres import Connection


async def put_issuer(
    connection: Connection, tenant: str, name: str, url: str | None = None
) -> None:
    """How the tenant is called as an issuer; repeating it changes nothing.

    Credentials that are issued already keep the name that they were signed with.
    """
    if not name.strip():
        raise ValueError("name: must not be empty")
    await KeyringStore(connection).put_issuer(tenant, MAIN, name, url)


async def put_achievement(
    connection: Connection,
    tenant: str,
    competency: str,
    *,
    name: str,
    description: str,
    criteria: str,
    code: str | None = None,
    framework: str | None = None,
    levels: tuple[str, ...] = (),
) -> None:
    """What the credential for a competency (an IRI) says; repeating it changes nothing.

    `criteria` says in plain words what had to be shown; `levels` names level 1, 2, 3 and so on.
    """
    for field, text in (("name", name), ("description", description), ("criteria", criteria)):
        if not text.strip():
            raise ValueError(f"{field}: must not be empty")
    await Store(connection).put_achievement(
        tenant, competency, Described(name, description, criteria, code, framework, levels)
    )


async def retry_failed(connection: Connection) -> int:
    """Try again the awards whose credential could not be made; how many there are."""
    return await Store(connection).retry_failed()
