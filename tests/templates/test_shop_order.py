"""The shop creates everything that a container needs to start before the container's service."""

import json
import re
from typing import Any

import pytest

from model.templates import pieces
from tests.templates.parameters import NESTED, service

ADDRESS = re.compile(r"/setpieces/\$\{Stage\}/([a-z-]+)/")


def dependencies(resource: dict[str, Any]) -> set[str]:
    """The resources that the shop's template creates before ``resource``."""
    named = resource.get("DependsOn", [])
    attributes = (value for value in resource["Properties"]["Parameters"].values() if isinstance(value, dict))
    return (
        {named}
        if isinstance(named, str)
        else {*named} | {value["Fn::GetAtt"][0] for value in attributes if "Fn::GetAtt" in value}
    )


def before(name: str) -> set[str]:
    """The services that are complete before the nested stack ``name`` starts."""
    complete: set[str] = set()
    waiting = dependencies(NESTED[name])
    while waiting:
        complete |= waiting
        waiting = {each for one in waiting for each in dependencies(NESTED[one])} - complete
    return {service(each) for each in complete}


@pytest.mark.parametrize("name", [name for name in NESTED if pieces()[service(name)].of_type("AWS::ECS::Service")])
def test_addresses_that_containers_start_with_are_published_before(name: str):
    resources = pieces()[service(name)].source["Resources"].values()
    tasks = [each["Properties"] for each in resources if each["Type"] == "AWS::ECS::TaskDefinition"]
    needed = set(ADDRESS.findall(json.dumps(tasks)))
    assert needed
    assert needed <= before(name)
