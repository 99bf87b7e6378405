"""Every event has a schema, a sample, a producer and a consumer; every rule matches an event."""

import json
import re

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from model import routing
from model.templates import pieces

KINDS = sorted(path.stem.replace(".", "/").upper() for path in routing.SCHEMAS.glob("*.json"))
# The other platform may also publish updates to the topic; the shop publishes them to the bus.
WAYS = {
    "CUSTOMER/PROFILE/CREATED": {"customer topic"},
    "CUSTOMER/PROFILE/UPDATED": {"customer topic", "bus"},
    "VOUCHER/BATCH/COMPLETE": {"voucher topic"},
    "VOUCHER/BATCH/FAILED": {"voucher topic"},
}


def test_every_schema_has_a_sample_and_every_sample_a_schema():
    assert sorted(routing.samples()) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_the_sample_is_valid_and_of_its_kind(kind):
    schema = json.loads((routing.SCHEMAS / f"{kind.replace('/', '.').lower()}.json").read_text())
    sample = routing.samples()[kind]
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(sample)
    meta_data = sample["event"]["meta_data"]
    assert "/".join(meta_data[name] for name in ("type", "subtype", "status")) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_has_a_producer(kind):
    assert routing.producers().get(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_event_has_a_consumer_and_a_way_to_get_there(kind):
    assert {route.channel for route in routing.consumers(kind)} == WAYS.get(kind, {"bus"})


@pytest.mark.parametrize("route", routing.routes(), ids=lambda route: route.rule)
def test_every_rule_matches_an_event(route):
    assert any(routing.matches(route, kind) for kind in KINDS)


@pytest.mark.parametrize("route", [route for route in routing.routes() if route.queue], ids=lambda route: route.rule)
def test_no_rule_matches_every_event(route):
    assert not all(routing.matches(route, kind) for kind in KINDS)


def test_only_known_events_are_declared():
    assert set(routing.producers()) <= set(KINDS)


def publishers() -> set[str]:
    """Services with a function that may put events on the bus or messages on a topic of its own; alarms are no events."""
    return {
        service
        for service in routing.templates()
        for function in routing.resources(service, "AWS::Serverless::Function").values()
        for policy in function.get("Policies", [])
        for statement in map(json.dumps, policy["Statement"])
        if re.search(r"events:PutEvents|sns:Publish", statement) and "AlarmTopicArn" not in statement
    }


def test_services_with_permission_to_publish_are_the_declared_producers():
    declared = {service for producer_set in routing.producers().values() for service, _ in producer_set}
    assert publishers() == declared


@pytest.mark.parametrize(
    ("service", "source"),
    sorted({producer for event_producers in routing.producers().values() for producer in event_producers}),
)
def test_a_source_is_the_one_in_the_code(service, source):
    folders = {handler.parents[2] for handler in pieces()[service].handlers.values()}
    code = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    assert f'"{source}"' in code
