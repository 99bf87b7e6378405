"""CodeDeploy's BeforeAllowTraffic hook: checks new function versions; a failed check rolls the deployment back."""

from typing import Any

from foundation import clients
from foundation.workflow import check_deployment
from setpieces.observability import logger, observed


@observed
def handler(event: dict[str, str], context: Any) -> None:
    """``event`` is {"DeploymentId", "LifecycleEventHookExecutionId"}. CodeDeploy waits one hour for the status."""
    deployment_id, succeeded = event["DeploymentId"], False
    try:
        check_deployment(deployment_id)
        succeeded = True
    except Exception:
        logger.exception("a new version failed its check")
    clients.report_hook_status(deployment_id, event["LifecycleEventHookExecutionId"], succeeded=succeeded)
