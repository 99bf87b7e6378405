"""What the bus hears of orders. The ids are made from the order, so that what is told again can be recognised."""

from setpieces.events import Event, derived_id, publish

SUBMIT = ("CHECKOUT", "ORDER", "SUBMIT")
COMPLETE = ("CHECKOUT", "ORDER", "COMPLETE")


def tell(kind: tuple[str, str, str], order: dict[str, str], source: str) -> None:
    """Publish Order submit or Order complete. Raises ``setpieces.events.PublishFailed``."""
    data = {name: order[name] for name in ("order_number", "customer_id")}
    event_id = derived_id(*kind, order["order_number"])
    publish(Event(kind, data, event_id=event_id, correlation_id=order["correlation_id"]), source=source)
