"""Failures of ``make start``."""

from collections.abc import Callable

import pytest

from local.cloud import edits, start
from local.deployment import update
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


@pytest.mark.parametrize("recorded", [None, {"functions/common/requirements.txt": "0"}])
def test_handlers_are_imported_with_the_layer_that_was_built_for_them(monkeypatch, recorded):
    calls: list[str] = []

    def deploy(stage: str, *, environment: dict[str, str], after_build: Callable[[], None]) -> None:
        calls.append("build")
        after_build()
        calls.append("deploy")

    monkeypatch.setattr(start, "deploy", deploy)
    monkeypatch.setattr(start, "make_artifacts_bucket", lambda: None)
    monkeypatch.setattr(start, "_environment", dict)
    monkeypatch.setattr(start.checks, "check_sources", lambda templates, files: None)
    monkeypatch.setattr(start.checks, "check_handlers", lambda templates: calls.append("import handlers"))
    monkeypatch.setattr(start.update, "recorded", lambda: recorded)
    monkeypatch.setattr(start.update, "record", lambda now: calls.append("record"))
    start._deploy(update.Plan({}, {}, set()))
    assert calls == ["build", "import handlers", "deploy", "record"]
