"""Bringing a template into force: one person proposes a version, another approves it.

Everything here is one transaction of the caller's, under a lock of the template.
"""

from dataclasses import dataclass

from assay_credentials.awards import MAIN_ISSUER
from assay_credentials.templates.document import TemplateDocument
from assay_credentials.templates.store import TemplateStore, Version
from assay_runtime.refusals import Contradiction, Forbidden, Unknown


@dataclass(frozen=True, slots=True)
class Done:
    """The version as it is now, and whether this changed it."""

    version: Version
    is_new: bool


async def propose(
    store: TemplateStore,
    tenant: str,
    template: str,
    document: TemplateDocument,
    *,
    by: str,
    reason: str,
) -> Done:
    """Write the content down as the next version, to be approved.

    The same content again is the version that there is. Raises Contradiction when another content
    waits for approval, the template is for another competency, or it names an image or an issuer
    that there is not.
    """
    await store.lock(tenant, template)
    summary = await store.summary(tenant, template)
    for number in (summary.proposed, summary.in_force):
        found = None if number is None else await store.version(tenant, template, number)
        if found is not None and found.content_sha256 == document.sha256():
            return Done(found, is_new=False)
    if summary.proposed is not None:
        raise Contradiction(
            f"version {summary.proposed} of {template} waits for approval: withdraw it first"
        )
    if summary.competency not in (None, document.competency):
        raise Contradiction(f"`competency`: {template} is for {summary.competency}, and stays so")
    if document.image is not None:
        sha256 = bytes.fromhex(document.image.partition(".")[0])
        if await store.image(tenant, sha256) is None:
            raise Contradiction("`image`: there is no such image; put it first")
    if document.issuer != MAIN_ISSUER and not await store.has_issuer(tenant, document.issuer):
        raise Contradiction(f"`issuer`: there is no issuer {document.issuer}")
    version = summary.last + 1
    await store.insert(tenant, template, version, document, by=by, reason=reason)
    return Done(await _found(store, tenant, template, version), is_new=True)


async def approve(
    store: TemplateStore,
    tenant: str,
    template: str,
    version: int,
    *,
    by: str,
    content_sha256: bytes | None = None,
) -> Done:
    """Bring a proposal into force, in the place of the version that was; again changes nothing.

    `content_sha256` is that of the content which was looked at. Raises Unknown, Forbidden for who
    proposed it, and Contradiction.
    """
    await store.lock(tenant, template)
    found = await _found(store, tenant, template, version)
    if found.state == "approved":
        return Done(found, is_new=False)
    if found.state != "proposed":
        raise Contradiction(f"version {version} of {template} is {found.state}: propose it anew")
    if content_sha256 is not None and content_sha256 != found.content_sha256:
        raise Contradiction("`content_sha256`: version has another content than was looked at")
    if found.proposed_by == by:
        raise Forbidden("who proposed a template cannot approve it: that takes a second person")
    await store.lock(tenant, found.document.competency)
    rival = await store.rival(tenant, template, found.document.competency)
    if rival is not None:
        raise Contradiction(f"template {rival} is in force for this competency: retire it first")
    summary = await store.summary(tenant, template)
    if summary.in_force is not None:
        await store.end(tenant, template, summary.in_force, by)
    await store.approve(tenant, template, version, by)
    return Done(await _found(store, tenant, template, version), is_new=True)


async def end(store: TemplateStore, tenant: str, template: str, version: int, *, by: str) -> Done:
    """Withdraw a proposal, or retire the version in force; again changes nothing.

    Credentials that it made stay as they are. Raises Unknown.
    """
    await store.lock(tenant, template)
    await _found(store, tenant, template, version)
    is_new = await store.end(tenant, template, version, by)
    return Done(await _found(store, tenant, template, version), is_new=is_new)


async def _found(store: TemplateStore, tenant: str, template: str, version: int) -> Version:
    found = await store.version(tenant, template, version)
    if found is None:
        raise Unknown(f"there is no version {version} of a template {template}")
    return found
