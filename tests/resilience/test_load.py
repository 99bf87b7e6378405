"""More customers than the shop can serve: it sheds the excess requests as problems and loses nothing.

`make load` is the long form, with phases, latencies and recovery (bench/black_friday.py); this test measures no time.
"""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bench import black_friday
from bench.black_friday import Load
from local.emulator_client import resources
from tools.client import Shop, new_basket_id
from tools.drivers.invariants.runner import RECOVERY_SECONDS, assert_invariants
from tools.drivers.invariants.traces import every_event_on_the_bus_is_valid
from tools.drivers.promises import Order, Promises

# Twenty customers at most, for twenty seconds; the throttle is so low that any machine sheds some requests.
SMOKE = Load(seed=9, minutes=1 / 3, users=2, throttles=0.003, think_seconds=0.3, check_outs=11)


@pytest.fixture(autouse=True)
def _all_throttles_afterwards():
    yield
    black_friday.throttle(1)


@pytest.mark.timeout(RECOVERY_SECONDS * 2)
def test_promises_hold_after_a_load_spike(shop: Shop):
    promises = Promises.of(shop)
    day = black_friday.generate_load(shop, SMOKE)
    promises.orders += [Order(number, "tok_ok") for number in day.orders]
    statuses = Counter(response["status"] for response in day.answers)
    assert day.orders, statuses
    assert statuses[429], "nothing was shed"
    assert not [response for response in day.shed() if not response["advised"]]
    # On a busy machine a function may time out, which is also reported as load.
    unexplained = [error for error in day.errors() if error["status"] and not error["advised"]]
    assert not unexplained, unexplained[:5]
    assert_invariants(shop, promises, RECOVERY_SECONDS, (*black_friday.CHECKED, every_event_on_the_bus_is_valid))


def test_every_api_sheds_load_as_a_problem_with_retry_after(shop: Shop):
    """One request per ten seconds is allowed, so some of twelve simultaneous requests are shed."""
    paths = {
        "basket": f"/baskets/{new_basket_id('shed')}",
        "catalog": "/products/SP-10001",
        "login": "/sessions",
        "orders": "/orders/T100000001/status",
        "vouchers": "/vouchers/AAAA-AAAA",
    }
    assert set(paths) <= {one["properties"]["Name"].rpartition("-")[2] for one in resources() if _is_api(one)}
    black_friday.throttle(0.0001)
    for service, path in paths.items():
        method = "POST" if service == "login" else "GET"
        url = shop.url(f"/{service}/v1{path}")
        with ThreadPoolExecutor(12) as clients:
            responses = list(
                clients.map(lambda _, method=method, url=url: httpx.request(method, url, timeout=60), range(12))
            )
        shed = [response for response in responses if response.status_code == 429]
        assert shed, (service, [response.status_code for response in responses])
        for response in shed:
            assert response.headers["content-type"] == "application/problem+json"
            assert response.headers["retry-after"].isdigit()
            assert response.headers["access-control-allow-origin"] == "*"
            problem = json.loads(response.text)
            assert (problem["status"], problem["code"], problem["instance"]) == (
                429,
                "THROTTLED",
                f"/{service}/v1{path}",
            )


def _is_api(one: dict) -> bool:
    return one["type"] == "AWS::ApiGateway::RestApi"
