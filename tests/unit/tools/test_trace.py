"""``make trace``: log lines and events become steps; other lines are left out."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.tools.log_events import MS, NOW, Events, event
from tools import trace
from tools.logs import PAGE

LINE = {
    "level": "WARNING",
    "location": "handler:1",
    "message": "taxed with cached rates",
    "timestamp": "2026-01-01T13:00:00.250+01:00",
    "service": "orders",
    "correlation_id": "c-1",
    "order_number": "T100000001",
    "function_name": "setpieces-dev-orders-process-order",
}
EVENT = {
    "source": "service-order-dev",
    "detail": {
        "event": {
            "meta_data": {
                "type": "CHECKOUT",
                "subtype": "ORDER",
                "status": "COMPLETE",
                "occurred_at": "2026-01-01T12:00:01.000+00:00",
            },
            "data": {"order_number": "T100000001"},
        }
    },
}


def function_step(**changes: Any) -> trace.Step | None:
    return trace.step_of_function("/aws/lambda/setpieces-dev-orders-process-order", "dev", json.dumps(LINE | changes))


def test_a_log_line_becomes_a_step_with_its_time_and_function():
    assert function_step() == trace.Step(
        "2026-01-01T12:00:00.250+00:00",
        "orders-process-order",
        "taxed with cached rates  order_number=T100000001",
        "WARNING",
    )
    throttled = function_step(exception_name="Throttled")
    assert throttled
    assert throttled.what.endswith("  Throttled")


@pytest.mark.parametrize("line", ["START RequestId: 1", "[]", "{}", json.dumps({"_aws": {}, "message": "metrics"})])
def test_a_line_that_is_not_json_is_not_a_step(line):
    assert trace.step_of_function("/aws/lambda/setpieces-dev-x", "dev", line) is None
    assert trace.step_of_bus(line) is None


def bus_step() -> trace.Step:
    step = trace.step_of_bus(json.dumps(EVENT))
    assert step
    return step


def test_an_event_is_a_step_of_the_bus():
    step = bus_step()
    assert (step.where, step.level) == ("checkout-bus", "EVENT")
    assert step.what == "CHECKOUT/ORDER/COMPLETE  order_number=T100000001  from service-order-dev"


def test_steps_are_printed_with_the_time_since_the_first():
    first, second = (
        line.plain for line in trace.format_steps([step for step in (function_step(), bus_step()) if step])
    )
    assert first.startswith("12:00:00.250    +0.000 s")
    assert second.startswith("12:00:01.000    +0.750 s")


class Logs(Events):
    """Log groups of two functions, of which one has not run yet, and of the bus."""

    def get_paginator(self, operation: str) -> Any:
        if operation == "describe_log_groups":
            groups = [{"logGroupName": "/aws/lambda/setpieces-dev-orders-process-order"}, {"logGroupName": "missing"}]
            return SimpleNamespace(paginate=lambda logGroupNamePrefix: [{"logGroups": groups}])
        return super().get_paginator(operation)


def test_steps_beyond_the_first_page_are_read():
    count = PAGE + 5
    logged = [LINE | {"timestamp": datetime.fromtimestamp(number, UTC).isoformat()} for number in range(count)]
    api = Logs(*(event(MS + number, json.dumps(record)) for number, record in enumerate(logged)))
    shop: Any = SimpleNamespace(stage="dev", aws=lambda service: api, address=lambda *name: "missing")
    assert len(trace.steps(shop, "c-1", NOW)) == count
    assert trace.steps(shop, "c-2", NOW) == []
