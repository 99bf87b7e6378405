"""What an order holds while it is in progress: its basket, which has one order at most, and reservations. Pure."""

from setpieces.errors import Refused

# Sweeps renew a reservation, so it only ends by itself if nothing processes the order for a day.
RESERVATION_SECONDS = 86_400
# Of an order that waits for an operator.
RENEWAL_SECONDS = RESERVATION_SECONDS // 4


class BasketNotFound(Exception):
    """The basket does not exist any more."""


class ReservationClosed(Exception):
    """What was reserved for this attempt of the order is released or taken already: this delivery is late."""


class NotReserved(Exception):
    """It cannot be reserved; ``reason`` is one of ``statuses.REASONS``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def basket_ordered() -> Refused:
    return Refused("BASKET_ORDERED", "This basket, or this quotation of it, is ordered already")
