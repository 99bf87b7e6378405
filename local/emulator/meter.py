"""The calls of each role, and the units that DynamoDB would charge for them.

The emulator counts from the first read until there was none for five minutes, so that counting costs only while it is used.
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
_IDLE_SECONDS = 300
_READS = {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"}

Counts = dict[str, Counter[str]]


class Meter:
    """Counts calls and units. ``install`` patches the emulator, in its own process."""

    def __init__(self) -> None:
        self._until = 0.0
        self._calls: Counts = defaultdict(Counter)
        self._units: Counts = defaultdict(Counter)

    def read(self) -> dict[str, Counts]:
        """{"calls": {role: {"dynamodb:PutItem": 1}}, "units": {role: {"write <table>": 1, "write <table>/<index>": 1}}}"""
        self._until = time.monotonic() + _IDLE_SECONDS
        return {"calls": dict(self._calls), "units": dict(self._units)}

    @property
    def _counting(self) -> bool:
        return time.monotonic() < self._until

    def install(self) -> None:
        from ministack import app
        from ministack.services import dynamodb

        dispatch, send_mail, query_table = (
            app._dispatch_service_request,
            app._handle_ses_v2_request,
            dynamodb.handle_request,
        )

        async def dispatch_and_count(
            method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
        ) -> Any:
            if self._counting:
                _caller.set(self._count(method, path, headers, body, query))
            return await dispatch(method, path, headers, body, query, request_id)

        async def send_mail_and_count(
            method: str, path: str, headers: Any, body: bytes, query: Any, request_id: str
        ) -> Any:
            if self._counting and path.startswith("/v2/email/"):
                self._count(method, path, headers, body, query)
            return await send_mail(method, path, headers, body, query, request_id)

        async def query_and_charge(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
            action = headers.get("x-amz-target", "").rpartition(".")[2]
            role = _caller.get() if self._counting else ""
            if not role:
                return await query_table(method, path, headers, body, query)
            # The emulator calculates the units as DynamoDB does, indexes and transactions included, if a request says so.
            metered = json.dumps(json.loads(body) | {"ReturnConsumedCapacity": "INDEXES"}).encode()
            status, response_headers, content = await query_table(method, path, headers, metered, query)
            if status == 200:
                self._charge(role, action, json.loads(content))
            return status, response_headers, content

        # The emulator does not dispatch mails with the other requests.
        app._dispatch_service_request, app._handle_ses_v2_request = dispatch_and_count, send_mail_and_count
        dynamodb.handle_request = query_and_charge

    def _count(self, method: str, path: str, headers: Any, body: bytes, query: Any) -> str:
        """Count a request and return the name of the role that sent it; "" if no role did."""
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

    def _charge(self, role: str, action: str, response: dict[str, Any]) -> None:
        consumed = response.get("ConsumedCapacity", [])
        steps = _read_steps(response) if action in _READS else 1
        kind = "read" if action in _READS else "write"
        for each in consumed if isinstance(consumed, list) else [consumed]:
            table, indexes = each["TableName"], each.get("GlobalSecondaryIndexes", {})
            of_indexes = {f"{table}/{name}": units["CapacityUnits"] for name, units in indexes.items()}
            of_all = of_indexes | {table: each["CapacityUnits"] - sum(of_indexes.values())}
            for name, units in of_all.items():
                if units:
                    self._units[role][f"{kind} {name}"] += units * steps


def _read_steps(response: dict[str, Any]) -> int:
    """How many times 4 KB were read; the emulator counts each read once. Items of a batch are charged one by one."""
    from ministack.services.dynamodb import _item_size_bytes

    items = response.get("Items") or [response.get("Item") or {}]
    return max(1, -(-sum(map(_item_size_bytes, items)) // _READ_BYTES))
