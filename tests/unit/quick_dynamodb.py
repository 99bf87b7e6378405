"""moto's DynamoDB without the HTTP between it and the SDK: signing, encoding and routing are most of what a call costs.

Calls that read and write items go from the SDK's check of the parameters right to moto's own code, so keys, conditions,
expressions and transactions are moto's as ever. Other operations, binary values and errors go through HTTP as usual, so
exceptions are made by the SDK, all but that of a condition that does not hold.
"""

import copy
import json
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import ServiceException
from moto.core.models import botocore_stubber
from moto.core.utils import camelcase_to_underscores
from moto.dynamodb.exceptions import ConditionalCheckFailed, MockValidationException
from moto.dynamodb.models import DynamoDBBackend, Table
from moto.dynamodb.parsing.ast_nodes import DepthFirstTraverser, Node  # type: ignore[attr-defined]  # hidden by moto
from moto.dynamodb.responses import DynamoHandler, DynamoResult
from werkzeug.exceptions import HTTPException

from local.emulator import dynamodb_expressions

OPERATIONS = {
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactWriteItems",
    "UpdateItem",
}
_ANSWERED: dict[str, Any] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
# Clients are shared by threads, and a call to moto is not atomic by itself.
_LOCK = threading.RLock()
_validator = ParamValidator()


class _OverHttp(Exception):
    """This call goes through HTTP."""


@pytest.fixture(autouse=True)
def quick_dynamodb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls to moto's DynamoDB that read or write items leave out HTTP."""
    over_http = vars(BaseClient)["_make_api_call"]

    def call(client: Any, operation: str, sent: dict[str, Any]) -> Any:
        if client.meta.service_model.service_name != "dynamodb" or not botocore_stubber.enabled:
            return over_http(client, operation, sent)
        with _LOCK:
            try:
                return _send(client, operation, sent)
            except _OverHttp:
                return over_http(client, operation, sent)
            except ConditionalCheckFailed as error:
                raise _refusal(client, operation, error) from None
            except (ServiceException, HTTPException) as error:
                with mock.patch.object(DynamoHandler, camelcase_to_underscores(operation), side_effect=error):
                    return over_http(client, operation, sent)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    _copy_tables_once(monkeypatch)
    _find_processors_once(monkeypatch)


def _refusal(client: Any, operation: str, error: ConditionalCheckFailed) -> ClientError:
    """What the SDK makes of a condition that does not hold."""
    code, body = "ConditionalCheckFailedException", json.loads(error.description)
    response = {
        "Error": {"Message": body["message"], "Code": code},
        "ResponseMetadata": _ANSWERED | {"HTTPStatusCode": 400},
        "message": body["message"],
    }
    if "Item" in body:
        response["Item"] = body["Item"]
    refusal: ClientError = client.exceptions.from_code(code)(response, operation)
    return refusal


def _send(client: Any, operation: str, sent: dict[str, Any]) -> dict[str, Any]:
    """moto's answer as the SDK returns it. Raises moto's errors and ``_OverHttp``."""
    model = client.meta.service_model.operation_model(operation)
    if operation not in OPERATIONS or _validator.validate(sent, model.input_shape).has_errors():
        raise _OverHttp
    handler = DynamoHandler()
    handler.region, handler.current_account = client.meta.region_name, DEFAULT_ACCOUNT_ID
    try:
        # moto keeps what it is given. Bytes are a TypeError.
        handler.body = handler.params = json.loads(json.dumps(sent))
    except TypeError as error:
        raise _OverHttp from error
    # moto evaluates an expression as far as it gets; AWS parses all of it first.
    message = dynamodb_expressions.error(operation, handler.body)
    if message:
        raise MockValidationException(message)
    result = getattr(handler, camelcase_to_underscores(operation))()
    if not isinstance(result, DynamoResult):
        result = DynamoResult(result.result)
    return _members(model.output_shape, result.result) | {"ResponseMetadata": dict(_ANSWERED)}


def _members(shape: Any, value: Any) -> Any:
    """moto's ``value`` without members that ``shape`` does not have."""
    if shape.name == "AttributeValue":
        return value
    if shape.type_name == "structure":
        members = shape.members
        return {
            name: _members(members[name], inner)
            for name, inner in value.items()
            if name in members and inner is not None
        }
    if shape.type_name == "map":
        return {name: _members(shape.value, inner) for name, inner in value.items()}
    if shape.type_name == "list":
        return [_members(shape.member, inner) for inner in value]
    return value


def _copy_tables_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction copies each of its tables once. moto copies them for each item, and all before the first change."""
    transact = DynamoDBBackend.transact_write_items
    copies: dict[int, Table] | None = None

    def transact_with_one_copy(backend: DynamoDBBackend, items: list[dict[str, Any]]) -> None:
        nonlocal copies
        copies = {}
        try:
            transact(backend, items)
        finally:
            copies = None

    def copied(table: Table, memo: dict[int, Any]) -> Table:
        known = copies if copies is not None else {}
        if id(table) not in known:
            known[id(table)] = new = object.__new__(type(table))
            vars(new).update(copy.deepcopy(vars(table), memo))
        return known[id(table)]

    monkeypatch.setattr(DynamoDBBackend, "transact_write_items", transact_with_one_copy)
    monkeypatch.setattr(Table, "__deepcopy__", copied, raising=False)


def _find_processors_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks through an expression asks once for each kind of node what to do with it. moto asks for each node."""

    def traverse(traverser: DepthFirstTraverser, node: Node) -> Node:
        processors: dict[type, Callable[[Any], Any]] = traverser._processing_map()
        known: dict[type, Callable[[Any], Any] | None] = {}

        def visit(node: Any, position: int) -> Any:
            if not isinstance(node, Node):
                return node
            for place, child in enumerate(node.children or []):
                traverser.pre_processing_of_child(node, place)
                visit(child, place)
            kind, parent = type(node), node.parent
            if kind not in known:
                known[kind] = next((do for each, do in processors.items() if issubclass(kind, each)), None)
            if process := known[kind]:
                node = process(node)
                node.parent = parent
                if parent:
                    parent.children[position] = node
            return node

        return visit(node, -1)

    monkeypatch.setattr(DepthFirstTraverser, "traverse", traverse)
