"""The hook before traffic shifts: which versions it asks, what they have to answer, and what CodeDeploy is told."""

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from foundation import workflow
from foundation.handlers import check_versions as app
from local.declared import every

EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}
FUNCTION = "setpieces-dev-basket-show-basket"


def app_spec(*functions: str) -> str:
    resources = [
        {"Fn": {"Type": "AWS::Lambda::Function", "Properties": {"Name": name, "Alias": "live", "TargetVersion": "7"}}}
        for name in functions
    ]
    return json.dumps({"version": 0.0, "Resources": resources})


class Aws:
    """CodeDeploy and Lambda: ``answers`` are what each function answers; calls are kept."""

    def __init__(self, revision: dict[str, Any], **answers: Any) -> None:
        self.revision, self.answers = revision, answers
        self.invoked: list[tuple[str, str]] = []
        self.statuses: list[str] = []
        self.events: list[dict[str, Any]] = []

    def get_deployment(self, deploymentId: str) -> Any:
        assert deploymentId == "d-1"
        return {"deploymentInfo": {"revision": self.revision}}

    def put_lifecycle_event_hook_execution_status(self, **sent: str) -> None:
        assert (sent["deploymentId"], sent["lifecycleEventHookExecutionId"]) == ("d-1", "hook-1")
        self.statuses.append(sent["status"])

    def invoke(self, FunctionName: str, Qualifier: str, Payload: str) -> Any:
        self.invoked.append((FunctionName, Qualifier))
        self.events.append(json.loads(Payload))
        return {"Payload": io.BytesIO(json.dumps(self.answers["answer"]).encode()), **self.answers.get("more", {})}


def run(monkeypatch: pytest.MonkeyPatch, aws: Aws) -> None:
    monkeypatch.setenv("STAGE", "dev")
    for module in (app, workflow):
        monkeypatch.setattr(module, "patient_client", lambda service: aws)
    context = SimpleNamespace(
        function_name="check-versions", memory_limit_in_mb=512, invoked_function_arn="arn", aws_request_id="1"
    )
    app.handler(EVENT, context)


@pytest.mark.parametrize(
    "revision",
    [
        {"revisionType": "String", "string": {"content": app_spec(FUNCTION)}},
        {"revisionType": "AppSpecContent", "appSpecContent": {"content": app_spec(FUNCTION)}},
    ],
)
def test_traffic_shifts_to_a_version_that_answers(monkeypatch: pytest.MonkeyPatch, revision: dict[str, Any]):
    aws = Aws(revision, answer={"statusCode": 404, "body": "{}"})
    run(monkeypatch, aws)
    assert (aws.invoked, aws.statuses) == ([(FUNCTION, "7")], ["Succeeded"])
    assert aws.events[0]["pathParameters"] == {"basket_id": "release-check-of-a-new-version"}


@pytest.mark.parametrize(
    "answers",
    [
        {"answer": {"statusCode": 500, "body": "{}"}},
        {"answer": {"statusCode": 200, "body": "{}"}},
        {"answer": {"errorType": "Runtime.ImportModuleError"}, "more": {"FunctionError": "Unhandled"}},
    ],
    ids=["fails", "another status", "does not start"],
)
def test_traffic_stays_where_it_is_if_a_version_does_not(monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]):
    aws = Aws({"string": {"content": app_spec(FUNCTION)}}, **answers)
    run(monkeypatch, aws)
    assert aws.statuses == ["Failed"]


def test_a_function_without_a_request_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    aws = Aws({"string": {"content": app_spec("setpieces-dev-basket-unknown")}}, answer={})
    run(monkeypatch, aws)
    assert (aws.invoked, aws.statuses) == ([], ["Failed"])


def test_every_function_behind_an_alias_has_a_request_and_the_hook():
    aliased = {
        piece.resources[alias["FunctionName"]]["Properties"]["FunctionName"].removeprefix("setpieces-local-")
        for piece, _, alias in every("AWS::Lambda::Alias")
    }
    assert aliased == set(workflow.REQUESTS)
    policies = [
        piece.resources[name]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"]
        for piece, name, _ in every("AWS::Lambda::Alias")
    ]
    assert policies == ["CheckVersionsArn"] * len(aliased)
