"""Names that the deployment needs to be free, and values that it needs to exist."""

import re
from collections.abc import Iterator

import jmespath

from tools.preflight.account import PARTNERS, Account, Lister
from tools.preflight.findings import MISSING, OK, UNKNOWN, Finding
from tools.stages import DELIVERY

PARAMETERS = Lister("ssm", "describe_parameters", "Parameters[].Name")

# Types whose names are unique in an account: (JMESPath of the name in a resource's properties, lister of existing names).
# ``mail`` checks the sender of mails.
UNIQUE_NAMES: dict[str, tuple[str, Lister]] = {
    "AWS::CloudFront::CachePolicy": (
        "CachePolicyConfig.Name",
        Lister(
            "cloudfront",
            "list_cache_policies",
            "CachePolicyList.Items[].CachePolicy.CachePolicyConfig.Name",
            (("Type", "custom"),),
        ),
    ),
    "AWS::CloudFront::Function": ("Name", Lister("cloudfront", "list_functions", "FunctionList.Items[].Name")),
    "AWS::CloudFront::OriginRequestPolicy": (
        "OriginRequestPolicyConfig.Name",
        Lister(
            "cloudfront",
            "list_origin_request_policies",
            "OriginRequestPolicyList.Items[].OriginRequestPolicy.OriginRequestPolicyConfig.Name",
            (("Type", "custom"),),
        ),
    ),
    "AWS::CloudFront::OriginAccessControl": (
        "OriginAccessControlConfig.Name",
        Lister(
            "cloudfront",
            "list_origin_access_controls",
            "OriginAccessControlList.Items[].Name",
        ),
    ),
    "AWS::CloudTrail::Trail": ("TrailName", Lister("cloudtrail", "list_trails", "Trails[].Name")),
    "AWS::CloudWatch::Alarm": ("AlarmName", Lister("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName")),
    "AWS::CloudWatch::Dashboard": (
        "DashboardName",
        Lister("cloudwatch", "list_dashboards", "DashboardEntries[].DashboardName"),
    ),
    "AWS::ECR::Repository": ("RepositoryName", Lister("ecr", "describe_repositories", "repositories[].repositoryName")),
    "AWS::ECS::Cluster": ("ClusterName", Lister("ecs", "list_clusters", "clusterArns")),
    "AWS::ElasticLoadBalancingV2::TargetGroup": (
        "Name",
        Lister("elbv2", "describe_target_groups", "TargetGroups[].TargetGroupName"),
    ),
    "AWS::Events::Archive": ("ArchiveName", Lister("events", "list_archives", "Archives[].ArchiveName")),
    "AWS::Events::EventBus": ("Name", Lister("events", "list_event_buses", "EventBuses[].Name")),
    # Lists the default bus; rules of another bus are deleted with it.
    "AWS::Events::Rule": ("Name", Lister("events", "list_rules", "Rules[].Name")),
    "AWS::IAM::ManagedPolicy": (
        "ManagedPolicyName",
        Lister("iam", "list_policies", "Policies[].PolicyName", (("Scope", "Local"),)),
    ),
    "AWS::IAM::Role": ("RoleName", Lister("iam", "list_roles", "Roles[].RoleName")),
    "AWS::KMS::Alias": ("AliasName", Lister("kms", "list_aliases", "Aliases[].AliasName")),
    # The operation has no pages and lists ten by default.
    "AWS::KinesisFirehose::DeliveryStream": (
        "DeliveryStreamName",
        Lister("firehose", "list_delivery_streams", "DeliveryStreamNames", (("Limit", 10_000),)),
    ),
    "AWS::Lambda::Function": ("FunctionName", Lister("lambda", "list_functions", "Functions[].FunctionName")),
    "AWS::Logs::LogGroup": ("LogGroupName", Lister("logs", "describe_log_groups", "logGroups[].logGroupName")),
    "AWS::Logs::ResourcePolicy": (
        "PolicyName",
        Lister("logs", "describe_resource_policies", "resourcePolicies[].policyName"),
    ),
    "AWS::S3::Bucket": ("BucketName", Lister("s3", "list_buckets", "Buckets[].Name")),
    "AWS::SNS::Topic": ("TopicName", Lister("sns", "list_topics", "Topics[].TopicArn")),
    "AWS::SQS::Queue": ("QueueName", Lister("sqs", "list_queues", "QueueUrls")),
    "AWS::SSM::Parameter": ("Name", PARAMETERS),
    "AWS::Scheduler::Schedule": ("Name", Lister("scheduler", "list_schedules", "Schedules[].Name")),
    # A deleted secret keeps its name for days.
    "AWS::SecretsManager::Secret": (
        "Name",
        Lister("secretsmanager", "list_secrets", "SecretList[].Name", (("IncludePlannedDeletion", True),)),
    ),
    "AWS::StepFunctions::StateMachine": (
        "StateMachineName",
        Lister("stepfunctions", "list_state_machines", "stateMachines[].name"),
    ),
    "AWS::WAFv2::WebACL": ("Name", Lister("wafv2", "list_web_acls", "WebACLs[].Name", (("Scope", "REGIONAL"),))),
    "AWS::XRay::ResourcePolicy": (
        "PolicyName",
        Lister("xray", "list_resource_policies", "ResourcePolicies[].PolicyName"),
    ),
}

# Limits that only AWS can lift, and that no API returns before a resource is created.
UNVERIFIED = {
    "AWS::CloudFront::Distribution": "CloudFront: a new account may have to be verified first",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "load balancers: a new account may have to be verified first",
}


def existing_names(account: Account) -> Iterator[Finding]:
    """Existing resources with the shop's names: CloudFormation would refuse to create them."""
    for resource_type, (path, lister) in UNIQUE_NAMES.items():
        names = {
            str(name) for properties in account.of_type(resource_type) if (name := jmespath.search(path, properties))
        }
        if not names:
            continue
        existing = sorted(names & set(account.existing(lister)))
        for name in existing:
            yield Finding(
                MISSING,
                f"{resource_type} {name} already exists",
                "Delete it, or import it into the stack (docs/runbooks/teardown.md).",
            )
        if not existing:
            yield Finding(OK, f"{len(names)} names of {resource_type} are available")


def external_system_urls(account: Account) -> Iterator[Finding]:
    """The URLs of the real systems in prod; in other stages the simulators publish theirs."""
    if account.stage != "prod" or account.piece == DELIVERY:
        return
    required = {
        name
        for _, properties in account.resources
        for name in re.findall(rf"parameter(/setpieces/{account.stage}/{PARTNERS}/[a-z-]+-url)", str(properties))
    }
    existing = set(account.existing(PARAMETERS))
    for name in sorted(required):
        if name in existing:
            yield Finding(OK, f"{name} is set")
        else:
            yield Finding(
                MISSING, f"{name} is not set", f"aws ssm put-parameter --type String --name {name} --value https://..."
            )


def unverified_account(account: Account) -> Iterator[Finding]:
    """Conditions that AWS reports only when a resource is created."""
    for resource_type, what in UNVERIFIED.items():
        if account.of_type(resource_type):
            yield Finding(UNKNOWN, what, "If the creation reports it, open a support case of the type account.")
