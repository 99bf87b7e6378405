"""Quotas of AWS, from the dated table ``bench/quotas.json``."""

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def table() -> dict[str, Any]:
    return json.loads(Path(__file__).with_suffix(".json").read_text())


def value(of: str) -> float:
    return float(table()["quotas"][of]["value"])
