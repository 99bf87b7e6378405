"""The storefront as ECS would run it: with what its deployed task definition says, behind the deployed load balancer.

There is no Docker here, so the container is a process of this machine, and the session store one that speaks its protocol.
"""

import os
import sys
from typing import Any
from urllib.parse import quote

import boto3
from fakeredis import FakeRedis, TcpFakeServer

from local.settings import HOST, SESSIONS_PORT, STOREFRONT_PORT
from model.settings import STAGE

TASK = f"setpieces-{STAGE}-storefront"
USER = "storefront"  # of the session store


def environment(session: boto3.Session, endpoint: str) -> dict[str, str]:
    """The container's environment, its secrets read from where they are; sessions and cookies without TLS, as all here."""
    ecs, ssm, secrets = (session.client(name, endpoint_url=endpoint) for name in ("ecs", "ssm", "secretsmanager"))
    (container,) = ecs.describe_task_definition(taskDefinition=TASK)["taskDefinition"]["containerDefinitions"]
    found = {each["name"]: each["value"] for each in container["environment"]}
    for secret in container["secrets"]:
        found[secret["name"]] = _secret(ssm, secrets, secret["valueFrom"])
    return found | {"SESSIONS_URL": sessions_url(found["SESSIONS_TOKEN"]), "SECURE_COOKIES": "false"}


def sessions_url(token: str, port: int = SESSIONS_PORT) -> str:
    """The address of the session store. Protocol 2, as the store has HELLO, with which 3 begins, for known users only."""
    return f"redis://{USER}:{quote(token, safe='')}@{HOST}:{port}/0?protocol=2"


def session_store(port: int, token: str) -> TcpFakeServer:
    """A server of the Redis protocol that runs commands of ``USER`` only, who has to give the token."""
    server = TcpFakeServer((HOST, port), server_type="valkey")
    access = FakeRedis(server=server.fake_server)
    access.acl_setuser(USER, enabled=True, passwords=[f"+{token}"], commands=["+@all"], keys=["*"])
    access.acl_setuser("default", enabled=True, reset=True)
    return server


def _secret(ssm: Any, secrets: Any, address: str) -> str:
    """A parameter's name or a secret's ARN, as ECS takes them."""
    if address.startswith("arn:"):
        return str(secrets.get_secret_value(SecretId=address)["SecretString"])
    return str(ssm.get_parameter(Name=address)["Parameter"]["Value"])


def target_group(balancing: Any) -> str:
    """The ARN of the target group whose targets are containers: there is one."""
    (arn,) = (
        group["TargetGroupArn"]
        for group in balancing.describe_target_groups()["TargetGroups"]
        if group["TargetType"] == "ip"
    )
    return str(arn)


def register(balancing: Any, port: int = STOREFRONT_PORT) -> None:
    """What ECS does once a container runs: the load balancer sends requests there. Again is harmless."""
    balancing.register_targets(TargetGroupArn=target_group(balancing), Targets=[{"Id": HOST, "Port": port}])


def deregister(balancing: Any, port: int) -> None:
    """What ECS does before a container ends."""
    balancing.deregister_targets(TargetGroupArn=target_group(balancing), Targets=[{"Id": HOST, "Port": port}])


if __name__ == "__main__":
    session_store(int(sys.argv[1]), os.environ["SESSIONS_TOKEN"]).serve_forever()
