"""The payment provider over HTTP. Its key is the order number, so that an order has one charge or none.

A charge that timed out or failed may have been made all the same, now or on an earlier delivery, and nothing on our side can
tell which. So every attempt begins with the provider's own record, and only an order without one is charged.

Such a charge may even be under way still: it has no record yet, and the provider may refuse another one with the same token,
which it takes once. Until it cannot be under way any more, neither of the two says that the order is not paid.
"""

from collections.abc import Callable

from payments.domain import Charge, Order, Step, decide
from setpieces import external
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.external import Answer

FIND_SECONDS = 1.5
CHARGE_SECONDS = 3.0
# From this delivery on, a minute and more has passed since the last one; no charge of it is under way any more.
SETTLED_RECEIVES = 7


def settle(order: Order, seconds_left: Callable[[], float], receives: int) -> tuple[Step, Charge | None]:
    """Charge the order if it is to be charged and has no charge; what follows from that. Safe to repeat.

    ``receives`` counts the deliveries of this message: one before may have asked for a charge and got no answer.

    Raises ``ExternalUnavailable`` when the provider gave no usable answer in time, ``PermanentFailure`` when it never will.
    """
    try:
        return _attempt(order, seconds_left, under_way=1 < receives < SETTLED_RECEIVES)
    except ExternalUnavailable:
        # Perhaps the charge was made and only its answer is missing. If not, the queue waits before the next attempt.
        return _attempt(order, seconds_left, under_way=True)


def _attempt(order: Order, seconds_left: Callable[[], float], *, under_way: bool) -> tuple[Step, Charge | None]:
    """One look at the record and perhaps one charge; ``under_way`` says that an earlier one may still be made."""
    charge = find(order.order_number, min(FIND_SECONDS, seconds_left()))
    step = decide(order, charge)
    if step is Step.CHARGE:
        charge = create(order, min(CHARGE_SECONDS, seconds_left()), under_way=under_way)
        step = decide(order, charge)
    elif charge is None and under_way:
        raise ExternalUnavailable("payments", "a charge of the order may be under way")
    return step, charge


def find(order_number: str, timeout: float) -> Charge | None:
    """The provider's record of an order's charge, if there is one. Raises ``ExternalUnavailable``."""
    answer = external.call("payments", "GET", "charges", order_number, timeout=timeout)
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise ExternalUnavailable("payments", f"answered {answer.status}")
    return _charge(answer)


def create(order: Order, timeout: float, *, under_way: bool) -> Charge:
    """The order's new charge, or the one that was made a moment ago.

    A token that the provider does not know is a declined payment. Raises ``ExternalUnavailable``, also for 409: somebody else
    has used the key, and the next look at the record tells for what; and for any refusal while an earlier charge may be
    ``under_way``. Raises ``PermanentFailure`` CHARGE_REFUSED.
    """
    body = {
        "amount": order.amount,
        "currency": order.currency,
        "payment_token": order.payment_token,
        "order_number": order.order_number,
    }
    key = {"Idempotency-Key": order.order_number}
    answer = external.call("payments", "POST", "charges", body=body, headers=key, timeout=timeout)
    match answer.status:
        case 200 | 201:
            return _charge(answer)
        case 409:
            raise ExternalUnavailable("payments", "the key is in use")
        case status if under_way:
            raise ExternalUnavailable("payments", f"answered {status} while a charge may be under way")
        case 422:
            return Charge("declined", order.amount, order.currency, reason_code="UNKNOWN_TOKEN")
        case status:
            raise PermanentFailure("CHARGE_REFUSED", f"the provider answered {status}")


def _charge(answer: Answer) -> Charge:
    """Raises ``ExternalUnavailable`` for what is not a charge."""
    try:
        charge = Charge(**{name: answer.body[name] for name in ("status", "amount", "currency", "charge_id")})
    except (KeyError, TypeError) as error:
        raise ExternalUnavailable("payments", "answered something else than a charge") from error
    if charge.status not in ("authorized", "declined"):
        raise ExternalUnavailable("payments", "answered a charge of unknown status")
    return charge
