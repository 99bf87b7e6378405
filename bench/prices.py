"""Prices of AWS, from the dated table ``bench/prices.json``."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_FIREHOSE_STEP_KB = 5


@cache
def table() -> dict[str, Any]:
    return json.loads(Path(__file__).with_suffix(".json").read_text())


def price(of: str, units: float) -> float:
    """US dollars for ``units`` of an entry of the table."""
    entry = table()["prices"][of]
    return entry["price"] * units / entry["per"]


def firehose_gigabytes(records: int, record_bytes: int) -> float:
    """Charged gigabytes of records: each is rounded up to 5 KB."""
    steps = -(-record_bytes // (_FIREHOSE_STEP_KB * 1024))
    return records * steps * _FIREHOSE_STEP_KB / 1024**2
