"""Policies held against what may be asked next, with the evaluator that the local gateway uses, as its cache would."""

from itertools import product

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from customers.domain.grants import KEPT_METHODS, grant, is_kept, judge, own_paths
from customers.domain.identities import Gap, Held, Verdict
from local.gateway.policy import evaluate
from local.settings import ROOT
from setpieces.sessions import Session

API = "arn:aws:execute-api:eu-central-1:000000000000:abcdef1234"
MINE = Session("hash", "C1", "id-1")
NO_CUSTOMER = Session("hash", "", "id-9", ["admin"])
METHODS = ("GET", "PATCH", "PUT", "POST", "DELETE", "HEAD", "OPTIONS")
GOOD, MIXED, GONE = ("id-1", "id-1"), ("id-1", "id-2"), (Gap.ABSENT, "id-1")
HOSTILE = ("C2", "*", "?", "%2A", "C*", "..", "C2/../C1", "%43%31", "")


def arn(path: str, method: str = "GET", stage: str = "local", api: str = API) -> str:
    return f"{api}/{stage}/{method}{path}"


def answer(session: Session, asked: str, held=GOOD, method: str = "GET") -> dict:
    method_arn = arn(f"/v1/customers/{asked}/profile", method)
    return grant(session, judge(session, asked, is_kept(method_arn), lambda _: held), method_arn)


def decision(given_answer: dict, method_arn: str) -> str:
    return evaluate(given_answer["policyDocument"], "execute-api:Invoke", method_arn)


@pytest.mark.parametrize("first", ["C1", *HOSTILE])
@pytest.mark.parametrize("method", METHODS)
def test_a_kept_answer_opens_ones_own_paths_whatever_was_asked_first(first: str, method: str):
    kept = answer(MINE, first)
    for resource in ("profile", "rewards", "profile/"):
        assert decision(kept, arn(f"/v1/customers/C1/{resource}", method)) == "allow"
    assert kept["context"] == {"customer_id": "C1", "reason": "SESSION_USER_MISMATCH"}


@pytest.mark.parametrize("first", ["C1", *HOSTILE])
@pytest.mark.parametrize(
    "asked",
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
def test_a_kept_answer_opens_nothing_else(first: str, asked: str):
    assert decision(answer(MINE, first), asked) != "allow"


@pytest.mark.parametrize("asked", ["C1", *HOSTILE])
@pytest.mark.parametrize(("held", "reason"), [(MIXED, "IDENTITY_MISMATCH"), (GONE, "PROFILE_NOT_FOUND")])
def test_whoever_does_not_pass_gets_nowhere_and_is_told_why(asked: str, held: tuple, reason: str):
    refused = answer(MINE, asked, held)
    assert refused["context"]["reason"] == reason
    for customer, method in product(("C1", "C2"), METHODS):
        assert decision(refused, arn(f"/v1/customers/{customer}/profile", method)) != "allow"


@pytest.mark.parametrize("asked", ["C1", "", "*", "C2"])
def test_a_session_of_no_customer_is_denied_everything(asked: str):
    refused = answer(NO_CUSTOMER, asked)
    assert refused["context"] == {"customer_id": "", "reason": "SESSION_USER_MISMATCH"}
    assert decision(refused, arn("/v1/customers/C1/profile")) == "deny"
    assert decision(refused, arn("/v1/customers//profile")) == "deny"


@pytest.mark.parametrize("method", [method for method in METHODS if method not in KEPT_METHODS])
def test_what_is_not_kept_needs_no_look_up_to_refuse_a_stranger(method: str):
    refused = answer(MINE, "C2", held=None, method=method)
    assert refused["context"]["reason"] == "SESSION_USER_MISMATCH"
    assert decision(refused, arn("/v1/customers/C2/profile", method)) != "allow"
    own = answer(MINE, "C1", method=method)
    assert decision(own, arn("/v1/customers/C1/profile", method)) == "allow"


def test_silence_about_oneself_is_never_an_answer_to_keep():
    answers: tuple[Held, ...] = ("id-1", "id-2", Gap.ABSENT, Gap.SILENT)
    for held in product(answers, repeat=2):
        for asked in ("C1", "C2"):
            verdict = judge(MINE, asked, True, dict.fromkeys(("C1", "C2"), held).__getitem__)
            assert (verdict is Verdict.IDENTITY_UNAVAILABLE) == (Gap.SILENT in held)


def test_methods_are_kept_as_the_api_document_says():
    document = yaml.safe_load((ROOT / "schemas/api/customers.yaml").read_text())
    schemes = document["components"]["securitySchemes"]
    seen = set()
    for path in document["paths"].values():
        for method, operation in path.items():
            for name in (operation.get("security") or [{}])[0]:
                ttl = schemes[name]["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"]
                assert (ttl != 0) == (method.upper() in KEPT_METHODS)
                seen.add(name)
    assert seen == set(schemes)


segments = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    customer=segments, session_of=st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True), rest=segments, asked=segments
)
def test_no_policy_opens_another_customers_path(customer: str, session_of: str, rest: str, asked: str):
    """Whatever stands in the path, first and later: only what begins with one's own id and a slash is opened."""
    session = Session("hash", session_of, "id-1")
    later = f"/v1/customers/{customer}/{rest}"
    opened = decision(answer(session, asked), arn(later)) == "allow"
    assert opened == later.startswith(f"/v1/customers/{session_of}/")


def test_the_resource_has_no_wildcard_but_ours():
    assert own_paths(arn("/v1/customers/C1/profile"), "C1") == f"{API}/local/*/v1/customers/C1/*"
    assert own_paths(arn("/v1/customers/x/y"), "C?") == f"{API}/local/*"
