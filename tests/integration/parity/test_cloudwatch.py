"""The patches of ``local.emulator.patches.cloudwatch``, beside an emulator without patches."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.two_emulators import Cloud, error_code, printed_numbers
from tools.client import eventually

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def namespaces(cloud: Cloud) -> set[str]:
    return {metric["Namespace"] for metric in cloud.aws("cloudwatch").list_metrics()["Metrics"]}


def test_metric_points():
    """The number of points read when one is put, with a thousand of last week and ten alarms."""
    plain, patched = printed_numbers(
        "metric-points",
        """
import time
from ministack.services import cloudwatch
class Point(dict):
    reads = 0
    def __getitem__(self, name):
        Point.reads += name == "Timestamp"
        return super().__getitem__(name)
week_ago = time.time() - 7 * 24 * 3600
cloudwatch._metrics["Space", "Name", ""] = [Point(Timestamp=week_ago + n, Value=1.0, Unit="None") for n in range(1000)]
alarm = {"Namespace": "Space", "MetricName": "Name", "StateValue": "OK", "Statistic": "Sum", "Threshold": 0}
for n in range(10):
    cloudwatch._alarms[f"alarm-{n}"] = alarm | {"AlarmName": f"alarm-{n}", "ComparisonOperator": "GreaterThanThreshold"}
Point.reads = 0
cloudwatch._put_metric_data({}, {"Namespace": "Space", "MetricData": [{"MetricName": "Name", "Value": 1}]}, False, True)
print(Point.reads)
""",
    )
    assert plain >= 10 * 1000
    assert patched < 500


def test_alarm_evaluation(plain: Cloud, patched: Cloud):
    """Only the last of three hours is above the threshold, in the series of one queue."""
    hours_ago = {0.5: 9.0, 1.5: 1.0, 2.5: 1.0}
    series = {"Namespace": "Probe", "MetricName": "Age", "Dimensions": [{"Name": "queue", "Value": "first"}]}
    threshold = {"Threshold": 5, "ComparisonOperator": "GreaterThanThreshold", "Statistic": "Maximum", "Period": 3600}
    alarm = series | threshold | {"EvaluationPeriods": 3, "TreatMissingData": "notBreaching"}
    alarms: dict[str, dict[str, Any]] = {
        "one of three": {"DatapointsToAlarm": 1},
        "two of three": {"DatapointsToAlarm": 2},
        "another queue": {"DatapointsToAlarm": 1, "Dimensions": [{"Name": "queue", "Value": "second"}]},
        "all queues": {"DatapointsToAlarm": 1, "Dimensions": []},
        "another unit": {"DatapointsToAlarm": 1, "Unit": "Seconds"},
        "never put": {"MetricName": "Never"},
        "never put, breaching": {"MetricName": "Never", "TreatMissingData": "breaching"},
    }
    states = []
    for cloud in (plain, patched):
        cloudwatch = cloud.aws("cloudwatch")
        data = [
            {name: series[name] for name in ("MetricName", "Dimensions")}
            | {"Value": value, "Timestamp": datetime.now(UTC) - timedelta(hours=hours)}
            for hours, value in hours_ago.items()
        ]
        cloudwatch.put_metric_data(Namespace="Probe", MetricData=data)
        for name, settings in alarms.items():
            cloudwatch.put_metric_alarm(AlarmName=name, **alarm | settings)
        current_states = {one["AlarmName"]: one["StateValue"] for one in cloudwatch.describe_alarms()["MetricAlarms"]}
        states.append([current_states[name] for name in alarms])
    assert states[0] == ["ALARM"] * 5 + ["INSUFFICIENT_DATA"] * 2
    assert states[1] == ["ALARM"] + ["OK"] * 5 + ["ALARM"]
    maths = {"AlarmName": "maths", "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    maths["Metrics"] = [{"Id": "all", "Expression": "first + second"}]
    assert error_code(plain.aws("cloudwatch").put_metric_alarm, **maths) == ""
    assert error_code(patched.aws("cloudwatch").put_metric_alarm, **maths) == "ValidationError"


def test_service_namespaces(plain: Cloud, patched: Cloud):
    data = {"Namespace": "AWS/Probe", "MetricData": [{"MetricName": "Put", "Value": 1}]}
    assert error_code(plain.aws("cloudwatch").put_metric_data, **data) == ""
    assert error_code(patched.aws("cloudwatch").put_metric_data, **data) == "InvalidParameterValue"
    datum = {"MetricName": "Published", "Dimensions": [], "Unit": "Count", "Values": [1]}
    published = {"Namespace": "AWS/Probe", "MetricData": [datum]}
    assert patched.emulator("POST", "/_setpieces/metrics", json=published).is_success
    assert "AWS/Probe" in namespaces(patched)
    late = published | {"MetricData": [datum | {"Timestamp": "2026-01-01T00:00:00Z"}]}
    series = {"Namespace": "AWS/Probe", "MetricName": "Put", "Dimensions": {}, "Unit": "Count", "Counts": [[1, 1]]}
    for wrong in (
        {"Namespace": "AWS/Probe"},
        late,
        [{"Namespace": "AWS/Probe"}],
        [series | {"Seconds": 0}],
        "AWS/Probe",
    ):
        method = "POST" if isinstance(wrong, dict) else "PUT"
        assert patched.emulator(method, "/_setpieces/metrics", json=wrong).status_code == 400


def test_metric_sizes(plain: Cloud, patched: Cloud):
    """The largest lists, and lists with one item more."""
    metric = {"MetricName": "Probe"}

    def codes(cloud: Cloud, excess: int) -> list[str]:
        dimensions = [{"Name": f"n{number}", "Value": "x"} for number in range(30 + excess)]
        requests = (
            [metric | {"Value": 1}] * (1000 + excess),
            [metric | {"Value": 1, "Dimensions": dimensions}],
            [metric | {"Values": [1] * (150 + excess)}],
        )
        put = cloud.aws("cloudwatch").put_metric_data
        return [error_code(put, Namespace="Probe", MetricData=metrics) for metrics in requests]

    assert codes(plain, 0) == codes(plain, 1) == codes(patched, 0) == [""] * 3
    assert codes(patched, 1) == ["InvalidParameterValue"] * 3


def test_embedded_metrics(plain: Cloud):
    plain.aws("cloudwatch").put_metric_data(Namespace="Sent", MetricData=[{"MetricName": "Probe", "Value": 1}])
    metric = {"Namespace": "Logged", "Dimensions": [[]], "Metrics": [{"Name": "Probe"}]}
    line = json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [metric]}, "Probe": 1})
    function = plain.function(f"def handler(event, context): print({line!r})")
    plain.invoke(function)
    eventually(lambda: plain.aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"])
    assert {"Sent"} <= namespaces(plain)
    assert "Logged" not in namespaces(plain)


def test_queue_metrics(plain: Cloud):
    url, _ = plain.queue()
    plain.aws("sqs").send_message(QueueUrl=url, MessageBody="counted on AWS")
    assert "AWS/SQS" not in namespaces(plain)


def test_traces(plain: Cloud):
    now = datetime.now(UTC)
    get_summaries = plain.aws("xray").get_trace_summaries
    assert error_code(get_summaries, StartTime=now - timedelta(minutes=1), EndTime=now) != ""
