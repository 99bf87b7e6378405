"""Corrections to MiniStack 1.5.33, applied inside its own process before it serves.

Each is one small named rule: what AWS does, what the emulator does, and the change. A rule finds the place it corrects by the
text that stands there; when a newer emulator no longer has that text, ``apply`` fails and names the rule, so none outlives its
reason. ``make parity`` prints them; ``tests/integration/test_parity.py`` shows for each, under its name, that the emulator
as it comes still differs.
"""

import inspect
import json
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from local.settings import LAMBDA_PYTHON


class NoLongerNeeded(Exception):
    """The emulator does not have the text that a correction replaces: look whether it still needs the correction."""


@dataclass(frozen=True)
class Correction:
    """``apply`` makes the change; ``aws`` and ``emulator`` say what differs without it, ``reason`` what it would cost us."""

    name: str
    area: str
    aws: str
    emulator: str
    reason: str
    apply: Callable[[], None]


def _replace_in_function(module: ModuleType, owner: Any, name: str, old: str, new: str) -> None:
    """Recompile ``owner.name`` with ``old`` replaced by ``new``; ``old`` must occur exactly once."""
    function = getattr(owner, name)
    # A function that was corrected before carries its text: the file shows only the original.
    source = getattr(function, "corrected_source", None) or textwrap.dedent(inspect.getsource(function))
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
        "template = engine._apply_transforms(_parse_template(template_body))\n"
        "    if isinstance(template, engine._TransformFailed):\n"
        "        raise ValueError(template.error)\n",
    )
    provisioners.__dict__["engine"] = engine


def _keep_attributes_in_nested_updates() -> None:
    from ministack.services.cloudformation import provisioners

    _replace_in_function(
        provisioners,
        provisioners,
        "_cfn_nested_stack_deploy",
        "old_tagged, new_tagged, child_name, child_logical_id,\n",
        'old_tagged, new_tagged, child_name, child_logical_id, prev.get("Attributes", {}),\n',
    )


# Types that templates use and the emulator does not know; they are recorded and nothing is created for them.
LEFT_OUT = {"AWS::Events::Archive": "archives exist in the API only; the replay test makes its own through it"}


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


def _reserve_concurrency() -> None:
    from ministack.services.cloudformation import provisioners

    reserved = 'props.get("ReservedConcurrentExecutions")'
    _replace_in_function(
        provisioners, provisioners, "_lambda_create", '"concurrency": None,\n', f'"concurrency": {reserved},\n'
    )
    _replace_in_function(
        provisioners,
        provisioners,
        "_lambda_update",
        '_reconcile_tag_map(func.setdefault("tags", {}), old_props, new_props)\n',
        '_reconcile_tag_map(func.setdefault("tags", {}), old_props, new_props)\n'
        f'    func["concurrency"] = new_{reserved}\n',
    )
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    handlers |= {"create": provisioners._lambda_create, "update": provisioners._lambda_update}


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
        "nested-updates",
        "deployment",
        "a resource that an update leaves alone keeps its attributes for Fn::GetAtt",
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
        "error-type",
        "functions",
        "the errorType of a failed function is the name of its exception, which Retry and Catch match",
        "errorType is always Runtime.HandlerError",
        "a state machine that retries one error by name would retry none, or all",
        _name_the_error_type,
    ),
    Correction(
        "silent-handlers",
        "functions",
        "a function that logs nothing answers at once",
        "the emulator waits 50 ms for a first log line",
        "latencies would show how much a function logs, not what it does; lines that a busy machine hands over later are "
        "logged with the next invocation",
        _answer_silent_handlers_at_once,
    ),
    Correction(
        "reserved-concurrency",
        "functions",
        "ReservedConcurrentExecutions of a template limits how many of the function run at once",
        "the property is ignored",
        "runs of the event relay may not overlap, and do not only because of this limit",
        _reserve_concurrency,
    ),
    Correction(
        "sqs-batches",
        "permissions",
        "SendMessageBatch and the like need the permission for the single call, sqs:SendMessage",
        "they need sqs:SendMessageBatch, an action that IAM does not have",
        "policies that are right on AWS would be refused here",
        _allow_batches_as_single_messages,
    ),
    Correction(
        "event-source",
        "permissions",
        "a policy can say under which events:source a role may put events",
        "the condition key is unknown, so that a policy with it refuses everything",
        "no service may publish in another's name, and its policy says so",
        _tell_policies_the_event_source,
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
