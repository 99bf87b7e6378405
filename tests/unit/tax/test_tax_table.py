"""The circuit as instances share it: which of them write, what a race leaves, and what happens without the table."""

import pytest

from setpieces.errors import RetryLater
from setpieces.external import Answer
from tax.domain.circuit import THRESHOLD, Admission, Circuit
from tax.repository import circuit as circuit_repository
from tests.faults import Fault, Faults, refused, time_out
from tests.present import present
from tests.unit.tax.instances import COOL_DOWN_SECONDS, DOWN, WORKS, Instances


def test_a_busy_instance_reads_the_circuit_that_others_opened(instances: Instances):
    instances.source("a")
    instances.answer = DOWN
    for _ in range(THRESHOLD):
        instances.source("b")
    instances.answer, instances.requests = WORKS, 0
    for _ in range(10):
        instances.now += circuit_repository.FRESH_SECONDS / 4
        instances.source("a")
    assert 0 < instances.requests <= 4
    assert instances.source("a") == "cached_rates"


def test_single_failures_among_successes_never_open_the_circuit(instances: Instances):
    """Each sees its own successes only: to the table it looks as if there were nothing but failures."""
    names = "abcdefgh"
    for name in names:
        instances.source(name)
    for name in names:
        instances.now += 0.1
        instances.answer = DOWN
        instances.source(name)
        instances.now += 0.01
        instances.answer = WORKS
        for other in names:
            assert instances.source(other) == "quotation"


def test_failures_of_all_instances_are_counted_together(instances: Instances):
    instances.answer = DOWN
    for number in range(THRESHOLD):
        instances.source(f"instance-{number}")
    request_count = instances.requests
    assert instances.source("new") == "cached_rates"
    assert instances.requests == request_count


def test_one_of_all_instances_probes(instances: Instances):
    instances.open_circuit()
    names = [f"instance-{number}" for number in range(8)]
    instances.now += COOL_DOWN_SECONDS - 1
    for name in names:
        instances.source(name)
    instances.now += 1
    for name in names:
        instances.source(name)
    assert instances.requests == 1


def test_a_failure_whose_answer_was_lost_counts_once(instances: Instances, faults: Faults):
    faults.lose_response("PutItem")
    instances.answer = DOWN
    for number in range(1, THRESHOLD):
        instances.source()
        assert present(instances.circuit())["failures"] == number


def test_a_probe_whose_answer_was_lost_is_claimed(instances: Instances, faults: Faults):
    instances.open_circuit()
    instances.now += COOL_DOWN_SECONDS
    faults.lose_response("PutItem")
    instances.answer = WORKS
    assert instances.source() == "quotation"
    assert instances.source("another") == "quotation"


def test_a_late_success_does_not_close_the_circuit(instances: Instances):
    instances.open_circuit()
    before = instances.circuit()
    circuit_repository._known = None
    assert circuit_repository.record_success(Admission.CALL).is_open
    assert instances.circuit() == before


def test_an_open_circuit_costs_one_read_of_the_rates(instances: Instances, faults: Faults):
    instances.open_circuit()
    faults.restart()
    for _ in range(3):
        instances.source()
    assert faults.calls == ["GetItem"] * 3


def test_late_failures_are_not_written(instances: Instances, faults: Faults):
    instances.open_circuit()
    faults.restart()
    assert circuit_repository.record_failure(Admission.CALL).is_open
    assert faults.calls == []


@pytest.mark.parametrize("status", [400, 404, 413])
def test_a_refused_request_does_not_open_the_circuit(instances: Instances, status: int):
    instances.answer = Answer(status, {})
    assert {instances.source() for _ in range(2 * THRESHOLD)} == {"cached_rates"}
    assert instances.requests == 2 * THRESHOLD
    assert not instances.circuit()


FAILURES = [refused("GetItem", "ProvisionedThroughputExceededException"), time_out("dynamodb")]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("fails_from", range(4))
def test_quotations_are_given_without_the_table(
    instances: Instances, faults: Faults, failure: Exception, fails_from: int
):
    """Whichever call of the circuit fails, what the tax system said is what the caller gets."""
    circuit_repository._known = None
    assert circuit_repository.record_failure(Admission.CALL) == Circuit(1, 0, int(instances.now * 1000))
    faults.schedule(dict.fromkeys(range(fails_from, 100), Fault.UNAVAILABLE), failure)
    for _ in range(3):
        instances.now += circuit_repository.FRESH_SECONDS + 1
        assert instances.source() == "quotation"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_without_tax_system_and_table_the_response_is_a_503(instances: Instances, faults: Faults, failure: Exception):
    instances.answer = DOWN
    faults.schedule(dict.fromkeys(range(100), Fault.UNAVAILABLE), failure)
    with pytest.raises(RetryLater) as raised:
        instances.source()
    assert (raised.value.code, raised.value.seconds) == ("TAX_UNAVAILABLE", 2)


def test_an_instance_that_cannot_claim_the_probe_does_not_call_the_tax_system(instances: Instances, faults: Faults):
    instances.open_circuit()
    instances.now += COOL_DOWN_SECONDS
    faults.schedule(dict.fromkeys(range(1, 100), Fault.UNAVAILABLE), FAILURES[0])
    with pytest.raises(RetryLater, match="can be reached"):
        instances.source()
    assert instances.requests == 0
