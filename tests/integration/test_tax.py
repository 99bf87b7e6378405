"""Quotations of the running shop: the tax system's own, and cached rates when it fails."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.quotations import PATH, REQUEST, TAX_IN_GERMANY
from tests.integration.strangers import stranger
from tools.client import Shop, eventually, with_retries


def request_quotation(shop: Shop, **changes: Any) -> httpx.Response:
    return shop.call("POST", PATH, json=REQUEST | changes, sign=True)


def quote(shop: Shop, **changes: Any) -> dict[str, Any]:
    response = request_quotation(shop, **changes)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture(autouse=True)
def _closed_circuit(shop: Shop) -> Iterator[None]:
    """Every test finds and leaves the circuit closed, without waiting for it to cool down."""
    close(shop)
    yield
    close(shop)


def close(shop: Shop) -> None:
    shop.aws("dynamodb").delete_item(TableName=table(shop), Key={"id": {"S": "circuit"}})
    # Instances look at the state every two seconds.
    eventually(lambda: quote(shop)["source"] == "quotation", every=0.5)


def test_the_tax_systems_quotation_is_used(shop: Shop):
    response = quote(shop)
    assert response["source"] == "quotation"
    assert response["tax_total"] == TAX_IN_GERMANY
    assert [line["rate"] for line in response["lines"]] == [1900, 1900]
    assert set(response) == {"tax_total", "lines", "source", "rate_version", "quoted_at"}


@pytest.mark.parametrize("fault", [{"outage": True}, {"error_rate": 1}, {"latency_ms": 8000}])
def test_cached_rates_give_the_same_tax_and_are_marked(shop: Shop, fault: dict):
    with shop.faults("tax", **fault):
        responses = [quote(shop) for _ in range(3)]
    assert {(response["source"], response["tax_total"]) for response in responses} == {("cached_rates", TAX_IN_GERMANY)}


def test_a_failing_tax_system_opens_the_circuit_until_it_recovers(shop: Shop):
    """While the circuit is open no request waits for a slow system; it closes after the system recovers."""
    with shop.faults("tax", latency_ms=8000), ThreadPoolExecutor(8) as clients:
        responses = list(clients.map(lambda _: with_retries(lambda: request_quotation(shop)), range(16)))
        assert {response.status_code for response in responses} == {200}
        opened = shop.aws("dynamodb").get_item(TableName=table(shop), Key={"id": {"S": "circuit"}}, ConsistentRead=True)
        assert int(opened["Item"]["failures"]["N"]) >= 5
    eventually(lambda: quote(shop)["source"] == "quotation", every=0.5)


def table(shop: Shop) -> str:
    """The table of quote_tax, by its own configuration."""
    function = shop.aws("lambda").get_function_configuration(FunctionName=f"setpieces-{shop.stage}-tax-quote-tax")
    return function["Environment"]["Variables"]["TABLE_NAME"]


def test_rates_are_refreshed(shop: Shop):
    function = f"setpieces-{shop.stage}-tax-refresh-rates"
    response = shop.aws("lambda").invoke(FunctionName=function, Payload=b"{}")
    assert "FunctionError" not in response
    version = json.loads(response["Payload"].read())["rate_version"]
    with shop.faults("tax", outage=True):
        assert quote(shop)["rate_version"] == version


def test_an_unknown_destination_is_a_422_either_way(shop: Shop):
    nowhere = REQUEST | {"ship_to": {"country": "XX", "postal_code": "1"}}
    response = shop.call("POST", PATH, json=nowhere, sign=True)
    assert (response.status_code, response.json()["code"]) == (422, "UNKNOWN_JURISDICTION")
    with shop.faults("tax", outage=True):
        fallen_back = shop.call("POST", PATH, json=nowhere, sign=True)
    assert (fallen_back.status_code, fallen_back.json()["errors"]) == (422, response.json()["errors"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("[]", 400),
        ("{}", 400),
        ('{"lines": NaN}', 400),
        (json.dumps(REQUEST | {"surplus": 1}), 400),
        (json.dumps(REQUEST | {"lines": []}), 400),
        (json.dumps(REQUEST | {"lines": [{"sku": "S", "quantity": 10**400, "unit_price": 1}]}), 400),
        (json.dumps(REQUEST | {"ship_to": {"country": "DE", "postal_code": ["1"]}}), 400),
        (json.dumps(REQUEST | {"currency": "€"}), 400),
    ],
    ids=lambda value: str(value)[:40],
)
def test_malformed_requests_are_a_problem(shop: Shop, body: str, status: int):
    response = shop.call("POST", PATH, content=body, headers={"Content-Type": "application/json"}, sign=True)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_only_authorized_services_get_a_quotation(shop: Shop):
    assert shop.call("POST", PATH, json=REQUEST).status_code == 403
    assert shop.call("POST", PATH, json=REQUEST, sign=True, session=stranger(shop)).status_code == 403
