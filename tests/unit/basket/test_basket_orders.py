"""A basket while it is ordered, and after the order has failed or is complete."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basket import domain
from setpieces.errors import Refused
from setpieces.external import Answer
from tests.faults import Fault, Faults
from tests.unit.basket.data import BASKET, ONE, PRODUCT

ORDER, OTHER = "T100000001", "T100000002"
IN_PROGRESS, FAILED = {"state": "in_progress"}, {"state": "failed"}


def complete(quantity: int, sku: str = "SP-1") -> dict[str, Any]:
    return {"state": "complete", "lines": [{"sku": sku, "quantity": quantity}]}


@pytest.fixture
def set_order(baskets):
    """Sends the state of an order; (status, body) of the response."""

    def call(body: Any, order: str = ORDER, basket: str = BASKET):
        response = baskets.call("set_order", body, path={"basket_id": basket, "order_number": order})
        return response.status, response.body

    return call


def contents(send) -> dict[str, int] | None:
    """{sku: quantity}, None without a basket."""
    status, body, _ = send("show_basket")
    return {item["sku"]: item["quantity"] for item in body["items"]} if status == 200 else None


def test_an_ordered_basket_says_so_and_refuses_changes(send, commerce, set_order):
    send("add_item", ONE, idempotency_key="k")
    assert set_order(IN_PROGRESS) == (200, {"basket_id": BASKET, "order_number": ORDER, "state": "in_progress"})
    _, body, headers = send("show_basket")
    assert (body["status"], body["order_number"]) == ("ordered", ORDER)
    for function, change in (("add_item", ONE), ("change_item", {"quantity": 2}), ("remove_item", None)):
        status, problem, _ = send(function, change, "SP-1")
        assert (status, problem["code"]) == (409, "BASKET_ORDERED")
        assert send(function, change, "SP-1", if_match=headers["ETag"])[1]["code"] == "BASKET_ORDERED"
    assert send("show_basket")[1] == body
    assert send("add_item", ONE, idempotency_key="k")[0] == 201


def test_a_failed_order_opens_the_basket_as_it_was(send, commerce, set_order):
    send("add_item", {"sku": "SP-1", "quantity": 3})
    _, before, _ = send("show_basket")
    set_order(IN_PROGRESS)
    assert set_order(FAILED) == (200, {"basket_id": BASKET, "order_number": ORDER, "state": "closed"})
    assert send("show_basket")[1] == before | {"version": before["version"] + 2}
    assert send("add_item", ONE)[0] == 200


def test_a_complete_order_takes_its_quantities_off(send, commerce, set_order):
    send("add_item", {"sku": "SP-1", "quantity": 3})
    commerce.answer = Answer(200, PRODUCT | {"sku": "SP-2"})
    send("add_item", {"sku": "SP-2", "quantity": 1})
    set_order(IN_PROGRESS)
    lines = [{"sku": "SP-1", "quantity": 1}, {"sku": "SP-1", "quantity": 1}, {"sku": "SP-2", "quantity": 4}]
    assert set_order({"state": "complete", "lines": [*lines, {"sku": "SP-3", "quantity": 1}]})[0] == 200
    assert contents(send) == {"SP-1": 1}


def test_a_basket_that_was_ordered_whole_is_gone_and_can_be_filled_again(send, commerce, set_order):
    _, first, _ = send("add_item", ONE, idempotency_key="k")
    set_order(IN_PROGRESS)
    set_order(complete(1))
    assert send("show_basket")[0] == 404
    for function, change in (("change_item", {"quantity": 2}), ("remove_item", None)):
        assert send(function, change, "SP-1")[1]["code"] == "BASKET_NOT_FOUND"
    # A late duplicate of the addition gets its response and adds nothing.
    assert send("add_item", ONE, idempotency_key="k")[1] == first
    assert send("show_basket")[0] == 404
    status, body, _ = send("add_item", ONE)
    assert (status, body["totals"]["quantity"], body["version"] > first["version"]) == (201, 1, True)


@pytest.mark.parametrize("close", [FAILED, complete(1)], ids=["failed", "complete"])
def test_a_late_message_of_a_closed_order_changes_nothing(send, commerce, set_order, close):
    send("add_item", {"sku": "SP-1", "quantity": 5})
    set_order(IN_PROGRESS)
    set_order(close)
    before = send("show_basket")[1]
    for late in (IN_PROGRESS, FAILED, complete(1)):
        assert set_order(late) == (200, {"basket_id": BASKET, "order_number": ORDER, "state": "closed"})
        assert send("show_basket")[1] == before


@pytest.mark.parametrize("close", [FAILED, complete(1)], ids=["failed", "complete"])
def test_an_order_that_was_closed_before_it_held_the_basket_does_not_hold_it(send, commerce, set_order, close):
    """Whether the basket existed or not: the call that holds it may be the last to arrive."""
    assert set_order(close)[0] == 200
    send("add_item", ONE)
    assert set_order(close, OTHER)[0] == 200
    for order in (ORDER, OTHER):
        assert set_order(IN_PROGRESS, order)[1]["state"] == "closed"
    assert (contents(send), send("show_basket")[1]["status"]) == ({"SP-1": 1}, "open")


def test_closed_orders_are_remembered_after_the_basket_is_gone_or_expired(send, commerce, set_order, monkeypatch):
    send("add_item", ONE)
    set_order(IN_PROGRESS)
    set_order(complete(1))
    assert set_order(IN_PROGRESS)[1]["state"] == "closed"
    began = int(time.time())
    monkeypatch.setattr(time, "time", lambda: began + domain.LIFETIME_SECONDS + 1)
    assert set_order(IN_PROGRESS)[1]["state"] == "closed"
    send("add_item", ONE)
    assert set_order(IN_PROGRESS)[1]["state"] == "closed"
    assert send("show_basket")[1]["status"] == "open"


def test_the_last_closed_orders_are_remembered(send, commerce, set_order):
    send("add_item", ONE)
    numbers = [f"T{100_000_000 + n}" for n in range(domain.MAX_CLOSED_ORDERS)]
    for number in numbers:
        set_order(IN_PROGRESS, number)
        set_order(FAILED, number)
    assert {set_order(IN_PROGRESS, number)[1]["state"] for number in numbers} == {"closed"}


def test_two_orders_of_one_basket(send, commerce, set_order):
    send("add_item", {"sku": "SP-1", "quantity": 2})
    set_order(IN_PROGRESS)
    status, problem = set_order(IN_PROGRESS, OTHER)
    assert (status, problem["code"]) == (409, "BASKET_ORDERED")
    assert set_order(IN_PROGRESS)[1]["state"] == "in_progress"
    # The other order ends: it has not held the basket.
    for close in (FAILED, complete(2)):
        assert set_order(close, OTHER)[1]["state"] == "closed"
    _, body, _ = send("show_basket")
    assert (body["order_number"], contents(send)) == (ORDER, {"SP-1": 2})


def test_a_reopened_order_holds_the_basket_again(send, commerce, set_order):
    send("add_item", {"sku": "SP-1", "quantity": 2})
    set_order(IN_PROGRESS)
    set_order(FAILED)
    assert set_order(IN_PROGRESS | {"attempt": 1})[1]["state"] == "in_progress"
    # Late messages of the first attempt.
    for late in (IN_PROGRESS, FAILED, complete(2)):
        assert set_order(late)[1]["state"] == "closed"
    assert send("show_basket")[1]["status"] == "ordered"
    assert set_order(complete(2) | {"attempt": 1})[1]["state"] == "closed"
    assert send("show_basket")[0] == 404


def ordered(version: int) -> dict[str, Any]:
    """The state of an order of this version of a basket."""
    return IN_PROGRESS | {"basket_version": version}


@pytest.mark.parametrize("sold", [1, 2, 5], ids=["some", "all", "more"])
def test_what_another_order_has_taken_since_is_not_ordered_again(send, commerce, set_order, sold: int):
    """Whether it has left lines or not, and whether the shopper has added more since or not."""
    read = send("add_item", {"sku": "SP-1", "quantity": 2})[1]["version"]
    set_order(ordered(read))
    set_order(complete(sold))
    for _ in range(2):
        status, problem = set_order(ordered(read), OTHER)
        assert (status, problem["code"]) == (404, "BASKET_NOT_FOUND")
        version = send("add_item", ONE)[1]["version"]
    for refused in (read, read + 1):
        assert set_order(ordered(refused), OTHER)[0] == 404
    # A repeat of the order's own request is harmless.
    assert set_order(ordered(read))[1]["state"] == "closed"
    assert send("show_basket")[1]["status"] == "open"
    assert set_order(ordered(version), OTHER)[1]["state"] == "in_progress"


def test_an_order_of_the_version_right_after_a_sale_holds_the_basket(send, commerce, set_order):
    send("add_item", {"sku": "SP-1", "quantity": 2})
    set_order(IN_PROGRESS)
    set_order(complete(1))
    assert set_order(ordered(send("show_basket")[1]["version"]), OTHER)[1]["state"] == "in_progress"


def test_changes_of_the_shopper_and_failed_orders_do_not_prevent_an_order(send, commerce, set_order):
    read = send("add_item", {"sku": "SP-1", "quantity": 3})[1]["version"]
    send("add_item", ONE)
    send("change_item", {"quantity": 2}, "SP-1")
    set_order(IN_PROGRESS, OTHER)
    set_order(FAILED, OTHER)
    # It never held the basket, so it has taken nothing out.
    set_order(complete(1), "T100000003")
    assert set_order(ordered(read))[1]["state"] == "in_progress"
    # What was sold before is no matter to a repeat of the order that holds the basket.
    assert set_order(ordered(0))[1]["state"] == "in_progress"


def test_an_order_that_does_not_say_its_version_holds_the_basket_as_before(send, commerce, set_order):
    send("add_item", {"sku": "SP-1", "quantity": 3})
    set_order(IN_PROGRESS)
    set_order(complete(1))
    assert set_order(IN_PROGRESS, OTHER)[1]["state"] == "in_progress"


def test_a_reopened_order_does_not_sell_again_what_another_order_has_sold_meanwhile(send, commerce, set_order):
    read = send("add_item", {"sku": "SP-1", "quantity": 2})[1]["version"]
    set_order(ordered(read))
    set_order(FAILED)
    set_order(ordered(read), OTHER)
    set_order(complete(2), OTHER)
    send("add_item", ONE)
    assert set_order(ordered(read) | {"attempt": 1})[0] == 404


@pytest.mark.parametrize("expires", [False, True], ids=["ordered whole", "expired"])
def test_what_was_sold_is_remembered_after_the_basket_is_gone_and_after_many_orders(
    send, commerce, set_order, monkeypatch, expires: bool
):
    read = send("add_item", {"sku": "SP-1", "quantity": 2})[1]["version"]
    set_order(ordered(read))
    set_order(complete(1 if expires else 2))
    if expires:
        began = int(time.time())
        monkeypatch.setattr(time, "time", lambda: began + domain.LIFETIME_SECONDS + 1)
    send("add_item", ONE)
    for n in range(domain.MAX_CLOSED_ORDERS + 1):
        set_order(IN_PROGRESS, f"T{200_000_000 + n}")
        set_order(FAILED, f"T{200_000_000 + n}")
    assert set_order(ordered(read), OTHER)[0] == 404
    assert contents(send) == {"SP-1": 1}


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 9)),
            st.tuples(st.just("sell"), st.integers(1, 9)),
            st.tuples(st.just("fail"), st.just(0)),
            st.tuples(st.just("expire"), st.just(0)),
        ),
        max_size=12,
    ),
    position=st.integers(0, 12),
)
def test_an_order_holds_the_basket_unless_lines_were_sold_since_the_version_that_it_read(steps, position):
    """Whatever else has happened to the basket: ``position`` is the step after which the order reads it."""
    product = domain.Product("SP-1", 5, "EUR", 1, purchasable=True, stock=99, max_per_customer=99)
    now, basket = 1_800_000_000, domain.Basket(BASKET)
    basket, read, sold = domain.add_item(basket, product, 1, now), None, False
    for n, (kind, quantity) in enumerate([*steps, ("add", 1)]):
        if n == min(position, len(steps)):
            read, sold = basket.version, False
        number = domain.OrderAttempt(f"T{300_000_000 + n}")
        match kind:
            case "add" if sum(line.quantity for line in basket.lines.values()) + quantity <= 99:
                basket = domain.add_item(basket, product, quantity, now)
            case "sell" if basket.exists:
                held = domain.hold_basket(basket, number, None, now)
                basket, sold = domain.close_order(held, number, {"SP-1": quantity}, now).as_of(now), True
            case "fail" if basket.exists:
                basket = domain.close_order(domain.hold_basket(basket, number, None, now), number, {}, now)
            case "expire":
                now += domain.LIFETIME_SECONDS
                basket = basket.as_of(now)
    if sold:
        with pytest.raises(Refused, match="BASKET_NOT_FOUND"):
            domain.hold_basket(basket, domain.OrderAttempt(OTHER), read, now)
    else:
        assert domain.hold_basket(basket, domain.OrderAttempt(OTHER), read, now).held_by


def test_no_basket_cannot_be_ordered(send, commerce, set_order):
    status, problem = set_order(IN_PROGRESS)
    assert (status, problem["code"]) == (404, "BASKET_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/state"),
        ({"state": "lost"}, "/state"),
        ({"state": "complete"}, "/lines"),
        ({"state": "complete", "lines": []}, "/lines"),
        (FAILED | {"lines": [ONE]}, "/lines"),
        (complete(0), "/lines/0/quantity"),
        ({"state": "complete", "lines": [ONE] * (domain.MAX_LINES + 1)}, "/lines"),
        (IN_PROGRESS | {"attempt": -1}, "/attempt"),
        (IN_PROGRESS | {"basket_version": -1}, "/basket_version"),
        (IN_PROGRESS | {"basket_version": "7"}, "/basket_version"),
        (IN_PROGRESS | {"more": 1}, "/more"),
    ],
    ids=str,
)
def test_a_malformed_state_is_a_400(send, commerce, set_order, body, pointer):
    status, problem = set_order(body)
    assert (status, problem["errors"][0]["pointer"]) == (400, pointer)


@pytest.mark.parametrize("order", ["1", "T1", "T1234567890123", "C100000001", "T10000000x"])
def test_an_invalid_order_number_is_a_400(send, commerce, set_order, order):
    assert set_order(IN_PROGRESS, order)[1]["errors"][0]["pointer"] == "/order_number"


def test_an_invalid_basket_id_of_an_order_is_a_400(send, commerce, set_order):
    assert set_order(IN_PROGRESS, basket="mine")[1]["errors"][0]["pointer"] == "/basket_id"


def test_members_of_a_newer_version_are_kept_while_an_older_one_closes_the_order(baskets, send, commerce, set_order):
    send("add_item", {"sku": "SP-1", "quantity": 2})
    set_order(IN_PROGRESS)
    (item,) = baskets.items("Table")
    item["newer"] = item["held_by"]["newer"] = "kept"
    item["closed_orders"] = [{"order_number": OTHER, "attempt": 0, "newer": "kept"}]
    baskets.put("Table", item)
    set_order(complete(1))
    (item,) = baskets.items("Table")
    assert (item["newer"], item["closed_orders"][0]["newer"], "held_by" in item) == ("kept", "kept", False)


def test_a_basket_that_an_older_version_filled_after_its_order_is_there(baskets, send, commerce, set_order):
    """An older version in a canary keeps the members that it does not know, and counts versions as this one does."""
    send("add_item", ONE)
    set_order(IN_PROGRESS)
    set_order(complete(1))
    (item,) = baskets.items("Table")
    line = {"quantity": 1, "unit_price": 5, "price_version": 1}
    baskets.put("Table", item | {"version": item["version"] + 1, "lines": {"SP-1": line}})
    assert contents(send) == {"SP-1": 1}


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.UNANSWERED])
@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("body", [FAILED, complete(2)], ids=["failed", "complete"])
def test_an_order_is_closed_by_the_second_attempt_if_the_first_fails(
    send, commerce, set_order, faults: Faults, body, number: int, fault: Fault
):
    send("add_item", {"sku": "SP-1", "quantity": 3})
    set_order(IN_PROGRESS)
    faults.restart({number: fault})
    assert set_order(body)[0] == 503
    faults.restart()
    assert set_order(body)[1]["state"] == "closed"
    assert contents(send) == {"SP-1": 3 if body == FAILED else 1}


@pytest.mark.parametrize("body", [IN_PROGRESS, FAILED, complete(1)], ids=["in_progress", "failed", "complete"])
def test_a_state_whose_answer_was_lost_is_set_once(send, commerce, set_order, faults: Faults, body):
    send("add_item", {"sku": "SP-1", "quantity": 3})
    if body != IN_PROGRESS:
        set_order(IN_PROGRESS)
    version = send("show_basket")[1]["version"]
    faults.lose_response("PutItem")
    assert set_order(body)[0] == 200
    assert send("show_basket")[1]["version"] == version + 1
    assert contents(send) == {"SP-1": 2 if body == complete(1) else 3}


def test_a_change_whose_line_an_order_has_taken_meanwhile_is_a_404(send, commerce, set_order, faults: Faults):
    send("add_item", ONE)

    def order() -> None:
        set_order(IN_PROGRESS)
        set_order(complete(2))

    faults.lose_response("PutItem", meanwhile=order)
    assert send("change_item", {"quantity": 2}, "SP-1")[1]["code"] == "BASKET_NOT_FOUND"
