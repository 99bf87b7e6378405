"""Timers and the cost of passwords are parameters: all stages deploy the defaults, stage local less, by its overrides alone."""

from typing import Any

import pytest

from apigw_executor.document import Document, Operation
from model.templates import pieces
from tools.stages import STAGES, stage_parameters

# Parameter: the service that has it, what is deployed, what stage local has instead. Timers are in seconds.
TIMERS = {
    "AuthorizerCacheSeconds": ("customers", 60, 5),
    "PasswordHashCost": ("partners", 2**14, 2),
    "RedirectRefreshSeconds": ("redirects", 20, 2),
    "TaxCoolDownSeconds": ("tax", 20, 6),
}
# All clients of this machine have one address, from which tests send more than a customer may.
LIMITS = {
    *("FoundationRequestsPerFiveMinutes", "EdgeRequestsPerFiveMinutes"),
    *("LoginFailuresPerClient", "LoginFailuresPerAddress"),
}
# Parameters that every stage sets.
OWN = {"Stage", "StageAccountId", "LogRetentionDays", "Deployment", "MailFrom"}


def declared(service: str) -> dict[str, Any]:
    return pieces()[service].source["Parameters"]


@pytest.mark.parametrize("name", TIMERS)
def test_every_stage_but_local_has_the_default_of_a_timer(name: str):
    service, default, _ = TIMERS[name]
    assert declared(service)[name]["Default"] == default


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "local"])
def test_stages_in_aws_deploy_the_defaults(stage: str):
    assert set(stage_parameters(stage)) <= OWN


def test_the_local_stage_differs_in_its_timers_and_request_limits_only():
    short = {name: value for name, value in stage_parameters("local").items() if name not in OWN | LIMITS}
    assert short == {name: str(seconds) for name, (_, _, seconds) in TIMERS.items()}


@pytest.mark.parametrize("name", TIMERS)
def test_both_values_of_a_timer_are_within_its_limits(name: str):
    service, default, short = TIMERS[name]
    limits = declared(service)[name]
    assert limits["MinValue"] <= short < default <= limits["MaxValue"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_overridden_parameter_is_declared(stage: str):
    assert set(stage_parameters(stage)) <= set(declared("shop"))


def test_functions_and_authorizers_use_the_timers():
    """Functions read timers from their environment, customer authorizers from their document; changes are never cached."""
    documents = pieces()["customers"].apis.values()
    authorizers = [operation.authorizer for each in documents for operation in operations(each)]
    cached = {each.name: each.ttl for each in authorizers if each}
    assert cached == {"customer": 60, "customerNow": 0}
    assert variables("partners", "SimulateFunction")["PASSWORD_HASH_COST"] == 2**14
    assert variables("redirects", "RedirectFunction")["REFRESH_SECONDS"] == 20
    assert variables("tax", "QuoteTaxFunction")["COOL_DOWN_SECONDS"] == 20


def operations(document: Document) -> list[Operation]:
    return [operation for methods in document.resources.values() for operation in methods.values()]


def variables(service: str, function: str) -> dict[str, Any]:
    return pieces()[service].of_type("AWS::Lambda::Function")[function]["Environment"]["Variables"]
