"""A quotation whatever happens: the circuit in its table (moto), shared by all instances, and a tax system that fails."""

from typing import Any

import pytest

from setpieces import aws
from setpieces.errors import ExternalUnavailable, Refused
from setpieces.external import Answer
from tax import clients
from tax.domain import default_rates
from tax.handlers.refresh_rates import handler as refresh
from tax.repository import rates as rates_module
from tax.repository.circuit import THRESHOLD
from tax.workflow import quotation
from tests.lambda_events import CONTEXT
from tests.unit.tables import mocked_table
from tests.unit.tax.samples import REQUEST

QUOTED = {"tax_total": 760, "lines": [{"sku": "SP-1", "tax": 760, "rate": 1900}], "rate_version": "2026-01"}
DOWN = ExternalUnavailable("tax", "no answer", timed_out=True)
COOL_DOWN_SECONDS = 20


class World:
    """A clock, and a tax system whose next answers (or the one it always gives) are told to it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.answer: Answer | Exception = Answer(200, QUOTED)
        self.calls = 0

    def call(self, system, method, *path, body=None, **options):
        assert system == "tax"
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def pass_seconds(self, seconds: float) -> None:
        self.now += seconds

    def another_instance(self) -> None:
        """From now on the code runs in an instance that has seen nothing."""
        rates_module._seen = None

    def quote(self) -> dict:
        return quotation(REQUEST)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TABLE_NAME", "tax")
    monkeypatch.setenv("COOL_DOWN_SECONDS", str(COOL_DOWN_SECONDS))
    world = World()
    monkeypatch.setattr(clients.external, "call", world.call)
    with mocked_table(monkeypatch, "tax", "id"):
        monkeypatch.setattr(rates_module.time, "time", lambda: world.now)
        monkeypatch.setattr(rates_module.time, "monotonic", lambda: world.now)
        world.another_instance()
        yield world


def opened(world: World) -> None:
    """Let the tax system fail until the circuit is open."""
    world.answer = DOWN
    for _ in range(THRESHOLD):
        world.quote()
    world.calls = 0


def test_the_tax_systems_quotation_is_used_and_says_so(world: World):
    answer = world.quote()
    assert answer.items() >= (QUOTED | {"source": "quotation"}).items()
    assert answer["quoted_at"].endswith("+00:00")
    assert "Item" not in aws.client("dynamodb").get_item(TableName="tax", Key={"id": {"S": "circuit"}})


def test_from_the_first_minute_there_are_rates_to_fall_back_on(world: World):
    world.answer = DOWN
    answer = world.quote()
    assert (answer["source"], answer["rate_version"]) == ("cached_rates", default_rates.VERSION)
    assert answer["tax_total"] == QUOTED["tax_total"]


@pytest.mark.parametrize(
    "answer",
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
def test_nonsense_is_no_quotation(world: World, answer: Answer):
    world.answer = answer
    assert world.quote()["source"] == "cached_rates"


def test_after_failures_in_a_row_it_is_left_alone_by_every_instance(world: World):
    opened(world)
    for _ in range(3):
        assert world.quote()["source"] == "cached_rates"
        world.another_instance()
    assert world.calls == 0


def test_a_success_in_between_starts_the_count_anew(world: World):
    for _ in range(3):
        world.answer = DOWN
        for _ in range(THRESHOLD - 1):
            world.quote()
        world.answer = Answer(200, QUOTED)
        assert world.quote()["source"] == "quotation"


def test_after_the_cool_down_one_instance_tries_and_its_success_is_for_all(world: World):
    opened(world)
    world.pass_seconds(COOL_DOWN_SECONDS)
    world.answer = Answer(200, QUOTED)
    assert world.quote()["source"] == "quotation"
    world.another_instance()
    assert [world.quote()["source"] for _ in range(3)] == ["quotation"] * 3


def test_a_failed_probe_opens_the_circuit_again(world: World):
    opened(world)
    world.pass_seconds(COOL_DOWN_SECONDS)
    assert world.quote()["source"] == "cached_rates"
    assert world.calls == 1
    world.pass_seconds(COOL_DOWN_SECONDS - 1)
    world.another_instance()
    world.quote()
    assert world.calls == 1
    world.pass_seconds(1)
    world.quote()
    assert world.calls == 2


def test_while_one_instance_tries_the_others_wait_but_not_for_ever(world: World):
    """The one that tries may crash: its claim is over after another cool-down."""
    opened(world)
    world.pass_seconds(COOL_DOWN_SECONDS)
    seen = rates_module.circuit()
    assert rates_module.claim_probe(seen)
    assert not rates_module.claim_probe(seen)
    world.quote()
    assert world.calls == 0
    world.pass_seconds(COOL_DOWN_SECONDS)
    world.quote()
    assert world.calls == 1


def test_a_refusal_is_an_answer_and_closes_the_circuit(world: World):
    opened(world)
    world.pass_seconds(COOL_DOWN_SECONDS)
    world.answer = Answer(422, {"code": "UNKNOWN_JURISDICTION"})
    with pytest.raises(Refused, match="UNKNOWN_JURISDICTION"):
        world.quote()
    world.another_instance()
    assert rates_module.circuit().failures == 0


def test_the_healthy_way_reads_the_state_once_in_a_while_and_writes_nothing(world: World, monkeypatch):
    reads: list[str] = []
    real = rates_module._get

    def get(key: str) -> dict[str, Any]:
        reads.append(key)
        return real(key)

    monkeypatch.setattr(rates_module, "_get", get)
    for _ in range(10):
        world.quote()
    assert reads == ["circuit"]
    world.pass_seconds(rates_module.FRESH_SECONDS + 1)
    world.quote()
    assert reads == ["circuit"] * 2


def test_refreshed_rates_are_fallen_back_on(world: World):
    world.answer = Answer(200, {"rates": {"DE": 700}, "rate_version": "2026-07"})
    assert refresh({}, CONTEXT) == {"rate_version": "2026-07"}
    world.answer = DOWN
    answer = world.quote()
    assert (answer["tax_total"], answer["rate_version"], answer["source"]) == (280, "2026-07", "cached_rates")


@pytest.mark.parametrize(
    "answer",
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
def test_what_is_no_list_of_rates_replaces_none(world: World, answer: Answer | Exception):
    rates_module.keep_rates({"DE": 1600}, "2020-07")
    world.answer = answer
    with pytest.raises(ExternalUnavailable):
        refresh({}, CONTEXT)
    assert rates_module.rates() == ({"DE": 1600}, "2020-07")
