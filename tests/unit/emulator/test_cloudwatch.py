"""Points of a metric are stored in order, and old ones by the minute."""

import pytest

from local.emulator import cloudwatch


def point(seconds: float, value: float, **more: object) -> cloudwatch.Point:
    return {"Timestamp": seconds, "Unit": "Count", "Dimensions": {}, "Value": value, **more}


def test_late_points_are_stored_in_order_of_time():
    points: list[cloudwatch.Point] = []
    for seconds in (10.0, 30.0, 20.0):
        cloudwatch.Ordered(points).append(point(seconds, 1))
    assert [each["Timestamp"] for each in points] == [10.0, 20.0, 30.0]
    assert cloudwatch.between(points, 20.0, 30.0) == points[1:2]


def test_old_points_of_a_minute_with_one_value_become_one_with_their_count():
    old = [point(61, 1), point(62, 1), point(63, 2), point(64, 1, Count=3.0), point(121, 1)]
    statistics = point(65, 1, _stat={"SampleCount": 2})
    points = cloudwatch.by_minute([*old, statistics, point(1000, 1), point(1001, 1)], before=1000)
    assert [(each["Timestamp"], each["Value"], each.get("Count")) for each in points] == [
        (60.0, 1, 5.0),
        (60.0, 2, 1.0),
        (65, 1, None),
        (120.0, 1, 1.0),
        (1000, 1, None),
        (1001, 1, None),
    ]


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [(0, 60, [0]), (1, 60, []), (1, 61, [60]), (60, 180, [60, 120]), (59.5, 120.5, [60, 120])],
)
def test_repeated_points_are_within_a_period_without_its_end(start: float, end: float, times: list[int]):
    points = cloudwatch.Repeated(60, "Count", {0.0: 9.0, 1.0: 1.0}).between(start, end)
    assert [(each["Timestamp"], each["Value"], each["Count"]) for each in points] == [
        (time, value, count) for time in times for value, count in ((0.0, 9.0), (1.0, 1.0))
    ]
