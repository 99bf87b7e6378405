"""A change publishes function versions behind aliases and deployments of APIs."""

import itertools
import time
from typing import Any

import pytest
from samtranslator.translator.logical_id_generator import LogicalIdGenerator

from model.templates import Piece, named, pieces, published_parameters
from tools import stack_parameters

BEFORE = {"Stage": "dev", "SnapStart": "None", "LogRetentionDays": "14"}


def aliased() -> dict[str, list[str]]:
    """The functions behind an alias, by piece."""
    return {
        service: [
            name
            for name, resource in piece.source["Resources"].items()
            if resource["Type"] == "AWS::Serverless::Function"
            and "AutoPublishAlias" in {**piece.source.get("Globals", {}).get("Function", {}), **resource["Properties"]}
        ]
        for service, piece in pieces().items()
    }


ALIASED = {service: functions for service, functions in aliased().items() if functions}


def expanded(piece: Piece, **parameters: str) -> dict[str, Any]:
    defaults = {name: str(each.get("Default", "x")) for name, each in piece.source["Parameters"].items()}
    resources: dict[str, Any] = piece.expanded(defaults | parameters)["Resources"]
    return resources


def versions(service: str, release: str) -> set[str]:
    resources = expanded(pieces()[service], Release=release)
    for name in ALIASED[service]:
        assert resources[name]["Properties"]["Description"].endswith(release), "Lambda would publish nothing"
    return {name for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::Version"}


def stack(status: str, release: str) -> dict[str, Any]:
    return {"StackStatus": status, "Parameters": [{"ParameterKey": "Release", "ParameterValue": release}]}


def next_attempts() -> dict[str, tuple[dict[str, str], str]]:
    """Deployments after a previous one: (parameters of the next one, state of the stack)."""
    return {
        "a parameter changed": (BEFORE | {"SnapStart": "PublishedVersions"}, "UPDATE_COMPLETE"),
        "a parameter is new": (BEFORE | {"SiteId": "Another Shop"}, "CREATE_COMPLETE"),
        "it was rolled back": (BEFORE, "UPDATE_ROLLBACK_COMPLETE"),
        "it failed": (BEFORE, "UPDATE_FAILED"),
    }


def test_three_pieces_have_aliases():
    assert {service: len(functions) for service, functions in ALIASED.items()} == {
        "basket": 5,
        "catalog": 2,
        "orders": 2,
    }


@pytest.mark.parametrize("service", ALIASED)
@pytest.mark.parametrize("since", next_attempts())
def test_the_next_deployment_publishes_versions_that_no_stack_had(service: str, since: str):
    """SAM uses only the first characters of Release."""
    parameters, status = next_attempts()[since]
    release = stack_parameters.release(BEFORE, None)
    again = stack_parameters.release(parameters, stack(status, release))
    assert not versions(service, release) & versions(service, again)
    assert len(versions(service, again)) == len(ALIASED[service])


@pytest.mark.parametrize("service", ALIASED)
def test_two_attempts_at_a_first_deployment_publish_different_versions(service: str):
    assert not versions(service, stack_parameters.release(BEFORE, None)) & versions(
        service, stack_parameters.release(BEFORE, None)
    )


@pytest.mark.parametrize("service", ALIASED)
@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE"])
def test_an_unchanged_deployment_publishes_no_version(service: str, status: str):
    release = stack_parameters.release(BEFORE, None)
    assert versions(service, release) == versions(
        service, stack_parameters.release(dict(BEFORE), stack(status, release))
    )


def test_sam_names_versions_by_as_many_characters_as_an_attempt_has():
    assert LogicalIdGenerator.HASH_LENGTH == stack_parameters.VERSION_CHARACTERS == len(stack_parameters.new_release())


@pytest.mark.parametrize(
    "service", sorted(name for name, piece in pieces().items() if piece.of_type("AWS::ApiGateway::RestApi"))
)
def test_a_parameter_in_the_document_of_an_api_is_served(service: str, monkeypatch: pytest.MonkeyPatch):
    """A stage serves a deployment, and CloudFormation makes another one only under another name."""
    seconds = itertools.count(1)
    monkeypatch.setattr(time, "time", lambda: next(seconds))
    piece = pieces()[service]
    settable = piece.source.get("Parameters", {}).keys() - published_parameters(piece.source).keys()
    for name in settable - {"Stage"}:
        one, another = (expanded(piece, **{name: value}) for value in ("1", "2"))
        apis = {api for api, each in one.items() if each["Type"] == "AWS::ApiGateway::RestApi"}
        if any(name in named(one[api]["Properties"]["Body"]) for api in apis):
            assert deployments(one).isdisjoint(deployments(another)), name


def deployments(resources: dict[str, Any]) -> set[str]:
    return {name for name, resource in resources.items() if resource["Type"] == "AWS::ApiGateway::Deployment"}
