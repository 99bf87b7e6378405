"""Vouchers and redemptions as clients see them. Pure."""

from typing import Any

from vouchers.domain.batches import Batch
from vouchers.domain.redemptions import REDEEMED, Redemption


def voucher_view(batch: Batch, status: str) -> dict[str, Any]:
    """{status, value, currency, valid_from, valid_to}."""
    return {
        "status": status,
        "value": batch["value"],
        "currency": batch["currency"],
        "valid_from": batch["valid_from"],
        "valid_to": batch["valid_to"],
    }


def redemption_view(batch: Batch, redemption: Redemption) -> dict[str, Any]:
    """{status, value, currency, redeemed_at, order_number?}."""
    view = {
        "status": REDEEMED,
        "value": batch["value"],
        "currency": batch["currency"],
        "redeemed_at": redemption["redeemed_at"],
    }
    if "order_number" in redemption:
        view["order_number"] = redemption["order_number"]
    return view
