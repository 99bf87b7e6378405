"""How tests call the functions of the login service, and what is stored then."""

import importlib
import json
from typing import Any

from setpieces.external import Answer
from tests.lambda_events import CONTEXT

ADA: dict[str, Any] = {"identity_id": "id-1", "customer_id": "C1", "roles": []}
ADMIN: dict[str, Any] = {"identity_id": "id-9", "customer_id": None, "roles": ["admin"]}
CREDENTIALS = {"email": "ada@example.com", "password": "correct horse"}
METHOD_ARN = "arn:aws:execute-api:eu-central-1:000000000000:abc/local/GET/v1/things/1"
MINUTES, IDLE_MINUTES = 60, 20
ADMIN_MINUTES, ADMIN_IDLE_MINUTES = 30, 10
PER_CLIENT, PER_ADDRESS = 10, 25


def stored(world: Any) -> list[dict[str, Any]]:
    items = world.dynamodb.scan(TableName="sessions")["Items"]
    return [item for item in items if "issued_at" in item]


def call(
    function: str, body: Any = None, token: str | None = None, *, client: str = "192.0.2.1", **path: str
) -> tuple[int, Any]:
    """(status, body) of a function behind the API; ``path`` has path parameters."""
    event = {
        "httpMethod": "POST",
        "path": "/v1/sessions",
        "pathParameters": path,
        "headers": {"X-Forwarded-For": f"{client}, 198.51.100.7"}
        | ({"Authorization": f"Bearer {token}"} if token else {}),
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {"requestId": "r", "path": "/login/v1/sessions"},
    }
    answer = importlib.import_module(f"login.handlers.{function}").handler(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"]) if answer.get("body") else None


def authorize(function: str, authorization: str | None) -> dict[str, Any]:
    headers = {} if authorization is None else {"Authorization": authorization}
    event = {"type": "REQUEST", "methodArn": METHOD_ARN, "headers": headers, "requestContext": {"requestId": "r"}}
    return importlib.import_module(f"login.handlers.{function}").handler(event, CONTEXT)


def effect(answer: dict[str, Any]) -> str:
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Resource"] == METHOD_ARN
    return statement["Effect"]


def sign_in(world: Any, identity: dict[str, Any] = ADA) -> str:
    world.answer = Answer(200, identity)
    status, session = call("create_session", CREDENTIALS)
    assert status == 201
    return session["session_token"]
