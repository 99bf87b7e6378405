"""How a repeated request to order is recognised. Pure."""

from dataclasses import dataclass

from setpieces.errors import Refused


@dataclass(frozen=True)
class Idempotency:
    """Digests of an Idempotency-Key within each scope in which it names one order, and of the request that it came with.

    The first scope is the customer, if there is a session. The other is the quotation or the basket: its id is a secret, so
    guests share no keys with strangers, and a form that is sent again after its sender has signed in or out is recognised. It
    is not ordered twice, but refused: an order is only shown to the customer who placed it, a guest's only without a session.
    """

    keys: tuple[str, ...]
    request: str


def idempotency_key_reused() -> Refused:
    return Refused(
        "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another order, or before signing in or out"
    )
