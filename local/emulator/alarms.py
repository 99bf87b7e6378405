"""The state of a CloudWatch alarm, evaluated as CloudWatch documents it. Pure: the emulator passes points and statistics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html

An alarm has the parameters of PutMetricAlarm. Features that no alarm of the shop uses (metric math, anomaly detection, clock
windows) are rejected, not ignored.
"""

import operator
import re
from collections.abc import Callable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

Alarm = dict[str, Any]
# The value of the alarm's statistic from one time, in seconds, up to another; None without data.
Statistic = Callable[[float, float], float | None]

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
BREACHES = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
STATISTICS = r"SampleCount|Average|Sum|Minimum|Maximum|p\d{1,2}(\.\d{1,10})?|p100"
TREATMENTS = ("breaching", "notBreaching", "ignore", "missing")
NOT_EVALUATED = (
    "Metrics",
    "ThresholdMetricId",
    "EvaluateLowSampleCountPercentile",
    "EvaluationCriteria",
    "EvaluationWindow",
)
# CloudWatch retrieves more data points than EvaluationPeriods. Its one documented example: five for three periods.
EXTRA_PERIODS = 2
DAY = 86400


class Evaluation(NamedTuple):
    """``state`` is None if the alarm keeps its state."""

    state: str | None
    reason: str


def problem(alarm: Alarm) -> str | None:
    """The reason why CloudWatch rejects this alarm, or why it cannot be evaluated locally; None if it can."""
    period, periods = alarm["Period"], alarm["EvaluationPeriods"]
    unknown = [name for name in NOT_EVALUATED if alarm.get(name)]
    if unknown:
        return f"{unknown[0]} is not evaluated in the local cloud"
    if not alarm.get("Namespace") or not alarm.get("MetricName"):
        return "Namespace and MetricName are required"
    if alarm["ComparisonOperator"] not in BREACHES:
        return f"ComparisonOperator {alarm['ComparisonOperator']} is not evaluated in the local cloud"
    if alarm["TreatMissingData"] not in TREATMENTS:
        return f"TreatMissingData must be one of {', '.join(TREATMENTS)}"
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    if not re.fullmatch(STATISTICS, statistic):
        return f"the statistic {statistic} is not evaluated in the local cloud"
    if period not in (10, 20, 30) and (period < 60 or period % 60):
        return "Period must be 10, 20, 30 or a multiple of 60"
    if period * periods > (7 if period >= 3600 else 1) * DAY:
        return "EvaluationPeriods times Period is more than a day, or with a Period of an hour or more than seven days"
    if not 1 <= (alarm.get("DatapointsToAlarm") or periods) <= periods:
        return "DatapointsToAlarm must be at least 1 and at most EvaluationPeriods"
    return None


def windows(alarm: Alarm, now: float) -> list[tuple[float, float]]:
    """(start, end) of each period to retrieve, oldest first. Periods slide by the minute; those of several days by the hour."""
    period, periods = alarm["Period"], alarm["EvaluationPeriods"]
    step = 3600 if period * periods > DAY else min(period, 60)
    end = now // step * step
    return [(end - (n + 1) * period, end - n * period) for n in reversed(range(periods + EXTRA_PERIODS))]


def state_of(breaching: Sequence[bool | None], periods: int, datapoints: int, treatment: str) -> str | None:
    """The state for data points, oldest first: True if it breaches, None if it is missing. None keeps the present state."""
    real = [point for point in breaching if point is not None][-periods:]
    filled = periods - len(real) if treatment == "breaching" else 0
    if sum(real) + filled >= datapoints:
        return ALARM
    if len(real) == periods or treatment in ("breaching", "notBreaching") or not all(real):
        return OK
    if treatment == "ignore":
        return None
    if not real:
        return INSUFFICIENT_DATA
    # Too few points, all breaching: an alarm once the oldest is as old as DatapointsToAlarm. AWS documents only that it is no
    # alarm before that.
    age = len(breaching) - len([*takewhile(lambda point: point is None, breaching)])
    return ALARM if age >= datapoints else None


def evaluate(alarm: Alarm, statistic: Statistic, now: float) -> Evaluation:
    """The state of the alarm at the time ``now``."""
    values = [statistic(start, end) for start, end in windows(alarm, now)]
    breaches, threshold = BREACHES[alarm["ComparisonOperator"]], alarm["Threshold"]
    breaching = [None if value is None else breaches(value, threshold) for value in values]
    periods = alarm["EvaluationPeriods"]
    datapoints = alarm.get("DatapointsToAlarm") or periods
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html: the setting has no effect.
    treatment = "ignore" if alarm["Namespace"] == "AWS/DynamoDB" else alarm["TreatMissingData"]
    state = state_of(breaching, periods, datapoints, treatment)
    points = [value for value in values if value is not None][-periods:]
    reason = (
        f"Threshold Crossed: {datapoints} of {periods} datapoints have to be {alarm['ComparisonOperator']} {threshold}: "
        f"{points}, missing data is {treatment}"
    )
    return Evaluation(state, reason)
