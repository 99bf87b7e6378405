"""What each role called, and the units that DynamoDB would charge for it: counted by the emulator while somebody asks.

Reading begins it, and it ends when nobody has read for a while: a shop that is not measured does not pay for being measured.
"""

import json
import re
import time
from collections import Counter, defaultdict
from contextvars import ContextVar
from typing import Any

_ROLE = re.compile(r":assumed-role/([^/]+)/")
_caller: ContextVar[str] = ContextVar("caller", default="")
# DynamoDB charges a read for each 4 KB.
_READ_BYTES = 4096
_PATIENCE_SECONDS = 300
_READS = {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"}

Counts = dict[str, Counter[str]]


class Meter:
    """``install`` puts it in place, in the emulator's own process."""

    def __init__(self) -> None:
        self._until = 0.0
        self._calls: Counts = defaultdict(Counter)
        self._units: Counts = defaultdict(Counter)

    def read(self) -> dict[str, Counts]:
        """{"calls": {role: {"dynamodb:PutItem": 1}}, "units": {role: {"write <table>": 1, "write <table>/<index>": 1}}}"""
        self._until = time.monotonic() + _PATIENCE_SECONDS
        return {"calls": dict(self._calls), "units": dict(self._units)}

    @property
    def _on(self) -> bool:
        return time.monotonic() < self._until

    def install(self) -> None:
        from ministack import app
        from ministack.services import dynamodb

        dispatch, mail, answer = app._dispatch_service_request, app._handle_ses_v2_request, dynamodb.handle_request

        async def dispatched(method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str) -> Any:
            if self._on:
                _caller.set(self._counted(method, path, headers, body, query))
            return await dispatch(method, path, headers, body, query, request_id)

        async def mailed(method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str) -> Any:
            if self._on and path.startswith("/v2/email/"):
                self._counted(method, path, headers, body, query)
            return await mail(method, path, headers, body, query, request_id)

        async def answered(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            action = headers.get("x-amz-target", "").rpartition(".")[2]
            role = _caller.get() if self._on else ""
            if not role:
                return await answer(method, path, headers, body, query)
            # The emulator works the units out as DynamoDB does, indexes and transactions included; it has to be asked.
            asked = json.dumps(json.loads(body) | {"ReturnConsumedCapacity": "INDEXES"}).encode()
            status, sent, content = await answer(method, path, headers, asked, query)
            if status == 200:
                self._charged(role, action, json.loads(content))
            return status, sent, content

        # Mail takes a way of its own through the emulator.
        app._dispatch_service_request, app._handle_ses_v2_request = dispatched, mailed
        dynamodb.handle_request = answered

    def _counted(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> str:
        """The name of the role that sent a request, which is counted; "" if it was none."""
        from ministack import app
        from ministack.core import iam_actions, iam_evaluator, router

        identity = iam_evaluator.resolve_caller_identity(router.extract_access_key_id(headers, query)) or {}
        role = _ROLE.search(identity.get("userArn") or "")
        if not role:
            return ""
        parameters = app._routing_params(method, path, headers, body, query)
        service = app.detect_service(method, path, headers, parameters)
        action = iam_actions.extract_iam_action(service, method, path, headers, body, parameters)
        self._calls[role[1]][action or f"{service}:{method}"] += 1
        return role[1]

    def _charged(self, role: str, action: str, answer: dict[str, Any]) -> None:
        consumed = answer.get("ConsumedCapacity", [])
        steps = _steps(answer) if action in _READS else 1
        kind = "read" if action in _READS else "write"
        for each in consumed if isinstance(consumed, list) else [consumed]:
            table, indexes = each["TableName"], each.get("GlobalSecondaryIndexes", {})
            of_indexes = {f"{table}/{name}": units["CapacityUnits"] for name, units in indexes.items()}
            of_all = of_indexes | {table: each["CapacityUnits"] - sum(of_indexes.values())}
            for name, units in of_all.items():
                if units:
                    self._units[role][f"{kind} {name}"] += units * steps


def _steps(answer: dict[str, Any]) -> int:
    """How many times 4 KB were read; the emulator takes every read for one. Items of a batch are charged one by one."""
    from ministack.services.dynamodb import _item_size_bytes

    items = answer.get("Items") or [answer.get("Item") or {}]
    return max(1, -(-sum(map(_item_size_bytes, items)) // _READ_BYTES))
