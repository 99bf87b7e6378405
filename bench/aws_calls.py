"""AWS calls of one warm request, as the emulator counts them, against the least that the contract allows. Target: equal."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from bench.report import report
from local.settings import AWS_ENDPOINT
from local.shop import Shop, unique

REPEATS = 20
# Lambda invocations are the integration itself, and STS is the gateway taking the integration's role.
NOT_THE_FUNCTION = ("lambda:", "sts:", "logs:", "monitoring:", "apigateway:")


def calls() -> Counter[str]:
    """How often each AWS operation was called since the emulator started."""
    return Counter(httpx.get(f"{AWS_ENDPOINT}/_setpieces/calls", timeout=10).json())


def _measure(request: Callable[[], Any], baseline: Counter[str]) -> dict[str, float]:
    """Calls per request by operation, after a warm-up; ``baseline`` is what the simulators behind it cost."""
    for _ in range(3):
        request()
    before = calls()
    for _ in range(REPEATS):
        request()
    made = calls() - before
    counted = {
        name: count / REPEATS - baseline[name] for name, count in made.items() if not name.startswith(NOT_THE_FUNCTION)
    }
    return {name: round(count, 2) for name, count in counted.items() if count > 0.05}


def run() -> None:
    shop = Shop.from_environment()
    sku = next(
        item["sku"] for item in shop.call("GET", "/catalog/v1/products?query=sp-").json()["items"] if item["available"]
    )
    basket = unique("bench")
    add = {"sku": sku, "quantity": 1}
    none: Counter[str] = Counter()
    simulator = Counter(_measure(lambda: shop.call("GET", f"/partners/v1/commerce/products/{sku}"), none))
    shop.call("POST", f"/basket/v1/baskets/{basket}/items", json=add)
    customer = shop.samples["customer"]
    credentials = {"email": customer["email"], "password": customer["password"]}
    session = shop.call("POST", "/login/v1/sessions", json=credentials).json()["session_token"]
    headers = {"Authorization": f"Bearer {session}"}
    stale = headers | {"If-Match": '"0"'}
    profile = f"/customers/v1/customers/{customer['customer_id']}/profile"
    read = Counter(
        _measure(lambda: shop.call("GET", f"/partners/v1/commerce/customers/{customer['customer_id']}"), none)
    )
    three_reads = Counter({operation: 3 * count for operation, count in read.items()})
    cases: list[tuple[str, int, Counter[str], Callable[[], Any]]] = [
        (
            "POST sequences/order/next",
            1,
            none,
            lambda: shop.call("POST", "/sequences/v1/sequences/order/next", sign=True),
        ),
        ("GET basket", 1, none, lambda: shop.call("GET", f"/basket/v1/baskets/{basket}")),
        (
            "POST basket item (new basket)",
            2,
            simulator,
            lambda: shop.call("POST", f"/basket/v1/baskets/{unique('bench')}/items", json=add),
        ),
        ("GET product (cached)", 0, none, lambda: shop.call("GET", f"/catalog/v1/products/{sku}")),
        ("GET profile (authorisation kept)", 0, read, lambda: shop.call("GET", profile, headers=headers)),
        # Authorisation: the session, and the customer on both platforms. The function: the customer again. A change that
        # is made would be synced by others meanwhile.
        (
            "PATCH profile (authorised anew, 412)",
            1,
            three_reads,
            lambda: shop.call("PATCH", profile, json={}, headers=stale),
        ),
    ]
    rows = []
    for name, least, baseline, request in cases:
        made = _measure(request, baseline)
        total = sum(made.values())
        rows.append(
            {
                "request": name,
                "AWS calls": total,
                "least": least,
                "equal": "yes" if abs(total - least) < 0.2 else "NO",
                "operations": ", ".join(f"{operation} {count:g}" for operation, count in sorted(made.items())),
            }
        )
    report("aws_calls", f"AWS calls per warm request, mean of {REPEATS}, simulators subtracted", rows)
