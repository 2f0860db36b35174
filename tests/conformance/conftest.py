"""One stack for the whole folder, and a client of each version.

With ASSAY_TEST_LRS (see tests/support/xapi_lrs.py) the tests run against another LRS.
"""

from collections.abc import Iterator

import httpx
import pytest

from xapi_lrs import VERSIONS, Endpoint, Lrs, endpoint_given, endpoint_of


@pytest.fixture(scope="session")
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    return endpoint_given() or endpoint_of(request.getfixturevalue("stack"))


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30.0) as opened:
        yield opened


@pytest.fixture(params=VERSIONS)
def lrs(request: pytest.FixtureRequest, endpoint: Endpoint, http: httpx.Client) -> Lrs:
    """A client; a test that asks for it runs once for each version."""
    return Lrs(endpoint, request.param, http)


@pytest.fixture
def lrs_1(endpoint: Endpoint, http: httpx.Client) -> Lrs:
    """A client of version 1.0.3, for what only that version has."""
    return Lrs(endpoint, "1.0.3", http)


@pytest.fixture
def lrs_2(endpoint: Endpoint, http: httpx.Client) -> Lrs:
    """A client of version 2.0.0, for what only that version has."""
    return Lrs(endpoint, "2.0.0", http)
