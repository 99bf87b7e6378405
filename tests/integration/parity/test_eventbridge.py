"""The patches of ``local.emulator.patches.eventbridge``, beside an emulator without patches."""

import json
from typing import Any

import pytest

from model.settings import ACCOUNT_ID, REGION
from tests.integration.two_emulators import Cloud, allow, error_code, printed_numbers
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_rule_targets(plain: Cloud, patched: Cloud):
    def error_codes(cloud: Cloud) -> tuple[str, str]:
        """Error codes for the permitted rule and for another rule."""
        bus, rule, (_, queue), events = unique("bus"), unique("rule"), cloud.queue(), cloud.aws("events")
        events.create_event_bus(Name=bus)
        arn = events.put_rule(Name=rule, EventBusName=bus, EventPattern='{"source": ["probe"]}')["RuleArn"]
        targets = [{"Id": "one", "Arn": queue}]

        def code_with_permission_for(allowed_rule: str) -> str:
            caller = cloud.aws("events", cloud.session(allow("events:PutTargets", allowed_rule)))
            return error_code(caller.put_targets, Rule=rule, EventBusName=bus, Targets=targets)

        return code_with_permission_for(arn), code_with_permission_for(f"{arn}-another")

    denied = "AccessDeniedException"
    assert error_codes(plain) == (denied, denied)
    assert error_codes(patched) == ("", denied)


def test_event_source(plain: Cloud, patched: Cloud):
    def denial_code(cloud: Cloud, source: str) -> str:
        bus = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"
        session = cloud.session(allow("events:PutEvents", bus, StringEquals={"events:source": "service-mine"}))
        entry = {"Source": source, "DetailType": "probe", "Detail": "{}"}
        return error_code(cloud.aws("events", session).put_events, Entries=[entry])

    assert denial_code(plain, "service-mine") == "AccessDeniedException"
    assert denial_code(patched, "service-mine") == ""
    assert denial_code(patched, "service-anothers") == "AccessDeniedException"


def test_events_in_logs(plain: Cloud, patched: Cloud):
    def log_of_delivered_event(cloud: Cloud, suffix: str = "") -> tuple[Any, str]:
        """(client, log group) of a rule, once a queue of the same rule has the event."""
        name, logs = unique("log"), cloud.aws("logs")
        logs.create_log_group(logGroupName=name)
        url, arn = cloud.queue()
        cloud.send_event({"Arn": f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{name}{suffix}"}, {"Arn": arn})
        eventually(lambda: cloud.received(url))
        return logs, name

    logs, name = log_of_delivered_event(plain)
    assert logs.filter_log_events(logGroupName=name)["events"] == []
    logs, name = log_of_delivered_event(patched)
    [event] = eventually(lambda: logs.filter_log_events(logGroupName=name)["events"])
    assert json.loads(event["message"])["detail-type"] == "probe"
    logs, name = log_of_delivered_event(patched, ":*")
    assert logs.filter_log_events(logGroupName=name)["events"] == []


def test_rule_retries(plain: Cloud, patched: Cloud):
    """Without the patch a failed event does not reach the failure destination."""
    code = "def handler(event, context): raise ValueError"

    def failure_queue(cloud: Cloud) -> str:
        """The URL of the failure destination's queue, after a rule invoked a function that failed."""
        (url, arn), function = cloud.queue(), cloud.function(code)
        lam, logs, group = cloud.aws("lambda"), cloud.aws("logs"), f"/aws/lambda/{function}"
        destination = {"OnFailure": {"Destination": arn}}
        lam.put_function_event_invoke_config(
            FunctionName=function, MaximumRetryAttempts=0, DestinationConfig=destination
        )
        cloud.send_event({"Arn": lam.get_function(FunctionName=function)["Configuration"]["FunctionArn"]})
        eventually(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])
        eventually(lambda: "ValueError" in str(logs.filter_log_events(logGroupName=group)["events"]))
        return url

    url = failure_queue(patched)
    assert eventually(lambda: patched.received(url))
    assert plain.received(failure_queue(plain)) == []


def test_event_entries(plain: Cloud, patched: Cloud):
    right = {"Source": "probe", "DetailType": "PROBE", "Detail": "{}"}
    wrong = [right | {"Detail": "[]"}, right | {"Detail": "{"}, right | {"Source": ""}, {"Source": "probe"}]
    large = right | {"Detail": json.dumps({"text": "x" * 100_000})}

    def codes(cloud: Cloud) -> list[str]:
        response = cloud.aws("events").put_events(Entries=[right, *wrong, right])
        assert response["FailedEntryCount"] == sum("ErrorCode" in entry for entry in response["Entries"])
        return [entry.get("ErrorCode", "") for entry in response["Entries"]]

    assert codes(plain) == [""] * 6
    assert codes(patched) == ["", "MalformedDetail", "MalformedDetail", "InvalidArgument", "InvalidArgument", ""]
    assert error_code(patched.aws("events").put_events, Entries=[right] * 10 + wrong[:1]) == "ValidationException"
    for entries, expected_code in (([large] * 2, ""), ([large] * 3, "ValidationException")):
        assert error_code(plain.aws("events").put_events, Entries=entries) == ""
        assert error_code(patched.aws("events").put_events, Entries=entries) == expected_code


def test_schedule_ticks():
    """The sum of the intervals, in seconds, at which rules and the scheduler check schedules."""
    assert printed_numbers(
        "schedule-ticks",
        """
from ministack.services import eventbridge, scheduler
print(eventbridge._SCHEDULER_TICK_INTERVAL + scheduler._SCHEDULE_TICK_INTERVAL)
""",
    ) == (20, 2)


def test_dead_letters_of_targets(plain: Cloud):
    """The valid target follows the invalid one: once it has the event, the delivery to the invalid one has failed."""
    url, arn = plain.queue()
    dead_url, dead = plain.queue()
    plain.send_event({"Arn": f"{arn}-that-is-not-there", "DeadLetterConfig": {"Arn": dead}}, {"Arn": arn})
    assert eventually(lambda: plain.received(url))
    assert plain.received(dead_url) == []
