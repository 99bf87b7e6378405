"""Patches of EventBridge and its scheduler."""

import inspect
import json
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch, replace_in_function


@patch(
    "rule-targets",
    area="permissions",
    aws="the resource of events:PutTargets and events:RemoveTargets is the rule",
    emulator="the resource is the bus, so a policy that names the rule does not apply",
    reason="the integration tests may change only rules with their prefix",
    upstream="not reported",
)
def authorize_targets_by_their_rule() -> None:
    from ministack.core import iam_actions

    replace_in_function(
        iam_actions,
        "extract_resource_arn",
        '_safe_json_field(body, "RuleName")\n        bus =',
        '_safe_json_field(body, "RuleName") or _safe_json_field(body, "Rule")\n        bus =',
    )


@patch(
    "event-source",
    area="permissions",
    aws="a policy can limit the events:source with which a role may publish events",
    emulator="the condition key is unknown, so that a policy with it denies all calls",
    reason="policies prevent a service from publishing with another service's source",
    upstream="not reported",
)
def add_event_source_condition_key() -> None:
    from ministack.core import iam_actions

    if "events:source" in inspect.getsource(iam_actions):
        raise NoLongerNeeded("the condition key exists")
    tag_context = iam_actions.request_tag_context

    def context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        if iam_action != "events:PutEvents":
            return tag_context(service, iam_action, body, params)
        sources = {entry.get("Source") for entry in json.loads(body)["Entries"]}
        # AWS authorizes each entry separately. Entries of several sources, which no service sends, are denied here.
        return {"events:source": sources.pop() if len(sources) == 1 else ""}

    iam_actions.request_tag_context = context


@patch(
    "events-in-logs",
    area="events and queues",
    aws=(
        "a rule's target may be a log group, which receives all matching events; an ARN that ends in :* receives "
        "nothing"
    ),
    emulator="the target is accepted and receives nothing",
    reason="the bus has a catch-all log, which the live map reads",
    upstream="not reported",
)
def deliver_events_to_log_groups() -> None:
    from ministack.services import cloudwatch_logs, eventbridge

    def put_in_log(resource: str, event: str) -> None:
        if resource.endswith(":*"):
            return  # the ARN from Fn::GetAtt: EventBridge accepts it as a target and delivers nothing
        group, stream = resource.removeprefix("log-group:"), "events"
        location = {"logGroupName": group, "logStreamName": stream}
        if stream not in cloudwatch_logs._log_groups[group]["streams"]:
            cloudwatch_logs._create_log_stream(location)
        cloudwatch_logs._put_log_events(location | {"logEvents": [{"message": event}]})

    eventbridge._put_in_log = put_in_log
    replace_in_function(
        eventbridge,
        "_invoke_target",
        'elif spec.service == "sqs":\n',
        'elif spec.service == "logs":\n            _put_in_log(spec.resource, event_payload)\n'
        '        elif spec.service == "sqs":\n',
    )


@patch(
    "rule-retries",
    area="events and queues",
    aws=(
        "a rule invokes a function asynchronously: Lambda retries a failure twice, then invokes its failure destination"
    ),
    emulator="it is invoked once, and a failed event is lost",
    reason="rules deliver notifications of feeds and events; campaigns check that these survive a failed call",
    upstream="not reported",
)
def invoke_rule_targets_asynchronously() -> None:
    from ministack.services import eventbridge

    replace_in_function(
        eventbridge,
        "_dispatch_to_lambda",
        "    threading.Thread(\n"
        "        target=lambda_svc._execute_function_with_config_scope, args=(exec_record, event), daemon=True\n"
        "    ).start()\n",
        "    lambda_svc.invoke_async_with_retry(exec_record, event)\n",
    )


# The limit of all entries of a request together.
MAX_EVENT_BYTES = 256 * 1024


@patch(
    "event-entries",
    area="events and queues",
    aws=(
        "PutEvents rejects entries without source, type or detail, a detail that is not a JSON object, and 256 KB "
        "or more at once"
    ),
    emulator="entries of any content and size are accepted",
    reason="a publisher of too many or invalid entries would fail only on AWS",
    upstream="not reported",
)
def validate_event_entries() -> None:
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import eventbridge

    put = eventbridge._put_events

    def size(entry: dict[str, Any]) -> int:
        """The size of an entry as AWS calculates it: docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html."""
        texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")] + (entry.get("Resources") or [])
        return sum(len(text.encode()) for text in texts) + (14 if entry.get("Time") else 0)

    def error(entry: dict[str, Any]) -> dict[str, str]:
        for name in ("Source", "DetailType", "Detail"):
            if not entry.get(name):
                message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
                return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            detail = None
        return (
            {} if isinstance(detail, dict) else {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        )

    def put_valid_events(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        entries = data.get("Entries") or []
        if sum(map(size, entries)) >= MAX_EVENT_BYTES:
            return error_response_json(
                "ValidationException", "Total size of the entries in the request is over the limit.", 400
            )
        errors = [error(entry) for entry in entries]
        # A request of more than ten entries is rejected as a whole, valid entries included.
        accepted = [entry for entry, problem in zip(entries, errors, strict=True) if not problem or len(entries) > 10]
        status, headers, body = put({**data, "Entries": accepted}, allow_aws_source)
        if len(accepted) == len(entries) or status != 200:
            return status, headers, body
        response = json.loads(body)
        results = iter(response["Entries"])
        failed = response["FailedEntryCount"] + len(entries) - len(accepted)
        return json_response({"FailedEntryCount": failed, "Entries": [problem or next(results) for problem in errors]})

    if "MalformedDetail" in inspect.getsource(put):
        raise NoLongerNeeded("events are validated")
    eventbridge._put_events = put_valid_events


@patch(
    "schedule-ticks",
    area="events and queues",
    aws="a schedule fires within its minute, and rules of the same minute do not wait for each other",
    emulator="schedules are checked every 10 s; the patch checks them every second",
    reason="tests and developers wait for the next run of a schedule",
    upstream="https://github.com/ministackorg/ministack/pull/538",
)
def check_schedules_every_second() -> None:
    from ministack.services import eventbridge, scheduler

    for module, name in ((eventbridge, "_SCHEDULER_TICK_INTERVAL"), (scheduler, "_SCHEDULE_TICK_INTERVAL")):
        if getattr(module, name) != 10:
            raise NoLongerNeeded(f"{name} is not 10 s")
        setattr(module, name, 1)
