"""Failures of ``make start``."""

import pytest

from local.cloud import edits, start
from local.deployment.findings import Finding, Rejected
from model.settings import ROOT


class FakeProcess:
    def __init__(self, name: str, pid: int | None) -> None:
        self.name, self._pid = name, pid

    def pid(self) -> int | None:
        return self._pid

    def start(self) -> None:
        self._pid = 2

    def stop(self) -> None:
        self._pid = None


@pytest.mark.parametrize(
    "failure", [Rejected([Finding(ROOT / "templates" / "basket.yaml", 1, "why")]), KeyboardInterrupt()]
)
def test_a_failed_start_stops_the_processes_that_it_started(monkeypatch, tmp_path, failure):
    emulator, front_door, storefront = (
        FakeProcess("emulator", 1),
        FakeProcess("front-door", None),
        FakeProcess("storefront", None),
    )

    def fails() -> None:
        front_door.start()
        storefront.start()
        raise failure

    monkeypatch.setattr(edits, "LOCAL", (emulator, front_door))
    monkeypatch.setattr(edits, "STOREFRONT", storefront)
    monkeypatch.setattr(start, "STATE", tmp_path)
    monkeypatch.setattr(start, "_start_shop", fails)
    with pytest.raises(type(failure)):
        start.start_shop()
    assert edits.running() == [emulator]
