"""The table of one-time links: {token_hash, batch_id, expires_at (TTL, epoch seconds), used?}.

A token is stored as its digest only.
"""

import hashlib
import secrets
import time

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.settings import setting


def create(batch_id: str, expires_at: int) -> str:
    """The token of a new one-time link to the file of a batch; ``expires_at`` is in epoch seconds."""
    token = secrets.token_urlsafe(32)
    item = {"token_hash": _digest(token), "batch_id": batch_id, "expires_at": expires_at}
    dynamodb.put_if(setting("DOWNLOADS_TABLE_NAME"), item)
    return token


def use(token: str) -> str | None:
    """Use a token, once; the id of its batch, None if it is unknown, expired or already used."""
    # The SDK repeats a call whose answer was lost: this identifies the first attempt as ours.
    attempt = secrets.token_hex(8)
    try:
        item = dynamodb.update_if(
            setting("DOWNLOADS_TABLE_NAME"),
            {"token_hash": _digest(token)},
            set={"used": attempt},
            # For an unknown token, the comparison fails: the item has no ``expires_at``.
            condition="attribute_not_exists(used) AND expires_at > :now",
            values={":now": int(time.time())},
        )
    except ConditionFailed as failed:
        if not failed.item or failed.item.get("used") != attempt:
            return None
        item = failed.item
    return str(item["batch_id"])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
