"""Patches of Elastic Load Balancing."""

import inspect
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch, replace_in_function


@patch(
    "declared-targets",
    area="edge",
    aws="CloudFormation registers the targets that a target group declares",
    emulator="it registers none, and the load balancer answers 503",
    reason="a stack is ready when it is deployed",
    upstream="https://github.com/ministackorg/ministack/issues/630",
)
def register_declared_targets() -> None:
    from ministack.services import alb
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::ElasticLoadBalancingV2::TargetGroup"]
    if '"Targets"' in inspect.getsource(handlers["create"]):
        raise NoLongerNeeded("target groups register their targets")
    create, update = handlers["create"], handlers["update"]

    def register(resource: tuple[str, dict[str, Any]], properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        # Functions have no port.
        alb._targets[resource[0]] = [{"Port": 80, **target} for target in properties.get("Targets", [])]
        return resource

    handlers["create"] = lambda name, new, stack: register(create(name, new, stack), new)
    handlers["update"] = lambda *args, **kwargs: register(update(*args, **kwargs), args[2])


@patch(
    "target-group-names",
    area="edge",
    aws="TargetGroupFullName, the dimension TargetGroup of metrics, begins with targetgroup/",
    emulator="it lacks the prefix",
    reason="an alarm would evaluate a series that AWS does not publish",
    upstream="not reported",
)
def prefix_target_group_names() -> None:
    from ministack.services import alb

    full_name = alb._target_group_full_name_from_arn
    if full_name("arn:aws:elasticloadbalancing:region:account:targetgroup/name/id").startswith("targetgroup/"):
        raise NoLongerNeeded("target groups have their full names")
    alb._target_group_full_name_from_arn = lambda arn: f"targetgroup/{full_name(arn)}"


@patch(
    "raw-queries",
    area="edge",
    aws="a load balancer passes the query to a function unchanged, percent-encoded",
    emulator="with multi-value headers it decodes the values",
    reason="doubly encoded values would be decoded twice, but only locally",
    upstream="not reported",
)
def pass_queries_undecoded() -> None:
    from ministack.services import alb

    replace_in_function(
        alb,
        "_invoke_lambda_target",
        """    event = {
        "requestContext\"""",
        """    if raw_query_string is not None:
        query_params = {}
        for pair in filter(None, raw_query_string.split("&")):
            name, _, value = pair.partition("=")
            query_params.setdefault(name, []).append(value)
    event = {
        "requestContext\"""",
    )
