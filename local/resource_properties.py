"""Which properties a resource type has, by the schemas of CloudFormation's registry that cfn-lint carries."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from local.settings import REGION


@cache
def known(resource_type: str) -> frozenset[str] | None:
    """The names of a type's properties; None for a type without a schema, such as a custom resource."""
    from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
    from cfnlint.schema.exceptions import ResourceNotFoundError

    try:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, resource_type).schema
    except ResourceNotFoundError:
        return None
    return frozenset(schema.get("properties", {}))


def unsupported(template: Mapping[str, Any]) -> Iterator[str]:
    """What CloudFormation says of every property in ``template`` that its resource's type does not have."""
    for name, resource in (template.get("Resources") or {}).items():
        names = known(resource.get("Type", ""))
        for each in sorted((resource.get("Properties") or {}).keys() - names) if names else ():
            if not each.startswith("Fn::"):
                yield f"Encountered unsupported property {each} of {name} ({resource['Type']})"
