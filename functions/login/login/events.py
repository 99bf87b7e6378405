"""The bus hears of sign-ins."""

from setpieces.events import Event, derived_id, publish
from setpieces.observability import logger, metrics
from setpieces.sessions import Session

LOGIN = ("CUSTOMER", "SESSION", "LOGIN")


def announce(session: Session) -> None:
    """Publish Customer login, for customers.

    The event only brings other platforms up to date, as the next sign-in does again; so a bus that is down is counted and
    logged, and keeps nobody out.
    """
    if not session.customer_id:
        return
    event = Event(LOGIN, {"customer_id": session.customer_id}, event_id=derived_id("login", session.session_hash))
    try:
        publish(event, source="login")
    except Exception:
        logger.exception("the sign-in was not announced")
        metrics.add_metric(name="LoginNotAnnounced", unit="Count", value=1)
