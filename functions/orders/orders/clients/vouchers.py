"""The vouchers service. Codes are secrets: nothing here logs one."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from orders.clients.concurrency import call_all
from orders.clients.responses import body_of
from orders.domain.locks import NotReserved, ReservationClosed
from orders.domain.statuses import VOUCHER_UNAVAILABLE
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from setpieces.observability import count, logger

TIMEOUT_SECONDS = 2.0
_MEMBERS = ("status", "value", "currency")


def read_vouchers(codes: Sequence[str]) -> dict[str, dict[str, Any] | None]:
    """{status, value, currency} of each voucher by its code, None for an unknown one. Raises ``ExternalUnavailable``."""
    distinct = sorted(set(codes))
    return dict(zip(distinct, call_all(_read_voucher, distinct), strict=True))


def reserve(order: dict[str, Any], expires_at: str) -> None:
    """Reserve the order's vouchers, or renew that. Safe to repeat.

    Raises ``NotReserved`` VOUCHER_UNAVAILABLE, ``ReservationClosed``, ``ExternalUnavailable``.
    """
    body = {"state": "reserved", "currency": order["currency"], "expires_at": expires_at, "attempt": order["attempt"]}
    if order["owner"]:
        body["customer_id"] = order["owner"]

    def reserve_one(discount: dict[str, Any]) -> None:
        answer = _put_state(order, discount, body | {"amount": discount["amount"]})
        if answer.status == 404 or (answer.status == 409 and answer.body.get("code") != "RESERVATION_CLOSED"):
            raise NotReserved(VOUCHER_UNAVAILABLE)
        if answer.status == 409:
            raise ReservationClosed
        body_of("vouchers", answer)

    _for_each_voucher(order, reserve_one)


def release(order: dict[str, Any]) -> None:
    """Give the order's vouchers back, and refuse late reservations of this attempt. Raises ``ExternalUnavailable``."""
    body = {"state": "released", "attempt": order["attempt"]}
    _for_each_voucher(order, lambda discount: _settled(_put_state(order, discount, body)))


def redeem(order: dict[str, Any]) -> None:
    """Redeem the order's vouchers for good. Raises ``ExternalUnavailable``.

    Another order may hold a voucher whose reservation has ended by itself. The order is complete all the same, so this is only
    counted.
    """

    def redeem_one(discount: dict[str, Any]) -> None:
        if not _settled(_put_state(order, discount, {"state": "redeemed"})):
            logger.error("voucher not redeemed", extra={"order_number": order["order_number"]})
            count("VoucherNotRedeemed")

    _for_each_voucher(order, redeem_one)


def _for_each_voucher(order: dict[str, Any], call: Callable[[dict[str, Any]], Any]) -> None:
    call_all(call, order.get("discounts", []))


def _read_voucher(code: str) -> dict[str, Any] | None:
    encoded = quote(code, safe="")
    answer = signed_client.call("vouchers", "GET", f"/v1/internal/vouchers/{encoded}", timeout=TIMEOUT_SECONDS)
    # No voucher can have such a code.
    if answer.status in (400, 404):
        return None
    voucher = body_of("vouchers", answer)
    if type(voucher.get("value")) is not int or not all(
        isinstance(voucher.get(name), str) for name in ("status", "currency")
    ):
        raise ExternalUnavailable("vouchers", "answered something else than a voucher")
    return {name: voucher[name] for name in _MEMBERS}


def _put_state(order: dict[str, Any], discount: dict[str, Any], body: dict[str, Any]) -> Answer:
    encoded, number = quote(discount["code"], safe=""), order["order_number"]
    return signed_client.call(
        "vouchers", "PUT", f"/v1/internal/vouchers/{encoded}/orders/{number}", body=body, timeout=TIMEOUT_SECONDS
    )


def _settled(answer: Answer) -> bool:
    """False if the voucher is not this order's. Raises ``ExternalUnavailable``."""
    if answer.status in (404, 409):
        return False
    body_of("vouchers", answer)
    return True
