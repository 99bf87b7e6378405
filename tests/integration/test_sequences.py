"""Sequences over HTTP: unique, consecutive and restricted to authorized callers."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from local.credentials import ROOT_ACCESS_KEY_ID
from tests.integration.strangers import stranger
from tests.present import present
from tools.client import Shop, unique
from tools.counters import FLOORS, raise_sequences

NEXT = "/sequences/v1/sequences/order/next"
LEASE = "/sequences/v1/sequences/order/lease"


def post_sequence(shop: Shop, path: str = NEXT, **options):
    return shop.call("POST", path, sign=True, **options)


def test_next_is_one_higher_each_time(shop: Shop):
    first, second = post_sequence(shop).json(), post_sequence(shop).json()
    assert second["value"] == first["value"] + 1
    assert second["sequence"] == "order"
    assert second["formatted"] == f"T{second['value']}"
    assert len(second["formatted"]) == 10


def test_customer_sequence_has_its_own_counter_and_letter(shop: Shop):
    response = post_sequence(shop, "/sequences/v1/sequences/customer/next")
    assert response.status_code == 200
    assert response.json()["formatted"] == f"C{response.json()['value']}"
    assert response.headers["cache-control"] == "no-store"


def test_a_lease_is_an_exclusive_block(shop: Shop):
    before = post_sequence(shop).json()["value"]
    lease = post_sequence(shop, LEASE, json={"count": 250}).json()
    assert lease == {"sequence": "order", "first": before + 1, "last": before + 250, "count": 250}
    assert post_sequence(shop).json()["value"] == before + 251


def test_2000_values_of_32_clients_are_distinct_and_consecutive(shop: Shop):
    with ThreadPoolExecutor(32) as clients:
        values = sorted(clients.map(lambda _: post_sequence(shop).json()["value"], range(2000)))
    assert values == list(range(values[0], values[0] + 2000))


def test_leases_interleaved_with_next_never_overlap(shop: Shop):
    def work(number: int) -> list[int]:
        if number % 4:
            return [post_sequence(shop).json()["value"]]
        lease = post_sequence(shop, LEASE, json={"count": 7}).json()
        return list(range(lease["first"], lease["last"] + 1))

    with ThreadPoolExecutor(16) as clients:
        numbers = [value for values in clients.map(work, range(200)) for value in values]
    assert len(numbers) == len(set(numbers))
    assert max(numbers) - min(numbers) == len(numbers) - 1


@pytest.mark.parametrize("name", ["unknown", "ORDER", "order%20", "none", "..", "order%22", "%24util", "x" * 300])
def test_unknown_sequence_is_404_and_creates_nothing(shop: Shop, name: str):
    response = post_sequence(shop, f"/sequences/v1/sequences/{name}/next")
    assert response.status_code in (403, 404), response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert {item["id"]["S"] for item in items(shop)} == set(FLOORS)


def test_voucher_values_are_only_leased(shop: Shop):
    assert post_sequence(shop, "/sequences/v1/sequences/voucher/next").json()["code"] == "UNKNOWN_SEQUENCE"
    assert post_sequence(shop, "/sequences/v1/sequences/voucher/lease", json={"count": 1}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"count": 0}',
        '{"count": -1}',
        '{"count": 1001}',
        '{"count": "1"}',
        '{"count": 1.5}',
        '{"count": true}',
        '{"count": null}',
        '{"count": NaN}',
        '{"count": 1e400}',
        '{"count": 1, "extra": 1}',
        '{"count": [1]}',
        '{"count": 1',
        "\x00",
        "{" * 5000,
    ],
)
def test_bad_count_is_400_and_takes_nothing(shop: Shop, body: str):
    before = {item["id"]["S"]: item["num"]["N"] for item in items(shop)}
    response = post_sequence(shop, LEASE, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["code"] == "INVALID_BODY"
    assert {item["id"]["S"]: item["num"]["N"] for item in items(shop)} == before


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-amz-json-1.0", "application/xml", "garbage"])
def test_another_content_type_never_reaches_the_table(shop: Shop, media_type: str):
    attack = json.dumps({"TableName": shop.address("sequences", "table-name"), "Key": {"id": {"S": "order"}}})
    response = post_sequence(shop, content=attack, headers={"Content-Type": media_type})
    assert response.status_code == 415
    assert response.json()["code"] == "UNSUPPORTED_MEDIA_TYPE"


def test_unsigned_calls_are_refused(shop: Shop):
    response = shop.call("POST", NEXT)
    assert (response.status_code, response.json()["code"]) == (403, "MISSING_AUTHENTICATION_TOKEN")


def test_a_caller_without_permission_is_refused(shop: Shop):
    without_rights = stranger(shop)
    assert post_sequence(shop, session=without_rights).status_code == 403
    keys = present(without_rights.get_credentials())
    forged = boto3.Session(keys.access_key, "wrong", keys.token, region_name=shop.session.region_name)
    assert post_sequence(shop, session=forged).status_code == 403
    forged_root = boto3.Session(ROOT_ACCESS_KEY_ID, "wrong", region_name=shop.session.region_name)
    assert post_sequence(shop, session=forged_root).status_code == 403


@pytest.mark.parametrize(("service", "region"), [("execute-api", "nowhere-1"), ("lambda", "")])
def test_a_signature_for_another_service_or_region_is_refused(shop: Shop, service: str, region: str):
    url = shop.url(NEXT)
    request = AWSRequest("POST", url, headers={"Host": urlsplit(url).netloc})
    SigV4Auth(present(shop.session.get_credentials()), service, region or shop.session.region_name).add_auth(request)
    response = httpx.post(url, headers=dict(request.headers))
    assert response.status_code == 403
    assert "Credential should be scoped to" in response.text


@pytest.mark.local_only("it makes a user, and gives them permissions")
def test_a_caller_is_limited_to_its_policy(shop: Shop):
    user = unique("nobody")
    iam = shop.aws("iam")
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    caller = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=shop.session.region_name)
    assert post_sequence(shop, session=caller).status_code == 403
    iam.put_user_policy(
        UserName=user,
        PolicyName="next-order-number",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": "execute-api:Invoke",
                        "Resource": f"{shop.address('sequences', 'api-arn')}/POST/v1/sequences/order/next",
                    }
                ],
            }
        ),
    )
    assert post_sequence(shop, session=caller).status_code == 200
    assert post_sequence(shop, LEASE, json={"count": 1}, session=caller).status_code == 403


def test_an_exhausted_sequence_is_409_and_unchanged(shop: Shop):
    table, key = shop.address("sequences", "table-name"), {"id": {"S": "customer"}}
    ddb = shop.aws("dynamodb")
    stored_item = ddb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    try:
        ddb.put_item(TableName=table, Item=key | {"num": {"N": "999999990"}})
        too_many = post_sequence(shop, "/sequences/v1/sequences/customer/lease", json={"count": 10})
        assert (too_many.status_code, too_many.json()["code"]) == (409, "SEQUENCE_EXHAUSTED")
        lease = post_sequence(shop, "/sequences/v1/sequences/customer/lease", json={"count": 9}).json()
        assert (lease["first"], lease["last"]) == (999999991, 999999999)
        # Leases end at nine digits, single numbers at twelve.
        assert post_sequence(shop, "/sequences/v1/sequences/customer/lease", json={"count": 1}).status_code == 409
        assert post_sequence(shop, "/sequences/v1/sequences/customer/next").json()["formatted"] == "C1000000000"
        ddb.put_item(TableName=table, Item=key | {"num": {"N": "999999999998"}})
        assert post_sequence(shop, "/sequences/v1/sequences/customer/next").json()["value"] == 999999999999
        assert post_sequence(shop, "/sequences/v1/sequences/customer/next").status_code == 409
        assert ddb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["num"]["N"] == "999999999999"
    finally:
        ddb.put_item(TableName=table, Item=stored_item)


def test_seeding_again_never_lowers_a_counter(shop: Shop):
    before = post_sequence(shop).json()["value"]
    raise_sequences(shop.aws("stepfunctions"), shop.aws("ssm"), shop.stage)
    assert post_sequence(shop).json()["value"] == before + 1


def items(shop: Shop) -> list[dict]:
    return shop.aws("dynamodb").scan(TableName=shop.address("sequences", "table-name"), ConsistentRead=True)["Items"]
