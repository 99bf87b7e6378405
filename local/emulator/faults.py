"""AWS calls that fail on purpose, in the emulator's own process: those of deployed roles, never the developer's or a test's.

    PUT    /_setpieces/faults   begins with a plan: {"seed", "kinds": [...], "most"?, "calm"?, "after"?, "pairs"?: [[...]]}
    POST   /_setpieces/faults   begins the plan's next turn
    GET    /_setpieces/faults   {"seed", "kinds", "injected": [...], "waiting": [...], "seen": [...]}
    DELETE /_setpieces/faults   no more faults; what was injected can still be read

A caller is a function, or an API or another role that AWS assumes; an operation is what it calls ("dynamodb:PutItem"). Each
pair of them fails once under a plan, with one of its kinds, drawn by the seed. A plan without kinds only sees.

One failure is to be mended before the next: what is tried three times cannot bear four. So a caller meets at most ``most``
faults in one turn, and ``calm`` seconds lie between two. ``after`` lets up to so many calls of a pair through first, by the
seed. Only ``pairs``, [caller, operation] each, fail if there are any.

A fault hits one call of an SDK, all its attempts, so that the function meets the error; kinds that end in ``-once`` hit only
the first attempt, and the SDK's own repetition meets what it left behind.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

import asyncio
import json
import random
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from model.settings import STAGE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Pair = tuple[str, str]

# No client here waits longer for an answer that does not come.
SILENCE_SECONDS = 90
# Calls of S3 that IAM knows under one name.
_S3_CALLS = {
    ("HEAD", ""): "HeadObject",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "partNumber"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}
# (status, code) with which a service refuses a call that is one too many; others say ThrottlingException.
_THROTTLED = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "firehose": (503, "ServiceUnavailableException"),
    "lambda": (429, "TooManyRequestsException"),
    "s3": (503, "SlowDown"),
    "ses": (429, "TooManyRequestsException"),
    "sns": (429, "Throttled"),
    "sqs": (400, "RequestThrottled"),
    "sts": (400, "Throttling"),
}
_BROKEN = {"s3": (500, "InternalError"), "dynamodb": (500, "InternalServerError")}


@dataclass(frozen=True)
class Call:
    """One request of an SDK. All attempts of one call have the same ``invocation``."""

    caller: str
    operation: str
    invocation: str

    @property
    def pair(self) -> Pair:
        return self.caller, self.operation

    @property
    def service(self) -> str:
        return self.operation.partition(":")[0]


@dataclass(frozen=True)
class Kind:
    """What happens to a call: whether it is ``applied``, and the (status, code) it is answered with; None is silence."""

    applied: bool
    answer: Callable[[str], tuple[int, str] | None]
    once: bool = False


_WHOLE = {
    "throttle": Kind(False, lambda service: _THROTTLED.get(service, (400, "ThrottlingException"))),
    "server-error": Kind(False, lambda service: _BROKEN.get(service, (500, "InternalFailure"))),
    "time-out": Kind(False, lambda service: None),
    "lost-response": Kind(True, lambda service: _BROKEN.get(service, (500, "InternalFailure"))),
}
KINDS = _WHOLE | {f"{name}-once": Kind(kind.applied, kind.answer, once=True) for name, kind in _WHOLE.items()}


@dataclass
class Plan:
    """Which calls fail, and how; and what it has seen and done. ``decide`` is asked about each attempt."""

    seed: int = 0
    kinds: tuple[str, ...] = ()
    pairs: frozenset[Pair] | None = None
    after: int = 0
    calm: float = 0
    most: int = 1000
    clock: Callable[[], float] = time.monotonic
    injected: list[dict[str, Any]] = field(default_factory=list)
    _seen: dict[Pair, int] = field(default_factory=dict)
    _hit: dict[Pair, dict[str, Any]] = field(default_factory=dict)
    _invocations: dict[str, str] = field(default_factory=dict)
    # Caller to when it met its faults of this turn.
    _disturbed: dict[str, list[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Plan":
        """A plan as it was sent. Raises ``ValueError`` for kinds that there are not."""
        kinds = tuple(document.get("kinds", ()))
        if unknown := set(kinds) - KINDS.keys():
            raise ValueError(f"unknown kinds of faults: {sorted(unknown)}; known kinds: {sorted(KINDS)}")
        pairs = document.get("pairs")
        return cls(
            seed=int(document.get("seed", 0)),
            kinds=kinds,
            pairs=None if pairs is None else frozenset((str(caller), str(operation)) for caller, operation in pairs),
            after=int(document.get("after", 0)),
            calm=float(document.get("calm", 0)),
            most=int(document.get("most", cls.most)),
        )

    def next_turn(self) -> None:
        with self._lock:
            self._disturbed.clear()

    def decide(self, call: Call) -> str | None:
        """The kind of fault that this attempt meets."""
        with self._lock:
            known = self._invocations.get(call.invocation)
            if known:
                self._hit[call.pair]["attempts"] += 1
                return None if KINDS[known].once else known
            self._seen[call.pair] = self._seen.get(call.pair, 0) + 1
            if not self._is_due(call.pair):
                return None
            kind = random.Random(f"{self.seed}/{call.caller}/{call.operation}").choice(self.kinds)
            self._hit[call.pair] = {
                "caller": call.caller,
                "operation": call.operation,
                "kind": kind,
                "at": time.time(),
                "attempts": 1,
            }
            self.injected.append(self._hit[call.pair])
            self._disturbed.setdefault(call.caller, []).append(self.clock())
            self._invocations[call.invocation] = kind
            return kind

    def _is_due(self, pair: Pair) -> bool:
        if not self.kinds or pair in self._hit or not (self.pairs is None or pair in self.pairs):
            return False
        before = self._disturbed.get(pair[0], [])
        if len(before) >= self.most or (before and self.clock() - before[-1] < self.calm):
            return False
        return self._seen[pair] > random.Random(f"{self.seed}/after/{pair}").randint(0, self.after)

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {
                "seed": self.seed,
                "kinds": list(self.kinds),
                "injected": [dict(each) for each in self.injected],
                "waiting": sorted(list(pair) for pair in self._seen.keys() - self._hit.keys()),
                "seen": sorted(list(pair) for pair in self._seen),
            }


class Faults:
    """The plan that is in force, if any, between clients and the emulator. ``deployed`` lists CloudFormation's resources."""

    def __init__(self, deployed: Callable[[], list[dict[str, Any]]]) -> None:
        self._deployed = deployed
        self._plan: Plan | None = None
        self._last = Plan()
        self._callers: dict[str, str] = {}

    def begin(self, document: Mapping[str, Any]) -> dict[str, Any]:
        self._last = self._plan = Plan.of(document)
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

    async def through(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the emulator, or let it fail."""
        plan = self._plan
        caller = self._caller(scope) if plan else ""
        if plan is None or not caller:
            await application(scope, receive, send)
            return
        body = await body_of(receive)
        call = _call(caller, scope, body)
        kind = KINDS.get(plan.decide(call) or "") if call else None
        again = _replayed(body, receive)
        if call is None or kind is None:
            await application(scope, again, send)
            return
        if kind.applied:
            await application(scope, again, _unheard)
        answer = kind.answer(call.service)
        if answer is None:
            await _gone(receive)
            return
        for message in _error(call, scope, *answer):
            await send(message)

    def _caller(self, scope: Scope) -> str:
        """Who signs the request, if it is a role that was deployed; "" for everybody else and for signed links."""
        from ministack.core import iam_evaluator, router

        headers = _headers(scope)
        if not headers.get("authorization", "").startswith("AWS4-HMAC"):
            return ""
        identity = iam_evaluator.resolve_caller_identity(router.extract_access_key_id(headers)) or {}
        return self._callers.get(iam_evaluator._role_name_from_assumed_arn(identity.get("userArn") or ""), "")


def callers(deployed: list[dict[str, Any]]) -> dict[str, str]:
    """Role name to the function whose role it is, or to stack and logical id of any other role."""
    found = {
        each[
            "physical_id"
        ]: f"{each['stack'].removeprefix(f'setpieces-{STAGE}-').partition('-')[0]}/{each['logical_id']}"
        for each in deployed
        if each["type"] == "AWS::IAM::Role"
    }
    functions = (each for each in deployed if each["type"] == "AWS::Lambda::Function")
    return found | {
        str(each["properties"]["Role"]).rpartition("/")[2]: each["physical_id"].removeprefix(f"setpieces-{STAGE}-")
        for each in functions
    }


def _call(caller: str, scope: Scope, body: bytes) -> Call | None:
    """What a request asks for; None if the emulator knows no name for it."""
    from ministack.core import iam_actions, router

    headers, query = _headers(scope), parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    method, path = scope["method"], unquote(scope["path"])
    service = router.detect_service(method, path, headers, query)
    operation = iam_actions.extract_iam_action(service, method, path, headers, body, query)
    if not operation:
        return None
    if operation.startswith("s3:"):
        names = (
            _S3_CALLS[method, part] for part in ("uploads", "partNumber", "uploadId", "") if _asks(method, part, query)
        )
        operation = f"s3:{next(names, 'CopyObject' if 'x-amz-copy-source' in headers else operation[3:])}"
    # Who sends no id, as API Gateway, repeats nothing.
    return Call(caller, operation, headers.get("amz-sdk-invocation-id") or f"{time.time_ns()}")


def _asks(method: str, part: str, query: Mapping[str, Any]) -> bool:
    return (method, part) in _S3_CALLS and (not part or part in query)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _error(call: Call, scope: Scope, status: int, code: str) -> list[MutableMapping[str, Any]]:
    """The ASGI messages of an error in the protocol that was asked in."""
    headers = _headers(scope)
    text, told = "Injected by the local cloud", [(b"x-amzn-errortype", code.encode())]
    if "x-amz-target" in headers or call.service in ("lambda", "ses"):
        media_type, body = "application/x-amz-json-1.0", json.dumps({"__type": code, "message": text})
        told.append((b"x-amzn-query-error", f"{code};Sender".encode()))
    elif call.service == "s3":
        media_type, body = "application/xml", f"<Error><Code>{code}</Code><Message>{text}</Message></Error>"
    else:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>"
        media_type, body = "text/xml", f"<ErrorResponse>{error}<RequestId>injected</RequestId></ErrorResponse>"
    content = body.encode() if scope["method"] != "HEAD" else b""
    told += [(b"content-type", media_type.encode()), (b"content-length", str(len(content)).encode())]
    return [
        {"type": "http.response.start", "status": status, "headers": told},
        {"type": "http.response.body", "body": content},
    ]


async def body_of(receive: Receive) -> bytes:
    """All of a request's body."""
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The request once more for whoever reads it; then whatever comes."""
    read = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> MutableMapping[str, Any]:
        return read.pop() if read else await receive()

    return again


async def _unheard(message: MutableMapping[str, Any]) -> None:
    """An answer that gets lost."""


async def _gone(receive: Receive) -> None:
    """Wait until the client gives up."""

    async def until() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(until(), SILENCE_SECONDS)
    except TimeoutError:
        return
