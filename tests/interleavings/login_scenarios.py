"""Sessions: used while they end."""

import hashlib
import json
from typing import Any

from model.settings import ROOT
from tests import deployed
from tests.faults import Crash
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.world import World


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
    return "a response says that it ended, and it exists" if ended and world.items("login.Table") else ""


INVARIANTS = (
    Invariant(
        "login",
        "A session that was ended stays ended, whatever its owner does at the same time.",
        ended_sessions_stay_ended,
    ),
)
SCENARIOS = (
    Scenario("login", "a session is used while it ends", session, {"owner": sign_out, "tab": look}),
    Scenario("login", "two tabs sign out", session, {"one": sign_out, "other": sign_out}),
    Scenario(
        "login",
        "a session ends that has ended",
        lambda world: world.facts.update(token="u" * 43),
        {"one": sign_out, "other": sign_out},
    ),
)
