"""The lines of ``make events``."""

from typing import Any

import pytest

from setpieces.events import DETAIL_TYPE, Event
from tools.events import Tail


def delivered(
    kind: str = "CHECKOUT/ORDER/SUBMIT", occurred: str = "00.000", source: str = "order-submit", **changes
) -> Any:
    values = {"correlation_id": "c-1", "occurred_at": f"2026-01-01T12:00:{occurred}+00:00"} | changes
    family, subject, status = kind.split("/")
    event = Event((family, subject, status), {"order_number": "T100000001"}, **values)
    return {"source": f"service-{source}-local", "detail-type": DETAIL_TYPE, "detail": event.detail()}


def test_a_line_has_time_publisher_event_and_consumers():
    line = Tail().line(delivered()).plain
    for part in (
        "12:00:00.000",
        "c-1",
        "order-submit",
        "CHECKOUT/ORDER/SUBMIT",
        "order_number=T100000001",
        "→ payments",
    ):
        assert part in line


def test_a_checkout_has_one_colour_and_the_seconds_since_its_first_event():
    tail = Tail()
    first = tail.line(delivered())
    second = tail.line(delivered("CHECKOUT/PAYMENT/AUTHORIZED", "01.250", "payment"))
    assert first.spans[1].style == second.spans[1].style
    assert "+0.00 s" in first.plain
    assert "+1.25 s" in second.plain


def test_a_duplicate_event_is_marked():
    tail, event = Tail(), delivered()
    assert "duplicate" not in tail.line(event).plain
    assert tail.line(event).plain.endswith("duplicate")


def test_the_summary_follows_each_checkout_of_more_than_one_event():
    tail = Tail()
    tail.line(delivered())
    tail.line(delivered(correlation_id="alone"))
    tail.line(delivered("CHECKOUT/PAYMENT/DECLINED", "02.000"))
    (line,) = tail.summary()
    assert line.plain == "c-1            CHECKOUT/ORDER/SUBMIT +0.00 s → CHECKOUT/PAYMENT/DECLINED +2.00 s"


@pytest.mark.parametrize("detail", [{}, [], "text", None, {"event": None}, {"event": {"meta_data": {"status": "X"}}}])
def test_an_event_without_our_envelope_is_printed(detail):
    line = Tail().line(
        {"source": "somebody", "detail-type": "Something", "time": "2026-01-01T12:00:00Z", "detail": detail}
    )
    assert line.plain == "12:00:00      somebody Something"


def test_an_event_that_no_template_knows_has_no_consumer():
    assert Tail().line(delivered("CHECKOUT/ORDER/LOST")).plain.endswith("→ no consumer")
