"""Quotas of the account, compared with what exists and what the deployment adds.

Quota codes and defaults: https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from tools.preflight.account import Account, Lister
from tools.preflight.findings import LATER, MISSING, OK, Finding, error_code

# Lambda keeps this many concurrent executions for functions without a reservation:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
UNRESERVED = 100
IAM_REGION = "us-east-1"  # where Service Quotas keeps IAM's


@dataclass(frozen=True)
class Quota:
    """An AWS quota on the number of resources of one type; ``code`` is None if it cannot be raised above ``default``."""

    what: str
    resource_type: str
    lister: Lister
    default: int
    service: str = ""
    code: str | None = None


QUOTAS = (
    Quota("VPCs", "AWS::EC2::VPC", Lister("ec2", "describe_vpcs", "Vpcs[].VpcId"), 5, "vpc", "L-F678F1CE"),
    Quota(
        "internet gateways",
        "AWS::EC2::InternetGateway",
        Lister("ec2", "describe_internet_gateways", "InternetGateways[].InternetGatewayId"),
        5,
        "vpc",
        "L-A4707A72",
    ),
    Quota(
        "application load balancers",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Lister("elbv2", "describe_load_balancers", "LoadBalancers[?Type=='application'].LoadBalancerArn"),
        50,
        "elasticloadbalancing",
        "L-53DA6B97",
    ),
    Quota("trails", "AWS::CloudTrail::Trail", Lister("cloudtrail", "list_trails", "Trails[].Name"), 5),
    Quota(
        "resource policies of CloudWatch Logs",
        "AWS::Logs::ResourcePolicy",
        Lister("logs", "describe_resource_policies", "resourcePolicies[].policyName"),
        10,
    ),
)


def increase_command(service: str, code: str, value: float, *options: str) -> str:
    """The AWS CLI command that requests a higher quota."""
    command = f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {code}"
    return " ".join([command, f"--desired-value {value:g}", *options])


def concurrency(account: Account) -> Iterator[Finding]:
    """Lambda's concurrent executions: new accounts often have 10."""
    limit = int(account.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    remedy = increase_command("lambda", "L-B99A9384", 1000)
    functions = account.of_type("AWS::Lambda::Function")
    reserved = sum(int(function.get("ReservedConcurrentExecutions", 0)) for function in functions)
    reserved += int(account.parameters.get("ProvisionedConcurrency", 0)) * len(account.of_type("AWS::Lambda::Alias"))
    mappings = account.of_type("AWS::Lambda::EventSourceMapping")
    pollers = sum(int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 1)) for mapping in mappings)
    if reserved and limit - reserved < UNRESERVED:
        yield Finding(
            MISSING,
            f"{reserved} concurrent executions are reserved, but Lambda keeps {UNRESERVED} of {limit} unreserved",
            remedy,
        )
    elif limit <= pollers:
        yield Finding(
            LATER,
            f"{limit} concurrent executions: busy queues alone use {pollers}, and customers then get 429 and 500",
            remedy,
        )
    else:
        yield Finding(OK, f"{limit} concurrent executions, of which busy queues use up to {pollers}")


def resource_quotas(account: Account) -> Iterator[Finding]:
    """Quotas on numbers of resources, existing ones included."""
    for quota in QUOTAS:
        added = len(account.of_type(quota.resource_type))
        if not added:
            continue
        used = len(account.existing(quota.lister))
        limit = quota.default
        if quota.code:
            limit = int(_applied_quota(account, quota.service, quota.code, quota.default))
        what = f"{quota.what}: {used} of {limit} in use, {added} more needed"
        if used + added <= limit:
            yield Finding(OK, what)
        elif quota.code:
            yield Finding(MISSING, what, increase_command(quota.service, quota.code, used + added))
        else:
            yield Finding(MISSING, what, "Delete one: this quota cannot be raised.")


def iam_roles(account: Account) -> Iterator[Finding]:
    """IAM's quota on roles."""
    summary = account.client("iam").get_account_summary()["SummaryMap"]
    roles = len(account.of_type("AWS::IAM::Role"))
    what = f"IAM roles: {summary['Roles']} of {summary['RolesQuota']} in use, {roles} more needed"
    if summary["Roles"] + roles <= summary["RolesQuota"]:
        yield Finding(OK, what)
    else:
        yield Finding(MISSING, what, increase_command("iam", "L-FE177D64", 2000, f"--region {IAM_REGION}"))


def fargate(account: Account) -> Iterator[Finding]:
    """Fargate's vCPUs at the maximum number of containers, which a deployment doubles temporarily."""
    targets = account.of_type("AWS::ApplicationAutoScaling::ScalableTarget")
    tasks = account.of_type("AWS::ECS::TaskDefinition")
    if not targets:
        return
    maximum = sum(int(task["Cpu"]) for task in tasks) / 1024 * sum(int(target["MaxCapacity"]) for target in targets)
    # New accounts have 6.
    quota = _applied_quota(account, "fargate", "L-3032A538", 6)
    if quota < 2 * maximum:
        yield Finding(
            LATER,
            f"Fargate: {quota:g} vCPUs; {2 * maximum:g} are needed while a new version replaces the maximum of containers",
            increase_command("fargate", "L-3032A538", 2 * maximum),
        )
    else:
        yield Finding(OK, f"Fargate: {quota:g} vCPUs, of which at most {2 * maximum:g} are needed")


def _applied_quota(account: Account, service: str, code: str, default: float) -> float:
    """The value of a quota in the account; ``default`` if it was never changed, which Service Quotas may report as absent."""
    client = account.client("service-quotas")
    try:
        return float(client.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"])
    except ClientError as error:
        if error_code(error) == "NoSuchResourceException":
            return default
        raise
