"""Addresses when Parameter Store does not answer: whoever asked is told to try again, and not that something is broken."""

import pytest
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import ClientError, ReadTimeoutError

from setpieces import addresses
from setpieces.aws import is_unavailable


def error(code: str, status: int) -> ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetParameter")  # type: ignore[arg-type]


class Store:
    """Parameter Store, which raises."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def get_parameter(self, **asked: object) -> None:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "unavailable"),
    [
        (error("ThrottlingException", 400), True),
        (error("InternalServerError", 500), True),
        (ReadTimeoutError(endpoint_url="https://ssm"), True),
        (error("ParameterNotFound", 400), False),
        (error("AccessDeniedException", 400), False),
    ],
)
def test_the_reason_stays_known(monkeypatch: pytest.MonkeyPatch, failure: Exception, unavailable: bool):
    monkeypatch.setattr(addresses, "_provider", None)
    monkeypatch.setattr(addresses, "client", lambda service: Store(failure))
    with pytest.raises(GetParameterError) as raised:
        addresses.address("partners", "commerce-url")
    assert is_unavailable(raised.value) is unavailable


def test_too_many_requests_is_a_matter_of_patience():
    assert is_unavailable(error("TooManyRequestsException", 429))


@pytest.mark.parametrize(
    ("code", "reasons", "unavailable"),
    [
        ("TransactionCanceledException", ["None", "ThrottlingError"], True),
        ("TransactionCanceledException", ["ProvisionedThroughputExceeded", "None"], True),
        ("TransactionCanceledException", ["TransactionConflict"], True),
        ("TransactionInProgressException", None, True),
        ("TransactionConflictException", None, True),
        ("TransactionCanceledException", ["ConditionalCheckFailed", "None"], False),
        ("TransactionCanceledException", ["ValidationError"], False),
    ],
)
def test_a_transaction_that_is_throttled_or_under_way_is_a_matter_of_patience(code, reasons, unavailable: bool):
    failure = error(code, 400)
    if reasons:
        failure.response["CancellationReasons"] = [{"Code": reason} for reason in reasons]  # type: ignore[typeddict-item]
    assert is_unavailable(failure) is unavailable
