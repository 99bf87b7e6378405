"""Links that work once: a token, stored as a digest, that is exchanged for a signed link of a minute.

{token_hash, batch_id, expires_at (TTL, epoch seconds), used?}
"""

import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
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
        link = dynamodb.update_if(
            setting("DOWNLOADS_TABLE_NAME"),
            {"token_hash": _hash(token)},
            set={"used": mine},
            # The time tells an unknown token, too: no comparison holds for an item that is not there.
            condition="attribute_not_exists(used) AND expires_at > :now",
            values={":now": int(time.time())},
        )
    except ConditionFailed as failed:
        if not failed.item or failed.item.get("used") != mine:
            return None
        link = failed.item
    return str(link["batch_id"])


def _once(batch: dict[str, Any], seconds: int) -> dict[str, str]:
    token, expires_at = secrets.token_urlsafe(32), int(time.time()) + seconds
    item = {"token_hash": _hash(token), "batch_id": batch["batch_id"], "expires_at": expires_at}
    dynamodb.put_if(setting("DOWNLOADS_TABLE_NAME"), item)
    api = address("vouchers", "api-url")
    return {
        "url": f"{api}/v1/voucher-downloads/{token}",
        "expires_at": datetime.fromtimestamp(expires_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
