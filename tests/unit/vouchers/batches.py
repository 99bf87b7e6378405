"""The service ``vouchers`` in tests: batches are requested, generated, cancelled and redeemed as by clients and AWS."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from model.settings import ROOT
from setpieces.external import Answer
from tests.service import Response, Service
from vouchers.domain.batches import COMPLETE, PENDING, Batch
from vouchers.repository import batches as repository

BATCH_REQUEST: dict[str, Any] = {
    "count": 24,
    "campaign": "Winter sale",
    "value": 1000,
    "currency": "EUR",
    "valid_from": "2026-12-01",
    "valid_to": "2026-12-31",
    "notify": "grace.sample@example.com",
}
FIRST = 10_000_000
SENDER = "vouchers@example.com"
ORDER, OTHER_ORDER = "T000000001", "T000000002"


def batch_request(**changes: Any) -> dict[str, Any]:
    """The body of a request for vouchers that are valid from today."""
    today = datetime.now(UTC).date()
    return BATCH_REQUEST | {"valid_from": str(today), "valid_to": str(today + timedelta(days=30))} | changes


def minutes_ago(minutes: int) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


ORDERS_URL = "https://orders.example.com"


class Batches:
    """The service, a sequences service that leases numbers or raises ``lease_error``, and an orders service.

    ``orders`` has the public status of each order, by the ``Authorization`` header of its owner and its number.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.leases = 0
        self.lease_error: Exception | None = None
        self.orders: dict[tuple[str, str], str] = {}
        self.orders_error: Exception | None = None

    def lease(self, service: str, method: str, path: str, body: Any, **options: Any) -> Answer:
        """In place of ``signed_client.call``."""
        assert (service, method, path) == ("sequences", "POST", "/v1/sequences/voucher/lease")
        if self.lease_error:
            raise self.lease_error
        self.leases += 1
        first, count = FIRST * self.leases, body["count"]
        return Answer(200, {"sequence": "voucher", "first": first, "last": first + count - 1, "count": count})

    def send(self, system: str, method: str, url: str, **options: Any) -> Answer:
        """In place of ``external.send``."""
        order_number = url.removeprefix(f"{ORDERS_URL}/v1/orders/").removesuffix("/status")
        assert (system, method, url) == ("orders", "GET", f"{ORDERS_URL}/v1/orders/{order_number}/status")
        assert (options["sign"], options["body"]) == (False, None)
        if self.orders_error:
            raise self.orders_error
        status = self.orders.get((options["headers"].get("Authorization", ""), order_number))
        if status is None:
            return Answer(404, {"code": "ORDER_NOT_FOUND"})
        return Answer(200, {"order_number": order_number, "status": status})

    # --- over HTTP ---

    def call(
        self, function: str, body: Any = None, *, key: str = "", query: Any = None, customer: str = "", **path: str
    ) -> Response:
        """The response of a function, named as its handler, to a request in the session of ``customer``; "" is none.

        ``key`` is the Idempotency-Key, ``path`` has the path parameters. The ``Authorization`` header is the customer's name.
        """
        headers = {"idempotency-key": key, "authorization": customer}
        return self.service.call(
            function,
            body,
            headers={name: value for name, value in headers.items() if value},
            path=path,
            query=query,
            authorizer={"principalId": "grace", "customer_id": customer},
        )

    def request(self, **changes: Any) -> str:
        """The id of a new batch."""
        response = self.call("create_batch", batch_request(**changes))
        assert (response.status, response.body["status"]) == (202, PENDING)
        return str(response.body["batch_id"])

    def redeem(self, code: str, order_number: str = ORDER, customer: str = "") -> Response:
        """A request to redeem a voucher for an order; complete if ``orders`` does not have it yet."""
        self.orders.setdefault((customer, order_number), "Complete")
        return self.call("redeem_voucher", {"order_number": order_number}, code=code, customer=customer)

    def reserve(self, code: str, order_number: str = ORDER, *, minutes: float = 15, **changes: Any) -> Response:
        """The orders service's request to reserve a voucher for an order, for so many minutes."""
        expires_at = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
        body = {"state": "reserved", "amount": 1000, "currency": "EUR", "expires_at": expires_at} | changes
        return self.call("change_order_voucher", body, code=code, order_number=order_number)

    def change(self, code: str, state: str, order_number: str = ORDER, **members: Any) -> Response:
        """The orders service's request to redeem or release a voucher for an order."""
        return self.call("change_order_voucher", {"state": state, **members}, code=code, order_number=order_number)

    def status(self, code: str) -> str:
        return str(self.call("show_voucher", code=code).body["status"])

    def release(self, code: str, order_number: str = "") -> Response:
        """An admin's request to release the redemption for an order, or the one without an order."""
        return self.call("release_voucher", code=code, query={"order_number": order_number} if order_number else None)

    # --- by Step Functions, a schedule and a queue ---

    def step(self, function: str, batch_id: str, **more: Any) -> Any:
        """The result of a step of the state machine."""
        return self.service.invoke(function, {"batch_id": batch_id, "correlation_id": "sample-1", **more})

    def run(self, batch_id: str) -> None:
        """Generate a batch, as the state machine does up to its message."""
        for chunk in self.step("lease_range", batch_id)["chunks"]:
            self.step("generate_chunk", batch_id, chunk=chunk)
        self.step("store_file", batch_id)

    def complete(self, batch_id: str) -> None:
        """Set the status COMPLETE, as the state machine does last."""
        boto3.client("dynamodb").update_item(
            TableName=self.service.name("BatchesTable"),
            Key={"batch_id": {"S": batch_id}},
            UpdateExpression="SET #s = :s REMOVE #o",
            ExpressionAttributeNames={"#s": "status", "#o": "open"},
            ExpressionAttributeValues={":s": {"S": COMPLETE}},
        )

    def create_complete(self, **changes: Any) -> str:
        """The id of a new batch that is generated and COMPLETE."""
        batch_id = self.request(**changes)
        self.run(batch_id)
        self.complete(batch_id)
        return batch_id

    def sweep(self) -> int:
        """The number of batches that a sweep has restarted or failed."""
        return int(self.service.invoke("sweep_batches")["swept"])

    def notify(self, batch_id: str, outcome: str = "COMPLETE") -> list[str]:
        """Deliver the message that a batch has ended; returns the ids of messages that remain on the queue."""
        message = json.loads((ROOT / "events" / "bus" / f"voucher.batch.{outcome.lower()}.json").read_text())
        message["event"]["data"]["batch_id"] = batch_id
        return self.service.deliver("notify_requester", message)

    # --- stored items and objects ---

    def stored(self, batch_id: str) -> Batch:
        """The item of a batch, which has to exist."""
        batch = repository.find(batch_id)
        assert batch
        return batch

    @property
    def bucket(self) -> str:
        return self.service.name("Bucket")

    def file(self, batch_id: str) -> bytes:
        return self.service.read_object("Bucket", f"release/{batch_id}.csv")

    def codes(self, batch_id: str) -> list[str]:
        """The codes in the file of a complete batch."""
        return self.file(batch_id).decode().split()

    def object_keys(self) -> list[str]:
        return self.service.object_keys("Bucket")

    def executions(self) -> list[str]:
        """The names of the state machine's executions."""
        machine = self.service.name("GenerateVouchers")
        executions = boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
        return [execution["name"] for execution in executions]
