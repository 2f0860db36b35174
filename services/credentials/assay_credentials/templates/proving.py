"""Before a template is proposed: what it would make is valid, and compiles to the same RDF as the
full path gives, on values that were made up for it. Pure.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from assay_credentials.contexts import pinned_contexts
from assay_credentials.errors import (
    BadgeRefused,
    DocumentRefused,
    DocumentUnsupported,
    TemplateRefused,
)
from assay_credentials.intake import checked_document
from assay_credentials.jsonld import pinned_jsonld
from assay_credentials.template import TemplateJsonLd
from assay_credentials.templates.preview import Sample
from assay_credentials.verification.schemas import schema_errors

TRIED: Final = 8
"""Each takes some 10 ms."""


def prove(sample: Sample, seed: bytes) -> None:
    """Return when credentials of the sample's kind can be issued. Raises TemplateRefused.

    The same seed tries the same values.
    """
    compiled = TemplateJsonLd(pinned_contexts())
    try:
        for number, one in enumerate(_tried(sample, seed)):
            badge = checked_document(one.badge())
            full = pinned_jsonld().canonical(badge)
            if compiled.canonical(badge) != full:
                raise TemplateRefused(
                    f"try {number}: the compiled form is not that of the document"
                )
            if number == 0 and (errors := schema_errors(badge)):
                raise TemplateRefused(f"the credential would not be valid: {errors[0]}")
    except (BadgeRefused, DocumentRefused, DocumentUnsupported) as error:
        raise TemplateRefused(f"the credential could not be made: {error}") from error


def _tried(sample: Sample, seed: bytes) -> Iterator[Sample]:
    """The sample, and others with every value that differs between two people."""
    yield sample
    facts = sample.facts
    levels = [level.id for level in facts.achievement.levels]
    for number in range(1, TRIED):
        noise = hashlib.sha512(seed + number.to_bytes(4, "big")).digest()
        awarded_at = facts.awarded_at + timedelta(seconds=int.from_bytes(noise[:3], "big"))
        yield Sample(
            replace(
                facts,
                credential_id=facts.credential_id.replace(
                    str(UUID(int=0)), str(UUID(bytes=noise[:16], version=4))
                ),
                awarded_at=awarded_at,
                expires_on=None if number % 3 == 0 else (awarded_at + timedelta(days=400)).date(),
                identity=noise.hex(),
                salt=noise[16:32],
                level_id=levels[number % len(levels)] if levels else None,
                evidence_sha256=(noise[:32], noise[32:])[: number % 2 + 1],
            ),
            sample.issuer,
            tuple(
                replace(
                    entry,
                    list_url=entry.list_url.replace(
                        str(UUID(int=0)), str(UUID(bytes=noise[at : at + 16], version=4))
                    ),
                    index=noise[at] * 256 + noise[at + 1],
                )
                for at, entry in enumerate(sample.status)
            ),
        )
