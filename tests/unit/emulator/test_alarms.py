"""Alarms are evaluated as CloudWatch documents it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulator import alarms

NOW = 1_000_000_000.0  # 40 seconds into a minute
LATENCY = {
    "Namespace": "AWS/ApiGateway",
    "MetricName": "Latency",
    "ExtendedStatistic": "p99",
    "Period": 60,
    "EvaluationPeriods": 3,
    "DatapointsToAlarm": 2,
    "Threshold": 5,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "notBreaching",
}
BREACHING = {"X": True, "0": False, "-": None}
KEEPS = None
STATES = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=9)


@pytest.mark.parametrize(
    ("datapoints", "points", "states"),  # of missing, ignore, breaching, notBreaching
    [
        # The two tables of alarms-and-missing-data: three periods, of which all or two have to breach; five are retrieved.
        (3, "0 - X - X", ["OK", "OK", "OK", "OK"]),
        (3, "- - - - 0", ["OK", "OK", "OK", "OK"]),
        (3, "- - - - -", ["INSUFFICIENT_DATA", KEEPS, "ALARM", "OK"]),
        (3, "0 X X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        (3, "- - X - -", ["ALARM", KEEPS, "ALARM", "OK"]),
        (2, "0 - X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        (2, "0 0 X 0 X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        (2, "0 - X - -", ["OK", "OK", "ALARM", "OK"]),
        (2, "- - - - 0", ["OK", "OK", "ALARM", "OK"]),
        (2, "- - - X -", ["ALARM", KEEPS, "ALARM", "OK"]),
        # "Avoiding premature transitions": no alarm yet.
        (3, "- - - - X", [KEEPS, KEEPS, "ALARM", "OK"]),
        (3, "- - - X -", [KEEPS, KEEPS, "ALARM", "OK"]),
    ],
)
def test_missing_data(datapoints: int, points: str, states: list[str | None]):
    breaching = [BREACHING[point] for point in points.split()]
    treatments = "missing", "ignore", "breaching", "notBreaching"
    assert [alarms.state_of(breaching, 3, datapoints, treatment) for treatment in treatments] == states


@given(st.lists(st.booleans(), min_size=3, max_size=5), st.integers(1, 3), st.sampled_from(alarms.TREATMENTS))
def test_the_treatment_of_missing_data_has_no_effect_on_enough_data(
    points: list[bool], datapoints: int, treatment: str
):
    expected = "ALARM" if sum(points[-3:]) >= datapoints else "OK"
    assert alarms.state_of(points, 3, datapoints, treatment) == expected


@given(STATES, st.data())
def test_another_breaching_point_ends_no_alarm(points: list[bool | None], data: st.DataObject):
    periods = max(1, len(points) - alarms.EXTRA_PERIODS)
    datapoints, treatment = data.draw(st.integers(1, periods)), data.draw(st.sampled_from(alarms.TREATMENTS))
    worse = [True if point is False else point for point in points]
    if alarms.state_of(points, periods, datapoints, treatment) == "ALARM":
        assert alarms.state_of(worse, periods, datapoints, treatment) == "ALARM"


def of(values: dict[int, float], **alarm: Any) -> str | None:
    """The state of an alarm on these values; 1 is the period that ended last."""
    ends = [end for _, end in alarms.windows(LATENCY | alarm, NOW)]
    numbered = {end: len(ends) - number for number, end in enumerate(ends)}
    return alarms.evaluate(LATENCY | alarm, lambda _, end: values.get(numbered[end]), NOW).state


@pytest.mark.parametrize(
    ("operator", "states"),
    [
        ("GreaterThanThreshold", ["OK", "OK", "ALARM"]),
        ("GreaterThanOrEqualToThreshold", ["OK", "ALARM", "ALARM"]),
        ("LessThanThreshold", ["ALARM", "OK", "OK"]),
        ("LessThanOrEqualToThreshold", ["ALARM", "ALARM", "OK"]),
    ],
)
def test_operators(operator: str, states: list[str]):
    results = [of(dict.fromkeys((1, 2, 3), value), ComparisonOperator=operator) for value in (4.0, 5.0, 6.0)]
    assert results == states


def test_datapoints_to_alarm_must_breach():
    assert of({1: 6.0, 2: 0.0, 3: 0.0}) == "OK"
    assert of({1: 6.0, 2: 0.0, 3: 6.0}) == "ALARM"
    assert of({1: 6.0, 2: 0.0, 3: 6.0}, DatapointsToAlarm=None) == "OK"
    assert of({1: 0.0, 2: 0.0, 3: 6.0, 4: 6.0}) == "OK"
    assert of({1: 0.0, 3: 6.0, 4: 6.0}) == "ALARM"


def test_missing_data_of_dynamodb_is_always_ignored():
    for treatment in alarms.TREATMENTS:
        assert of({}, Namespace="AWS/DynamoDB", TreatMissingData=treatment) is KEEPS


@pytest.mark.parametrize(
    ("period", "periods", "end"),
    [(60, 3, NOW - 40), (300, 3, NOW - 40), (86400, 1, NOW - 40), (86400, 2, NOW - 2800), (10, 3, NOW)],
)
def test_periods_end_with_a_minute_and_those_of_several_days_with_an_hour(period: int, periods: int, end: float):
    windows = alarms.windows(LATENCY | {"Period": period, "EvaluationPeriods": periods}, NOW)
    assert windows[-1] == (end - period, end)
    assert len(windows) == periods + 2
    assert [start for start, _ in windows[1:]] == [end for _, end in windows[:-1]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"Metrics": [{"Id": "m1", "Expression": "m2 / m3"}]},
        {"EvaluationWindow": {"WallClockWindow": {}}},
        {"ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold"},
        {"TreatMissingData": "notbreaching"},
        {"ExtendedStatistic": "tm99"},
        {"ExtendedStatistic": None, "Statistic": "Mean"},
        {"MetricName": None},
        {"Period": 45},
        {"Period": 300, "EvaluationPeriods": 289},
        {"Period": 86400, "EvaluationPeriods": 8},
        {"DatapointsToAlarm": 4},
    ],
)
def test_an_unsupported_alarm_is_rejected(wrong: dict[str, Any]):
    assert alarms.problem(LATENCY) is None
    assert alarms.problem(LATENCY | wrong)
