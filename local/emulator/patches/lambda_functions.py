"""Patches of Lambda's API: functions, versions, invocations and their logs."""

import inspect
import json
from typing import Any

from local.emulator.patch import NoLongerNeeded, patch, replace_in_function, replace_in_text
from local.emulator.patches.iam import resolve_condition_key


@patch(
    "published-versions",
    area="deployment",
    aws="a function with the code and settings of its latest version gets no new version, and CloudFormation fails",
    emulator="a function that was changed and changed back gets a new version",
    reason="a rolled-back deployment leaves its versions: deploying the same sources again needs a new Release",
    upstream="not reported",
)
def reject_unchanged_versions() -> None:
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    def comparable(config: dict[str, Any]) -> dict[str, Any]:
        settings = {name: value for name, value in config.items() if not name.startswith(("State", "LastUpdate"))}
        settings["SnapStart"] = (config.get("SnapStart") or {}).get("ApplyOn")
        return settings | dict.fromkeys(("Version", "FunctionArn", "RevisionId", "LastModified"))

    def is_published(function: dict[str, Any], version: str) -> bool:
        return comparable(function["config"]) == comparable(function["versions"][version]["config"])

    for module, name, revision in (
        (lambda_svc, "_publish_version", 'func["config"].get("RevisionId")'),
        (provisioners, "_lambda_version_create", 'func["config"]["RevisionId"]'),
    ):
        module.__dict__["_is_published"] = is_published
        old = f'func["versions"][latest].get("function_revision") == {revision}'
        replace_in_function(module, name, old, "_is_published(func, latest)")
    provisioners._RESOURCE_HANDLERS["AWS::Lambda::Version"]["create"] = provisioners.__dict__["_lambda_version_create"]


@patch(
    "log-groups",
    area="functions",
    aws=(
        "a function that ends after its log group was deleted creates the group again if its role may; a stage's "
        "boundary denies it"
    ),
    emulator="it creates the group again even if its role may not",
    reason=(
        "the next creation of the stack would fail on the existing name; boundaries are not evaluated "
        "(permissions-boundary), so no function whose role has a boundary creates its group"
    ),
    upstream="not reported",
)
def create_log_groups_only_if_role_allows() -> None:
    from ministack.services import iam, lambda_svc
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]
    create = handlers["create"]

    def create_with_boundary(logical: str, properties: dict[str, Any], stack: str) -> Any:
        name, attributes = create(logical, properties, stack)
        iam._roles[name]["Boundary"] = properties.get("PermissionsBoundary")
        return name, attributes

    def may_create_group(role_arn: str) -> bool:
        role = iam._roles.get(role_arn.rpartition("/")[2])
        return bool(role) and not role.get("Boundary")

    handlers["create"] = create_with_boundary
    lambda_svc._may_create_group = may_create_group
    condition = "if group_name not in _cwl._log_groups:\n"
    replace_in_function(
        lambda_svc,
        "_emit_lambda_logs",
        condition,
        f'{condition}            if not _may_create_group(config.get("Role", "")):\n                return\n',
    )


@patch(
    "error-type",
    area="functions",
    aws="the errorType of a failed function is the name of its exception, which Retry and Catch match",
    emulator="errorType is always Runtime.HandlerError",
    reason="a state machine that retries one error by name would retry none, or all",
    upstream="not reported",
)
def return_exception_name_as_error_type() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    replace_in_text(
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
    replace_in_function(
        lambda_svc,
        name,
        'error_type = "Runtime.HandlerError"\n',
        'error_type = result.get("error_type", "Runtime.HandlerError")\n',
    )


@patch(
    "init-errors",
    area="functions",
    aws=(
        "a function that cannot be initialised, or that does not end in time, returns and logs the runtime's error,"
        " such as Runtime.ImportModuleError or Sandbox.Timedout, and its REPORT has it as status"
    ),
    emulator=(
        "import errors are RuntimeErrors that are not logged; timeouts are returned without a request id and logged"
        " without a time"
    ),
    reason="`make logs` shows why a function does not run; AWS initialises the function twice and logs both errors",
    upstream="not reported",
)
def return_and_log_runtime_errors() -> None:
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    from local.emulator.function_workers import failures

    replace_in_text(
        lambda_runtime,
        "_PYTHON_WORKER_SCRIPT",
        '"error": str(e)}',
        '"error": str(e), "init_error": init_error(e, module_name, handler_name, "mod" in locals())}',
    )
    lambda_runtime._PYTHON_WORKER_SCRIPT = inspect.getsource(failures.init_error) + lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_runtime._init_failed = failures.init_failed
    for old, new in (
        (
            'if response.get("status") != "ready":\n',
            'if "init_error" in response:\n'
            '        raise _init_failed(self, response["init_error"])\n'
            '    if response.get("status") != "ready":\n',
        ),
        ('RuntimeError(f"Worker process exited immediately. stderr: {stderr_out}")', "_init_failed(self)"),
    ):
        replace_in_function(lambda_runtime.Worker, "_spawn", old, new)
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
        replace_in_function(lambda_svc, function, old, new)


# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. A response may be a little longer.
MAX_PAYLOAD_BYTES = {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024}


MAX_RESPONSE_BYTES = 6_291_556


@patch(
    "payload-sizes",
    area="functions",
    aws=("a function is invoked with 6 MB at most, asynchronously with 1 MB, and fails if it returns more than 6 MB"),
    emulator="payloads of any size are accepted and returned",
    reason="lists and batches that grow with the shop would first be too large on AWS",
    upstream="not reported",
)
def limit_payload_sizes() -> None:
    from ministack.core.responses import error_response_json
    from ministack.services import lambda_svc

    def response_or_error(response: Any, log: str) -> dict[str, Any]:
        if len(json.dumps(response, ensure_ascii=False).encode(errors="surrogatepass")) <= MAX_RESPONSE_BYTES:
            return {"body": response, "log": log}
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        body = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}
        return {"body": body, "error": True, "log": log}

    lambda_svc._response_or_error = response_or_error
    replace_in_function(
        lambda_svc,
        "_execute_function_warm",
        'return {"body": result.get("result"), "log": result.get("log", "")}',
        'return _response_or_error(result.get("result"), result.get("log", ""))',
    )
    invoke = lambda_svc._invoke

    async def invoke_within_limits(name: str, event: Any, headers: dict[str, str], *args: Any, **options: Any) -> Any:
        lower = {key.lower(): value for key, value in headers.items()}
        kind, size = lower.get("x-amz-invocation-type") or "RequestResponse", int(lower.get("content-length") or 0)
        if size <= MAX_PAYLOAD_BYTES.get(kind, size):
            return await invoke(name, event, headers, *args, **options)
        message = (
            f"{size} byte payload is too large for the {kind} invocation type (limit {MAX_PAYLOAD_BYTES[kind]} bytes)"
        )
        return error_response_json("RequestTooLargeException", message, 413)

    if "RequestTooLarge" in inspect.getsource(invoke):
        raise NoLongerNeeded("payloads are limited")
    lambda_svc._invoke = invoke_within_limits


@patch(
    "concurrency-by-parameter",
    area="functions",
    aws="MaximumConcurrency of an event source may be a parameter, which CloudFormation converts to a number",
    emulator="it stays a string, and the emulator stops polling all queues",
    reason="the concurrency of requests to the commerce platform is a parameter of each feed",
    upstream="not reported",
)
def convert_concurrency_to_number() -> None:
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    create, update = handlers["create"], handlers["update"]
    if "MaximumConcurrency" in inspect.getsource(create):
        raise NoLongerNeeded("MaximumConcurrency is converted")

    def with_number(properties: dict[str, Any]) -> dict[str, Any]:
        scaling = properties.get("ScalingConfig") or {}
        if "MaximumConcurrency" not in scaling:
            return properties
        return properties | {"ScalingConfig": scaling | {"MaximumConcurrency": int(scaling["MaximumConcurrency"])}}

    handlers["create"] = lambda name, properties, stack: create(name, with_number(properties), stack)
    handlers["update"] = lambda name, old, new, stack: update(name, old, with_number(new), stack)


@patch(
    "lambda-actions",
    area="permissions",
    aws="each operation has its own action, and lambda:FunctionArn identifies the function of an event source mapping",
    emulator="reading a mapping or an alias needs the permission to list them, and changing one needs none",
    reason="the circuit breaker of the feeds enables and disables mappings, and tests read them",
    upstream="not reported",
)
def map_lambda_operations_to_iam_actions() -> None:
    from ministack.core import iam_actions
    from ministack.services import lambda_svc

    if iam_actions._lambda_action("GET", "/2015-03-31/event-source-mappings/1") == "GetEventSourceMapping":
        raise NoLongerNeeded("Lambda's operations are mapped to their actions")
    iam_actions._BOTOCORE_SERVICE_MAP["lambda"] = ["lambda"]

    def action(method: str, path: str) -> str | None:
        operation = iam_actions._match_rest_action("lambda", method, path)
        # IAM has one action for all three ways to invoke a function.
        return "InvokeFunction" if operation and operation.startswith("Invoke") else operation

    def function_of_mapping(context: Any) -> Any:
        return (lambda_svc._esms.get(context.resource_arn.rpartition(":")[2]) or {}).get("FunctionArn")

    iam_actions._lambda_action = action
    resolve_condition_key("lambda:FunctionArn", function_of_mapping)
