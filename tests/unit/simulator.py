"""How tests call the simulators of the outside systems."""

import json
from types import SimpleNamespace

CONTEXT = SimpleNamespace(
    function_name="simulate",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:simulate",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 29_000,
)


def call(app, method, path, body=None, *, query=None, raw=None, **headers):
    event = {
        "httpMethod": method,
        "path": f"/v1/{path}",
        "pathParameters": {"proxy": path},
        "queryStringParameters": query,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "body": raw if raw is not None else json.dumps(body) if body is not None else None,
        "requestContext": {"requestId": "r"},
    }
    answer = app.handler(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, answer["headers"]
