"""How tests call the simulators of the outside systems."""

import json

from tests.lambda_events import lambda_context, rest_event

CONTEXT = lambda_context("simulate", seconds=29)


def call(app, method, path, body=None, *, query=None, raw=None, **headers):
    event = rest_event(
        method,
        f"/v1/{path}",
        raw if raw is not None else body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        path_parameters={"proxy": path},
        query=query,
    )
    answer = app.handler(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"]) if answer["body"] else None, answer["headers"]
