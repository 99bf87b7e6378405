"""MiniStack with the local patches in its own process, and with routes that the front door, tests and benchmarks need.

    GET  /_setpieces/resources   every deployed CloudFormation resource, intrinsics resolved:
                                 [{"stack", "logical_id", "type", "physical_id", "properties"}]
    GET  /_setpieces/calls       how often each AWS operation was called since the start: {"dynamodb:UpdateItem": 12};
                                 ?by=role: what each role called, and DynamoDB's units (local.emulator.meter)
    GET  /_setpieces/traces      the X-Ray segments that functions sent, newest last; ?correlation_id= for one checkout
    POST /_setpieces/authorize   whether the signer of a request may do an action (SigV4 and IAM policies):
                                 {"method", "raw_path", "query": [[k, v]], "headers": [[k, v]], "body_base64",
                                  "action", "resource"}
                                 -> {"allowed", "status", "code", "message", "principal_arn", "account_id", "access_key"}
    PUT, POST, GET, DELETE /_setpieces/faults   AWS calls of deployed roles that fail on purpose, see ``local.emulator.faults``
    PUT, GET, DELETE /_setpieces/deliveries   messages twice and out of order, wrong clocks: ``local.emulator.delivery_chaos``
    POST, PUT, DELETE /_setpieces/metrics   metrics that AWS services publish, see ``local.emulator.service_metrics``

These routes need the token of ``local.credentials``. What is served at all, ``local.request_guard`` says.

Run as ``python -m local.emulator.server``; settings come from the environment that ``local.cloud.start`` prepares.
"""

import asyncio
import base64
import contextlib
import json
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import copy_context
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote

import uvicorn
import uvloop

from local import request_guard
from local.credentials import root_secret, token
from local.emulator import delivery_chaos, patches, service_metrics, state_files
from local.emulator.faults import Faults, body_of
from local.emulator.iam_usage import Recorder
from local.emulator.meter import Meter
from local.settings import AWS_PORT, HOST, STATE
from model.settings import REGION

_SIGNED_FOR = re.compile(r"Credential=[^/]+/[0-9]+/[^/]+/(?P<service>[^/]+)/")
_calls: Counter[str] = Counter()
_meter = Meter()
_segments: deque[dict[str, Any]] = deque(maxlen=20_000)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def deployed_resources() -> list[dict[str, Any]]:
    """What CloudFormation deployed, as it resolved it."""
    from ministack.services.cloudformation import _stacks

    return [
        {
            "stack": stack["StackName"],
            "logical_id": logical_id,
            "type": resource.get("ResourceType", ""),
            "physical_id": resource.get("PhysicalResourceId", ""),
            "properties": _web_acl(resource)
            if resource.get("ResourceType") == "AWS::WAFv2::WebACL"
            else resource.get("Properties", {}),
        }
        for stack in list(_stacks._data.values())
        if not stack.get("StackStatus", "").startswith("DELETE")
        for logical_id, resource in list(stack.get("_resources", {}).items())
    ]


def _web_acl(resource: dict[str, Any]) -> dict[str, Any]:
    """Properties with the secrets that rules search for: nested stacks leave ``{{resolve:...}}`` as it is written."""
    from ministack.services.cloudformation.engine import _resolve_dynamic_references

    properties, _ = _resolve_dynamic_references(resource["Properties"])
    found: dict[str, Any] = properties
    return found


class XRayDaemon(asyncio.DatagramProtocol):
    """Receives what functions would send to the X-Ray daemon: a header line, then a segment, as JSON, in one datagram.

    https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-daemon
    """

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        _, _, segment = data.partition(b"\n")
        with contextlib.suppress(ValueError):
            _segments.append(json.loads(segment))


def traces(correlation_id: str) -> list[dict[str, Any]]:
    """The segments received, or only those annotated with ``correlation_id``."""
    return [
        segment
        for segment in list(_segments)
        if not correlation_id or segment.get("annotations", {}).get("correlation_id") == correlation_id
    ]


def authorize(request: dict[str, Any]) -> dict[str, Any]:
    """Check the signature of ``request`` and the signer's policies, as the emulator does for its own APIs."""
    from ministack.core import iam_evaluator, responses, router
    from ministack.core.sigv4 import decode_header_value

    raw_headers = [(name.lower().encode("latin-1"), value.encode("utf-8")) for name, value in request["headers"]]
    query: dict[str, list[str]] = {}
    for name, value in request["query"]:
        query.setdefault(name, []).append(value)
    headers = {name.decode("latin-1"): decode_header_value(value) for name, value in raw_headers}
    access_key = router.extract_access_key_id(headers, query)
    if not access_key:
        return _refusal(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    if message := _scope_failure(headers, query):
        return _refusal(403, "InvalidSignatureException", message)
    responses.set_request_region(REGION)
    iam_evaluator.pin_signed_request(request["method"], request["raw_path"], query, raw_headers)
    iam_evaluator.pin_signed_body(base64.b64decode(request["body_base64"]))
    # The emulator finds an API's resource policy under the name of the service that keeps it.
    outcome = iam_evaluator.enforce(
        access_key, request["action"], "apigateway", REGION, resource_arn=request["resource"]
    )
    if isinstance(outcome, iam_evaluator.AuthError):
        return _refusal(403, outcome.code, outcome.message)
    if outcome is not None:
        message = (
            f"User: {outcome.principal_arn} is not authorized to perform: {request['action']} on {request['resource']}"
        )
        return _refusal(403, "AccessDeniedException", message) | {"principal_arn": outcome.principal_arn}
    identity = iam_evaluator.resolve_caller_identity(access_key) or {}
    return {
        "allowed": True,
        "status": 200,
        "code": "",
        "message": "",
        "principal_arn": identity.get("userArn"),
        "account_id": identity.get("accountId"),
        "access_key": access_key,
    }


def _scope_failure(headers: dict[str, str], query: dict[str, list[str]]) -> str:
    """How AWS refuses a signature for another service or region, which the emulator accepts; empty if there is none."""
    from ministack.core import sigv4

    signed = sigv4.parse_header_signature(headers) if "authorization" in headers else sigv4.parse_query_signature(query)
    # One that cannot be read is refused in other words, and SigV4a's has no region.
    if isinstance(signed, tuple) or signed.region_set is not None:
        return ""
    region, service = signed.region, signed.service
    wrong = [f"Credential should be scoped to a valid region, not '{region}'. "] if region != REGION else []
    wrong += ["Credential should be scoped to correct service: 'execute-api'. "] if service != "execute-api" else []
    return "".join(wrong)


def _refusal(status: int, code: str, message: str) -> dict[str, Any]:
    return {
        "allowed": False,
        "status": status,
        "code": code,
        "message": message,
        "principal_arn": None,
        "account_id": None,
        "access_key": None,
    }


_faults = Faults(deployed_resources)


@cache
def _token() -> str:
    return token(root_secret(STATE))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The emulator's ASGI application behind the request guard, with our routes in front of it."""
    if scope["type"] == "http":
        await _http(scope, receive, send)
    else:  # "lifespan", as uvicorn passes no websockets on: nothing deployed has one
        from ministack.app import app

        await app(scope, receive, send)


async def _http(scope: Scope, receive: Receive, send: Send) -> None:
    from ministack.app import app

    headers = scope["headers"]
    refusal = request_guard.check(scope["method"], scope["path"], scope["query_string"], headers, _token())
    if refusal:
        await _respond(send, refusal.status, {"__type": refusal.code, "message": refusal.message})
    elif scope["path"].startswith("/_setpieces/"):
        await _administration(scope, receive, send)
    elif request_guard.has_token(headers, _token()):
        scope["headers"] = request_guard.without_token(headers)
        await app(scope, receive, send)
    else:
        _count(scope)
        await _faults.through(app, scope, receive, _without_cors(send))


def _without_cors(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = request_guard.without_cors(message["headers"])
        await send(message)

    return sent


async def _administration(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["method"], scope["path"]:
        case "GET", "/_setpieces/resources":
            answer: Any = deployed_resources()
        case "GET", "/_setpieces/traces":
            query = parse_qs(scope["query_string"].decode("latin-1"))
            answer = traces(query.get("correlation_id", [""])[0])
        case "GET", "/_setpieces/calls":
            answer = _meter.read() if b"by=role" in scope["query_string"] else dict(_calls)
        case "PUT", "/_setpieces/faults":
            answer = _faults.begin(json.loads(await body_of(receive)))
        case "POST", "/_setpieces/faults":
            answer = _faults.next_turn()
        case "GET", "/_setpieces/faults":
            answer = _faults.report()
        case "DELETE", "/_setpieces/faults":
            answer = _faults.end()
        case "POST", "/_setpieces/authorize":
            request = json.loads(await body_of(receive))
            # The emulator keeps the request under check in context variables: each check gets a context of its own.
            answer = copy_context().run(authorize, request)
        case "GET" | "PUT" | "DELETE", "/_setpieces/deliveries":
            try:
                answer = delivery_chaos.request(scope["method"], json.loads(await body_of(receive) or "{}"))
            except (TypeError, ValueError) as error:
                await _respond(send, 400, {"message": str(error)})
                return
        case "POST" | "PUT" | "DELETE", "/_setpieces/metrics":
            try:
                content = json.loads(await body_of(receive) or "null")
                answer = copy_context().run(service_metrics.request, scope["method"], content)
            except (LookupError, TypeError, ValueError) as error:
                await _respond(send, 400, {"message": repr(error)})
                return
        case _:
            await _respond(send, 404, {"message": f"no route {quote(scope['path'])}"})
            return
    await _respond(send, 200, answer)


def _count(scope: Scope) -> None:
    headers = dict(scope["headers"])
    signed = _SIGNED_FOR.search(headers.get(b"authorization", b"").decode("latin-1"))
    if signed:
        target = headers.get(b"x-amz-target", b"").decode("latin-1").rpartition(".")[2]
        _calls[f"{signed['service']}:{target or scope['method']}"] += 1


async def _respond(send: Send, status: int, document: Any) -> None:
    body = json.dumps(document, default=str).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def evaluate_alarms() -> None:
    """Every minute, as CloudWatch does."""
    from ministack.core import responses
    from ministack.services import cloudwatch

    responses.set_request_region(REGION)
    while True:
        await asyncio.sleep(60 - time.time() % 60)
        cloudwatch._evaluate_every_alarm()


async def serve() -> None:
    """Serve until SIGTERM or SIGINT; the emulator then writes its state.

    uvicorn raises the signal again after that, which ends the process at once, whatever its threads wait for.
    """
    config = uvicorn.Config(
        application,
        host=HOST,
        port=AWS_PORT,
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,  # MiniStack sends one
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
    await asyncio.get_running_loop().create_datagram_endpoint(XRayDaemon, local_addr=(HOST, AWS_PORT))
    alarms = asyncio.create_task(evaluate_alarms())
    await uvicorn.Server(config).serve()
    alarms.cancel()


def main() -> None:
    """Patch the emulator, record its decisions, then serve."""
    patches.apply()
    state_files.write_in_one_piece()
    delivery_chaos.install()
    Recorder().install()
    _meter.install()
    uvloop.run(serve())


if __name__ == "__main__":
    main()
