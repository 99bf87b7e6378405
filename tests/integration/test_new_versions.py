"""The requests that new versions have to answer before they get traffic, put to the versions that run."""

import io

import pytest

from foundation import workflow
from local.shop import Shop, eventually


@pytest.mark.parametrize("name", sorted(workflow.REQUESTS))
def test_a_running_version_answers_its_request(shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setenv("STAGE", shop.stage)
    monkeypatch.setattr(workflow, "patient_client", shop.aws)
    function = f"setpieces-{shop.stage}-{name}"
    version = shop.aws("lambda").get_alias(FunctionName=function, Name="live")["FunctionVersion"]

    def checked() -> bool:
        try:
            workflow.check_version(function, version)
        except workflow.VersionFailed as failure:
            raise AssertionError(str(failure)) from failure
        return True

    assert eventually(checked, 30)


def test_a_version_that_does_not_start_is_found(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    class Broken:
        def invoke(self, **_: str) -> dict:
            return {"Payload": io.BytesIO(b'{"errorType": "Runtime.ImportModuleError"}'), "FunctionError": "Unhandled"}

    monkeypatch.setenv("STAGE", shop.stage)
    monkeypatch.setattr(workflow, "patient_client", lambda service: Broken())
    with pytest.raises(workflow.VersionFailed, match="ImportModuleError"):
        workflow.check_version(f"setpieces-{shop.stage}-basket-show-basket", "1")
