"""What an order can hold at other systems, with the strictness of these systems: a basket, vouchers and stock."""

from dataclasses import dataclass, field
from typing import Any

from setpieces.external import Answer

OK = Answer(200, {})


def respond(response: Answer | Exception) -> Answer:
    if isinstance(response, Exception):
        raise response
    return response


def refusal(code: str, **members: Any) -> Answer:
    return Answer(409, {"code": code, **members})


@dataclass
class Basket:
    """``holder`` is the number of the order in progress, ``closed`` has the last attempt of each order that has ended."""

    holder: str = ""
    attempt: int = 0
    closed: dict[str, int] = field(default_factory=dict)

    def put(self, number: str, state: str, attempt: int) -> Answer:
        if self.closed.get(number, -1) >= attempt:
            return OK
        if state != "in_progress":
            self.closed[number] = attempt
            if self.holder == number and self.attempt <= attempt:
                self.holder = ""
        elif self.holder not in ("", number):
            return refusal("BASKET_ORDERED")
        else:
            self.holder, self.attempt = number, attempt
        return OK


@dataclass
class Reservations:
    """Reservations by holder: of one voucher, or of the stock of all lines.

    ``pieces`` is what is available, None for a voucher, which one order holds.
    """

    available: int
    held: dict[str, tuple[int, int]] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)

    def reserve(self, number: str, quantity: int, attempt: int) -> Answer | None:
        """None if there is too little."""
        if number in self.taken or self.released.get(number, -1) >= attempt:
            return refusal("RESERVATION_CLOSED")
        if number in self.held:
            self.held[number] = (self.held[number][0], attempt)
            return OK
        if quantity > self.available:
            return None
        self.available -= quantity
        self.held[number] = (quantity, attempt)
        return Answer(201, {})

    def release(self, number: str, attempt: int) -> bool:
        """False if it is taken."""
        if number in self.taken:
            return False
        self.released[number] = max(attempt, self.released.get(number, -1))
        if number in self.held and self.held[number][1] <= attempt:
            self.available += self.held.pop(number)[0]
        return True

    def is_released(self, number: str) -> bool:
        return number in self.released and number not in self.held and number not in self.taken

    def take(self, number: str) -> bool:
        """False if the order holds nothing."""
        if number in self.held:
            self.taken[number] = self.held.pop(number)[0]
        return number in self.taken
