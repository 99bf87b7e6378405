"""Patches of DynamoDB."""

from bisect import bisect_left, bisect_right
from typing import Any

from local.emulator.patch import patch, replace_in_function


@patch(
    "long-partitions",
    area="data",
    aws="the cost of a query depends on the items that it reads, not on the size of the partition",
    emulator="it evaluates its condition for all items of the partition, thirty microseconds each",
    reason="the catalogue was unavailable after a feed of 100,000 records",
    upstream="not reported",
)
def query_sorted_items_by_bisection() -> None:
    from ministack.services import dynamodb

    def matching(items: list[Any], condition: str, values: Any, names: Any, sort_key: str, forward: bool) -> list[Any]:
        """The items of one partition, sorted by their sort key, that match a key condition. They are adjacent."""

        def matches(item: Any) -> bool:
            return bool(dynamodb._evaluate_condition(condition, item, values, names, slot="KeyConditionExpression"))

        clauses = dynamodb._key_condition_clauses(dynamodb._tokenize(condition))
        if len(clauses) == 1 and items and matches(items[0]):
            return items
        operands = [token[1] for token in clauses[-1] if token[0] == "VALUE_REF"]
        prefixed = any(token[1] == "begins_with" for token in clauses[-1]) and "S" in values[operands[0]]
        if len(clauses) == 2 and prefixed and forward:
            prefix = values[operands[0]]["S"]
            key = lambda item: item[sort_key]["S"][: len(prefix)]  # noqa: E731
            return items[bisect_left(items, prefix, key=key) : bisect_right(items, prefix, key=key)]
        return [item for item in items if matches(item)]

    dynamodb._matching = matching
    replace_in_function(
        dynamodb,
        "_query",
        'candidates = [it for it in candidates if _evaluate_condition(key_cond, it, eav, ean, slot="KeyConditionExpression")]',
        "candidates = _matching(candidates, key_cond, eav, ean, sk_name, scan_forward)",
    )


@patch(
    "expression-syntax",
    area="data",
    aws=(
        "expressions are parsed before an item is read: an invalid one is a ValidationException, regardless of the "
        "items"
    ),
    emulator=(
        "an update with extra words, a repeated section or a repeated path succeeds, and filters, projections and "
        "key conditions are not parsed without an item; an invalid update whose condition fails is a "
        "ConditionalCheckFailedException"
    ),
    reason="a defect in a rarely evaluated expression would pass all local tests, and fail on AWS",
    upstream="not reported",
)
def parse_expressions_before_reading_items() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import dynamodb

    from local.emulator import dynamodb_expressions

    def key_attributes(request: dict[str, Any]) -> frozenset[str]:
        table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName"))) or {}
        indexes = [*table.get("GlobalSecondaryIndexes", ()), *table.get("LocalSecondaryIndexes", ())]
        source = next((index for index in indexes if index["IndexName"] == request.get("IndexName")), table)
        return frozenset(key["AttributeName"] for key in source.get("KeySchema", ()))

    def validation_error(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
        keys = key_attributes(request) if operation == "Query" else frozenset()
        message = dynamodb_expressions.error(operation, request, keys)
        if message is None:
            return None
        response: tuple[int, dict[str, str], bytes] = error_response_json("ValidationException", message, 400)
        return response

    dynamodb._validation_error = validation_error
    replace_in_function(
        dynamodb,
        "handle_request",
        "    status, resp_headers, resp_body = handler(data)\n",
        "    status, resp_headers, resp_body = _validation_error(action, data) or handler(data)\n",
    )
