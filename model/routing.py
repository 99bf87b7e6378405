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

# What parameters and pseudo parameters stand for where a pattern or a name uses them.
VALUES = {"Stage": STAGE, "AWS::AccountId": ACCOUNT_ID, "AWS::Region": REGION, "AWS::Partition": "aws"}


@dataclass(frozen=True)
class Route:
    """One target of one rule, or one queue of one subscription. ``queue`` is empty for a target that is no queue."""

    service: str
    rule: str
    queue: str
    pattern: str
    over: str


@cache
def templates() -> dict[str, Mapping[str, Any]]:
    """Every set piece's template by service, with intrinsics in long form."""
    return {service: piece.source for service, piece in pieces().items()}


def resources(service: str, resource_type: str) -> dict[str, dict[str, Any]]:
    """Properties of a template's resources of one type, by logical id."""
    found = templates()[service]["Resources"].items()
    return {name: resource["Properties"] for name, resource in found if resource["Type"] == resource_type}


def plain(value: Any) -> Any:
    """``value`` with references to parameters and substitutions carried out; other references stay as they are."""
    match value:
        case {"Ref": str(name)} if name in VALUES:
            return VALUES[name]
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:]+)\}", lambda match: VALUES.get(match[1], match[0]), text)
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
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
            # Schedules, and what AWS itself tells on the default bus.
            continue
        for target in rule["Targets"]:
            queue = queues.get(logical_id(target["Arn"]), {})
            pattern = json.dumps(plain(rule["EventPattern"]))
            yield Route(service, plain(rule["Name"]), plain(queue.get("QueueName", "")), pattern, "bus")


def _subscriptions(service: str) -> Iterator[Route]:
    """Queues that listen to a topic. A filter policy is a pattern over the message or its attributes."""
    queues = resources(service, "AWS::SQS::Queue")
    for name, subscription in resources(service, "AWS::SNS::Subscription").items():
        queue = queues.get(logical_id(subscription["Endpoint"]))
        if queue:
            pattern = json.dumps({"detail": plain(subscription.get("FilterPolicy", {}))})
            topic = _WORDS.findall(logical_id(subscription["TopicArn"]).removesuffix("Arn"))
            yield Route(service, name, plain(queue["QueueName"]), pattern, " ".join(topic).lower())


def producers() -> dict[str, list[tuple[str, str]]]:
    """(service, source short name) of everyone who says that they publish an event, by ``TYPE/SUBTYPE/STATUS``."""
    found: dict[str, list[tuple[str, str]]] = {}
    for service, document in templates().items():
        for source, kinds in document["Metadata"]["SetPiece"].get("Publishes", {}).items():
            for kind in kinds:
                found.setdefault(kind, []).append((service, source))
    return found


def samples() -> dict[str, dict[str, Any]]:
    """The ``detail`` of the sample of every event, by ``TYPE/SUBTYPE/STATUS``."""
    return {
        path.stem.replace(".", "/").upper(): json.loads(path.read_text()) for path in sorted(SAMPLES.glob("*.json"))
    }


def matches(route: Route, kind: str) -> bool:
    """Does a sample take this route? Tried with the matcher of the local cloud, once for each producer."""
    return any(takes(route, kind, source) for _, source in producers().get(kind, [("", "nobody")]))


def takes(route: Route, kind: str, source: str, stage: str = STAGE) -> bool:
    """Does a sample take this route when the service of this source short name publishes it?"""
    return bool(_matches_pattern(route.pattern, _framed(route, kind, f"service-{source}-{stage}")))


def consumers(kind: str) -> list[Route]:
    """The routes that an event takes into a queue."""
    return [route for route in routes() if route.queue and matches(route, kind)]


def _framed(route: Route, kind: str, source: str) -> dict[str, Any]:
    """The sample as it arrives: on the bus within EventBridge's frame, from a topic with its message attributes."""
    detail = samples()[kind]
    if route.over != "bus":
        meta_data = detail["event"]["meta_data"]
        # A filter policy is about the one or the other.
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
