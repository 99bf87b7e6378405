"""Vouchers, their redemptions, and the gates that a cancelled batch closes to further redemptions.

vouchers table:     voucher     {code, batch_id, purge_at}
redemptions table:  redemption  {code, batch_id, redeemed_at, attempt, order_number?, customer_id?, by?, purge_at}
                    gate        {code: <batch_id>/<number>, batch_id, purge_at}

A redemption and the check that its batch is not cancelled are one transaction. Transactions on the same item refuse each other,
so they do not check the batch, of which there is one: each checks one of ``GATES`` items that only a cancellation writes.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

import random
import secrets
import time
import zlib
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import cancellation_codes, client, error_code
from setpieces.dynamodb_types import from_item, to_item
from setpieces.settings import setting

# About thirty redemptions a second of one batch need one gate; the API takes 500 a second in all.
GATES = 16
CONFLICT_ATTEMPTS = 5
CONFLICT_WAIT_SECONDS = 0.02


class BatchCancelled(Exception):
    """The batch was cancelled; nothing was redeemed."""


def find(code: str) -> dict[str, Any] | None:
    """The voucher; None if there is none."""
    return _get("VOUCHERS_TABLE_NAME", code)


def find_redemption(code: str) -> dict[str, Any] | None:
    """The redemption of a voucher; None if it is not redeemed."""
    return _get("REDEMPTIONS_TABLE_NAME", code)


def redeem(code: str, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Redeem a voucher; the redemption that was there before, None if it is this one. Raises ``BatchCancelled``."""
    # The SDK repeats a call whose answer was lost: this tells our own redemption from another.
    attempt, table = secrets.token_hex(8), setting("REDEMPTIONS_TABLE_NAME")
    gate = _gate(facts["batch_id"], zlib.crc32(code.encode()) % GATES)
    absent = {"TableName": table, "ConditionExpression": "attribute_not_exists(code)"}
    check = absent | {"Key": to_item({"code": gate})}
    put = absent | {
        "Item": to_item({"code": code, "attempt": attempt, **facts}),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    try:
        _unless_in_conflict("transact_write_items", TransactItems=[{"ConditionCheck": check}, {"Put": put}])
    except ClientError as error:
        gate_closed, redeemed = _failed_conditions(error)
        if redeemed:
            earlier = from_item(redeemed["Item"])
            return earlier if earlier.get("attempt") != attempt else None
        if gate_closed:
            raise BatchCancelled(facts["batch_id"]) from error
        raise
    return None


def name_order(code: str, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Note the order that a redemption of this caller and key is for, if it has none; the redemption as it is then.

    None if the voucher is not redeemed any more.
    """
    try:
        answer = _unless_in_conflict(
            "update_item",
            TableName=setting("REDEMPTIONS_TABLE_NAME"),
            Key=to_item({"code": code}),
            UpdateExpression="SET order_number = :order_number",
            ConditionExpression="#by = :by AND attribute_not_exists(order_number)",
            ExpressionAttributeNames={"#by": "by"},
            ExpressionAttributeValues=to_item({":order_number": facts["order_number"], ":by": facts["by"]}),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return from_item(error.response["Item"]) if "Item" in error.response else None
    return from_item(answer["Attributes"])


def release(code: str, order_number: str | None) -> dict[str, Any] | None:
    """Undo the redemption of a voucher for this order, or for none; the redemption that stays because it is for another."""
    condition, values = "attribute_not_exists(order_number)", {}
    if order_number:
        condition = "attribute_not_exists(code) OR order_number = :order_number"
        values = {"ExpressionAttributeValues": to_item({":order_number": order_number})}
    try:
        _unless_in_conflict(
            "delete_item",
            TableName=setting("REDEMPTIONS_TABLE_NAME"),
            Key=to_item({"code": code}),
            ConditionExpression=condition,
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **values,
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return from_item(error.response["Item"])
    return None


def refuse_redemptions(batch_id: str, purge_at: int) -> None:
    """From now on no voucher of the batch can be redeemed."""
    for number in range(GATES):
        gate = {"code": _gate(batch_id, number), "batch_id": batch_id, "purge_at": purge_at}
        _unless_in_conflict("put_item", TableName=setting("REDEMPTIONS_TABLE_NAME"), Item=to_item(gate))


def _get(table: str, code: str) -> dict[str, Any] | None:
    answer = client("dynamodb").get_item(TableName=setting(table), Key=to_item({"code": code}), ConsistentRead=True)
    return from_item(answer["Item"]) if "Item" in answer else None


def _gate(batch_id: str, number: int) -> str:
    return f"{batch_id}/{number}"


def _unless_in_conflict(operation: str, **request: Any) -> Any:
    """Call again while a transaction on the same item is in progress, which the SDK does not do."""
    for attempt in range(1, CONFLICT_ATTEMPTS + 1):
        try:
            return getattr(client("dynamodb"), operation)(**request)
        except ClientError as error:
            if attempt == CONFLICT_ATTEMPTS or not _is_conflict(error):
                raise
        time.sleep(random.uniform(0, CONFLICT_WAIT_SECONDS * 2**attempt))


def _is_conflict(error: ClientError) -> bool:
    codes = {*cancellation_codes(error)} - {"None"}
    return error_code(error) == "TransactionConflictException" or codes == {"TransactionConflict"}


def _failed_conditions(error: ClientError) -> list[dict[str, Any] | None]:
    """For each item of the transaction, the reason if its condition failed."""
    if error_code(error) != "TransactionCanceledException":
        raise error
    reasons = error.response["CancellationReasons"]
    return [reason if reason["Code"] == "ConditionalCheckFailed" else None for reason in reasons]
