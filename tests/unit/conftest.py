"""Unit tests run from the sources: the layer is not built, so the event schemas are where the layer's build takes them from."""

import pytest

from local.settings import ROOT
from setpieces import events


@pytest.fixture(autouse=True)
def _event_schemas(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "_SCHEMAS", ROOT / "schemas" / "events")
