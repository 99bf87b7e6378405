"""Vouchers, and what became of those that somebody redeemed.

voucher     {code, batch_id, purge_at}
redemption  {code, batch_id, redeemed_at, order_number?, customer_id?, by?, purge_at}
"""

from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code
from setpieces.items import from_item, to_item
from setpieces.settings import setting


def find(code: str) -> dict[str, Any] | None:
    """The voucher; None if there is none."""
    return _get("VOUCHERS_TABLE_NAME", code)


def redemption(code: str) -> dict[str, Any] | None:
    """The redemption of a voucher; None as long as nobody redeemed it."""
    return _get("REDEMPTIONS_TABLE_NAME", code)


def redeem(code: str, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Redeem a voucher; the redemption that was there before, None if it is this one."""
    try:
        client("dynamodb").put_item(
            TableName=setting("REDEMPTIONS_TABLE_NAME"),
            Item=to_item({"code": code, **facts}),
            ConditionExpression="attribute_not_exists(code)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return from_item(error.response["Item"])
    return None


def _get(table: str, code: str) -> dict[str, Any] | None:
    answer = client("dynamodb").get_item(TableName=setting(table), Key=to_item({"code": code}), ConsistentRead=True)
    return from_item(answer["Item"]) if "Item" in answer else None
