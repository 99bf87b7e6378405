"""CodeDeploy, whose hook this is, and Lambda, whose versions it checks."""

import json
from collections.abc import Iterator
from typing import Any

from setpieces.aws import patient_client


class InvocationFailed(Exception):
    """A function ended with an error instead of a response."""


def list_new_versions(deployment_id: str) -> Iterator[tuple[str, str]]:
    """(function, version) of each function version that a deployment shifts traffic to.

    https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-example.html
    """
    revision = patient_client("codedeploy").get_deployment(deploymentId=deployment_id)["deploymentInfo"]["revision"]
    content = (revision.get("string") or revision["appSpecContent"])["content"]
    for resource in json.loads(content)["Resources"]:
        for function in resource.values():
            yield function["Properties"]["Name"], str(function["Properties"]["TargetVersion"])


def invoke_version(function: str, version: str, event: dict[str, Any]) -> dict[str, Any]:
    """The response of a function version to ``event``. Raises ``InvocationFailed``."""
    response = patient_client("lambda").invoke(FunctionName=function, Qualifier=version, Payload=json.dumps(event))
    payload: dict[str, Any] = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        raise InvocationFailed(f"{function}:{version} ended with an error: {json.dumps(payload)[:500]}")
    return payload


def report_hook_status(deployment_id: str, hook_execution_id: str, *, succeeded: bool) -> None:
    """Let the deployment continue if the hook ``succeeded``, otherwise have it rolled back.

    https://docs.aws.amazon.com/codedeploy/latest/APIReference/API_PutLifecycleEventHookExecutionStatus.html
    """
    patient_client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=deployment_id,
        lifecycleEventHookExecutionId=hook_execution_id,
        status="Succeeded" if succeeded else "Failed",
    )
