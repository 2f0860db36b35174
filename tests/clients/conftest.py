"""Where the real clients are pointed: the product, or what ASSAY_TEST_LRS names."""

import pytest

from xapi_lrs import Endpoint, endpoint_given, endpoint_of


@pytest.fixture(scope="session")
def endpoint(request: pytest.FixtureRequest) -> Endpoint:
    return endpoint_given() or endpoint_of(request.getfixturevalue("stack"))
