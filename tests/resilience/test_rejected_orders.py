"""The way out for a paid order that cannot be completed, as docs/runbooks/redrive-orders.md says."""

import json

from local.shop import Shop, eventually
from tests.integration.checkouts import body, ended, fill_basket, inside, status, submit
from tests.integration.spokes import dead_letters, place


def rejected(shop: Shop) -> set[str]:
    """The orders that wait for a person."""
    found = shop.aws("dynamodb").query(
        TableName=shop.address("orders", "table-name"),
        IndexName="in-progress",
        KeyConditionExpression="in_progress = :r",
        ExpressionAttributeValues={":r": {"S": "rejected"}},
    )
    return {item["order_number"]["S"] for item in found["Items"]}


def test_a_paid_order_that_the_platform_has_otherwise_waits_for_a_person_who_ends_it(shop: Shop, products: list[dict]):
    product = next(product for product in products if product["available"])
    with shop.faults("payments", outage=True):
        number = submit(shop, body(fill_basket(shop, product))).json()["order_number"]
        place(shop, number)
    eventually(lambda: number in rejected(shop))
    assert status(shop, number).json()["status"] == "Processing"
    assert inside(shop, number)["backend_status"] == "Payment authorized"
    letters = eventually(lambda: dead_letters(shop, "orders-payment-dlq", number))
    assert [letter.reason for letter in letters] == ["ORDER_DIFFERS"]
    sqs = shop.aws("sqs")
    queue = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-orders-submit")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"order_number": number, "cancel": True}))
    order = ended(shop, number)
    assert (order["status"], order["reason_code"]) == ("Failed", "PROCESSING_FAILED")
    eventually(lambda: number not in rejected(shop))
