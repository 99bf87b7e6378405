"""Access logs and the AWS/ApiGateway metrics, sent in the background and best effort.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

LOG = logging.getLogger(__name__)

MAX_PENDING = 50_000  # lines and requests; the oldest are dropped when CloudWatch is away
MAX_BATCH = 5_000  # log events a PutLogEvents, of 10,000 allowed
FLUSH = 3.0  # seconds


class NoTelemetry:
    """Records nothing."""

    def access(self, destination: str, line: str) -> None:
        """Drops the line."""

    def request(self, api: str, stage: str, status: int, latency: float, integration_latency: float | None) -> None:
        """Drops the measurements."""


class CloudWatch:
    """Collects, and flushes every FLUSH seconds from one daemon thread: `ports.Telemetry`.

    `logs` is a boto3 client of CloudWatch Logs; `publish` takes a namespace and metric data as PutMetricData has them, which
    itself refuses namespaces of AWS services.
    """

    def __init__(self, logs: Any, publish: Callable[[str, list[dict[str, Any]]], None]) -> None:
        self._logs, self._publish = logs, publish
        self._lines: deque[tuple[str, int, str]] = deque(maxlen=MAX_PENDING)
        self._requests: deque[tuple[str, str, int, float, float | None]] = deque(maxlen=MAX_PENDING)
        self._streams: dict[str, str] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-telemetry", daemon=True)

    def start(self) -> None:
        """Begins to flush."""
        self._thread.start()

    def stop(self) -> None:
        """Flushes for the last time."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=FLUSH)

    def access(self, destination: str, line: str) -> None:
        """Takes an access log line."""
        self._lines.append((destination, int(time.time() * 1000), line))

    def request(self, api: str, stage: str, status: int, latency: float, integration_latency: float | None) -> None:
        """Counts a request."""
        self._requests.append((api, stage, status, latency, integration_latency))

    def _run(self) -> None:
        while not self._stopped.wait(FLUSH):
            self.flush()
        self.flush()

    def flush(self) -> None:
        """Sends what there is; what cannot be sent is logged and dropped."""
        for send in (self._send_lines, self._send_metrics):
            try:
                send()
            except Exception as error:
                # Any fault of CloudWatch, or its absence, must not reach a request or end the thread.
                LOG.warning("telemetry: %s", error)

    def _send_lines(self) -> None:
        groups: dict[str, list[dict[str, Any]]] = {}
        while self._lines:
            destination, at, line = self._lines.popleft()
            # arn:aws:logs:region:account:log-group:NAME[:*]
            parts = destination.split(":")
            if len(parts) > 6 and parts[2] == "logs":
                groups.setdefault(parts[6], []).append({"timestamp": at, "message": line})
        for group, events in groups.items():
            events.sort(key=lambda event: event["timestamp"])
            for start in range(0, len(events), MAX_BATCH):
                self._logs.put_log_events(
                    logGroupName=group, logStreamName=self._stream(group), logEvents=events[start : start + MAX_BATCH]
                )

    def _stream(self, group: str) -> str:
        if group not in self._streams:
            name = uuid4().hex
            self._logs.create_log_stream(logGroupName=group, logStreamName=name)
            self._streams[group] = name
        return self._streams[group]

    def _send_metrics(self) -> None:
        stages: dict[tuple[str, str], list[tuple[int, float, float | None]]] = {}
        while self._requests:
            api, stage, status, latency, integration = self._requests.popleft()
            stages.setdefault((api, stage), []).append((status, latency, integration))
        for (api, stage), requests in stages.items():
            dimensions = [{"Name": "ApiName", "Value": api}, {"Name": "Stage", "Value": stage}]
            statuses = [status for status, _, _ in requests]
            data = [
                _datum("Count", "Count", [1] * len(requests)),
                # 0 or 1 for each request: the average is the share of requests that failed.
                _datum("4XXError", "Count", [400 <= status < 500 for status in statuses]),
                _datum("5XXError", "Count", [status >= 500 for status in statuses]),
                # In whole milliseconds: each other value would be a point of its own, which CloudWatch keeps for two weeks.
                _datum("Latency", "Milliseconds", [round(latency) for _, latency, _ in requests]),
                _datum(
                    "IntegrationLatency", "Milliseconds", [round(time) for _, _, time in requests if time is not None]
                ),
            ]
            self._publish("AWS/ApiGateway", [{**datum, "Dimensions": dimensions} for datum in data if datum["Values"]])


def _datum(name: str, unit: str, values: Sequence[float]) -> dict[str, Any]:
    counts = Counter(map(float, values))
    return {"MetricName": name, "Unit": unit, "Values": [*counts], "Counts": [*counts.values()]}
