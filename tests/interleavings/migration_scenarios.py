"""Migrations of customers: messages delivered twice, and leases that run out."""

import json
import time
from functools import partial

from model.settings import ROOT
from tests.interleavings.partner_scenarios import CUSTOMER
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.state import Message
from tests.interleavings.world import World

MIGRATIONS = "customer-migration.MigrationsQueue"


def customer_with_two_messages(world: World) -> None:
    """A customer of both platforms, and two messages of one sign-up."""
    assert world.partner("PUT", "commerce/customers/C1", CUSTOMER, **{"if-none-match": "*"}).status == 201
    assert world.partner(
        "PUT",
        "commerce/legacy/customers/C1",
        {"source_version": 3, "name": "Ada", "email": "ada@example.com", "customer_id": "C1"},
    ).status in (200, 201)
    sample = json.loads((ROOT / "events" / "customer-migration" / "migrate_customer.json").read_text())
    body = sample["Records"][0]["body"].replace("C100000001", "C1")
    for name in ("first", "copy"):
        attributes = {"type": "CUSTOMER", "subtype": "PROFILE", "status": "CREATED", "origin": "shop"}
        world.queues[MIGRATIONS].append(Message(name, body, attributes))


def migrate(world: World) -> int:
    return world.deliver(MIGRATIONS)


def migrate_after_the_lease(world: World) -> int:
    world.later(3600)
    return world.deliver(MIGRATIONS)


def restart_migration(world: World) -> int:
    return int(
        world.request("customer-migration", "POST", "/v1/migrations/C1", principalId="grace", roles="admin").status
    )


def customer_is_migrated(world: World, run: Run) -> str:
    item = next(iter(world.items("customer-migration.Table")), {})
    if item.get("status") != "MIGRATED":
        return f"the customer is {item.get('status')}"
    return f"still leased by {item['lease_owner']}" if "lease_owner" in item else ""


def customer_is_written_once(world: World, run: Run) -> str:
    writes = [effect for effect in world.effects("customers") if effect.get("effect") == "updated"]
    return f"written {len(writes)} times" if len(writes) > 1 else ""


def lease_keeps_its_owner(world: World, run: Run) -> str:
    return world.facts.get("lease", "")


def watch_lease(world: World) -> None:
    """Note a lease that changes its owner before it has expired, or that is released by a side that does not own it."""
    item = next(iter(world.items("customer-migration.Table")), {})
    owner, until = item.get("lease_owner"), item.get("lease_until", 0)
    owner_before, until_before = world.facts.get("leased", (None, 0))
    sides = world.facts.setdefault("sides", {})
    if owner_before and owner and owner != owner_before and until_before >= int(time.time()) and until >= until_before:
        world.facts["lease"] = "acquired although the lease of another owner has not expired"
    if owner_before and not owner and sides.get(owner_before, world.side) != world.side:
        world.facts["lease"] = f"the lease of {sides[owner_before]} was released by {world.side}"
    if owner and owner != owner_before:
        sides[owner] = world.side
    world.facts["leased"] = owner, until


INVARIANTS = (
    Invariant("customer-migration", "A customer is migrated and the lease is released.", customer_is_migrated),
    Invariant("customer-migration", "A customer is written once for each legacy version.", customer_is_written_once),
    Invariant("customer-migration", "A lease keeps its owner until it expires or is released.", lease_keeps_its_owner),
)
SCENARIOS = (
    Scenario(
        "customer-migration",
        "the message of a customer is delivered twice",
        customer_with_two_messages,
        {"one": migrate, "other": migrate},
        afterwards=partial(World.run_automatic_steps, until=lambda: True),
        watch=watch_lease,
    ),
    Scenario(
        "customer-migration",
        "a lease runs out while its owner works",
        customer_with_two_messages,
        {"slow": migrate, "next": migrate_after_the_lease},
        afterwards=partial(World.run_automatic_steps, until=lambda: True),
        watch=watch_lease,
    ),
    Scenario(
        "customer-migration",
        "a migration is started again while it runs",
        customer_with_two_messages,
        {"run": migrate, "person": restart_migration},
        afterwards=partial(World.run_automatic_steps, until=lambda: True),
        watch=watch_lease,
    ),
)
