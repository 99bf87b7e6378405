"""Mails about batches of vouchers."""

from typing import Any, cast

import pytest

from vouchers.domain.batches import Batch
from vouchers.domain.links import Link
from vouchers.views.mails import complete_mail


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (1000, "EUR", "10.00 EUR"),
        (5, "EUR", "0.05 EUR"),
        (1000, "JPY", "1000 JPY"),
        (1000, "KWD", "1.000 KWD"),
        # CLDR shows no decimals of these.
        (1000, "HUF", "10.00 HUF"),
        (1_000_000, "IQD", "1000.000 IQD"),
        (1000, "ZZZ", "10.00 ZZZ"),
    ],
)
def test_a_mail_shows_the_value_with_the_decimals_of_its_currency(value: int, currency: str, text: str):
    batch: dict[str, Any] = {"batch_id": "b", "count": 2, "campaign": "Summer", "value": value, "currency": currency}
    batch |= {"valid_from": "2026-01-01T00:00:00Z", "valid_to": "2026-12-31T23:59:59Z"}
    batch |= {"sha256": "0" * 64}
    link = Link(url="https://shop.example/link", expires_at="2026-01-02T00:00:00Z")
    assert f"2 of {text} each" in complete_mail(cast(Batch, batch), link, "setpieces-test").text
