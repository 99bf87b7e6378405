"""``make preflight``: what an account lacks before the first deployment of a stage, and how to get it.

    make preflight ENV=dev                 before the whole shop; make deploy runs it when the stack does not exist
    make preflight ENV=dev PIECE=delivery  before make bootstrap

Nothing is created or changed. What has to exist, and how much of it, is counted from the templates. Each check yields findings:

    missing   the deployment would fail
    later     the deployment succeeds, but something does not work until this is done
    unknown   the credentials may not look, or AWS offers no way to look
    ok        looked at and found right

Sources: Service Quotas codes and defaults from https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html,
Lambda's unreserved minimum from https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any

import boto3
import click
import jmespath
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from model.settings import ACCOUNT_ID
from model.settings import STAGE as LOCAL
from model.templates import Piece, pieces
from tools.deploy import DELIVERY, WHOLE_SHOP, check_account, session_for, stage_parameters, stage_settings
from tools.failures import CREDENTIALS, CommandFailed
from tools.options import PIECE, STAGE
from tools.progress import step

MISSING, LATER, UNKNOWN, OK = "missing", "later", "unknown", "ok"
PARTNERS = "partners"
GITHUB = "token.actions.githubusercontent.com"
PROVIDER = "OidcProviderArn"
GLOBAL = "us-east-1"  # where CloudFront looks for certificates, and IAM's quotas are kept
# HeadBucket has no body to name an error in, and says 403 of a bucket in somebody else's account too.
NOT_ALLOWED = CREDENTIALS | {"403", "AuthorizationError", "UnauthorizedOperation", "AuthorizationErrorException"}
# Lambda keeps this much for functions without a reservation.
UNRESERVED = 100


@dataclass(frozen=True)
class Finding:
    """A result of a check; ``remedy`` tells how to obtain a missing prerequisite."""

    level: str
    what: str
    remedy: str = ""


@dataclass(frozen=True)
class Lister:
    """How to list the names of one resource type: ``path`` is a JMESPath over an answer, ``name`` one over its properties."""

    name: str
    service: str
    operation: str
    path: str
    arguments: tuple[tuple[str, Any], ...] = ()


# Types whose names AWS would refuse a second time. ``mail`` looks for the sender's, which the settings of the stage say.
LISTERS = {
    "AWS::CloudFront::CachePolicy": Lister(
        "CachePolicyConfig.Name",
        "cloudfront",
        "list_cache_policies",
        "CachePolicyList.Items[].CachePolicy.CachePolicyConfig.Name",
        (("Type", "custom"),),
    ),
    "AWS::CloudFront::Function": Lister("Name", "cloudfront", "list_functions", "FunctionList.Items[].Name"),
    "AWS::CloudFront::OriginRequestPolicy": Lister(
        "OriginRequestPolicyConfig.Name",
        "cloudfront",
        "list_origin_request_policies",
        "OriginRequestPolicyList.Items[].OriginRequestPolicy.OriginRequestPolicyConfig.Name",
        (("Type", "custom"),),
    ),
    "AWS::CloudFront::OriginAccessControl": Lister(
        "OriginAccessControlConfig.Name",
        "cloudfront",
        "list_origin_access_controls",
        "OriginAccessControlList.Items[].Name",
    ),
    "AWS::CloudTrail::Trail": Lister("TrailName", "cloudtrail", "list_trails", "Trails[].Name"),
    "AWS::CloudWatch::Alarm": Lister("AlarmName", "cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName"),
    "AWS::CloudWatch::Dashboard": Lister(
        "DashboardName", "cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"
    ),
    "AWS::ECR::Repository": Lister("RepositoryName", "ecr", "describe_repositories", "repositories[].repositoryName"),
    "AWS::ECS::Cluster": Lister("ClusterName", "ecs", "list_clusters", "clusterArns"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Lister(
        "Name", "elbv2", "describe_target_groups", "TargetGroups[].TargetGroupName"
    ),
    "AWS::Events::Archive": Lister("ArchiveName", "events", "list_archives", "Archives[].ArchiveName"),
    "AWS::Events::EventBus": Lister("Name", "events", "list_event_buses", "EventBuses[].Name"),
    # Of the default bus; those of another go with it.
    "AWS::Events::Rule": Lister("Name", "events", "list_rules", "Rules[].Name"),
    "AWS::IAM::ManagedPolicy": Lister(
        "ManagedPolicyName", "iam", "list_policies", "Policies[].PolicyName", (("Scope", "Local"),)
    ),
    "AWS::IAM::Role": Lister("RoleName", "iam", "list_roles", "Roles[].RoleName"),
    "AWS::KMS::Alias": Lister("AliasName", "kms", "list_aliases", "Aliases[].AliasName"),
    # Without a limit ten are listed, and there are no pages.
    "AWS::KinesisFirehose::DeliveryStream": Lister(
        "DeliveryStreamName", "firehose", "list_delivery_streams", "DeliveryStreamNames", (("Limit", 10_000),)
    ),
    "AWS::Lambda::Function": Lister("FunctionName", "lambda", "list_functions", "Functions[].FunctionName"),
    "AWS::Logs::LogGroup": Lister("LogGroupName", "logs", "describe_log_groups", "logGroups[].logGroupName"),
    "AWS::Logs::ResourcePolicy": Lister(
        "PolicyName", "logs", "describe_resource_policies", "resourcePolicies[].policyName"
    ),
    "AWS::S3::Bucket": Lister("BucketName", "s3", "list_buckets", "Buckets[].Name"),
    "AWS::SNS::Topic": Lister("TopicName", "sns", "list_topics", "Topics[].TopicArn"),
    "AWS::SQS::Queue": Lister("QueueName", "sqs", "list_queues", "QueueUrls"),
    "AWS::SSM::Parameter": Lister("Name", "ssm", "describe_parameters", "Parameters[].Name"),
    "AWS::Scheduler::Schedule": Lister("Name", "scheduler", "list_schedules", "Schedules[].Name"),
    # One that is being deleted keeps its name for days.
    "AWS::SecretsManager::Secret": Lister(
        "Name", "secretsmanager", "list_secrets", "SecretList[].Name", (("IncludePlannedDeletion", True),)
    ),
    "AWS::StepFunctions::StateMachine": Lister(
        "StateMachineName", "stepfunctions", "list_state_machines", "stateMachines[].name"
    ),
    "AWS::WAFv2::WebACL": Lister("Name", "wafv2", "list_web_acls", "WebACLs[].Name", (("Scope", "REGIONAL"),)),
    "AWS::XRay::ResourcePolicy": Lister(
        "PolicyName", "xray", "list_resource_policies", "ResourcePolicies[].PolicyName"
    ),
}


@dataclass(frozen=True)
class Quota:
    """An AWS quota on the number of resources of ``kind``; ``code`` is None where it cannot be raised and is ``default``."""

    what: str
    kind: str
    lister: Lister
    default: int
    service: str = ""
    code: str | None = None


QUOTAS = (
    Quota("VPCs", "AWS::EC2::VPC", Lister("", "ec2", "describe_vpcs", "Vpcs[].VpcId"), 5, "vpc", "L-F678F1CE"),
    Quota(
        "internet gateways",
        "AWS::EC2::InternetGateway",
        Lister("", "ec2", "describe_internet_gateways", "InternetGateways[].InternetGatewayId"),
        5,
        "vpc",
        "L-A4707A72",
    ),
    Quota(
        "application load balancers",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Lister("", "elbv2", "describe_load_balancers", "LoadBalancers[?Type=='application'].LoadBalancerArn"),
        50,
        "elasticloadbalancing",
        "L-53DA6B97",
    ),
    Quota("trails", "AWS::CloudTrail::Trail", Lister("", "cloudtrail", "list_trails", "Trails[].Name"), 5),
    Quota(
        "resource policies of CloudWatch Logs",
        "AWS::Logs::ResourcePolicy",
        Lister("", "logs", "describe_resource_policies", "resourcePolicies[].policyName"),
        10,
    ),
)
# Services that work with a role of their own, by the resource types that make them need it. The first resource of a new account
# can fail while the role is being made.
SERVICE_ROLES = {
    "AWS::ApplicationAutoScaling::ScalableTarget": (
        "ecs.application-autoscaling.amazonaws.com",
        "AWSServiceRoleForApplicationAutoScaling_ECSService",
    ),
    "AWS::ECS::Service": ("ecs.amazonaws.com", "AWSServiceRoleForECS"),
    "AWS::ElastiCache::ReplicationGroup": ("elasticache.amazonaws.com", "AWSServiceRoleForElastiCache"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (
        "elasticloadbalancing.amazonaws.com",
        "AWSServiceRoleForElasticLoadBalancing",
    ),
}
# What SAM CLI and ``tools.deploy`` do with a stack.
STACK_CALLS = tuple(
    f"cloudformation:{action}"
    for action in (
        "CreateChangeSet",
        "DeleteStack",
        "DescribeChangeSet",
        "DescribeStackEvents",
        "DescribeStacks",
        "ExecuteChangeSet",
        "GetTemplateSummary",
    )
)
# https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_GetEmailIdentity.html: what SES says of an address or domain.
CONFIRMED = "SUCCESS"
CONFIRMATION = {
    CONFIRMED: "is confirmed",
    "PENDING": "waits for its confirmation",
    "FAILED": "was not confirmed in time",
    "TEMPORARY_FAILURE": "may be confirmed: SES has no current status",
    "NOT_STARTED": "has no confirmation request",
}
# Limits that only AWS can lift, and that no API shows before a resource is created.
NOT_ASKABLE = {
    "AWS::CloudFront::Distribution": "CloudFront: a new account may have to be verified first",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "load balancers: a new account may have to be verified first",
}


class Account:
    """The account of a stage as its credentials see it, and what ``piece`` will make in it."""

    def __init__(self, session: boto3.Session, stage: str, piece: str = WHOLE_SHOP) -> None:
        self.session, self.stage, self.piece = session, stage, piece
        self.settings = stage_parameters(stage)

    @cached_property
    def resources(self) -> list[tuple[str, dict[str, Any]]]:
        """(type, properties) of everything that will be made."""
        return resources(self.stage, self.piece)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [properties for made, properties in self.resources if made == kind]

    def client(self, service: str, region: str | None = None) -> Any:
        return self.session.client(service, region_name=region)

    def names(self, lister: Lister) -> list[str]:
        """The last part of every name, ARN or URL that the account has; of paths the whole."""
        client = self.client(lister.service)
        arguments = dict(lister.arguments)
        if client.can_paginate(lister.operation):
            found = client.get_paginator(lister.operation).paginate(**arguments).search(lister.path)
        else:
            found = jmespath.search(lister.path, getattr(client, lister.operation)(**arguments))
        return [re.split(r"[:/]", name)[-1] if re.match("arn:|https?:", name) else name for name in found or () if name]


@cache
def resources(stage: str, piece: str) -> list[tuple[str, dict[str, Any]]]:
    """(type, properties) of everything that ``piece`` makes in ``stage``, by the names that it has there."""
    account = stage_parameters(stage)["StageAccountId"]
    return [
        (resource["Type"], _renamed(resource["Properties"], stage, account))
        for template in _templates(stage, piece)
        for resource in template.resources.values()
    ]


def _templates(stage: str, piece: str) -> Iterator[Piece]:
    if piece != WHOLE_SHOP:
        yield pieces()[piece]
        return
    for resource in pieces()[WHOLE_SHOP].source["Resources"].values():
        properties = resource["Properties"]
        name = properties["Location"].removesuffix(".yaml")
        if (name, stage) != (PARTNERS, "prod"):
            yield _with_defaults(pieces()[name], properties["Parameters"])


def _renamed(value: Any, stage: str, account: str) -> Any:
    """Names carry the stage and the account; ``model.templates`` resolves them for the local stage."""
    match value:
        case str():
            return re.sub(rf"\b{LOCAL}\b", stage, value).replace(ACCOUNT_ID, account)
        case dict():
            return {key: _renamed(inner, stage, account) for key, inner in value.items()}
        case list():
            return [_renamed(inner, stage, account) for inner in value]
        case _:
            return value


def _with_defaults(template: Piece, given: dict[str, Any]) -> Piece:
    """A nested template as its parent deploys it: with the parameters that the parent gives as literals."""
    parameters = {
        name: parameter | ({"Default": given[name]} if isinstance(given.get(name), str) else {})
        for name, parameter in template.source["Parameters"].items()
    }
    return Piece(template.service, {**template.source, "Parameters": parameters})


def code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def request_quota(service: str, quota: str, value: float, *more: str) -> str:
    """The command that asks AWS for a higher quota."""
    command = f"aws service-quotas request-service-quota-increase --service-code {service} --quota-code {quota}"
    return " ".join([command, f"--desired-value {value:g}", *more])


# --- the checks ---


def caller_permissions(account: Account) -> Iterator[Finding]:
    """Check with IAM's policy simulator whether the caller may make the calls of ``make deploy``."""
    arn = account.client("sts").get_caller_identity()["Arn"]
    if arn.endswith(":root"):
        yield Finding(
            LATER, "the credentials are the account's root user", "Deploy with a role; use root only in emergencies."
        )
        return
    iam = account.client("iam")
    if ":assumed-role/" in arn:
        arn = iam.get_role(RoleName=arn.split("/")[1])["Role"]["Arn"]
    own, region = account.settings["StageAccountId"], stage_settings(account.stage)["region"]
    stack = f"arn:aws:cloudformation:{region}:{own}:stack/setpieces-{account.stage}/preflight"
    calls = dict.fromkeys(STACK_CALLS, stack)
    if account.piece == DELIVERY:
        # Without a role of CloudFormation's: what the template makes, the caller makes.
        role = f"arn:aws:iam::{own}:role/setpieces-{account.stage}-deploy"
        calls |= {"iam:CreateRole": role, "iam:PutRolePolicy": role}
        calls["iam:CreatePolicy"] = f"arn:aws:iam::{own}:policy/setpieces-{account.stage}-boundary"
        calls["iam:CreateOpenIDConnectProvider"] = f"arn:aws:iam::{own}:oidc-provider/{GITHUB}"
        calls["s3:CreateBucket"] = f"arn:aws:s3:::setpieces-{account.stage}-artifacts-{own}"
    else:
        calls["s3:PutObject"] = f"arn:aws:s3:::{stage_settings(account.stage)['s3_bucket']}/preflight"
        calls["iam:PassRole"] = stage_settings(account.stage)["role_arn"]
        # Afterwards counters are raised.
        calls["ssm:GetParameter"] = f"arn:aws:ssm:{region}:{own}:parameter/setpieces/{account.stage}/preflight"
        machine = f"setpieces-{account.stage}-raise-sequence"
        calls["states:StartExecution"] = f"arn:aws:states:{region}:{own}:stateMachine:{machine}"
        calls["states:DescribeExecution"] = f"arn:aws:states:{region}:{own}:execution:{machine}:preflight"
    context = [
        {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyType": "string",
            "ContextKeyValues": ["cloudformation.amazonaws.com"],
        }
    ]
    denied = []
    for action, resource in calls.items():
        answer = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource], ContextEntries=context
        )
        denied += [
            result["EvalActionName"] for result in answer["EvaluationResults"] if result["EvalDecision"] != "allowed"
        ]
    if denied:
        yield Finding(
            MISSING,
            f"{arn} may not call {', '.join(denied)}",
            "Use an administrator's credentials."
            if account.piece == DELIVERY
            else f"Use the role setpieces-{account.stage}-deploy, or an administrator.",
        )
    else:
        yield Finding(OK, f"{arn} may deploy")


def bootstrap(account: Account) -> Iterator[Finding]:
    """Bucket, role and boundary that ``make bootstrap`` makes."""
    if account.piece == DELIVERY:
        return
    iam, own = account.client("iam"), account.settings["StageAccountId"]
    bucket = stage_settings(account.stage)["s3_bucket"]
    role = stage_settings(account.stage)["role_arn"].rsplit("/", 1)[-1]
    boundary = f"arn:aws:iam::{own}:policy/setpieces-{account.stage}-boundary"
    remedy = f"make bootstrap ENV={account.stage} REPOSITORY=owner/name, as an administrator."
    for what, look in (
        (f"bucket {bucket}", partial(account.client("s3").head_bucket, Bucket=bucket)),
        (f"role {role}", partial(iam.get_role, RoleName=role)),
        (f"policy {boundary}", partial(iam.get_policy, PolicyArn=boundary)),
    ):
        yield _exists(look, what, remedy)


def _exists(look: Callable[[], Any], what: str, remedy: str, absent: str = MISSING) -> Finding:
    try:
        look()
    except ClientError as error:
        if code(error) in (
            "404",
            "NoSuchEntity",
            "NoSuchBucket",
            "ResourceNotFoundException",
            "NotFoundException",
            "NoSuchHostedZone",
        ):
            return Finding(absent, f"{what} does not exist", remedy)
        raise
    return Finding(OK, f"{what} exists")


def identity_provider(account: Account) -> Iterator[Finding]:
    """GitHub's OIDC provider: an account can have one, and the pipeline cannot sign in without it."""
    listed = account.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    found = [provider["Arn"] for provider in listed if provider["Arn"].endswith(f"/{GITHUB}")]
    if account.piece == DELIVERY and found and account.settings.get(PROVIDER) != found[0]:
        yield Finding(
            MISSING,
            f"the account already has GitHub's identity provider: {found[0]}",
            f"Pass it: make bootstrap ENV={account.stage} OIDC_PROVIDER={found[0]} REPOSITORY=owner/name",
        )
    elif account.piece != DELIVERY and not found:
        yield Finding(
            LATER,
            "GitHub's identity provider does not exist: the pipeline cannot sign in",
            f"make bootstrap ENV={account.stage} REPOSITORY=owner/name",
        )
    else:
        yield Finding(OK, f"identity provider: {found[0] if found else 'make bootstrap creates it'}")


def concurrency(account: Account) -> Iterator[Finding]:
    """Lambda's concurrent executions: new accounts often have 10."""
    limit = int(account.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    ask = request_quota("lambda", "L-B99A9384", 1000)
    functions = account.of_type("AWS::Lambda::Function")
    reserved = sum(int(function.get("ReservedConcurrentExecutions", 0)) for function in functions)
    reserved += int(account.settings.get("ProvisionedConcurrency", 0)) * len(account.of_type("AWS::Lambda::Alias"))
    mappings = account.of_type("AWS::Lambda::EventSourceMapping")
    pollers = sum(int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 1)) for mapping in mappings)
    if reserved and limit - reserved < UNRESERVED:
        yield Finding(
            MISSING,
            f"{reserved} concurrent executions are reserved, but Lambda keeps {UNRESERVED} of {limit} unreserved",
            ask,
        )
    elif limit <= pollers:
        yield Finding(
            LATER,
            f"{limit} concurrent executions: busy queues alone use {pollers}, and customers then get 429 and 500",
            ask,
        )
    else:
        yield Finding(OK, f"{limit} concurrent executions, of which busy queues use up to {pollers}")


def quotas(account: Account) -> Iterator[Finding]:
    """Quotas on numbers of resources, counted with what is there already."""
    for quota in QUOTAS:
        wanted = len(account.of_type(quota.kind))
        if not wanted:
            continue
        limit, used = _limit(account, quota), len(account.names(quota.lister))
        if used + wanted > limit:
            remedy = "Delete one: this quota cannot be raised."
            if quota.code:
                remedy = request_quota(quota.service, quota.code, used + wanted)
            yield Finding(MISSING, f"{quota.what}: {used} of {limit} in use, {wanted} more needed", remedy)
        else:
            yield Finding(OK, f"{quota.what}: {used} of {limit} in use, {wanted} more needed")
    summary = account.client("iam").get_account_summary()["SummaryMap"]
    roles = len(account.of_type("AWS::IAM::Role"))
    level = OK if summary["Roles"] + roles <= summary["RolesQuota"] else MISSING
    yield Finding(
        level,
        f"IAM roles: {summary['Roles']} of {summary['RolesQuota']} in use, {roles} more needed",
        "" if level == OK else request_quota("iam", "L-FE177D64", 2000, f"--region {GLOBAL}"),
    )
    yield from _containers(account)


def _limit(account: Account, quota: Quota) -> int:
    return int(_quota(account, quota.service, quota.code, quota.default)) if quota.code else quota.default


def _quota(account: Account, service: str, number: str, default: float) -> float:
    client = account.client("service-quotas")
    try:
        return float(client.get_service_quota(ServiceCode=service, QuotaCode=number)["Quota"]["Value"])
    except ClientError as error:
        # An account that never asked for another value may have none of its own.
        if code(error) == "NoSuchResourceException":
            return default
        raise


def _containers(account: Account) -> Iterator[Finding]:
    """Fargate's vCPUs at the maximum of containers, which a deployment doubles temporarily."""
    targets, tasks = (
        account.of_type("AWS::ApplicationAutoScaling::ScalableTarget"),
        account.of_type("AWS::ECS::TaskDefinition"),
    )
    if not targets:
        return
    wanted = sum(int(task["Cpu"]) for task in tasks) / 1024 * sum(int(target["MaxCapacity"]) for target in targets)
    # New accounts have 6.
    quota = _quota(account, "fargate", "L-3032A538", 6)
    ask = request_quota("fargate", "L-3032A538", 2 * wanted)
    if quota < 2 * wanted:
        yield Finding(
            LATER,
            f"Fargate: {quota:g} vCPUs; {2 * wanted:g} are needed while a new version replaces the maximum of containers",
            ask,
        )
    else:
        yield Finding(OK, f"Fargate: {quota:g} vCPUs, of which at most {2 * wanted:g} are needed")


def mail(account: Account) -> Iterator[Finding]:
    """SES: the sandbox, and what it knows of the sender."""
    identities = account.of_type("AWS::SES::EmailIdentity")
    if not identities:
        return
    client = account.client("sesv2")
    state = client.get_account()
    if not state["SendingEnabled"]:
        yield Finding(
            LATER,
            "SES does not send mails: the account's sending is paused",
            "See https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html",
        )
    yield _sandbox(state)
    sender = account.settings.get("MailFrom", "")
    if not sender or sender.endswith("@example.com"):
        yield Finding(
            MISSING,
            "the sender of voucher mails is not set",
            f'Add "MailFrom=vouchers@<your domain>" to parameter_overrides of {account.stage} in samconfig.toml.',
        )
        return
    yield _sender(client, sender)


def _sandbox(state: dict[str, Any]) -> Finding:
    if state["ProductionAccessEnabled"]:
        return Finding(OK, "SES is out of its sandbox: it sends to all recipients")
    what = "SES is in its sandbox: it sends only to confirmed addresses"
    review = state.get("Details", {}).get("ReviewDetails", {})
    case = f"support case {review.get('CaseId', '')}".strip()
    match review.get("Status"):
        case "PENDING":
            return Finding(
                LATER,
                f"{what}; AWS is reviewing the request for production access",
                f"Wait for AWS's decision in {case}.",
            )
        case "DENIED":
            return Finding(LATER, f"{what}; AWS has denied production access", f"Reply to AWS in {case}.")
    return Finding(
        LATER,
        what,
        "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL --website-url https://..."
        "; until AWS has agreed, recipients too: aws sesv2 create-email-identity --email-identity <recipient>",
    )


def _sender(client: Any, sender: str) -> Finding:
    """The stack creates an identity of the sender, and fails if it exists. Addresses of a confirmed domain need no link."""
    address, domains = _confirmation(client, sender), _domains(client, sender)
    confirmed = next((name for name, status in domains.items() if status == CONFIRMED), "")
    if address:
        after = (
            f"its domain {confirmed} stays confirmed" if confirmed else "SES sends it a mail whose link must be opened"
        )
        return Finding(
            MISSING,
            f"the sender {sender} already exists in SES and {CONFIRMATION[address]}: the stack cannot create it",
            f"aws sesv2 delete-email-identity --email-identity {sender}; the deployment creates it again: {after}. "
            "If another application uses it, set another MailFrom.",
        )
    if confirmed:
        return Finding(
            OK, f"the sender {sender} is not in SES yet; its domain {confirmed} is confirmed, so mails are sent"
        )
    what = (
        f"the sender {sender} is not in SES yet: the deployment creates it, and SES refuses mails until it is confirmed"
    )
    states = "".join(f"; its domain {name} {CONFIRMATION[status]}" for name, status in domains.items())
    return Finding(
        LATER, what + states, f"After the deployment open the link that AWS sends to {sender}, within 24 hours."
    )


def _domains(client: Any, sender: str) -> dict[str, str]:
    """The states of the sender's domain and of those above it, which confirm it as well; only those that SES knows."""
    labels = sender.rpartition("@")[2].split(".")
    names = [".".join(labels[start:]) for start in range(len(labels) - 1)]
    return {name: status for name in names if (status := _confirmation(client, name))}


def _confirmation(client: Any, identity: str) -> str:
    """A key of ``CONFIRMATION``; empty if SES does not know the address or domain."""
    try:
        return str(client.get_email_identity(EmailIdentity=identity)["VerificationStatus"])
    except ClientError as error:
        if code(error) != "NotFoundException":
            raise
        return ""


def domain(account: Account) -> Iterator[Finding]:
    """The shop's own name: a certificate in us-east-1 that covers it, a hosted zone, and no record of that name yet."""
    name = account.settings.get("DomainName", "")
    if not account.of_type("AWS::CloudFront::Distribution"):
        return
    if not name:
        yield Finding(OK, "DomainName is not set: the shop uses CloudFront's domain name")
        return
    own, number = account.settings["StageAccountId"], account.settings.get("CertificateId", "none")
    certificate = f"arn:aws:acm:{GLOBAL}:{own}:certificate/{number}"
    issue = f"aws acm request-certificate --region {GLOBAL} --domain-name {name} --validation-method DNS"
    issue += "; then set CertificateId"
    try:
        described = account.client("acm", GLOBAL).describe_certificate(CertificateArn=certificate)["Certificate"]
    except ClientError as error:
        if code(error) not in ("ResourceNotFoundException", "ValidationException", "InvalidArnException"):
            raise
        yield Finding(MISSING, f"certificate {certificate} does not exist", issue)
    else:
        names = {described["DomainName"], *described.get("SubjectAlternativeNames", ())}
        if described["Status"] != "ISSUED":
            yield Finding(
                MISSING,
                f"the certificate of {name} is {described['Status']}",
                "Publish its validation records in DNS, and wait until it is ISSUED.",
            )
        elif not names & {name, f"*.{name.partition('.')[2]}"}:
            yield Finding(MISSING, f"the certificate is for {', '.join(sorted(names))}, not for {name}", issue)
        else:
            yield Finding(OK, f"the certificate of {name} is issued")
    yield from _zone(account, name)


def _zone(account: Account, name: str) -> Iterator[Finding]:
    zone, client = account.settings.get("HostedZoneId", ""), account.client("route53")
    create = f"aws route53 create-hosted-zone --name {name.partition('.')[2]} --caller-reference {name}"
    create += "; then set HostedZoneId, and delegate the domain to it"
    try:
        domain_of_zone = client.get_hosted_zone(Id=zone or "none")["HostedZone"]["Name"].rstrip(".")
    except ClientError as error:
        if code(error) not in ("NoSuchHostedZone", "InvalidInput"):
            raise
        yield Finding(MISSING, f"hosted zone {zone!r} does not exist", create)
        return
    if name != domain_of_zone and not name.endswith(f".{domain_of_zone}"):
        yield Finding(MISSING, f"hosted zone {zone} is for {domain_of_zone}, not for {name}", create)
        return
    records = client.list_resource_record_sets(HostedZoneId=zone, StartRecordName=name, MaxItems="10")[
        "ResourceRecordSets"
    ]
    taken = [
        record["Type"]
        for record in records
        if record["Name"].rstrip(".") == name and record["Type"] in ("A", "AAAA", "CNAME")
    ]
    if taken:
        yield Finding(
            MISSING,
            f"{name} already has a record: {', '.join(taken)}",
            "Delete it before the deployment, which creates its own.",
        )
    else:
        yield Finding(OK, f"{name} has no record in hosted zone {zone}")


def service_roles(account: Account) -> Iterator[Finding]:
    """Service-linked roles."""
    iam = account.client("iam")
    for kind, (service, role) in SERVICE_ROLES.items():
        if account.of_type(kind):
            yield _exists(
                partial(iam.get_role, RoleName=role),
                f"role {role}",
                f"aws iam create-service-linked-role --aws-service-name {service}",
                absent=LATER,
            )


def partner_addresses(account: Account) -> Iterator[Finding]:
    """In prod the URLs of the real systems; in other stages the simulators publish theirs."""
    if account.stage != "prod" or account.piece == DELIVERY:
        return
    wanted = {
        name
        for _, properties in account.resources
        for name in re.findall(rf"parameter(/setpieces/{account.stage}/{PARTNERS}/[a-z-]+-url)", str(properties))
    }
    have = set(account.names(LISTERS["AWS::SSM::Parameter"]))
    for name in sorted(wanted):
        if name in have:
            yield Finding(OK, f"{name} is set")
        else:
            yield Finding(
                MISSING, f"{name} is not set", f"aws ssm put-parameter --type String --name {name} --value https://..."
            )


def existing_names(account: Account) -> Iterator[Finding]:
    """Existing resources with the shop's names: CloudFormation would refuse to create them."""
    for kind, lister in LISTERS.items():
        wanted = {
            str(name) for properties in account.of_type(kind) if (name := jmespath.search(lister.name, properties))
        }
        if not wanted:
            continue
        taken = sorted(wanted & set(account.names(lister)))
        for name in taken:
            yield Finding(
                MISSING,
                f"{kind} {name} already exists",
                "Delete it, or import it into the stack (docs/runbooks/teardown.md).",
            )
        if not taken:
            yield Finding(OK, f"{len(wanted)} names of {kind} are available")


def not_askable(account: Account) -> Iterator[Finding]:
    """Conditions that AWS reports only when a resource is created."""
    for kind, what in NOT_ASKABLE.items():
        if account.of_type(kind):
            yield Finding(UNKNOWN, what, "If the creation reports it, open a support case of the type account.")


CHECKS: tuple[Callable[[Account], Iterator[Finding]], ...] = (
    caller_permissions,
    bootstrap,
    identity_provider,
    concurrency,
    quotas,
    mail,
    domain,
    service_roles,
    partner_addresses,
    existing_names,
    not_askable,
)


def findings(account: Account) -> list[Finding]:
    """Yield the findings of all checks. A check without permission yields one ``unknown``."""
    found: list[Finding] = []
    for check in CHECKS:
        try:
            found += check(account)
        except ClientError as error:
            if code(error) not in NOT_ALLOWED:
                raise
            what = check.__name__.replace("_", " ")
            found.append(
                Finding(
                    UNKNOWN,
                    f"{what}: these credentials may not call {error.operation_name}",
                    "Run make preflight as an administrator.",
                )
            )
    return found


def show(found: list[Finding], region: str) -> None:
    """Print missing prerequisites, and the number of checks that passed. Commands without a region are for the stage's."""
    table = Table("", "finding", "remedy")
    styles = {MISSING: "red", LATER: "yellow", UNKNOWN: "dim"}
    for level, style in styles.items():
        for finding in found:
            if finding.level == level:
                table.add_row(level, finding.what, finding.remedy, style=style)
    table.caption = f"{sum(finding.level == OK for finding in found)} more checks passed."
    if any(finding.remedy.startswith("aws ") for finding in found):
        table.caption += f" Run the commands in the region of the stage: export AWS_REGION={region}"
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)


def require(stage: str, piece: str, session: boto3.Session, oidc_provider: str | None = None) -> None:
    """Raises ``CommandFailed`` if a first deployment would fail, after printing why."""
    with step(f"checking the account of {stage}"):
        account = Account(session, stage, piece)
        account.settings[PROVIDER] = oidc_provider or ""
        found = findings(account)
    show(found, stage_settings(stage)["region"])
    missing = sum(finding.level == MISSING for finding in found)
    if missing:
        raise CommandFailed(f"The account of {stage} is not ready: {missing} missing, see above. Nothing was deployed.")


@click.command(epilog="make preflight ENV=dev")
@click.option("--env", "stage", type=STAGE, envvar="ENV", required=True, help="The stage whose account is checked.")
@click.option(
    "--piece", type=PIECE, envvar="PIECE", default=WHOLE_SHOP, show_default=True, help="One set piece, or the shop."
)
@click.option("--oidc-provider", envvar="OIDC_PROVIDER", help="For delivery: see make bootstrap.")
def main(stage: str, piece: str, oidc_provider: str | None) -> None:
    """Check the account for missing prerequisites before the first deployment."""
    if stage == LOCAL:
        raise CommandFailed("Stage local runs on this machine and has no account. Set ENV=dev, test or prod.")
    session = session_for(stage)
    check_account(stage, session)
    require(stage, piece, session, oidc_provider)
    click.echo(f"The account of {stage} is ready for {piece}.")
