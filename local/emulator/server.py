"""MiniStack with the local patches in its own process, and with routes that the front door, tests and benchmarks need.

    GET  /_setpieces/resources   every deployed CloudFormation resource, intrinsics resolved:
                                 [{"stack", "logical_id", "type", "physical_id", "properties"}]
    GET  /_setpieces/calls       the number of calls of each AWS operation since the start: {"dynamodb:UpdateItem": 12};
                                 ?by=role: the calls of each role, and DynamoDB's units (local.emulator.meter)
    GET  /_setpieces/traces      the X-Ray segments that functions sent, newest last; ?correlation_id= for one checkout
    POST /_setpieces/authorize   authorizes the signer of a request for an action (SigV4 and IAM policies):
                                 {"method", "raw_path", "query": [[k, v]], "headers": [[k, v]], "body_base64",
                                  "action", "resource"}
                                 -> {"allowed", "status", "code", "message", "principal_arn", "account_id", "access_key"}
    PUT, POST, GET, DELETE /_setpieces/faults   AWS calls of deployed roles that fail on purpose, see ``local.emulator.faults``
    PUT, GET, DELETE /_setpieces/deliveries   disturbed deliveries, see ``local.emulator.delivery_chaos``
    POST, PUT, DELETE /_setpieces/metrics   metrics that AWS services publish, see ``local.emulator.service_metrics``

These routes need the token of ``local.credentials``. ``local.request_guard`` rejects requests of other origins.

Run as ``python -m local.emulator.server``; settings come from the environment that ``local.cloud.start`` prepares.
"""

import asyncio
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
from local.emulator.authorization import authorize
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
    """The deployed CloudFormation resources, with resolved properties."""
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
    """The properties of a web ACL with its secrets: nested stacks do not resolve ``{{resolve:...}}``."""
    from ministack.services.cloudformation.engine import _resolve_dynamic_references

    properties: dict[str, Any] = _resolve_dynamic_references(resource["Properties"])[0]
    return properties


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


_faults = Faults(deployed_resources)


@cache
def _token() -> str:
    return token(root_secret(STATE))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The emulator's ASGI application behind the request guard, with the administrative routes."""
    if scope["type"] == "http":
        await _http(scope, receive, send)
    else:  # "lifespan", since uvicorn forwards no websockets
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
        await _faults.apply(app, scope, receive, _without_cors(send))


def _without_cors(send: Send) -> Send:
    async def send_without_cors(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = request_guard.without_cors(message["headers"])
        await send(message)

    return send_without_cors


async def _administration(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["method"], scope["path"]:
        case "GET", "/_setpieces/resources":
            response: Any = deployed_resources()
        case "GET", "/_setpieces/traces":
            query = parse_qs(scope["query_string"].decode("latin-1"))
            response = traces(query.get("correlation_id", [""])[0])
        case "GET", "/_setpieces/calls":
            response = _meter.read() if b"by=role" in scope["query_string"] else dict(_calls)
        case "PUT", "/_setpieces/faults":
            response = _faults.begin(json.loads(await body_of(receive)))
        case "POST", "/_setpieces/faults":
            response = _faults.next_turn()
        case "GET", "/_setpieces/faults":
            response = _faults.report()
        case "DELETE", "/_setpieces/faults":
            response = _faults.end()
        case "POST", "/_setpieces/authorize":
            request = json.loads(await body_of(receive))
            # The emulator keeps the request in context variables, so each check needs its own context.
            response = copy_context().run(authorize, request)
        case "GET" | "PUT" | "DELETE", "/_setpieces/deliveries":
            try:
                response = delivery_chaos.request(scope["method"], json.loads(await body_of(receive) or "{}"))
            except (TypeError, ValueError) as error:
                await _respond(send, 400, {"message": str(error)})
                return
        case "POST" | "PUT" | "DELETE", "/_setpieces/metrics":
            try:
                content = json.loads(await body_of(receive) or "null")
                response = copy_context().run(service_metrics.request, scope["method"], content)
            except (LookupError, TypeError, ValueError) as error:
                await _respond(send, 400, {"message": repr(error)})
                return
        case _:
            await _respond(send, 404, {"message": f"no route {quote(scope['path'])}"})
            return
    await _respond(send, 200, response)


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
    """Evaluate all alarms each minute, as CloudWatch does."""
    from ministack.core import responses
    from ministack.services import cloudwatch

    responses.set_request_region(REGION)
    while True:
        await asyncio.sleep(60 - time.time() % 60)
        cloudwatch._evaluate_every_alarm()


async def serve() -> None:
    """Serve until SIGTERM or SIGINT; the emulator then writes its state.

    uvicorn raises the signal again after that, which ends the process and its threads at once.
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
    state_files.encode_in_c()
    delivery_chaos.install()
    Recorder().install()
    _meter.install()
    uvloop.run(serve())


if __name__ == "__main__":
    main()
