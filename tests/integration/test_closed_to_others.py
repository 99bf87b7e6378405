"""The local cloud is closed to web pages and to programs of other users: their requests are refused and change nothing.

The first three requests are those with which a web page ran code as the developer: each is a simple request, for which a
browser asks no permission first.
"""

import io
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import httpx
import pytest
import redis
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from local.cloud.processes import EMULATOR, SESSIONS
from local.credentials import ROOT_ACCESS_KEY_ID, TOKEN_HEADER, root_secret
from local.settings import AWS_ENDPOINT, AWS_PORT, HOST, STATE
from model.settings import ACCOUNT_ID, REGION
from tests.integration.foreign_requests import KEYS, created, foreign_requests
from tools.client import Shop, unique

pytestmark = pytest.mark.local_only("it is the local cloud that is closed, and which it asks about")

ATTACKER = {"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}
# A page may have no control over these, but a program of another user has.
HEADERS: tuple[dict[str, str], ...] = (
    {},
    ATTACKER,
    {"Host": f"attacker.example:{AWS_PORT}"},
    {"Origin": "http://127.0.0.1:9999"},
)


def assert_refused(response: httpx.Response) -> None:
    assert response.status_code in (403, 421), response.text
    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("algorithm", ["", "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z"])
@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: " ".join(headers) or "none")
def test_the_requests_of_a_foreign_page_are_refused(shop: Shop, headers: dict[str, str], algorithm: str, key: str):
    name = unique("foreign")
    for method, path, content, body in foreign_requests(name, key):
        assert_refused(httpx.request(method, AWS_ENDPOINT + path + algorithm, headers=content | headers, content=body))
    assert created(shop, name) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/_setpieces/faults"),
        ("POST", "/_setpieces/faults"),
        ("GET", "/_setpieces/resources"),
        ("GET", "/_setpieces/traces"),
        ("POST", "/_setpieces/authorize"),
        ("PUT", "/_setpieces/deliveries"),
        ("POST", "/_ministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/ses/messages"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_localstack/info"),
        ("GET", "/"),
        ("GET", "/oauth2/authorize"),
        ("OPTIONS", "/"),
        ("OPTIONS", "/2015-03-31/functions"),
    ],
)
def test_routes_without_signatures_need_the_token(shop: Shop, method: str, path: str):
    before = shop.aws("s3").list_buckets()["Buckets"]
    for headers in ({}, ATTACKER, {TOKEN_HEADER: "0" * 64}, {"Access-Control-Request-Method": "PUT"}):
        assert_refused(httpx.request(method, AWS_ENDPOINT + path, headers=headers))
    assert shop.aws("s3").list_buckets()["Buckets"] == before


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_setpieces/resources", "/_ministack/ses/messages"])
def test_the_front_door_does_not_lead_to_routes_of_the_emulator(shop: Shop, path: str):
    method = "POST" if path.endswith("reset") else "GET"
    response = httpx.request(method, shop.url(path), headers={TOKEN_HEADER: "0" * 64})
    assert response.status_code == 404
    assert shop.aws("s3").list_buckets()["Buckets"]


def test_unsigned_and_forged_sessions_are_refused(shop: Shop):
    bucket = shop.aws("s3").list_buckets()["Buckets"][0]["Name"]
    unsigned = boto3.client(
        "s3", region_name=REGION, endpoint_url=AWS_ENDPOINT, config=Config(signature_version=UNSIGNED)
    )
    with pytest.raises(ClientError, match="403"):
        unsigned.list_objects_v2(Bucket=bucket)
    for key, code in (
        (ROOT_ACCESS_KEY_ID, "SignatureDoesNotMatch|InvalidSignature"),
        ("test", "Unrecognized|InvalidAccessKeyId"),
    ):
        session = boto3.Session(key, "wrong", region_name=REGION)
        with pytest.raises(ClientError, match=code):
            session.client("s3", endpoint_url=AWS_ENDPOINT).list_objects_v2(Bucket=bucket)
        with pytest.raises(ClientError, match=code):
            session.client("dynamodb", endpoint_url=AWS_ENDPOINT).list_tables()
        for method in ("get_object", "put_object", "delete_object"):
            link = session.client("s3", endpoint_url=AWS_ENDPOINT).generate_presigned_url(
                method, Params={"Bucket": bucket, "Key": unique("foreign")}
            )
            verb = method.partition("_")[0].upper()
            assert_refused(httpx.request(verb, link))


@contextmanager
def bucket(shop: Shop) -> Iterator[str]:
    name, s3 = unique("own"), shop.aws("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    try:
        yield name
    finally:
        for item in s3.list_objects_v2(Bucket=name).get("Contents", []):
            s3.delete_object(Bucket=name, Key=item["Key"])
        s3.delete_bucket(Bucket=name)


def test_uploads_of_the_own_session_are_served_in_every_form(shop: Shop):
    """Signed and unsigned payloads, checksums that trail a chunked body, links, buckets as hosts."""
    with bucket(shop) as name:
        s3 = shop.aws("s3")
        s3.put_object(Bucket=name, Key="plain", Body=b"content")
        s3.put_object(Bucket=name, Key="streamed", Body=io.BytesIO(b"content" * 50_000), ChecksumAlgorithm="SHA256")
        signed = Config(s3={"payload_signing_enabled": True})
        unsigned = Config(s3={"payload_signing_enabled": False})
        for key, config in (("signed", signed), ("unsigned", unsigned)):
            shop.session.client("s3", endpoint_url=AWS_ENDPOINT, config=config).put_object(
                Bucket=name, Key=key, Body=b"content"
            )
        upload = s3.generate_presigned_url("put_object", Params={"Bucket": name, "Key": "presigned"})
        assert httpx.put(upload, content=b"content").status_code == 200
        download = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "presigned"})
        link = httpx.get(download, headers={"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"})
        assert link.content == b"content"
        assert_refused(httpx.get(download, headers={"Origin": "http://127.0.0.1:9999"}))
        assert_refused(httpx.get(download.replace("X-Amz-Signature=", "X-Amz-Signature=0")))
        hosted = Config(s3={"addressing_style": "virtual"})
        virtual = shop.session.client("s3", endpoint_url=f"http://localhost:{AWS_PORT}", config=hosted)
        url = virtual.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "plain"})
        assert url.startswith(f"http://{name}.localhost:{AWS_PORT}/plain")
        here = url.replace(f"{name}.localhost", HOST, 1)
        assert httpx.get(here, headers={"Host": f"{name}.localhost:{AWS_PORT}"}).content == b"content"


def test_websockets_are_refused():
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    response = httpx.get(f"{AWS_ENDPOINT}/", headers=upgrade | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert_refused(response)


@pytest.mark.parametrize(("method", "path"), [("POST", "/_front_door/reload"), ("PUT", "/_front_door/throttles")])
def test_foreign_pages_do_not_change_the_front_door(shop: Shop, method: str, path: str):
    for headers in (ATTACKER, {"Origin": "http://127.0.0.1:9999"}):
        assert httpx.request(method, shop.url(path), headers=headers, json={"share": 1}).status_code == 403


def test_functions_do_not_have_the_secret_of_root():
    secret, emulator = root_secret(STATE), EMULATOR.running()
    assert emulator is not None
    environments = [process.environ() for process in (emulator, *emulator.children(recursive=True))]
    assert environments
    assert not [name for values in environments for name, value in values.items() if secret in value]


def test_secrets_are_private_to_their_owner():
    assert STATE.stat().st_mode & 0o777 == 0o700
    for name in ("credentials.json", "samples.json"):
        assert (STATE / name).stat().st_mode & 0o777 == 0o600
    keys = json.loads((STATE / "samples.json").read_text())["aws"]
    session = boto3.Session(keys["access_key_id"], keys["secret_access_key"], region_name=keys["region"])
    assert session.client("sts", endpoint_url=keys["endpoint"]).get_caller_identity()["Account"] == ACCOUNT_ID


def test_the_session_store_needs_its_token():
    with socket.create_connection((HOST, SESSIONS.port), timeout=10) as connection:
        connection.sendall(b"*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n")
        assert connection.recv(100).startswith(b"-NOPERM")
    with redis.Redis(HOST, SESSIONS.port, password="wrong", protocol=2) as store, pytest.raises(redis.RedisError):
        store.keys()
