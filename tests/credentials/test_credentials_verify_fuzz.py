"""Generated damage: whatever is put in place of a signed value, the verifier answers and never
accepts.
"""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from assay_credentials.verify import Outcome
from credential_samples import CENTRE, verify

BADGE = CENTRE.badge()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["@context", "@id", "@type", "@value", "@list", "id", "type", "issuer", "name", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
PLACES = [
    ("@context",),
    ("id",),
    ("type",),
    ("name",),
    ("issuer",),
    ("issuer", "id"),
    ("validFrom",),
    ("credentialSubject",),
    ("credentialSubject", "type"),
    ("credentialSubject", "achievement"),
    ("credentialSubject", "achievement", "criteria"),
    ("credentialSubject", "identifier"),
    ("credentialStatus",),
    ("evidence",),
    ("proof",),
    ("proof", 0),
    ("proof", 0, "proofValue"),
    ("proof", 0, "verificationMethod"),
]


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_no_value_at_any_place_makes_a_badge_valid_or_the_verifier_fail(
    place: tuple[str | int, ...], value: Any
) -> None:
    badge: Any = copy.deepcopy(BADGE)
    target = badge
    for step in place[:-1]:
        target = target[step]
    if target[place[-1]] == value:
        return
    target[place[-1]] = value
    assert verify(badge).outcome in (Outcome.NOT_GENUINE, Outcome.COULD_NOT_CHECK)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_no_change_of_bytes_makes_another_valid_badge(position: int, replacement: bytes) -> None:
    data = json.dumps(BADGE).encode()
    position %= len(data)
    changed = data[:position] + replacement + data[position + len(replacement) :]
    answer = verify(changed)
    if answer.outcome is Outcome.VALID:
        # Only what JSON, JSON-LD sets and case of languages hold for equal may differ.
        assert json.loads(changed) == BADGE
