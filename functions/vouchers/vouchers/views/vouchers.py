"""Vouchers and redemptions as clients see them. Pure."""

from typing import Any

from vouchers.domain.batches import Batch
from vouchers.domain.redemptions import REDEEMED, OrderState, Redemption


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
    """{status, value, currency, redeemed_at, order_number}."""
    return {
        "status": REDEEMED,
        "value": batch["value"],
        "currency": batch["currency"],
        "redeemed_at": redemption["redeemed_at"],
        "order_number": redemption["order_number"],
    }


def reservation_view(redemption: Redemption) -> dict[str, Any]:
    """{order_number, state: "reserved", amount, currency, expires_at, attempt}."""
    return {
        "order_number": redemption["order_number"],
        "state": OrderState.RESERVED,
        "amount": redemption["amount"],
        "currency": redemption["currency"],
        "expires_at": redemption["expires_at"],
        "attempt": redemption["order_attempt"],
    }


def order_redemption_view(redemption: Redemption) -> dict[str, Any]:
    """{order_number, state: "redeemed", redeemed_at}."""
    return {
        "order_number": redemption["order_number"],
        "state": OrderState.REDEEMED,
        "redeemed_at": redemption["redeemed_at"],
    }


def release_view(order_number: str, attempt: int) -> dict[str, Any]:
    """{order_number, state: "released", attempt}."""
    return {"order_number": order_number, "state": OrderState.RELEASED, "attempt": attempt}
