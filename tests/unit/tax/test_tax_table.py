"""The circuit as instances share it: which of them write, what a race leaves, and what happens without the table."""

from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from setpieces import aws
from setpieces.errors import ExternalUnavailable, RetryLater
from setpieces.external import Answer
from tax import clients, workflow
from tax.repository import rates
from tax.repository.circuit import THRESHOLD, Admission, Circuit
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table
from tests.unit.tax.samples import REQUEST

NOW = 1_800_000_000.0
COOL_DOWN_SECONDS = 20
QUOTED = {"tax_total": 760, "lines": [{"sku": "SP-1", "tax": 760, "rate": 1900}], "rate_version": "2026-01"}
WORKS, DOWN = Answer(200, QUOTED), ExternalUnavailable("tax", "down")


class Instances:
    """Instances of quote_tax with a clock and a table (moto) in common; each knows only what it has seen itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.asked = NOW, 0
        self.answer: Answer | ExternalUnavailable = WORKS
        self.seen: dict[str, Any] = {}
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.fails_from, self.inner = 0, aws.client("dynamodb")
        monkeypatch.setattr(rates.time, "time", lambda: self.now)
        monkeypatch.setattr(rates.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(clients.external, "call", self._tax_system)
        monkeypatch.setattr(rates, "client", lambda _: self)

    def __getattr__(self, name: str):
        """A call of DynamoDB: counted, and refused from the ``fails_from``-th on if there is a ``failure``."""

        def call(**arguments):
            self.calls.append(name)
            if self.failure and len(self.calls) > self.fails_from:
                raise self.failure
            return getattr(self.inner, name)(**arguments)

        return call

    def _tax_system(self, system, method, *path, body=None, **options):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def quote(self, instance: str = "a") -> str:
        """``source`` of the quotation that this instance gives."""
        rates._seen = self.seen.get(instance)
        try:
            return workflow.quotation(REQUEST)["source"]
        finally:
            self.seen[instance] = rates._seen

    def open(self) -> None:
        self.answer = DOWN
        for _ in range(THRESHOLD):
            self.quote()
        self.calls.clear()
        self.asked = 0

    @property
    def stored(self) -> dict:
        return self.inner.get_item(TableName="tax", Key={"id": {"S": "circuit"}}).get("Item", {})


@pytest.fixture
def instances(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TABLE_NAME", "tax")
    monkeypatch.setenv("COOL_DOWN_SECONDS", str(COOL_DOWN_SECONDS))
    with mocked_table(monkeypatch, "tax", "id"):
        yield Instances(monkeypatch)


def test_a_busy_instance_reads_on_and_sees_what_others_found(instances: Instances):
    instances.quote("a")
    instances.answer = DOWN
    for _ in range(THRESHOLD):
        instances.quote("b")
    instances.answer, instances.asked = WORKS, 0
    for _ in range(10):
        instances.now += rates.FRESH_SECONDS / 4
        instances.quote("a")
    assert 0 < instances.asked <= 4
    assert instances.quote("a") == "cached_rates"


def test_one_failure_among_successes_of_every_instance_never_opens_it(instances: Instances):
    """Each sees its own successes only: to the table it looks as if there were nothing but failures."""
    names = "abcdefgh"
    for name in names:
        instances.quote(name)
    for name in names:
        instances.now += 0.1
        instances.answer = DOWN
        instances.quote(name)
        instances.now += 0.01
        instances.answer = WORKS
        for other in names:
            assert instances.quote(other) == "quotation"


def test_failures_of_different_instances_sum_up(instances: Instances):
    instances.answer = DOWN
    for number in range(THRESHOLD):
        instances.quote(f"instance-{number}")
    asked = instances.asked
    assert instances.quote("new") == "cached_rates"
    assert instances.asked == asked


def test_of_all_instances_one_probes(instances: Instances):
    instances.open()
    names = [f"instance-{number}" for number in range(8)]
    instances.now += COOL_DOWN_SECONDS - 1
    for name in names:
        instances.quote(name)
    instances.now += 1
    for name in names:
        instances.quote(name)
    assert instances.asked == 1


def test_a_failure_whose_answer_was_lost_counts_once(instances: Instances, monkeypatch: pytest.MonkeyPatch):
    repeat(monkeypatch, instances.inner, "put_item")
    instances.answer = DOWN
    for number in range(1, THRESHOLD):
        instances.quote()
        assert instances.stored["failures"] == {"N": str(number)}


def test_a_probe_whose_answer_was_lost_is_claimed(instances: Instances, monkeypatch: pytest.MonkeyPatch):
    instances.open()
    instances.now += COOL_DOWN_SECONDS
    repeat(monkeypatch, instances.inner, "put_item")
    instances.answer = WORKS
    assert instances.quote() == "quotation"
    assert instances.quote("another") == "quotation"


def test_a_late_success_does_not_close_it(instances: Instances):
    instances.open()
    before = instances.stored
    rates._seen = None
    assert rates.succeeded(Admission.CALL).is_open
    assert instances.stored == before


def test_an_open_circuit_costs_the_rates_and_nothing_else(instances: Instances):
    instances.open()
    for _ in range(3):
        instances.quote()
    assert instances.calls == ["get_item"] * 3


def test_late_failures_are_not_written(instances: Instances):
    instances.open()
    assert rates.failed(Admission.CALL).is_open
    assert instances.calls == []


@pytest.mark.parametrize("status", [400, 404, 413])
def test_a_refused_request_closes_the_way_for_no_other(instances: Instances, status: int):
    instances.answer = Answer(status, {})
    assert {instances.quote() for _ in range(2 * THRESHOLD)} == {"cached_rates"}
    assert instances.asked == 2 * THRESHOLD
    assert not instances.stored


FAILURES = [
    ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetItem"),
    ReadTimeoutError(endpoint_url="https://dynamodb"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("fails_from", range(4))
def test_a_quotation_is_not_lost_with_the_table(instances: Instances, failure: Exception, fails_from: int):
    """Whichever call of the circuit fails, what the tax system said is what the caller gets."""
    rates._seen = None
    assert rates.failed(Admission.CALL) == Circuit(1, 0, int(NOW * 1000))
    instances.calls.clear()
    instances.failure, instances.fails_from = failure, fails_from
    for _ in range(3):
        instances.now += rates.FRESH_SECONDS + 1
        assert instances.quote() == "quotation"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_without_tax_system_and_table_the_caller_may_try_again(instances: Instances, failure: Exception):
    instances.answer, instances.failure = DOWN, failure
    with pytest.raises(RetryLater) as raised:
        instances.quote()
    assert (raised.value.code, raised.value.seconds) == ("TAX_UNAVAILABLE", 2)


def test_nobody_probes_who_cannot_claim_it(instances: Instances):
    instances.open()
    instances.now += COOL_DOWN_SECONDS
    instances.failure, instances.fails_from = FAILURES[0], 1
    with pytest.raises(RetryLater, match="can be reached"):
        instances.quote()
    assert instances.asked == 0
