"""Charges: one per idempotency key. Quotations of tax."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.unit.partners.client import Simulators
from tests.unit.partners.samples import CHARGE, QUOTATION


def test_concurrent_duplicates_charge_once(simulators: Simulators) -> None:
    with ThreadPoolExecutor(8) as clients:
        responses = list(
            clients.map(
                lambda _: simulators.call("POST", "payments/charges", CHARGE, headers={"Idempotency-Key": "K1"}),
                range(8),
            )
        )
    assert sorted(response.status for response in responses) == [200] * 7 + [201]
    assert len({response.body["charge_id"] for response in responses}) == 1
    assert len(simulators.ledger("charges", "K1")) == 1


def test_a_stored_charge_has_no_payment_token(simulators: Simulators) -> None:
    simulators.call("POST", "payments/charges", CHARGE, headers={"Idempotency-Key": "K1"})
    assert "tok_ok" not in json.dumps(simulators.items())


@pytest.mark.parametrize(
    ("token", "status", "charge_status"),
    [("tok_ok", 201, "authorized"), ("tok_declined", 201, "declined"), ("tok_slow", 201, "authorized")],
)
def test_the_token_determines_the_status_of_a_charge(
    simulators: Simulators, token: str, status: int, charge_status: str
) -> None:
    response = simulators.call(
        "POST", "payments/charges", CHARGE | {"payment_token": token}, headers={"Idempotency-Key": "K1"}
    )
    assert (response.status, response.body["status"]) == (status, charge_status)
    assert simulators.call("GET", "payments/charges/K1").body == response.body


def test_a_slow_charge_is_stored_before_its_response_and_its_repeat_is_fast(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeps: list[tuple[float, int]] = []

    def sleep(seconds: float) -> None:
        entries = [item for item in simulators.items() if item["collection"] == "ledger/charges"]
        sleeps.append((seconds, len(entries)))

    monkeypatch.setattr(time, "sleep", sleep)
    body = CHARGE | {"payment_token": "tok_slow"}
    assert simulators.call("POST", "payments/charges", body, headers={"Idempotency-Key": "K1"}).status == 201
    assert (8.0, 1) in sleeps
    sleeps.clear()
    assert simulators.call("POST", "payments/charges", body, headers={"Idempotency-Key": "K1"}).status == 200
    assert max(seconds for seconds, _ in sleeps) == 0


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (CHARGE | {"amount": 1}, {"Idempotency-Key": "K1"}, 409),
        (CHARGE | {"payment_token": "tok_x"}, {"Idempotency-Key": "K2"}, 422),
        (CHARGE, {}, 400),
        (CHARGE, {"Idempotency-Key": "a b"}, 400),
        (CHARGE, {"Idempotency-Key": "x" * 129}, 400),
        (CHARGE | {"amount": 0}, {"Idempotency-Key": "K2"}, 400),
        (CHARGE | {"amount": 1.0}, {"Idempotency-Key": "K2"}, 400),
    ],
)
def test_an_invalid_charge_is_refused_and_not_stored(
    simulators: Simulators, body: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    simulators.call("POST", "payments/charges", CHARGE, headers={"Idempotency-Key": "K1"})
    assert simulators.call("POST", "payments/charges", body, headers=headers).status == status
    assert simulators.call("GET", "payments/charges/K2").status == 404
    assert len(simulators.ledger("charges", "K1")) == 1


def test_tax_is_rounded_for_each_line(simulators: Simulators) -> None:
    status, quotation, _ = simulators.call("POST", "tax/quotations", QUOTATION)
    assert status == 200
    assert quotation["lines"] == [{"sku": "S-1", "tax": 190, "rate": 1900}]
    assert quotation["tax_total"] == 190
    assert quotation["jurisdiction"] == "DE"
    assert simulators.call("GET", "tax/rates").body["rates"]["DE"] == 1900


def test_a_country_without_a_rate_is_422(simulators: Simulators) -> None:
    response = simulators.call("POST", "tax/quotations", QUOTATION | {"ship_to": {"country": "AQ", "postal_code": "0"}})
    assert (response.status, response.body["errors"][0]["pointer"]) == (422, "/ship_to/country")
