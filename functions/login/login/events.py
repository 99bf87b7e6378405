"""The event of a sign-in."""

from setpieces.events import Event, derived_id, publish
from setpieces.observability import logger, metrics
from setpieces.sessions import Session

LOGIN = ("CUSTOMER", "SESSION", "LOGIN")


def publish_login(session: Session) -> None:
    """Publish Customer login on the bus, for customers only.

    An error is only counted and logged, and the sign-in succeeds: consumers use the event to update external systems, which
    the next sign-in does, too.
    """
    if not session.customer_id:
        return
    event = Event(LOGIN, {"customer_id": session.customer_id}, event_id=derived_id("login", session.session_hash))
    try:
        publish(event, source="login")
    except Exception:
        logger.exception("login event not published")
        metrics.add_metric(name="LoginNotAnnounced", unit="Count", value=1)
