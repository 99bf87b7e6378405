"""Reads and conditional writes of DynamoDB items, with keys, items and values as plain Python.

    try:
        order = dynamodb.update_if(
            table,
            {"order_number": number},
            set={"status": "PAID", ("lines", sku, "quantity"): 3, "reason": None},
            add={"version": 1},
            condition="#status IN (:open) AND version = :version",
            values={":open": ("NEW", "HELD"), ":version": 7},
        )
    except ConditionFailed as failed:
        order = failed.item

A condition is written as in AWS's documentation. ``#status`` in it is the attribute ``status``: a name that is a reserved word
needs the ``#``. ``values`` holds what its ``:placeholders`` stand for; a list or tuple in ``IN (:open)`` becomes a placeholder
for each member. An attribute whose name is not known before, such as the SKU in ``#lines.#sku``, is in ``values`` as well:
``{"#sku": sku}``.

Errors of AWS other than those named here are raised as botocore raises them; ``setpieces.aws.is_unavailable`` tells those that
pass. A write that is refused because a transaction on the same item is in progress changes nothing, and is repeated.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from setpieces import aws
from setpieces.dynamodb_types import from_item, to_item

Item = dict[str, Any]
# What an update changes: an attribute, or a path into one: ``("lines", sku, "quantity")``.
Path = str | tuple[str, ...]
Changes = Mapping[Path, Any] | Mapping[str, Any] | Mapping[tuple[str, ...], Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})
# A member of ``TransactItems``.
Write = dict[str, dict[str, Any]]

# The other transaction ends within milliseconds. With these, a write waits 0.6 seconds at most.
CONFLICT_ATTEMPTS = 5
CONFLICT_WAIT_SECONDS = 0.02

# What no placeholder may hold.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html
_NO_WORD = re.compile(r"[^A-Za-z0-9_]")


class ConditionFailed(Exception):
    """The condition of a write does not hold; nothing has changed.

    ``item`` is the item that was stored at that moment, None if there was none. It may be the result of this very write: the
    SDK repeats a call whose answer was lost.
    """

    def __init__(self, item: Item | None) -> None:
        super().__init__("the condition of a write to DynamoDB does not hold")
        self.item = item


class TransactionRefused(Exception):
    """Conditions of a transaction do not hold; nothing has changed.

    ``failures`` has an entry for each write: its ``ConditionFailed``, None if its own condition held.
    """

    def __init__(self, failures: list[ConditionFailed | None]) -> None:
        super().__init__("conditions of a transaction in DynamoDB do not hold")
        self.failures = failures


def get(table: str, key: Item, *, consistent: bool = True) -> Item | None:
    """The item as it is now, None if there is none.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
    """
    response = aws.client("dynamodb").get_item(TableName=table, Key=to_item(key), ConsistentRead=consistent)
    item = response.get("Item")
    return from_item(item) if item else None


def query(
    table: str, condition: str, values: Mapping[str, Any], *, index: str = "", limit: int | None = None
) -> Iterator[Item]:
    """The items that a key condition selects, in the order of their sort keys, read page by page; at most ``limit``.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
    """
    expressions = _Expressions(condition, values)
    request = expressions.request(TableName=table, KeyConditionExpression=expressions.condition)
    request |= {"IndexName": index} if index else {}
    request |= {"Limit": limit} if limit else {}
    while True:
        response = aws.client("dynamodb").query(**request)
        yield from (from_item(item) for item in response["Items"])
        if limit or "LastEvaluatedKey" not in response:
            return
        request["ExclusiveStartKey"] = response["LastEvaluatedKey"]


def count(table: str, condition: str, values: Mapping[str, Any], *, index: str = "") -> int:
    """The number of items that a key condition selects, of the first megabyte of them.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
    """
    expressions = _Expressions(condition, values)
    request = expressions.request(TableName=table, KeyConditionExpression=expressions.condition, Select="COUNT")
    request |= {"IndexName": index} if index else {}
    return int(aws.client("dynamodb").query(**request)["Count"])


# --- single writes ---


def put_if(table: str, item: Item, condition: str = "", values: Mapping[str, Any] = NOTHING) -> None:
    """Store an item, in place of the one with its key. ``None`` values are left out. Raises ``ConditionFailed``.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_PutItem.html
    """
    _write("put_item", put(table, item, condition, values)["Put"])


def update_if(
    table: str,
    key: Item,
    *,
    set: Changes = NOTHING,
    set_once: Changes = NOTHING,
    add: Mapping[str, Any] = NOTHING,
    delete: Mapping[str, Any] = NOTHING,
    remove: Sequence[Path] = (),
    condition: str = "",
    values: Mapping[str, Any] = NOTHING,
) -> Item:
    """Change attributes of an item, which is created if there is none; the item as it is then. Raises ``ConditionFailed``.

    ``set`` replaces values, and removes those that are ``None``; ``set_once`` keeps a value that is there. ``add`` increases
    numbers and adds the members of a set to those that are stored; ``delete`` removes members from sets. ``remove`` names
    attributes.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
    """
    request = update(
        table,
        key,
        set=set,
        set_once=set_once,
        add=add,
        delete=delete,
        remove=remove,
        condition=condition,
        values=values,
    )
    return from_item(_write("update_item", request["Update"] | {"ReturnValues": "ALL_NEW"})["Attributes"])


def delete_if(table: str, key: Item, condition: str = "", values: Mapping[str, Any] = NOTHING) -> None:
    """Delete an item, if there is one. Raises ``ConditionFailed``.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DeleteItem.html
    """
    _write("delete_item", delete(table, key, condition, values)["Delete"])


# --- transactions ---


def put(table: str, item: Item, condition: str = "", values: Mapping[str, Any] = NOTHING) -> Write:
    """``put_if`` for ``transact``."""
    return {"Put": _Expressions(condition, values).conditional(TableName=table, Item=to_item(item))}


def update(
    table: str,
    key: Item,
    *,
    set: Changes = NOTHING,
    set_once: Changes = NOTHING,
    add: Mapping[str, Any] = NOTHING,
    delete: Mapping[str, Any] = NOTHING,
    remove: Sequence[Path] = (),
    condition: str = "",
    values: Mapping[str, Any] = NOTHING,
) -> Write:
    """``update_if`` for ``transact``."""
    expressions = _Expressions(condition, values)
    name, value = expressions.name, expressions.value
    clauses = {
        "SET": [
            *(f"{name(path)} = {value(path, new)}" for path, new in set.items() if new is not None),
            *(f"{name(path)} = if_not_exists({name(path)}, {value(path, new)})" for path, new in set_once.items()),
        ],
        "REMOVE": [name(path) for path in (*remove, *(path for path, new in set.items() if new is None))],
        "ADD": [f"{name(path)} {value(path, more)}" for path, more in add.items()],
        "DELETE": [f"{name(path)} {value(path, members)}" for path, members in delete.items()],
    }
    expression = " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts)
    return {"Update": expressions.conditional(TableName=table, Key=to_item(key), UpdateExpression=expression)}


def delete(table: str, key: Item, condition: str = "", values: Mapping[str, Any] = NOTHING) -> Write:
    """``delete_if`` for ``transact``."""
    return {"Delete": _Expressions(condition, values).conditional(TableName=table, Key=to_item(key))}


def check(table: str, key: Item, condition: str, values: Mapping[str, Any] = NOTHING) -> Write:
    """Have ``transact`` write only if a condition holds for an item that it does not change."""
    return {"ConditionCheck": _Expressions(condition, values).conditional(TableName=table, Key=to_item(key))}


def transact(writes: Sequence[Write], *, attempts: int = CONFLICT_ATTEMPTS, client: Any = None) -> None:
    """Carry out all of up to 100 writes to different items, or none. Raises ``TransactionRefused``.

    While another transaction writes one of the items, it is attempted ``attempts`` times in all; the last conflict is raised.
    ``client`` is one of ``setpieces.aws`` for work that has more time than a request.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """
    _write("transact_write_items", {"TransactItems": [*writes]}, attempts, client)


def _write(
    operation: str, request: dict[str, Any], attempts: int = CONFLICT_ATTEMPTS, client: Any = None
) -> dict[str, Any]:
    attempt = 1
    while True:
        try:
            response: dict[str, Any] = getattr(client or aws.client("dynamodb"), operation)(**request)
            return response
        except ClientError as error:
            codes = [aws.error_code(error), *aws.cancellation_codes(error)]
            if "ConditionalCheckFailedException" in codes:
                raise _condition_failed(error.response) from error
            if "ConditionalCheckFailed" in codes:
                raise _transaction_refused(error) from error
            if attempt >= attempts or not {"TransactionConflictException", "TransactionConflict"} & {*codes}:
                raise
        # The SDK does not repeat these.
        time.sleep(random.uniform(0, CONFLICT_WAIT_SECONDS * 2**attempt))
        attempt += 1


def _condition_failed(response: Mapping[str, Any]) -> ConditionFailed:
    return ConditionFailed(from_item(response["Item"]) if response.get("Item") else None)


def _transaction_refused(error: ClientError) -> TransactionRefused:
    reasons = error.response["CancellationReasons"]
    return TransactionRefused(
        [_condition_failed(reason) if reason.get("Code") == "ConditionalCheckFailed" else None for reason in reasons]
    )


class _Expressions:
    """The expressions of a request: the condition, and the names and values that its placeholders stand for."""

    def __init__(self, condition: str, values: Mapping[str, Any]) -> None:
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._lists: dict[str, Sequence[Any]] = {}
        for placeholder, value in values.items():
            (self._names if placeholder.startswith("#") else self._values)[placeholder] = value
        self.condition = re.sub(r"(?<=\bIN \():\w+(?=\))", self._members, condition)
        for placeholder in re.findall(r"#\w+", condition):
            self._names.setdefault(placeholder, placeholder[1:])

    def _members(self, match: re.Match[str]) -> str:
        """The placeholders of the members of a list."""
        placeholder = match[0]
        if isinstance(self._values.get(placeholder), (list, tuple)):
            self._lists[placeholder] = self._values.pop(placeholder)
        if placeholder not in self._lists:
            return placeholder
        members = {f"{placeholder}{n}": member for n, member in enumerate(self._lists[placeholder])}
        self._values |= members
        return ", ".join(members)

    def name(self, path: Path) -> str:
        """The placeholders of a document path, for an update."""
        return ".".join(self._name(part) for part in ([path] if isinstance(path, str) else path))

    def _name(self, attribute: str) -> str:
        known = {name: placeholder for placeholder, name in self._names.items()}
        if attribute in known:
            return known[attribute]
        placeholder = f"#{_NO_WORD.sub('_', attribute)}"
        while placeholder in self._names:
            placeholder += "_"
        self._names[placeholder] = attribute
        return placeholder

    def value(self, path: Path, value: Any) -> str:
        """A new placeholder for a value, named after where an update puts it."""
        placeholder = f":{_NO_WORD.sub('_', path if isinstance(path, str) else path[-1])}"
        while placeholder in self._values:
            placeholder += "_"
        self._values[placeholder] = value
        return placeholder

    def request(self, **members: Any) -> dict[str, Any]:
        """The members of a request, with the names and values that its expressions use."""
        return {
            **members,
            **({"ExpressionAttributeNames": self._names} if self._names else {}),
            **({"ExpressionAttributeValues": to_item(self._values)} if self._values else {}),
        }

    def conditional(self, **members: Any) -> dict[str, Any]:
        """The members of a write, with its condition if there is one."""
        if self.condition:
            members |= {"ConditionExpression": self.condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        return self.request(**members)
