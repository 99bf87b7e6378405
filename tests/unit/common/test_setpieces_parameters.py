"""Addresses when Parameter Store does not answer: the last value is used, and callers without one get ``RetryLater``."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from setpieces import parameters
from setpieces.aws import is_unavailable
from setpieces.errors import ExternalUnavailable
from setpieces.parameters import FIRST_TRIES, MAX_AGE_SECONDS, PAUSE_SECONDS, REFRESH_SECONDS, read_parameter


def error(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetParameter")


UNAVAILABLE = [
    error("ThrottlingException", 400),
    error("InternalServerError", 500),
    ReadTimeoutError(endpoint_url="https://ssm"),
]
DENIED = [error("ParameterNotFound", 400), error("AccessDeniedException", 400)]


class Store:
    """Parameter Store and a clock. ``failures`` are raised first, one at each read."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.value = "https://one.example"
        self.failures: list[Exception] = []
        self.reads = 0
        self.hangs = False
        self.wait = 0.0

    def client(self, wait: float) -> "Store":
        self.wait = wait
        return self

    def get_parameter(self, **_: object) -> dict[str, dict[str, str]]:
        self.reads += 1
        if self.hangs:
            # As long as it takes to connect and to read.
            self.now += 2 * self.wait
            raise ReadTimeoutError(endpoint_url="https://ssm")
        if self.failures:
            raise self.failures.pop(0)
        return {"Parameter": {"Value": self.value}}

    def fail(self, failure: Exception) -> None:
        self.failures = [failure] * 1000

    def read_parameter(self) -> str:
        return read_parameter("partners", "commerce-url")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(parameters, "_values", {})
    monkeypatch.setattr(parameters, "_client", store.client)
    monkeypatch.setattr(parameters, "time", SimpleNamespace(time=lambda: store.now, sleep=lambda _: None))
    return store


def test_a_value_is_read_again_after_its_age(store: Store):
    assert store.read_parameter() == store.read_parameter() == "https://one.example"
    assert store.reads == 1
    store.value = "https://two.example"
    store.now += MAX_AGE_SECONDS[1] + 1
    assert store.read_parameter() == "https://two.example"


def test_instances_that_started_together_read_again_at_different_times(store: Store):
    ends = set()
    for _ in range(20):
        parameters._values.clear()
        store.read_parameter()
        ends |= {until - store.now for _, until in parameters._values.values()}
    assert len(ends) == 20
    assert all(MAX_AGE_SECONDS[0] <= end <= MAX_AGE_SECONDS[1] for end in ends)


@pytest.mark.parametrize("failure", UNAVAILABLE)
def test_the_last_value_is_used_while_the_store_does_not_answer(store: Store, failure: Exception):
    store.read_parameter()
    store.fail(failure)
    store.now += 24 * 3600
    assert store.read_parameter() == "https://one.example"
    assert store.reads == 2
    # The next calls do not wait for it again.
    store.read_parameter()
    assert store.reads == 2
    store.failures, store.value = [], "https://two.example"
    store.now += PAUSE_SECONDS[1] + 1
    assert store.read_parameter() == "https://two.example"


def test_a_store_that_hangs_leaves_the_call_most_of_its_time_if_there_is_a_value(store: Store):
    store.read_parameter()
    store.hangs = True
    store.now += MAX_AGE_SECONDS[1] + 1
    began = store.now
    assert store.read_parameter() == "https://one.example"
    # The shortest deadline of a call, which begins with its address: order_submission.CHECK_SECONDS.
    assert store.now - began < 0.5 * 1.0


def test_a_client_waits_for_the_given_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    config = parameters._client.__wrapped__(REFRESH_SECONDS).meta.config
    assert (config.connect_timeout, config.read_timeout) == (REFRESH_SECONDS, REFRESH_SECONDS)
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("failure", UNAVAILABLE)
def test_without_a_value_the_store_is_called_twice(store: Store, failure: Exception):
    store.failures = [failure]
    assert store.read_parameter() == "https://one.example"
    assert store.reads == 2


@pytest.mark.parametrize("failure", UNAVAILABLE)
def test_without_a_value_the_caller_is_to_try_again(store: Store, failure: Exception):
    store.fail(failure)
    with pytest.raises(ExternalUnavailable) as raised:
        store.read_parameter()
    assert is_unavailable(raised.value)
    assert raised.value.retry_after
    assert store.reads == FIRST_TRIES


@pytest.mark.parametrize("failure", DENIED)
def test_a_fault_of_the_deployment_stays_one(store: Store, failure: Exception):
    store.read_parameter()
    store.fail(failure)
    store.now += MAX_AGE_SECONDS[1] + 1
    with pytest.raises(ClientError) as raised:
        store.read_parameter()
    assert not is_unavailable(raised.value)


def test_too_many_requests_is_unavailable():
    assert is_unavailable(error("TooManyRequestsException", 429))
