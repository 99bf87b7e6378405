"""Step Functions: the execution of each run, which has the run's id as its name."""

import json

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code
from setpieces.settings import setting


def start(run_id: str, *, dry_run: bool, force: bool) -> None:
    """Start the execution of a run, if it has not been started.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    """
    try:
        client("stepfunctions").start_execution(
            stateMachineArn=setting("STATE_MACHINE_ARN"),
            name=run_id,
            input=json.dumps({"dry_run": dry_run, "force": force}),
        )
    except ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise


def execution_arn(run_id: str) -> str:
    return f"{setting('EXECUTION_ARN_PREFIX')}:{run_id}"


def find_status(arn: str) -> str:
    """The status of an execution, such as RUNNING; empty if Step Functions does not know it (any more, after 90 days)."""
    try:
        return str(client("stepfunctions").describe_execution(executionArn=arn)["status"])
    except ClientError as error:
        if error_code(error) == "ExecutionDoesNotExist":
            return ""
        raise
