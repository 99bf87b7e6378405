"""Records the distinct DynamoDB requests that the shop's code makes, as a pytest plugin over the unit tests:

    python -m pytest -n 0 -p tests.second_opinion.record_dynamodb tests/unit

writes ``dynamodb_requests.jsonl`` beside this file. A line is one shape: {operation, request, tables, items}; ``tables`` are
the definitions of the tables that the request names, ``items`` what they held. Requests have one shape if they differ in values
only and both succeed or both fail. Items are those of the unit tests: samples, no personal data. The tables of the partner
simulators, which are no part of the shop in production, and those of the tests of ``setpieces.dynamodb`` are left out.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from tests.unit import quick_dynamodb

FILE = Path(__file__).with_name("dynamodb_requests.jsonl")
# Items that are kept with a request; what a query meets beyond them changes no status.
ITEMS = 3
OPERATIONS = quick_dynamodb.OPERATIONS | {"BatchGetItem", "TransactGetItems"}
LEFT_OUT = {"partners.Table", "samples", "sorted-samples"}
_shapes: dict[str, dict[str, Any]] = {}


def shape_of(value: Any, name: str = "") -> Any:
    """``value`` without what may differ between requests of one shape: values, and numbers in placeholders."""
    match value:
        case dict() if len(value) == 1 and next(iter(value)) in (
            "S",
            "N",
            "B",
            "BOOL",
            "NULL",
            "L",
            "M",
            "SS",
            "NS",
            "BS",
        ):
            return next(iter(value))
        case dict():
            return {re.sub(r"\d+", "0", key): shape_of(inner, key) for key, inner in sorted(value.items())}
        case list():
            return [json.loads(text) for text in sorted({json.dumps(shape_of(inner)) for inner in value})]
        case str() if name.endswith("Expression"):
            parts = re.split(r"(?<=,) |(?= AND )", re.sub(r"\d+", "0", value))
            return sorted(set(parts))
        case _:
            return value


def record(region: str, operation: str, request: dict[str, Any], send: Any) -> Any:
    """Call ``send``, and keep the request with what the tables held before if it is the first of its shape."""
    names = sorted(
        set(re.findall(r'"TableName": "([^"]+)"', json.dumps(request))) | set(request.get("RequestItems", ()))
    )
    backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][region]
    tables = [backend.tables[name] for name in names if name in backend.tables]
    items = {table.name: _items(table, request) for table in tables}
    succeeded = False
    try:
        result = send()
        succeeded = True
        return result
    finally:
        schemas = [table.schema for table in tables]
        key = json.dumps([operation, shape_of({**request, "TableName": ""}), schemas, succeeded])
        if tables and key not in _shapes and operation in OPERATIONS and not LEFT_OUT & set(names):
            shape = {"operation": operation, "request": request, "tables": [*map(_definition, tables)], "items": items}
            _shapes[key] = json.loads(json.dumps(shape))


def _items(table: Any, request: dict[str, Any]) -> list[Any]:
    """The items whose keys are in the request, and a few others."""
    text = json.dumps(request, sort_keys=True)
    keys = [entry["AttributeName"] for entry in table.schema]
    items = [item.to_json()["Attributes"] for item in table.all_items()]
    named = [item for item in items if all(json.dumps(item[key], sort_keys=True) in text for key in keys)]
    return (named + [item for item in items if item not in named])[: max(ITEMS, len(named))]


def _definition(table: Any) -> dict[str, Any]:
    described = table.describe("Table")["Table"]
    indexes = [
        {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
        for index in described.get("GlobalSecondaryIndexes") or ()
    ]
    definition = {name: described[name] for name in ("TableName", "AttributeDefinitions", "KeySchema")}
    return definition | ({"GlobalSecondaryIndexes": indexes} if indexes else {})


@pytest.fixture(autouse=True)
def recorded(quick_dynamodb: None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["tests.unit.quick_dynamodb"]
    send = module._send

    def recording(client: Any, operation: str, request: dict[str, Any]) -> Any:
        return record(client.meta.region_name, operation, request, lambda: send(client, operation, request))

    monkeypatch.setattr(module, "_send", recording)


def pytest_sessionfinish() -> None:
    lines = sorted(json.dumps(shape, sort_keys=True) for shape in _shapes.values())
    FILE.write_text("".join(f"{line}\n" for line in lines))
