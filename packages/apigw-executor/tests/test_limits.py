"""How much a caller may send: API keys, usage plans and the throttles of a stage."""

from __future__ import annotations

from typing import Any

from gateway_fakes import API_KEY_SCHEME, World, proxy, secured

from apigw_executor.deployment import ApiKey, Deployment, Stage, UsagePlan
from apigw_executor.throttles import Limits, Quota


def keyed(plan: UsagePlan, enabled: bool = True) -> World:
    world = secured({"/x": {"get": proxy()}}, API_KEY_SCHEME)
    key = ApiKey("k1", enabled, ("plan",))
    world.deployment = Deployment({"shop": world.api}, {"secret": key}, {"plan": plan})
    return world


def test_api_keys_and_usage_plans() -> None:
    stages: dict[tuple[str, str], Any] = {("api1", "local"): {}}
    world = keyed(UsagePlan("plan", stages, Limits(1, 2), Quota(3, "DAY")))
    assert world.send("GET", "/x").status == 403
    assert world.send("GET", "/x", headers={"x-api-key": "guess"}).status == 403
    send = lambda: world.send("GET", "/x", headers={"X-API-Key": "secret"})  # noqa: E731
    assert [send().status for _ in range(3)] == [200, 200, 429]
    world.clock.at += 2
    assert send().status == 200
    last = send()
    assert (last.status, last.header("x-amzn-errortype")) == (429, "LimitExceededException")
    world.clock.at += 86_400
    assert send().status == 200
    assert world.cloud.invocations[0][1]["requestContext"]["identity"]["apiKeyId"] == "k1"


def test_a_key_of_another_stage_or_disabled_opens_nothing() -> None:
    headers = {"x-api-key": "secret"}
    assert (
        keyed(UsagePlan("plan", {("api2", "local"): {}}, None, None)).send("GET", "/x", headers=headers).status == 403
    )
    mine = UsagePlan("plan", {("api1", "local"): {}}, None, None)
    assert keyed(mine, enabled=False).send("GET", "/x", headers=headers).status == 403
    assert keyed(mine).send("GET", "/x", headers=headers).status == 200


def test_stage_throttling_by_method() -> None:
    limits = {("/*", "*"): Limits(1, 3), ("/a", "GET"): Limits(1, 1)}
    world = World(
        {"/a": {"get": proxy()}, "/b": {"get": proxy()}, "/c": {"get": proxy()}}, stage=Stage("local", limits=limits)
    )
    assert [world.send("GET", "/a").status for _ in range(2)] == [200, 429]
    assert [world.send("GET", path).status for path in ("/b", "/c", "/b", "/c")] == [200, 200, 200, 429]
    world.clock.at += 1
    assert [world.send("GET", "/a").status, world.send("GET", "/b").status] == [200, 200]


def test_a_share_of_the_throttles_counts_until_the_deployment_is_read_again() -> None:
    world = World({"/a": {"get": proxy()}}, stage=Stage("local", limits={("/*", "*"): Limits(1, 4)}))
    world.executor.scale_throttles(0.5)
    assert [world.send("GET", "/a").status for _ in range(3)] == [200, 200, 429]
    world.executor.forget()
    assert [world.send("GET", "/a").status for _ in range(5)] == [200, 200, 200, 200, 429]
