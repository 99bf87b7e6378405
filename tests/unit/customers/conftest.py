"""Every test is one request."""

import pytest

from setpieces import observability


@pytest.fixture(autouse=True)
def _correlation():
    observability.begin("test-1")
