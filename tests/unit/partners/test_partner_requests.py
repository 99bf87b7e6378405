"""Paths, ids and bodies of any shape: never a server error."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.partners.client import Simulators
from tests.unit.partners.samples import CHARGE, CUSTOMER, LOGIN, MEMBER, ORDER, PRODUCT, QUOTATION


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "", 404),
        ("GET", "faults/nothing", 404),
        ("GET", "faults/faults", 404),
        ("GET", "ledger/nothing", 404),
        ("POST", "commerce/products", 405),
        ("DELETE", "ledger/charges", 405),
        ("GET", "commerce/products/%23", 404),
        ("GET", f"commerce/products/{'x' * 129}", 404),
        ("PUT", "commerce/products/a%2Fb", 400),
        ("PUT", "commerce/products/a%0A", 400),
        ("GET", "commerce/products/S-1/", 404),
        ("GET", "commerce//products", 404),
    ],
)
def test_unknown_paths_and_ids_are_4xx(simulators: Simulators, method: str, path: str, status: int) -> None:
    assert simulators.call(method, path, PRODUCT).status == status


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("", 400),
        ("[]", 400),
        ("null", 400),
        ("{", 400),
        ('{"name": NaN}', 400),
        ('{"name": "\\ud800"}', 400),
        ('{"name": 1e999}', 400),
        ('{"name": "a", "name": "b"}', 400),
        ("[" * 20_000, 400),
        ('{"name": ' + "9" * 5000 + "}", 400),
        (json.dumps({"name": "x" * 40_000}), 413),
    ],
)
@pytest.mark.parametrize("path", ["commerce/products/S-1", "commerce/orders/T1", "content/pages/p"])
def test_bodies_that_are_not_json_are_refused(simulators: Simulators, path: str, raw: str, status: int) -> None:
    assert simulators.call("PUT", path, raw).status == status


PLAIN_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)


# Without a limit of depth: st.recursive would draw again until there are few enough leaves, for most of the test's time.
JSON_VALUES: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        PLAIN_VALUES
        | st.lists(JSON_VALUES, max_size=4)
        | st.dictionaries(st.text(max_size=10), JSON_VALUES, max_size=4)
    )
)


NAMES = st.sampled_from(
    sorted({*PRODUCT, *CHARGE, *ORDER, *CUSTOMER, *MEMBER, *QUOTATION, *LOGIN, "updated_at", "event_id"})
)


PATHS = [
    ("PUT", "commerce/products/S-1"),
    ("PUT", "commerce/orders/T1"),
    ("PUT", "commerce/customers/C1"),
    ("POST", "commerce/customers/C1/syncs"),
    ("PUT", "commerce/legacy/customers/C1"),
    ("POST", "identity/identities"),
    ("POST", "identity/authentications"),
    ("PUT", "rewards/members/C1"),
    ("POST", "rewards/members/C1/syncs"),
    ("POST", "tax/quotations"),
    ("POST", "payments/charges"),
    ("PUT", "sap/shipments/T1"),
    ("PUT", "content/pages/p"),
    ("PUT", "faults/sap"),
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route=st.sampled_from(PATHS), body=st.dictionaries(NAMES | st.text(max_size=8), JSON_VALUES, max_size=8))
def test_no_body_is_a_server_error(simulators: Simulators, route: tuple[str, str], body: dict[str, Any]) -> None:
    status, response, _ = simulators.call(
        route[0], route[1], body, headers={"If-None-Match": "*", "Idempotency-Key": "K1"}
    )
    assert status < 500, response


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.sampled_from(["commerce/products/", "ledger/", "faults/", "payments/charges/", "", "commerce/orders/"]),
    rest=st.text(max_size=40).map(quote),
    method=st.sampled_from(["GET", "PUT", "DELETE", "POST", "PATCH"]),
    query=st.dictionaries(st.sampled_from(["key", "query", "limit", "page_token"]), st.text(max_size=30)),
)
def test_no_path_or_query_is_a_server_error(
    simulators: Simulators, prefix: str, rest: str, method: str, query: dict[str, str]
) -> None:
    assert simulators.call(method, prefix + rest, {}, query=query).status < 500
