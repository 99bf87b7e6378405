"""Client of the payment provider. The order number is the idempotency key: an order has one charge or none."""

from payments.domain import Charge, Order
from setpieces import external
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.external import Answer

FIND_SECONDS = 1.5
CHARGE_SECONDS = 3.0


def find_charge(order_number: str, timeout: float) -> Charge | None:
    """Return the order's charge, None if it has none. ``timeout`` is in seconds. Raises ``ExternalUnavailable``."""
    response = external.call("payments", "GET", "charges", order_number, timeout=timeout)
    if response.status == 404:
        return None
    if response.status != 200:
        raise ExternalUnavailable("payments", f"answered {response.status}")
    return _parse_charge(response)


def create_charge(order: Order, timeout: float, *, earlier_charge_pending: bool) -> Charge:
    """Charge the order and return its charge, which may be one that an earlier request created.

    An unknown payment token (422) is a declined charge.

    Raises ``ExternalUnavailable`` if the key is in use (409), and for every refusal with ``earlier_charge_pending``: the
    provider may refuse this request because of that charge. Raises ``PermanentFailure`` CHARGE_REFUSED for any other.
    """
    body = {
        "amount": order.amount,
        "currency": order.currency,
        "payment_token": order.payment_token,
        "order_number": order.order_number,
    }
    headers = {"Idempotency-Key": order.order_number}
    response = external.call("payments", "POST", "charges", body=body, headers=headers, timeout=timeout)
    match response.status:
        case 200 | 201:
            return _parse_charge(response)
        case 409:
            raise ExternalUnavailable("payments", "the idempotency key is in use")
        case status if earlier_charge_pending:
            raise ExternalUnavailable("payments", f"answered {status} while an earlier charge may be pending")
        case 422:
            return Charge("declined", order.amount, order.currency, reason_code="UNKNOWN_TOKEN")
        case status:
            raise PermanentFailure("CHARGE_REFUSED", f"the provider answered {status}")


def _parse_charge(response: Answer) -> Charge:
    """Raises ``ExternalUnavailable`` for a body that is not a charge."""
    charge = response.body
    try:
        parsed = Charge(charge["status"], charge["amount"], charge["currency"], charge["charge_id"])
    except (KeyError, TypeError) as error:
        raise ExternalUnavailable("payments", "the response is not a charge") from error
    if parsed.status not in ("authorized", "declined"):
        raise ExternalUnavailable("payments", "the charge has an unknown status")
    return parsed
