"""The hook before traffic shifts: the versions it checks, their responses, and the status that CodeDeploy gets."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from foundation.workflow import REQUESTS
from model.templates import iter_resources
from tests.faults import Faults
from tests.service import Service

EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}
FUNCTION = "setpieces-local-basket-show-basket"
NOT_FOUND = {"statusCode": 404, "body": "{}"}


def app_spec(*functions: str) -> dict[str, str]:
    resources = [
        {"Fn": {"Type": "AWS::Lambda::Function", "Properties": {"Name": name, "Alias": "live", "TargetVersion": "7"}}}
        for name in functions
    ]
    return {"content": json.dumps({"version": 0.0, "Resources": resources})}


class Deployment:
    """A deployment with one new version; each new version returns ``payload``, or ends with ``error``."""

    def __init__(self, foundation: Service, faults: Faults) -> None:
        self.foundation, self.faults = foundation, faults
        self.payload: Any = NOT_FOUND
        self.error = ""
        self.revision: Any = {"revisionType": "AppSpecContent", "appSpecContent": app_spec(FUNCTION)}
        faults.respond("GetDeployment", lambda _: {"deploymentInfo": {"revision": self.revision}})
        faults.respond("Invoke", self._invoke)
        faults.respond("PutLifecycleEventHookExecutionStatus", lambda _: {})

    def _invoke(self, request: Any) -> dict[str, Any]:
        error = {"FunctionError": self.error} if self.error else {}
        return {"Payload": io.BytesIO(json.dumps(self.payload).encode()), **error}

    def check(self) -> str:
        """Run the hook; the status that CodeDeploy gets."""
        self.foundation.invoke("check_versions", EVENT)
        assert self.faults.requests("GetDeployment") == [{"deploymentId": "d-1"}]
        [report] = self.faults.requests("PutLifecycleEventHookExecutionStatus")
        assert (report["deploymentId"], report["lifecycleEventHookExecutionId"]) == ("d-1", "hook-1")
        status: str = report["status"]
        return status

    @property
    def checked_versions(self) -> list[tuple[str, str]]:
        return [(request["FunctionName"], request["Qualifier"]) for request in self.faults.requests("Invoke")]


@pytest.fixture
def deployment(service: Callable[..., Service], faults: Faults) -> Deployment:
    return Deployment(service("foundation"), faults)


@pytest.mark.parametrize(
    "revision",
    [
        {"revisionType": "String", "string": app_spec(FUNCTION)},
        {"revisionType": "AppSpecContent", "appSpecContent": app_spec(FUNCTION)},
    ],
    ids=["string", "app spec"],
)
def test_a_version_with_the_expected_response_succeeds(deployment: Deployment, revision: dict[str, Any]):
    deployment.revision = revision
    assert deployment.check() == "Succeeded"
    assert deployment.checked_versions == [(FUNCTION, "7")]
    [request] = deployment.faults.requests("Invoke")
    event = json.loads(request["Payload"])
    assert event["pathParameters"] == {"basket_id": "release-check-of-a-new-version"}


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        pytest.param({"statusCode": 500, "body": "{}"}, "", id="500"),
        pytest.param({"statusCode": 200, "body": "{}"}, "", id="another status"),
        pytest.param({"errorType": "Runtime.ImportModuleError"}, "Unhandled", id="error"),
        pytest.param(NOT_FOUND, "Unhandled", id="error with the expected status"),
    ],
)
def test_a_version_with_another_response_fails(deployment: Deployment, payload: dict[str, Any], error: str):
    deployment.payload, deployment.error = payload, error
    assert deployment.check() == "Failed"


def test_a_function_without_a_request_fails(deployment: Deployment):
    deployment.revision = {"string": app_spec("setpieces-local-basket-unknown")}
    assert deployment.check() == "Failed"
    assert deployment.checked_versions == []


def test_every_function_behind_an_alias_has_a_request_and_the_hook():
    aliases = [(piece, piece.resources[name], alias) for piece, name, alias in iter_resources("AWS::Lambda::Alias")]
    functions = {
        piece.resources[alias["FunctionName"]]["Properties"]["FunctionName"].removeprefix("setpieces-local-")
        for piece, _, alias in aliases
    }
    assert functions == set(REQUESTS)
    updates = [resource["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"] for _, resource, _ in aliases]
    assert [update["BeforeAllowTrafficHook"] for update in updates] == ["CheckVersionsArn"] * len(aliases)
