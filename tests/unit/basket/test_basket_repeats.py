"""Requests to a basket that are repeated, race with others, or lose their answer: each has its effect once."""

from typing import Any

import pytest

from tests.faults import Fault, Faults
from tests.unit.basket.data import ONE


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.UNANSWERED])
@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize(
    ("function", "body"),
    [("add_item", {"sku": "SP-1", "quantity": 2}), ("change_item", {"quantity": 5}), ("remove_item", None)],
)
def test_no_partial_failure(send, commerce, faults: Faults, function: str, body, number: int, fault: Fault):
    """Whichever AWS call fails, the basket is as before or as requested; the client's repeat then gives exactly that."""
    send("add_item", ONE)
    before = send("show_basket")[1]
    faults.restart({number: fault})
    status, _, _ = send(function, body, "SP-1", idempotency_key="k")
    calls = len(faults.calls)
    faults.restart()
    basket = send("show_basket")[1]
    if number < calls:
        assert status == 503
        assert basket == before or basket["version"] == 2
    repeated = send(function, body, "SP-1", idempotency_key="k")[0]
    assert repeated in (200, 201) if function != "remove_item" else repeated in (204, 404)
    quantities = [item["quantity"] for item in send("show_basket")[1]["items"]]
    assert quantities == {"add_item": [3], "change_item": [5], "remove_item": []}[function]


def test_an_addition_is_repeated_on_a_basket_that_another_request_changes_meanwhile(send, commerce, faults: Faults):
    send("add_item", ONE)
    faults.meanwhile("PutItem", lambda: send("add_item", {"sku": "SP-1", "quantity": 4}))
    status, body, _ = send("add_item", {"sku": "SP-1", "quantity": 2})
    assert (status, body["version"], body["item"]["quantity"]) == (200, 3, 7)


@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "k"}, {"if_match": '"1"'}], ids=str)
def test_an_addition_whose_answer_was_lost_is_done_once(send, commerce, faults: Faults, headers: dict[str, str]):
    send("add_item", ONE)
    faults.lose_response("PutItem")
    status, body, response_headers = send("add_item", {"sku": "SP-1", "quantity": 2}, **headers)
    assert (status, body["item"]["quantity"], response_headers["ETag"]) == (200, 3, '"2"')
    assert send("show_basket")[1]["totals"]["quantity"] == 3


@pytest.mark.parametrize("headers", [{}, {"if_match": '"1"'}], ids=str)
@pytest.mark.parametrize(
    ("function", "body", "status", "quantities"),
    [("change_item", {"quantity": 5}, 200, [5]), ("remove_item", None, 204, [])],
)
def test_a_change_whose_answer_was_lost_is_answered_as_done_once(
    send,
    commerce,
    faults: Faults,
    headers: dict[str, str],
    function: str,
    body: Any,
    status: int,
    quantities: list[int],
):
    send("add_item", ONE)
    faults.lose_response("UpdateItem" if function == "remove_item" else "PutItem")
    response_status, _, tags = send(function, body, "SP-1", **headers)
    assert (response_status, tags["ETag"]) == (status, '"2"')
    assert [item["quantity"] for item in send("show_basket")[1]["items"]] == quantities


def test_an_addition_without_a_key_is_done_once_though_others_change_the_basket_before_it_is_repeated(
    send, commerce, faults: Faults
):
    send("add_item", ONE)
    faults.lose_response("PutItem", meanwhile=lambda: send("change_item", {"quantity": 7}, "SP-1"))
    status, body, _ = send("add_item", {"sku": "SP-1", "quantity": 2})
    assert (status, body["item"]["quantity"], body["version"]) == (200, 3, 2)
    assert send("show_basket")[1]["totals"]["quantity"] == 7


def test_a_repeated_removal_keeps_items_that_were_added_since(send, commerce, faults: Faults):
    send("add_item", {"sku": "SP-1", "quantity": 3})
    faults.lose_response("UpdateItem", meanwhile=lambda: send("add_item", ONE))
    assert send("remove_item", sku="SP-1")[0] == 204
    assert send("show_basket")[1]["totals"]["quantity"] == 1
