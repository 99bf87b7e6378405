"""The requests that check new versions before traffic shifts, sent to the versions that are running."""

import io
from typing import Any

import pytest

from foundation import clients, workflow
from foundation.clients import InvocationFailed
from tools.client import Shop, eventually


@pytest.mark.parametrize("name", sorted(workflow.REQUESTS))
def test_a_running_version_returns_the_expected_status(shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("STAGE", shop.stage)
    monkeypatch.setattr(clients, "patient_client", shop.aws)
    function = f"setpieces-{shop.stage}-{name}"
    version = shop.aws("lambda").get_alias(FunctionName=function, Name="live")["FunctionVersion"]

    def check_version() -> bool:
        try:
            workflow.check_version(function, version)
        except (workflow.UnexpectedResponse, InvocationFailed) as failure:
            raise AssertionError(str(failure)) from failure
        return True

    assert eventually(check_version, 30)


def test_a_version_that_does_not_start_fails_its_check(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    class Broken:
        def invoke(self, **_: str) -> dict[str, Any]:
            return {"Payload": io.BytesIO(b'{"errorType": "Runtime.ImportModuleError"}'), "FunctionError": "Unhandled"}

    monkeypatch.setenv("STAGE", shop.stage)
    monkeypatch.setattr(clients, "patient_client", lambda service: Broken())
    with pytest.raises(InvocationFailed, match="ImportModuleError"):
        workflow.check_version(f"setpieces-{shop.stage}-basket-show-basket", "1")
