"""Voucher batches: create one, wait until it is complete, download its file."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tools.client import FLOW_SECONDS, Shop, eventually, fetch, unique, with_retries

PATH = "/vouchers/v1/voucher-batches"
ENDED = ("COMPLETE", "FAILED", "CANCELLED")


def batch_request(**changes: Any) -> dict[str, Any]:
    """The body of a request for a batch whose vouchers are valid from today on for 30 days."""
    today = datetime.now(UTC).date()
    return {
        "count": 24,
        "campaign": "Winter sale",
        "value": 1000,
        "currency": "EUR",
        "valid_from": str(today),
        "valid_to": str(today + timedelta(days=30)),
        "notify": "grace.sample@example.com",
    } | changes


def create_batch(shop: Shop, admin: dict[str, str], **changes: Any) -> str:
    """The path of a new batch."""
    headers = admin | {"Idempotency-Key": unique("batch")}
    response = with_retries(lambda: shop.call("POST", PATH, json=batch_request(**changes), headers=headers))
    assert response.status_code == 202, response.text
    assert response.json()["status"] == "PENDING"
    return response.headers["location"]


def wait_for_batch(shop: Shop, admin: dict[str, str], path: str, timeout: float = FLOW_SECONDS) -> dict[str, Any]:
    """The batch, once it is complete."""

    def ended_batch() -> dict[str, Any]:
        response = shop.call("GET", path, headers=admin)
        return response.json() if response.status_code == 200 and response.json()["status"] in ENDED else {}

    batch = eventually(ended_batch, timeout=timeout, every=0.3)
    assert batch["status"] == "COMPLETE", batch
    return batch


def download_file(batch: dict[str, Any]) -> bytes:
    """The file behind the link of a batch."""
    response = fetch(batch["download"]["url"])
    assert response.status_code == 200
    return response.content
