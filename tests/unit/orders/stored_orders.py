"""Orders that the repository has stored, in any status."""

import itertools

from orders.domain.statuses import STATUSES
from orders.repository import orders
from orders.repository.orders import StoredOrder
from tests.present import present
from tests.unit.orders.data import NEW_ORDER

_numbers = itertools.count(100_000_000)


def store_order_in(status: str, reason_code: str | None = None) -> str:
    """Store a new order and move it to ``status``, with ``reason_code`` in each status after the first; its number."""
    number = f"T{next(_numbers)}"
    assert orders.create(number, NEW_ORDER | {"basket_id": f"b-{number}"}, None)
    for step in _statuses_up_to(status):
        assert orders.advance(number, step, reason_code=reason_code)
    return number


def load_order(number: str) -> StoredOrder:
    return present(orders.load(number))


def _statuses_up_to(status: str) -> list[str]:
    """Each status after the first one, up to ``status``."""
    path = [status]
    while STATUSES[path[0]].after:
        path.insert(0, STATUSES[path[0]].after[0])
    return path[1:]
