"""Deletes the resources of a nested stack that was deleted, or whose creation failed."""

from typing import Any

# The deletion policies that retain a resource when its stack is deleted, and when the creation of its stack failed.
KEPT = frozenset({"Retain", "RetainExceptOnCreate"})
KEPT_BY_ROLLBACK = frozenset({"Retain"})


class NotDeleted(Exception):
    """The message names the resources that could not be deleted; the events of their stack have the reasons."""


def remove(name: str, retained: frozenset[str]) -> None:
    """Delete the resources of the nested stack ``name``, except those with a ``DeletionPolicy`` of ``retained``.

    Raises ``NotDeleted`` if a resource could not be deleted, after the deletion of the others.
    """
    from ministack.services.cloudformation import _exports, _stacks
    from ministack.services.cloudformation.engine import _topological_sort
    from ministack.services.cloudformation.provisioners import _delete_resource
    from ministack.services.cloudformation.stacks import _add_event, _resource_policy

    stack = _stacks[name]
    arn, template, resources = stack["StackId"], stack["_template"], stack["_resources"]
    conditions, declared = stack["_conditions"], template["Resources"]

    def policy(logical: str) -> str:
        parameters, mappings = stack["_resolved_params"], template.get("Mappings", {})
        deletion_policy = _resource_policy(
            declared.get(logical), "DeletionPolicy", resources, parameters, conditions, mappings, name, arn
        )
        return str(deletion_policy)

    def event(logical: str, resource: dict[str, Any], status: str, reason: str = "") -> None:
        _add_event(arn, name, logical, resource["ResourceType"], status, reason, resource["PhysicalResourceId"])

    order = [logical for logical in _topological_sort(declared, conditions) if logical in resources]
    failed = []
    # Resources that an update could not delete are not in the template, and nothing depends on them.
    for logical in [*(resources.keys() - set(order)), *reversed(order)]:
        resource = resources[logical]
        if policy(logical) in retained:
            event(logical, resource, "DELETE_SKIPPED")
            del resources[logical]
            continue
        try:
            _delete_resource(
                resource["ResourceType"], resource["PhysicalResourceId"], resource["Properties"], name, logical
            )
        except Exception as error:
            event(logical, resource, "DELETE_FAILED", str(error))
            failed.append(logical)
            continue
        event(logical, resource, "DELETE_COMPLETE")
        del resources[logical]
    stack["StackStatus"] = "DELETE_FAILED" if failed else "DELETE_COMPLETE"
    if failed:
        raise NotDeleted(f"The following resource(s) failed to delete: [{', '.join(sorted(failed))}].")
    for output in stack.get("Outputs", []):
        _exports.pop(output.get("ExportName"), None)
