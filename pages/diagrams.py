"""The diagram and the alarms of each set piece, generated from its template and written into its page.

    make reference    rewrites them in docs/set-pieces; tests/contract/test_docs.py says when that is due

An arrow means: calls, starts, or sends to. Dead-letter queues and what only observes (logs, alarms) are left out.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.grants import role_grants
from model.settings import ROOT, STAGE
from model.templates import Piece, definition, name_of, pieces

README = ROOT / "README.md"
BEGIN = "<!-- generated from the templates by make reference -->"
END = "<!-- end of the generated part -->"
# How a resource is drawn.
SHAPES = {
    "AWS::ApiGateway::RestApi": "{{%s}}",
    "AWS::Lambda::Function": "[%s]",
    "AWS::SQS::Queue": "[[%s]]",
    "AWS::SNS::Topic": "([%s])",
    "AWS::DynamoDB::Table": "[(%s)]",
    "AWS::S3::Bucket": "[(%s)]",
    "AWS::StepFunctions::StateMachine": "[/%s/]",
    "AWS::Events::EventBus": "{{%s}}",
    "AWS::Events::Rule": ">%s]",
    "AWS::Scheduler::Schedule": "((%s))",
    "AWS::KinesisFirehose::DeliveryStream": "[/%s/]",
    "AWS::CloudFront::Distribution": "{{%s}}",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "{{%s}}",
    "AWS::ECS::Service": "[%s]",
    "AWS::ElastiCache::ServerlessCache": "[(%s)]",
    "AWS::CloudTrail::Trail": "[%s]",
}
# What is not in the template: the words by which grants and addresses name it.
BUS, PARTNER = "checkout-bus", re.compile(r"parameter/setpieces/[^/]+/partners/([a-z-]+)-url")
Edge = tuple[str, str]


def page(service: str) -> Path:
    return ROOT / "docs" / "set-pieces" / f"{service}.md"


def made(piece: Piece) -> str:
    """What stands between the marks of a set piece's page."""
    parts = [BEGIN, _diagram(piece), _alarms(piece), END]
    return "\n".join(part for part in parts if part)


def documents() -> dict[Path, str]:
    """Every document with a part that is made, as it should be. Raises ``ValueError`` if one has no marks for it."""
    parts = {page(piece.service): made(piece) for piece in described()} | {README: overview()}
    return {path: _with(path, part) for path, part in parts.items()}


def _with(path: Path, part: str) -> str:
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path} has no place for the diagram: write {BEGIN!r} and {END!r}.")
    return before + part + after


def overview() -> str:
    """README's picture: which set piece reaches which other one, the bus, and the external systems."""
    edges, public = set(), set()
    for piece in described():
        for a, b in _edges(piece):
            pair = _outward(piece, a), _outward(piece, b)
            if pair[0] != pair[1]:
                edges.add(pair)
        methods = [methods for api in piece.apis.values() for methods in api.resources.values()]
        if any(not operation.iam for one in methods for operation in one.values()) or piece.service == "edge":
            public.add(piece.service)
    public.discard(SIMULATORS)
    outside = {name for edge in edges for name in edge if name.endswith(" system")}
    others = {name for edge in edges for name in edge} - public - outside
    lines = ["```mermaid", "flowchart LR", f"  people(({CUSTOMERS})) --> APIs", f"  subgraph APIs[{_APIS}]"]
    lines += [f"    {_id(name)}[{name}]" for name in sorted(public)] + ["  end"]
    lines += [f"  {_id(name)}{_OUTSIDE.get(name, '[%s]') % name}" for name in sorted(others)]
    lines += ["  subgraph outside[external systems]"]
    lines += [f"    {_id(name)}[[{name.removesuffix(' system')}]]" for name in sorted(outside)] + ["  end"]
    lines += [f"  outside -. in dev and test .-> {SIMULATORS}"]
    lines += [f"  {_id(a)} --> {_id(b)}" for a, b in sorted(edges)]
    return "\n".join([BEGIN, *lines, "```", END])


SIMULATORS = "partners"
CUSTOMERS, _APIS = "customers, admins and producers", "HTTPS APIs and the CDN"
_SEEN_AS = {"load balancer": "edge"}
_OUTSIDE = {BUS: "{{%s}}", "events of AWS": "{{%s}}", "mail": "[[%s]]"}


def _outward(piece: Piece, name: str) -> str:
    """A resource as seen from outside: its set piece."""
    if name in piece.resources:
        return piece.service
    if name in piece.source["Metadata"]["SetPiece"]["Parameters"]:
        return piece.source["Metadata"]["SetPiece"]["Parameters"][name].split("/")[0]
    api = name.removesuffix(" API")
    return next((service for service in pieces() if service.replace("-", "") == api), _SEEN_AS.get(name, name))


def described() -> list[Piece]:
    """Every set piece that has a page."""
    return [piece for service, piece in pieces().items() if service != "shop"]


def _diagram(piece: Piece) -> str:
    edges = sorted(_edges(piece))
    drawn = sorted({name for edge in edges for name in edge})
    if not drawn:
        return ""
    lines = ["```mermaid", "flowchart LR"]
    lines += [f"  {_id(name)}{_shape(piece, name)}" for name in drawn]
    lines += [f"  {_id(a)} --> {_id(b)}" for a, b in edges]
    return "\n".join([*lines, "```"])


def _alarms(piece: Piece) -> str:
    rows = []
    for alarm in piece.of_type("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm").values():
        what, _, book = alarm["AlarmDescription"].partition("; runbook docs/runbooks/")
        book = book.removesuffix(".")
        name = alarm["AlarmName"].removeprefix(f"setpieces-{STAGE}-")
        rows.append(f"| `{name}` | {what} | [{book.removesuffix('.md')}](../runbooks/{book}) |")
    return "\n".join(["", "| alarm | meaning | runbook |", "|---|---|---|", *sorted(rows)]) if rows else ""


def _edges(piece: Piece) -> set[Edge]:
    found = {*_apis(piece), *_roles(piece), *_deliveries(piece), *_pages(piece)}
    letters = {
        name_of(queue["RedrivePolicy"]["deadLetterTargetArn"])
        for queue in piece.of_type("AWS::SQS::Queue").values()
        if "RedrivePolicy" in queue
    } | {name for name in piece.of_type("AWS::SQS::Queue") if re.search("DeadLetter|Dlq|DLQ", name)}
    return {(a, b) for a, b in found if a and b and a != b and not {a, b} & letters}


def _apis(piece: Piece) -> Iterator[Edge]:
    for name, document in piece.apis.items():
        for operation in (one for methods in document.resources.values() for one in methods.values()):
            integration = operation.integration
            if not integration:
                continue
            yield from ((name, target) for target in _functions(piece, str(integration.uri)))
            if integration.credentials:
                yield from ((name, target) for target in _reached(piece, name_of(integration.credentials)))


def _roles(piece: Piece) -> Iterator[Edge]:
    """From everything that works with a role to what the role may reach."""
    holders = {
        "AWS::Lambda::Function": "Role",
        "AWS::StepFunctions::StateMachine": "RoleArn",
        "AWS::Scheduler::Schedule": "",
    }
    for name, resource in piece.resources.items():
        role = resource["Properties"].get(holders.get(resource["Type"], ""))
        if role:
            yield from ((name, target) for target in _reached(piece, name_of(role)))
    for name in piece.of_type("AWS::StepFunctions::StateMachine"):
        if "DefinitionUri" in piece.source["Resources"][name]["Properties"]:
            text = str(definition(piece, name))
            yield from ((name, target) for target in re.findall(r"\$\{(\w+Function)\}", text))
    for name, stream in piece.of_type("AWS::KinesisFirehose::DeliveryStream").items():
        role = name_of(stream["ExtendedS3DestinationConfiguration"]["RoleARN"])
        yield from ((name, target) for target in _reached(piece, role))
    for name, service in piece.of_type("AWS::ECS::Service").items():
        task = piece.of_type("AWS::ECS::TaskDefinition")[name_of(service["TaskDefinition"])]
        if "TaskRoleArn" in task:
            yield from ((name, target) for target in _reached(piece, name_of(task["TaskRoleArn"])))


def _deliveries(piece: Piece) -> Iterator[Edge]:
    """Queues and streams to their functions, rules and schedules to their targets, topics to their subscribers."""
    for source in piece.of_type("AWS::Lambda::EventSourceMapping").values():
        origin = next(iter(_drawn(piece, source["EventSourceArn"])), "")
        yield origin, name_of(source["FunctionName"])
    for name, rule in piece.of_type("AWS::Events::Rule").items():
        if "EventPattern" in rule:
            yield BUS if "EventBusName" in rule else "events of AWS", name
        for target in rule.get("Targets", []):
            yield from ((name, reached) for reached in _drawn(piece, target["Arn"]))
    for name, schedule in piece.of_type("AWS::Scheduler::Schedule").items():
        yield from ((name, reached) for reached in _drawn(piece, schedule["Target"]["Arn"]))
    for subscription in piece.of_type("AWS::SNS::Subscription").values():
        topic = next(iter(_drawn(piece, subscription["TopicArn"])), name_of(subscription["TopicArn"]))
        yield from ((topic, reached) for reached in _drawn(piece, str(subscription.get("Endpoint", ""))))
    for name, bucket in piece.of_type("AWS::S3::Bucket").items():
        for kind in bucket.get("NotificationConfiguration", {}).values():
            yield from ((name, reached) for reached in _drawn(piece, str(kind)))


def _pages(piece: Piece) -> Iterator[Edge]:
    """The CDN to its origins, the load balancer's rules to what they forward to."""
    for name, cdn in piece.of_type("AWS::CloudFront::Distribution").items():
        yield from ((name, reached) for reached in _drawn(piece, str(cdn["DistributionConfig"]["Origins"])))
    for group in piece.of_type("AWS::ElasticLoadBalancingV2::TargetGroup").values():
        yield from (("load balancer", reached) for reached in _drawn(piece, str(group.get("Targets", ""))))
    for name in piece.of_type("AWS::ECS::Service"):
        yield "load balancer", name


def _reached(piece: Piece, role: str) -> set[str]:
    """What a role may call, start or send to; keys, logs and dead letters aside."""
    if role not in piece.of_type("AWS::IAM::Role"):
        return set()
    reached: set[str] = set()
    for action, resource in role_grants(piece, role):
        if action.startswith(("kms:", "logs:", "xray:", "sts:")) or action in POLLING:
            continue
        reached |= set(_drawn(piece, resource))
        if action == "events:PutEvents" and not set(_drawn(piece, resource)):
            reached.add(BUS)
        if action == "execute-api:Invoke":
            reached |= {f"{api.lower()} API" for api in re.findall(r"(\w+)ApiArn", resource)}
        reached |= {f"{partner} system" for partner in PARTNER.findall(resource)}
        if action == "ses:SendEmail":
            reached.add("mail")
    return reached


# What a poller does with the function's role: that arrow goes the other way.
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


def _functions(piece: Piece, text: str) -> list[str]:
    return [name for name in re.findall(r"\w+", text) if name in piece.of_type("AWS::Lambda::Function")]


def _drawn(piece: Piece, text: str) -> list[str]:
    """The resources of the template that a placeholder names, if they are ones that are drawn."""
    return [name for name in re.findall(r"\w+", text) if piece.resources.get(name, {}).get("Type") in SHAPES]


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _shape(piece: Piece, name: str) -> str:
    kind = piece.resources.get(name, {}).get("Type", "")
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Function")).lower() if kind else name
    return SHAPES.get(kind, '["%s"]') % words
