"""Links to the file of a batch: signed, or one-time if the batch was requested with ``one_time``."""

import time
from datetime import UTC, datetime

from setpieces.parameters import read_parameter
from setpieces.times import to_rfc3339
from vouchers.clients.links import create_signed_link
from vouchers.domain.batches import Batch, is_issued
from vouchers.domain.links import EXCHANGED_LINK_SECONDS, Link, download_not_found
from vouchers.repository import batches, downloads


def create_link(batch: Batch, seconds: int) -> Link:
    """A link that expires after ``seconds``."""
    if not batch.get("one_time"):
        return create_signed_link(batch, seconds)
    expires_at = int(time.time()) + seconds
    token = downloads.create(batch["batch_id"], expires_at)
    api_url = read_parameter("vouchers", "api-url")
    return {
        "url": f"{api_url}/v1/voucher-downloads/{token}",
        "expires_at": to_rfc3339(datetime.fromtimestamp(expires_at, UTC)),
    }


def exchange_token(token: str) -> Link:
    """The signed link for the token of a one-time link. Raises ``Refused`` DOWNLOAD_NOT_FOUND."""
    batch_id = downloads.use(token)
    batch = batches.find(batch_id) if batch_id else None
    if batch is None or not is_issued(batch):
        raise download_not_found()
    return create_signed_link(batch, EXCHANGED_LINK_SECONDS)
