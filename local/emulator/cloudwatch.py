"""How the emulated CloudWatch keeps the points of a metric: in order of time, and old ones by the minute.

A point is MiniStack's: ``{"Timestamp": seconds, "Unit", "Dimensions", "Value"}``, with ``Count`` for a value that occurred
several times, or with ``_stat`` for a statistic set.
"""

import math
from bisect import bisect_left, insort
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

Point = dict[str, Any]

# AWS keeps points of less than a minute for three hours, and the minutes after that:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Metric
FULL_RESOLUTION_SECONDS = 3 * 3600

_timestamp = itemgetter("Timestamp")


class Ordered:
    """Inserts points of a metric in order of time, as a point may arrive late."""

    def __init__(self, points: list[Point]) -> None:
        self._points = points

    def append(self, point: Point) -> None:
        insort(self._points, point, key=_timestamp)


def by_minute(points: list[Point], before: float) -> list[Point]:
    """``points`` in order of time; before the time ``before``, equal values of a minute are one point with their count."""
    merged: dict[Any, Point] = {}
    for number, point in enumerate(points):
        if point["Timestamp"] >= before or "_stat" in point:
            merged[number] = point
            continue
        minute = point["Timestamp"] // 60 * 60
        first = {**point, "Timestamp": minute, "Count": 0.0}
        merged.setdefault((minute, point["Unit"], point["Value"]), first)["Count"] += point.get("Count", 1.0)
    return sorted(merged.values(), key=_timestamp)


def between(points: list[Point], start: float, end: float) -> list[Point]:
    """The points from ``start`` up to ``end``, in order."""
    return points[bisect_left(points, start, key=_timestamp) : bisect_left(points, end, key=_timestamp)]


@dataclass(frozen=True)
class Repeated:
    """Repeated points: ``counts`` by value, at each multiple of ``seconds``, without a beginning."""

    seconds: int
    unit: str
    counts: dict[float, float]

    def between(self, start: float, end: float) -> list[Point]:
        first = math.ceil(start / self.seconds) * self.seconds
        times = range(first, math.ceil(end), self.seconds)
        point = {"Unit": self.unit, "Dimensions": {}}
        return [
            {**point, "Timestamp": float(time), "Value": value, "Count": count}
            for time in times
            for value, count in self.counts.items()
        ]
