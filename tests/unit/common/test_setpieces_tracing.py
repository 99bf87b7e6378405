"""A trace continues through queues and the bus: requests of a traced invocation carry its id, and AWS hands it on.

https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html, .../xray-services-eventbridge.html
"""

from typing import Any

import pytest

from setpieces.aws import client
from tests.service import Cloud

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
SENDS = [
    ("sqs", "create_queue", {"QueueName": "q"}),
    ("events", "put_events", {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]}),
    ("stepfunctions", "list_state_machines", {}),
]


@pytest.mark.parametrize(("service", "call", "arguments"), SENDS)
def test_a_request_of_a_traced_invocation_carries_its_trace(
    aws_cloud: Cloud, monkeypatch: pytest.MonkeyPatch, service: str, call: str, arguments: dict[str, Any]
):
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "traced")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
    trace_headers: list[str] = []
    create: Any = client
    sender = create(service)
    sender.meta.events.register_first(
        "before-send", lambda request, **_: trace_headers.append(request.headers["X-Amzn-Trace-Id"])
    )
    getattr(sender, call)(**arguments)
    (carried,) = trace_headers
    assert (carried.decode() if isinstance(carried, bytes) else carried) == TRACE
