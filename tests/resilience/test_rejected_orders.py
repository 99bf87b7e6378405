"""Cancelling a paid order that cannot be completed, as described in docs/runbooks/redrive-orders.md."""

import json

from tests.integration.checkouts import body, ended, fill_basket, inside, status, submit
from tests.integration.spokes import dead_letters, place
from tools.client import Shop, eventually


def list_rejected_orders(shop: Shop) -> set[str]:
    """Numbers of the orders that require manual action."""
    page = shop.aws("dynamodb").query(
        TableName=shop.address("orders", "table-name"),
        IndexName="in-progress",
        KeyConditionExpression="in_progress = :r",
        ExpressionAttributeValues={":r": {"S": "rejected"}},
    )
    return {item["order_number"]["S"] for item in page["Items"]}


def test_an_operator_cancels_a_paid_order_that_differs_on_the_platform(shop: Shop, products: list[dict]):
    product = next(product for product in products if product["available"])
    with shop.faults("payments", outage=True):
        number = submit(shop, body(fill_basket(shop, product))).json()["order_number"]
        # Its stock is reserved by then: before, the platform refuses the reservation for an order that it has.
        eventually(lambda: inside(shop, number)["backend_status"] == "Payment processing")
        place(shop, number, product["sku"])
    eventually(lambda: number in list_rejected_orders(shop))
    assert status(shop, number).json()["status"] == "Processing"
    assert inside(shop, number)["backend_status"] == "Payment authorized"
    letters = eventually(lambda: dead_letters(shop, "orders-payment-dlq", number))
    assert [letter.reason for letter in letters] == ["ORDER_DIFFERS"]
    sqs = shop.aws("sqs")
    queue = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-orders-submit")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"order_number": number, "cancel": True}))
    order = ended(shop, number)
    assert (order["status"], order["reason_code"]) == ("Failed", "PROCESSING_FAILED")
    eventually(lambda: number not in list_rejected_orders(shop))
