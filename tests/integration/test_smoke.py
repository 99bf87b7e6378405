"""``make smoke``: the paths that customers take, on a shop that works and on one that does not."""

import pytest
from click.testing import CliRunner, Result

from tools import smoke
from tools.client import Shop, eventually
from tools.drivers.journey import Journey

ALARM = "setpieces-{stage}-smoke-test"


def run() -> Result:
    return CliRunner().invoke(smoke.main)


@pytest.mark.local_only("a sign-up is confirmed by a mail, which only the local cloud keeps")
def test_every_path_of_a_customer_works(shop: Shop):
    result = run()
    assert result.exit_code == 0, result.output
    assert f"Stage {shop.stage} works: {len(smoke.LOCALLY)} steps" in result.output


def test_with_simulators_a_sign_up_is_requested_and_the_order_is_a_guests(shop: Shop):
    journey = Journey(shop)
    lines = [run_step(journey) for _, run_step in smoke.WITH_SIMULATORS]
    assert lines[-1].endswith(" is Complete")
    assert journey.session == {}


def test_in_production_there_is_no_sign_up_and_no_order(shop: Shop):
    journey = Journey(shop)
    lines = [run_step(journey) for _, run_step in smoke.IN_PRODUCTION]
    assert lines[-1] == "the item is removed"
    assert journey.session == {}
    assert shop.call("GET", f"/basket/v1/baskets/{journey.basket}").json()["items"] == []


@pytest.mark.local_only("it makes an alarm, and says that it is on")
def test_a_path_that_does_not_work_is_named_with_the_alarms(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(smoke, "RETRY_SECONDS", 1.0)
    cloudwatch, name = shop.aws("cloudwatch"), ALARM.format(stage=shop.stage)
    threshold = {"Namespace": "SmokeTest", "MetricName": "Failures", "Statistic": "Sum", "Period": 60, "Threshold": 1}
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="ignore",  # so that it stays as it is set
        **threshold,
    )
    try:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="three requests failed")
        eventually(lambda: cloudwatch.describe_alarms(AlarmNames=[name], StateValue="ALARM")["MetricAlarms"])
        with shop.faults("identity", outage=True):
            result = run()
    finally:
        cloudwatch.delete_alarms(AlarmNames=[name])
    assert result.exit_code == 1
    assert f"Stage {shop.stage} does not work.\nRefusals: " in result.output
    assert f"alarm {name}: three requests failed" in result.output
