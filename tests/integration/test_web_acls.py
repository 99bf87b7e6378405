"""The deployed web ACLs at the running front door: which clients they count, and their responses."""

from collections.abc import Iterator

import httpx
import pytest

from local.cloud.start import session as cloud_session
from local.settings import AWS_ENDPOINT, FRONT_DOOR
from local.storefront import container

pytestmark = pytest.mark.local_only("it lowers the limits of the front door")

# Of the limits of stage local, which one client does not reach: ten requests.
SHARE = 1e-7
FORGED = {"Authorization": "AWS4-HMAC-SHA256 Credential=made-up", "X-Storefront-Token": "made-up"}


@pytest.fixture
def fresh_windows() -> Iterator[None]:
    httpx.put(f"{FRONT_DOOR}/_front_door/throttles", json={"share": SHARE}).raise_for_status()
    yield
    httpx.put(f"{FRONT_DOOR}/_front_door/throttles", json={"share": 1}).raise_for_status()


def client(address: str) -> httpx.Client:
    """A client of another address of this machine."""
    return httpx.Client(base_url=FRONT_DOOR, transport=httpx.HTTPTransport(local_address=address))


@pytest.mark.usefixtures("shop", "fresh_windows")
@pytest.mark.parametrize(
    ("address", "path", "headers"),
    [
        ("127.0.0.21", "/catalog/v1/products", {}),
        ("127.0.0.22", "/catalog/v1/products", FORGED),
        ("127.0.0.23", "/tax/v1/quotations", {}),
    ],
)
def test_the_front_door_refuses_with_the_deployed_response(address: str, path: str, headers: dict[str, str]):
    with client(address) as http:
        responses = [http.get(path, headers=headers) for _ in range(11)]
    assert not any("from your address" in response.text for response in responses[:10])
    response = responses[-1]
    assert (response.status_code, response.headers["content-type"]) == (429, "application/json")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["retry-after"] == "60"
    assert response.json()["code"] == "THROTTLED"
    assert response.json()["status"] == 429
    with client("127.0.0.24") as http:
        assert "from your address" not in http.get(path).text, "another address is another count"


@pytest.mark.usefixtures("shop", "fresh_windows")
def test_forged_address_headers_do_not_avoid_the_limit():
    with client("127.0.0.25") as http:
        responses = [
            http.get(
                "/healthz-of-nobody", headers={"X-Forwarded-For": f"192.0.2.{n}", "X-Viewer-Address": f"192.0.2.{n}"}
            )
            for n in range(11)
        ]
    assert [response.status_code for response in responses[:10]].count(429) == 0
    assert (responses[-1].status_code, responses[-1].headers["retry-after"]) == (429, "60")
    assert "from your address" in responses[-1].text


@pytest.mark.usefixtures("shop", "fresh_windows")
def test_the_calls_of_the_storefront_are_not_counted():
    """The web ACL knows the secret that the storefront's container receives."""
    token = container.environment(cloud_session(), AWS_ENDPOINT)["STOREFRONT_TOKEN"]
    with client("127.0.0.26") as http:
        responses = [http.get("/catalog/v1/products", headers={"X-Storefront-Token": token}) for _ in range(20)]
    assert not any("from your address" in response.text for response in responses)
