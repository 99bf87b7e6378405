"""Reservations and sales of stock: all lines or none, once for each order, and no piece twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from partners import repository
from partners.domain.operations import Write
from partners.simulators.stock import MAX_LINES
from tests.unit.partners.client import Response, Simulators
from tests.unit.partners.samples import ORDER, PRODUCT

START = datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def stocked(simulators: Simulators, clock: time_machine.Traveller) -> Simulators:
    """Five pieces of S-1 and S-2; a customer may have three of S-1."""
    simulators.call("PUT", "commerce/products/S-1", PRODUCT | {"stock": 5, "max_per_customer": 3})
    simulators.call("PUT", "commerce/products/S-2", PRODUCT | {"stock": 5})
    return simulators


def line(sku: str = "S-1", quantity: int = 1, **members: Any) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity} | members


def in_minutes(minutes: int = 10) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def reserve(simulators: Simulators, number: str, *lines: dict[str, Any], **members: Any) -> Response:
    body = {"lines": list(lines or [line()]), "expires_at": in_minutes()} | members
    return simulators.call("PUT", f"commerce/reservations/{number}", body)


def release(simulators: Simulators, number: str, **query: str) -> Response:
    return simulators.call("DELETE", f"commerce/reservations/{number}", query=query)


def order(simulators: Simulators, number: str, *lines: dict[str, Any]) -> Response:
    return simulators.call("PUT", f"commerce/orders/{number}", ORDER | {"lines": list(lines or [line()])})


def pieces(simulators: Simulators, sku: str = "S-1") -> tuple[int, int, int]:
    """(sold, reserved, available); they are all that were received."""
    stock = simulators.call("GET", f"commerce/stock/{sku}").body
    assert stock["sold"] + stock["reserved"] + stock["available"] == stock["received"]
    return stock["sold"], stock["reserved"], stock["available"]


def code(response: Response) -> tuple[int, str]:
    return response.status, response.body["code"]


def short(response: Response) -> list[tuple[str, str]]:
    assert code(response) == (409, "OUT_OF_STOCK")
    return [(each["sku"], each["code"]) for each in response.body["lines"]]


def test_a_reservation_takes_from_what_is_available_and_an_order_sells_it(stocked: Simulators) -> None:
    reserved = reserve(stocked, "T1", line(quantity=2, unit_price=1999, currency="EUR"), customer_id="C1")
    assert reserved.status == 201
    assert reserved.body == {
        "order_number": "T1",
        "lines": [line(quantity=2, unit_price=1999, currency="EUR")],
        "expires_at": in_minutes(),
        "customer_id": "C1",
        "attempt": 0,
        "state": "reserved",
    }
    assert stocked.call("GET", "commerce/reservations/T1").body == reserved.body
    assert pieces(stocked) == (0, 2, 3)
    assert order(stocked, "T1", line(quantity=2)).status == 201
    assert order(stocked, "T1", line(quantity=2)).status == 200
    assert pieces(stocked) == (2, 0, 3)
    assert stocked.call("GET", "commerce/reservations/T1").body["state"] == "committed"
    assert len(stocked.ledger("platform-orders", "T1")) == 1


def test_products_show_the_stock_that_is_available(stocked: Simulators) -> None:
    reserve(stocked, "T1", line(quantity=2))
    order(stocked, "T2", line(quantity=1))
    assert stocked.call("GET", "commerce/products/S-1").body["stock"] == 2
    listed = {product["sku"]: product for product in stocked.call("GET", "commerce/products").body["items"]}
    assert (listed["S-1"]["stock"], listed["S-2"]["stock"]) == (2, 5)
    assert "inventory" not in listed["S-1"]


def test_a_repeat_reserves_once_and_a_later_expiry_renews(stocked: Simulators, clock: time_machine.Traveller) -> None:
    first = reserve(stocked, "T1")
    assert reserve(stocked, "T1")[:2] == (200, first.body)
    assert reserve(stocked, "T1", expires_at=in_minutes(20)).body["expires_at"] == in_minutes(20)
    assert reserve(stocked, "T1").body["expires_at"] == in_minutes(20)
    assert pieces(stocked) == (0, 1, 4)
    clock.shift(timedelta(minutes=15))
    assert pieces(stocked) == (0, 1, 4)


def test_an_expired_reservation_frees_its_pieces(stocked: Simulators, clock: time_machine.Traveller) -> None:
    reserve(stocked, "T1", line("S-2", 5))
    clock.shift(timedelta(minutes=10))
    assert pieces(stocked, "S-2") == (0, 0, 5)
    assert reserve(stocked, "T2", line("S-2", 4), expires_at=in_minutes(30)).status == 201
    assert short(order(stocked, "T1", line("S-2", 5))) == [("S-2", "OUT_OF_STOCK")]
    assert short(reserve(stocked, "T1", line("S-2", 5), expires_at=in_minutes(30))) == [("S-2", "OUT_OF_STOCK")]
    release(stocked, "T2")
    assert reserve(stocked, "T1", line("S-2", 5), expires_at=in_minutes(30)).status == 200
    assert pieces(stocked, "S-2") == (0, 5, 0)


def test_all_lines_are_reserved_or_none(stocked: Simulators) -> None:
    stocked.call("PUT", "commerce/products/OLD", PRODUCT | {"stock": 5, "status": "retired"})
    stocked.call("PUT", "commerce/products/OFF", PRODUCT | {"stock": 5, "available": False})
    lines = [line(), line("S-2", 6), line("NONE"), line("OLD"), line("OFF")]
    response = reserve(stocked, "T1", *lines)
    unavailable = [(sku, "PRODUCT_UNAVAILABLE") for sku in ("NONE", "OLD", "OFF")]
    assert short(response) == [("S-2", "OUT_OF_STOCK"), *unavailable]
    assert response.body["lines"][0] == {"sku": "S-2", "code": "OUT_OF_STOCK", "requested": 6, "available": 5}
    assert pieces(stocked) == pieces(stocked, "S-2") == (0, 0, 5)
    assert stocked.call("GET", "commerce/reservations/T1").status == 404


@pytest.mark.parametrize("change", [{"unit_price": 1998}, {"currency": "SEK"}])
def test_another_price_than_the_confirmed_one_is_refused(stocked: Simulators, change: dict[str, Any]) -> None:
    assert short(reserve(stocked, "T1", line() | {"unit_price": 1999, "currency": "EUR"} | change)) == [
        ("S-1", "PRICE_CHANGED")
    ]


def test_a_reserved_line_keeps_its_price_and_its_pieces(stocked: Simulators) -> None:
    reserve(stocked, "T1", line(quantity=3, unit_price=1999), customer_id="C1")
    changes = {"unit_price": 2999, "status": "retired", "max_per_customer": 1, "stock": 5, "version": 4}
    stocked.call("PUT", "commerce/products/S-1", PRODUCT | changes)
    renewed = reserve(stocked, "T1", line(quantity=3, unit_price=1999), customer_id="C1", expires_at=in_minutes(20))
    assert renewed.status == 200
    assert order(stocked, "T1", line(quantity=3)).status == 201


def test_a_product_of_price_0_is_reserved(stocked: Simulators) -> None:
    stocked.call("PUT", "commerce/products/FREE", PRODUCT | {"stock": 1, "unit_price": 0})
    assert reserve(stocked, "T1", line("FREE", unit_price=0)).status == 201


def test_the_limit_of_a_customer_counts_all_orders(stocked: Simulators) -> None:
    assert reserve(stocked, "T1", line(quantity=2), customer_id="C1").status == 201
    assert short(reserve(stocked, "T2", line(quantity=2), customer_id="C1")) == [("S-1", "QUANTITY_LIMIT")]
    order(stocked, "T1", line(quantity=2))
    assert short(reserve(stocked, "T2", line(quantity=2), customer_id="C1")) == [("S-1", "QUANTITY_LIMIT")]
    assert reserve(stocked, "T2", customer_id="C1").status == 201
    release(stocked, "T2")
    assert reserve(stocked, "T3", customer_id="C1").status == 201


def test_each_order_of_a_guest_has_the_limit(stocked: Simulators) -> None:
    assert reserve(stocked, "T1", line(quantity=3)).status == 201
    assert reserve(stocked, "T2", line(quantity=2)).status == 201
    release(stocked, "T1")
    release(stocked, "T2")
    assert short(reserve(stocked, "T3", line(quantity=4))) == [("S-1", "QUANTITY_LIMIT")]


def test_a_reservation_has_one_content(stocked: Simulators) -> None:
    reserve(stocked, "T1", line(), line("S-2"), customer_id="C1")
    assert reserve(stocked, "T1", line("S-2"), line(), customer_id="C1").status == 200
    for lines, members in (([line(quantity=2), line("S-2")], {"customer_id": "C1"}), ([line(), line("S-2")], {})):
        assert code(reserve(stocked, "T1", *lines, **members)) == (409, "DIFFERENT_CONTENT")
    assert code(order(stocked, "T1", line())) == (409, "DIFFERENT_CONTENT")
    assert stocked.call("GET", "commerce/orders/T1").status == 404


def test_a_late_request_of_a_released_attempt_is_refused(stocked: Simulators) -> None:
    reserve(stocked, "T1")
    assert release(stocked, "T1").status == 204
    assert release(stocked, "T1").status == 204
    assert pieces(stocked) == (0, 0, 5)
    assert code(reserve(stocked, "T1")) == (409, "RESERVATION_CLOSED")
    assert stocked.call("GET", "commerce/reservations/T1").body["state"] == "released"
    assert reserve(stocked, "T1", line("S-2", 2), attempt=1).status == 201
    assert code(reserve(stocked, "T1", line("S-2", 2))) == (409, "RESERVATION_CLOSED")
    assert release(stocked, "T1").status == 204
    assert pieces(stocked, "S-2") == (0, 2, 3)
    assert release(stocked, "T1", attempt="1").status == 204
    assert pieces(stocked, "S-2") == (0, 0, 5)


def test_a_released_attempt_is_closed_although_it_never_reserved(stocked: Simulators) -> None:
    assert release(stocked, "T1").status == 204
    assert code(reserve(stocked, "T1")) == (409, "RESERVATION_CLOSED")
    assert release(stocked, "T2", attempt="1").status == 204
    assert code(reserve(stocked, "T2")) == (409, "RESERVATION_CLOSED")
    assert reserve(stocked, "T2", attempt=2).status == 201


def test_an_order_whose_last_attempt_was_released_sells_nothing(stocked: Simulators) -> None:
    reserve(stocked, "T1")
    release(stocked, "T1")
    assert code(order(stocked, "T1")) == (409, "RESERVATION_CLOSED")
    assert stocked.call("GET", "commerce/orders/T1").status == 404
    assert pieces(stocked) == (0, 0, 5)
    reserve(stocked, "T1", attempt=1)
    assert order(stocked, "T1").status == 201
    assert pieces(stocked) == (1, 0, 4)


def test_an_order_whose_reservation_has_only_expired_takes_what_is_available(
    stocked: Simulators, clock: time_machine.Traveller
) -> None:
    reserve(stocked, "T1", line("S-2", 5))
    reserve(stocked, "T2", line(quantity=3))
    clock.shift(timedelta(minutes=10))
    assert order(stocked, "T1", line("S-2", 5)).status == 201
    order(stocked, "T3", line(quantity=3))
    assert short(order(stocked, "T2", line(quantity=3))) == [("S-1", "OUT_OF_STOCK")]


def test_the_reservation_of_a_placed_order_is_closed(stocked: Simulators) -> None:
    reserve(stocked, "T1")
    order(stocked, "T1")
    assert code(release(stocked, "T1")) == (409, "RESERVATION_COMMITTED")
    assert code(reserve(stocked, "T1")) == (409, "RESERVATION_CLOSED")
    again = reserve(stocked, "T1", attempt=1)
    assert (again.status, again.body["state"]) == (200, "committed")
    assert pieces(stocked) == (1, 0, 4)


def test_an_order_without_a_reservation_takes_what_is_available(stocked: Simulators) -> None:
    reserve(stocked, "T1", line(quantity=3))
    assert short(order(stocked, "T2", line(quantity=2), line(quantity=1))) == [("S-1", "OUT_OF_STOCK")]
    assert stocked.call("GET", "commerce/orders/T2").status == 404
    assert order(stocked, "T3", line(), line(), line("UNKNOWN", 7)).status == 201
    assert pieces(stocked) == (2, 3, 0)


def test_a_report_counts_what_is_left(stocked: Simulators) -> None:
    order(stocked, "T1", line(quantity=2))
    reserve(stocked, "T2")
    before = stocked.call("GET", "commerce/stock/S-1").body
    assert before["received"] == 5
    stocked.call("PUT", "commerce/products/S-1", PRODUCT | {"stock": 5, "version": 4, "unit_price": 1})
    assert pieces(stocked) == (2, 1, 2)
    update = {"sku": "S-1", "version": 1, "stock": 10}
    for _ in range(2):
        stocked.call("POST", "commerce/product-updates/sku", {"updates": [update]})
        assert stocked.call("GET", "commerce/stock/S-1").body == {
            "sku": "S-1",
            "received": 12,
            "sold": 2,
            "reserved": 1,
            "available": 9,
        }


def test_a_repeat_of_a_product_after_sales_has_no_effect(stocked: Simulators) -> None:
    order(stocked, "T1", line(quantity=2))
    body = PRODUCT | {"stock": 5, "max_per_customer": 3}
    repeated = stocked.call("PUT", "commerce/products/S-1", body)
    assert (repeated.status, repeated.body["stock"]) == (200, 3)
    assert len(stocked.ledger("products", "S-1")) == 1
    assert pieces(stocked) == (2, 0, 3)


def test_of_fewer_pieces_than_are_reserved_the_first_orders_get_theirs(stocked: Simulators) -> None:
    reserve(stocked, "T1", line(quantity=2))
    reserve(stocked, "T2", line(quantity=3))
    stocked.call("PUT", "commerce/products/S-1", PRODUCT | {"stock": 3, "version": 4})
    assert pieces(stocked) == (0, 3, 0)
    assert order(stocked, "T2", line(quantity=3)).status == 201
    assert pieces(stocked) == (3, 0, 0)
    assert short(order(stocked, "T1", line(quantity=2))) == [("S-1", "OUT_OF_STOCK")]


def test_an_order_that_was_interrupted_after_its_sale_is_completed_by_a_repeat(
    stocked: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = repository.write

    def interrupt(*writes: Write) -> None:
        if writes[0].collection == "orders":
            raise RuntimeError("interrupted")
        write(*writes)

    reserve(stocked, "T1")
    with monkeypatch.context() as interrupted:
        interrupted.setattr(repository, "write", interrupt)
        assert order(stocked, "T1").status == 500
    assert pieces(stocked) == (1, 0, 4)
    assert stocked.call("GET", "commerce/orders/T1").status == 404
    assert code(order(stocked, "T1", line(quantity=2))) == (409, "DIFFERENT_CONTENT")
    assert [order(stocked, "T1").status for _ in range(2)] == [201, 200]
    assert pieces(stocked) == (1, 0, 4)
    assert len(stocked.ledger("platform-orders", "T1")) == 1


def test_the_largest_order_is_reserved_sold_and_released(simulators: Simulators, clock: time_machine.Traveller) -> None:
    lines = [line(f"S-{number}") for number in range(MAX_LINES)]
    for each in lines:
        simulators.call("PUT", f"commerce/products/{each['sku']}", PRODUCT | {"stock": 1})
    assert reserve(simulators, "T1", *lines).status == 201
    assert release(simulators, "T1").status == 204
    assert reserve(simulators, "T2", *lines).status == 201
    assert order(simulators, "T2", *lines).status == 201
    assert {pieces(simulators, each["sku"]) for each in lines} == {(1, 0, 0)}
    assert reserve(simulators, "T3", *lines, line("S-X")).status == 400


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"lines": []}, "/lines"),
        ({"lines": [line(quantity=0)]}, "/lines/0/quantity"),
        ({"lines": [line(quantity=True)]}, "/lines/0/quantity"),
        ({"lines": [line(), line()]}, "/lines/1/sku"),
        ({"lines": [line("../x")]}, "/lines/0/sku"),
        ({"lines": [line(name="Tower")]}, "/lines/0/name"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"expires_at": "2027-02-30T08:00:00Z"}, "/expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+14:00"}, "/expires_at"),
        ({"expires_at": "2027-01-15T08:00:00Z"}, "/expires_at"),
        ({"expires_at": "2027-01-15T09:00:00"}, "/expires_at"),
        ({"attempt": -1}, "/attempt"),
        ({"customer_id": ""}, "/customer_id"),
        ({"state": "reserved"}, "/state"),
    ],
)
def test_an_invalid_reservation_is_400(stocked: Simulators, changes: dict[str, Any], pointer: str) -> None:
    response = reserve(stocked, "T1", **changes)
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, pointer)


@pytest.mark.parametrize("attempt", ["x", "-1", "1.0", "٣", "1" * 10])
def test_an_invalid_attempt_is_400(stocked: Simulators, attempt: str) -> None:
    response = release(stocked, "T1", attempt=attempt)
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, "/attempt")


def test_stock_of_an_unknown_product_is_404(simulators: Simulators) -> None:
    assert simulators.call("GET", "commerce/stock/S-1").status == 404
    assert simulators.call("GET", "commerce/reservations/T1").status == 404


def test_an_injected_error_prevents_a_reservation(stocked: Simulators) -> None:
    stocked.call("PUT", "faults/commerce", {"error_rate": 1, "operations": ["put_reservation", "put_order"]})
    assert reserve(stocked, "T1").status == order(stocked, "T1").status == 500
    assert pieces(stocked) == (0, 0, 5)


def test_one_of_many_buyers_gets_the_last_piece(simulators: Simulators) -> None:
    simulators.call("PUT", "commerce/products/S-1", PRODUCT | {"stock": 1})
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    with ThreadPoolExecutor(16) as buyers:
        numbers = [f"T{number}" for number in range(64)]
        responses = list(buyers.map(lambda number: reserve(simulators, number, expires_at=until), numbers))
    assert sorted(response.status for response in responses) == [201] + [409] * 63
    assert pieces(simulators) == (0, 1, 0)


def test_many_buyers_reserve_one_product_at_once(simulators: Simulators) -> None:
    simulators.call("PUT", "commerce/products/S-1", PRODUCT | {"stock": 100})
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    with ThreadPoolExecutor(16) as buyers:
        numbers = [f"T{number}" for number in range(16)]
        responses = list(buyers.map(lambda number: reserve(simulators, number, expires_at=until), numbers))
    assert [response.status for response in responses] == [201] * 16
    assert pieces(simulators) == (0, 16, 84)
