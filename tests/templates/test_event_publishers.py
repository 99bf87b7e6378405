"""A rule accepts an event from its publishers only, and a role publishes as its own service only.

The one is worth nothing without the other. Which service publishes what is in the templates (``Metadata.SetPiece.Publishes``);
that policies and patterns mean what they say is tried in ``tests/resilience/test_event_sources.py``.
"""

from fnmatch import fnmatchcase
from typing import Any

import pytest

from model.grants import as_list, role_policies, statements
from model.routing import Route, accepts, producers, routes, samples
from model.settings import STAGE
from model.templates import iter_resources

# They may speak for every service: tests put events on the bus as its services do. No stage that customers use has them.
TESTS = {"delivery"}
ALL = sorted({source for sources in producers().values() for _, source in sources})
ON_THE_BUS = [route for route in routes() if route.channel == "bus" and route.queue]


def publishers(kind: str) -> set[str]:
    return {source for _, source in producers()[kind]}


def test_rules_and_sources_are_read_from_the_templates():
    assert len(ON_THE_BUS) >= 6
    assert {"payment", "order", "order-submit", "customers", "login", "event-relay"} <= set(ALL)


@pytest.mark.parametrize("route", ON_THE_BUS, ids=lambda route: route.rule)
def test_a_rule_matches_events_of_its_publishers_only(route: Route):
    wrong = [
        (kind, source)
        for kind in samples()
        if any(accepts(route, kind, source) for source in ALL)
        for source in [*ALL, "test", "payments"]
        if accepts(route, kind, source) != (source in publishers(kind))
    ]
    assert wrong == []


@pytest.mark.parametrize("route", ON_THE_BUS, ids=lambda route: route.rule)
def test_a_rule_matches_no_event_of_another_stage(route: Route):
    assert not any(accepts(route, kind, source, stage="other") for kind in samples() for source in ALL)


def puts() -> list[tuple[str, str, dict[str, Any]]]:
    """(service, role, statement) of every statement that allows a role to put events on a bus."""
    statements_by_role = []
    for piece, name, _ in iter_resources("AWS::IAM::Role"):
        for _, document in role_policies(piece, name) if piece.service not in TESTS else ():
            for statement in statements(document):
                actions = as_list(statement.get("Action", "*"))
                if statement["Effect"] == "Allow" and any(fnmatchcase("events:PutEvents", each) for each in actions):
                    statements_by_role.append((piece.service, name, statement))
    return statements_by_role


@pytest.mark.parametrize(("service", "role", "statement"), puts(), ids=lambda value: str(value)[:40])
def test_a_role_publishes_as_its_own_service_only(service: str, role: str, statement: dict[str, Any]):
    declared = {
        f"service-{source}-{STAGE}"
        for publishers in producers().values()
        for who, source in publishers
        if who == service
    }
    sources = set(as_list(statement["Condition"]["StringEquals"]["events:source"]))
    assert sources
    assert sources <= declared


def test_every_publishing_service_has_a_grant_to_publish():
    publishers = {
        service
        for kind, event_producers in producers().items()
        for service, source in event_producers
        if any(accepts(route, kind, source) for route in ON_THE_BUS)
    }
    assert {service for service, _, _ in puts()} == publishers


def invokers() -> list[tuple[str, str, dict[str, Any]]]:
    """(service, name, properties) of every permission of an AWS service to call a function."""
    return [(piece.service, name, properties) for piece, name, properties in iter_resources("AWS::Lambda::Permission")]


@pytest.mark.parametrize(("service", "name", "permission"), invokers(), ids=lambda value: str(value)[:40])
def test_a_function_is_called_from_its_own_source_only(service: str, name: str, permission: dict[str, Any]):
    assert permission.get("SourceArn"), "any resource of that service, also of another account, may call it"
