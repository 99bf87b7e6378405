"""The service ``ingestion`` as deployed."""

from collections.abc import Callable

import pytest

from tests.faults import Faults
from tests.service import Service
from tests.unit.ingestion.ingestion import Ingestion


@pytest.fixture
def ingestion(service: Callable[..., Service], faults: Faults) -> Ingestion:
    return Ingestion(service("ingestion"), faults)
