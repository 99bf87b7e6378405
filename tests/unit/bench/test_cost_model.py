"""Units, dollars and rates of a few operations, calculated by hand."""

import pytest

from bench import cost_model, limits, operations, prices, quotas
from bench.cost_model import GROUPS, Model, Templates, dollars, grouped, units
from orders.repository import orders as repository

TEMPLATES = Templates(
    memory_gb={"orders/SubmitFunction": 1.0, "orders/ProcessFunction": 0.5},
    consumers={"orders/ProcessFunction": (10, 1)},
    fifo=frozenset({"shipping"}),
    throttles={"orders": 1000.0},
    requests=frozenset({"orders/SubmitFunction"}),
)
USED = {
    "api": 1,
    "events": 2,
    "messages": 1,
    "transitions": 3,
    "log_bytes": 1024,
    "invocations": {"SubmitFunction": 1, "ProcessFunction": 2},
    "calls": {"sqs:SendMessage": 1, "s3:PutObject": 2, "s3:GetObject": 3, "s3:DeleteObject": 9, "dynamodb:PutItem": 1},
    "units": {"write orders/Table": 2.0, "write orders/Table/history": 1.0, "read orders/Table": 0.5},
}
LOAD = {
    "peak_factor": 10,
    "multiples": [1],
    "milliseconds": {"request": 100, "consumer": 200, "functions": {}},
    "parameters_of_an_instance": 2,
    "trace_sampling": 0.05,
    "event_bytes": 400,
    "a_day": {"place an order": {"count": 86_400}, "count the stock": {"count": 86_400, "fixed": True}},
}


@pytest.fixture(autouse=True)
def _load(monkeypatch: pytest.MonkeyPatch):
    for module in (cost_model, limits):
        monkeypatch.setattr(module, "load", lambda: LOAD)


def model(of: int = 1) -> Model:
    operation = {"service": "orders", "of": of, "pieces": {"orders": USED, "partners": USED}}
    return Model({"operations": {"place an order": operation}, "schedules": {}}, TEMPLATES)


def test_units_are_those_of_the_price_list():
    used = units("orders", USED, TEMPLATES)
    assert used["api_gateway_rest_request"] == 1
    assert used["lambda_request"] == 3
    assert used["lambda_gb_second_arm64"] == pytest.approx(1 * 0.1 * 1.0 + 2 * 0.2 * 0.5)
    assert used["dynamodb_write_unit"] == 3
    assert used["dynamodb_read_unit"] == 0.5
    # One sent by a function, one by the bus; two batches, each received and deleted.
    assert used["sqs_standard_request"] == 1 + 1 + 2 * 2
    assert (used["s3_put"], used["s3_get"]) == (2, 3)
    assert used["step_functions_transition"] == 3
    assert used["logs_gb"] == pytest.approx(1024 / 1024**3)
    assert used["xray_trace"] == pytest.approx(0.05 * (1 + 2))


def test_fifo_queues_cost_more():
    used = units("shipping", {"calls": {"sqs:SendMessage": 1}}, TEMPLATES)
    assert used == {"sqs_fifo_request": 1}
    assert dollars(used) > dollars(units("orders", {"calls": {"sqs:SendMessage": 1}}, TEMPLATES))


def test_every_unit_has_one_group_and_a_price():
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) <= set(prices.table()["prices"])
    used = units("orders", USED, TEMPLATES)
    assert sum(grouped(used).values()) == pytest.approx(dollars(used))


def test_operations_that_are_measured_together_are_priced_per_operation():
    one, hundred = model().units("place an order", "orders"), model(of=100).units("place an order", "orders")
    assert dollars(hundred) == pytest.approx(dollars(one) / 100)


def test_simulators_of_external_systems_cost_nothing():
    assert set(model().a_month(1)) == {"orders"}
    assert {service for service, _, _ in model().per_million()} == {"orders"}


def test_the_cost_of_a_month_is_that_of_its_operations():
    one = dollars(model().units("place an order", "orders"))
    assert model().a_month(100)["orders"] == pytest.approx(one * 86_400 * 100 * cost_model.MONTH_DAYS)


def test_rates_are_those_of_the_peak_except_fixed_ones():
    assert model().rate("place an order", 1) == pytest.approx(10)
    assert model().rate("place an order", 100) == pytest.approx(1000)
    assert model().rate("count the stock", 100) == pytest.approx(1)


def test_concurrency_follows_littles_law_and_the_maximum_of_queues():
    # Ten orders a second: 10 × 0.1 s, and 20 messages × 0.2 s.
    assert model().concurrency(1) == pytest.approx(10 * 0.1 + 20 * 0.2)
    assert model().concurrency(100) == pytest.approx(1000 * 0.1 + 10)
    assert model().concurrency(100, waiting=True) == pytest.approx(1000 * 0.1 + 2000 * 0.2)
    assert model().busiest(1) == ("orders/SubmitFunction", pytest.approx(1.0))


def test_a_limit_binds_where_demand_reaches_it():
    limits_by_name = {limit.name: limit for limit in limits.limits(model())}
    workers, throttle = limits_by_name["workers of orders/Process"], limits_by_name["throttle of the orders API"]
    assert workers.allowed == pytest.approx(10 / 0.2)
    assert workers.used(model(), 1) == pytest.approx(20 / 50)
    assert limits.binds_at(workers, model()) == pytest.approx(2.5)
    assert limits.binds_at(throttle, model()) == pytest.approx(100)
    assert limits.binds_at(limits_by_name["mails"], model()) == float("inf")
    shares = [share for _, share in limits.ranked(model(), 1)]
    assert shares == sorted(shares, reverse=True)


def test_prices_and_quotas_have_a_source_and_a_date():
    for table in (prices.table(), quotas.table()):
        assert table["region"]
        assert table["as_of"] >= "2025"
        entries = table.get("prices") or table["quotas"]
        assert all(entry["source"].startswith("https://") for entry in entries.values())
    for name, entry in quotas.table()["quotas"].items():
        assert ("seen" in entry) == entry.get("certain", True), name


def test_the_model_knows_the_number_of_keys_of_the_index_of_orders_in_progress():
    spread = [key for key in repository.PARTITIONS if key.startswith(f"{repository.IN_PROGRESS}-")]
    assert len(spread) == limits.PARTITIONS_IN_PROGRESS


def test_every_operation_of_the_load_has_a_measurement(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.undo()
    measured = operations.table()["operations"]
    assert set(cost_model.load()["a_day"]) <= set(measured)
    assert {operation.name for operation in operations.OPERATIONS} == set(measured)


def test_schedules_run_every_minute_of_a_month():
    used = {"invocations": {"SubmitFunction": 1}}
    measured = {"operations": {}, "schedules": {"orders/SubmitFunction": used}}
    minute = dollars(units("orders", used, TEMPLATES)) + prices.price("scheduler_invocation", 1)
    assert Model(measured, TEMPLATES).schedules_a_month() == {"orders/SubmitFunction": pytest.approx(minute * 43_800)}
