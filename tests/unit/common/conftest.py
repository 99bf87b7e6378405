"""What the tests of calls to peers share."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from botocore.credentials import Credentials

from setpieces import connections, signing


@pytest.fixture
def no_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connections, "_idle", {})
    session = SimpleNamespace(get_credentials=lambda: Credentials("id", "secret"), region_name="eu-central-1")
    monkeypatch.setattr(signing, "_session", lambda: session)
    yield
    for waiting in connections._idle.values():
        for _, connection in waiting:
            connection.close()
