"""Corrections to MiniStack 1.5.33, applied inside its own process before it serves.

Each is one small named rule: what AWS does, what the emulator does, and the change. A rule finds the place it corrects by the
text that stands there; when a newer emulator no longer has that text, ``apply`` fails and names the rule, so none outlives its
reason. ``make parity`` prints them; ``tests/integration/test_parity.py`` shows for each, under its name, that the emulator
as it comes still differs.
"""

import hashlib
import inspect
import io
import json
import os
import sys
import textwrap
import threading
import time
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from types import ModuleType
from typing import Any

from local.credentials import ROOT_ACCESS_KEY_ID, derived, root_secret
from local.emulator import names, nested_stacks, service_role
from local.settings import LAMBDA_PYTHON, STATE, UNPACKED

_unpacking = threading.Lock()


class NoLongerNeeded(Exception):
    """The emulator does not have the text that a correction replaces: look whether it still needs the correction."""


@dataclass(frozen=True)
class Correction:
    """``apply`` makes the change; ``aws`` and ``emulator`` say what differs without it, ``reason`` what it would cost us.

    ``tests`` are those beside the one of its name.
    """

    name: str
    area: str
    aws: str
    emulator: str
    reason: str
    apply: Callable[[], None]
    tests: tuple[str, ...] = ()


def source_of(function: Any) -> str:
    """The text of a function; one that was corrected before carries it, as the file shows only the original."""
    return getattr(function, "corrected_source", None) or textwrap.dedent(inspect.getsource(function))


def _replace_in_function(module: ModuleType, owner: Any, name: str, old: str, new: str) -> None:
    """Recompile ``owner.name`` with ``old`` replaced by ``new``; ``old`` must occur exactly once."""
    function = getattr(owner, name)
    source = source_of(function)
    if source.count(old) != 1:
        raise NoLongerNeeded(f"{module.__name__}.{name} does not contain {old!r} exactly once")
    scope: dict[str, Any] = {}
    corrected = source.replace(old, new)
    exec(compile(corrected, module.__file__ or module.__name__, "exec"), module.__dict__, scope)
    scope[name].corrected_source = corrected
    setattr(owner, name, scope[name])


def _replace_in_text(module: ModuleType, name: str, old: str, new: str) -> None:
    text = getattr(module, name)
    if text.count(old) != 1:
        raise NoLongerNeeded(f"{module.__name__}.{name} does not contain {old!r} exactly once")
    setattr(module, name, text.replace(old, new))


def _expand_nested_sam() -> None:
    from ministack.services.cloudformation import engine, provisioners

    if "_apply_transforms" in inspect.getsource(provisioners._cfn_nested_stack_deploy):
        raise NoLongerNeeded("nested templates are transformed")
    _replace_in_function(
        provisioners,
        provisioners,
        "_cfn_nested_stack_deploy",
        "template = _parse_template(template_body)\n",
        "given = [{'Key': k, 'Value': str(v)} for k, v in (props.get('Parameters') or {}).items()]\n"
        "    template = engine._apply_transforms(_parse_template(template_body), given)\n"
        "    if isinstance(template, engine._TransformFailed):\n"
        "        raise ValueError(template.error)\n",
    )
    provisioners.__dict__["engine"] = engine


def _refuse_unknown_types_in_nested_templates() -> None:
    from ministack.services.cloudformation import provisioners

    _replace_in_function(
        provisioners,
        provisioners,
        "_cfn_nested_stack_deploy",
        "param_values = _resolve_parameters(template, provided_params)\n",
        "param_values = _resolve_parameters(template, provided_params)\n"
        "    engine.validate_template_support(template, _evaluate_conditions(template, param_values), params=param_values)\n",
    )


def _expand_sam_with_parameters() -> None:
    from ministack.services.cloudformation import changesets, engine, handlers

    _replace_in_function(
        engine,
        engine,
        "_apply_transforms",
        "_sam_transform(copy.deepcopy(template), {}, ",
        "_sam_transform(copy.deepcopy(template), _transform_parameters(template, provided_params, previous_params), ",
    )
    for module in (changesets, handlers):
        module.__dict__["_apply_transforms"] = engine.__dict__["_apply_transforms"]


def _name_nested_stacks_in_events() -> None:
    from ministack.services.cloudformation import provisioners

    event = (
        '_cr_stack_id(parent_stack_name), parent_stack_name, logical_id, "AWS::CloudFormation::Stack", '
        'f"{status_prefix}_IN_PROGRESS", "", child_stack_id'
    )
    _replace_in_function(
        provisioners,
        provisioners,
        "_cfn_nested_stack_deploy",
        "    _stack_events.setdefault(child_stack_id, [])\n",
        f"    _stack_events.setdefault(child_stack_id, [])\n    _add_event({event})\n",
    )


def _publish_no_version_twice() -> None:
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    def content(config: dict[str, Any]) -> dict[str, Any]:
        own = {name: value for name, value in config.items() if not name.startswith(("State", "LastUpdate"))}
        own["SnapStart"] = (config.get("SnapStart") or {}).get("ApplyOn")
        return own | dict.fromkeys(("Version", "FunctionArn", "RevisionId", "LastModified"))

    def is_published(function: dict[str, Any], version: str) -> bool:
        return content(function["config"]) == content(function["versions"][version]["config"])

    for module, name, revision in (
        (lambda_svc, "_publish_version", 'func["config"].get("RevisionId")'),
        (provisioners, "_lambda_version_create", 'func["config"]["RevisionId"]'),
    ):
        module.__dict__["_is_published"] = is_published
        old = f'func["versions"][latest].get("function_revision") == {revision}'
        _replace_in_function(module, module, name, old, "_is_published(func, latest)")
    provisioners._RESOURCE_HANDLERS["AWS::Lambda::Version"]["create"] = provisioners.__dict__["_lambda_version_create"]


def _keep_attributes_in_nested_updates() -> None:
    from ministack.services.cloudformation import provisioners

    _replace_in_function(
        provisioners,
        provisioners,
        "_cfn_nested_stack_deploy",
        "old_tagged, new_tagged, child_name, child_logical_id,\n",
        'old_tagged, new_tagged, child_name, child_logical_id, prev.get("Attributes", {}),\n',
    )


def _retain_in_nested_stacks() -> None:
    from ministack.services.cloudformation import _stacks, provisioners

    if "_resource_policy" in inspect.getsource(provisioners._cfn_nested_stack_delete):
        raise NoLongerNeeded("nested stacks keep what they retain")
    handlers = provisioners._RESOURCE_HANDLERS[service_role.NESTED]
    create = handlers["create"]

    def made_or_removed(logical: str, properties: dict[str, Any], parent: str) -> Any:
        before = set(_stacks)
        # The name of the nested stack is in the names that it generates, and is another one for each creation.
        token = provisioners._NAME_SEED.set("")
        try:
            return create(logical, properties, parent)
        except Exception:
            for name in set(_stacks) - before:
                if name.startswith(f"{parent}-{logical}-") and _stacks[name].get("_parent_stack_name") == parent:
                    with suppress(nested_stacks.NotDeleted):
                        nested_stacks.remove(name, nested_stacks.KEPT_BY_ROLLBACK)
            raise
        finally:
            provisioners._NAME_SEED.reset(token)

    def delete(physical: str, _properties: dict[str, Any]) -> None:
        name = provisioners._nested_stack_lookup_name(physical)
        if name in _stacks:
            nested_stacks.remove(name, nested_stacks.KEPT)

    handlers["create"] = made_or_removed
    handlers["delete"] = delete


def _generate_another_name_each_time() -> None:
    from ministack.services.cloudformation import stacks

    _replace_in_function(
        stacks,
        stacks,
        "_provision_keeping_seed",
        '_NAME_SEED.set("")',
        "_NAME_SEED.set(new_uuid()[:8])",
    )


def _refuse_taken_names() -> None:
    from ministack.services.cloudformation import provisioners, stacks

    provision = provisioners._provision_resource

    def provision_new(kind: str, logical: str, properties: dict[str, Any], stack: str) -> Any:
        names.check(kind, properties)
        return provision(kind, logical, properties, stack)

    # Types without an update of their own are made again under the name that they have.
    again = "return _provision_resource(resource_type, logical_id or physical_id, new_props, stack_name)"
    provisioners.__dict__["_provision_again"] = provision
    _replace_in_function(
        provisioners, provisioners, "_update_resource", again, again.replace("_resource(", "_again(", 1)
    )
    update = provisioners.__dict__["_update_resource"]

    def update_renamed(
        kind: str, physical: str, old: dict[str, Any], new: dict[str, Any], stack: str, *rest: Any
    ) -> Any:
        if names.given(kind, new) != names.given(kind, old):
            names.check(kind, new)
        return update(kind, physical, old, new, stack, *rest)

    for module in (provisioners, stacks):
        module._provision_resource, module._update_resource = provision_new, update_renamed


def _make_no_log_group_again() -> None:
    from ministack.services import iam, lambda_svc
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]
    create = handlers["create"]

    def with_boundary(logical: str, properties: dict[str, Any], stack: str) -> Any:
        made = create(logical, properties, stack)
        iam._roles[made[0]]["Boundary"] = properties.get("PermissionsBoundary")
        return made

    def may_make_group(role: str) -> bool:
        found = iam._roles.get(role.rpartition("/")[2])
        return bool(found) and not found.get("Boundary")

    handlers["create"] = with_boundary
    lambda_svc._may_make_group = may_make_group
    missing = "if group_name not in _cwl._log_groups:\n"
    _replace_in_function(
        lambda_svc,
        lambda_svc,
        "_emit_lambda_logs",
        missing,
        f'{missing}            if not _may_make_group(config.get("Role", "")):\n                return\n',
    )


def _delete_only_empty_buckets() -> None:
    from ministack.services import s3
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    delete = handlers["delete"]
    if "objects" in inspect.getsource(delete):
        raise NoLongerNeeded("buckets that hold something are kept")

    def delete_empty(name: str, properties: dict[str, Any]) -> None:
        if s3._buckets.get(name, {}).get("objects") or any(
            bucket == name and versions for (bucket, _), versions in s3._object_versions.items()
        ):
            raise ValueError("The bucket you tried to delete is not empty. You must delete all versions in the bucket.")
        delete(name, properties)

    handlers["delete"] = delete_empty


# Types that templates use and the emulator does not know; they are recorded and nothing is created for them.
LEFT_OUT = {
    "AWS::Events::Archive": "archives exist in the API only; the replay test makes its own through it",
    "AWS::CloudFront::VpcOrigin": "the CDN here reaches a load balancer by its name",
    "AWS::WAFv2::WebACLAssociation": "the front door evaluates the web ACL that the recorded association names",
    "AWS::WAFv2::LoggingConfiguration": "the front door refuses in the place of a web ACL and writes no log of it",
    "AWS::CloudTrail::Trail": "calls are not recorded here, but for those that roles make (make iam-report)",
    "AWS::CodeDeploy::Application": "functions change at once here",
    "AWS::CodeDeploy::DeploymentGroup": "functions change at once here",
    "AWS::XRay::ResourcePolicy": "topics have no traces of their own here",
    "AWS::EC2::VPCCidrBlock": "no network is emulated",
    "AWS::EC2::EgressOnlyInternetGateway": "no network is emulated",
}


def _leave_out_unknown_types() -> None:
    from ministack.services.cloudformation import provisioners

    def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        return f"{stack_name}-{logical_id}", {"Arn": f"arn:aws:left-out:::{stack_name}/{logical_id}"}

    for resource_type in LEFT_OUT:
        if resource_type in provisioners._RESOURCE_HANDLERS:
            raise NoLongerNeeded(f"{resource_type} is implemented")
        provisioners._RESOURCE_HANDLERS[resource_type] = {"create": create, "delete": lambda *_: None}


def _name_the_error_type() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    _replace_in_text(
        lambda_runtime,
        "_PYTHON_WORKER_SCRIPT",
        '"error": str(e), "trace": traceback.format_exc()}',
        '"error": str(e), "trace": traceback.format_exc(), "error_type": type(e).__name__}',
    )
    name = next(
        name
        for name, function in vars(lambda_svc).items()
        if inspect.isfunction(function)
        and function.__module__ == lambda_svc.__name__
        and 'result.get("trace", result.get("error", ""))' in inspect.getsource(function)
    )
    _replace_in_function(
        lambda_svc,
        lambda_svc,
        name,
        'error_type = "Runtime.HandlerError"\n',
        'error_type = result.get("error_type", "Runtime.HandlerError")\n',
    )


def _log_what_does_not_start_or_end() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    from local.emulator.function_workers import failures

    _replace_in_text(
        lambda_runtime,
        "_PYTHON_WORKER_SCRIPT",
        '"error": str(e)}',
        '"error": str(e), "answer": init_error(e, module_name, handler_name, "mod" in locals())}',
    )
    lambda_runtime._PYTHON_WORKER_SCRIPT = inspect.getsource(failures.init_error) + lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_runtime._init_failed = failures.init_failed
    for old, new in (
        (
            'if response.get("status") != "ready":\n',
            'if "answer" in response:\n'
            '        raise _init_failed(self, response["answer"])\n'
            '    if response.get("status") != "ready":\n',
        ),
        ('RuntimeError(f"Worker process exited immediately. stderr: {stderr_out}")', "_init_failed(self)"),
    ):
        _replace_in_function(lambda_runtime, lambda_runtime.Worker, "_spawn", old, new)
    for name in ("not_started", "timed_out", "log_events"):
        setattr(lambda_svc, f"_{name}", getattr(failures, name))
    failure = "failure=result.get('failure') if isinstance(result, dict) else None"
    for function, old, new in (
        ("_execute_function_warm", 'error_type = "Sandbox.Timedout"\n', "return _timed_out(request_id, result)\n"),
        (
            "_execute_function_warm",
            """return {
            "body": {"errorMessage": str(e), "errorType": type(e).__name__},
            "error": True,
            "log": "",
        }
""",
            "return _not_started(request_id, e)\n",
        ),
        ("_execute_function_dispatch", "duration_ms,\n", f"duration_ms, {failure},\n"),
        ("_emit_lambda_logs", "log_source: str | None = None)", "log_source: str | None = None, failure=None)"),
        (
            "_emit_lambda_logs",
            "[start, *(log_text.splitlines() if log_text else []), end, _report()]",
            "_log_events(start, log_text or '', end, _report(), failure)",
        ),
    ):
        _replace_in_function(lambda_svc, lambda_svc, function, old, new)


# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html; a response may be a little longer.
MOST_PAYLOAD_BYTES = {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024}
MOST_RESPONSE_BYTES = 6_291_556


def _limit_payloads() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import lambda_svc

    def limited(response: Any, log: str) -> dict[str, Any]:
        if len(json.dumps(response, ensure_ascii=False).encode(errors="surrogatepass")) <= MOST_RESPONSE_BYTES:
            return {"body": response, "log": log}
        message = f"Response payload size exceeded maximum allowed payload size ({MOST_RESPONSE_BYTES} bytes)."
        body = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        return {"body": body, "error": True, "log": log}

    lambda_svc._limited = limited
    _replace_in_function(
        lambda_svc,
        lambda_svc,
        "_execute_function_warm",
        'return {"body": result.get("result"), "log": result.get("log", "")}',
        'return _limited(result.get("result"), result.get("log", ""))',
    )
    invoke = lambda_svc._invoke

    async def limiting(name: str, event: Any, headers: dict[str, str], *more: Any, **options: Any) -> Any:
        lower = {key.lower(): value for key, value in headers.items()}
        kind, size = lower.get("x-amz-invocation-type") or "RequestResponse", int(lower.get("content-length") or 0)
        if size <= MOST_PAYLOAD_BYTES.get(kind, size):
            return await invoke(name, event, headers, *more, **options)
        message = (
            f"{size} byte payload is too large for the {kind} invocation type (limit {MOST_PAYLOAD_BYTES[kind]} bytes)"
        )
        return error_response_json("RequestTooLargeException", message, 413)

    if "RequestTooLarge" in inspect.getsource(invoke):
        raise NoLongerNeeded("payloads are limited")
    lambda_svc._invoke = limiting


def _answer_silent_handlers_at_once() -> None:
    from ministack.core import lambda_runtime

    owner = next(value for value in vars(lambda_runtime).values() if hasattr(value, "_drain_stderr_bounded"))
    function = owner._drain_stderr_bounded
    if function.__defaults__ != (0.050, 0.005, 0.250):
        raise NoLongerNeeded("_drain_stderr_bounded waits differently")
    function.__defaults__ = (0.004, 0.002, 0.250)


def _run_functions_in_a_clean_interpreter() -> None:
    from ministack.core import lambda_runtime

    _replace_in_function(
        lambda_runtime,
        lambda_runtime,
        "_detect_runtime_binary",
        "return sys.executable, _PYTHON_WORKER_SCRIPT",
        f"return {str(LAMBDA_PYTHON)!r}, _PYTHON_WORKER_SCRIPT",
    )


def _count_concurrency_in_numbers() -> None:
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handlers["create"], handlers["update"]
    if "MaximumConcurrency" in inspect.getsource(create):
        raise NoLongerNeeded("concurrency is read as a number")

    def numbered(properties: dict[str, Any]) -> dict[str, Any]:
        scaling = properties.get("ScalingConfig") or {}
        if "MaximumConcurrency" not in scaling:
            return properties
        return properties | {"ScalingConfig": scaling | {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}

    handlers["create"] = lambda name, properties, stack: create(name, numbered(properties), stack)
    handlers["update"] = lambda name, old, new, stack: update(name, old, numbered(new), stack)


def _deliver_in_batches() -> None:
    from ministack.services import firehose

    from local.emulator import firehose as ours

    if "S3BackupConfiguration" in inspect.getsource(firehose):
        raise NoLongerNeeded("records are backed up")
    firehose._deliver_records_to_s3 = ours.buffer
    put_batch = firehose._HANDLERS["PutRecordBatch"]

    def limited(data: dict[str, Any]) -> Any:
        if ours.too_large(data.get("Records", [])):
            return firehose._invalid("The batch, or a record of it, is too large.")
        return put_batch(data)

    firehose._HANDLERS["PutRecordBatch"] = limited
    state, load = firehose.get_state, firehose.load_persisted_state

    def restored(data: dict[str, Any]) -> Any:
        ours.restore(data.pop("waiting", []))
        return load(data)

    firehose.get_state = lambda: state() | {"waiting": ours.state()}
    firehose.load_persisted_state = restored


def _reach_private_origins_over_http() -> None:
    from ministack.services import cloudfront

    _replace_in_function(
        cloudfront,
        cloudfront,
        "_dataplane_origin",
        'if custom is not None else "match-viewer"',
        'if custom is not None else "http-only"',
    )


def _register_declared_targets() -> None:
    from ministack.services import alb
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::ElasticLoadBalancingV2::TargetGroup"]
    if '"Targets"' in inspect.getsource(handlers["create"]):
        raise NoLongerNeeded("target groups register their targets")
    create, update = handlers["create"], handlers["update"]

    def register(created: tuple[str, dict[str, Any]], properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        # Functions have no port.
        alb._targets[created[0]] = [{"Port": 80, **target} for target in properties.get("Targets", [])]
        return created

    handlers["create"] = lambda name, new, stack: register(create(name, new, stack), new)
    handlers["update"] = lambda *given, **named: register(update(*given, **named), given[2])


def _name_target_groups_in_full() -> None:
    from ministack.services import alb

    full_name = alb._target_group_full_name_from_arn
    if full_name("arn:aws:elasticloadbalancing:region:account:targetgroup/name/id").startswith("targetgroup/"):
        raise NoLongerNeeded("target groups have their full names")
    alb._target_group_full_name_from_arn = lambda arn: f"targetgroup/{full_name(arn)}"


def _give_networks_ipv6() -> None:
    from ministack.services.cloudformation import provisioners

    if "Ipv6CidrBlocks" in inspect.getsource(provisioners):
        raise NoLongerNeeded("networks say their IPv6 blocks")
    handlers = provisioners._RESOURCE_HANDLERS["AWS::EC2::VPC"]
    create, update = handlers["create"], handlers["update"]

    def with_block(made: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        # Of the range for documentation, RFC 3849.
        return made[0], {**made[1], "Ipv6CidrBlocks": ["2001:db8::/56"]}

    handlers["create"] = lambda *given, **named: with_block(create(*given, **named))
    handlers["update"] = lambda *given, **named: with_block(update(*given, **named))


def _keep_secrets_of_containers() -> None:
    from ministack.services.cloudformation import provisioners

    _replace_in_function(
        provisioners,
        provisioners,
        "_normalize_container_defs",
        'elif camel == "logConfiguration"',
        """elif camel in ("secrets", "healthCheck"):
                v = _pascal_to_camel(v)
            elif camel == "logConfiguration\"""",
    )


def _pass_on_queries_as_they_are() -> None:
    from ministack.services import alb

    _replace_in_function(
        alb,
        alb,
        "_invoke_lambda_target",
        """    event = {
        "requestContext\"""",
        """    if raw_query_string is not None:
        query_params = {}
        for pair in filter(None, raw_query_string.split("&")):
            name, _, value = pair.partition("=")
            query_params.setdefault(name, []).append(value)
    event = {
        "requestContext\"""",
    )


def _look_only_where_matches_are() -> None:
    from ministack.services import dynamodb

    def matching(items: list[Any], condition: str, values: Any, names: Any, sort_key: str, forward: bool) -> list[Any]:
        """Of one partition in the order of its sort key, what a key condition asks for: it stands together."""

        def asked_for(item: Any) -> bool:
            return bool(dynamodb._evaluate_condition(condition, item, values, names, slot="KeyConditionExpression"))

        clauses = dynamodb._key_condition_clauses(dynamodb._tokenize(condition))
        if len(clauses) == 1 and items and asked_for(items[0]):
            return items
        operands = [token[1] for token in clauses[-1] if token[0] == "VALUE_REF"]
        prefixed = any(token[1] == "begins_with" for token in clauses[-1]) and "S" in values[operands[0]]
        if len(clauses) == 2 and prefixed and forward:
            prefix = values[operands[0]]["S"]
            key = lambda item: item[sort_key]["S"][: len(prefix)]  # noqa: E731
            return items[bisect_left(items, prefix, key=key) : bisect_right(items, prefix, key=key)]
        return [item for item in items if asked_for(item)]

    dynamodb._matching = matching
    _replace_in_function(
        dynamodb,
        dynamodb,
        "_query",
        'candidates = [it for it in candidates if _evaluate_condition(key_cond, it, eav, ean, slot="KeyConditionExpression")]',
        "candidates = _matching(candidates, key_cond, eav, ean, sk_name, scan_forward)",
    )


def _parse_expressions_first() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import dynamodb

    from local.emulator import dynamodb_expressions

    def key_attributes(request: dict[str, Any]) -> frozenset[str]:
        table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName"))) or {}
        indexes = [*table.get("GlobalSecondaryIndexes", ()), *table.get("LocalSecondaryIndexes", ())]
        read = next((index for index in indexes if index["IndexName"] == request.get("IndexName")), table)
        return frozenset(key["AttributeName"] for key in read.get("KeySchema", ()))

    def refusal(operation: str, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes] | None:
        keys = key_attributes(request) if operation == "Query" else frozenset()
        message = dynamodb_expressions.error(operation, request, keys)
        if message is None:
            return None
        answer: tuple[int, dict[str, str], bytes] = error_response_json("ValidationException", message, 400)
        return answer

    dynamodb._refusal = refusal
    _replace_in_function(
        dynamodb,
        dynamodb,
        "handle_request",
        "    status, resp_headers, resp_body = handler(data)\n",
        "    status, resp_headers, resp_body = _refusal(action, data) or handler(data)\n",
    )


def _receive_from_deep_queues() -> None:
    from ministack.services import sqs

    sqs._receive_count = itemgetter("receive_count")
    _replace_in_function(
        sqs,
        sqs,
        "_collect_msgs",
        """    for m in q["messages"]:
        _ensure_msg_fields(m)
    visible = [m for m in q["messages"] if m["visible_at"] <= now]
    result = visible[:max_n]
""",
        """    result = []
    for m in q["messages"]:
        _ensure_msg_fields(m)
        if m["visible_at"] <= now:
            result.append(m)
            if len(result) == max_n:
                break
""",
    )
    _replace_in_function(
        sqs,
        sqs,
        "_dlq_sweep",
        "    keep: list = []\n",
        "    if max(map(_receive_count, q['messages']), default=0) < max_rc:\n        return\n    keep: list = []\n",
    )
    # Messages are kept for minutes at least: a second more or less is no difference.
    _replace_in_function(
        sqs,
        sqs,
        "_expire_retained",
        "    cutoff = now - retention\n",
        "    if now - q.get('expired_at', 0) < 1:\n        return\n    q['expired_at'] = now\n    cutoff = now - retention\n",
    )


def _allow_batches_as_single_messages() -> None:
    from ministack.core import iam_actions

    _replace_in_function(
        iam_actions,
        iam_actions,
        "_action_from_target",
        'return target.rsplit(".", 1)[-1]',
        'name = target.rsplit(".", 1)[-1]\n'
        '        return name.removesuffix("Batch") if target.startswith("AmazonSQS.") else name',
    )


def _allow_batches_of_a_topic_as_single_messages() -> None:
    from ministack.core import iam_actions

    named = iam_actions._action_from_query

    def action(query_params: dict[str, Any], body: bytes, content_type: str) -> str | None:
        name = named(query_params, body, content_type)
        return "Publish" if name == "PublishBatch" else name

    iam_actions._action_from_query = action


def _resolve_condition_key(name: str, value: Callable[[Any], Any]) -> None:
    """Have policies see ``value`` of a request's ``EvalContext`` under this condition key."""
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolved(key: str, context: Any) -> Any:
        return value(context) if key.lower() == name.lower() else resolve(key, context)

    iam_evaluator._resolve_condition_key = resolved


def _name_actions_of_lambda_as_iam_does() -> None:
    from ministack.core import iam_actions
    from ministack.services import lambda_svc

    if iam_actions._lambda_action("GET", "/2015-03-31/event-source-mappings/1") == "GetEventSourceMapping":
        raise NoLongerNeeded("actions of Lambda have their names")
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]

    def action(method: str, path: str) -> str | None:
        operation = iam_actions._match_rest_action("lambda", method, path)
        # IAM has one action for all three ways to invoke a function.
        return "InvokeFunction" if operation and operation.startswith("Invoke") else operation

    def function_of_mapping(context: Any) -> Any:
        return (lambda_svc._esms.get(context.resource_arn.rpartition(":")[2]) or {}).get("FunctionArn")

    iam_actions._lambda_action = action
    _resolve_condition_key("lambda:FunctionArn", function_of_mapping)


def _authorize_targets_by_their_rule() -> None:
    from ministack.core import iam_actions

    _replace_in_function(
        iam_actions,
        iam_actions,
        "extract_resource_arn",
        '_safe_json_field(body, "RuleName")\n        bus =',
        '_safe_json_field(body, "RuleName") or _safe_json_field(body, "Rule")\n        bus =',
    )


def _tell_policies_the_event_source() -> None:
    from ministack.core import iam_actions

    if "events:source" in inspect.getsource(iam_actions):
        raise NoLongerNeeded("policies know the event source")
    keyed = iam_actions.request_tag_context

    def context(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        if iam_action != "events:PutEvents":
            return keyed(service, iam_action, body, params)
        sources = {entry.get("Source") for entry in json.loads(body)["Entries"]}
        # Each entry is judged by itself on AWS; entries of several sources are refused here, which no service of ours sends.
        return {"events:source": sources.pop() if len(sources) == 1 else ""}

    iam_actions.request_tag_context = context


def _deliver_events_to_logs() -> None:
    from ministack.services import cloudwatch_logs, eventbridge

    def to_log(resource: str, event: str) -> None:
        if resource.endswith(":*"):
            return  # what Fn::GetAtt says of a log group: EventBridge accepts it as a target, and delivers nothing
        group, stream = resource.removeprefix("log-group:"), "events"
        place = {"logGroupName": group, "logStreamName": stream}
        if stream not in cloudwatch_logs._log_groups[group]["streams"]:
            cloudwatch_logs._create_log_stream(place)
        cloudwatch_logs._put_log_events(place | {"logEvents": [{"message": event}]})

    eventbridge._to_log = to_log
    _replace_in_function(
        eventbridge,
        eventbridge,
        "_invoke_target",
        'elif spec.service == "sqs":\n',
        'elif spec.service == "logs":\n            _to_log(spec.resource, event_payload)\n'
        '        elif spec.service == "sqs":\n',
    )


def _repeat_what_rules_invoke() -> None:
    from ministack.services import eventbridge

    _replace_in_function(
        eventbridge,
        eventbridge,
        "_dispatch_to_lambda",
        "    threading.Thread(\n"
        "        target=lambda_svc._execute_function_with_config_scope, args=(exec_record, event), daemon=True\n"
        "    ).start()\n",
        "    lambda_svc.invoke_async_with_retry(exec_record, event)\n",
    )


def _unpack_once() -> None:
    from ministack.core import lambda_runtime

    worker = lambda_runtime.Worker
    _replace_in_function(
        lambda_runtime,
        worker,
        "_spawn",
        "            if layer_data:\n",
        "            if layer_data:\n"
        "                layers_dirs.append(_unpacked(layer_data))\n"
        "                continue\n"
        "            if layer_data:\n",
    )
    # Libraries of layers are linked into the code of Node.js functions, which therefore have a copy of their own.
    _replace_in_function(
        lambda_runtime,
        worker,
        "_spawn",
        "    os.makedirs(code_dir)\n"
        '    with open(os.path.join(self._tmpdir, "code.zip"), "wb") as f:\n'
        "        f.write(self.code_zip)\n"
        '    with zipfile.ZipFile(os.path.join(self._tmpdir, "code.zip")) as zf:\n'
        "        zf.extractall(code_dir)\n",
        '    if runtime.startswith("python"):\n'
        "        code_dir = _unpacked(self.code_zip)\n"
        "    else:\n"
        "        shutil.copytree(_unpacked(self.code_zip), code_dir)\n",
    )
    lambda_runtime._unpacked = unpacked


@lru_cache(maxsize=256)
def _sha256(archive: bytes) -> str:
    return hashlib.sha256(archive).hexdigest()


def unpacked(archive: bytes) -> str:
    """The folder of a layer's or a function's zip, the same one for every process that has it, as on AWS."""
    folder = UNPACKED / _sha256(archive)
    with _unpacking:
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(partial)
            partial.rename(folder)
    return str(folder)


def _fork_workers() -> None:
    from ministack.core import lambda_runtime

    from local.emulator.function_workers.fork_server import WorkerStarter

    lambda_runtime._start_process = WorkerStarter(str(LAMBDA_PYTHON)).start
    _replace_in_function(
        lambda_runtime,
        lambda_runtime.Worker,
        "_spawn",
        "self._proc = subprocess.Popen(",
        "self._proc = _start_process(",
    )


def _keep_workers_after_exceptions() -> None:
    from ministack.core import lambda_runtime

    # Only the answer to an exception has a traceback, not that of a process which ended.
    old = 'if response.get("status") == "error":\n'
    new = 'if response.get("status") == "error" and "trace" not in response:\n'
    _replace_in_function(lambda_runtime, lambda_runtime.Worker, "invoke", old, new)


def _limit_starts() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    from local.emulator.function_workers import pool

    if 'return worker, "spawn"' not in inspect.getsource(lambda_runtime.acquire_worker):
        raise NoLongerNeeded("workers are leased differently")
    _replace_in_function(lambda_runtime, lambda_runtime.Worker, "invoke", "self._spawn()\n", "_pool.start(self)\n")
    _replace_in_function(lambda_runtime, lambda_runtime, "ensure_spawned", "worker._spawn()\n", "_pool.start(worker)\n")
    lambda_svc.ensure_spawned = lambda_runtime.ensure_spawned
    _replace_in_function(
        lambda_svc,
        lambda_svc,
        "_execute_function_warm",
        "invalidate_worker(func_name, qualifier=qualifier, account=get_account_id(), region=get_region())\n"
        "        worker = None  # invalidate_worker already dropped it from the pool\n",
        "_pool.discard(worker)\n        worker = None\n",
    )
    pool.install(lambda_runtime, lambda_svc, os.cpu_count() or 1)


def _each(seconds: float) -> Callable[[], bool]:
    """Something to ask whether ``seconds`` have gone by since it last said so; the first time it does."""
    last = float("-inf")

    def due() -> bool:
        nonlocal last
        now = time.monotonic()
        if now - last < seconds:
            return False
        last = now
        return True

    return due


def _keep_points_in_order() -> None:
    from ministack.services import cloudwatch

    from local.emulator import cloudwatch as ours

    evict, load = cloudwatch._evict_old_metrics, cloudwatch.load_persisted_state
    time_to_evict = _each(60)

    def ordered(key: tuple[str, str, Any]) -> ours.Ordered:
        return ours.Ordered(cloudwatch._metric_bucket(key))

    def evict_once_a_minute() -> None:
        if time_to_evict():
            evict()

    def restored(data: dict[str, Any]) -> None:
        load(data)
        metrics = cloudwatch._metrics._data
        for key in metrics:
            metrics[key] = ours.by_minute(metrics[key], time.time() - ours.FULL_RESOLUTION_SECONDS)

    cloudwatch._ordered = ordered
    cloudwatch._evict_old_metrics = evict_once_a_minute
    cloudwatch.load_persisted_state = restored
    for function in ("_store_datum", "record_metric"):
        _replace_in_function(cloudwatch, cloudwatch, function, "_metric_bucket(", "_ordered(")
    _replace_in_function(cloudwatch, cloudwatch, "_put_metric_data", "    _evaluate_all_alarms()\n", "")
    cloudwatch._evaluate_every_alarm = cloudwatch._evaluate_all_alarms


def _evaluate_as_documented() -> None:
    from ministack.services import cloudwatch

    from local.emulator import alarms, service_metrics

    evaluating = threading.Lock()

    def change(alarm: alarms.Alarm) -> tuple[str | None, str]:
        name = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        key = alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions)

        def statistic(start: float, end: float) -> float | None:
            points = service_metrics.points(key, start, end)
            points = [point for point in points if alarm.get("Unit") in (None, point["Unit"])]
            if not points:
                return None
            value: float | None = cloudwatch._stat_value(cloudwatch._calc_stats(points), name, points)
            return value

        return alarms.evaluate(alarm, statistic, time.time())

    def put_if_possible(alarm: alarms.Alarm) -> None:
        problem = alarms.problem(alarm)
        if problem:
            raise ValueError(problem)
        put(alarm)

    put = cloudwatch.cloudformation_put_metric_alarm
    cloudwatch.cloudformation_put_metric_alarm = put_if_possible
    cloudwatch.__dict__.update(_evaluating=evaluating, _change=change, _problem=alarms.problem)
    source = source_of(cloudwatch._evaluate_alarm)
    body = source[source.index("    ns = alarm.get") : source.index('    old_state = alarm["StateValue"]\n')]
    _replace_in_function(cloudwatch, cloudwatch, "_evaluate_alarm", body, "    new_state, reason = _change(alarm)\n")
    for old, new in (
        ('    new_state = "ALARM" if breaching else "OK"\n', ""),
        ("    if old_state != new_state:\n", "    if new_state is not None and old_state != new_state:\n"),
        ('        reason = f"Threshold Crossed: {stat_name} {val} {op} {threshold}"\n', ""),
    ):
        _replace_in_function(cloudwatch, cloudwatch, "_evaluate_alarm", old, new)
    evaluate = cloudwatch._evaluate_alarm

    def one_at_a_time(alarm: alarms.Alarm) -> None:
        # A deployment's thread evaluates what it creates: no change is to be told twice.
        with evaluating:
            evaluate(alarm)

    cloudwatch._evaluate_alarm = one_at_a_time
    _replace_in_function(
        cloudwatch,
        cloudwatch,
        "_put_metric_alarm",
        "    is_new = name not in _alarms\n",
        "    problem = _problem(alarm | cbor_data)\n"
        "    if problem:\n"
        "        return _error('ValidationError', problem, 400, use_json=is_json, use_cbor=is_cbor)\n"
        "    is_new = name not in _alarms\n",
    )


def _refuse_namespaces_of_services() -> None:
    from ministack.services import cloudwatch

    put = cloudwatch._put_metric_data

    def refusing(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        namespace = data.get("Namespace") or cloudwatch._p(params, "Namespace")
        if namespace.startswith("AWS/"):
            message = f"The value {namespace} for parameter Namespace is invalid."
            return cloudwatch._error("InvalidParameterValue", message, 400, use_json=is_json, use_cbor=is_cbor)
        return put(params, data, is_cbor, is_json)

    if "AWS/" in inspect.getsource(put):
        raise NoLongerNeeded("namespaces of services are refused")
    cloudwatch._put_metric_data = refusing


# Of all entries of a request together.
MOST_EVENT_BYTES = 256 * 1024


def _judge_events() -> None:
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import eventbridge

    put = eventbridge._put_events

    def size(entry: dict[str, Any]) -> int:
        """As AWS calculates it: docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html."""
        texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")] + (entry.get("Resources") or [])
        return sum(len(text.encode()) for text in texts) + (14 if entry.get("Time") else 0)

    def fault(entry: dict[str, Any]) -> dict[str, str]:
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

    def judging(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        entries = data.get("Entries") or []
        if sum(map(size, entries)) >= MOST_EVENT_BYTES:
            return error_response_json(
                "ValidationException", "Total size of the entries in the request is over the limit.", 400
            )
        faults = [fault(entry) for entry in entries]
        # More than ten are refused together, those with a fault as well.
        accepted = [entry for entry, found in zip(entries, faults, strict=True) if not found or len(entries) > 10]
        status, headers, body = put({**data, "Entries": accepted}, allow_aws_source)
        if len(accepted) == len(entries) or status != 200:
            return status, headers, body
        answer = json.loads(body)
        others = iter(answer["Entries"])
        failed = answer["FailedEntryCount"] + len(entries) - len(accepted)
        return json_response({"FailedEntryCount": failed, "Entries": [found or next(others) for found in faults]})

    if "MalformedDetail" in inspect.getsource(put):
        raise NoLongerNeeded("events are judged")
    eventbridge._put_events = judging


# Each with the reason that SQS gives.
MOST_SECONDS = {
    "DelaySeconds": (900, "DelaySeconds must be >= 0 and <= 900."),
    "VisibilityTimeout": (43_200, "Must be >= 0 and <= 43200, if provided."),
    "WaitTimeSeconds": (20, "Must be >= 0 and <= 20, if provided."),
}
MOST_PARAMETER_BYTES = {"Standard": 4096, "Advanced": 8192}
# Of a PutMetricData and of each of its metrics.
MOST_ITEMS = {"MetricData": 1000, "Dimensions": 30, "Values": 150, "Counts": 150}


def _limit_requests() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import cloudwatch, sqs, ssm

    refusals = ((sqs, "must be >= 0"), (ssm, "4096 characters"), (cloudwatch, "must not have a size greater than"))
    for module, refusal in refusals:
        if refusal in inspect.getsource(module):
            raise NoLongerNeeded(f"{module.__name__} refuses what exceeds a limit")

    def in_time(act: Callable[[dict[str, Any], str], Any]) -> Callable[[dict[str, Any], str], Any]:
        def limited(data: dict[str, Any], url: str) -> Any:
            for name, (most, reason) in MOST_SECONDS.items():
                value = data.get(name)
                if value is not None and not 0 <= int(value) <= most:
                    message = f"Value {value} for parameter {name} is invalid. Reason: {reason}"
                    raise sqs._Err("InvalidParameterValue", message)
            return act(data, url)

        return limited

    # The batch of messages sends each with the first of these.
    for action, name in (
        ("SendMessage", "_act_send_message"),
        ("ReceiveMessage", "_act_receive_message"),
        ("ChangeMessageVisibility", "_act_change_visibility"),
    ):
        act = in_time(sqs._HANDLERS[action])
        sqs._HANDLERS[action] = act
        setattr(sqs, name, act)

    put_parameter, put_metric_data = ssm._put_parameter, cloudwatch._put_metric_data

    def small_parameter(data: dict[str, Any]) -> Any:
        value = data.get("Value") or ""
        tier = data.get("Tier") or ssm._default_tier(data, value, ssm._parameters.get(data.get("Name")))
        tier = tier if tier in MOST_PARAMETER_BYTES else "Advanced"  # what Intelligent-Tiering makes of a large one
        most = MOST_PARAMETER_BYTES[tier]
        if len(value.encode()) <= most:
            return put_parameter(data)
        message = f"{tier} tier parameters support a maximum parameter value of {most} characters."
        return error_response_json("ValidationException", message, 400)

    def sizes(params: dict[str, Any], data: dict[str, Any]) -> Iterator[tuple[str, int]]:
        """The lists of a request, each by its path with how long it is, or with the place of an item."""
        metrics = data.get("MetricData") or []
        yield "MetricData", len(metrics)
        for number, metric in enumerate(metrics, 1):
            for name in MOST_ITEMS:
                yield f"MetricData.member.{number}.{name}", len(metric.get(name) or [])
        for key in params:  # MetricData.member.2.Dimensions.member.1.Name
            parts = key.split(".member.")
            for place in range(1, len(parts)):
                yield ".member.".join(parts[:place]), int(parts[place].partition(".")[0])

    def few_metrics(params: Any, data: Any, is_cbor: bool, is_json: bool = False) -> Any:
        for path, size in sizes(params, data):
            most = MOST_ITEMS.get(path.rpartition(".")[2], size)
            if size > most:
                message = f"The collection {path} must not have a size greater than {most}."
                return cloudwatch._error("InvalidParameterValue", message, 400, use_json=is_json, use_cbor=is_cbor)
        return put_metric_data(params, data, is_cbor, is_json)

    ssm._put_parameter = small_parameter
    cloudwatch._put_metric_data = few_metrics


def _fire_schedules_on_time() -> None:
    from ministack.services import eventbridge, scheduler

    for module, name in ((eventbridge, "_SCHEDULER_TICK_INTERVAL"), (scheduler, "_SCHEDULE_TICK_INTERVAL")):
        if getattr(module, name) != 10:
            raise NoLongerNeeded(f"{name} is not 10 s")
        setattr(module, name, 1)


def _call_loopback_secure() -> None:
    from ministack.core import iam_evaluator

    if "secure_transport" not in inspect.getsource(iam_evaluator._resolve_condition_key):
        raise NoLongerNeeded("policies do not see how a request came")
    # The emulator listens on loopback only: no other machine can read a request.
    _resolve_condition_key("aws:SecureTransport", lambda _: "true")


def _name_the_role_of_a_session() -> None:
    from ministack.core import iam_evaluator
    from ministack.services import iam

    def role_or_user(context: Any) -> Any:
        if ":assumed-role/" not in context.principal_arn:
            return context.principal_arn
        name = iam_evaluator._role_name_from_assumed_arn(context.principal_arn)
        role = iam._roles.get_scoped(context.principal_account, None, name)
        return role["Arn"] if role else context.principal_arn

    _resolve_condition_key("aws:PrincipalArn", role_or_user)


def _verify_root_signatures() -> None:
    from ministack.core import iam_evaluator

    iam_evaluator.__dict__["root_access_key_id"] = ROOT_ACCESS_KEY_ID
    iam_evaluator.__dict__["root_secret_access_key"] = root_secret(STATE)
    # Other modules have these functions under their own names: their code is replaced in place.
    for name, old, new in (
        (
            "is_root_access_key",
            """(
        not access_key_id
        or access_key_id == "test"
        or access_key_id == configured_key
        or bool(_ACCOUNT_ID_RE.fullmatch(access_key_id))
    )""",
            "access_key_id == root_access_key_id",
        ),
        ("resolve_credential", 'os.environ.get("AWS_SECRET_ACCESS_KEY", "test")', "root_secret_access_key"),
        ("resolve_caller_identity", "_is_root_key(", "is_root_access_key("),
    ):
        original = getattr(iam_evaluator, name)
        _replace_in_function(iam_evaluator, iam_evaluator, name, old, new)
        original.__code__ = getattr(iam_evaluator, name).__code__
    # The keys whose signatures are not verified, after the line above: none.
    iam_evaluator._is_root_key = lambda access_key_id: False


def _make_function_keys_secret() -> None:
    from ministack.core import lambda_runtime

    _replace_in_function(
        lambda_runtime,
        lambda_runtime,
        "execution_credentials",
        'hashlib.sha256(f"secret:{digest}".encode()).hexdigest()',
        'session_secret(f"secret:{digest}")',
    )
    secret = root_secret(STATE)
    lambda_runtime.__dict__["session_secret"] = lambda name: derived(secret, name)


def _tell_policies_who_a_mail_is_from() -> None:
    from ministack.core import iam_actions

    if "outbound-emails" in iam_actions._SES_V2_RESOURCES:
        raise NoLongerNeeded("mails are judged by the identity that they are from")
    named = iam_actions._ses_v2_resource_arn

    def sender(method: str, path: str, body: bytes, region: str, account_id: str) -> str:
        if not path.endswith("/outbound-emails"):
            return named(method, path, body, region, account_id)
        return f"arn:aws:ses:{region}:{account_id}:identity/{json.loads(body).get('FromEmailAddress', '')}"

    iam_actions._ses_v2_resource_arn = sender
    _resolve_condition_key("ses:FromAddress", lambda context: context.resource_arn.rpartition("/")[2])


def _report_missing_objects_to_listers() -> None:
    from ministack.core import iam_actions
    from ministack.services import s3

    if "s3:ListBucket" in inspect.getsource(iam_actions.s3_additional_checks):
        raise NoLongerNeeded("a read of a missing object needs s3:ListBucket")
    additional = iam_actions.s3_additional_checks

    def with_listing(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> list[tuple[str, str]]:
        checks = additional(method, path, headers, body, query)
        reads = [arn.removeprefix("arn:aws:s3:::") for action, arn in checks if action == "s3:GetObject"]
        if iam_actions._s3_action(method, path, query) == "GetObject":
            reads.append(path.lstrip("/"))
        for bucket, _, key in (each.partition("/") for each in reads):
            stored = s3._ensure_bucket(bucket)
            if stored is not None and key not in stored["objects"]:
                checks.append(("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
        return checks

    iam_actions.s3_additional_checks = with_listing


def _report_missing_objects_to_the_cdn() -> None:
    from ministack.services import s3

    _replace_in_function(
        s3,
        s3,
        "_cloudfront_origin_allows",
        """        action="s3:GetObject",
        resource_arn=f"arn:aws:s3:::{bucket_name}/{key}",
""",
        """        action="s3:GetObject" if key else "s3:ListBucket",
        resource_arn=f"arn:aws:s3:::{bucket_name}/{key}".removesuffix("/"),
""",
    )
    _replace_in_function(
        s3,
        s3,
        "serve_cloudfront_origin_fetch",
        ' or key not in bucket["objects"]:',
        """ or (
        key not in bucket["objects"] and not _cloudfront_origin_allows(owner, bucket_name, "", source_arn, oai_id)
    ):""",
    )


def _work_with_the_service_role() -> None:
    from ministack.core import iam_evaluator
    from ministack.services.cloudformation import _change_sets, _stacks, changesets, handlers, provisioners, stacks
    from ministack.services.cloudformation.helpers import _error, _p

    if any("RoleARN" in inspect.getsource(module) for module in (changesets, stacks)):
        raise NoLongerNeeded("stacks know their service role")
    provision, update, delete = (
        getattr(provisioners, f"_{each}_resource") for each in ("provision", "update", "delete")
    )

    def provision_checked(kind: str, logical: str, properties: dict[str, Any], stack: str) -> Any:
        if role := service_role.of_stack(stack):
            name = properties.get("RoleName") or f"{stack}-{logical}"
            service_role.check(role, "create", kind, name, properties, set(properties))
        return provision(kind, logical, properties, stack)

    def update_checked(
        kind: str, physical: str, old: dict[str, Any], new: dict[str, Any], stack: str, *rest: Any
    ) -> Any:
        changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        if changed and (role := service_role.of_stack(stack)):
            service_role.check(role, "update", kind, physical, new, changed)
        return update(kind, physical, old, new, stack, *rest)

    def delete_checked(kind: str, physical: str, properties: dict[str, Any], stack: str = "", logical: str = "") -> Any:
        if role := service_role.of_stack(stack):
            service_role.check(role, "delete", kind, physical, properties, set(properties))
        return delete(kind, physical, properties, stack, logical)

    for name, checked in (("provision", provision_checked), ("update", update_checked), ("delete", delete_checked)):
        for module in (provisioners, stacks):
            setattr(module, f"_{name}_resource", checked)

    def taking_a_role(operation: str) -> Callable[[dict[str, Any]], Any]:
        handler = handlers._ACTION_HANDLERS[operation]

        def with_role(params: dict[str, Any]) -> Any:
            role, name = _p(params, "RoleARN"), _p(params, "StackName")
            if role:
                to = {"iam:PassedToService": service_role.CLOUDFORMATION}
                if refused := service_role.refusal(iam_evaluator.caller_arn(), "iam:PassRole", role, to):
                    return _error("AccessDenied", refused, 403)
            if operation == "ExecuteChangeSet":
                change_set = changesets._find_change_set(_p(params, "ChangeSetName"), name)[1] or {}
                role, name = change_set.get("RoleARN", ""), change_set.get("StackName", "")
            stack = handlers._resolve_stack(name) if name and operation != "CreateChangeSet" else None
            if role and stack:
                stack["RoleARN"] = role
            answer = handler(params)
            if role and operation == "CreateStack" and name in _stacks:
                _stacks[name]["RoleARN"] = role
            if role and operation == "CreateChangeSet":
                for each in _change_sets.values():
                    if each["ChangeSetName"] == _p(params, "ChangeSetName") and name in (
                        each["StackName"],
                        each["StackId"],
                    ):
                        each["RoleARN"] = role
            return answer

        return with_role

    for operation in ("CreateStack", "UpdateStack", "DeleteStack", "CreateChangeSet", "ExecuteChangeSet"):
        handlers._ACTION_HANDLERS[operation] = taking_a_role(operation)


CORRECTIONS = (
    Correction(
        "nested-sam",
        "deployment",
        "CloudFormation expands the SAM and Include transforms of nested templates",
        "only the parent's transforms are expanded",
        "the shop nests its set pieces, and each is a SAM template",
        _expand_nested_sam,
    ),
    Correction(
        "nested-types",
        "deployment",
        "a resource type that does not exist fails the deployment, also in a nested template",
        "only the parent's types are checked: a nested AWS::CloudFormation::... of any name is recorded as created",
        "a misspelt type would deploy here and fail on AWS",
        _refuse_unknown_types_in_nested_templates,
    ),
    Correction(
        "sam-parameters",
        "deployment",
        "SAM resolves the values of parameters: a new Release publishes new versions of functions",
        "SAM has no values, and refuses a function whose AutoPublishCodeSha256 is a parameter",
        "functions of customer-facing APIs are called through an alias, and Release is a parameter",
        _expand_sam_with_parameters,
    ),
    Correction(
        "nested-events",
        "deployment",
        "the events of a stack name each nested stack by its ARN, which gives access to its events after its deletion",
        "events name neither a failed nested stack nor its failed resources",
        "make deploy names the failed resource, and reads no stack that its role may not describe",
        _name_nested_stacks_in_events,
    ),
    Correction(
        "published-versions",
        "deployment",
        "a function with the code and settings of its latest version gets no new version, and CloudFormation fails",
        "a function that was changed and changed back gets a new version",
        "a rolled-back deployment leaves its versions: deploying the same sources again needs a new Release",
        _publish_no_version_twice,
    ),
    Correction(
        "nested-updates",
        "deployment",
        "a resource that an update does not change keeps its attributes for Fn::GetAtt",
        "in nested stacks such a resource has no attributes, and the update fails",
        "`make start` after an edit is an update",
        _keep_attributes_in_nested_updates,
    ),
    Correction(
        "unknown-types",
        "deployment",
        "CloudFormation creates every resource of our templates",
        f"{', '.join(LEFT_OUT)} is unknown and fails the stack; the correction leaves it out",
        "; ".join(LEFT_OUT.values()),
        _leave_out_unknown_types,
    ),
    Correction(
        "retained-in-nested-stacks",
        "deployment",
        "a failed nested stack leaves only resources with DeletionPolicy: Retain; a deleted one also leaves those with "
        "RetainExceptOnCreate, and fails if a resource cannot be deleted",
        "resources of a failed nested stack are never deleted; the deletion of a nested stack deletes retained resources, and "
        "succeeds even if a resource cannot be deleted",
        "remains of a failed or destroyed stage must not block the next deployment, and data must be retained",
        _retain_in_nested_stacks,
    ),
    Correction(
        "generated-names",
        "deployment",
        "CloudFormation generates a new name for each creation of a resource",
        "a stack with the same name generates the same names, and overwrites the retained tables of the last one",
        "a retained table keeps its items, and the next stage with that name has its own table",
        _generate_another_name_each_time,
    ),
    Correction(
        "taken-names",
        "deployment",
        "creating a resource with an existing name, or renaming one to it, fails: AlreadyExists",
        "most types overwrite the existing resource, and the next deletion deletes it",
        "a retained resource with a fixed name fails the next creation; names of APIs, keys and usage plans may repeat",
        _refuse_taken_names,
        ("tests/integration/test_parity.py::test_nothing_is_renamed_to_a_taken_name",),
    ),
    Correction(
        "filled-buckets",
        "deployment",
        "a bucket that holds an object or an old version cannot be deleted: its stack is in DELETE_FAILED",
        "it is deleted with all objects",
        "make destroy empties the bucket of artifacts; all other buckets are retained",
        _delete_only_empty_buckets,
    ),
    Correction(
        "log-groups",
        "functions",
        "a function that ends after its log group was deleted creates it again if its role may; a stage's boundary denies it",
        "it creates the group again even if its role may not",
        "the next creation of the stack would fail on the existing name; boundaries are not evaluated "
        "(permissions-boundary), so "
        "no function whose role has one creates its group",
        _make_no_log_group_again,
    ),
    Correction(
        "service-role",
        "deployment",
        "a stack with a role uses it, also in nested stacks, and its policies limit the stack; "
        "the caller needs iam:PassRole for it",
        "RoleARN is ignored, and CloudFormation may do everything",
        "a role that lacks a permission of a deployment would first fail on AWS; resources are checked for IAM's actions, "
        "but not for those of other services",
        _work_with_the_service_role,
    ),
    Correction(
        "error-type",
        "functions",
        "the errorType of a failed function is the name of its exception, which Retry and Catch match",
        "errorType is always Runtime.HandlerError",
        "a state machine that retries one error by name would retry none, or all",
        _name_the_error_type,
    ),
    Correction(
        "init-errors",
        "functions",
        "a function that cannot be initialised, or that does not end in time, answers and logs the runtime's error, such as "
        "Runtime.ImportModuleError or Sandbox.Timedout, and its REPORT has it as status",
        "import errors are RuntimeErrors that are not logged; timeouts are answered without a request id and logged "
        "without a time",
        "`make logs` shows why a function does not run; AWS initialises a second time and logs the error of both",
        _log_what_does_not_start_or_end,
    ),
    Correction(
        "payload-sizes",
        "functions",
        "a function is invoked with 6 MB at most, asynchronously with 1 MB, and fails if it answers with more than 6 MB",
        "payloads of any size are accepted and returned",
        "lists and batches that grow with the shop would first be too large on AWS",
        _limit_payloads,
    ),
    Correction(
        "silent-handlers",
        "functions",
        "a function without log output responds at once",
        "the emulator waits 50 ms for a first log line",
        "latencies would depend on the amount of log output; on a busy machine late lines are logged "
        "with the next invocation",
        _answer_silent_handlers_at_once,
    ),
    Correction(
        "concurrency-by-parameter",
        "functions",
        "MaximumConcurrency of an event source may be a parameter, which CloudFormation converts to a number",
        "it stays a string, and no queue of any event source is polled any more",
        "the concurrency of requests to the commerce platform is a parameter of each feed",
        _count_concurrency_in_numbers,
    ),
    Correction(
        "firehose-deliveries",
        "data",
        "Firehose transforms records in batches, compresses, backs up, stores failed records, and limits a batch",
        "each record becomes its own object at once, unchanged; records that the processor fails are lost; no backup, no 4 "
        "MB limit",
        "ingestion loses nothing, and its functions receive objects of many records; the buffer is a second instead of minutes",
        _deliver_in_batches,
    ),
    Correction(
        "private-origins",
        "edge",
        "a VPC origin defines its protocol; the shop's is HTTP",
        "the viewer's protocol is used, but a load balancer accepts only HTTP: 502",
        "the VPC origin is omitted (unknown-types), and with it its protocol",
        _reach_private_origins_over_http,
    ),
    Correction(
        "declared-targets",
        "edge",
        "CloudFormation registers the targets that a target group declares",
        "it registers none, and the load balancer answers 503",
        "a stack is ready when it is deployed",
        _register_declared_targets,
    ),
    Correction(
        "target-group-names",
        "edge",
        "TargetGroupFullName, the dimension TargetGroup of metrics, begins with targetgroup/",
        "it lacks the prefix",
        "an alarm would evaluate a series that AWS does not publish",
        _name_target_groups_in_full,
    ),
    Correction(
        "ipv6-networks",
        "edge",
        "a VPC returns its IPv6 block, assigned by Amazon",
        "GetAtt Vpc.Ipv6CidrBlocks fails",
        "containers call the shop's public APIs over IPv6; the local block is one reserved for documentation",
        _give_networks_ipv6,
    ),
    Correction(
        "container-secrets",
        "edge",
        "ECS gives a container the secrets that its declared task definition names",
        "their names and values are lost, and so is a health check's command",
        "the storefront runs with the environment of its task definition",
        _keep_secrets_of_containers,
    ),
    Correction(
        "cdn-missing-files",
        "edge",
        "a file that is not in the bucket is 404, if the CDN may list the bucket",
        "it is always 403",
        "a crawler drops a sitemap that is 404, and retries one that is 403",
        _report_missing_objects_to_the_cdn,
    ),
    Correction(
        "raw-queries",
        "edge",
        "a load balancer passes the query to a function unchanged, percent-encoded",
        "with multi-value headers it decodes the values",
        "doubly encoded values would be decoded twice, but only locally",
        _pass_on_queries_as_they_are,
    ),
    Correction(
        "deep-queues",
        "events and queues",
        "the cost of a receive does not depend on the number of waiting messages",
        "it reads all messages of the queue, several times",
        "a feed of 100,000 records took hours",
        _receive_from_deep_queues,
    ),
    Correction(
        "long-partitions",
        "data",
        "the cost of a query depends on the items that it reads, not on the size of the partition",
        "it evaluates its condition for all items of the partition, thirty microseconds each",
        "the catalogue was unavailable after a feed of 100,000 records",
        _look_only_where_matches_are,
    ),
    Correction(
        "expression-syntax",
        "data",
        "expressions are parsed before an item is read: an invalid one is a ValidationException, regardless of the items",
        "an update with surplus words, a repeated section or a repeated path succeeds, and filters, projections and key "
        "conditions "
        "are not parsed without an item; an invalid update whose condition fails is a ConditionalCheckFailedException",
        "a defect in a rarely evaluated expression would pass all local tests, and fail on AWS",
        _parse_expressions_first,
    ),
    Correction(
        "sqs-batches",
        "permissions",
        "SendMessageBatch and similar calls need the permission of the single call, sqs:SendMessage",
        "they need sqs:SendMessageBatch, an action that IAM does not have",
        "policies that are correct on AWS would deny calls locally",
        _allow_batches_as_single_messages,
    ),
    Correction(
        "sns-batches",
        "permissions",
        "PublishBatch needs the permission of the single call, sns:Publish",
        "it needs sns:PublishBatch, an action that IAM does not have",
        "the integration tests publish batches",
        _allow_batches_of_a_topic_as_single_messages,
    ),
    Correction(
        "rule-targets",
        "permissions",
        "the resource of events:PutTargets and events:RemoveTargets is the rule",
        "the resource is the bus, so a policy that names the rule does not apply",
        "the integration tests may change only rules with their prefix",
        _authorize_targets_by_their_rule,
    ),
    Correction(
        "event-source",
        "permissions",
        "a policy can limit the events:source with which a role may publish events",
        "the condition key is unknown, so that a policy with it denies all calls",
        "policies prevent a service from publishing with another service's source",
        _tell_policies_the_event_source,
    ),
    Correction(
        "events-in-logs",
        "events and queues",
        "a rule's target may be a log group, which receives all matching events; an ARN that ends in :* receives nothing",
        "the target is accepted and receives nothing",
        "the bus has a catch-all log, which the live map reads",
        _deliver_events_to_logs,
    ),
    Correction(
        "rule-retries",
        "events and queues",
        "a rule invokes a function asynchronously: Lambda retries a failure twice, then invokes its failure destination",
        "it is invoked once, and a failed event is lost",
        "rules deliver notifications of feeds and events; campaigns check that these survive a failed call",
        _repeat_what_rules_invoke,
    ),
    Correction(
        "shared-code",
        "functions",
        "code and layers are unpacked before a function's process starts, by another component",
        "each process gets its own copies, which the emulator unpacks while all other requests wait, and compiles them again",
        "many concurrent cold starts, as after a kill of all processes, would block the emulator for minutes",
        _unpack_once,
    ),
    Correction(
        "forked-workers",
        "functions",
        "processes start on separate processors, so that others respond meanwhile",
        "each is an interpreter that imports the libraries again, four times the work of forking one that has them",
        "cold starts take most of the processor time of tests; libraries that read the environment are not imported in "
        "advance, "
        "and a function whose environment affects the imported ones gets its own interpreter",
        _fork_workers,
    ),
    Correction(
        "after-an-exception",
        "functions",
        "after an exception of the handler the environment serves the next call and keeps its state",
        "the next call starts a new process",
        "authorizers deny by an exception, after which the next request must not wait for a cold start",
        _keep_workers_after_exceptions,
    ),
    Correction(
        "cold-starts",
        "functions",
        "each request without an idle environment of its function starts one, on separate processors",
        "each starts a process: many concurrent ones share a few cores, and all of them time out",
        "at most as many processes start concurrently as there are cores; a request first waits for a process that becomes "
        "idle, "
        "before another is started, which AWS would do at once: up to 0.75 s, on a busy machine as long as "
        "three starts take, and 5 s before the function's first response",
        _limit_starts,
    ),
    Correction(
        "metric-points",
        "observability",
        "the cost of PutMetricData does not depend on the number of stored points; alarms are evaluated once a minute",
        "each call copies all points of two weeks and evaluates all alarms over them, while all other requests wait",
        "the front door publishes metrics every few seconds; points are aggregated to minutes after three hours, as on AWS",
        _keep_points_in_order,
    ),
    Correction(
        "alarm-evaluation",
        "observability",
        "an alarm evaluates the series with exactly its dimensions over EvaluationPeriods, of which DatapointsToAlarm must "
        "breach, "
        "and follows TreatMissingData",
        "it evaluates the metric of all dimensions together, and all periods as one; without data it keeps its state",
        "an alarm that AWS never raises would be raised locally; how many periods AWS looks back for missing data is "
        "documented "
        "for one example only: two more here. Features that no alarm of the shop uses, such as metric math, are refused",
        _evaluate_as_documented,
    ),
    Correction(
        "service-namespaces",
        "observability",
        "PutMetricData refuses namespaces that begin with AWS/: services publish those themselves",
        "they are accepted from all callers",
        "a function that publishes metrics there would fail only on AWS; the front door, and tests that simulate an outage, "
        "publish metrics of AWS services by the route /_setpieces/metrics",
        _refuse_namespaces_of_services,
    ),
    Correction(
        "event-entries",
        "events and queues",
        "PutEvents refuses entries without source, type or detail, a detail that is not a JSON object, and 256 KB or more at "
        "once",
        "entries of any content and size are accepted",
        "a publisher of too many or invalid entries would fail only on AWS",
        _judge_events,
    ),
    Correction(
        "request-limits",
        "events and queues",
        "a message has a delay of at most 900 s, a visibility timeout of 43,200 s and a wait time of 20 s; a standard "
        "parameter has "
        "at most 4 KB, an advanced one 8 KB; PutMetricData accepts at most 1,000 metrics, each with 30 dimensions and 150 "
        "values",
        "values beyond the limits are accepted",
        "values that grow with the shop, such as a delay or a number of metrics, would be refused only on AWS",
        _limit_requests,
    ),
    Correction(
        "schedule-ticks",
        "events and queues",
        "a schedule fires within its minute, and rules of the same minute do not wait for each other",
        "schedules are checked every 10 s; the correction checks every second",
        "tests and developers wait for the next run of a schedule",
        _fire_schedules_on_time,
    ),
    Correction(
        "secure-transport",
        "permissions",
        "requests use TLS, and aws:SecureTransport is true in a bucket's policy",
        "there is no TLS on loopback, so a bucket whose policy requires it refuses all requests",
        "the policy that requires TLS is deployed unchanged",
        _call_loopback_secure,
    ),
    Correction(
        "principal-arn",
        "permissions",
        "aws:PrincipalArn is the ARN of a session's role",
        "it is the ARN of the session, so a policy that names roles by it allows no role",
        "the resource policy of the simulators uses it to allow the roles of the stage",
        _name_the_role_of_a_session,
    ),
    Correction(
        "root-signatures",
        "permissions",
        "all signatures are verified, and only its owner knows root's secret",
        "keys named test or like an account, and requests without a key, act as root without verification of the signature",
        "any program or web page could make any call, including running code; root's secret is random for each state folder",
        _verify_root_signatures,
    ),
    Correction(
        "function-keys",
        "permissions",
        "the keys of a function's role are random",
        "the secret is a digest of the function's name and role, which any program can compute",
        "a caller who knows a function's name could sign as its role",
        _make_function_keys_secret,
    ),
    Correction(
        "mail-sender",
        "permissions",
        "a mail is authorized by the identity of its sender, and a policy can limit ses:FromAddress",
        "it is authorized as a mail of any identity, and the condition key is unknown: the policy denies all mails",
        "the policy of vouchers allows mails from one address only",
        _tell_policies_who_a_mail_is_from,
    ),
    Correction(
        "lambda-actions",
        "permissions",
        "each operation has its own action, and lambda:FunctionArn identifies the function of an event source mapping",
        "reading a mapping or an alias needs the permission to list them, and changing one needs none",
        "the circuit breaker of the feeds enables and disables mappings, and tests read them",
        _name_actions_of_lambda_as_iam_does,
    ),
    Correction(
        "missing-objects",
        "permissions",
        "reading a missing object is 404 only for a caller with s3:ListBucket on the bucket, 403 for others",
        "it is 404 for all callers with s3:GetObject",
        "code that expects NoSuchKey would never receive it on AWS; a condition on s3:prefix fails, because a read has no "
        "prefix",
        _report_missing_objects_to_listers,
    ),
    Correction(
        "clean-interpreter",
        "functions",
        "a function sees its code, its layers and the runtime's boto3",
        "a function sees everything installed beside the emulator, so a package missing from the layer goes unnoticed",
        "only the layer carries packages (docs/decisions/0003)",
        _run_functions_in_a_clean_interpreter,
    ),
)


def apply() -> None:
    """Apply every correction. Raises ``NoLongerNeeded`` naming the first that does not fit this emulator."""
    for correction in CORRECTIONS:
        try:
            correction.apply()
        except (NoLongerNeeded, AttributeError, StopIteration) as error:
            raise NoLongerNeeded(f"correction {correction.name}: {error}") from error


if __name__ == "__main__":
    apply()
    sys.stdout.write("\n".join(correction.name for correction in CORRECTIONS) + "\n")
