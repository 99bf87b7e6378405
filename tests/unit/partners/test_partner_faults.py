"""Injected faults, failures of the table, and requests that conflict."""

from typing import Any, NoReturn

import pytest
from botocore.exceptions import ReadTimeoutError

from partners import repository
from partners.domain.operations import Conflict, Write
from setpieces import aws
from tests.faults import Faults, refused
from tests.unit.partners.client import Simulators
from tests.unit.partners.samples import PRODUCT


@pytest.mark.parametrize(("fault", "status"), [({"outage": True}, 503), ({"error_rate": 1}, 500)])
def test_an_injected_failure_prevents_the_effect(simulators: Simulators, fault: dict[str, Any], status: int) -> None:
    assert simulators.call("PUT", "faults/commerce", fault).status == 200
    response = simulators.call("PUT", "commerce/products/S-1", PRODUCT)
    assert response.status == status
    assert simulators.call("GET", "tax/rates").status == 200
    assert simulators.call("DELETE", "faults/commerce").status == 204
    assert simulators.call("GET", "commerce/products/S-1").status == 404
    assert simulators.ledger("products", "S-1") == []


def test_a_fault_can_be_limited_to_operations(simulators: Simulators) -> None:
    fault = {"outage": True, "operations": ["get_product"]}
    assert simulators.call("PUT", "faults/commerce", fault).body == {"latency_ms": 0, "error_rate": 0} | fault
    assert simulators.call("GET", "faults/commerce").body["operations"] == ["get_product"]
    assert simulators.call("PUT", "commerce/products/S-1", PRODUCT).status == 201
    assert simulators.call("GET", "commerce/products/S-1").status == 503


def test_a_refusal_has_the_injected_latency(simulators: Simulators) -> None:
    simulators.call("PUT", "faults/commerce", {"latency_ms": 1500})
    simulators.call("GET", "commerce/products/none")
    assert 1.5 in simulators.delays


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"latency_ms": 25_001}, "/latency_ms"),
        ({"latency_ms": -1}, "/latency_ms"),
        ({"latency_ms": True}, "/latency_ms"),
        ({"error_rate": 1.01}, "/error_rate"),
        ({"error_rate": "1"}, "/error_rate"),
        ({"outage": 1}, "/outage"),
        ({"operations": []}, "/operations"),
        ({"operations": ["get_product", "get_charge"]}, "/operations/1"),
        ({"speed": 1}, "/speed"),
    ],
)
def test_an_invalid_fault_is_400(simulators: Simulators, body: dict[str, Any], pointer: str) -> None:
    response = simulators.call("PUT", "faults/commerce", body)
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, pointer)


@pytest.mark.parametrize(("code", "status"), [("ThrottlingError", 503), ("ValidationError", 500)])
def test_a_failure_of_the_table_is_not_a_conflict(
    simulators: Simulators, faults: Faults, code: str, status: int
) -> None:
    error = refused("TransactWriteItems", "TransactionCanceledException", CancellationReasons=[{"Code": code}])
    faults.fail("TransactWriteItems", error)
    assert simulators.call("PUT", "commerce/products/S-1", PRODUCT).status == status


def test_a_simulator_waits_longer_than_a_service_for_a_slow_table(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no outages but injected ones. With the 2 s of a service, a busy machine caused others."""

    def time_out(*_: Any) -> NoReturn:
        raise ReadTimeoutError(endpoint_url="dynamodb")

    monkeypatch.setattr(aws.client("dynamodb"), "_make_api_call", time_out)
    assert simulators.call("PUT", "commerce/products/S-1", PRODUCT).status == 201
    assert simulators.call("GET", "commerce/products/S-1").status == 200


def test_a_request_that_always_conflicts_is_503(simulators: Simulators, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(*_: Write) -> NoReturn:
        raise Conflict

    monkeypatch.setattr(repository, "write", conflict)
    response = simulators.call("PUT", "commerce/products/S-1", PRODUCT)
    assert (response.status, response.body["code"]) == (503, "CONCURRENT_CHANGE")
    assert response.headers["Retry-After"] == "1"
