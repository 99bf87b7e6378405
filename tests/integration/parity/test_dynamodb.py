"""The patches of ``local.emulator.patches.dynamodb``, beside an emulator without patches."""

from typing import Any

import pytest

from tests.integration.two_emulators import Cloud, error_code, printed_numbers
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_long_partitions():
    """The number of evaluations of a query's condition that matches three items of a thousand."""
    plain, patched = printed_numbers(
        "long-partitions",
        """
import json
from ministack.services import dynamodb
keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("p", "HASH"), ("s", "RANGE"))]
attributes = [{"AttributeName": name, "AttributeType": "S"} for name in "ps"]
table = {"TableName": "table", "KeySchema": keys, "AttributeDefinitions": attributes, "BillingMode": "PAY_PER_REQUEST"}
assert dynamodb._create_table(table)[0] == 200
for number in range(1000):
    item = {"p": {"S": "p"}, "s": {"S": f"{number // 3:04}-{number}"}}
    assert dynamodb._put_item({"TableName": "table", "Item": item})[0] == 200
evaluate, calls = dynamodb._evaluate_condition, []
dynamodb._evaluate_condition = lambda *args, **kwargs: calls.append(1) or evaluate(*args, **kwargs)
query = {"TableName": "table", "KeyConditionExpression": "p = :p AND begins_with(s, :s)"}
query |= {"ExpressionAttributeValues": {":p": {"S": "p"}, ":s": {"S": "0200-"}}}
items = json.loads(dynamodb._query(query)[2])["Items"]
assert [item["s"]["S"] for item in items] == ["0200-600", "0200-601", "0200-602"], items
print(len(calls))
""",
    )
    assert plain >= 1000
    assert patched <= 10


def test_expression_syntax(plain: Cloud, patched: Cloud):
    """Errors that AWS finds in the expression, although there is no item."""
    table, key = unique("table"), {"id": {"S": "1"}}
    names, values = {"#c": "id"}, {":v": {"S": "1"}}
    faults: dict[str, dict[str, Any]] = {
        "update_item": {
            "Key": key,
            "UpdateExpression": "SET a = :v nonsense words",
            "ExpressionAttributeValues": values,
        },
        "put_item": {"Item": key, "ConditionExpression": "attribute_exists(id) AND"},
        "query": {
            "KeyConditionExpression": "#c = :v OR #c = :v",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        },
    }
    codes = []
    for cloud in (plain, patched):
        dynamodb = cloud.aws("dynamodb")
        dynamodb.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        codes.append(
            [error_code(getattr(dynamodb, call), TableName=table, **arguments) for call, arguments in faults.items()]
        )
        dynamodb.delete_table(TableName=table)
    assert codes[0] == ["", "ValidationException", ""]
    assert codes[1] == ["ValidationException"] * len(faults)
