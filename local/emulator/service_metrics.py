"""Metrics that AWS services publish: PutMetricData rejects their namespaces, so an administrative route accepts them.

    POST   {"Namespace", "MetricData": [...]}   publishes metrics in the form of PutMetricData
    PUT    [{"Namespace", "MetricName", "Dimensions": {name: value}, "Unit", "Seconds", "Counts": [[value, count], ...]}]
           begins a simulation: alarms evaluate only these series, whose values repeat every "Seconds"
    DELETE ends the simulation

Alarms are evaluated at once when a simulation begins or ends, and once a minute as on AWS.
"""

import time
from typing import Any

from local.emulator.cloudwatch import Point, Repeated, between

Key = tuple[str, str, str]

_simulated: dict[Key, Repeated] | None = None


def points(key: Key, start: float, end: float) -> list[Point]:
    """The points of a series that alarms evaluate, from ``start`` up to ``end``."""
    from ministack.services import cloudwatch

    if _simulated is None:
        return between(cloudwatch._metrics.get(key, []), start, end)
    series = _simulated.get(key)
    return series.between(start, end) if series else []


def request(method: str, content: Any) -> dict[str, Any]:
    """The response of the route. Raises LookupError, TypeError or ValueError for content of another form."""
    from ministack.core import responses
    from ministack.services import cloudwatch

    from model.settings import REGION

    global _simulated
    responses.set_request_region(REGION)
    if method == "POST":
        for datum in content["MetricData"]:
            _publish(content["Namespace"], datum)
        return {}
    _simulated = {_key(series): _repeated(series) for series in content} if method == "PUT" else None
    cloudwatch._evaluate_every_alarm()
    return {}


def _publish(namespace: str, datum: dict[str, Any]) -> None:
    from ministack.services import cloudwatch

    cloudwatch._store_datum(
        namespace,
        datum["MetricName"],
        {dimension["Name"]: dimension["Value"] for dimension in datum["Dimensions"]},
        float(datum.get("Timestamp") or time.time()),
        datum["Unit"],
        datum.get("Value"),
        datum.get("Values"),
        datum.get("Counts"),
        None,
    )


def _key(series: dict[str, Any]) -> Key:
    from ministack.services import cloudwatch

    return series["Namespace"], series["MetricName"], cloudwatch._dims_key(series["Dimensions"])


def _repeated(series: dict[str, Any]) -> Repeated:
    counts = {float(value): float(count) for value, count in series["Counts"]}
    seconds = int(series["Seconds"])
    if seconds < 1:
        raise ValueError(f"Seconds: {seconds}")
    return Repeated(seconds, series["Unit"], counts)
