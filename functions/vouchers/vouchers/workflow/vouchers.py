"""A voucher and its batch."""

from vouchers.domain.batches import CANCELLED, Batch, is_issued
from vouchers.domain.redemptions import voucher_not_found
from vouchers.repository import batches, vouchers


def load_batch_of(code: str) -> Batch:
    """The batch of a voucher. Raises ``Refused`` VOUCHER_NOT_FOUND, also if the batch is neither issued nor cancelled."""
    voucher = vouchers.find(code)
    batch = batches.find(voucher["batch_id"]) if voucher else None
    if batch is None or not (is_issued(batch) or batch["status"] == CANCELLED):
        raise voucher_not_found()
    return batch
