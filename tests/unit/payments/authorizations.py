"""The payments service as deployed, with an orders service that has one order, and a payment provider."""

import json
from typing import Any

from model.settings import ROOT
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults
from tests.service import Service

ORDER_NUMBER = "T100000001"
SAMPLE = json.loads((ROOT / "events" / "payments" / "authorize_payment.json").read_text())
ORDER_SUBMIT: dict[str, Any] = json.loads(SAMPLE["Records"][0]["body"])
STATUS_BY_TOKEN = {"tok_ok": "authorized", "tok_declined": "declined"}


class Provider:
    """A payment provider. ``charges`` are by idempotency key; ``refusal`` is its response to every new charge, if it is set."""

    def __init__(self) -> None:
        self.charges: dict[str, Any] = {}
        self.created = 0
        self.refusal: Answer | None = None

    def find(self, key: str) -> Answer:
        return Answer(200, self.charges[key]) if key in self.charges else Answer(404, {})

    def create(self, key: str, body: dict[str, Any]) -> Answer:
        if self.refusal:
            return self.refusal
        if body["payment_token"] not in STATUS_BY_TOKEN:
            return Answer(422, {"code": "UNKNOWN_TOKEN"})
        if key in self.charges:
            return Answer(200, self.charges[key])
        self.created += 1
        self.charges[key] = {
            "charge_id": "ch-1",
            "status": STATUS_BY_TOKEN[body["payment_token"]],
            "amount": body["amount"],
            "currency": body["currency"],
        }
        return Answer(201, self.charges[key])


class SlowProvider(Provider):
    """A provider that accepts a token once, under any key, and whose first charge is pending until ``complete`` is called."""

    def __init__(self) -> None:
        super().__init__()
        self._pending: tuple[str, dict[str, Any]] | None = None

    def create(self, key: str, body: dict[str, Any]) -> Answer:
        if self._pending:
            return Answer(422, {"code": "TOKEN_USED"})
        self._pending = key, body
        raise ExternalUnavailable("payments", "no answer within 3.0 s", timed_out=True)

    def complete(self) -> None:
        assert self._pending
        super().create(*self._pending)


class Authorizations:
    """``order`` is what the orders service has; ``order_response`` replaces its response."""

    def __init__(self, service: Service, faults: Faults) -> None:
        self.service, self.faults = service, faults
        self.start()

    def start(self) -> None:
        """Begin with an order that awaits payment and a provider without charges."""
        self.faults.restart()
        self.provider = Provider()
        self.order_response: Answer | None = None
        self.order: dict[str, Any] = {
            "order_number": ORDER_NUMBER,
            "customer_id": "C100000001",
            "backend_status": "Payment processing",
            "amount": 7998,
            "currency": "EUR",
            "payment_token": "tok_ok",
        }

    def deliver(self, receive_count: int = 1) -> bool:
        """Deliver Order submit. True if the message is done, False if it stays on the queue."""
        return not self.service.deliver("authorize_payment", ORDER_SUBMIT, receive_count=receive_count)

    @property
    def published(self) -> list[dict[str, Any]]:
        """The events of every PutEvents request."""
        requests = self.faults.requests("PutEvents")
        return [json.loads(entry["Detail"])["event"] for request in requests for entry in request["Entries"]]

    @property
    def statuses(self) -> list[str]:
        """The statuses of the published events."""
        return [event["meta_data"]["status"] for event in self.published]

    @property
    def delays(self) -> list[int]:
        """Seconds until each further delivery, as requested from the queue."""
        return [request["VisibilityTimeout"] for request in self.faults.requests("ChangeMessageVisibility")]

    def dead_letter_reasons(self) -> list[str]:
        """The reasons of the messages in the dead-letter queue, which are removed."""
        return [message.attributes["reason"] for message in self.service.messages("SubmittedDeadLetters")]

    def call_orders(self, service: str, method: str, path: str, *, timeout: float) -> Answer:
        assert (service, method, path) == ("orders", "GET", f"/v1/internal/orders/{ORDER_NUMBER}")
        return self._call("load order", lambda: self.order_response or Answer(200, self.order))

    def call_provider(
        self,
        system: str,
        method: str,
        *path: str,
        timeout: float,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        assert (system, path[0]) == ("payments", "charges")
        if method == "GET":
            return self._call("find charge", lambda: self.provider.find(path[1]))
        assert body is not None
        assert headers is not None
        return self._call("create charge", lambda: self.provider.create(headers["Idempotency-Key"], body))

    def _call(self, name: str, effect: Any) -> Answer:
        response: Answer = self.faults.call(name, effect, ExternalUnavailable(name, "answered 500"))
        return response
