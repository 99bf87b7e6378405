"""CodeDeploy's hook before traffic shifts: new versions answer a request each, or the deployment is rolled back."""

from typing import Any, Literal

from foundation.workflow import check_version, new_versions
from setpieces.aws import patient_client
from setpieces.observability import logger, observed


@observed
def handler(event: dict[str, str], context: Any) -> None:
    """``event``: {"DeploymentId", "LifecycleEventHookExecutionId"}. CodeDeploy waits an hour for the status."""
    status: Literal["Failed", "Succeeded"] = "Failed"
    try:
        for function, version in new_versions(event["DeploymentId"]):
            check_version(function, version)
        status = "Succeeded"
    except Exception:
        logger.exception("A new version does not answer as it should")
    patient_client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
