"""Remove one permission from a function's role."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.emulator_client import resources
from tools.client import Shop


def role_of(service: str, *fragments: str) -> str:
    """The physical name of the one role of ``service`` whose logical id contains every fragment."""
    names = [
        resource["physical_id"]
        for resource in resources()
        if resource["type"] == "AWS::IAM::Role"
        and f"-{service}-".lower() in resource["stack"].lower() + "-"
        and all(fragment in resource["logical_id"] for fragment in fragments)
    ]
    assert len(names) == 1, names
    return names[0]


@contextmanager
def without_permission(shop: Shop, role: str, action: str) -> Iterator[None]:
    """Remove ``action`` from all inline policies of ``role`` during the block."""
    iam = shop.aws("iam")
    policies = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in list_inline_policies(iam, role)
    }
    has_action = False
    try:
        for name, document in policies.items():
            reduced, removed = _remove_action(document, action)
            has_action = has_action or removed
            if reduced["Statement"]:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(reduced))
            else:
                iam.delete_role_policy(RoleName=role, PolicyName=name)
        assert has_action, f"{role} does not have {action}"
        yield
    finally:
        for name, document in policies.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def list_inline_policies(iam: Any, role: str) -> list[str]:
    return iam.list_role_policies(RoleName=role)["PolicyNames"]


def _remove_action(document: dict[str, Any], action: str) -> tuple[dict[str, Any], bool]:
    reduced, removed = copy.deepcopy(document), False
    for statement in reduced["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        removed = removed or action in actions
        statement["Action"] = [other for other in actions if other != action]
    reduced["Statement"] = [statement for statement in reduced["Statement"] if statement["Action"]]
    return reduced, removed
