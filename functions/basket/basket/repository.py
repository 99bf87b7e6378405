"""One DynamoDB item per basket, so that every change is one conditional write: all of it or nothing.

{basket_id, version, currency, lines: {sku: {quantity, unit_price, price_version}}, answers: [...], expires_at (TTL), write_id?}

The SDK repeats a call whose answer was lost. An addition whose PutItem is repeated fails the condition and finds its own answer
in ``answers``; a PATCH or DELETE finds its own ``write_id``.
"""

import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from basket.domain import LIFETIME_SECONDS, Answer, Basket, IfMatch, Line
from basket.requests import no_such_basket, no_such_line
from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_item
from setpieces.errors import RetryLater
from setpieces.settings import setting
from setpieces.stored import known, whole

MAX_TRIES = 8
Change = Callable[[Basket], tuple[Basket, Answer]]


def read(basket_id: str, now: int) -> Basket:
    """The basket at ``now``."""
    answer = client("dynamodb").get_item(TableName=_table(), Key=to_item({"basket_id": basket_id}), ConsistentRead=True)
    return _basket(basket_id, answer.get("Item"), now)


def write(basket: Basket, change: Change, now: int) -> Answer:
    """Store what ``change`` makes of ``basket`` if that is still what is stored; if not, of what is stored now.

    Returns the answer that ``change`` gave; if it left the basket as it was, nothing is written. Raises whatever ``change``
    raises, and ``Problem`` 503 if others keep changing the basket.
    """
    for tries in range(MAX_TRIES):
        time.sleep(random.uniform(0, 0.02 * tries))
        changed, answer = change(basket)
        if changed is basket:
            return answer
        try:
            client("dynamodb").put_item(
                TableName=_table(),
                Item=_item(changed),
                **_still(basket.version),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            return answer
        except ClientError as error:
            basket = _basket(basket.basket_id, _found_instead(error), now)
    raise RetryLater(1, "Others keep changing this basket; nothing was changed", "BASKET_BUSY")


def set_line(basket_id: str, sku: str, line: Line, precondition: IfMatch, now: int) -> Basket:
    """Change a line that is in the basket. Raises ``Problem`` 404, 412."""
    members = whole(line)
    update = "".join(f", #lines.#sku.{name} = :{name}" for name in members)
    values = {f":{name}": value for name, value in members.items()}
    return _update(basket_id, sku, update, values, precondition, now)


def remove_line(basket_id: str, sku: str, precondition: IfMatch, now: int) -> Basket:
    """Remove a line that is in the basket. Raises ``Problem`` 404, 412."""
    return _update(basket_id, sku, " REMOVE #lines.#sku", {}, precondition, now)


def _update(basket_id: str, sku: str, update: str, values: dict[str, Any], precondition: IfMatch, now: int) -> Basket:
    """Change one line in place, without reading first: it depends on nothing but that the line is there."""
    write_id = secrets.token_hex(8)
    condition = "attribute_exists(#lines.#sku) AND expires_at > :now AND write_id <> :write_id"
    values = values | {":one": 1, ":now": now, ":later": now + LIFETIME_SECONDS, ":write_id": write_id}
    if precondition.versions:
        expected = {f":version{position}": version for position, version in enumerate(sorted(precondition.versions))}
        condition += f" AND version IN ({', '.join(expected)})"
        values |= expected
    try:
        answer = client("dynamodb").update_item(
            TableName=_table(),
            Key=to_item({"basket_id": basket_id}),
            UpdateExpression="SET version = version + :one, expires_at = :later, write_id = :write_id" + update,
            ConditionExpression=condition,
            ExpressionAttributeNames={"#lines": "lines", "#sku": sku},
            ExpressionAttributeValues=to_item(values),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        stored = _basket(basket_id, _found_instead(error), now)
        if stored.write_id == write_id:
            return stored
        if not stored.exists:
            raise no_such_basket() from error
        precondition.check(stored)
        raise no_such_line() from error
    return _basket(basket_id, answer["Attributes"], now)


def _table() -> str:
    return setting("TABLE_NAME")


def _still(version: int) -> dict[str, Any]:
    if not version:
        return {"ConditionExpression": "attribute_not_exists(basket_id)"}
    return {
        "ConditionExpression": "version = :version",
        "ExpressionAttributeValues": to_item({":version": version}),
    }


def _found_instead(error: ClientError) -> dict[str, Any] | None:
    """The item that a condition found instead. Raises ``error`` again if it is about something else."""
    if error_code(error) != "ConditionalCheckFailedException":
        raise error
    return error.response.get("Item")


def _item(basket: Basket) -> dict[str, Any]:
    lines = {sku: whole(line) for sku, line in basket.lines.items()}
    return to_item(whole(basket) | {"lines": lines, "answers": [whole(answer) for answer in basket.answers]})


def _basket(basket_id: str, item: dict[str, Any] | None, now: int) -> Basket:
    if not item:
        return Basket(basket_id)
    stored = from_item(item)
    lines = {sku: known(Line, line) for sku, line in stored["lines"].items()}
    answers = tuple(known(Answer, answer) for answer in stored["answers"])
    return known(Basket, stored | {"lines": lines, "answers": answers}).as_of(now)
