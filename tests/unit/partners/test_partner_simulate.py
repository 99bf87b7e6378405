"""The simulators from the HTTP event to the table: one effect, one ledger entry, clear refusals."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from partners import repository
from partners.simulators import identity as identity_module
from partners.simulators import operations as operations_module
from partners.simulators.operations import Write
from setpieces import aws
from tests.faults import refused
from tests.present import present
from tests.unit.simulator import call

PRODUCT = {"name": "Tower", "unit_price": 1999, "currency": "EUR", "version": 3}
CHARGE = {"amount": 4200, "currency": "EUR", "payment_token": "tok_ok", "order_number": "T100000000"}
ORDER = {"customer_id": "C1", "lines": [{"sku": "S-1", "quantity": 2}], "totals": {"net": 10}, "status": "placed"}
SHIPMENT = {"customer_id": "C1", "lines": [{"sku": "S-1", "quantity": 2}], "ship_to": {"country": "DE"}}
CUSTOMER = {"identity_id": "id-1", "name": "Ada", "email": "ada@example.com"}
MEMBER = {"rewards_id": "R1", "identity_id": "id-1", "points": 5, "tier": "gold"}
QUOTATION = {
    "currency": "EUR",
    "ship_to": {"country": "DE", "postal_code": "10115"},
    "lines": [{"sku": "S-1", "quantity": 3, "unit_price": 333}],
}
LOGIN = {"email": "ada@example.com", "password": "correct horse"}


def ledger(app, name, key):
    return call(app, "GET", f"ledger/{name}", query={"key": key})[1]["entries"]


@pytest.mark.parametrize(
    ("path", "body", "ledger_name", "key"),
    [
        ("commerce/products/S-1", PRODUCT, "products", "S-1"),
        ("commerce/orders/T1", ORDER, "platform-orders", "T1"),
        ("sap/shipments/T1", SHIPMENT, "shipments", "T1"),
    ],
)
def test_a_put_is_created_once_and_read_back(app, path, body, ledger_name, key):
    status, created, _ = call(app, "PUT", path, body)
    assert status == 201
    assert call(app, "PUT", path, body)[:2] == (200, created)
    assert call(app, "GET", path)[:2] == (200, created)
    [entry] = ledger(app, ledger_name, key)
    assert entry["effect"] == "created"
    assert entry["key"] == key
    assert created.items() <= entry.items()


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("commerce/orders/T1", ORDER, ORDER | {"status": "cancelled"}),
        ("sap/shipments/T1", SHIPMENT, SHIPMENT | {"sequence": 2}),
        ("commerce/products/S-1", PRODUCT, PRODUCT | {"unit_price": 1}),
        ("commerce/products/S-1", PRODUCT, PRODUCT | {"version": 2}),
    ],
)
def test_other_content_under_the_same_key_is_409(app, path, body, other):
    created = call(app, "PUT", path, body)[1]
    assert call(app, "PUT", path, other)[0] == 409
    assert call(app, "GET", path)[1] == created


def test_a_newer_version_of_a_product_replaces_it(app):
    call(app, "PUT", "commerce/products/S-1", PRODUCT)
    assert call(app, "PUT", "commerce/products/S-1", PRODUCT | {"version": 4, "stock": 7})[0] == 200
    assert call(app, "GET", "commerce/products/S-1")[1]["stock"] == 7
    assert [entry["effect"] for entry in ledger(app, "products", "S-1")] == ["created", "updated"]


def test_concurrent_duplicates_charge_once(app):
    with ThreadPoolExecutor(8) as clients:
        answers = list(
            clients.map(lambda _: call(app, "POST", "payments/charges", CHARGE, Idempotency_Key="K1"), range(8))
        )
    assert sorted(answer[0] for answer in answers) == [200] * 7 + [201]
    assert len({answer[1]["charge_id"] for answer in answers}) == 1
    assert len(ledger(app, "charges", "K1")) == 1


def test_charges_hold_no_token(app):
    call(app, "POST", "payments/charges", CHARGE, Idempotency_Key="K1")
    items = boto3.client("dynamodb").scan(TableName="partners")["Items"]
    assert "tok_ok" not in json.dumps(items)


@pytest.mark.parametrize(
    ("token", "status", "charge_status"),
    [("tok_ok", 201, "authorized"), ("tok_declined", 201, "declined"), ("tok_slow", 201, "authorized")],
)
def test_tokens_decide_how_a_charge_ends(app, token, status, charge_status):
    answer = call(app, "POST", "payments/charges", CHARGE | {"payment_token": token}, Idempotency_Key="K1")
    assert (answer[0], answer[1]["status"]) == (status, charge_status)
    assert call(app, "GET", "payments/charges/K1")[1] == answer[1]


def test_a_slow_charge_is_done_before_its_answer_and_its_repeat_is_fast(app, monkeypatch):
    slept: list[tuple[float, int]] = []
    monkeypatch.setattr(app.time, "sleep", lambda seconds: slept.append((seconds, len(ledger_items()))))

    def ledger_items():
        return boto3.client("dynamodb").query(
            TableName="partners",
            KeyConditionExpression="#c = :c",
            ExpressionAttributeNames={"#c": "collection"},
            ExpressionAttributeValues={":c": {"S": "ledger/charges"}},
        )["Items"]

    body = CHARGE | {"payment_token": "tok_slow"}
    assert call(app, "POST", "payments/charges", body, Idempotency_Key="K1")[0] == 201
    assert (8.0, 1) in slept
    slept.clear()
    assert call(app, "POST", "payments/charges", body, Idempotency_Key="K1")[0] == 200
    assert max(seconds for seconds, _ in slept) == 0


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (CHARGE | {"amount": 1}, {"Idempotency_Key": "K1"}, 409),
        (CHARGE | {"payment_token": "tok_x"}, {"Idempotency_Key": "K2"}, 422),
        (CHARGE, {}, 400),
        (CHARGE, {"Idempotency_Key": "a b"}, 400),
        (CHARGE, {"Idempotency_Key": "x" * 129}, 400),
        (CHARGE | {"amount": 0}, {"Idempotency_Key": "K2"}, 400),
        (CHARGE | {"amount": 1.0}, {"Idempotency_Key": "K2"}, 400),
    ],
)
def test_bad_charges_are_refused_and_leave_nothing(app, body, headers, status):
    call(app, "POST", "payments/charges", CHARGE, Idempotency_Key="K1")
    assert call(app, "POST", "payments/charges", body, **headers)[0] == status
    assert call(app, "GET", "payments/charges/K2")[0] == 404
    assert len(ledger(app, "charges", "K1")) == 1


def test_customers_are_written_only_by_those_who_know_their_version(app):
    path = "commerce/customers/C1"
    assert call(app, "PUT", path, CUSTOMER)[0] == 428
    assert call(app, "PUT", path, CUSTOMER, If_Match="1")[0] == 412
    status, created, headers = call(app, "PUT", path, CUSTOMER, If_None_Match="*")
    assert (status, created["version"], headers["ETag"]) == (201, 1, '"1"')
    assert call(app, "PUT", path, CUSTOMER, If_None_Match="*")[0] == 412
    changed = CUSTOMER | {"name": "Ada L.", "updated_at": {"email": "2026-01-01T00:00:00Z"}}
    status, updated, _ = call(app, "PUT", path, changed, If_Match='"1"')
    assert (status, updated["version"]) == (200, 2)
    assert updated["updated_at"]["identity_id"] == created["updated_at"]["identity_id"]
    assert updated["updated_at"]["name"] > created["updated_at"]["name"]
    assert updated["updated_at"]["email"] == "2026-01-01T00:00:00Z"
    assert call(app, "PUT", path, CUSTOMER, If_Match="1")[0] == 412
    assert [entry["effect"] for entry in ledger(app, "customers", "C1")] == ["created", "updated"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_deleted_customer_stays_deleted(app, exists):
    path = "commerce/customers/C1"
    if exists:
        call(app, "PUT", path, CUSTOMER, If_None_Match="*")
    assert call(app, "DELETE", path)[:2] == (204, None)
    assert call(app, "DELETE", path)[0] == 204
    assert call(app, "GET", path)[0] == 410
    assert call(app, "PUT", path, CUSTOMER, If_None_Match="*")[0] == 410
    assert [entry["effect"] for entry in ledger(app, "customers", "C1")].count("deleted") == 1


@pytest.mark.parametrize("path", ["commerce/customers/C1/syncs", "rewards/members/C1/syncs"])
def test_a_sync_has_one_effect_per_event(app, path):
    body = {"kind": "vip", "event_id": "E1", "data": {"tier": "gold"}}
    assert call(app, "POST", path, body)[0] == 201
    assert call(app, "POST", path, body)[0] == 200
    assert call(app, "POST", path, body | {"event_id": "E2"})[0] == 201
    assert [entry["event_id"] for entry in ledger(app, "customers", "C1")] == ["E1", "E2"]


def test_legacy_customers_come_and_go(app):
    path, body = "commerce/legacy/customers/C1", {"source_version": 2, "name": "Ada"}
    assert call(app, "GET", path)[0] == 404
    assert call(app, "PUT", path, body)[:2] == (201, body | {"customer_id": "C1"})
    assert call(app, "PUT", path, body | {"source_version": 3})[0] == 200
    assert call(app, "GET", path)[1]["source_version"] == 3
    assert call(app, "DELETE", path)[0] == 204
    assert call(app, "GET", path)[0] == 404


@pytest.mark.parametrize(
    ("path", "body"), [("rewards/members/C1", MEMBER), ("content/pages/about", {"title": "About", "body": "Bricks"})]
)
def test_members_and_pages_are_replaced(app, path, body):
    assert call(app, "GET", path)[0] == 404
    assert call(app, "PUT", path, body)[0] == 201
    assert call(app, "PUT", path, body)[0] == 200
    assert call(app, "PUT", path, body | {"extra": 1})[1]["extra"] == 1


def test_a_member_who_is_there_is_not_added_again(app):
    assert call(app, "PUT", "rewards/members/C1", MEMBER, if_none_match="*")[0] == 201
    again = call(app, "PUT", "rewards/members/C1", MEMBER | {"points": 0}, if_none_match="*")
    assert (again[0], again[1]["code"]) == (412, "PRECONDITION_FAILED")
    assert call(app, "GET", "rewards/members/C1")[1]["points"] == MEMBER["points"]


def test_identities_sign_in_and_keep_no_password(app):
    registration = LOGIN | {"customer_id": "C1"}
    status, identity, _ = call(app, "POST", "identity/identities", registration)
    assert (status, identity["customer_id"], identity["roles"]) == (201, "C1", [])
    assert call(app, "POST", "identity/authentications", LOGIN | {"email": "ADA@example.com"})[:2] == (200, identity)
    assert call(app, "GET", f"identity/identities/{identity['identity_id']}")[1] == identity
    assert call(app, "POST", "identity/identities", registration)[:2] == (200, identity)
    assert "correct horse" not in json.dumps(boto3.client("dynamodb").scan(TableName="partners")["Items"])


def test_passwords_that_were_hashed_by_fewer_rounds_still_match(app):
    call(app, "POST", "identity/identities", LOGIN | {"customer_id": "C1"})
    key = identity_module.identity_id(LOGIN["email"])
    store = repository.TableStore()
    stored = present(store.read("identities", key))
    salt = base64.b64decode(stored.document["salt"])
    before = {name: value for name, value in stored.document.items() if name != "rounds"}
    before["password_hash"] = identity_module._hash(LOGIN["password"], salt, before["cost"], 1)
    store.write(Write("identities", key, before, stored))
    assert call(app, "POST", "identity/authentications", LOGIN)[0] == 200
    assert call(app, "POST", "identity/authentications", LOGIN | {"password": "wrong"})[0] == 401


def test_a_guess_costs_what_owasp_asks_for():
    """N 2**14 with p 5, r 8; the cost is what all stages but the local one deploy (test_timers.py)."""
    assert (identity_module._SCRYPT["r"], identity_module._ROUNDS) == (8, 5)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("identities", LOGIN | {"customer_id": "C2"}, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN | {"customer_id": "C1", "password": "another one"}, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN | {"email": "Ada@Example.com"}, 409, "EMAIL_TAKEN"),
        ("identities", LOGIN | {"email": "nobody"}, 400, "INVALID_REQUEST"),
        ("identities", LOGIN | {"roles": ["root"]}, 400, "INVALID_REQUEST"),
        ("authentications", LOGIN | {"password": "wrong"}, 401, "WRONG_CREDENTIALS"),
        ("authentications", LOGIN | {"email": "bob@example.com"}, 401, "WRONG_CREDENTIALS"),
        ("authentications", {"email": "ada@example.com"}, 400, "INVALID_REQUEST"),
    ],
)
def test_wrong_credentials_and_taken_addresses_are_refused(app, path, body, status, code):
    call(app, "POST", "identity/identities", LOGIN | {"customer_id": "C1"})
    answer = call(app, "POST", f"identity/{path}", body)
    assert (answer[0], answer[1]["code"]) == (status, code)


def test_what_is_refused_is_never_echoed(app):
    answer = call(app, "POST", "identity/identities", {"email": "secret-address", "password": "hush"})
    assert answer[0] == 400
    assert {error["pointer"] for error in answer[1]["errors"]} == {"/email", "/password"}
    assert "secret-address" not in json.dumps(answer[1])
    assert "hush" not in json.dumps(answer[1])


def test_tax_is_rounded_for_each_line(app):
    status, quotation, _ = call(app, "POST", "tax/quotations", QUOTATION)
    assert status == 200
    assert quotation["lines"] == [{"sku": "S-1", "tax": 190, "rate": 1900}]
    assert quotation["tax_total"] == 190
    assert quotation["jurisdiction"] == "DE"
    assert call(app, "GET", "tax/rates")[1]["rates"]["DE"] == 1900


def test_a_country_without_a_rate_is_422(app):
    answer = call(app, "POST", "tax/quotations", QUOTATION | {"ship_to": {"country": "AQ", "postal_code": "0"}})
    assert (answer[0], answer[1]["errors"][0]["pointer"]) == (422, "/ship_to/country")


# What the table holds when the shelf is full, for each process.
FULL_SHELF: list[Any] = []


@pytest.fixture
def shelf(app):
    """25 products and a retired one. The first test puts them there; the others get a copy of what the table held then."""
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].tables["partners"]
    if FULL_SHELF:
        table.items = deepcopy(FULL_SHELF[0])
        return app
    for number in range(25):
        category = "Castles" if number % 2 else "Space"
        product = PRODUCT | {"name": f"Straße {number:02}", "category": category}
        call(app, "PUT", f"commerce/products/S-{number:02}", product)
    call(app, "PUT", "commerce/products/S-99", PRODUCT | {"status": "retired"})
    FULL_SHELF.append(deepcopy(table.items))
    return app


def test_pages_hold_every_active_product_once(shelf):
    listed, token = [], ""
    while True:
        page = call(shelf, "GET", "commerce/products", query={"limit": "7", "page_token": token})[1]
        listed += [product["sku"] for product in page["items"]]
        token = page.get("next_page_token")
        if not token:
            break
    assert listed == [f"S-{number:02}" for number in range(25)]


@pytest.mark.parametrize(
    ("query", "count"), [("castle", 12), ("STRASSE 0", 10), ("s-1", 10), ("nothing", 0), ("  ", 20), ("%", 0)]
)
def test_search_looks_at_name_sku_and_category_in_any_case(shelf, query, count):
    assert len(call(shelf, "GET", "commerce/products", query={"query": query})[1]["items"]) == count


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "101"}, "/limit"),
        ({"limit": "٣"}, "/limit"),
        ({"page_token": "x"}, "/page_token"),
        ({"page_token": "é\n"}, "/page_token"),
        ({"page_token": "YWZ0ZXI6"}, "/page_token"),
        ({"query": "x" * 101}, "/query"),
    ],
)
def test_bad_list_parameters_are_400(shelf, query, pointer):
    answer = call(shelf, "GET", "commerce/products", query=query)
    assert (answer[0], answer[1]["errors"][0]["pointer"]) == (400, pointer)


def test_ledgers_are_paged_within_their_key(app):
    for version in range(1, 6):
        call(app, "PUT", "commerce/products/S-1", PRODUCT | {"version": version})
    call(app, "PUT", "commerce/products/S-10", PRODUCT)
    page = call(app, "GET", "ledger/products", query={"key": "S-1", "limit": "3"})[1]
    rest = call(app, "GET", "ledger/products", query={"key": "S-1", "page_token": page["next_page_token"]})[1]
    assert [entry["version"] for entry in page["entries"] + rest["entries"]] == [1, 2, 3, 4, 5]
    elsewhere = call(app, "GET", "ledger/products", query={"key": "S-10", "page_token": page["next_page_token"]})
    assert (elsewhere[0], elsewhere[1]["errors"][0]["pointer"]) == (400, "/page_token")


@pytest.mark.parametrize(("fault", "status"), [({"outage": True}, 503), ({"error_rate": 1}, 500)])
def test_failing_systems_fail_before_any_effect(app, fault, status):
    assert call(app, "PUT", "faults/commerce", fault)[0] == 200
    answer = call(app, "PUT", "commerce/products/S-1", PRODUCT)
    assert answer[0] == status
    assert call(app, "GET", "tax/rates")[0] == 200
    assert call(app, "DELETE", "faults/commerce")[0] == 204
    assert call(app, "GET", "commerce/products/S-1")[0] == 404
    assert ledger(app, "products", "S-1") == []


def test_faults_can_be_limited_to_operations(app):
    fault = {"outage": True, "operations": ["get_product"]}
    assert call(app, "PUT", "faults/commerce", fault)[1] == {"latency_ms": 0, "error_rate": 0} | fault
    assert call(app, "GET", "faults/commerce")[1]["operations"] == ["get_product"]
    assert call(app, "PUT", "commerce/products/S-1", PRODUCT)[0] == 201
    assert call(app, "GET", "commerce/products/S-1")[0] == 503


def test_latency_is_slept_after_the_effect_also_of_refusals(app, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(app.time, "sleep", slept.append)
    call(app, "PUT", "faults/commerce", {"latency_ms": 1500})
    call(app, "GET", "commerce/products/none")
    assert 1.5 in slept


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"latency_ms": 25_001}, "/latency_ms"),
        ({"latency_ms": -1}, "/latency_ms"),
        ({"latency_ms": True}, "/latency_ms"),
        ({"error_rate": 1.01}, "/error_rate"),
        ({"error_rate": "1"}, "/error_rate"),
        ({"outage": 1}, "/outage"),
        ({"operations": []}, "/operations"),
        ({"operations": ["get_product", "get_charge"]}, "/operations/1"),
        ({"speed": 1}, "/speed"),
    ],
)
def test_bad_faults_are_400(app, body, pointer):
    answer = call(app, "PUT", "faults/commerce", body)
    assert (answer[0], answer[1]["errors"][0]["pointer"]) == (400, pointer)


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
def test_unknown_paths_and_ids_are_4xx(app, method, path, status):
    assert call(app, method, path, PRODUCT)[0] == status


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
def test_bodies_that_are_not_json_are_refused(app, path, raw, status):
    assert call(app, "PUT", path, raw=raw)[0] == status


PLAIN_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
# As deep as it comes: st.recursive would draw again and again until there are few enough leaves, for most of the test's time.
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
def test_no_body_is_a_server_error(app, route, body):
    status, answer, _ = call(app, route[0], route[1], body, If_None_Match="*", Idempotency_Key="K1")
    assert status < 500, answer


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefix=st.sampled_from(["commerce/products/", "ledger/", "faults/", "payments/charges/", "", "commerce/orders/"]),
    rest=st.text(max_size=40).map(quote),
    method=st.sampled_from(["GET", "PUT", "DELETE", "POST", "PATCH"]),
    query=st.dictionaries(st.sampled_from(["key", "query", "limit", "page_token"]), st.text(max_size=30)),
)
def test_no_path_or_query_is_a_server_error(app, prefix, rest, method, query):
    assert call(app, method, prefix + rest, {}, query=query)[0] < 500


@pytest.mark.parametrize(("code", "status"), [("ThrottlingError", 503), ("ValidationError", 500)])
def test_a_table_that_fails_is_no_conflict(app, code, status, monkeypatch):
    def cancelled(**_):
        raise refused("TransactWriteItems", "TransactionCanceledException", CancellationReasons=[{"Code": code}])

    call(app, "GET", "commerce/products/S-1")
    monkeypatch.setattr(aws.patient_client("dynamodb"), "transact_write_items", cancelled)
    assert call(app, "PUT", "commerce/products/S-1", PRODUCT)[0] == status


def test_a_simulator_waits_longer_than_a_service_for_a_slow_table(app, monkeypatch):
    """It has no outages but those that a test asks for. With the 2 s of a service, a busy machine caused others."""

    def too_slow(*_: Any) -> None:
        raise ReadTimeoutError(endpoint_url="dynamodb")

    monkeypatch.setattr(aws.client("dynamodb"), "_make_api_call", too_slow)
    assert call(app, "PUT", "commerce/products/S-1", PRODUCT)[0] == 201
    assert call(app, "GET", "commerce/products/S-1")[0] == 200


def test_whoever_never_wins_is_told_so(app, monkeypatch):
    def always_late(*_):
        raise operations_module.Conflict

    monkeypatch.setattr(app.STORE, "write", always_late)
    answer = call(app, "PUT", "commerce/products/S-1", PRODUCT)
    assert (answer[0], answer[1]["code"]) == (409, "CONCURRENT_CHANGE")
