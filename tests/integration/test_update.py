"""A running shop of the state before is updated to this one: nothing is lost, and nothing that holds data is made anew."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.settings import ROOT
from tests.integration.checkouts import body, ended, fill_basket, status, submit
from tests.integration.other_cloud import Other, other_cloud
from tools.client import Shop, eventually, unique

pytestmark = pytest.mark.local_only("it updates a local cloud of its own")

DATA = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"}
WHAT_DEPLOYS = ("templates", "functions", "schemas", "statemachines")


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def commit_before() -> str:
    """The commit before the last one that changed what is deployed; the first one there is, where history is cut off."""
    last = git("rev-list", "--max-count=1", "HEAD", "--", *WHAT_DEPLOYS).decode().strip()
    return git("rev-list", "--max-count=2", last).decode().split()[-1]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    with other_cloud(tmp_path) as cloud:
        yield cloud


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A checkout of the commit before, which works with the libraries of this one."""
    checkout = tmp_path / "before"
    checkout.mkdir()
    subprocess.run(
        ["tar", "--extract", "--directory", str(checkout)], input=git("archive", commit_before()), check=True
    )
    for environment in (".venv", ".venv-sam"):
        (checkout / environment).symlink_to(ROOT / environment)
    return checkout


def command_line(checkout: Path) -> str:
    """The module of the command line of a checkout: ``local.cli`` before it moved to ``tools``."""
    return "tools.cli" if (checkout / "tools" / "cli.py").exists() else "local.cli"


def holding_data(shop: Shop) -> dict[tuple[str, str], str]:
    """{(template, logical id): physical id} of every table, bucket and key of the shop."""
    client = shop.aws("cloudformation")
    physical_ids = {}
    for stack in client.get_paginator("describe_stacks").paginate().search("Stacks[]"):
        for one in (
            client.get_paginator("list_stack_resources")
            .paginate(StackName=stack["StackName"])
            .search("StackResourceSummaries[]")
        ):
            if one["ResourceType"] in DATA:
                physical_ids[stack["StackName"], one["LogicalResourceId"]] = one["PhysicalResourceId"]
    return physical_ids


def next_number(shop: Shop) -> int:
    return shop.call("POST", "/sequences/v1/sequences/order/next", sign=True).json()["value"]


@pytest.mark.timeout(900)
def test_an_update_loses_nothing(other: Other, before: Path):
    other.run(before, command_line(before), "start")
    shop = other.shop
    products = eventually(
        lambda: [one for one in shop.call("GET", "/catalog/v1/products").json()["items"] if one["available"]]
    )
    basket = fill_basket(shop, products[0], 2)
    number = submit(shop, body(fill_basket(shop, products[0]))).json()["order_number"]
    assert ended(shop, number)["status"] == "Complete"
    stored_basket: dict[str, Any] = shop.call("GET", f"/basket/v1/baskets/{basket}").json()
    stores, last = holding_data(shop), next_number(shop)
    other.run(before, command_line(before), "stop")

    other.run(ROOT, "tools.cli", "start")
    shop = other.shop  # its credentials may be new, too
    after = holding_data(shop)
    assert stores
    assert {name: after.get(name) for name in stores} == stores
    assert shop.call("GET", f"/basket/v1/baskets/{basket}").json() == stored_basket
    assert status(shop, number).json()["status"] == "Complete"
    assert next_number(shop) > last
    # A basket filled before the update can be ordered after it.
    assert (
        ended(shop, submit(shop, body(basket), **{"Idempotency-Key": unique("k")}).json()["order_number"])["status"]
        == "Complete"
    )
