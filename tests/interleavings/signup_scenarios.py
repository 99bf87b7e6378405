"""Sign-ups: requested and confirmed more than once."""

import json
import re
from typing import Any

from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Bounds, Run
from tests.interleavings.sequence_scenarios import counter
from tests.interleavings.world import World

PERSON = {"email": "ada@example.com", "name": "Ada"}


def mailed(world: World) -> None:
    """A sign-up was requested, and its mail with the token was sent."""
    counter("customer", 100_000_000)(world)
    assert world.request("customers", "POST", "/v1/customers", PERSON).status == 202
    text = world.mails[-1]["Content"]["Simple"]["Body"]["Text"]["Data"]
    world.facts["confirmation"] = re.findall(r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}", text)[0]


def sign_up(world: World) -> Any:
    body = {"token": world.facts["confirmation"], "password": "correct horse battery"}
    response = world.request_with_retries(
        lambda: world.request("customers", "POST", "/v1/customers/confirmations", body)
    )
    return response.status


def request_account(world: World) -> int:
    return int(world.request("customers", "POST", "/v1/customers", PERSON, key="form-1").status)


def one_mail_after_another(world: World, run: Run) -> str:
    """A request that is repeated after its response sends no second mail."""
    first = next((place for place, step in enumerate(run.steps) if step.side == "again"), 0)
    apart = all(step.side == "first" for step in run.steps[:first]) and all(
        step.side == "again" for step in run.steps[first:]
    )
    mails = len(world.mails)
    return (
        f"{mails} mails"
        if "again" in run.results
        and "confirmation" not in world.facts
        and apart
        and not run.schedule.faults
        and mails > 1
        else ""
    )


def earn(world: World) -> str:
    """The rewards platform adds points to members only."""
    member = next(iter(world.records("members").items()), None)
    if member:
        document = member[1] | {"points": 500}
        item = next(i for i in world.items("partners.Table") if i["collection"] == "members")
        world.put("partners.Table", item | {"document": json.dumps(document), "revision": item["revision"] + 1})
        world.facts["earned"] = True
    return "earned" if member else "no member"


def signs_up_then_earns(world: World) -> Any:
    status = sign_up(world)
    return status, earn(world)


def one_customer(world: World, run: Run) -> str:
    identities, customers = world.records("identities"), world.records("customers")
    if len(identities) > 1 or len(customers) > 1:
        return f"{len(identities)} identities and {len(customers)} customers for one person"
    return ""


def points_stay(world: World, run: Run) -> str:
    member: dict[str, Any] = next(iter(world.records("members").values()), {})
    return (
        f"{member.get('points')} of 500 points are left"
        if world.facts.get("earned") and member.get("points") != 500
        else ""
    )


INVARIANTS = (
    Invariant("customers", "A person who signs up is one customer.", one_customer),
    Invariant("customers", "A request for an account that is repeated sends one mail.", one_mail_after_another),
    Invariant("customers", "A sign-up never takes points.", points_stay),
)
SCENARIOS = (
    Scenario(
        "customers",
        "a sign-up is confirmed again while the first is slow",
        mailed,
        {"first": sign_up, "again": signs_up_then_earns},
        bounds=Bounds(switches=1, mixed=30, random=20),
    ),
    Scenario(
        "customers",
        "an account is requested twice",
        lambda world: None,
        {"first": request_account, "again": request_account},
    ),
)
