"""Reads ``outages.yaml``: the series that resources publish in each outage, and the alarms that must be raised."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).parent
OURS = "SetPieces"
NAMESPACES = {
    "AWS::ApiGateway::RestApi": "AWS/ApiGateway",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "AWS/ApplicationELB",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "AWS/ApplicationELB",
    "AWS::Events::Rule": "AWS/Events",
    "AWS::KinesisFirehose::DeliveryStream": "AWS/Firehose",
    "AWS::Lambda::Function": "AWS/Lambda",
    "AWS::SQS::Queue": "AWS/SQS",
    "AWS::StepFunctions::StateMachine": "AWS/States",
}
TABLE: dict[str, Any] = yaml.safe_load((HERE / "outages.yaml").read_text())
PUBLISHED: dict[str, Any] = yaml.safe_load((HERE / "aws_metrics.yaml").read_text())

Counts = dict[float, float]
# "<nested stack> <logical id>" to what the dimensions of its metrics may be.
Resources = Mapping[str, "Resource"]


class Resource(NamedTuple):
    """A deployed resource, with the values of every dimension of its metrics."""

    kind: str
    dimensions: dict[str, str]


class Outage(NamedTuple):
    """``metrics``: by resource, by metric, how often which value occurs. ``alarms`` go to ``state``, no other does."""

    name: str
    metrics: dict[str, dict[str, Counts]]
    every: dict[str, int]
    alarms: frozenset[str]
    state: str


def outages() -> Iterator[Outage]:
    """Every outage of every resource."""
    for row in TABLE["outages"]:
        for resource, alarms in row["alarms"].items():
            metrics = row["publishes"]
            if row["of"] == OURS:
                metrics = {metric: metrics[metric] for metric in [resource.split()[0]]}
            yield Outage(
                f"{row['outage']}: {resource}",
                {resource: metrics, **row.get("also", {})},
                TABLE["every"] | row.get("every", {}),
                frozenset(alarms),
                row.get("state", "ALARM"),
            )


def healthy(resources: Resources) -> Outage:
    """The state without an outage."""
    metrics = {name: TABLE["healthy"].get(resource.kind, {}) for name, resource in resources.items()}
    custom_metrics = {name: {name.split()[0]: counts} for name, counts in TABLE["healthy"][OURS].items()}
    return Outage("healthy", metrics | custom_metrics, TABLE["every"], frozenset(), "OK")


def series(outage: Outage, resources: Resources) -> dict[Any, dict[str, Any]]:
    """What is published, by namespace, metric and dimensions, as the local cloud's simulation has it."""
    series_by_key: dict[Any, dict[str, Any]] = {}
    for name, metrics in outage.metrics.items():
        for metric, counts in metrics.items():
            for namespace, title, dimensions in _series(name, metric, resources):
                series_by_key[namespace, title, frozenset(dimensions.items())] = {
                    "Namespace": namespace,
                    "MetricName": title,
                    "Dimensions": dimensions,
                    "Unit": TABLE["units"].get(title, "Count"),
                    "Seconds": outage.every.get(title, 60),
                    "Counts": [*counts.items()],
                }
    return series_by_key


def _series(name: str, metric: str, resources: Resources) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(namespace, metric, dimensions) of every series in which a metric of a resource is published."""
    if name not in resources:
        yield OURS, metric, dict(dimension.split("=") for dimension in name.split()[1:])
        return
    kind, values = resources[name]
    namespace, _, title = metric.rpartition(" ")
    if namespace == OURS:
        yield OURS, title, {dimension: values[dimension] for dimension in ("service", "queue")}
        return
    for dimensions in dimension_sets(NAMESPACES[kind], metric):
        # A rule of a bus of its own has no series of a rule of the default bus.
        if dimensions <= values.keys() and ("EventBusName" not in values or "EventBusName" in dimensions):
            yield NAMESPACES[kind], metric, {dimension: values[dimension] for dimension in dimensions}


def dimension_sets(namespace: str, metric: str) -> list[frozenset[str]]:
    groups = [group for group in PUBLISHED[namespace]["series"] if metric in group["metrics"]]
    if not groups:
        raise LookupError(f"{namespace} {metric} is not in aws_metrics.yaml")
    return [frozenset(dimensions) for group in groups for dimensions in group["dimensions"]]
