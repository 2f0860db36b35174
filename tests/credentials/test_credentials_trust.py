"""What an entry for the list of issuers must keep."""

from datetime import UTC, datetime
from typing import Any

import pytest

from assay_credentials.resolving.store import TrustEntry
from assay_credentials.resolving.trust import TrustRefused, checked_entry
from credential_samples import CENTRE

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def entry(did: str, **changed: Any) -> TrustEntry:
    values: dict[str, Any] = {
        "name": "College",
        "registry": None,
        "registry_url": None,
        "achievements": [],
        "trusted_from": None,
        "trusted_until": None,
        "now": NOW,
        "by": "operator",
        "reason": "a test",
        **changed,
    }
    return checked_entry(did, **values)


def test_without_bounds_it_is_from_now_on_and_for_all() -> None:
    made = entry(CENTRE.did)
    assert (made.trusted_from, made.trusted_until, made.achievements) == (NOW, None, None)


def test_days_are_days_in_utc() -> None:
    made = entry("did:web:college.example:a", trusted_from=datetime(2026, 1, 1))
    assert made.trusted_from == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("did", "changed", "why"),
    [
        ("did:web:127.0.0.1", {}, "did"),
        ("did:example:x", {}, "did"),
        ("https://college.example", {}, "did"),
        ("did:key:z6Mk", {}, "did"),
        ("did:jwk:e30", {}, "did"),
        (CENTRE.did, {"name": " "}, "name"),
        (CENTRE.did, {"name": "x" * 501}, "name"),
        (CENTRE.did, {"registry": ""}, "registry"),
        (CENTRE.did, {"reason": ""}, "reason"),
        (CENTRE.did, {"registry_url": "javascript:alert(1)"}, "register-url"),
        (CENTRE.did, {"registry_url": "http://register.example"}, "register-url"),
        (CENTRE.did, {"registry_url": "https://"}, "register-url"),
        (CENTRE.did, {"achievements": ["no iri"]}, "achievement"),
        (CENTRE.did, {"achievements": ["urn:x"] * 2_001}, "achievement"),
        (CENTRE.did, {"trusted_until": datetime(2020, 1, 1)}, "until"),
    ],
)
def test_what_breaks_a_rule_is_named(did: str, changed: dict[str, Any], why: str) -> None:
    with pytest.raises(TrustRefused, match=f"^{why}: "):
        entry(did, **changed)
