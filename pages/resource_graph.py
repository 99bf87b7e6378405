"""Which resources of a service call, start or send to which others, from its template.

Dead-letter queues, keys, logs and alarms are left out.
"""

import re
from collections.abc import Iterator

from model.grants import role_grants
from model.templates import Piece, definition, name_of, published_parameters

# The resource types of the graph.
TYPES = {
    "AWS::ApiGateway::RestApi",
    "AWS::CloudFront::Distribution",
    "AWS::CloudTrail::Trail",
    "AWS::DynamoDB::Table",
    "AWS::ECS::Service",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Lambda::Function",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::Scheduler::Schedule",
    "AWS::StepFunctions::StateMachine",
}
# Nodes outside of the service's template.
BUS, AWS_EVENTS, MAIL, LOAD_BALANCER = "checkout-bus", "events of AWS", "mail", "load balancer"
EXTERNAL_SYSTEM = " system"
API = " API"
AUTHORIZER = " authorizer"
# Calls that an event source mapping makes with the function's role. Their edge is from the source to the function.
POLLING = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ChangeMessageVisibility",
    "dynamodb:DescribeStream",
    "dynamodb:GetRecords",
    "dynamodb:GetShardIterator",
    "dynamodb:ListStreams",
}
# Services that every role may call, without an edge.
COMMON_SERVICES = ("kms:", "logs:", "xray:", "sts:")

# Of an API that is called with its URL, which is a parameter.
_API_URL = re.compile(r"/setpieces/[^/]+/(?!partners/)([a-z-]+)/api-url")
_EXTERNAL_URL = re.compile(r"parameter/setpieces/[^/]+/partners/([a-z-]+)-url")

Edge = tuple[str, str]


def edges(piece: Piece) -> set[Edge]:
    """(caller, callee) by logical ids, or by the names of nodes outside of the template."""
    candidates = {*_integrations(piece), *_roles(piece), *_deliveries(piece), *_origins(piece)}
    omitted = {
        name_of(queue["RedrivePolicy"]["deadLetterTargetArn"])
        for queue in piece.of_type("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue
    } | {name for name in piece.of_type("AWS::SQS::Queue") if re.search("DeadLetter|Dlq|DLQ", name)}
    return {(a, b) for a, b in candidates if a and b and a != b and not {a, b} & omitted}


def _integrations(piece: Piece) -> Iterator[Edge]:
    """From APIs to the functions and services that they call, and to their authorizers."""
    for name, api in piece.of_type("AWS::ApiGateway::RestApi").items():
        for scheme in api["Body"].get("components", {}).get("securitySchemes", {}).values():
            uri = str(scheme.get("x-amazon-apigateway-authorizer", {}).get("authorizerUri", ""))
            yield from ((name, function) for function in _functions(piece, uri))
            for parameter, published in published_parameters(piece.source).items():
                if parameter in re.findall(r"\w+", uri):
                    yield name, f"{published.split('/')[0]}{AUTHORIZER}"
    for name, document in piece.apis.items():
        for operation in (operation for methods in document.resources.values() for operation in methods.values()):
            integration = operation.integration
            if not integration:
                continue
            yield from ((name, function) for function in _functions(piece, str(integration.uri)))
            if integration.credentials:
                yield from ((name, target) for target in _role_targets(piece, name_of(integration.credentials)))


def _roles(piece: Piece) -> Iterator[Edge]:
    """From functions, state machines, streams and containers to the targets of their roles."""
    for name, function in piece.of_type("AWS::Lambda::Function").items():
        if "Role" in function:
            yield from ((name, target) for target in _role_targets(piece, name_of(function["Role"])))
    for name, machine in piece.of_type("AWS::StepFunctions::StateMachine").items():
        yield from ((name, target) for target in _role_targets(piece, name_of(machine.get("RoleArn"))))
        if "DefinitionUri" in piece.source["Resources"][name]["Properties"]:
            functions = re.findall(r"\$\{(\w+Function)\}", str(definition(piece, name)))
            yield from ((name, function) for function in functions)
    for name, stream in piece.of_type("AWS::KinesisFirehose::DeliveryStream").items():
        role = name_of(stream["ExtendedS3DestinationConfiguration"]["RoleARN"])
        yield from ((name, target) for target in _role_targets(piece, role))
    for name, service in piece.of_type("AWS::ECS::Service").items():
        task = piece.of_type("AWS::ECS::TaskDefinition")[name_of(service["TaskDefinition"])]
        yield from ((name, target) for target in _role_targets(piece, name_of(task.get("TaskRoleArn"))))
        yield from ((name, api) for api in _called_apis(piece, str(task["ContainerDefinitions"])))


def _deliveries(piece: Piece) -> Iterator[Edge]:
    """From queues, streams, rules, schedules, topics and buckets to the receivers of their messages."""
    for mapping in piece.of_type("AWS::Lambda::EventSourceMapping").values():
        source = next(_nodes(piece, mapping["EventSourceArn"]), "")
        yield source, name_of(mapping["FunctionName"])
    for name, rule in piece.of_type("AWS::Events::Rule").items():
        if "EventPattern" in rule:
            yield BUS if "EventBusName" in rule else AWS_EVENTS, name
        for target in rule.get("Targets", []):
            yield from ((name, node) for node in _nodes(piece, target["Arn"]))
    for name, schedule in piece.of_type("AWS::Scheduler::Schedule").items():
        yield from ((name, node) for node in _nodes(piece, schedule["Target"]["Arn"]))
    for subscription in piece.of_type("AWS::SNS::Subscription").values():
        topic = next(_nodes(piece, subscription["TopicArn"]), name_of(subscription["TopicArn"]))
        yield from ((topic, node) for node in _nodes(piece, str(subscription.get("Endpoint", ""))))
    for name, bucket in piece.of_type("AWS::S3::Bucket").items():
        for configuration in bucket.get("NotificationConfiguration", {}).values():
            yield from ((name, node) for node in _nodes(piece, str(configuration)))


def _origins(piece: Piece) -> Iterator[Edge]:
    """From the CDN to its origins, from the load balancer to the targets of its rules."""
    for name, cdn in piece.of_type("AWS::CloudFront::Distribution").items():
        yield from ((name, node) for node in _nodes(piece, str(cdn["DistributionConfig"]["Origins"])))
    for group in piece.of_type("AWS::ElasticLoadBalancingV2::TargetGroup").values():
        yield from ((LOAD_BALANCER, node) for node in _nodes(piece, str(group.get("Targets", ""))))
    for name in piece.of_type("AWS::ECS::Service"):
        yield LOAD_BALANCER, name


def _role_targets(piece: Piece, role: str) -> set[str]:
    """The nodes that a role may call, start or send to."""
    if role not in piece.of_type("AWS::IAM::Role"):
        return set()
    targets: set[str] = set()
    for action, resource in role_grants(piece, role):
        if action.startswith(COMMON_SERVICES) or action in POLLING:
            continue
        resources = set(_nodes(piece, resource))
        targets |= resources
        targets |= {f"{system}{EXTERNAL_SYSTEM}" for system in _EXTERNAL_URL.findall(resource)}
        if action == "events:PutEvents" and not resources:
            targets.add(BUS)
        if action == "execute-api:Invoke":
            targets |= {f"{api.lower()}{API}" for api in re.findall(r"(\w+)ApiArn", resource)}
        if action == "ssm:GetParameter":
            targets |= _called_apis(piece, resource)
        if action == "ses:SendEmail":
            targets.add(MAIL)
    return targets


def _called_apis(piece: Piece, text: str) -> set[str]:
    """The APIs of other services whose URL is read: the service calls them, with or without a permission."""
    return {f"{service.replace('-', '')}{API}" for service in _API_URL.findall(text) if service != piece.service}


def _functions(piece: Piece, text: str) -> list[str]:
    return [name for name in re.findall(r"\w+", text) if name in piece.of_type("AWS::Lambda::Function")]


def _nodes(piece: Piece, text: str) -> Iterator[str]:
    """The resources of ``TYPES`` whose logical ids are in a text, for example in an ARN with placeholders."""
    return (name for name in re.findall(r"\w+", text) if piece.resources.get(name, {}).get("Type") in TYPES)
