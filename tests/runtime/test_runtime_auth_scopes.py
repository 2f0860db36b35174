"""Scopes: what includes what, what is refused, and what a token and its client share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay_runtime.auth import Client
from assay_runtime.auth_scopes import (
    SCOPES,
    ScopeUnknown,
    checked,
    granted_by,
    services_of,
    shared,
)
from assay_runtime.problem import Problem

some_scopes = st.frozensets(st.sampled_from(sorted(SCOPES)))
# xAPI 1.0.3, Communication 4.2.
STANDARD = {
    "statements/write",
    "statements/read/mine",
    "statements/read",
    "state",
    "define",
    "profile",
    "all/read",
    "all",
}
STRONG = {
    "statements/void",
    "clients/manage",
    "accounts/manage",
    "rules/force",
    "competencies/admin",
    "credentials/offer",
    "credentials/admin",
}


def test_the_scopes_of_the_standard_are_there_and_all_covers_them() -> None:
    assert {name for name, one in SCOPES.items() if one.is_standard} == STANDARD
    assert granted_by(frozenset({"all"})) >= STANDARD


def test_reading_everything_writes_nothing() -> None:
    granted = granted_by(frozenset({"all/read"}))
    assert granted == {
        "all/read",
        "statements/read",
        "statements/read/mine",
        "state/read",
        "profile/read",
    }


@pytest.mark.parametrize("strong", sorted(STRONG))
def test_what_is_strong_comes_only_by_its_own_name(strong: str) -> None:
    assert [name for name in SCOPES if strong in granted_by(frozenset({name}))] == [strong]


def test_every_scope_includes_only_scopes_of_the_table() -> None:
    assert {name for one in SCOPES.values() for name in one.includes} <= set(SCOPES)


def test_require_goes_by_what_is_included() -> None:
    client = Client("t", "c", None, frozenset({"all/read"}))
    client.require("statements/read")
    client.require("state", "state/read")
    assert client.may("profile/read")
    assert not client.may("profile")
    with pytest.raises(Problem) as caught:
        client.require("statements/write", "state")
    assert caught.value.members["scope"] == "statements/write"


def test_an_unknown_scope_is_named() -> None:
    with pytest.raises(ScopeUnknown, match="'statement/write' is no scope"):
        checked(["all", "statement/write"])
    assert checked(["state", "all", "state"]) == ("all", "state")


def test_the_services_are_those_that_ask_for_the_scopes() -> None:
    assert services_of(["all"]) == ("ingest",)
    assert services_of(["credentials/read"]) == ("ingest", "credentials")
    assert services_of(["competencies/read", "credentials/read", "all"]) == (
        "ingest",
        "aggregator",
        "credentials",
    )


@given(some_scopes)
def test_granting_is_closed(scopes: frozenset[str]) -> None:
    granted = granted_by(scopes)
    assert scopes <= granted == granted_by(granted)


@given(some_scopes, some_scopes)
def test_more_scopes_never_grant_less(one: frozenset[str], other: frozenset[str]) -> None:
    assert granted_by(one) <= granted_by(one | other)


@given(some_scopes, some_scopes)
def test_a_token_may_do_what_both_may(token: frozenset[str], client: frozenset[str]) -> None:
    both = shared(token, client)
    assert both == shared(client, token)
    assert both <= granted_by(token)
    assert both <= granted_by(client)
    # Nothing is added by going from what is shared to what it includes.
    assert granted_by(both) == both
    assert shared(client, client) == granted_by(client)
    assert shared(token, []) == frozenset()
