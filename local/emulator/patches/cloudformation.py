"""Patches of CloudFormation."""

import inspect
from collections.abc import Callable
from typing import Any

from local.emulator import names, service_role
from local.emulator.patch import NoLongerNeeded, patch, replace_in_function


@patch(
    "sam-parameters",
    area="deployment",
    aws="SAM resolves the values of parameters: a new Release publishes new versions of functions",
    emulator="SAM receives no values, and rejects a function whose AutoPublishCodeSha256 is a parameter",
    reason="functions of customer-facing APIs are called through an alias, and Release is a parameter",
    upstream="not reported",
)
def pass_parameters_to_sam() -> None:
    from ministack.services.cloudformation import changesets, engine, handlers

    replace_in_function(
        engine,
        "_apply_transforms",
        "_sam_transform(copy.deepcopy(template), {}, ",
        "_sam_transform(copy.deepcopy(template), _transform_parameters(template, provided_params, previous_params), ",
    )
    for module in (changesets, handlers):
        module.__dict__["_apply_transforms"] = engine.__dict__["_apply_transforms"]


# Types of the templates that the emulator does not implement, with the reason why the local cloud does without them.
UNSUPPORTED = {
    "AWS::Events::Archive": "archives exist in the API only; the replay test creates its own with it",
    "AWS::CloudFront::VpcOrigin": "the local CDN finds a load balancer by its name",
    "AWS::WAFv2::WebACLAssociation": "the front door evaluates the web ACL that the recorded association names",
    "AWS::WAFv2::LoggingConfiguration": "the front door blocks requests in place of the web ACL and writes no log",
    "AWS::CloudTrail::Trail": "local calls are not recorded, except those of roles (make iam-report)",
    "AWS::CodeDeploy::Application": "the local cloud replaces functions at once",
    "AWS::CodeDeploy::DeploymentGroup": "the local cloud replaces functions at once",
    "AWS::XRay::ResourcePolicy": "local topics have no traces",
    "AWS::EC2::VPCCidrBlock": "no network is emulated",
    "AWS::EC2::EgressOnlyInternetGateway": "no network is emulated",
}


@patch(
    "unknown-types",
    area="deployment",
    aws="CloudFormation creates all resources of the templates",
    emulator=f"{', '.join(UNSUPPORTED)} is unknown and fails the stack; the patch records it and creates nothing",
    reason="; ".join(UNSUPPORTED.values()),
    upstream="not reported",
)
def accept_unsupported_types() -> None:
    from ministack.services.cloudformation import provisioners

    def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        return f"{stack_name}-{logical_id}", {"Arn": f"arn:aws:unsupported:::{stack_name}/{logical_id}"}

    for resource_type in UNSUPPORTED:
        if resource_type in provisioners._RESOURCE_HANDLERS:
            raise NoLongerNeeded(f"{resource_type} is implemented")
        provisioners._RESOURCE_HANDLERS[resource_type] = {"create": create, "delete": lambda *_: None}


@patch(
    "generated-names",
    area="deployment",
    aws="CloudFormation generates a new name for each creation of a resource",
    emulator="a stack with the same name generates the same names, and overwrites the retained tables of the last one",
    reason="a retained table keeps its items, and the next stage with that name has its own table",
    upstream="not reported",
)
def generate_new_name_for_each_creation() -> None:
    from ministack.services.cloudformation import stacks

    replace_in_function(
        stacks,
        "_provision_keeping_seed",
        '_NAME_SEED.set("")',
        "_NAME_SEED.set(new_uuid()[:8])",
    )


@patch(
    "taken-names",
    area="deployment",
    aws="creating a resource with an existing name, or renaming one to it, fails: AlreadyExists",
    emulator="most types overwrite the existing resource, and the next deletion deletes it",
    reason=(
        "a retained resource with a fixed name fails the next creation; names of APIs, keys and usage plans may repeat"
    ),
    upstream="not reported",
    tests=("test_nothing_is_renamed_to_a_taken_name",),
)
def reject_existing_names() -> None:
    from ministack.services.cloudformation import provisioners, stacks

    provision = provisioners._provision_resource

    def provision_unless_name_exists(kind: str, logical: str, properties: dict[str, Any], stack: str) -> Any:
        names.check(kind, properties)
        return provision(kind, logical, properties, stack)

    # A resource type without an update function is created again under its own name.
    call = "return _provision_resource(resource_type, logical_id or physical_id, new_props, stack_name)"
    provisioners.__dict__["_provision_again"] = provision
    replace_in_function(provisioners, "_update_resource", call, call.replace("_resource(", "_again(", 1))
    update = provisioners.__dict__["_update_resource"]

    def update_unless_name_exists(
        kind: str, physical: str, old: dict[str, Any], new: dict[str, Any], stack: str, *rest: Any
    ) -> Any:
        if names.declared_name(kind, new) != names.declared_name(kind, old):
            names.check(kind, new)
        return update(kind, physical, old, new, stack, *rest)

    for module in (provisioners, stacks):
        module._provision_resource, module._update_resource = provision_unless_name_exists, update_unless_name_exists


@patch(
    "service-role",
    area="deployment",
    aws=(
        "a stack with a role uses it, also in nested stacks, and its policies limit the stack; the caller needs "
        "iam:PassRole for it"
    ),
    emulator="RoleARN is ignored, and CloudFormation has all permissions",
    reason=(
        "a role that lacks a permission of a deployment would first fail on AWS; resources are checked for IAM's "
        "actions, but not for those of other services"
    ),
    upstream="not reported",
)
def apply_service_role() -> None:
    from ministack.core import iam_evaluator
    from ministack.services.cloudformation import _change_sets, _stacks, changesets, handlers, provisioners, stacks
    from ministack.services.cloudformation.helpers import _error, _p

    if any("RoleARN" in inspect.getsource(module) for module in (changesets, stacks)):
        raise NoLongerNeeded("stacks have a service role")
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

    def store_role(operation: str) -> Callable[[dict[str, Any]], Any]:
        handler = handlers._ACTION_HANDLERS[operation]

        def handle(params: dict[str, Any]) -> Any:
            role, name = _p(params, "RoleARN"), _p(params, "StackName")
            if role:
                keys = {"iam:PassedToService": service_role.CLOUDFORMATION}
                if message := service_role.denial(iam_evaluator.caller_arn(), "iam:PassRole", role, keys):
                    return _error("AccessDenied", message, 403)
            if operation == "ExecuteChangeSet":
                change_set = changesets._find_change_set(_p(params, "ChangeSetName"), name)[1] or {}
                role, name = change_set.get("RoleARN", ""), change_set.get("StackName", "")
            stack = handlers._resolve_stack(name) if name and operation != "CreateChangeSet" else None
            if role and stack:
                stack["RoleARN"] = role
            response = handler(params)
            if role and operation == "CreateStack" and name in _stacks:
                _stacks[name]["RoleARN"] = role
            if role and operation == "CreateChangeSet":
                for change_set in _change_sets.values():
                    names_of_stack = (change_set["StackName"], change_set["StackId"])
                    if change_set["ChangeSetName"] == _p(params, "ChangeSetName") and name in names_of_stack:
                        change_set["RoleARN"] = role
            return response

        return handle

    for operation in ("CreateStack", "UpdateStack", "DeleteStack", "CreateChangeSet", "ExecuteChangeSet"):
        handlers._ACTION_HANDLERS[operation] = store_role(operation)
