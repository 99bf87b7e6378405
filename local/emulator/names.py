"""The names of resources in templates, and a check that no resource has such a name.

CloudFormation does not replace an existing resource by a new one: the create handler of a type fails with AlreadyExists
(https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract.html).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


class AlreadyExists(Exception):
    """A resource of this type already has the name."""


@dataclass(frozen=True)
class Named:
    """``properties`` are the name of a resource and its scope, which is ``default`` if the template has none.

    The emulator keeps resources in ``store``, by name or ARN, or with the name in ``fields``. Of types that it does not create
    (``local.emulator.patches.cloudformation.UNSUPPORTED``) it knows only the names in its stacks.
    """

    properties: tuple[str, ...]
    store: str = ""
    fields: tuple[str, ...] = ()


# Types with names in templates that AWS accepts only once.
NAMED = {
    "AWS::CloudFront::CachePolicy": Named(("CachePolicyConfig.Name",), "cloudfront._cache_policies", ("Config.Name",)),
    "AWS::CloudFront::Function": Named(("Name",), "cloudfront._functions"),
    "AWS::CloudFront::OriginAccessControl": Named(("OriginAccessControlConfig.Name",), "cloudfront._oacs", ("Name",)),
    "AWS::CloudFront::OriginRequestPolicy": Named(
        ("OriginRequestPolicyConfig.Name",), "cloudfront._origin_request_policies", ("Config.Name",)
    ),
    "AWS::CloudTrail::Trail": Named(("TrailName",)),
    "AWS::CloudWatch::Alarm": Named(("AlarmName",), "cloudwatch._alarms"),
    "AWS::CloudWatch::Dashboard": Named(("DashboardName",), "cloudwatch._dashboards"),
    "AWS::DynamoDB::Table": Named(("TableName",), "dynamodb._tables"),
    "AWS::ECR::Repository": Named(("RepositoryName",), "ecr._repositories"),
    "AWS::ECS::Cluster": Named(("ClusterName",), "ecs._clusters"),
    "AWS::ElastiCache::ReplicationGroup": Named(("ReplicationGroupId",), "elasticache._replication_groups"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Named(("Name",), "alb._lbs", ("LoadBalancerName",)),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Named(("Name",), "alb._tgs", ("TargetGroupName",)),
    "AWS::Events::Archive": Named(("ArchiveName",)),
    "AWS::Events::EventBus": Named(("Name",), "eventbridge._event_buses"),
    "AWS::Events::Rule": Named(("Name", "EventBusName"), "eventbridge._rules", ("Name", "EventBusName")),
    "AWS::IAM::ManagedPolicy": Named(("ManagedPolicyName",), "iam._policies", ("PolicyName",)),
    "AWS::IAM::Role": Named(("RoleName",), "iam._roles"),
    "AWS::KMS::Alias": Named(("AliasName",), "kms._aliases"),
    "AWS::KinesisFirehose::DeliveryStream": Named(("DeliveryStreamName",), "firehose._streams"),
    "AWS::Lambda::Function": Named(("FunctionName",), "lambda_svc._functions"),
    "AWS::Logs::LogGroup": Named(("LogGroupName",), "cloudwatch_logs._log_groups"),
    "AWS::Logs::ResourcePolicy": Named(("PolicyName",), "cloudwatch_logs._resource_policies"),
    "AWS::S3::Bucket": Named(("BucketName",), "s3._buckets"),
    "AWS::SES::EmailIdentity": Named(("EmailIdentity",), "ses_v2._identities"),
    "AWS::SNS::Topic": Named(("TopicName",), "sns._topics"),
    "AWS::SQS::Queue": Named(("QueueName",), "sqs._queue_name_to_url"),
    "AWS::SSM::Parameter": Named(("Name",), "ssm._parameters"),
    "AWS::Scheduler::Schedule": Named(("Name",), "scheduler._schedules", ("Name",)),
    "AWS::SecretsManager::Secret": Named(("Name",), "secretsmanager._secrets"),
    "AWS::StepFunctions::StateMachine": Named(("StateMachineName",), "stepfunctions._state_machines"),
    "AWS::WAFv2::WebACL": Named(("Name", "Scope"), "waf._web_acls", ("Name", "Scope")),
    "AWS::XRay::ResourcePolicy": Named(("PolicyName",)),
}
Name = tuple[str, ...]


def declared_name(kind: str, properties: Mapping[str, Any]) -> Name | None:
    """The name of a resource in its template; None if CloudFormation generates it, or if names of the type may repeat."""
    if kind not in NAMED:
        return None
    name, *scopes = (_inner(properties, each) for each in NAMED[kind].properties)
    return (name, *(scope or "default" for scope in scopes)) if name else None


def check(kind: str, properties: Mapping[str, Any]) -> None:
    """Raise ``AlreadyExists`` if the emulator has a resource of this type and name."""
    name = declared_name(kind, properties)
    if name and name in _existing(kind):
        raise AlreadyExists(f"Resource of type '{kind}' with identifier '{'|'.join(name)}' already exists.")


def _existing(kind: str) -> Iterator[Name]:
    named = NAMED[kind]
    if named.store:
        module, store = named.store.split(".")
        for key, record in getattr(import_module(f"ministack.services.{module}"), store).items():
            # The name is the last part of an ARN; names of these types have no colon.
            yield tuple(_inner(record, field) for field in named.fields) or (key.rpartition(":")[2],)
    else:
        yield from _in_stacks(kind)


def _in_stacks(kind: str) -> Iterator[Name]:
    from ministack.services.cloudformation import _stacks

    for stack in _stacks.values():
        for resource in stack.get("_resources", {}).values():
            if resource["ResourceType"] == kind and (name := declared_name(kind, resource["Properties"])):
                yield name


def _inner(properties: Any, path: str) -> Any:
    for part in path.split("."):
        properties = properties.get(part) if isinstance(properties, Mapping) else None
    return properties
