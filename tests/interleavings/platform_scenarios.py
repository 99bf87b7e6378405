"""Counters, sessions, the tax circuit, sitemaps, counted events, migrations, sign-ups and the simulators themselves."""

import gzip
import hashlib
import json
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from local.settings import ROOT
from setpieces import aws
from tests import deployed
from tests.faults import Crash, Fault
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Bounds, Run
from tests.interleavings.world import START, Message, World

# --- sequences ---
LAST = 999_999_999_999


def counter(name: str, num: int) -> Callable[[World], None]:
    return lambda world: world.put("sequences.Table", {"id": name, "num": num})


def request_numbers(path: str, **body: Any) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        answer = world.request("sequences", "POST", f"/v1/sequences/{path}", body)
        if answer.status != 200:
            return answer.status, []
        first = answer.body.get("value", answer.body.get("first"))
        return 200, list(range(first, answer.body.get("last", first) + 1))

    return side


def raise_to(name: str, floor: str) -> Callable[[World], Any]:
    return lambda world: (world.task("sequences", "RaiseSequence", "Raise", {"sequence": name, "num": floor}), [])


def numbers_are_unique(world: World, run: Run) -> str:
    numbers = [number for result in run.results.values() for number in result[1]]
    if len(numbers) != len(set(numbers)):
        return f"issued twice: {sorted(numbers)}"
    return f"beyond the last: {max(numbers)}" if numbers and max(numbers) > LAST else ""


def counters_only_rise(world: World, run: Run) -> str:
    refused = {result[0] for result in run.results.values()} - {True, False, 200, 404, 409}
    if refused and not run.schedule.faults:
        return f"answered {refused}"
    for item in world.items("sequences.Table"):
        if item["id"] not in ("order", "customer", "voucher"):
            return f"a counter that does not exist: {item['id']}"
        if item["num"] < world.facts.setdefault("floor", 0):
            return f"{item['id']} fell to {item['num']}"
        numbers = [number for result in run.results.values() for number in result[1]]
        if numbers and item["num"] < max(numbers):
            return f"{item['id']} stands at {item['num']}, and {max(numbers)} was issued"
    return ""


def counter_at(name: str, num: int) -> Callable[[World], None]:
    def given(world: World) -> None:
        counter(name, num)(world)
        world.facts["floor"] = num

    return given


# --- login ---


def session(world: World) -> None:
    """A session whose idle time is half over, so that the next request moves its end on."""
    world.facts["token"] = "t" * 43
    now = 1_800_000_000
    item = {"customer_id": "C1", "identity_id": "i", "roles": [], "issued_at": now - 900, "expires_at": now + 100}
    key = hashlib.sha256(b"t" * 43).hexdigest()
    world.put("login.Table", item | {"session_hash": key, "ends_at": now + 9000, "idle_seconds": 1000, "generation": 0})


def look(world: World) -> Any:
    event = json.loads((ROOT / "events" / "login" / "authorize_guest.json").read_text())
    event["headers"] = {"Authorization": f"Bearer {world.facts['token']}"}
    try:
        world.invoke(deployed.function("login", "authorize_guest"), event)
    except (Crash, Exception):
        return "refused"
    return "let in"


def sign_out(world: World) -> int:
    headers = {"Authorization": f"Bearer {world.facts['token']}"}
    return int(world.request("login", "DELETE", "/v1/sessions/current", headers=headers).status)


def ended_sessions_stay_ended(world: World, run: Run) -> str:
    ended = any(result == 204 for result in run.results.values())
    return "told that it ended, and it is there" if ended and world.items("login.Table") else ""


# --- tax ---
QUOTATION = {
    "order_number": "T1", "currency": "EUR", "ship_to": {"country": "DE", "postal_code": "10115"},
    "lines": [{"sku": "SP-1", "quantity": 1, "unit_price": 100}],
}  # fmt: skip


def circuit(failures: int, open_until: int, since_ms: int, down: bool) -> Callable[[World], None]:
    def given(world: World) -> None:
        world.put("tax.Table", {"id": "circuit", "failures": failures, "open_until": open_until, "since_ms": since_ms})
        world.facts["failures"] = failures
        if down:
            world.down.add("tax")

    return given


def forgotten(world: World) -> None:
    """A failure so long ago that it is none in a row."""
    circuit(1, 0, 1000 * (START - 61), True)(world)
    world.facts["failures"] = 0


def quote(world: World) -> int:
    return int(world.request("tax", "POST", "/v1/quotations", QUOTATION).status)


def quotations_are_given(world: World, run: Run) -> str:
    faults = bool(run.schedule.faults)
    return "" if faults else "; ".join(f"{side}: {status}" for side, status in run.results.items() if status != 200)


def _asked(run: Run) -> int:
    return sum("POST partners/v1/tax/quotations" in step.call for step in run.steps)


def one_probe(world: World, run: Run) -> str:
    # Without the table every instance goes on with the state that it saw last.
    if world.facts["failures"] >= 5 and "tax" in world.down and _asked(run) > 1 and not run.schedule.faults:
        return f"the circuit is open, and {_asked(run)} probes were made"
    return ""


def failures_are_counted(world: World, run: Run) -> str:
    """Each call that fails is one more, up to those that open it; only without faults of the table itself."""
    stored = next(item for item in world.items("tax.Table") if item["id"] == "circuit")
    expected = min(world.facts["failures"] + _asked(run), 5)
    if (
        not run.schedule.faults
        and "tax" in world.down
        and world.facts["failures"] < 5
        and stored["failures"] < expected
    ):
        return f"{_asked(run)} calls failed after {world.facts['failures']}, and {stored['failures']} are counted"
    return ""


# --- sitemaps ---


def executions(*running: str) -> Callable[[World], None]:
    def given(world: World) -> None:
        for name in ("a", "b", "old"):
            world.executions[name] = {
                "status": "RUNNING" if name in running else "SUCCEEDED",
                "input": "",
                "name": name,
            }
        if "held" in running or "old" in running:
            world.put("sitemaps.Table", {"run_id": "LOCK", "execution": "old"})

    return given


def take_lock(name: str) -> Callable[[World], Any]:
    def side(world: World) -> str:
        from sitemaps.domain.runs import Busy
        from sitemaps.workflow.runs import acquire_lock

        with world.acting_as(deployed.function("sitemaps", "plan_pages")):
            try:
                acquire_lock(name, int(time.time()))
            except Busy:
                return "busy"
            except (Crash, Exception):
                return "failed"
        return "works"

    return side


def one_run_works(world: World, run: Run) -> str:
    working = [side for side, result in run.results.items() if result == "works"]
    if len(working) > 1:
        return f"{' and '.join(working)} work at the same time"
    holder = next((item["execution"] for item in world.items("sitemaps.Table") if item["run_id"] == "LOCK"), "")
    return f"{working[0]} works, and {holder or 'none'} holds the lock" if working and working != [holder] else ""


# --- ingestion ---
OBJECT = "events/2027/01/15/08/one.gz"


def object_delivered(world: World) -> None:
    event = {"event_id": "e1", "type": "view", "occurred_at": "2027-01-15T08:00:00Z", "data": {}}
    line = json.dumps({"received_at": 1_800_000_000_000, "request_id": "r1", "event": event})
    sample = json.loads((ROOT / "events" / "ingestion" / "roll_up.json").read_text())
    stored = aws.client("s3").put_object(Bucket=BUCKET, Key=OBJECT, Body=gzip.compress(f"{line}\n".encode(), mtime=0))
    world.facts["object"] = sample | {"bucket": BUCKET, "key": OBJECT, "etag": stored["ETag"].strip('"')}


BUCKET = "ingestion-bucket"


def roll_up(world: World) -> Any:
    for _ in range(2):
        try:
            return world.invoke(deployed.function("ingestion", "roll_up"), world.facts["object"])["counted"]
        except (Crash, Exception):
            continue
    return None


def counted_once(world: World, run: Run) -> str:
    events = sum(item.get("events", 0) for item in world.items("ingestion.CountsTable"))
    rolled_up = any(result is not None for result in run.results.values())
    return f"one event is counted {events} times" if events > 1 or (rolled_up and not events) else ""


# --- customer-migration ---
CUSTOMER = {"customer_id": "C1", "identity_id": "id-of-c1", "name": "Ada", "email": "ada@example.com"}
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


# --- sign-up ---
PERSON = {"email": "ada@example.com", "name": "Ada"}


def mailed(world: World) -> None:
    """A sign-up was requested, and its mail with the token was sent."""
    counter("customer", 100_000_000)(world)
    assert world.request("customers", "POST", "/v1/customers", PERSON).status == 202
    text = world.mails[-1]["Content"]["Simple"]["Body"]["Text"]["Data"]
    world.facts["confirmation"] = re.findall(r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}", text)[0]


def sign_up(world: World) -> Any:
    body = {"token": world.facts["confirmation"], "password": "correct horse battery"}
    answer = world.until_answered(lambda: world.request("customers", "POST", "/v1/customers/confirmations", body))
    return answer.status


def ask_for_account(world: World) -> int:
    return int(world.request("customers", "POST", "/v1/customers", PERSON, key="form-1").status)


def one_mail_after_another(world: World, run: Run) -> str:
    """A request that is sent again after it was answered sends no other mail."""
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


def points_are_kept(world: World, run: Run) -> str:
    member: dict[str, Any] = next(iter(world.records("members").values()), {})
    return (
        f"{member.get('points')} of 500 points are left"
        if world.facts.get("earned") and member.get("points") != 500
        else ""
    )


# --- the simulators ---


def charge(amount: int) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        body = {"amount": amount, "currency": "EUR", "payment_token": "tok_ok", "order_number": "T1"}
        return world.partner("POST", "payments/charges", body, **{"idempotency-key": "T1"}).status

    return side


def replace_customer(name: str) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        return world.partner("PUT", "commerce/customers/C1", CUSTOMER | {"name": name}, **{"if-match": '"1"'}).status

    return side


def known_customer(world: World) -> None:
    assert world.partner("PUT", "commerce/customers/C1", CUSTOMER, **{"if-none-match": "*"}).status == 201


def one_charge(world: World, run: Run) -> str:
    effects = world.effects("charges")
    return f"the ledger has {len(effects)} charges for one key" if len(effects) > 1 else ""


def no_version_is_written_twice(world: World, run: Run) -> str:
    done = [side for side, status in run.results.items() if status == 200]
    return f"{' and '.join(done)} replaced the same version" if len(done) > 1 else ""


def _one(service: str, sentence: str, check: Any) -> Invariant:
    return Invariant(service, sentence, check)


INVARIANTS = (
    _one("sequences", "No number is issued twice, and none beyond the last.", numbers_are_unique),
    _one("sequences", "Counters exist or not, and only rise.", counters_only_rise),
    _one(
        "login",
        "A session that was ended is gone, whatever its owner does at the same time.",
        ended_sessions_stay_ended,
    ),
    _one("tax", "Every request for a quotation gets one.", quotations_are_given),
    _one("tax", "While the circuit is open, one at a time tries the tax system.", one_probe),
    _one("tax", "Every failure in a row is counted.", failures_are_counted),
    _one("sitemaps", "One run works at a time, and holds the lock.", one_run_works),
    _one("ingestion", "An object is counted once.", counted_once),
    _one("customer-migration", "A customer is migrated and the lease is released.", customer_is_migrated),
    _one("customer-migration", "A customer is written once for each legacy version.", customer_is_written_once),
    _one("customer-migration", "A lease keeps its owner until it expires or is released.", lease_keeps_its_owner),
    _one("customers", "A person who signs up is one customer.", one_customer),
    _one("customers", "A request for an account that is repeated sends one mail.", one_mail_after_another),
    _one("customers", "A sign-up never takes points.", points_are_kept),
    _one("partners", "A key has one charge.", one_charge),
    _one("partners", "Of two who replace the same version, one does.", no_version_is_written_twice),
)
AWS = (Fault.LOST, Fault.UNANSWERED, Fault.UNAVAILABLE)
SCENARIOS = (
    Scenario(
        "sequences",
        "two clients request the next number",
        counter_at("order", 100_000_000),
        {"one": request_numbers("order/next"), "other": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "two clients request the last number",
        counter_at("order", LAST - 1),
        {"one": request_numbers("order/next"), "other": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "a number of an unknown sequence",
        counter_at("order", 5),
        {"one": request_numbers("basket/next"), "other": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "two lease the last vouchers",
        counter_at("voucher", LAST - 15),
        {"one": request_numbers("voucher/lease", count=10), "other": request_numbers("voucher/lease", count=10)},
    ),
    Scenario(
        "sequences",
        "a lease before there is a counter",
        counter_at("order", 5),
        {"one": request_numbers("voucher/lease", count=10), "other": request_numbers("order/lease", count=1)},
    ),
    Scenario(
        "sequences",
        "two lease order numbers at the end",
        counter_at("order", LAST - 1),
        {"one": request_numbers("order/lease", count=1), "other": request_numbers("order/lease", count=1)},
    ),
    Scenario(
        "sequences",
        "a counter is raised to less than it is",
        counter_at("order", 100),
        {"raise": raise_to("order", "50"), "one": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "a counter is raised while numbers are taken",
        counter_at("order", 100),
        {
            "raise": raise_to("order", "101"),
            "one": request_numbers("order/next"),
            "other": request_numbers("order/next"),
        },
    ),
    Scenario("tax", "two failures at once, long after another", forgotten, {"one": quote, "other": quote}),
    Scenario("login", "a session is used while it ends", session, {"owner": sign_out, "tab": look}),
    Scenario("login", "two tabs sign out", session, {"one": sign_out, "other": sign_out}),
    Scenario(
        "login",
        "a session ends that has ended",
        lambda world: world.facts.update(token="u" * 43),
        {"one": sign_out, "other": sign_out},
    ),
    Scenario("tax", "two find the circuit half open", circuit(5, 1, 1, True), {"one": quote, "other": quote}),
    Scenario(
        "tax",
        "two find the circuit half open, and the system works",
        circuit(5, 1, 1, False),
        {"one": quote, "other": quote},
    ),
    Scenario("tax", "two failures at once", circuit(1, 0, 1_800_000_000_000, True), {"one": quote, "other": quote}),
    Scenario(
        "tax",
        "a failure opens the circuit that a probe would close",
        circuit(4, 0, 1_800_000_000_000, True),
        {"one": quote, "other": quote},
    ),
    Scenario("sitemaps", "two runs begin", executions("a", "b"), {"a": take_lock("a"), "b": take_lock("b")}),
    Scenario(
        "sitemaps",
        "two runs follow one that is over",
        executions("a", "b", "held"),
        {"a": take_lock("a"), "b": take_lock("b")},
    ),
    Scenario(
        "sitemaps",
        "a run begins while another works",
        executions("a", "b", "old"),
        {"a": take_lock("a"), "b": take_lock("b")},
    ),
    Scenario(
        "ingestion",
        "the event of an object is delivered twice",
        object_delivered,
        {"one": roll_up, "other": roll_up},
    ),
    Scenario(
        "customer-migration",
        "the message of a customer is delivered twice",
        customer_with_two_messages,
        {"one": migrate, "other": migrate},
        settle=partial(World.settle, until=lambda: True),
        watch=watch_lease,
    ),
    Scenario(
        "customer-migration",
        "a lease runs out while its owner works",
        customer_with_two_messages,
        {"slow": migrate, "next": migrate_after_the_lease},
        settle=partial(World.settle, until=lambda: True),
        watch=watch_lease,
    ),
    Scenario(
        "customer-migration",
        "a migration is started again while it runs",
        customer_with_two_messages,
        {"run": migrate, "person": restart_migration},
        settle=partial(World.settle, until=lambda: True),
        watch=watch_lease,
    ),
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
        {"first": ask_for_account, "again": ask_for_account},
    ),
    Scenario(
        "partners",
        "one key charges twice at once",
        lambda world: None,
        {"one": charge(100), "other": charge(100)},
        faults=AWS,
    ),
    Scenario(
        "partners",
        "two replace the same customer",
        known_customer,
        {"one": replace_customer("Ada"), "other": replace_customer("Grace")},
        faults=AWS,
    ),
)
