"""No session of customer A reaches customer B, whatever it requests. Against the running shop, on the wire as written."""

import http.client
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from apigw_executor import policy
from tests.integration.customer_attempts import METHODS, Attempt, attempts
from tools.client import RESPONSE_SECONDS, Shop, eventually
from tools.drivers.customers import Member, platform_record, sign_in, sign_up

CLIENTS = 2
# The code of the response while a platform is slow: access is denied, and the request may be repeated.
BUSY = ("IDENTITY_UNAVAILABLE", "CUSTOMERS_UNAVAILABLE", "SERVICE_UNAVAILABLE")
FUNCTION_ARN = "arn:aws:execute-api:eu-central-1:000000000000:abcdef1234"


@dataclass(frozen=True)
class Reply:
    """``text`` is the body."""

    status: int
    headers: str
    text: str

    @property
    def code(self) -> str:
        """The problem's code, "" if it is none."""
        try:
            return json.loads(self.text).get("code", "")
        except (ValueError, AttributeError):
            return ""

    def contains(self, secrets: tuple[str, ...]) -> bool:
        return any(secret in self.text or secret in self.headers for secret in secrets)


def state(shop: Shop, member: Member) -> tuple[Any, ...]:
    """All that external systems hold of a customer, and all that ever happened to them."""
    customer_id = member.customer_id
    return (
        platform_record(shop, f"commerce/customers/{customer_id}"),
        platform_record(shop, f"rewards/members/{customer_id}"),
        shop.ledger("customers", customer_id),
    )


def send(shop: Shop, attempt: Attempt, session: dict[str, str]) -> Reply:
    """Send the path as it stands: HTTP libraries tidy dot segments and escapes up before they send."""
    url = urlsplit(shop.url("/customers"))
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.netloc, timeout=RESPONSE_SECONDS)
    try:
        headers = {"Content-Type": "application/json"} | attempt.headers | session
        body = attempt.body or ('{"name": "Taken"}' if attempt.method in ("PATCH", "PUT", "POST") else None)
        if attempt.method == "PATCH":
            headers.setdefault("If-Match", '"1"')
        connection.request(attempt.method, url.path + attempt.path, body, headers)
        response = connection.getresponse()
        return Reply(response.status, str(response.headers), response.read().decode())
    finally:
        connection.close()


def responses_to(shop: Shop, attempt: Attempt, session: dict[str, str]) -> list[Reply]:
    """All responses to an attempt, which is repeated while a platform is too slow on this machine."""
    responses: list[Reply] = []

    def is_final() -> bool:
        response = send(shop, attempt, session)
        responses.append(response)
        busy = response.status == 503 and response.code in BUSY
        # 429: so many requests of one address are more than the web ACL of a deployed stage takes at once.
        return not ((busy or response.status == 429) and "retry-after" in response.headers.lower())

    eventually(is_final, every=1)
    return responses


def get(shop: Shop, member: Member, resource: str, session: dict[str, str]) -> Reply:
    return responses_to(shop, Attempt("GET", f"/v1/customers/{member.customer_id}/{resource}"), session)[-1]


@pytest.fixture(scope="module")
def alice(shop: Shop) -> Member:
    return sign_up(shop)


@pytest.fixture(scope="module")
def bob(shop: Shop) -> Member:
    return sign_up(shop)


def test_the_secrets_are_such_that_a_leak_would_show(shop: Shop, bob: Member):
    texts = "".join(get(shop, bob, resource, bob.session).text for resource in ("profile", "rewards"))
    assert bob.secrets[0] in texts
    assert any(secret in texts for secret in bob.secrets[4:])


def test_over_a_thousand_requests_of_one_customer_never_reach_another(shop: Shop, alice: Member, bob: Member):
    """Warmed by A's own calls, so that what a cached policy opens is tried as well."""
    requests = attempts(alice.customer_id, bob.customer_id)
    assert len(requests) >= 1_000
    before = state(shop, bob)
    for resource in ("profile", "rewards"):
        assert get(shop, alice, resource, alice.session).status == 200
    with ThreadPoolExecutor(CLIENTS) as clients:
        all_responses = list(clients.map(lambda attempt: responses_to(shop, attempt, alice.session), requests))
    leaks = [
        f"{attempt}: {[response.status for response in responses]} {responses[-1].text[:200]}"
        for attempt, responses in zip(requests, all_responses, strict=True)
        if responses[-1].status >= 500
        or responses[-1].status == 429
        or any(response.contains(bob.secrets) for response in responses)
    ]
    assert not leaks
    assert state(shop, bob) == before
    # The refusals are those of the authorizer, and not of a gateway that knew no such path.
    assert Counter(responses[-1].code for responses in all_responses)["SESSION_USER_MISMATCH"] >= 100
    assert get(shop, bob, "profile", bob.session).status == 200


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("warm", [True, False])
def test_the_plain_path_of_another_customer_is_403(shop: Shop, alice: Member, bob: Member, method: str, warm: bool):
    """Warm or not: a session whose first request is for another customer is refused, and still reaches its own customer."""
    session = {"Authorization": f"Bearer {sign_in(shop, alice.email, alice.password)}"}
    if warm:
        assert get(shop, alice, "profile", session).status == 200
    response = responses_to(shop, Attempt(method, f"/v1/customers/{bob.customer_id}/profile"), session)[-1]
    assert (response.status, response.code) == (403, "SESSION_USER_MISMATCH")
    for resource in ("profile", "rewards"):
        assert get(shop, alice, resource, session).status == 200


def authorizer_output(shop: Shop, token: str, method: str, customer_id: str) -> dict[str, Any]:
    event = shop.event("customers/authorize_customer.json") | {
        "methodArn": f"{FUNCTION_ARN}/local/{method}/v1/customers/{customer_id}/profile",
        "headers": {"Authorization": f"Bearer {token}"},
        "pathParameters": {"customer_id": customer_id},
        "httpMethod": method,
    }
    name = f"setpieces-{shop.stage}-customers-authorize-customer"
    response = json.loads(shop.aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))["Payload"].read())
    assert "errorMessage" not in response, response
    return response


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("first", ["own", "other", "*", "%2A", "?"])
def test_a_cached_policy_allows_one_customer_only(shop: Shop, alice: Member, bob: Member, method, first):
    """Evaluates each cached policy against the next possible requests; an uncached policy need allow nothing else."""
    requested_id = {"own": alice.customer_id, "other": bob.customer_id}.get(first, first)
    document = authorizer_output(shop, alice.token, method, requested_id)["policyDocument"]

    def decision(path: str, verb: str = "GET", stage: str = "local", api: str = FUNCTION_ARN) -> str:
        return policy.evaluate(document, "execute-api:Invoke", f"{api}/{stage}/{verb}{path}")

    opened = "allow" if method == "GET" or first == "own" else "deny"
    own, other = f"/v1/customers/{alice.customer_id}", f"/v1/customers/{bob.customer_id}"
    for verb in METHODS:
        for resource in ("profile", "rewards"):
            assert decision(f"{own}/{resource}", verb) == opened
            assert decision(f"{other}/{resource}", verb) != "allow"
            assert decision(f"{own}/{resource}", verb, stage="prod") != "allow"
            assert decision(f"{own}/{resource}", verb, api=FUNCTION_ARN[:-1] + "5") != "allow"
    for path in (
        own,
        f"{own}0/profile",
        f"{own.lower()}/profile",
        f"{other}/../{alice.customer_id}",
        "/v1/customers",
        "/",
    ):
        assert decision(path) != "allow"


def test_a_session_that_ended_changes_nothing_from_then_on_and_reads_nothing_soon(shop: Shop):
    """The policies of the reading authorizer are cached for AuthorizerCacheSeconds, those of the changing one never."""
    member = sign_up(shop)
    assert get(shop, member, "profile", member.session).status == 200
    before = state(shop, member)
    end(shop, member.session)
    change = Attempt("PATCH", f"/v1/customers/{member.customer_id}/profile", {"If-Match": "*"})
    assert send(shop, change, member.session).status == 401
    assert state(shop, member) == before
    eventually(lambda: get(shop, member, "profile", member.session).status == 401)


def test_for_a_moment_reads_go_on_without_the_authorizer(shop: Shop, alice: Member):
    """A session that was read with and then ended: the kept answer is still used. More than once if the machine is slow."""

    def still_reads() -> bool:
        session = {"Authorization": f"Bearer {sign_in(shop, alice.email, alice.password)}"}
        assert get(shop, alice, "profile", session).status == 200
        end(shop, session)
        return get(shop, alice, "profile", session).status == 200

    eventually(still_reads)


def end(shop: Shop, session: dict[str, str]) -> None:
    assert shop.call("DELETE", "/login/v1/sessions/current", headers=session).status_code == 204
