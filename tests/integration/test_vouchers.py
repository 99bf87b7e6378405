"""Vouchers as an admin, a customer and an onlooker meet them: over HTTP, by mail, in the tables, the logs and the histories."""

import hashlib
import json
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from local.mailbox import outbox
from model.settings import REGION
from tools.client import Shop, eventually, fetch, unique, with_retries
from tools.drivers.customers import session_headers
from tools.drivers.journey import Journey, place_order, quote, sign_in
from tools.drivers.vouchers import PATH, batch_request, create_batch, download_file, wait_for_batch

SIZES = (1, 24, 5_001)
# In milliseconds, as CloudWatch Logs counts.
BEGAN = int(time.time() * 1000)


@pytest.fixture(scope="module")
def admin(shop: Shop) -> dict[str, str]:
    return session_headers(shop, shop.samples["admin"])


@pytest.fixture(scope="module")
def batches(shop: Shop, admin: dict[str, str]) -> dict[int, dict[str, Any]]:
    """One complete batch of each size, as the API shows it."""
    accepted = {count: create_batch(shop, admin, count=count) for count in SIZES}
    return {count: wait_for_batch(shop, admin, path) for count, path in accepted.items()}


@pytest.fixture
def codes(batches: dict[int, dict[str, Any]]) -> list[str]:
    return download_file(batches[24]).decode().split()


def stored(shop: Shop, codes: list[str]) -> int:
    """How many of these codes the voucher table holds."""
    table, dynamodb = shop.address("vouchers", "table-name"), shop.aws("dynamodb")
    count = 0
    for start in range(0, len(codes), 100):
        keys = [{"code": {"S": code}} for code in codes[start : start + 100]]
        count += len(dynamodb.batch_get_item(RequestItems={table: {"Keys": keys}})["Responses"][table])
    return count


def test_file_table_and_manifest_agree_and_no_code_is_twice(shop: Shop, batches: dict[int, dict[str, Any]]):
    all_lines: list[str] = []
    bucket, s3 = shop.address("vouchers", "bucket-name"), shop.aws("s3")
    for count, batch in batches.items():
        content = download_file(batch)
        lines = content.decode().splitlines()
        manifest = json.loads(s3.get_object(Bucket=bucket, Key=f"release/{batch['batch_id']}.json")["Body"].read())
        assert len(lines) == batch["generated"] == manifest["count"] == stored(shop, lines) == count
        assert hashlib.sha256(content).hexdigest() == batch["sha256"] == manifest["sha256"]
        all_lines += lines
    assert len(set(all_lines)) == sum(SIZES)
    assert not s3.list_objects_v2(Bucket=bucket, Prefix=f"work/{batches[24]['batch_id']}/").get("Contents")


def test_the_same_key_again_creates_nothing(shop: Shop, admin: dict[str, str]):
    headers, body = admin | {"Idempotency-Key": unique("batch")}, batch_request(count=1)
    first = shop.call("POST", "/vouchers/v1/voucher-batches", json=body, headers=headers)
    repeated = shop.call("POST", "/vouchers/v1/voucher-batches", json=body, headers=headers)
    other = shop.call("POST", "/vouchers/v1/voucher-batches", json=body | {"count": 2}, headers=headers)
    assert (first.status_code, repeated.status_code, other.status_code) == (202, 202, 409)
    assert first.json()["batch_id"] == repeated.json()["batch_id"]
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    wait_for_batch(shop, admin, first.headers["location"])


def test_batches_are_an_admins(shop: Shop, batches: dict[int, dict[str, Any]]):
    customer = session_headers(shop, shop.samples["customer"])
    path = "/vouchers/v1/voucher-batches"
    for method, url in (
        ("POST", path),
        ("GET", f"{path}/{batches[24]['batch_id']}"),
        ("POST", f"{path}/{batches[24]['batch_id']}/cancellation"),
    ):
        assert shop.call(method, url, json=batch_request()).status_code == 401
        assert shop.call(method, url, json=batch_request(), headers=customer).status_code == 403


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"count": 0}, "/count"),
        ({"count": 1_000_001}, "/count"),
        ({"count": "10"}, "/count"),
        ({"valid_to": "2020-01-01"}, "/valid_to"),
        ({"campaign": "=HYPERLINK(1)"}, "/campaign"),
        ({"notify": "nobody"}, "/notify"),
    ],
)
def test_an_invalid_request_is_400_with_a_pointer(
    shop: Shop, admin: dict[str, str], changed: dict[str, Any], pointer: str
):
    response = shop.call("POST", "/vouchers/v1/voucher-batches", json=batch_request(**changed), headers=admin)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == pointer


def test_a_link_is_for_one_file_and_ends(shop: Shop, admin: dict[str, str], batches: dict[int, dict[str, Any]]):
    path = f"/vouchers/v1/voucher-batches/{batches[24]['batch_id']}"

    def used_in_time() -> dict[str, str] | None:
        link = shop.call("GET", f"{path}?link_seconds=3", headers=admin).json()["download"]
        return link if fetch(link["url"]).status_code == 200 else None

    link = eventually(used_in_time)
    other = link["url"].replace(batches[24]["batch_id"], batches[1]["batch_id"], 1)
    assert fetch(other).status_code == 403
    assert fetch(link["url"].partition("?")[0]).status_code == 403
    assert eventually(lambda: fetch(link["url"]).status_code == 403)
    assert datetime.fromisoformat(link["expires_at"]) <= datetime.now(UTC)
    # A fresh one each time.
    assert fetch(shop.call("GET", path, headers=admin).json()["download"]["url"]).status_code == 200


@pytest.mark.local_only("it reads the policies of a role of the shop")
def test_the_signer_may_read_one_file_only(shop: Shop, batches: dict[int, dict[str, Any]]):
    """Even with the signature made anew: the credentials in a link are of a session that is narrowed to the file."""
    roles = shop.aws("iam").get_paginator("list_roles").paginate()
    (role,) = [r["Arn"] for page in roles for r in page["Roles"] if "Vouchers" in r["Arn"] and "SignerRole" in r["Arn"]]
    statements = shop.aws("iam").get_role_policy(RoleName=role.rpartition("/")[2], PolicyName="download")
    actions = [s["Action"] for s in statements["PolicyDocument"]["Statement"]]
    assert actions == ["s3:GetObject", "kms:Decrypt"]


def test_a_single_use_link_works_once(shop: Shop, admin: dict[str, str]):
    batch = wait_for_batch(shop, admin, create_batch(shop, admin, count=1, one_time=True))
    first = fetch(batch["download"]["url"])
    assert first.status_code == 303
    assert hashlib.sha256(fetch(first.headers["location"]).content).hexdigest() == batch["sha256"]
    assert fetch(batch["download"]["url"]).status_code == 404


@pytest.mark.local_only("it makes a role with all permissions for KMS")
def test_the_key_of_codes_refuses_a_role_that_iam_allows_everything(shop: Shop):
    iam, name = shop.aws("iam"), f"{unique('key')}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    all_actions = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="kms", PolicyDocument=policy(all_actions))
    try:
        keys = shop.aws("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
        kms = boto3.client(
            "kms",
            endpoint_url=shop.endpoint,
            region_name=REGION,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        key = shop.address("vouchers", "code-key-arn")
        assert kms.describe_key(KeyId=key)["KeyMetadata"]["Arn"] == key
        with pytest.raises(ClientError, match="AccessDenied"):
            kms.generate_mac(KeyId=key, Message=b"voucher-codes/1", MacAlgorithm="HMAC_SHA_256")
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="kms")
        iam.delete_role(RoleName=name)


def policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def redeem(shop: Shop, code: str, order_number: str, headers: dict[str, str] | None = None) -> httpx.Response:
    path = f"/vouchers/v1/vouchers/{code}/redemptions"
    return with_retries(lambda: shop.call("POST", path, json={"order_number": order_number}, headers=headers))


def change(shop: Shop, code: str, order_number: str, **body: Any) -> httpx.Response:
    """A request of the orders service."""
    path = f"/vouchers/v1/internal/vouchers/{code}/orders/{order_number}"
    return with_retries(lambda: shop.call("PUT", path, json=body, sign=True))


def reserve(shop: Shop, code: str, order_number: str, seconds: float = 900, **changed: Any) -> httpx.Response:
    expires_at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    body = {"state": "reserved", "amount": 700, "currency": "EUR", "expires_at": expires_at} | changed
    return change(shop, code, order_number, **body)


def place(shop: Shop, token: str = "tok_ok", person: dict[str, str] | None = None) -> tuple[str, str]:
    """(number, public status) of an order that has ended, of a guest or a person with an account."""
    journey = Journey(shop)
    if person:
        journey.session = sign_in(journey, person)
    items = journey.call("GET", "/catalog/v1/products?query=sp-", 200)["items"]
    product = next(item for item in items if item["available"])
    journey.call("POST", f"/basket/v1/baskets/{journey.basket}/items", 201, json={"sku": product["sku"], "quantity": 1})
    number, status = place_order(journey, token, quote(journey))
    return number, status["status"]


@pytest.fixture(scope="module")
def orders(shop: Shop) -> list[str]:
    """Complete orders of guests."""
    with ThreadPoolExecutor(4) as clients:
        placed = list(clients.map(lambda _: place(shop), range(4)))
    assert [status for _, status in placed] == ["Complete"] * 4
    return [number for number, _ in placed]


def test_one_of_several_orders_gets_a_voucher(shop: Shop, orders: list[str], codes: list[str]):
    with ThreadPoolExecutor(32) as clients:
        responses = list(clients.map(lambda n: redeem(shop, codes[0], orders[n % 4]), range(32)))
    statuses = Counter(response.status_code for response in responses)
    # 201 is lost if the first response was.
    assert statuses[201] <= 1
    assert (statuses[200] + statuses[201], statuses[409]) == (8, 24)
    assert len({response.json()["order_number"] for response in responses if response.status_code < 300}) == 1
    assert shop.call("GET", f"/vouchers/v1/vouchers/{codes[0]}").json()["status"] == "REDEEMED"


def test_a_voucher_is_redeemed_for_a_complete_order_of_the_caller_alone(
    shop: Shop, orders: list[str], codes: list[str]
):
    code, person = codes[2], shop.samples["customer"]
    path = f"/vouchers/v1/vouchers/{code}/redemptions"
    assert shop.call("POST", path).status_code == 400
    assert shop.call("POST", path, json={}).status_code == 400
    unknown = redeem(shop, code, "T999999999")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "ORDER_NOT_FOUND")
    failed, status = place(shop, "tok_declined")
    assert status == "Failed"
    assert redeem(shop, code, failed).json()["code"] == "ORDER_FAILED"
    body = {"order_number": orders[0], "customer_id": person["customer_id"]}
    assert shop.call("POST", path, json=body).json()["code"] == "CUSTOMER_MISMATCH"
    number, _ = place(shop, person=person)
    assert redeem(shop, code, number).json()["code"] == "ORDER_NOT_FOUND"
    session = session_headers(shop, person)
    assert redeem(shop, code, orders[0], session).json()["code"] == "ORDER_NOT_FOUND"
    first = redeem(shop, code, number, session)
    assert first.status_code in (200, 201)
    assert redeem(shop, code, number, session).json() == first.json()


def test_orders_reserve_redeem_and_release_a_voucher(shop: Shop, codes: list[str]):
    code, ada, grace = codes[3], "T900000011", "T900000012"

    def status() -> str:
        return str(shop.call("GET", f"/vouchers/v1/internal/vouchers/{code}", sign=True).json()["status"])

    assert shop.call("GET", f"/vouchers/v1/internal/vouchers/{code}").status_code in (403, 404)
    assert reserve(shop, code, ada).status_code in (200, 201)
    assert status() == "RESERVED"
    assert reserve(shop, code, grace).json()["code"] == "VOUCHER_RESERVED"
    assert change(shop, code, ada, state="released").status_code == 200
    assert reserve(shop, code, ada).json()["code"] == "RESERVATION_CLOSED"
    assert reserve(shop, code, grace, currency="USD").json()["code"] == "VOUCHER_CURRENCY"
    assert eventually(lambda: reserve(shop, code, grace, seconds=1).status_code in (200, 201))
    assert eventually(lambda: status() == "ACTIVE")
    assert reserve(shop, code, ada, attempt=1).status_code in (200, 201)
    assert change(shop, code, grace, state="redeemed").json()["code"] == "VOUCHER_RESERVED"
    redeemed = change(shop, code, ada, state="redeemed")
    assert redeemed.status_code == 200
    assert change(shop, code, ada, state="redeemed").json() == redeemed.json()
    assert status() == "REDEEMED"


def test_a_complete_order_redeems_the_voucher_that_it_has_reserved(shop: Shop, orders: list[str], codes: list[str]):
    """An order is complete before the orders service redeems its vouchers."""
    assert reserve(shop, codes[4], orders[1]).status_code in (200, 201)
    assert redeem(shop, codes[4], orders[0]).json()["code"] == "VOUCHER_RESERVED"
    redeemed = redeem(shop, codes[4], orders[1])
    assert redeemed.status_code in (200, 201)
    assert redeemed.json()["order_number"] == orders[1]
    assert change(shop, codes[4], orders[1], state="released").status_code == 409


def test_a_code_may_be_typed_by_a_person_but_not_misspelt(shop: Shop, codes: list[str]):
    code = codes[1]
    typed = f"{code[:4]}-{code[4:9]}-{code[9:]}".lower()
    assert shop.call("GET", f"/vouchers/v1/vouchers/{typed}").json()["status"] == "ACTIVE"
    for wrong in (code[:-1] + ("2" if code[-1] != "2" else "3"), "ABC", "3" * 14):
        response = shop.call("GET", f"/vouchers/v1/vouchers/{wrong}")
        assert (response.status_code, response.json()["code"]) == (404, "VOUCHER_NOT_FOUND")


def test_an_admin_releases_a_voucher_that_paid_for_nothing(shop: Shop, admin: dict[str, str], codes: list[str]):
    path = f"/vouchers/v1/vouchers/{codes[-1]}/redemptions"
    assert reserve(shop, codes[-1], "T900000001").status_code in (200, 201)
    response = shop.call("DELETE", path, headers=admin)
    assert (response.status_code, response.json()["code"]) == (409, "VOUCHER_RESERVED")
    assert change(shop, codes[-1], "T900000001", state="redeemed").status_code == 200
    response = shop.call("DELETE", path, headers=admin)
    assert (response.status_code, response.json()["code"]) == (409, "VOUCHER_REDEEMED")
    released = f"{path}?order_number=T900000001"
    assert shop.call("DELETE", released).status_code == 401
    assert [with_retries(lambda: shop.call("DELETE", released, headers=admin)).status_code for _ in "ab"] == [204, 204]
    assert reserve(shop, codes[-1], "T900000002").status_code in (200, 201)


def test_vouchers_that_do_not_count_yet_or_any_more(shop: Shop, admin: dict[str, str], orders: list[str]):
    tomorrow = str((datetime.now(UTC) + timedelta(days=2)).date())
    path = create_batch(shop, admin, count=2, valid_from=tomorrow)
    early = wait_for_batch(shop, admin, path)
    code = download_file(early).decode().split()[0]
    response = redeem(shop, code, orders[0])
    assert (response.status_code, response.json()["code"]) == (409, "VOUCHER_NOT_YET_VALID")
    assert shop.call("POST", f"{path}/cancellation", headers=admin).json()["status"] == "CANCELLED"
    response = redeem(shop, code, orders[0])
    assert (response.status_code, response.json()["code"]) == (409, "VOUCHER_CANCELLED")
    # A role that may not list the bucket gets 403 instead of 404 for a deleted file.
    assert fetch(early["download"]["url"]).status_code == 403
    assert "download" not in shop.call("GET", path, headers=admin).json()


@pytest.mark.local_only("it reads the mails that the local cloud keeps")
def test_one_mail_brings_the_link_and_no_code(shop: Shop, admin: dict[str, str]):
    to = f"{unique('admin')}@example.com"
    path = create_batch(shop, admin, count=3, notify=to)
    batch = wait_for_batch(shop, admin, path)
    (mail,) = eventually(lambda: outbox(shop.emulator, to))
    (link,) = [line for line in mail.text.splitlines() if line.startswith("http")]
    content = fetch(link).content
    assert hashlib.sha256(content).hexdigest() == batch["sha256"]
    assert not [code for code in content.decode().split() if code in mail.text]
    assert batch["batch_id"] in mail.text
    assert eventually(lambda: "notified_at" in shop.call("GET", path, headers=admin).json())
    # The same message once more.
    event = json.loads(sample_message(batch["batch_id"]))
    shop.aws("sns").publish(TopicArn=shop.address("vouchers", "topic-arn"), Message=json.dumps(event))
    eventually(lambda: waiting(shop) == 0)
    assert len(outbox(shop.emulator, to)) == 1


def sample_message(batch_id: str) -> str:
    meta_data = {"site_id": "Brick Shop", "type": "VOUCHER", "subtype": "BATCH", "status": "COMPLETE", "version": "1"}
    meta_data |= {"event_id": "00000000-0000-4000-8000-000000000001", "correlation_id": "again"}
    meta_data["occurred_at"] = "2026-01-01T12:00:00.000+00:00"
    return json.dumps({"event": {"meta_data": meta_data, "data": {"batch_id": batch_id}}})


def waiting(shop: Shop) -> int:
    """Messages of the notification queue that are not done."""
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-vouchers-notifications")["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    return sum(map(int, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"].values()))


def test_logs_and_histories_contain_no_secrets(shop: Shop, batches: dict[int, dict[str, Any]]):
    """Codes, links, tokens and addresses; runs after every other test of this module has written its logs."""
    logs, states = shop.aws("logs"), shop.aws("stepfunctions")
    mail = ""
    for prefix in (f"/aws/lambda/setpieces-{shop.stage}-vouchers-", f"/setpieces/{shop.stage}/api/vouchers"):
        groups = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix)
        for group in [group["logGroupName"] for page in groups for group in page["logGroups"]]:
            pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=BEGAN)
            mail += "".join(event["message"] for page in pages for event in page["events"])
    machine = shop.address("vouchers", "state-machine-arn")
    for execution in states.list_executions(stateMachineArn=machine, maxResults=20)["executions"]:
        pages = states.get_paginator("get_execution_history").paginate(executionArn=execution["executionArn"])
        mail += "".join(json.dumps(page["events"], default=str) for page in pages)
    assert "GenerateChunks" in mail
    for batch in batches.values():
        assert batch["batch_id"] in mail
        assert not [code for code in download_file(batch).decode().split() if code in mail]
    for secret in ("X-Amz-Signature", r"voucher-downloads/(?!\{token\})", r'@example\.com"'):
        assert not re.search(secret, mail)


@pytest.mark.parametrize(("attempts", "end"), [(0, "COMPLETE"), (3, "FAILED")])
def test_a_stalled_batch_is_restarted_or_failed(
    shop: Shop, admin: dict[str, str], batches: dict[int, dict[str, Any]], attempts: int, end: str
):
    table, dynamodb = shop.address("vouchers", "batches-table-name"), shop.aws("dynamodb")
    item = dynamodb.get_item(TableName=table, Key={"batch_id": {"S": batches[1]["batch_id"]}})["Item"]
    batch_item = {
        name: value
        for name, value in item.items()
        if name in {*batch_request(), "one_time", "created_at", "correlation_id"}
    }
    batch_item |= {name: item[name] for name in ("key_version", "purge_at") if name in item}
    name, since = f"VB{uuid4().hex[:24]}", (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    batch_item |= {
        "batch_id": {"S": name},
        "status": {"S": "PENDING"},
        "open": {"S": "open"},
        "updated_at": {"S": since},
    }
    dynamodb.put_item(TableName=table, Item=batch_item | {"attempts": {"N": str(attempts)}})
    sweep = f"setpieces-{shop.stage}-vouchers-sweep-batches"

    def ended() -> bool:
        shop.aws("lambda").invoke(FunctionName=sweep, Payload=b"{}")
        return shop.call("GET", f"{PATH}/{name}", headers=admin).json()["status"] == end

    assert eventually(ended, every=1)
