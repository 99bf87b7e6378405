"""Sign-up, profile and rewards over HTTP against the running shop."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import pytest

from local.mailbox import outbox
from tools.accounts import newest_token
from tools.client import Shop, eventually, unique, with_retries
from tools.drivers.customers import Member, platform_record, sign_in, sign_up
from tools.events import listening, receive_events

READS_MAIL = pytest.mark.local_only("only the local cloud keeps the mails that it sends")
HOME = {"name": "Ada", "street": "Main Street", "house_number": "1", "city": "Springfield", "country": "DE"}


@pytest.fixture(scope="module")
def ada(shop: Shop) -> Member:
    return sign_up(shop)


@pytest.fixture
def fresh(shop: Shop, ada: Member) -> Member:
    """Ada with a session that no gateway has seen."""
    token = sign_in(shop, ada.email, ada.password)
    return Member(ada.customer_id, ada.email, ada.password, token, ada.secrets)


def get(shop: Shop, member: Member, resource: str = "profile") -> httpx.Response:
    return shop.call("GET", f"/customers/v1/customers/{member.customer_id}/{resource}", headers=member.session)


def patch(shop: Shop, member: Member, change: Any, tag: str | None = "*") -> httpx.Response:
    headers = member.session | ({} if tag is None else {"If-Match": tag})
    return shop.call("PATCH", f"/customers/v1/customers/{member.customer_id}/profile", json=change, headers=headers)


def refusal(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"].startswith("application/problem+json"), response.text
    assert response.headers["access-control-allow-origin"] == "*"
    return response.status_code, response.json()["code"]


def put_customer(shop: Shop, customer_id: str, **changes: Any) -> None:
    path = f"/partners/v1/commerce/customers/{customer_id}"
    customer = platform_record(shop, f"commerce/customers/{customer_id}")
    response = shop.call("PUT", path, json=customer | changes, headers={"If-Match": str(customer["version"])})
    assert response.status_code == 200, response.text


def request_sign_up(shop: Shop, email: str, **headers: str) -> httpx.Response:
    new = {"email": email, "name": "Ada"}
    return with_retries(lambda: shop.call("POST", "/customers/v1/customers", json=new, headers=headers))


def confirm(shop: Shop, token: str, password: str) -> httpx.Response:
    payload = {"token": token, "password": password}
    return with_retries(lambda: shop.call("POST", "/customers/v1/customers/confirmations", json=payload))


@READS_MAIL
def test_from_sign_up_to_rewards(shop: Shop):
    email, password = f"{unique('mail')}@example.com", unique("password")
    response = request_sign_up(shop, email)
    assert (response.status_code, response.json()) == (202, {"status": "PENDING"})
    confirmation = confirm(shop, newest_token(shop, email), password)
    assert confirmation.status_code == 201, confirmation.text
    customer_id = confirmation.json()["customer_id"]
    assert confirmation.json() == {"customer_id": customer_id, "email": email}
    assert confirmation.headers["location"].endswith(f"/customers/v1/customers/{customer_id}/profile")
    member = Member(customer_id, email, password, sign_in(shop, email, password), ())
    profile = get(shop, member)
    assert profile.status_code == 200, profile.text
    assert profile.headers["cache-control"] == "no-store"
    assert {name: profile.json()[name] for name in ("customer_id", "name", "email")} == {
        "customer_id": customer_id,
        "name": "Ada",
        "email": email,
    }
    assert not profile.json().keys() & {"identity_id", "version", "origin", "updated_at", "password"}
    rewards = get(shop, member, "rewards")
    assert rewards.json() == {"customer_id": customer_id, "points": 0, "tier": "bronze"}


@READS_MAIL
def test_confirming_twice_is_one_customer_and_with_another_password_none(shop: Shop):
    email, password = f"{unique('mail')}@example.com", unique("password")
    request_sign_up(shop, email)
    token = newest_token(shop, email)
    with ThreadPoolExecutor(4) as clients:
        responses = [future.result() for future in [clients.submit(confirm, shop, token, password) for _ in range(4)]]
    confirmation = confirm(shop, token, password)
    assert confirmation.status_code == 201, confirmation.text
    ids = {response.json()["customer_id"] for response in (*responses, confirmation) if response.status_code == 201}
    assert ids == {confirmation.json()["customer_id"]}
    assert refusal(confirm(shop, token, unique("password"))) == (409, "EMAIL_TAKEN")


@READS_MAIL
def test_an_account_is_found_by_each_spelling_of_its_address_and_password(shop: Shop):
    name, secret = unique("jo"), unique("secret")
    assert request_sign_up(shop, f"{name}@B\u00dcCHER.example").status_code == 202
    address = f"{name}@xn--bcher-kva.example"
    confirmation = confirm(shop, newest_token(shop, address), f"p\u00e4ss\u00a0{secret}")
    assert (confirmation.status_code, confirmation.json()["email"]) == (201, address)
    for email, password in (
        (f"{name.upper()}@bu\u0308cher.example", f"pa\u0308ss {secret}"),
        (address, f"p\u00e4ss\u00a0{secret}"),
    ):
        credentials = {"email": email, "password": password}
        session = with_retries(partial(shop.call, "POST", "/login/v1/sessions", json=credentials))
        assert (session.status_code, session.json()["customer_id"]) == (201, confirmation.json()["customer_id"])


@READS_MAIL
def test_a_sign_up_tells_nothing_of_an_account(shop: Shop, ada: Member):
    """A known and an unknown address: the same response, and a mail each."""
    new, key = f"{unique('mail')}@example.com", unique("sign-up")
    events = []
    for email in (new, ada.email):
        response = request_sign_up(shop, email, **{"Idempotency-Key": key})
        events.append((response.status_code, response.content, sorted(response.headers)))
        assert newest_token(shop, email)
    assert events[0] == events[1]
    assert refusal(confirm(shop, newest_token(shop, ada.email), unique("guess"))) == (409, "EMAIL_TAKEN")


@READS_MAIL
def test_the_same_key_is_mailed_once(shop: Shop):
    email, key = f"{unique('mail')}@example.com", unique("sign-up")
    assert {request_sign_up(shop, email, **{"Idempotency-Key": key}).status_code for _ in range(3)} == {202}
    assert len(outbox(shop.emulator, email)) == 1


def test_a_token_that_was_made_up_confirms_nothing(shop: Shop):
    response = confirm(shop, f"{'0' * 32}.{'A' * 43}", unique("password"))
    assert refusal(response) == (404, "CONFIRMATION_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("", {"email": "ada", "name": "Ada"}, "/email"),
        ("", {"email": "a@example.com", "name": 1}, "/name"),
        *(
            ("", {"email": email, "name": "Ada"}, "/email")
            for email in (
                "gro\u00df@example.com",
                "a..b@x..com",
                "a.@example.com",
                "a\0b@example.com",
                "a\u202eb@example.com",
            )
        ),
        ("/confirmations", {"token": f"{'0' * 32}.{'A' * 43}", "password": "too short"}, "/password"),
        ("/confirmations", {"token": "x", "password": "correct horse battery"}, "/token"),
    ],
)
def test_a_malformed_sign_up_is_400_and_pointed_at(shop: Shop, path: str, body: dict, pointer: str):
    response = shop.call("POST", f"/customers/v1/customers{path}", json=body)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == pointer


def test_a_profile_is_changed_from_the_version_that_was_read(shop: Shop, ada: Member):
    first = get(shop, ada)
    changed = patch(shop, ada, {"name": unique("Ada"), "addresses": [HOME]}, first.headers["etag"])
    assert changed.status_code == 200, changed.text
    assert changed.json()["addresses"] == [HOME]
    assert changed.headers["etag"] != first.headers["etag"]
    assert get(shop, ada).json() == changed.json()
    assert refusal(patch(shop, ada, {"name": "Too late"}, first.headers["etag"])) == (412, "PROFILE_CHANGED")
    assert refusal(patch(shop, ada, {}, first.headers["etag"])) == (412, "PROFILE_CHANGED")
    assert get(shop, ada).json() == changed.json()
    assert patch(shop, ada, {"addresses": None}, None).json().get("addresses") is None


def test_changes_without_a_version_all_get_in(shop: Shop, ada: Member):
    changes: list[dict[str, Any]] = [{"name": unique("Ada")}, {"phone": "+49 30 1234"}, {"marketing_opt_in": True}]
    with ThreadPoolExecutor(len(changes)) as clients:
        responses = list(clients.map(lambda change: with_retries(lambda: patch(shop, ada, change, None)), changes))
    assert [response.status_code for response in responses] == [200] * len(changes), [
        response.text for response in responses
    ]
    profile = get(shop, ada).json()
    assert all(profile.items() >= change.items() for change in changes)


def test_of_changes_made_at_the_same_time_one_wins(shop: Shop, ada: Member):
    tag = get(shop, ada).headers["etag"]
    names = [unique("Ada") for _ in range(4)]

    def changes() -> list[dict[str, Any]]:
        entries = shop.ledger("customers", ada.customer_id)
        return [entry for entry in entries if entry["operation"] == "put_customer"]

    before = len(changes())
    with ThreadPoolExecutor(4) as clients:
        responses = list(clients.map(lambda name: with_retries(lambda: patch(shop, ada, {"name": name}, tag)), names))
    outcomes = sorted(response.status_code for response in responses)
    # 412 four times: the answer to the one that won was lost, and its repetition came too late.
    assert outcomes in ([200, 412, 412, 412], [412] * 4), [response.text for response in responses]
    (change,) = changes()[before:]
    assert change["name"] in names
    profile = get(shop, ada).json()
    assert profile["name"] == change["name"]
    assert [response.json() for response in responses if response.status_code == 200] in ([profile], [])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        # The request model refuses members that no request may hold; its pointer is the whole body.
        ({"email": "eve@example.com"}, ""),
        ({"customer_id": "C1"}, ""),
        ({"addresses": [{"street": "x"}]}, "/addresses/0/country"),
        ({"addresses": [HOME | dict.fromkeys(("name", "city", "company", "street", "line1"), "漢" * 100)] * 10}, "/addresses"),
    ],
)  # fmt: skip
def test_a_forbidden_change_is_400_with_a_pointer(shop: Shop, ada: Member, change: dict, pointer: str):
    before = get(shop, ada).json()
    response = patch(shop, ada, change)
    assert refusal(response)[0] == 400
    assert response.json()["errors"][0]["pointer"] == pointer
    assert get(shop, ada).json() == before


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer x", "Basic YTpi", f"Bearer {'A' * 43}"])
def test_a_request_without_a_valid_session_is_401(shop: Shop, ada: Member, authorization: str | None):
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, resource in (("GET", "profile"), ("PATCH", "profile"), ("GET", "rewards")):
        path = f"/customers/v1/customers/{ada.customer_id}/{resource}"
        response = shop.call(method, path, json={} if method == "PATCH" else None, headers=headers)
        assert refusal(response) == (401, "NO_SESSION")
        assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("system", ["commerce", "rewards"])
@pytest.mark.parametrize("fault", [{"latency_ms": 10_000}, {"outage": True}], ids=["slow", "down"])
def test_an_outage_of_a_platform_denies_access_and_is_not_cached(shop: Shop, fresh: Member, system: str, fault: dict):
    with shop.faults(system, **fault):
        for method in ("GET", "PATCH"):
            path = f"/customers/v1/customers/{fresh.customer_id}/profile"
            response = shop.call(method, path, json={} if method == "PATCH" else None, headers=fresh.session)
            assert refusal(response) == (503, "IDENTITY_UNAVAILABLE")
            assert int(response.headers["retry-after"]) > 0
    assert eventually(lambda: get(shop, fresh).status_code == 200)


@pytest.fixture
def mixed_up(shop: Shop) -> Member:
    """A customer for whom the commerce platform holds another identity than the rewards platform."""
    member = sign_up(shop)
    put_customer(shop, member.customer_id, identity_id="somebody-else")
    return member


def mismatches(events: list[dict[str, Any]], customer_id: str) -> list[dict[str, Any]]:
    details = [event["detail"]["event"] for event in events]
    return [
        detail
        for detail in details
        if detail["data"].get("customer_id") == customer_id and detail["meta_data"]["subtype"] == "IDENTITY"
    ]


def test_mismatched_identities_are_refused_counted_and_published(shop: Shop, mixed_up: Member):
    began = time.time() - 1
    with listening(shop) as url:
        for resource in ("profile", "rewards"):
            response = eventually(partial(settled_resource, shop, mixed_up, resource))
            assert refusal(response) == (403, "IDENTITY_MISMATCH")
        assert refusal(patch(shop, mixed_up, {"name": "Eve"})) == (403, "IDENTITY_MISMATCH")
        (event, *_) = eventually(lambda: mismatches(receive_events(shop, url), mixed_up.customer_id))
    assert event["meta_data"]["status"] == "MISMATCH"
    assert event["data"] == {"customer_id": mixed_up.customer_id}
    group = f"/aws/lambda/setpieces-{shop.stage}-customers-authorize-customer"
    assert eventually(lambda: metric_counted(shop, group, began))


def settled_resource(shop: Shop, member: Member, resource: str) -> httpx.Response | None:
    return unless_unavailable(get(shop, member, resource))


def unless_unavailable(response: httpx.Response) -> httpx.Response | None:
    """The response, or None if a platform was too slow on a busy machine."""
    return None if response.status_code == 503 else response


def metric_counted(shop: Shop, group: str, since: float) -> bool:
    """The metric that the alarm watches, in the log in CloudWatch's embedded format."""
    logs = shop.aws("logs").get_paginator("filter_log_events")
    pages = logs.paginate(logGroupName=group, filterPattern="IdentityMismatch", startTime=int(since * 1000))
    lines = [event["message"] for page in pages for event in page["events"]]
    metrics = [json.loads(line) for line in lines if line.startswith("{")]
    return any(entry.get("IdentityMismatch") == [1.0] and entry.get("service") == "customers" for entry in metrics)


def test_a_refusal_of_another_profile_does_not_change_the_reason_for_the_own(shop: Shop, ada: Member, mixed_up: Member):
    path = f"/customers/v1/customers/{ada.customer_id}/profile"
    other = eventually(lambda: unless_unavailable(shop.call("GET", path, headers=mixed_up.session)))
    assert other.status_code == 403
    assert refusal(eventually(lambda: unless_unavailable(get(shop, mixed_up)))) == (403, "IDENTITY_MISMATCH")


def test_a_customer_unknown_to_the_platforms_is_403_profile_not_found(shop: Shop):
    member = sign_up(shop)
    deleted = shop.call("DELETE", f"/partners/v1/commerce/customers/{member.customer_id}")
    assert deleted.status_code == 204, deleted.text
    assert refusal(eventually(lambda: unless_unavailable(get(shop, member)))) == (403, "PROFILE_NOT_FOUND")


def test_a_change_is_published_with_its_version(shop: Shop, ada: Member):
    with listening(shop) as url:
        changed = patch(shop, ada, {"name": unique("Ada")})
        assert changed.status_code == 200, changed.text
        version = int(changed.headers["etag"].strip('"'))

        def published() -> bool:
            events = [event["detail"]["event"] for event in receive_events(shop, url)]
            return any(
                event["meta_data"]["status"] == "UPDATED"
                and event["data"] == {"customer_id": ada.customer_id, "version": version}
                for event in events
            )

        eventually(published)


@pytest.mark.parametrize(
    ("path", "methods"),
    [("", "POST"), ("/C1/profile", "GET,PATCH"), ("/C1/rewards", "GET")],
)
def test_a_browser_may_ask_first(shop: Shop, path: str, methods: str):
    response = shop.call("OPTIONS", f"/customers/v1/customers{path}", headers={"Origin": "https://shop.example"})
    assert response.status_code == 204
    assert response.headers["access-control-allow-methods"] == methods
