"""Links that work once: a token, stored as a digest, that is exchanged for a signed link of a minute.

{token_hash, batch_id, expires_at (TTL, epoch seconds), used?}
"""

import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_item
from setpieces.parameters import address
from setpieces.settings import setting
from vouchers.domain.links import sign

# Enough to follow a redirection; whoever finds the signed link afterwards finds it dead.
EXCHANGED_SECONDS = 60


def link(batch: dict[str, Any], seconds: int) -> dict[str, str]:
    """{url, expires_at} of the file of a batch, as it was asked for: signed, or one that works once."""
    return _once(batch, seconds) if batch.get("one_time") else sign(batch, seconds)


def use(token: str) -> str | None:
    """The id of the batch that a token is for; None if it was used, is over or never was one. Nobody else can use it then."""
    # The SDK repeats a call whose answer was lost: by this it is known that the first attempt was ours.
    mine = secrets.token_hex(8)
    try:
        answer = client("dynamodb").update_item(
            TableName=setting("DOWNLOADS_TABLE_NAME"),
            Key=to_item({"token_hash": _hash(token)}),
            UpdateExpression="SET used = :used",
            # The time tells an unknown token, too: no comparison holds for an item that is not there.
            ConditionExpression="attribute_not_exists(used) AND expires_at > :now",
            ExpressionAttributeValues=to_item({":used": mine, ":now": int(time.time())}),
            ReturnValues="ALL_NEW",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        stored = from_item(error.response.get("Item", {}))
        return str(stored["batch_id"]) if stored.get("used") == mine else None
    return str(from_item(answer["Attributes"])["batch_id"])


def _once(batch: dict[str, Any], seconds: int) -> dict[str, str]:
    token, expires_at = secrets.token_urlsafe(32), int(time.time()) + seconds
    item = {"token_hash": _hash(token), "batch_id": batch["batch_id"], "expires_at": expires_at}
    client("dynamodb").put_item(TableName=setting("DOWNLOADS_TABLE_NAME"), Item=to_item(item))
    api = address("vouchers", "api-url")
    return {
        "url": f"{api}/v1/voucher-downloads/{token}",
        "expires_at": datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
