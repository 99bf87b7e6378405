"""What a service has stored, to see that a request changed nothing."""

import json
from functools import cache

from model.templates import pieces
from tools.client import Shop

# What counts requests in order to refuse the next ones, such as failed sign-ins.
COUNTERS = "attempts#"


def contents(shop: Shop, service: str) -> list[str]:
    """Every item of the service's tables but for counters of requests, in an order of its own."""
    rows = []
    for table in _tables(shop, service):
        pages = shop.aws("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        items = (json.dumps(item, sort_keys=True, default=str) for page in pages for item in page["Items"])
        rows += [table + item for item in items if f'"S": "{COUNTERS}' not in item]
    return sorted(rows)


@cache
def _tables(shop: Shop, service: str) -> list[str]:
    """The physical names of a service's tables."""
    nested = _of_type(shop, f"setpieces-{shop.stage}", "AWS::CloudFormation::Stack")
    stacks = (
        nested[name]
        for name, resource in pieces()["shop"].source["Resources"].items()
        if resource["Properties"]["Location"] == f"{service}.yaml"
    )
    return [table for stack in stacks for table in _of_type(shop, stack, "AWS::DynamoDB::Table").values()]


def _of_type(shop: Shop, stack: str, resource_type: str) -> dict[str, str]:
    """Logical to physical names."""
    pages = shop.aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in resources if r["ResourceType"] == resource_type}
