"""Orders over HTTP against the running shop, from the basket to SAP."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.checkouts import (
    ADDRESS,
    CUSTOMER,
    body,
    ended,
    fill_basket,
    inside,
    session_of,
    status,
    submit,
    wait_until_closed,
)
from tests.integration.spokes import drained
from tests.integration.strangers import stranger
from tools.client import Shop, eventually, unique, with_retries
from tools.drivers.customers import sign_up
from tools.drivers.products import change_price, sell


@pytest.fixture
def product(products: list[dict]) -> dict:
    return products[0]


def metric_counted(shop: Shop, function: str, outcome: str, since: float) -> bool:
    """True if a function of the service has counted this outcome since then."""
    group = f"/aws/lambda/setpieces-{shop.stage}-orders-{function}"
    logs = shop.aws("logs").get_paginator("filter_log_events")
    pages = logs.paginate(logGroupName=group, startTime=int(since * 1000), filterPattern=f'"{outcome}"')
    return any('"CloudWatchMetrics"' in event["message"] for page in pages for event in page["events"])


@pytest.mark.parametrize(
    ("token", "function", "outcome"),
    [("tok_ok", "complete-order", "OrderCompleted"), ("tok_declined", "complete-order", "OrderFailed")],
)
def test_order_outcomes_are_counted(shop: Shop, product: dict, token: str, function: str, outcome: str):
    since = time.time() - 1
    # On a busy machine the emulator logs the last lines of an invocation with those of the next one.
    for _ in range(2):
        number = submit(shop, body(fill_basket(shop, product), payment_token=token)).json()["order_number"]
        ended(shop, number)
    assert eventually(lambda: metric_counted(shop, "submit-order", "OrderAccepted", since))
    assert eventually(lambda: metric_counted(shop, function, outcome, since))


def test_an_order_is_paid_completed_and_shipped(shop: Shop, product: dict):
    accepted = submit(shop, body(fill_basket(shop, product, 2)))
    assert accepted.status_code == 202
    number = accepted.json()["order_number"]
    assert accepted.json() == {"order_number": number, "status": "Processing"}
    assert accepted.headers["location"] == f"/orders/v1/orders/{number}/status"
    first = shop.call("GET", accepted.headers["location"])
    assert first.status_code == 200
    assert first.headers["cache-control"] == "private, no-store"
    if first.json()["status"] == "Processing":
        assert int(first.headers["retry-after"]) > 0
    last = ended(shop, number)
    assert set(last) == {"order_number", "status", "updated_at"}
    assert last["status"] == "Complete"
    assert "retry-after" not in status(shop, number).headers
    (charge,) = shop.ledger("charges", number)
    (platform,) = shop.ledger("platform-orders", number)
    (shipment,) = eventually(lambda: shop.ledger("shipments", number))
    order = inside(shop, number)
    assert order["backend_status"] == "Sent to fulfillment"
    assert charge["amount"] == order["amount"] == 2 * product["unit_price"] + order["tax_total"]
    assert platform["totals"]["amount"] == order["amount"]
    assert shipment["lines"] == [{"sku": product["sku"], "quantity": 2}]
    assert shipment["ship_to"] == ADDRESS


@pytest.mark.parametrize(
    ("token", "outcome", "reason", "charges"),
    [
        ("tok_declined", "Failed", "PAYMENT_DECLINED", ["declined"]),
        ("tok_nobody_knows", "Failed", "PAYMENT_DECLINED", []),
        ("tok_slow", "Complete", None, ["authorized"]),
    ],
)
def test_payment(shop: Shop, product: dict, token: str, outcome: str, reason: str | None, charges: list[str]):
    number = submit(shop, body(fill_basket(shop, product), payment_token=token)).json()["order_number"]
    last = ended(shop, number)
    assert (last["status"], last.get("reason_code")) == (outcome, reason)
    assert [entry["status"] for entry in shop.ledger("charges", number)] == charges


def test_an_order_that_cannot_be_completed_fails_with_a_reason(shop: Shop, product: dict):
    emptied = fill_basket(shop, product)
    assert shop.call("DELETE", f"/basket/v1/baskets/{emptied}/items/{product['sku']}").status_code == 204
    cases = {
        "BASKET_NOT_FOUND": body(unique("none"), customer_id=CUSTOMER),
        "EMPTY_BASKET": body(emptied, customer_id=CUSTOMER),
        "UNSUPPORTED_DESTINATION": body(
            fill_basket(shop, product), customer_id=CUSTOMER, ship_to=ADDRESS | {"country": "XX"}
        ),
    }
    session = session_of(shop, "customer")
    numbers = {reason: submit(shop, payload, session).json()["order_number"] for reason, payload in cases.items()}
    for reason, number in numbers.items():
        last = ended(shop, number, session)
        assert (last["status"], last["reason_code"]) == ("Failed", reason)
        assert shop.ledger("charges", number) == []


def test_a_guest_with_nothing_to_order_takes_no_number(shop: Shop, product: dict):
    emptied = fill_basket(shop, product)
    assert shop.call("DELETE", f"/basket/v1/baskets/{emptied}/items/{product['sku']}").status_code == 204
    for code, basket in {"BASKET_NOT_FOUND": unique("none"), "EMPTY_BASKET": emptied}.items():
        response = submit(shop, body(basket))
        assert (response.status_code, response.json()["code"]) == (422, code)


def test_a_basket_with_an_old_price_is_not_charged_until_its_line_is_renewed(shop: Shop):
    session, product = session_of(shop, "customer"), sell(shop, "RENEWED", unit_price=100)
    basket = fill_basket(shop, product)
    change_price(shop, product, 1999)
    number = submit(shop, body(basket, customer_id=CUSTOMER), session).json()["order_number"]
    last = ended(shop, number, session)
    assert (last["status"], last["reason_code"]) == ("Failed", "PRICE_CHANGED")
    assert shop.ledger("charges", number) == []
    wait_until_closed(shop, number)
    line = f"/basket/v1/baskets/{basket}/items/{product['sku']}"
    assert shop.call("PATCH", line, json={"quantity": 1}).status_code == 200
    assert ended(shop, submit(shop, body(basket)).json()["order_number"])["status"] == "Complete"


def test_the_same_key_is_the_same_order_also_at_the_same_time(shop: Shop, product: dict):
    key, payload = {"Idempotency-Key": unique("order")}, body(fill_basket(shop, product))

    def persistently(_: int) -> str:
        return eventually(lambda: submit(shop, payload, **key).json().get("order_number"))

    with ThreadPoolExecutor(8) as clients:
        (number,) = set(clients.map(persistently, range(16)))
    reused = submit(shop, payload | {"payment_token": "tok_declined"}, **key)
    assert (reused.status_code, reused.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert ended(shop, number)["status"] == "Complete"
    assert len(shop.ledger("charges", number)) == 1
    assert submit(shop, payload, **key).json()["order_number"] == number


def test_an_order_is_visible_to_its_customer_only(shop: Shop, product: dict):
    customer_token, admin_token = session_of(shop, "customer"), session_of(shop, "admin")
    own = submit(shop, body(fill_basket(shop, product), customer_id=CUSTOMER), customer_token).json()["order_number"]
    guests = submit(shop, body(fill_basket(shop, product))).json()["order_number"]
    unknown = status(shop, "T000000001", customer_token)
    assert unknown.status_code == 404
    assert status(shop, own, customer_token).status_code == 200
    assert status(shop, guests).status_code == 200

    def without_id(response: httpx.Response) -> dict[str, Any]:
        return {name: value for name, value in response.json().items() if name != "request_id"}

    for hidden in (status(shop, own, admin_token), status(shop, own), status(shop, guests, admin_token)):
        assert hidden.status_code == 404
        assert without_id(hidden) == without_id(unknown)
    assert status(shop, own, "A" * 43).status_code == 401
    another = submit(shop, body(fill_basket(shop, product), customer_id=CUSTOMER), admin_token)
    assert (another.status_code, another.json()["code"]) == (403, "CUSTOMER_MISMATCH")
    assert ended(shop, own, customer_token)["status"] == "Complete"
    assert ended(shop, guests)["status"] == "Complete"


@pytest.mark.parametrize(
    "number",
    [
        "x",
        "T1",
        "t100000001",
        "T1000000000012",
        "T10000000a",
        "%24input",
        "T100000001%0A",
        "key%23abc",
        "T100000001%2F..",
    ],
)
def test_an_invalid_order_number_is_400(shop: Shop, number: str):
    response = status(shop, number)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "INVALID_ORDER_NUMBER"


@pytest.mark.parametrize(
    "wrong",
    [
        {"basket_id": 1},
        {"basket_id": "a/b"},
        {"basket_id": "x" * 65},
        {"customer_id": None},
        {"customer_id": "C*"},
        {"payment_token": ""},
        {"payment_token": "4111 1111 1111 1111"},
        {"payment_token": ["tok_ok"]},
        {"ship_to": None},
        {"ship_to": "Berlin"},
        {"ship_to": {}},
        {"ship_to": ADDRESS | {"country": "de"}},
        {"ship_to": ADDRESS | {"country": "Germany"}},
        {"ship_to": ADDRESS | {"planet": "Earth"}},
        {"ship_to": ADDRESS | {"name": "x" * 101}},
        {"ship_to": ADDRESS | {"city": 7}},
        {"ship_to": {"country": "DE"}},
        {"amount": 1},
    ],
    ids=str,
)
def test_malformed_orders_are_a_400_with_a_pointer(shop: Shop, wrong: dict):
    response = submit(shop, body("b") | wrong)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"


def table_update(shop: Shop, number: str, update: str, **values: dict[str, str]) -> None:
    shop.aws("dynamodb").update_item(
        TableName=shop.address("orders", "table-name"),
        Key={"order_number": {"S": number}},
        UpdateExpression=update,
        ExpressionAttributeValues={f":{name}": value for name, value in values.items()},
    )


def test_an_expired_order_is_gone_though_its_item_is_there(shop: Shop, product: dict):
    number = submit(shop, body(fill_basket(shop, product))).json()["order_number"]
    wait_until_closed(shop, number)
    table_update(shop, number, "SET expires_at = :past", past={"N": str(int(time.time()) - 1)})
    response = status(shop, number)
    assert (response.status_code, response.json()["code"]) == (410, "ORDER_EXPIRED")
    assert status(shop, number, session_of(shop, "customer")).status_code == 404


def history(shop: Shop, session: str | None, query: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {session}"} if session else {}
    return with_retries(lambda: shop.call("GET", f"/orders/v1/orders{query}", headers=headers))


def test_a_history_holds_the_customers_orders_newest_first(shop: Shop, product: dict):
    member = sign_up(shop)
    token = member.token
    assert history(shop, token).json() == {"items": []}
    numbers: list[str] = []
    for _ in range(2):
        payload = body(fill_basket(shop, product), customer_id=member.customer_id)
        numbers.insert(0, submit(shop, payload, token, **{"Idempotency-Key": unique("order")}).json()["order_number"])
    guests = submit(shop, body(fill_basket(shop, product))).json()["order_number"]
    for number in numbers:
        assert ended(shop, number, token)["status"] == "Complete"
    response = history(shop, token)
    assert response.headers["cache-control"] == "private, no-store"
    orders = response.json()["items"]
    assert [order["order_number"] for order in orders] == numbers
    assert guests not in response.text
    assert {order["status"] for order in orders} == {"Complete"}
    assert {(order["amount"] > 0, order["currency"]) for order in orders} == {(True, "EUR")}
    assert set(orders[0]) == {"order_number", "status", "updated_at", "amount", "currency"}
    older = history(shop, token, f"?page_token={numbers[0]}").json()["items"]
    assert [order["order_number"] for order in older] == numbers[1:]
    assert numbers[0] not in history(shop, session_of(shop, "customer")).text


def test_guests_have_no_history(shop: Shop):
    response = history(shop, None)
    assert (response.status_code, response.json()["code"]) == (401, "NO_SESSION")
    response = history(shop, session_of(shop, "customer"), "?page_token=x")
    assert (response.status_code, response.json()["code"]) == (400, "INVALID_PAGE_TOKEN")


def invoke(shop: Shop, function: str, event: Any) -> Any:
    name = f"setpieces-{shop.stage}-orders-{function}"
    response = shop.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    payload = json.loads(response["Payload"].read())
    assert "FunctionError" not in response, payload
    return payload


def orphan(shop: Shop, basket: str) -> str:
    """An order that was stored but never reached the queue, as after a crash of submit_order in between."""
    item: dict[str, Any] = {
        "order_number": {"S": f"T9{int(time.time() * 1000) % 100_000_000:08d}"},
        "customer_id": {"S": "C000000001"},
        "owner": {"S": ""},
        "basket_id": {"S": basket},
        "payment_token": {"S": "tok_ok"},
        "ship_to": {"M": {name: {"S": value} for name, value in ADDRESS.items()}},
        "backend_status": {"S": "Validating"},
        "correlation_id": {"S": unique("orphan")},
        "created_at": {"N": str(int(time.time()) - 600)},
        "updated_at": {"S": "2026-01-01T00:00:00Z"},
        "expires_at": {"N": str(int(time.time()) + 3600)},
        "in_progress": {"S": "in-progress"},
        "check_at": {"N": str(int(time.time()) - 300)},
    }
    shop.aws("dynamodb").put_item(TableName=shop.address("orders", "table-name"), Item=item)
    return item["order_number"]["S"]


def test_an_order_that_never_reached_the_queue_is_retried(shop: Shop, product: dict):
    number = orphan(shop, fill_basket(shop, product))
    waiting = status(shop, number)
    assert (waiting.json()["status"], waiting.headers["retry-after"]) == ("Processing", "15")
    invoke(shop, "retry-stuck-orders", {})
    assert ended(shop, number)["status"] == "Complete"
    assert len(shop.ledger("charges", number)) == 1


def test_a_dead_order_fails_for_its_customer_and_can_be_put_back(shop: Shop, product: dict):
    number = orphan(shop, fill_basket(shop, product))
    sqs = shop.aws("sqs")

    def url(queue: str) -> str:
        return sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-orders-{queue}")["QueueUrl"]

    sqs.send_message(QueueUrl=url("submit-dlq"), MessageBody=json.dumps({"order_number": number}))
    last = ended(shop, number)
    assert (last["status"], last["reason_code"]) == ("Failed", "PROCESSING_FAILED")

    def parked() -> dict[str, Any] | None:
        messages = sqs.receive_message(QueueUrl=url("submit-parked"), MaxNumberOfMessages=10, VisibilityTimeout=5)
        return next((m for m in messages.get("Messages", []) if json.loads(m["Body"])["order_number"] == number), None)

    message = eventually(parked)
    # A late copy of the first message does not bring a failed order back; the parked one does.
    with drained(shop, "orders-submit"):
        sqs.send_message(QueueUrl=url("submit"), MessageBody=json.dumps({"order_number": number}))
    assert status(shop, number).json()["status"] == "Failed"
    sqs.send_message(QueueUrl=url("submit"), MessageBody=message["Body"])
    sqs.delete_message(QueueUrl=url("submit-parked"), ReceiptHandle=message["ReceiptHandle"])
    eventually(lambda: status(shop, number).json()["status"] == "Complete")


def test_without_the_tax_system_orders_complete_on_cached_rates_and_say_so(shop: Shop, product: dict):
    with shop.faults("tax", outage=True):
        number = submit(shop, body(fill_basket(shop, product))).json()["order_number"]
        assert ended(shop, number)["status"] == "Complete"
    assert inside(shop, number)["tax_source"] == "cached_rates"
    (platform,) = shop.ledger("platform-orders", number)
    assert platform["tax"]["source"] == "cached_rates"


def test_internal_routes_require_the_signature_of_an_authorized_role(shop: Shop, product: dict):
    """Of a basket and an order that exist, so that it is API Gateway which says that there is no such path."""
    number = submit(shop, body(fill_basket(shop, product))).json()["order_number"]
    # Another one: the basket of an order is gone when the order is complete.
    basket = fill_basket(shop, product)
    session = {"Authorization": f"Bearer {session_of(shop, 'customer')}"}
    for path in (f"/orders/v1/internal/orders/{number}", f"/basket/v1/internal/baskets/{basket}"):
        assert shop.call("GET", path).status_code == 404
        assert shop.call("GET", path, headers=session).status_code in (403, 404)
        assert shop.call("GET", path, sign=True, session=stranger(shop)).status_code == 403
        assert shop.call("GET", path, sign=True).status_code == 200
