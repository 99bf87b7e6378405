"""The permissions of the credentials, and required resources of IAM and S3."""

from collections.abc import Iterator
from functools import partial

from tools.preflight.account import Account
from tools.preflight.findings import LATER, MISSING, OK, Finding, existence
from tools.stages import DELIVERY

GITHUB = "token.actions.githubusercontent.com"
PROVIDER = "OidcProviderArn"
# The calls of SAM CLI and ``tools.deploy``.
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
# Service-linked roles by the resource types that need them. In a new account the first resource can fail while AWS creates
# the role.
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
PASSED_TO_CLOUDFORMATION = {
    "ContextKeyName": "iam:PassedToService",
    "ContextKeyType": "string",
    "ContextKeyValues": ["cloudformation.amazonaws.com"],
}


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
    denied = []
    for action, resource in _calls(account).items():
        response = iam.simulate_principal_policy(
            PolicySourceArn=arn,
            ActionNames=[action],
            ResourceArns=[resource],
            ContextEntries=[PASSED_TO_CLOUDFORMATION],
        )
        denied += [
            result["EvalActionName"] for result in response["EvaluationResults"] if result["EvalDecision"] != "allowed"
        ]
    if not denied:
        yield Finding(OK, f"{arn} may deploy")
    elif account.piece == DELIVERY:
        yield Finding(MISSING, f"{arn} may not call {', '.join(denied)}", "Use an administrator's credentials.")
    else:
        yield Finding(
            MISSING,
            f"{arn} may not call {', '.join(denied)}",
            f"Use the role setpieces-{account.stage}-deploy, or an administrator.",
        )


def _calls(account: Account) -> dict[str, str]:
    """The resource of each call that the caller makes, by action."""
    stage, region = account.stage, account.deployment["region"]
    calls = dict.fromkeys(
        STACK_CALLS, f"arn:aws:cloudformation:{region}:{account.id}:stack/setpieces-{stage}/preflight"
    )
    if account.piece == DELIVERY:
        # Delivery creates CloudFormation's role, so its resources are created with the caller's permissions.
        role = f"arn:aws:iam::{account.id}:role/setpieces-{stage}-deploy"
        return calls | {
            "iam:CreateRole": role,
            "iam:PutRolePolicy": role,
            "iam:CreatePolicy": f"arn:aws:iam::{account.id}:policy/setpieces-{stage}-boundary",
            "iam:CreateOpenIDConnectProvider": f"arn:aws:iam::{account.id}:oidc-provider/{GITHUB}",
            "s3:CreateBucket": f"arn:aws:s3:::setpieces-{stage}-artifacts-{account.id}",
        }
    state_machine = f"setpieces-{stage}-raise-sequence"
    return calls | {
        "s3:PutObject": f"arn:aws:s3:::{account.deployment['s3_bucket']}/preflight",
        "iam:PassRole": account.deployment["role_arn"],
        # After the deployment, ``tools.counters`` raises the counters.
        "ssm:GetParameter": f"arn:aws:ssm:{region}:{account.id}:parameter/setpieces/{stage}/preflight",
        "states:StartExecution": f"arn:aws:states:{region}:{account.id}:stateMachine:{state_machine}",
        "states:DescribeExecution": f"arn:aws:states:{region}:{account.id}:execution:{state_machine}:preflight",
    }


def bootstrap(account: Account) -> Iterator[Finding]:
    """Bucket, role and boundary that ``make bootstrap`` creates."""
    if account.piece == DELIVERY:
        return
    iam = account.client("iam")
    bucket = account.deployment["s3_bucket"]
    role = account.deployment["role_arn"].rsplit("/", 1)[-1]
    boundary = f"arn:aws:iam::{account.id}:policy/setpieces-{account.stage}-boundary"
    remedy = f"make bootstrap ENV={account.stage} REPOSITORY=owner/name, as an administrator."
    for what, call in (
        (f"bucket {bucket}", partial(account.client("s3").head_bucket, Bucket=bucket)),
        (f"role {role}", partial(iam.get_role, RoleName=role)),
        (f"policy {boundary}", partial(iam.get_policy, PolicyArn=boundary)),
    ):
        yield existence(call, what, remedy)


def identity_provider(account: Account) -> Iterator[Finding]:
    """GitHub's OIDC provider: an account can have one, and the pipeline cannot sign in without it."""
    providers = account.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    arn = next((provider["Arn"] for provider in providers if provider["Arn"].endswith(f"/{GITHUB}")), "")
    if account.piece == DELIVERY and arn and account.parameters.get(PROVIDER) != arn:
        yield Finding(
            MISSING,
            f"the account already has GitHub's identity provider: {arn}",
            f"Pass it: make bootstrap ENV={account.stage} OIDC_PROVIDER={arn} REPOSITORY=owner/name",
        )
    elif account.piece != DELIVERY and not arn:
        yield Finding(
            LATER,
            "GitHub's identity provider does not exist: the pipeline cannot sign in",
            f"make bootstrap ENV={account.stage} REPOSITORY=owner/name",
        )
    else:
        yield Finding(OK, f"identity provider: {arn or 'make bootstrap creates it'}")


def service_roles(account: Account) -> Iterator[Finding]:
    """Service-linked roles."""
    iam = account.client("iam")
    for resource_type, (service, role) in SERVICE_ROLES.items():
        if account.of_type(resource_type):
            yield existence(
                partial(iam.get_role, RoleName=role),
                f"role {role}",
                f"aws iam create-service-linked-role --aws-service-name {service}",
                if_absent=LATER,
            )
