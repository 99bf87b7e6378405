"""The routes of events, from the templates: producers, rules and subscriptions, queues.

Producers are declared in ``Metadata.SetPiece.Publishes``. Consumers are the rules of the bus and the subscriptions of topics
whose patterns match the sample events in ``events/bus``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ministack.services.eventbridge import _matches_pattern

from model.settings import ACCOUNT_ID, REGION, ROOT, STAGE
from model.templates import pieces

SCHEMAS, SAMPLES = ROOT / "schemas" / "events", ROOT / "events" / "bus"

_WORDS = re.compile("[A-Z][a-z]+")

# Values of parameters and pseudo parameters in patterns and names.
VALUES = {"Stage": STAGE, "AWS::AccountId": ACCOUNT_ID, "AWS::Region": REGION, "AWS::Partition": "aws"}


@dataclass(frozen=True)
class Route:
    """A target of a rule, or the queue of a subscription.

    ``queue`` is empty if the target is not a queue. ``channel`` is ``bus`` or the name of a topic.
    """

    service: str
    rule: str
    queue: str
    pattern: str
    channel: str


@cache
def templates() -> dict[str, Mapping[str, Any]]:
    """The template of each service, with intrinsics in long form."""
    return {service: piece.source for service, piece in pieces().items()}


def resources(service: str, resource_type: str) -> dict[str, dict[str, Any]]:
    """Properties of a template's resources of one type, by logical id."""
    return {
        name: resource["Properties"]
        for name, resource in templates()[service]["Resources"].items()
        if resource["Type"] == resource_type
    }


def resolve(value: Any) -> Any:
    """``value`` with the ``VALUES`` of its references and substitutions; other references are unchanged."""
    match value:
        case {"Ref": str(name)} if name in VALUES:
            return VALUES[name]
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda match: VALUES.get(match[1], match[0]), text)
        case dict():
            return {name: resolve(inner) for name, inner in value.items()}
        case list():
            return [resolve(inner) for inner in value]
        case _:
            return value


def logical_id(reference: Any) -> str:
    """The logical id in ``{"Fn::GetAtt": ["Queue", "Arn"]}`` or ``{"Ref": "Queue"}``; empty for anything else."""
    match reference:
        case {"Fn::GetAtt": [str(name), _]}:
            return name
        case {"Ref": str(name)}:
            return name
        case _:
            return ""


@cache
def routes() -> tuple[Route, ...]:
    """Every route of every template."""
    return tuple(route for service in templates() for route in (*_rules(service), *_subscriptions(service)))


def _rules(service: str) -> Iterator[Route]:
    queues = resources(service, "AWS::SQS::Queue")
    for rule in resources(service, "AWS::Events::Rule").values():
        if "EventPattern" not in rule or "EventBusName" not in rule:
            # A schedule, or a rule for events of AWS on the default bus.
            continue
        for target in rule["Targets"]:
            queue = queues.get(logical_id(target["Arn"]), {})
            pattern = json.dumps(resolve(rule["EventPattern"]))
            yield Route(service, resolve(rule["Name"]), resolve(queue.get("QueueName", "")), pattern, "bus")


def _subscriptions(service: str) -> Iterator[Route]:
    """Queues that subscribe to a topic. A filter policy is a pattern for the message or its attributes."""
    queues = resources(service, "AWS::SQS::Queue")
    for name, subscription in resources(service, "AWS::SNS::Subscription").items():
        queue = queues.get(logical_id(subscription["Endpoint"]))
        if queue:
            pattern = json.dumps({"detail": resolve(subscription.get("FilterPolicy", {}))})
            topic = _WORDS.findall(logical_id(subscription["TopicArn"]).removesuffix("Arn"))
            yield Route(service, name, resolve(queue["QueueName"]), pattern, " ".join(topic).lower())


def producers() -> dict[str, list[tuple[str, str]]]:
    """(service, short name of its source) of each declared producer of an event, by ``TYPE/SUBTYPE/STATUS``."""
    sources: dict[str, list[tuple[str, str]]] = {}
    for service, template in templates().items():
        for source, kinds in template["Metadata"]["SetPiece"].get("Publishes", {}).items():
            for kind in kinds:
                sources.setdefault(kind, []).append((service, source))
    return sources


def samples() -> dict[str, dict[str, Any]]:
    """The ``detail`` of each sample event, by ``TYPE/SUBTYPE/STATUS``."""
    return {
        path.stem.replace(".", "/").upper(): json.loads(path.read_text()) for path in sorted(SAMPLES.glob("*.json"))
    }


def matches(route: Route, kind: str) -> bool:
    """True if the route accepts the sample event from one of its producers."""
    return any(accepts(route, kind, source) for _, source in producers().get(kind, [("", "unknown")]))


def accepts(route: Route, kind: str, source: str, stage: str = STAGE) -> bool:
    """True if the emulator's matcher finds that the pattern matches the sample event of this source (a short name)."""
    return bool(_matches_pattern(route.pattern, _event(route, kind, f"service-{source}-{stage}")))


def consumers(kind: str) -> list[Route]:
    """The routes of an event to queues."""
    return [route for route in routes() if route.queue and matches(route, kind)]


def _event(route: Route, kind: str, source: str) -> dict[str, Any]:
    """The sample as an event of EventBridge. For a topic, ``detail`` has the message and its attributes."""
    detail = samples()[kind]
    if route.channel != "bus":
        meta_data = detail["event"]["meta_data"]
        detail |= {name: meta_data[name] for name in ("type", "subtype", "status")} | {"origin": "shop"}
    return {
        "EventId": "00000000-0000-4000-8000-000000000000",
        "Source": source,
        "DetailType": "State change Notification",
        "Detail": json.dumps(detail),
        "EventBusName": "checkout-bus",
        "Time": 0,
        "Resources": [],
        "Account": ACCOUNT_ID,
        "Region": REGION,
    }
