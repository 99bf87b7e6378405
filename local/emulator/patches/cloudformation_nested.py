"""Patches of nested CloudFormation stacks."""

import inspect
from contextlib import suppress
from typing import Any

from local.emulator import nested_stacks, service_role
from local.emulator.patch import NoLongerNeeded, patch, replace_in_function


@patch(
    "nested-sam",
    area="deployment",
    aws="CloudFormation expands the SAM and Include transforms of nested templates",
    emulator="only the parent's transforms are expanded",
    reason="the shop nests its set pieces, and each is a SAM template",
    upstream="https://github.com/ministackorg/ministack/pull/986",
)
def expand_transforms_of_nested_templates() -> None:
    from ministack.services.cloudformation import engine, provisioners

    if "_apply_transforms" in inspect.getsource(provisioners._cfn_nested_stack_deploy):
        raise NoLongerNeeded("nested templates are transformed")
    replace_in_function(
        provisioners,
        "_cfn_nested_stack_deploy",
        "template = _parse_template(template_body)\n",
        "parameters = [{'Key': k, 'Value': str(v)} for k, v in (props.get('Parameters') or {}).items()]\n"
        "    template = engine._apply_transforms(_parse_template(template_body), parameters)\n"
        "    if isinstance(template, engine._TransformFailed):\n"
        "        raise ValueError(template.error)\n",
    )
    provisioners.__dict__["engine"] = engine


@patch(
    "nested-types",
    area="deployment",
    aws="a resource type that does not exist fails the deployment, also in a nested template",
    emulator=(
        "only the parent's types are checked: a nested AWS::CloudFormation::... type of any name is recorded as created"
    ),
    reason="a misspelt type would deploy locally and fail on AWS",
    upstream="not reported",
)
def reject_unknown_types_in_nested_templates() -> None:
    from ministack.services.cloudformation import provisioners

    replace_in_function(
        provisioners,
        "_cfn_nested_stack_deploy",
        "param_values = _resolve_parameters(template, provided_params)\n",
        "param_values = _resolve_parameters(template, provided_params)\n"
        "    engine.validate_template_support(template, _evaluate_conditions(template, param_values), params=param_values)\n",
    )


@patch(
    "nested-events",
    area="deployment",
    aws="the events of a stack name each nested stack by its ARN, which gives access to its events after its deletion",
    emulator="events name neither a failed nested stack nor its failed resources",
    reason="make deploy names the failed resource, and reads no stack that its role may not describe",
    upstream="not reported",
)
def record_event_for_nested_stack() -> None:
    from ministack.services.cloudformation import provisioners

    event = (
        '_cr_stack_id(parent_stack_name), parent_stack_name, logical_id, "AWS::CloudFormation::Stack", '
        'f"{status_prefix}_IN_PROGRESS", "", child_stack_id'
    )
    replace_in_function(
        provisioners,
        "_cfn_nested_stack_deploy",
        "    _stack_events.setdefault(child_stack_id, [])\n",
        f"    _stack_events.setdefault(child_stack_id, [])\n    _add_event({event})\n",
    )


@patch(
    "nested-updates",
    area="deployment",
    aws="a resource that an update does not change keeps its attributes for Fn::GetAtt",
    emulator="in nested stacks such a resource has no attributes, and the update fails",
    reason="`make start` after an edit is an update",
    upstream="not reported",
)
def keep_attributes_in_nested_updates() -> None:
    from ministack.services.cloudformation import provisioners

    replace_in_function(
        provisioners,
        "_cfn_nested_stack_deploy",
        "old_tagged, new_tagged, child_name, child_logical_id,\n",
        'old_tagged, new_tagged, child_name, child_logical_id, prev.get("Attributes", {}),\n',
    )


@patch(
    "retained-in-nested-stacks",
    area="deployment",
    aws=(
        "a failed nested stack leaves only resources with DeletionPolicy: Retain; a deleted one also leaves those "
        "with RetainExceptOnCreate, and fails if a resource cannot be deleted"
    ),
    emulator=(
        "resources of a failed nested stack are never deleted; the deletion of a nested stack deletes retained "
        "resources, and succeeds even if a resource cannot be deleted"
    ),
    reason="remains of a failed or destroyed stage must not block the next deployment, and data must be retained",
    upstream="https://github.com/ministackorg/ministack/pull/1646",
)
def apply_deletion_policies_in_nested_stacks() -> None:
    from ministack.services.cloudformation import _stacks, provisioners

    if "_resource_policy" in inspect.getsource(provisioners._cfn_nested_stack_delete):
        raise NoLongerNeeded("nested stacks apply deletion policies")
    handlers = provisioners._RESOURCE_HANDLERS[service_role.NESTED]
    create = handlers["create"]

    def create_or_clean_up(logical: str, properties: dict[str, Any], parent: str) -> Any:
        before = set(_stacks)
        # Generated names contain the name of the nested stack, which is new for each creation.
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

    handlers["create"] = create_or_clean_up
    handlers["delete"] = delete
