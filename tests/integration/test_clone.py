"""A copy of a deployed shop is a shop of its own: everything in it has its own ports, and it shares no data."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.storefront.container import target_group
from model.settings import ROOT
from tests.integration.checkouts import body, ended, fill_basket, submit
from tests.integration.other_cloud import Other, other_cloud
from tools.client import Shop, eventually, unique

pytestmark = pytest.mark.local_only("it copies the state folder of a local cloud")

LOCAL_PORT = re.compile(r"(?:127\.0\.0\.1|localhost):(\d+)")


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a stopped shop."""
    if "SETPIECES_DEPLOYED" in os.environ:
        yield Path(os.environ["SETPIECES_DEPLOYED"])
        return
    with other_cloud(tmp_path_factory.mktemp("deployed")) as cloud:
        cloud.save()
        cloud.run(ROOT, "tools.cli", "start")
        cloud.run(ROOT, "local.cloud.clone", "stop-idle")
        yield cloud.state


@pytest.fixture(scope="module")
def copy(deployed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Other]:
    with other_cloud(tmp_path_factory.mktemp("copy")) as cloud:
        cloud.copy_of(deployed)
        yield cloud


def local_ports(texts: list[str]) -> set[int]:
    return {int(port) for text in texts for port in LOCAL_PORT.findall(text)}


def published_addresses(shop: Shop) -> list[str]:
    pages = shop.aws("ssm").get_paginator("get_parameters_by_path").paginate(Path="/setpieces/local", Recursive=True)
    return [parameter["Value"] for page in pages for parameter in page["Parameters"]]


def function_settings(shop: Shop) -> list[str]:
    pages = shop.aws("lambda").get_paginator("list_functions").paginate()
    return [str(function.get("Environment")) for page in pages for function in page["Functions"]]


@pytest.mark.timeout(900)
def test_deployed_resources_have_the_ports_of_their_copy(copy: Other):
    aws, front_door, storefront, _ = copy.ports.values()
    assert local_ports(published_addresses(copy.shop)) == {front_door, aws}
    assert local_ports(function_settings(copy.shop)) == {aws}
    assert local_ports(copy.shop.aws("sqs").list_queues()["QueueUrls"]) == {aws}
    balancing = copy.shop.aws("elbv2")
    (target,) = balancing.describe_target_health(TargetGroupArn=target_group(balancing))["TargetHealthDescriptions"]
    assert target["Target"]["Port"] == storefront


@pytest.mark.timeout(900)
def test_a_copy_takes_orders_of_which_another_shop_has_nothing(copy: Other, shop: Shop, products: list[dict]):
    # No function of the copy has run yet: the first answers may be 503.
    basket = eventually(lambda: fill_basket(copy.shop, products[0]), timeout=120)
    number = submit(copy.shop, body(basket), **{"Idempotency-Key": unique("k")}).json()["order_number"]
    assert ended(copy.shop, number)["status"] == "Complete"
    assert copy.shop.call("GET", "/").status_code == 200
    assert shop.call("GET", f"/basket/v1/baskets/{basket}").status_code == 404
