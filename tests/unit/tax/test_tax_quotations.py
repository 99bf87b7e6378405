"""A quotation whatever happens: the circuit in its table, shared by all instances, and a tax system that fails."""

import pytest

from setpieces.errors import ExternalUnavailable, Refused
from setpieces.external import Answer
from tax.domain import default_rates
from tax.domain.circuit import THRESHOLD
from tax.repository import circuit as circuit_repository
from tax.repository import rates
from tests.faults import Faults
from tests.present import present
from tests.unit.tax.instances import COOL_DOWN_SECONDS, DOWN, QUOTED, WORKS, Instances


def test_a_quotation_of_the_tax_system_names_its_source(instances: Instances):
    response = instances.quote()
    assert response.items() >= (QUOTED | {"source": "quotation"}).items()
    assert response["quoted_at"].endswith("+00:00")
    assert instances.circuit() is None


def test_default_rates_are_used_until_rates_were_stored(instances: Instances):
    instances.answer = DOWN
    response = instances.quote()
    assert (response["source"], response["rate_version"]) == ("cached_rates", default_rates.VERSION)
    assert response["tax_total"] == QUOTED["tax_total"]


@pytest.mark.parametrize(
    "response",
    [
        Answer(200, None),
        Answer(200, []),
        Answer(200, {}),
        Answer(200, QUOTED | {"lines": []}),
        Answer(200, QUOTED | {"tax_total": 759}),
        Answer(200, QUOTED | {"tax_total": "760"}),
        Answer(200, QUOTED | {"tax_total": 760.0}),
        Answer(200, QUOTED | {"tax_total": 2, "lines": [{"sku": "SP-1", "tax": 2.0, "rate": 1900}]}),
        Answer(200, QUOTED | {"lines": [{"sku": "SP-1", "tax": 760, "rate": 19.5}]}),
        Answer(200, QUOTED | {"tax_total": -1, "lines": [{"sku": "SP-1", "tax": -1, "rate": 1900}]}),
        Answer(302, None),
        Answer(404, {}),
    ],
    ids=str,
)
def test_an_invalid_answer_falls_back_on_cached_rates(instances: Instances, response: Answer):
    instances.answer = response
    assert instances.source() == "cached_rates"


def test_no_instance_calls_a_tax_system_that_failed_repeatedly(instances: Instances):
    instances.open_circuit()
    for instance in ("a", "b", "c"):
        assert instances.source(instance) == "cached_rates"
    assert instances.requests == 0


def test_a_success_resets_the_count_of_failures(instances: Instances):
    for _ in range(3):
        instances.answer = DOWN
        for _ in range(THRESHOLD - 1):
            instances.quote()
        instances.answer = WORKS
        assert instances.source() == "quotation"


def test_after_the_cool_down_one_probe_closes_the_circuit_for_all_instances(instances: Instances):
    instances.open_circuit()
    instances.now += COOL_DOWN_SECONDS
    instances.answer = WORKS
    assert instances.source() == "quotation"
    assert [instances.source("b") for _ in range(3)] == ["quotation"] * 3


def test_a_failed_probe_opens_the_circuit_again(instances: Instances):
    instances.open_circuit()
    instances.now += COOL_DOWN_SECONDS
    assert instances.source() == "cached_rates"
    assert instances.requests == 1
    instances.now += COOL_DOWN_SECONDS - 1
    instances.quote("b")
    assert instances.requests == 1
    instances.now += 1
    instances.quote("b")
    assert instances.requests == 2


def test_during_a_probe_other_instances_wait_for_one_cool_down(instances: Instances):
    """The one that tries may crash: its claim is over after another cool-down."""
    instances.open_circuit()
    instances.now += COOL_DOWN_SECONDS
    circuit = circuit_repository.load_circuit()
    assert circuit_repository.claim_probe(circuit)
    assert not circuit_repository.claim_probe(circuit)
    instances.quote()
    assert instances.requests == 0
    instances.now += COOL_DOWN_SECONDS
    instances.quote()
    assert instances.requests == 1


def test_an_unknown_jurisdiction_closes_the_circuit(instances: Instances):
    instances.open_circuit()
    instances.now += COOL_DOWN_SECONDS
    instances.answer = Answer(422, {"code": "UNKNOWN_JURISDICTION"})
    with pytest.raises(Refused, match="UNKNOWN_JURISDICTION"):
        instances.quote()
    assert present(instances.circuit())["failures"] == 0


def test_a_healthy_tax_system_costs_one_read_of_the_circuit_per_interval(instances: Instances, faults: Faults):
    faults.restart()
    for _ in range(10):
        instances.quote()
    assert faults.calls == ["GetItem"]
    instances.now += circuit_repository.FRESH_SECONDS + 1
    instances.quote()
    assert faults.calls == ["GetItem"] * 2


def test_quotations_fall_back_on_refreshed_rates(instances: Instances):
    instances.answer = Answer(200, {"rates": {"DE": 700}, "rate_version": "2026-07"})
    assert instances.service.invoke("refresh_rates") == {"rate_version": "2026-07"}
    instances.answer = DOWN
    response = instances.quote()
    assert (response["tax_total"], response["rate_version"], response["source"]) == (280, "2026-07", "cached_rates")


@pytest.mark.parametrize(
    "response",
    [
        DOWN,
        Answer(404, {}),
        Answer(200, None),
        Answer(200, {"rates": {}, "rate_version": "v"}),
        Answer(200, {"rates": {"DE": 19.5}, "rate_version": "v"}),
        Answer(200, {"rates": {"DE": -1}, "rate_version": "v"}),
        Answer(200, {"rates": {"DE": True}, "rate_version": "v"}),
        Answer(200, {"rates": {"DE": 1900}}),
        Answer(200, {"rates": ["DE"], "rate_version": "v"}),
    ],
    ids=str,
)
def test_invalid_rates_replace_no_stored_ones(instances: Instances, response: Answer | ExternalUnavailable):
    rates.store_rates({"DE": 1600}, "2020-07")
    instances.answer = response
    with pytest.raises(ExternalUnavailable):
        instances.service.invoke("refresh_rates")
    assert rates.load_rates() == ({"DE": 1600}, "2020-07")
