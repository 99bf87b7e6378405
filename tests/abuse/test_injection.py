"""Values that try to be more: an expression, a path of a state machine, a formula, markup, a line of a log, an address.

What matters is not the status but what is stored, written, logged and followed. Mapping templates are tried in
tests/templates/test_mapping_templates.py, rules of redirects in tests/integration/test_redirects.py.
"""

import gzip
import json
import re
import time
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit
from xml.etree import ElementTree

import httpx
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from app.pages import local_path
from local.mailbox import outbox
from sitemaps.domain.files import BadEntry, Entry, build_files
from tests.abuse.raw_http import request as raw_request
from tests.abuse.raw_http import send, statuses
from tests.abuse.seed import LONG, SEED
from tests.integration.checkouts import ADDRESS, body, fill_basket
from tools import feeds
from tools.client import Shop, eventually, fetch, new_basket_id, unique
from tools.drivers import vouchers
from tools.drivers.customers import Member, sign_up

# What expressions of DynamoDB, paths and functions of state machines, and mapping templates are made of.
EXPRESSIONS = (
    "attribute_exists(id) OR :one = :one",
    "SET #owner = :owner REMOVE expires_at",
    '"}, ":owner": {"S": "C000000001',
    "#lines.#sku",
)
PATHS = ("$.batch_id", "$$.Execution.Input", "States.Format('{}', $.batch_id)", "{% $states.input %}", "$.a[?(@.b)]")
TEMPLATES = ("$input.json('$')", "#set($x = 1)$x", "${Table}", "$context.authorizer.customer_id", '\\", \\"x\\": \\"')
MARKUP = ("<script>alert(1)</script>", "</loc><loc>https://evil.example/</loc>", "]]>&x;<!ENTITY y SYSTEM 'file:///'>")
TEXTS = (*EXPRESSIONS, *PATHS, *TEMPLATES, *MARKUP)
FORMULAS = (
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    " =1",
    "\uff1d1",
    '=HYPERLINK("https://evil.example")',
    "=cmd|' /C calc'!A0",
)
MARK = unique("forged")
# As a line of its own, and as the end of the text that it stands in.
LINES = (
    f'\n{{"level": "CRITICAL", "message": "{MARK}", "forged": true}}\n',
    f'", "level": "CRITICAL", "forged": "{MARK}',
    f"\r\n{MARK}\r\n",
    f"\u2028{MARK}\u0085",
)
campaign = settings(
    max_examples=2_000 if LONG else 200, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def member(shop: Shop) -> Member:
    return sign_up(shop)


@pytest.fixture(scope="module")
def admin(shop: Shop) -> dict[str, str]:
    return feeds.admin_session(shop)


def patch_profile(shop: Shop, member: Member, change: dict[str, Any]) -> dict[str, Any]:
    """Change the profile and return it."""
    path = f"/customers/v1/customers/{member.customer_id}/profile"

    def patch() -> dict[str, Any]:
        response = shop.call("PATCH", path, json=change, headers=member.session)
        assert response.status_code == 200, response.text
        return response.json()

    return eventually(patch)


def test_a_profile_stores_texts_unchanged_and_changes_nothing_else(shop: Shop, member: Member):
    before = patch_profile(shop, member, {"marketing_opt_in": True})
    for text in TEXTS:
        assert patch_profile(shop, member, {"name": text}) == before | {"name": text}


def order(shop: Shop, product: dict[str, Any], text: str) -> dict[str, Any]:
    """Place an order with ``text`` in every text field and return the stored item."""
    order_request = body(fill_basket(shop, product), ship_to=ADDRESS | dict.fromkeys(PLACES, text))
    headers = {"Idempotency-Key": re.sub(r"[^!-~]", "_", text) + unique("-")}
    response = shop.call("POST", "/orders/v1/orders", json=order_request, headers=headers)
    assert response.status_code == 202, response.text
    key = {"order_number": {"S": response.json()["order_number"]}}
    table = shop.address("orders", "table-name")
    return shop.aws("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]


PLACES = ("name", "street", "city")
# Every attribute that an order may have in any status (functions/orders/orders/repository/orders.py).
KNOWN = {
    *("order_number", "customer_id", "owner", "history_of", "basket_id", "payment_token", "ship_to", "backend_status"),
    *("reason_code", "correlation_id", "created_at", "check_at", "updated_at", "expires_at", "in_progress", "lines"),
    *("rejected_reason", "invalid_reason", "email", "attempt", "delivery", "discounts", "prices_checked"),
    *("basket_version", "subtotal", "tax", "amount", "currency", "charge_id"),
}


def test_an_order_stores_texts_unchanged_and_no_other_attributes(shop: Shop, products: list[dict]):
    for text in EXPRESSIONS + TEMPLATES:
        stored_order = order(shop, products[0], text)
        assert set(stored_order) <= KNOWN
        assert {name: text_of(stored_order["ship_to"])[name] for name in PLACES} == dict.fromkeys(PLACES, text)
        assert stored_order["backend_status"]["S"] in (
            "Validating",
            "Payment processing",
            "Payment authorized",
            "Sent to fulfillment",
        )


def text_of(stored: dict[str, Any]) -> dict[str, str]:
    """A map as DynamoDB has it, or as JSON."""
    return json.loads(stored["S"]) if "S" in stored else {name: value["S"] for name, value in stored["M"].items()}


def test_a_state_machine_does_not_evaluate_texts(shop: Shop, admin: dict[str, str]):
    """The batch and its mail contain the text; its file contains only codes."""
    texts = (*PATHS, TEMPLATES[1], MARKUP[0])
    notified = {text: f"{unique('voucher')}@example.com" for text in texts}
    batches = {
        text: vouchers.create_batch(shop, admin, count=2, campaign=text, notify=notified[text]) for text in texts
    }
    for text, path in batches.items():
        batch = vouchers.wait_for_batch(shop, admin, path)
        assert (batch["campaign"], batch["generated"]) == (text, 2)
        assert re.fullmatch(r"([0-9A-Z]+\n){2}", vouchers.download_file(batch).decode())
        [mail] = eventually(partial(outbox, shop.emulator, notified[text]))
        assert mail.subject.endswith(text)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_campaign_name_that_is_a_formula_is_refused(shop: Shop, admin: dict[str, str], formula: str):
    body = vouchers.batch_request(count=1, campaign=formula)
    response = shop.call("POST", vouchers.PATH, json=body, headers=admin)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "/campaign")


def test_a_rejected_record_is_one_line_of_the_error_file(shop: Shop, admin: dict[str, str]):
    """The records contain line breaks and quotation marks."""
    poison = [{"sku": text, "name": text, text: text} for text in (*LINES, *FORMULAS, *MARKUP)]
    feed = feeds.upload(shop, admin, "product", json.dumps(poison).encode())
    feed_view = feeds.complete_manifest(shop, admin, "product", feed)
    assert feed_view["rejected"] == len(poison)
    errors = feeds.manifest(shop, admin, "product", feed)["errors"]
    content = b"".join(gzip.decompress(fetch(error["url"]).content) for error in errors)
    lines = content.decode().removesuffix("\n").split("\n")
    assert len(lines) == len(poison)
    assert all(isinstance(json.loads(line), dict) and "forged" not in json.loads(line) for line in lines)


@seed(SEED)
@campaign
@given(st.lists(st.text().map("/{}".format) | st.sampled_from(MARKUP).map("/{}".format), min_size=1, max_size=20))
def test_a_sitemap_contains_exactly_its_paths(paths: list[str]):
    """A parser reads each path once and on the shop's host."""
    origin, expected_paths = "https://shop.example", []
    for path in paths:
        try:
            list(build_files("pages", origin, [Entry(path)]))
            expected_paths.append(path)
        except BadEntry:
            assert path.startswith("//") or len(quote(path, errors="replace")) > 500 or not path.isascii()
    urls = [
        element.text or ""
        for file in build_files("pages", origin, map(Entry, expected_paths))
        for element in ElementTree.fromstring(file.content).iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")
    ]
    assert all(urlsplit(url).netloc == "shop.example" for url in urls)
    assert [unquote(url.removeprefix(origin)) for url in urls] == expected_paths


@seed(SEED)
@campaign
@given(st.text("/\\.:@?#%;\t\r\n ae\u2028") | st.text())
def test_a_sign_in_redirects_within_the_shop_only(target: str):
    """As browsers read addresses: without tabs and line breaks, and with / for \\ (https://url.spec.whatwg.org/#url-parsing)."""
    followed = re.sub(r"[\t\r\n]", "", local_path(target).strip("".join(map(chr, range(33))))).replace("\\", "/")
    assert urlsplit(urljoin("https://shop.example/sign-in", followed)).netloc == "shop.example"


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example"]
)
def test_a_sign_in_form_redirects_to_no_other_host(shop: Shop, target: str):
    person = shop.samples["customer"]
    form = {"email": person["email"], "password": person["password"], "next": target}
    response = httpx.post(shop.url("/sign-in"), data=form, headers={"Sec-Fetch-Site": "same-origin"}, timeout=60)
    assert (response.status_code, response.headers["location"]) == (303, "/")


# --- logs ---


def test_callers_cannot_forge_log_lines(shop: Shop, member: Member, admin: dict[str, str], products: list[dict]):
    since = int(time.time() * 1000) - 1_000
    for line in LINES:
        visible = re.sub(r"[^ -~]", "", line)
        header = {"X-Correlation-Id": visible, "User-Agent": visible}
        spelled = quote(line, safe="")
        patch_profile(
            shop, member, {"name": line.strip() or MARK} if line.isprintable() else {"marketing_opt_in": False}
        )
        for method, path, payload in (
            ("GET", f"/catalog/v1/products/{spelled}", None),
            ("GET", f"/catalog/v1/products?query={spelled}", None),
            ("GET", f"/catalog/v1/{spelled}", None),
            ("GET", f"/orders/v1/orders/{spelled}/status", None),
            ("GET", f"/vouchers/v1/vouchers/{spelled}", None),
            ("GET", f"/p/{spelled}?utm_source={spelled}", None),
            ("POST", "/login/v1/sessions", {"email": f"{line}@example.com", "password": line}),
            ("POST", f"/basket/v1/baskets/{new_basket_id('b')}/items", {"sku": line, "quantity": line, line: line}),
            ("POST", "/orders/v1/orders", body("b", customer_id=line, ship_to=ADDRESS | {"name": line})),
            ("POST", "/customers/v1/customers", {"email": line, "name": line}),
            ("POST", "/customers/v1/customers/confirmations", {"token": line, "password": line}),
        ):
            assert shop.call(method, path, json=payload, headers=header).status_code < 500
        response = shop.call("POST", vouchers.PATH, json=vouchers.batch_request(campaign=line), headers=admin)
        assert response.status_code in (202, 400)
        event = {"event_id": unique("e"), "type": "a", "occurred_at": "2026-01-01T00:00:00Z", "data": {line: line}}
        key = {"x-api-key": shop.samples["ingest_api_key"]}
        assert shop.call("POST", "/ingestion/v1/events", json=event, headers=key | header).status_code == 202
    # What no library sends: an address that is not percent-encoded.
    for pattern in ('", "forged": "%s', "\\", "<%s>"):
        address = "/catalog/v1/products/" + pattern.replace("%s", MARK).replace(" ", "")
        assert statuses(send(raw_request(b"GET " + address.encode()))) == [400]
    last = unique("last")
    assert shop.call("GET", f"/catalog/v1/{last}").status_code == 404
    eventually(lambda: any(last in line for line in logged(shop, "/setpieces/local/api/catalog", since)))
    groups = shop.aws("logs").get_paginator("describe_log_groups").paginate()
    marked_lines = 0
    for group in (group["logGroupName"] for page in groups for group in page["logGroups"]):
        for line in logged(shop, group, since):
            try:
                entry = json.loads(line)
            except ValueError:
                # The runtime's own lines, START, REPORT and tracebacks; it writes nothing that was sent.
                assert group.startswith("/aws/lambda/"), f"{group}: {line}"
                assert MARK not in line, f"{group}: {line}"
                continue
            assert isinstance(entry, dict), f"{group}: {line}"
            assert "forged" not in entry, f"{group}: {line}"
            assert entry.get("level") != "CRITICAL", f"{group}: {line}"
            marked_lines += MARK in line
    assert marked_lines, "the texts are in no log at all, so that nothing was tried"


def logged(shop: Shop, group: str, since: int) -> list[str]:
    pages = shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
    return [event["message"] for page in pages for event in page["events"]]
