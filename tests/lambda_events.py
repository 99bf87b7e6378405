"""What Lambda passes to a handler: its context, and the events of API Gateway, SQS, EventBridge and a schedule.

https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html
"""

import json
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from model.settings import ACCOUNT_ID, REGION
from setpieces.events import DETAIL_TYPE


def lambda_context(function_name: str = "f", *, seconds: float | Callable[[], float] = 4, request_id: str = "r") -> Any:
    """The context of an invocation with ``seconds`` left until its time-out; a function says so each time anew."""
    left = seconds if callable(seconds) else lambda: seconds
    return SimpleNamespace(
        function_name=function_name,
        memory_limit_in_mb=1024,
        invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{function_name}",
        aws_request_id=request_id,
        get_remaining_time_in_millis=lambda: int(left() * 1000),
    )


CONTEXT = lambda_context()


def rest_event(
    method: str = "POST",
    path: str = "/v1/things",
    body: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    path_parameters: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    authorizer: Mapping[str, Any] | None = None,
    service: str = "things",
) -> dict[str, Any]:
    """A request to a REST API with Lambda proxy integration; a ``body`` that is no text is sent as JSON."""
    is_json = body is not None and not isinstance(body, str)
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": ({"Content-Type": "application/json"} if is_json else {}) | dict(headers or {}),
        "queryStringParameters": dict(query) if query else None,
        "pathParameters": dict(path_parameters) if path_parameters else None,
        "requestContext": {
            "requestId": "request-1",
            "stage": "local",
            "path": f"/{service}{path}",
            "httpMethod": method,
            "authorizer": dict(authorizer or {}),
        },
        "body": json.dumps(body) if is_json else body,
        "isBase64Encoded": False,
    }


def sqs_record(
    body: Any,
    *,
    message_id: str = "m",
    receive_count: int = 1,
    group_id: str | None = None,
    attributes: Mapping[str, str] | None = None,
    queue: str = "queue",
    sent_at: float | None = None,
) -> dict[str, Any]:
    """A message as SQS delivers it; a ``body`` that is no text is sent as JSON. ``sent_at`` is in epoch seconds."""
    system = {"ApproximateReceiveCount": str(receive_count)}
    if group_id is not None:
        system["MessageGroupId"] = group_id
    if sent_at is not None:
        system["SentTimestamp"] = str(int(sent_at * 1000))
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-of-{message_id}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": system,
        "messageAttributes": {
            name: {"stringValue": value, "dataType": "String"} for name, value in (attributes or {}).items()
        },
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{queue}",
        "awsRegion": REGION,
    }


def sqs_event(*bodies: Any, **options: Any) -> dict[str, Any]:
    """A batch of messages, ``m0``, ``m1`` and so on; ``options`` are those of ``sqs_record``, for each of them."""
    return {
        "Records": [sqs_record(body, message_id=f"m{n}", **options) for n, body in enumerate(bodies)],
    }


def eventbridge_event(detail: Any, *, source: str = "service-orders-local", event_id: str = "e") -> dict[str, Any]:
    """An event of a bus, as a rule passes it to a queue: the body of a message of SQS."""
    return {
        "version": "0",
        "id": event_id,
        "detail-type": DETAIL_TYPE,
        "source": source,
        "account": ACCOUNT_ID,
        "time": "2026-01-01T12:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": detail,
    }


def scheduled_event() -> dict[str, Any]:
    """An invocation by EventBridge Scheduler."""
    return {
        "version": "0",
        "id": "e",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT_ID,
        "time": "2026-01-01T12:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": "{}",
    }
