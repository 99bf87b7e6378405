"""Asking for batches of vouchers and waiting for them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from local.shop import FLOW_SECONDS, Shop, eventually, fetch, patiently, unique

PATH = "/vouchers/v1/voucher-batches"
ENDED = ("COMPLETE", "FAILED", "CANCELLED")


def request(**changed: Any) -> dict[str, Any]:
    """The body of a request for a batch that can be redeemed from today on."""
    today = datetime.now(UTC).date()
    return {
        "count": 24,
        "campaign": "Winter sale",
        "value": 1000,
        "currency": "EUR",
        "valid_from": str(today),
        "valid_to": str(today + timedelta(days=30)),
        "notify": "grace.sample@example.com",
    } | changed


def ask(shop: Shop, admin: dict[str, str], **changed: Any) -> str:
    """The path of a new batch."""
    headers = admin | {"Idempotency-Key": unique("batch")}
    answer = patiently(lambda: shop.call("POST", PATH, json=request(**changed), headers=headers))
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "PENDING"
    return answer.headers["location"]


def complete(shop: Shop, admin: dict[str, str], path: str, timeout: float = FLOW_SECONDS) -> dict[str, Any]:
    """The batch, once it is complete."""

    def ended() -> dict[str, Any]:
        answer = shop.call("GET", path, headers=admin)
        return answer.json() if answer.status_code == 200 and answer.json()["status"] in ENDED else {}

    batch = eventually(ended, timeout=timeout, every=0.3)
    assert batch["status"] == "COMPLETE", batch
    return batch


def download(batch: dict[str, Any]) -> bytes:
    """The file behind the link of a batch."""
    answer = fetch(batch["download"]["url"])
    assert answer.status_code == 200
    return answer.content
