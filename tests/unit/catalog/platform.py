"""A commerce platform with one product."""

from typing import Any

from setpieces.external import Answer

PRODUCT = {
    "sku": "SP-1",
    "name": "Keep",
    "description": "400 bricks",
    "category": "Castles",
    "unit_price": 3999,
    "currency": "EUR",
    "available": True,
    "status": "active",
    "stock": 7,
    "max_per_customer": 5,
    "price_version": 1,
    "version": 1,
}
VIEW = {"sku": "SP-1", "name": "Keep", "unit_price": 3999, "currency": "EUR", "available": True}
DETAILS_VIEW = VIEW | {"description": "400 bricks", "category": "Castles"}


class Platform:
    """``response`` is what it returns or raises, ``calls`` are {path, query, timeout} of the calls that it received."""

    def __init__(self) -> None:
        self.response: Answer | Exception = Answer(200, {"items": [PRODUCT], "next_page_token": "t2"})
        self.calls: list[dict[str, Any]] = []

    def call(self, system: str, method: str, *path: str, timeout: float, query: dict[str, str] | None = None) -> Answer:
        assert (system, method) == ("commerce", "GET")
        self.calls.append({"path": path, "query": query, "timeout": timeout})
        if isinstance(self.response, Exception):
            raise self.response
        return self.response
