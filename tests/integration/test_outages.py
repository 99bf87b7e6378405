"""In an outage the expected alarms go off, and no others: on the metrics that AWS would publish, with what it leaves out.

The alarms are those that the shop deployed. ``tests/templates/outages.yaml`` says what is published. A simulation (see
``local.emulator.service_metrics``) has these values at all times, so the state of an alarm does not depend on when it is read.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from model.settings import REGION
from model.templates import pieces
from tests.integration.alarm_topic import listening
from tests.templates import outages
from tests.templates.outages import Outage, Resource
from tools.client import Shop, eventually

pytestmark = pytest.mark.local_only("it publishes metrics in the place of AWS services, and sets off every alarm")

States = dict[str, str]


def dimensions_of(deployed: dict[str, Any], stage: str) -> dict[str, str]:
    """The values of every dimension in which AWS publishes metrics of a resource."""
    properties, identity = deployed["properties"], deployed["physical_id"]
    match deployed["type"]:
        case "AWS::ApiGateway::RestApi":
            return {"ApiName": properties["Name"], "Stage": stage}
        case "AWS::ElasticLoadBalancingV2::LoadBalancer":
            return {"LoadBalancer": identity.partition(":loadbalancer/")[2], "AvailabilityZone": f"{REGION}a"}
        case "AWS::ElasticLoadBalancingV2::TargetGroup":
            return {"TargetGroup": identity.rpartition(":")[2], "AvailabilityZone": f"{REGION}a"}
        case "AWS::Events::Rule":
            bus = {"EventBusName": properties["EventBusName"]} if "EventBusName" in properties else {}
            return {"RuleName": identity, **bus}
        case "AWS::KinesisFirehose::DeliveryStream":
            return {"DeliveryStreamName": identity}
        case "AWS::Lambda::Function":
            return {"FunctionName": identity}
        case "AWS::SQS::Queue":
            name = identity.rpartition("/")[2]
            return {"QueueName": name, "queue": name}
        case "AWS::StepFunctions::StateMachine":
            return {"StateMachineArn": identity}
    raise LookupError(deployed["type"])


@pytest.fixture(scope="module")
def resources(shop: Shop) -> dict[str, Resource]:
    deployed = shop.emulator("GET", "/_setpieces/resources").json()
    nested = {
        one["physical_id"].split("/")[1]: one["logical_id"]
        for one in deployed
        if one["type"] == "AWS::CloudFormation::Stack"
    }
    applications = pieces()["shop"].source["Resources"]
    by_name = {}
    for one in deployed:
        if one["type"] in outages.NAMESPACES and one["stack"] in nested:
            stack = nested[one["stack"]]
            service = applications[stack]["Properties"]["Location"].removesuffix(".yaml")
            dimensions = {"service": service, **dimensions_of(one, shop.stage)}
            by_name[f"{stack} {one['logical_id']}"] = Resource(one["type"], dimensions)
    balancer = by_name["Edge Balancer"].dimensions["LoadBalancer"]
    for resource in by_name.values():
        if "TargetGroup" in resource.dimensions:
            resource.dimensions["LoadBalancer"] = balancer
    return by_name


@pytest.fixture(scope="module")
def publish(shop: Shop, resources: dict[str, Resource]) -> Iterator[Callable[[Outage], None]]:
    """Publishes the metrics of an outage, and of all else that it is well, in the place of everything published before."""
    healthy = outages.series(outages.healthy(resources), resources)

    def put(outage: Outage) -> None:
        published = healthy | outages.series(outage, resources)
        shop.emulator("PUT", "/_setpieces/metrics", json=[*published.values()]).raise_for_status()

    yield put
    shop.emulator("DELETE", "/_setpieces/metrics").raise_for_status()


@pytest.fixture(scope="module")
def messages(shop: Shop) -> Iterator[Callable[[], list[str]]]:
    with listening(shop) as received:
        yield received


def states(shop: Shop) -> States:
    """The state of every alarm of the stage, by its name without the stage's prefix."""
    prefix = f"setpieces-{shop.stage}-"
    pages = shop.aws("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix)
    return {one["AlarmName"].removeprefix(prefix): one["StateValue"] for page in pages for one in page["MetricAlarms"]}


def states_other_than_ok(shop: Shop) -> States:
    return {name: state for name, state in states(shop).items() if state != "OK"}


def test_every_alarm_is_in_the_table(shop: Shop):
    """Each that is deployed goes off in some outage, and each in the table is deployed."""
    assert set(states(shop)) == {alarm for outage in outages.outages() for alarm in outage.alarms}


def test_an_idle_stage_publishes_nothing_and_raises_no_alarm(shop: Shop, publish: Callable[[Outage], None]):
    """But the one that waits for the nightly run."""
    shop.emulator("PUT", "/_setpieces/metrics", json=[]).raise_for_status()
    assert states_other_than_ok(shop) == {"sitemaps-no-run": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize("outage", [pytest.param(outage, id=outage.name) for outage in outages.outages()])
def test_outage(
    shop: Shop,
    resources: dict[str, Resource],
    publish: Callable[[Outage], None],
    messages: Callable[[], list[str]],
    outage: Outage,
):
    publish(outages.healthy(resources))
    assert states_other_than_ok(shop) == {}
    publish(outage)
    assert states_other_than_ok(shop) == dict.fromkeys(outage.alarms, outage.state)
    silent = {f"setpieces-{shop.stage}-{name}" for name in outage.alarms}

    def all_arrived() -> bool:
        notifications = map(json.loads, messages())
        silent.difference_update(one["AlarmName"] for one in notifications if one.get("NewStateValue") == outage.state)
        assert not silent
        return True

    if silent:
        eventually(all_arrived)
    publish(outages.healthy(resources))
    assert states_other_than_ok(shop) == {}
