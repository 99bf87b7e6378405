"""Patches of CloudWatch metrics and alarms."""

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch, replace_in_function, source_of


def _interval(seconds: float) -> Callable[[], bool]:
    """A function that returns True at most once per ``seconds``, beginning with its first call."""
    last = float("-inf")

    def due() -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < seconds:
            return False
        last = now
        return True

    return due


@patch(
    "metric-points",
    area="observability",
    aws="the cost of PutMetricData does not depend on the number of stored points; alarms are evaluated once a minute",
    emulator=(
        "each call copies all points of two weeks and evaluates all alarms over them, while all other requests wait"
    ),
    reason=(
        "the front door publishes metrics every few seconds; points are aggregated to minutes after three hours, as"
        " on AWS"
    ),
    upstream="not reported",
)
def store_points_in_order() -> None:
    from ministack.services import cloudwatch

    from local.emulator import cloudwatch as series

    evict, load = cloudwatch._evict_old_metrics, cloudwatch.load_persisted_state
    time_to_evict = _interval(60)

    def ordered(key: tuple[str, str, Any]) -> series.Ordered:
        return series.Ordered(cloudwatch._metric_bucket(key))

    def evict_once_a_minute() -> None:
        if time_to_evict():
            evict()

    def load_by_minute(data: dict[str, Any]) -> None:
        load(data)
        metrics = cloudwatch._metrics._data
        for key in metrics:
            metrics[key] = series.by_minute(metrics[key], time.time() - series.FULL_RESOLUTION_SECONDS)

    cloudwatch._ordered = ordered
    cloudwatch._evict_old_metrics = evict_once_a_minute
    cloudwatch.load_persisted_state = load_by_minute
    for function in ("_store_datum", "record_metric"):
        replace_in_function(cloudwatch, function, "_metric_bucket(", "_ordered(")
    replace_in_function(cloudwatch, "_put_metric_data", "    _evaluate_all_alarms()\n", "")
    cloudwatch._evaluate_every_alarm = cloudwatch._evaluate_all_alarms


@patch(
    "alarm-evaluation",
    area="observability",
    aws=(
        "an alarm evaluates the series with exactly its dimensions over EvaluationPeriods, of which "
        "DatapointsToAlarm must breach, and follows TreatMissingData"
    ),
    emulator=(
        "it evaluates all dimensions of the metric together, and all periods as one; without data the alarm keeps "
        "its state"
    ),
    reason=(
        "an alarm that AWS never raises would be raised locally; how many periods AWS looks back for missing data "
        "is documented for one example only: the patch looks back two more. Features that no alarm uses, such as "
        "metric math, are rejected"
    ),
    upstream="not reported",
)
def evaluate_alarms_as_documented() -> None:
    from ministack.services import cloudwatch

    from local.emulator import alarms, service_metrics

    evaluating = threading.Lock()

    def evaluate(alarm: alarms.Alarm) -> tuple[str | None, str]:
        name = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
        key = alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions)

        def statistic(start: float, end: float) -> float | None:
            points = service_metrics.points(key, start, end)
            points = [point for point in points if alarm.get("Unit") in (None, point["Unit"])]
            if not points:
                return None
            value: float | None = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
            return value

        return alarms.evaluate(alarm, statistic, time.time())

    def put_if_supported(alarm: alarms.Alarm) -> None:
        problem = alarms.problem(alarm)
        if problem:
            raise ValueError(problem)
        put(alarm)

    put = cloudwatch.cloudformation_put_metric_alarm
    cloudwatch.cloudformation_put_metric_alarm = put_if_supported
    cloudwatch.__dict__.update(_evaluating=evaluating, _evaluate=evaluate, _problem=alarms.problem)
    source = source_of(cloudwatch._evaluate_alarm)
    body = source[source.index("    ns = alarm.get") : source.index('    old_state = alarm["StateValue"]\n')]
    replace_in_function(cloudwatch, "_evaluate_alarm", body, "    new_state, reason = _evaluate(alarm)\n")
    for old, new in (
        ('    new_state = "ALARM" if breaching else "OK"\n', ""),
        ("    if old_state != new_state:\n", "    if new_state is not None and old_state != new_state:\n"),
        ('        reason = f"Threshold Crossed: {stat_name} {val} {op} {threshold}"\n', ""),
    ):
        replace_in_function(cloudwatch, "_evaluate_alarm", old, new)
    evaluate_alarm = cloudwatch._evaluate_alarm

    def one_at_a_time(alarm: alarms.Alarm) -> None:
        # The thread of a deployment evaluates the alarms that it creates: a change must not be published twice.
        with evaluating:
            evaluate_alarm(alarm)

    cloudwatch._evaluate_alarm = one_at_a_time
    replace_in_function(
        cloudwatch,
        "_put_metric_alarm",
        "    is_new = name not in _alarms\n",
        "    problem = _problem(alarm | cbor_data)\n"
        "    if problem:\n"
        "        return _error('ValidationError', problem, 400, use_json=is_json, use_cbor=is_cbor)\n"
        "    is_new = name not in _alarms\n",
    )


@patch(
    "service-namespaces",
    area="observability",
    aws="PutMetricData rejects namespaces that begin with AWS/: services publish those themselves",
    emulator="they are accepted from all callers",
    reason=(
        "a function that publishes metrics there would fail only on AWS; the front door, and tests that simulate an"
        " outage, publish metrics of AWS services by the route /_setpieces/metrics"
    ),
    upstream="not reported",
)
def reject_namespaces_of_aws_services() -> None:
    from ministack.services import cloudwatch

    put = cloudwatch._put_metric_data

    def put_own_namespaces(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        namespace = data.get("Namespace") or cloudwatch._p(params, "Namespace")
        if namespace.startswith("AWS/"):
            message = f"The value {namespace} for parameter Namespace is invalid."
            return cloudwatch._error("InvalidParameterValue", message, 400, use_json=is_json, use_cbor=is_cbor)
        return put(params, data, is_cbor, is_json)

    if "AWS/" in inspect.getsource(put):
        raise NoLongerNeeded("namespaces of AWS services are rejected")
    cloudwatch._put_metric_data = put_own_namespaces


# The largest number of items of each list in a PutMetricData request.
MAX_ITEMS = {"MetricData": 1000, "Dimensions": 30, "Values": 150, "Counts": 150}


def _list_sizes(params: dict[str, Any], data: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """(path, length) of each list in a PutMetricData request; from a query, the position of each item instead of the length."""
    metrics = data.get("MetricData") or []
    yield "MetricData", len(metrics)
    for number, metric in enumerate(metrics, 1):
        for name in MAX_ITEMS:
            yield f"MetricData.member.{number}.{name}", len(metric.get(name) or [])
    for key in params:  # MetricData.member.2.Dimensions.member.1.Name
        parts = key.split(".member.")
        for depth in range(1, len(parts)):
            yield ".member.".join(parts[:depth]), int(parts[depth].partition(".")[0])


@patch(
    "metric-sizes",
    area="observability",
    aws="PutMetricData accepts at most 1,000 metrics, each with 30 dimensions and 150 values",
    emulator="lists of any length are accepted",
    reason="a number of metrics that grows with the shop would be rejected only on AWS",
    upstream="not reported",
)
def limit_metric_sizes() -> None:
    from ministack.services import cloudwatch

    if "must not have a size greater than" in inspect.getsource(cloudwatch):
        raise NoLongerNeeded("lists of metrics are limited")
    put_metric_data = cloudwatch._put_metric_data

    def put_within_limits(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        for path, size in _list_sizes(params, data):
            maximum = MAX_ITEMS.get(path.rpartition(".")[2], size)
            if size > maximum:
                message = f"The collection {path} must not have a size greater than {maximum}."
                return cloudwatch._error("InvalidParameterValue", message, 400, use_json=is_json, use_cbor=is_cbor)
        return put_metric_data(params, data, is_cbor, is_json)

    cloudwatch._put_metric_data = put_within_limits
