"""Explanations of expected exceptions of libraries: the failure, its reason and the remedy."""

import httpx
import pytest
from botocore import exceptions as aws

from local.settings import AWS_ENDPOINT, FRONT_DOOR, STATE
from tools.failures import did_you_mean, explain

REQUEST = httpx.Request("GET", f"{FRONT_DOOR}/catalog/v1/products")
REFUSED = aws.ClientError({"Error": {"Code": "ParameterNotFound", "Message": "no"}}, "GetParameter")
FOREIGN = aws.ClientError({"Error": {"Code": "InvalidClientTokenId", "Message": "no"}}, "GetParameter")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (httpx.ConnectError("[Errno 111] Connection refused", request=REQUEST), ("front door", "make start")),
        (httpx.ReadTimeout("timed out", request=REQUEST), ("front door", "did not respond", "make status")),
        (
            httpx.HTTPStatusError("503", request=REQUEST, response=httpx.Response(503, text="busy", request=REQUEST)),
            ("GET", "returned 503", "busy", "make status"),
        ),
        (aws.EndpointConnectionError(endpoint_url=AWS_ENDPOINT), ("emulated AWS", AWS_ENDPOINT, "make start")),
        (aws.ReadTimeoutError(endpoint_url=AWS_ENDPOINT), ("emulated AWS", "did not respond", "make status")),
        (REFUSED, ("GetParameter", "ParameterNotFound", "make status")),
        (FOREIGN, ("credentials", "make status")),
        (aws.NoCredentialsError(), ("credentials", "AWS_PROFILE")),
        (FileNotFoundError(2, "No such file", str(STATE / "samples.json")), ("has not been started", "make start")),
        (FileExistsError(17, "File exists", str(STATE)), (str(STATE), "SETPIECES_STATE")),
        (PermissionError(13, "Permission denied", "/somewhere"), ("/somewhere: Permission denied",)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_expected_failure_is_explained(monkeypatch: pytest.MonkeyPatch, error: Exception, expected: tuple[str, ...]):
    monkeypatch.delenv("SETPIECES_STAGE", raising=False)
    message = explanation(error)
    assert [part for part in expected if part not in message] == []


def explanation(error: Exception) -> str:
    explained = explain(error)
    assert explained
    return explained.format_message()


def test_on_aws_it_is_the_network_or_the_account(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SETPIECES_STAGE", "dev")
    error = aws.EndpointConnectionError(endpoint_url="https://sqs.eu-central-1.amazonaws.com")
    assert "Check the network" in explanation(error)
    assert "stage dev" in explanation(REFUSED)


@pytest.mark.parametrize("bug", [KeyError("x"), AssertionError(), ValueError(), FileNotFoundError(2, "no", "/other")])
def test_a_bug_is_not_explained(bug: Exception):
    assert explain(bug) is None


def test_similar_names_are_suggested():
    names = ("basket-add-item", "basket-change-item", "tax-quote-tax")
    assert did_you_mean("basket-ad-item", names, count=1) == " Did you mean basket-add-item?"
    assert did_you_mean("something-else", names) == ""
