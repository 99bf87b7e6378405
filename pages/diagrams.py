"""The diagram and the alarms on the page of each set piece, and the diagram of all services in README.md.

An arrow means: calls, starts, or sends to.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from model.settings import ROOT, STAGE
from model.templates import Piece, pieces, published_parameters
from pages.blocks import Block, table
from pages.resource_graph import API, AUTHORIZER, AWS_EVENTS, BUS, EXTERNAL_SYSTEM, LOAD_BALANCER, MAIL, Edge, edges

README = ROOT / "README.md"
# Mermaid's shapes of resource types. The others have ``BOX``.
BOX = "[%s]"
SHAPES = {
    "AWS::ApiGateway::RestApi": "{{%s}}",
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
    "AWS::ElastiCache::ServerlessCache": "[(%s)]",
}
# Shapes in the diagram of all services.
OVERVIEW_SHAPES = {BUS: "{{%s}}", AWS_EVENTS: "{{%s}}", MAIL: "[[%s]]"}
SIMULATORS = "partners"


def blocks() -> Iterator[Block]:
    yield Block(README, "services", overview())
    for piece in documented():
        yield Block(page(piece.service), "architecture", "\n\n".join(filter(None, (_diagram(piece), _alarms(piece)))))


def page(service: str) -> Path:
    return ROOT / "docs" / "set-pieces" / f"{service}.md"


def documented() -> list[Piece]:
    """Every service that has a page."""
    return [piece for service, piece in pieces().items() if service != "shop"]


def overview() -> str:
    """All services with their calls of each other, the bus and external systems."""
    pairs, public = set(), set()
    for piece in documented():
        pairs |= {(_service(piece, a), _service(piece, b)) for a, b in edges(piece)}
        if _is_public(piece):
            public.add(piece.service)
    pairs = {(a, b) for a, b in pairs if a != b}
    public.discard(SIMULATORS)
    nodes = {name for pair in pairs for name in pair}
    external = {name for name in nodes if name.endswith(EXTERNAL_SYSTEM)}
    return _mermaid(
        [
            "people((customers, admins and producers)) --> APIs",
            "subgraph APIs[HTTPS APIs and the CDN]",
            *(f"  {_id(name)}[{name}]" for name in sorted(public)),
            "end",
            *(f"{_id(name)}{OVERVIEW_SHAPES.get(name, BOX) % name}" for name in sorted(nodes - public - external)),
            "subgraph outside[external systems]",
            *(f"  {_id(name)}[[{name.removesuffix(EXTERNAL_SYSTEM)}]]" for name in sorted(external)),
            "end",
            f"outside -. in dev and test .-> {SIMULATORS}",
        ],
        pairs,
    )


def _is_public(piece: Piece) -> bool:
    """True if clients outside of AWS call the service."""
    operations = [
        operation for api in piece.apis.values() for methods in api.resources.values() for operation in methods.values()
    ]
    return piece.service == "edge" or any(not operation.iam for operation in operations)


def _service(piece: Piece, node: str) -> str:
    """The service of a node of a template's graph, or the node if it belongs to none."""
    if node in piece.resources:
        return piece.service
    parameters = published_parameters(piece.source)
    if node in parameters:
        return parameters[node].split("/")[0]
    if node == LOAD_BALANCER:
        return "edge"
    api = node.removesuffix(API).removesuffix(AUTHORIZER)
    return next((service for service in pieces() if service.replace("-", "") == api), node)


def _diagram(piece: Piece) -> str:
    """The resources of a service; empty if none calls another."""
    pairs = edges(piece)
    nodes = sorted({name for pair in pairs for name in pair})
    return _mermaid([f"{_id(name)}{_shape(piece, name)}" for name in nodes], pairs) if nodes else ""


def _mermaid(lines: list[str], pairs: set[Edge]) -> str:
    arrows = [f"{_id(a)} --> {_id(b)}" for a, b in sorted(pairs)]
    return "\n".join(["```mermaid", "flowchart LR", *(f"  {line}" for line in [*lines, *arrows]), "```"])


def _id(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _shape(piece: Piece, name: str) -> str:
    """A node in Mermaid: resources have the shape of their type, nodes outside of the template a quoted name."""
    if name not in piece.resources:
        return f'["{name}"]'
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.removesuffix("Function")).lower()
    return SHAPES.get(piece.resources[name]["Type"], BOX) % words


def _alarms(piece: Piece) -> str:
    """The alarms of a service with their meanings and runbooks; empty if it has none."""
    rows = []
    for alarm in piece.of_type("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm").values():
        meaning, _, runbook = alarm["AlarmDescription"].partition("; runbook docs/runbooks/")
        runbook = runbook.removesuffix(".").removesuffix(".md")
        name = alarm["AlarmName"].removeprefix(f"setpieces-{STAGE}-")
        rows.append((f"`{name}`", meaning, f"[{runbook}](../runbooks/{runbook}.md)"))
    return table(("alarm", "meaning", "runbook"), sorted(rows)) if rows else ""
