"""AWS calls that fail on purpose, in the emulator's own process: calls of deployed roles, never of a developer or a test.

    PUT    /_setpieces/faults   begins a plan: {"seed", "kinds": [...], "most"?, "calm"?, "after"?, "pairs"?: [[...]]}
    POST   /_setpieces/faults   begins the plan's next turn
    GET    /_setpieces/faults   {"seed", "kinds", "injected": [...], "waiting": [...], "seen": [...]}
    DELETE /_setpieces/faults   ends the plan; its report can still be read

``local.emulator.fault_plan`` describes plans.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs, unquote

from local.emulator.fault_plan import KINDS, Call, Plan
from model.settings import STAGE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# No client waits longer for a response.
SILENCE_SECONDS = 90
# Operations of S3 that share an action in IAM, by method and query parameter.
_S3_CALLS = {
    ("HEAD", ""): "HeadObject",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "partNumber"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}


class Faults:
    """Applies the current plan, if any, to requests of the emulator. ``deployed`` lists CloudFormation's resources."""

    def __init__(self, deployed: Callable[[], list[dict[str, Any]]]) -> None:
        self._deployed = deployed
        self._plan: Plan | None = None
        self._last = Plan()
        self._callers: dict[str, str] = {}

    def begin(self, document: Mapping[str, Any]) -> dict[str, Any]:
        self._last = self._plan = Plan.parse(document)
        self._callers = callers(self._deployed())
        return self.report()

    def next_turn(self) -> dict[str, Any]:
        self._last.next_turn()
        return self.report()

    def end(self) -> dict[str, Any]:
        self._plan = None
        return self.report()

    def report(self) -> dict[str, Any]:
        return self._last.report()

    async def apply(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request to the emulator, or let it fail."""
        plan = self._plan
        caller = self._caller(scope) if plan else ""
        if plan is None or not caller:
            await application(scope, receive, send)
            return
        body = await body_of(receive)
        call = _call(caller, scope, body)
        kind = KINDS.get(plan.decide(call) or "") if call else None
        replay = _replay(body, receive)
        if call is None or kind is None:
            await application(scope, replay, send)
            return
        if kind.applied:
            await application(scope, replay, _discard)
        error = kind.response(call.service)
        if error is None:
            await _wait_for_disconnect(receive)
            return
        for message in _error(call, scope, *error):
            await send(message)

    def _caller(self, scope: Scope) -> str:
        """The caller, if the request is signed by a deployed role; "" for other signers and for presigned URLs."""
        from ministack.core import iam_evaluator, router

        headers = _headers(scope)
        if not headers.get("authorization", "").startswith("AWS4-HMAC"):
            return ""
        identity = iam_evaluator.resolve_caller_identity(router.extract_access_key_id(headers)) or {}
        return self._callers.get(iam_evaluator._role_name_from_assumed_arn(identity.get("userArn") or ""), "")


def callers(deployed: list[dict[str, Any]]) -> dict[str, str]:
    """Callers by role name: the function of the role, or ``stack/logical id`` of another role."""
    prefix, names = f"setpieces-{STAGE}-", {}
    for resource in deployed:
        if resource["type"] == "AWS::IAM::Role":
            stack = resource["stack"].removeprefix(prefix).partition("-")[0]
            names[resource["physical_id"]] = f"{stack}/{resource['logical_id']}"
    for resource in deployed:
        if resource["type"] == "AWS::Lambda::Function":
            role = str(resource["properties"]["Role"]).rpartition("/")[2]
            names[role] = resource["physical_id"].removeprefix(prefix)
    return names


def _call(caller: str, scope: Scope, body: bytes) -> Call | None:
    """The call of a request; None if the emulator has no name for its operation."""
    from ministack.core import iam_actions, router

    headers, query = _headers(scope), parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    method, path = scope["method"], unquote(scope["path"])
    service = router.detect_service(method, path, headers, query)
    operation = iam_actions.extract_iam_action(service, method, path, headers, body, query)
    if not operation:
        return None
    if operation.startswith("s3:"):
        names = (
            _S3_CALLS[method, part]
            for part in ("uploads", "partNumber", "uploadId", "")
            if _is_s3_call(method, part, query)
        )
        operation = f"s3:{next(names, 'CopyObject' if 'x-amz-copy-source' in headers else operation[3:])}"
    # A client that sends no invocation id, such as API Gateway, does not retry.
    return Call(caller, operation, headers.get("amz-sdk-invocation-id") or f"{time.time_ns()}")


def _is_s3_call(method: str, part: str, query: Mapping[str, Any]) -> bool:
    return (method, part) in _S3_CALLS and (not part or part in query)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _error(call: Call, scope: Scope, status: int, code: str) -> list[MutableMapping[str, Any]]:
    """The ASGI messages of an error in the protocol of the request."""
    headers = _headers(scope)
    text, response_headers = "Injected by the local cloud", [(b"x-amzn-errortype", code.encode())]
    if "x-amz-target" in headers or call.service in ("lambda", "ses"):
        media_type, body = "application/x-amz-json-1.0", json.dumps({"__type": code, "message": text})
        response_headers.append((b"x-amzn-query-error", f"{code};Sender".encode()))
    elif call.service == "s3":
        media_type, body = "application/xml", f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    else:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
        media_type, body = "text/xml", f"<ErrorResponse>{error}<RequestId>injected</RequestId></ErrorResponse>"
    content = body.encode() if scope["method"] != "HEAD" else b""
    response_headers += [(b"content-type", media_type.encode()), (b"content-length", str(len(content)).encode())]
    return [
        {"type": "http.response.start", "status": status, "headers": response_headers},
        {"type": "http.response.body", "body": content},
    ]


async def body_of(receive: Receive) -> bytes:
    """The whole body of a request."""
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that returns the body, which was already read, and then the next messages."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> MutableMapping[str, Any]:
        return messages.pop() if messages else await receive()

    return replay


async def _discard(message: MutableMapping[str, Any]) -> None:
    """A ``send`` that loses the response."""


async def _wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client closes the connection."""

    async def disconnect() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(disconnect(), SILENCE_SECONDS)
    except TimeoutError:
        return
