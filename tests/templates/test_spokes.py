"""No spoke of the bus lacks a part: rule, queue, dead letters, policies, consumer and alarms, as the local cloud cannot tell.

The emulator delivers whatever the queue's policy says, and nothing to the dead letters of a target; so both are read from the
templates here.
"""

from typing import Any

import pytest

from model.routing import logical_id, resolve, resources, routes, templates
from model.templates import name_of, pieces
from setpieces.backoff import backoff_seconds

RETENTION_SECONDS = 14 * 24 * 3600


def spokes() -> list[tuple[str, str, dict[str, Any]]]:
    """(service, logical id of the rule, target) for every rule of the bus that feeds a queue."""
    return [
        (service, name, target)
        for service in templates()
        for name, rule in resources(service, "AWS::Events::Rule").items()
        for target in rule["Targets"]
        if logical_id(target["Arn"]) in resources(service, "AWS::SQS::Queue")
    ]


def sources(dead: bool) -> list[tuple[str, str]]:
    """(service, logical id) of every queue that a function consumes, and that is or is not another one's dead letters."""
    return [
        (service, name)
        for service in templates()
        for source in resources(service, "AWS::Lambda::EventSourceMapping").values()
        if (name := logical_id(source["EventSourceArn"])) in (queues := resources(service, "AWS::SQS::Queue"))
        if dead
        == any(name == logical_id(each.get("RedrivePolicy", {}).get("deadLetterTargetArn")) for each in queues.values())
    ]


def consumed() -> list[tuple[str, str]]:
    """Every queue whose messages are work."""
    return sources(dead=False)


def queue(service: str, name: str) -> dict[str, Any]:
    return resources(service, "AWS::SQS::Queue")[name]


def dead_letters(service: str, name: str) -> str:
    """The logical id of a queue's dead-letter queue."""
    return logical_id(queue(service, name)["RedrivePolicy"]["deadLetterTargetArn"])


def test_every_queue_on_the_bus_is_tested():
    assert len(spokes()) == len([route for route in routes() if route.queue and route.channel == "bus"])


@pytest.mark.parametrize(("service", "rule", "target"), spokes(), ids=lambda value: str(value)[:40])
def test_a_target_retries_for_a_day_and_then_uses_the_spokes_dead_letters(service, rule, target):
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 100, "MaximumEventAgeInSeconds": 86400}
    assert logical_id(target["DeadLetterConfig"]["Arn"]) == dead_letters(service, logical_id(target["Arn"]))


@pytest.mark.parametrize(("service", "rule", "target"), spokes(), ids=lambda value: str(value)[:40])
def test_the_rule_and_no_other_may_send_to_queue_and_dead_letters(service, rule, target):
    """EventBridge drops an event silently when a queue's policy does not let it in."""
    name = logical_id(target["Arn"])
    expected = {name, dead_letters(service, name)}
    granted: set[str] = set()
    for policy in resources(service, "AWS::SQS::QueuePolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Principal"] != {"Service": "events.amazonaws.com"}:
                continue
            ((operator, condition),) = statement["Condition"].items()
            if operator in ("ArnEquals", "StringEquals") and logical_id(condition["aws:SourceArn"]) == rule:
                allowed = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
                granted |= {logical_id(arn) for arn in allowed} & {logical_id(url) for url in policy["Queues"]}
    assert granted == expected


@pytest.mark.parametrize(("service", "name"), consumed())
def test_a_queue_and_its_dead_letters_are_encrypted_and_kept(service, name):
    own, dead = queue(service, name), queue(service, dead_letters(service, name))
    # A queue that an external system writes to has SQS's own key: ours is not for others.
    assert "KmsMasterKeyId" in own or own["SqsManagedSseEnabled"] is True
    assert "KmsMasterKeyId" in dead
    assert dead["MessageRetentionPeriod"] == RETENTION_SECONDS
    # The days of a standard queue's dead letter count from when it was first sent, those of a FIFO queue's begin anew.
    assert own.get("FifoQueue") or own.get("MessageRetentionPeriod", 345_600) < RETENTION_SECONDS
    assert own["RedrivePolicy"]["maxReceiveCount"] >= 5
    assert bool(dead.get("FifoQueue")) == bool(own.get("FifoQueue"))


def watched_queues(service: str) -> set[tuple[str, str]]:
    """(metric, logical id of the queue) of each alarm on a queue."""
    return {
        (alarm["MetricName"], name_of(alarm["Dimensions"][0]["Value"]))
        for alarm in pieces()[service].of_type("AWS::CloudWatch::Alarm").values()
        if alarm["Namespace"] == "AWS/SQS" and alarm["AlarmActions"]
    }


@pytest.mark.parametrize(("service", "name"), sources(dead=True))
def test_consumed_dead_letters_end_in_a_parking_queue_with_an_alarm(service, name):
    """The parking queue is named ``x-parked``, has the same retention and raises the alarm."""
    own, parked = queue(service, name), queue(service, dead_letters(service, name))
    assert resolve(parked["QueueName"]) == f"{resolve(own['QueueName']).removesuffix('-dlq')}-parked"
    assert logical_id(parked["KmsMasterKeyId"]) == logical_id(own["KmsMasterKeyId"]) != ""
    assert own["MessageRetentionPeriod"] == parked["MessageRetentionPeriod"] == RETENTION_SECONDS
    watched = {queue_name for _, queue_name in watched_queues(service)}
    assert {name, dead_letters(service, name)} <= watched


@pytest.mark.parametrize(("service", "name"), consumed())
def test_names_follow_the_rule(service, name):
    own, dead = (resolve(queue(service, logical)["QueueName"]) for logical in (name, dead_letters(service, name)))
    assert own.startswith(f"setpieces-local-{service}-")
    stem, dot, suffix = own.partition(".")
    assert dead == f"{stem}-dlq{dot}{suffix}"


@pytest.mark.parametrize(("service", "name"), consumed())
def test_a_consumer_reports_item_failures_within_a_visibility_of_six_times_its_timeout(service, name):
    for source in resources(service, "AWS::Lambda::EventSourceMapping").values():
        if logical_id(source["EventSourceArn"]) != name:
            continue
        function = resources(service, "AWS::Serverless::Function")[logical_id(source["FunctionName"])]
        timeout = function.get("Timeout") or templates()[service]["Globals"]["Function"]["Timeout"]
        window = source.get("MaximumBatchingWindowInSeconds", 0)
        assert queue(service, name)["VisibilityTimeout"] >= 6 * timeout + window
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        most = source["ScalingConfig"]["MaximumConcurrency"]
        least = templates()[service]["Parameters"][most["Ref"]]["MinValue"] if isinstance(most, dict) else most
        assert least >= 2


def patient(dead: bool = False) -> list[tuple[str, str]]:
    """Every consumed queue but the relay's: its runs come each minute and leave to the next one what the bus does not take."""
    return [(service, name) for service, name in sources(dead) if service != "event-relay"]


@pytest.mark.parametrize(("service", "name"), patient() + patient(dead=True))
def test_a_consumer_may_defer_a_message(service, name):
    """An outage of AWS, or an event of a newer major version, uses up the receives in minutes if messages only come back when
    their visibility timeout is over.
    """
    for source in resources(service, "AWS::Lambda::EventSourceMapping").values():
        if logical_id(source["EventSourceArn"]) != name:
            continue
        function = pieces()[service].included()["Resources"][logical_id(source["FunctionName"])]["Properties"]
        common = templates()[service]["Globals"]["Function"]["Environment"]["Variables"]
        variables = common | function.get("Environment", {}).get("Variables", {})
        assert logical_id(variables["QUEUE_URL"]) == name
        granted = [
            statement
            for policy in function["Policies"]
            for statement in policy["Statement"]
            if "sqs:ChangeMessageVisibility" in statement["Action"]
        ]
        assert [logical_id(statement["Resource"]) for statement in granted] == [name]


@pytest.mark.parametrize(("service", "name"), patient())
def test_work_outlives_an_outage_of_eight_minutes(service, name):
    """Seconds that a consumer waits between deliveries (``setpieces.backoff.backoff_seconds``), until the message is dead."""
    receives = queue(service, name)["RedrivePolicy"]["maxReceiveCount"]
    assert sum(backoff_seconds(delivery) for delivery in range(1, receives)) >= 480


@pytest.mark.parametrize(("service", "name"), consumed())
def test_dead_letters_and_waiting_messages_raise_an_alarm(service, name):
    watched = watched_queues(service)
    assert ("ApproximateNumberOfMessagesVisible", dead_letters(service, name)) in watched
    assert ("ApproximateAgeOfOldestMessage", name) in watched
