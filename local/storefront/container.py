"""The storefront's container: the environment of its deployed task definition, and its registration as ECS does it."""

from typing import Any

import boto3

from local.settings import HOST, STOREFRONT_PORT
from local.storefront.session_store import sessions_url
from model.settings import STAGE

TASK = f"setpieces-{STAGE}-storefront"


def environment(session: boto3.Session, endpoint: str) -> dict[str, str]:
    """The container's environment with the values of its secrets.

    Sessions and cookies work without TLS, like everything in the local cloud.
    """
    ecs, ssm, secrets = (session.client(name, endpoint_url=endpoint) for name in ("ecs", "ssm", "secretsmanager"))
    (container,) = ecs.describe_task_definition(taskDefinition=TASK)["taskDefinition"]["containerDefinitions"]
    variables = {variable["name"]: variable["value"] for variable in container["environment"]}
    for secret in container["secrets"]:
        variables[secret["name"]] = _secret(ssm, secrets, secret["valueFrom"])
    return variables | {"SESSIONS_URL": sessions_url(variables["SESSIONS_TOKEN"]), "SECURE_COOKIES": "false"}


def _secret(ssm: Any, secrets: Any, reference: str) -> str:
    """The value of a ``valueFrom`` of ECS: the ARN of a secret, or the name of a parameter."""
    if reference.startswith("arn:"):
        return str(secrets.get_secret_value(SecretId=reference)["SecretString"])
    return str(ssm.get_parameter(Name=reference)["Parameter"]["Value"])


def target_group(balancing: Any) -> str:
    """The ARN of the only target group whose targets are containers."""
    (arn,) = (
        group["TargetGroupArn"]
        for group in balancing.describe_target_groups()["TargetGroups"]
        if group["TargetType"] == "ip"
    )
    return str(arn)


def register(balancing: Any, port: int = STOREFRONT_PORT) -> None:
    """Make the load balancer send requests to the storefront, as ECS does when a container runs. Idempotent."""
    balancing.register_targets(TargetGroupArn=target_group(balancing), Targets=[{"Id": HOST, "Port": port}])


def deregister(balancing: Any, port: int) -> None:
    """Remove the storefront from the load balancer, as ECS does before a container ends."""
    balancing.deregister_targets(TargetGroupArn=target_group(balancing), Targets=[{"Id": HOST, "Port": port}])
