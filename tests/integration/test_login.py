"""Sessions over HTTP against the running shop."""

import json
import time
from hashlib import sha256

import httpx
import pytest

from tools.client import Shop, eventually, unique, with_retries
from tools.drivers.customers import platform_record, sign_up


def sign_in(shop: Shop, person: dict, **changes) -> httpx.Response:
    credentials = {"email": person["email"], "password": person["password"]} | changes
    return shop.call("POST", "/login/v1/sessions", json=credentials)


def sign_out(shop: Shop, token: str) -> httpx.Response:
    return shop.call("DELETE", "/login/v1/sessions/current", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def customer(shop: Shop) -> dict:
    return shop.samples["customer"]


def test_in_and_out(shop: Shop, customer: dict):
    response = sign_in(shop, customer)
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    session = response.json()
    assert session["customer_id"] == customer["customer_id"]
    assert session["session_token"] != sign_in(shop, customer).json()["session_token"]
    assert sign_out(shop, session["session_token"]).status_code == 204
    again = sign_out(shop, session["session_token"])
    assert (again.status_code, again.json()["code"]) == (401, "SESSION_INVALID")


def test_the_table_holds_no_token(shop: Shop, customer: dict):
    token = sign_in(shop, customer).json()["session_token"]
    items = shop.aws("dynamodb").scan(TableName=shop.address("login", "sessions-table-name"))["Items"]
    assert items
    assert token not in str(items)


@pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"email": "nobody@example.com"}, {"email": "no address"}])
def test_a_refusal_does_not_reveal_which_credential_is_wrong(shop: Shop, customer: dict, wrong: dict):
    response = sign_in(shop, customer, **wrong)
    assert (response.status_code, response.json()["code"]) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize(
    "wrong",
    [{"password": ""}, {"email": 1}, {"email": None}, {"email": "x" * 255}, {"password": ["a"]}, {"roles": ["admin"]}],
)
def test_malformed_credentials_are_a_400(shop: Shop, customer: dict, wrong: dict):
    response = sign_in(shop, customer, **wrong)
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer x", "Basic abc", f"Bearer {'A' * 43}", "Bearer " + "A" * 9000]
)
def test_an_invalid_session_cannot_be_ended(shop: Shop, authorization: str):
    response = shop.call("DELETE", "/login/v1/sessions/current", headers={"Authorization": authorization})
    assert response.status_code in (401, 431)


@pytest.mark.parametrize("fault", [{"outage": True}, {"latency_ms": 10_000}])
def test_an_outage_of_the_identity_provider_prevents_sign_ins(shop: Shop, customer: dict, fault: dict):
    with shop.faults("identity", **fault):
        response = sign_in(shop, customer)
    assert (response.status_code, response.json()["code"]) == (503, "IDENTITY_UNAVAILABLE")
    assert int(response.headers["retry-after"]) > 0


def test_data_sync_receives_a_sign_in(shop: Shop, customer: dict):
    def refreshes() -> int:
        entries = shop.ledger("customers", customer["customer_id"])
        return sum(1 for entry in entries if entry["operation"] == "sync_customer")

    before = refreshes()
    assert sign_in(shop, customer).status_code == 201
    eventually(lambda: refreshes() > before)


def expires(shop: Shop, token: str, seconds: int | None = None) -> int:
    """The expiry of a session; ``seconds`` sets it to that many seconds from now."""
    item = {
        "TableName": shop.address("login", "sessions-table-name"),
        "Key": {"session_hash": {"S": sha256(token.encode()).hexdigest()}},
    }
    if seconds is not None:
        shop.aws("dynamodb").update_item(
            **item,
            UpdateExpression="SET expires_at = :then",
            ExpressionAttributeValues={":then": {"N": str(int(time.time()) + seconds)}},
        )
    return int(shop.aws("dynamodb").get_item(**item, ConsistentRead=True)["Item"]["expires_at"]["N"])


@pytest.mark.parametrize(
    ("person", "path"),
    [
        ("customer", "/customers/v1/customers/C000000001/profile"),
        ("customer", "/orders/v1/orders"),
        ("admin", "/login/v1/identities/id-nobody/sessions"),
    ],
    ids=["by the authorizer of customers", "of guests", "of admins"],
)
def test_a_session_that_is_used_lives_on(shop: Shop, person: str, path: str):
    token = sign_in(shop, shop.samples[person]).json()["session_token"]
    soon = expires(shop, token, 60)
    method = "DELETE" if person == "admin" else "GET"
    response = with_retries(lambda: shop.call(method, path, headers={"Authorization": f"Bearer {token}"}))
    assert response.is_success, response.text
    assert expires(shop, token) > soon + 60


def test_a_person_signs_out_everywhere(shop: Shop):
    member = sign_up(shop)
    other = sign_in(shop, {"email": member.email, "password": member.password}).json()["session_token"]
    response = shop.call("DELETE", "/login/v1/sessions", headers=member.session)
    assert response.status_code == 204, response.text
    for token in (member.token, other):
        assert sign_out_everywhere(shop, token) == 401


def test_an_admin_ends_the_sessions_of_an_identity(shop: Shop):
    member = sign_up(shop)
    identity_id = platform_record(shop, f"commerce/customers/{member.customer_id}")["identity_id"]
    path = f"/login/v1/identities/{identity_id}/sessions"
    assert shop.call("DELETE", path, headers=member.session).status_code == 403
    admin = {"Authorization": f"Bearer {sign_in(shop, shop.samples['admin']).json()['session_token']}"}
    assert shop.call("DELETE", path, headers=admin).status_code == 204
    assert sign_out_everywhere(shop, member.token) == 401


def sign_out_everywhere(shop: Shop, token: str) -> int:
    return shop.call("DELETE", "/login/v1/sessions", headers={"Authorization": f"Bearer {token}"}).status_code


def test_an_expired_session_is_invalid(shop: Shop, customer: dict):
    token = sign_in(shop, customer).json()["session_token"]
    expires(shop, token, -1)
    event = shop.event("login/authorize_guest.json")
    event["headers"]["Authorization"] = f"Bearer {token}"
    response = invoke(shop, "authorize-guest", event)
    assert response["errorMessage"] == "Unauthorized"


def invoke(shop: Shop, function: str, event: dict) -> dict:
    name = f"setpieces-{shop.stage}-login-{function}"
    return json.loads(shop.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())


@pytest.mark.parametrize(
    ("function", "person", "effect"),
    [
        ("authorize-guest", None, "Allow"),
        ("authorize-guest", "customer", "Allow"),
        ("authorize-guest", "admin", "Allow"),
        ("authorize-guest", "nobody", "401"),
        ("authorize-admin", None, "401"),
        ("authorize-admin", "customer", "Deny"),
        ("authorize-admin", "admin", "Allow"),
        ("authorize-admin", "nobody", "401"),
    ],
)
def test_authorizers(shop: Shop, function: str, person: str | None, effect: str):
    event = shop.event("login/authorize_guest.json") | {"headers": {}}
    if person == "nobody":
        event["headers"]["authorization"] = "Bearer " + "A" * 43
    elif person:
        event["headers"]["authorization"] = "Bearer " + sign_in(shop, shop.samples[person]).json()["session_token"]
    response = invoke(shop, function, event)
    if effect == "401":
        assert response["errorMessage"] == "Unauthorized"
        return
    (statement,) = response["policyDocument"]["Statement"]
    assert statement == {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    if function == "authorize-guest":
        expected = shop.samples[person]["customer_id"] if person else ""
        assert response["context"]["customer_id"] == expected


def test_a_sign_in_logs_no_credentials(shop: Shop, customer: dict):
    """Neither address nor password nor token is logged."""
    marker, began = unique("p"), int(time.time() * 1000) - 1000
    token = sign_in(shop, customer).json()["session_token"]
    sign_in(shop, customer, password=marker)
    group = f"/aws/lambda/setpieces-{shop.stage}-login-create-session"

    def lines() -> str:
        pages = shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=began)
        return " ".join(event["message"] for page in pages for event in page["events"])

    logged = eventually(lines)
    for secret in (marker, token, customer["email"], customer["password"]):
        assert secret not in logged
