"""Cached policies, evaluated against later requests as the local gateway does it."""

from itertools import product

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from apigw_executor.policy import evaluate
from customers.domain.access import Caller, NoIdentity, PlatformIdentity, Verdict, evaluate_access
from customers.views.policies import CACHED_METHODS, customer_paths, is_cached, policy_view
from model.settings import ROOT

API = "arn:aws:execute-api:eu-central-1:000000000000:abcdef1234"
ADA = Caller("C1", "id-1")
NO_CUSTOMER = Caller("", "id-9")
METHODS = ("GET", "PATCH", "PUT", "POST", "DELETE", "HEAD", "OPTIONS")
SAME, DIFFERENT, NOT_FOUND = ("id-1", "id-1"), ("id-1", "id-2"), (NoIdentity.NOT_FOUND, "id-1")
HOSTILE = ("C2", "*", "?", "%2A", "C*", "..", "C2/../C1", "%43%31", "")


def arn(path: str, method: str = "GET", stage: str = "local", api: str = API) -> str:
    return f"{api}/{stage}/{method}{path}"


def authorize(caller: Caller, customer_id: str, identities=SAME, method: str = "GET") -> dict:
    """The authorizer's response to a request for the profile of ``customer_id``."""
    method_arn = arn(f"/v1/customers/{customer_id}/profile", method)
    verdict = evaluate_access(caller, customer_id, lambda _: identities, cached=is_cached(method_arn))
    return policy_view(caller, verdict, method_arn)


def effect(response: dict, method_arn: str) -> str:
    """``allow``, ``deny``, or neither."""
    return evaluate(response["policyDocument"], "execute-api:Invoke", method_arn)


@pytest.mark.parametrize("first", ["C1", *HOSTILE])
@pytest.mark.parametrize("method", METHODS)
def test_a_cached_policy_allows_the_callers_paths_whatever_the_first_request_was_for(first: str, method: str):
    cached = authorize(ADA, first)
    for resource in ("profile", "rewards", "profile/"):
        assert effect(cached, arn(f"/v1/customers/C1/{resource}", method)) == "allow"
    assert cached["context"] == {
        "customer_id": "C1",
        "reason": "SESSION_USER_MISMATCH",
        "reason_type": "session-user-mismatch",
    }


@pytest.mark.parametrize("first", ["C1", *HOSTILE])
@pytest.mark.parametrize(
    "method_arn",
    [
        *(arn(f"/v1/customers/C2/{name}", method) for name, method in product(("profile", "rewards"), METHODS)),
        *(arn("/v1/customers/C1/profile", stage=stage) for stage in ("prod", "dev", "*", "Local", "")),
        arn("/v1/customers/C1/profile", api=API[:-1] + "5"),
        arn("/v1/customers/C1/profile", api=API.replace("000000000000", "000000000001")),
        *(arn(f"/v1/customers/{path}") for path in ("C1", "C10/profile", "c1/profile", "C1%2Fprofile", "%431/profile")),
        *(arn(path) for path in ("/", "", "/v1", "/v1/customers", "/v2/customers/C1/profile", "/v1/Customers/C1/x")),
        *(
            arn(f"/v1/customers/{path}/profile")
            for path in ("*", "?1", "%2A", "..", ".", "", "C2/../C1", "C2%2F..%2FC1")
        ),
    ],
)
def test_a_cached_policy_allows_no_other_path(first: str, method_arn: str):
    assert effect(authorize(ADA, first), method_arn) != "allow"


@pytest.mark.parametrize("requested", ["C1", *HOSTILE])
@pytest.mark.parametrize(("identities", "reason"), [(DIFFERENT, "IDENTITY_MISMATCH"), (NOT_FOUND, "PROFILE_NOT_FOUND")])
def test_a_refused_caller_is_allowed_no_path_and_gets_the_reason(requested: str, identities: tuple, reason: str):
    refused = authorize(ADA, requested, identities)
    assert refused["context"]["reason"] == reason
    for customer, method in product(("C1", "C2"), METHODS):
        assert effect(refused, arn(f"/v1/customers/{customer}/profile", method)) != "allow"


@pytest.mark.parametrize("requested", ["C1", "", "*", "C2"])
def test_a_caller_who_is_no_customer_is_denied_everything(requested: str):
    refused = authorize(NO_CUSTOMER, requested)
    assert refused["context"] == {
        "customer_id": "",
        "reason": "SESSION_USER_MISMATCH",
        "reason_type": "session-user-mismatch",
    }
    assert effect(refused, arn("/v1/customers/C1/profile")) == "deny"
    assert effect(refused, arn("/v1/customers//profile")) == "deny"


@pytest.mark.parametrize("method", [method for method in METHODS if method not in CACHED_METHODS])
def test_a_policy_that_is_not_cached_refuses_another_customers_path_without_a_look_up(method: str):
    refused = authorize(ADA, "C2", identities=None, method=method)
    assert refused["context"]["reason"] == "SESSION_USER_MISMATCH"
    assert effect(refused, arn("/v1/customers/C2/profile", method)) != "allow"
    own = authorize(ADA, "C1", method=method)
    assert effect(own, arn("/v1/customers/C1/profile", method)) == "allow"


def test_a_verdict_is_not_cached_while_a_platform_is_unavailable():
    results: tuple[PlatformIdentity, ...] = ("id-1", "id-2", NoIdentity.NOT_FOUND, NoIdentity.UNAVAILABLE)
    for identities in product(results, repeat=2):
        for requested in ("C1", "C2"):
            look_up = dict.fromkeys(("C1", "C2"), identities).__getitem__
            verdict = evaluate_access(ADA, requested, look_up, cached=True)
            assert (verdict is Verdict.IDENTITY_UNAVAILABLE) == (NoIdentity.UNAVAILABLE in identities)


def test_cached_methods_are_those_of_the_api_document():
    document = yaml.safe_load((ROOT / "schemas/api/customers.yaml").read_text())
    schemes = document["components"]["securitySchemes"]
    methods = set()
    for path in document["paths"].values():
        for method, operation in path.items():
            for name in (operation.get("security") or [{}])[0]:
                ttl = schemes[name]["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"]
                assert (ttl != 0) == (method.upper() in CACHED_METHODS)
                methods.add(name)
    assert methods == set(schemes)


segments = st.text(st.characters(codec="utf-8"), max_size=20)


@given(customer=segments, own=st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True), rest=segments, requested=segments)
def test_no_policy_allows_another_customers_path(customer: str, own: str, rest: str, requested: str):
    """Only a path that begins with the caller's id and a slash is allowed, whatever the first request was for."""
    path = f"/v1/customers/{customer}/{rest}"
    allowed = effect(authorize(Caller(own, "id-1"), requested), arn(path)) == "allow"
    assert allowed == path.startswith(f"/v1/customers/{own}/")


def test_no_wildcard_of_an_id_is_part_of_the_resource():
    assert customer_paths(arn("/v1/customers/C1/profile"), "C1") == f"{API}/local/*/v1/customers/C1/*"
    assert customer_paths(arn("/v1/customers/x/y"), "C?") == f"{API}/local/*"
