"""``make iam-mutation``: take statements away from live roles, one at a time, and see that a test notices.

    make iam-mutation SAMPLE=20 SEED=1    20 statements that the last test run used; exits 1 if one is not missed

The statement is taken from the role in the running local cloud, the tests of its service run until one fails, and the
statement is put back. What templates need and the local cloud does not enforce is checked likewise, all of it, by
tests/templates/test_needed_permissions.py.
"""

import copy
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console

from local import emulator_client
from local.campaigns import iam_report
from local.cloud.integration_role import SERVICE as DELIVERY
from local.cloud.processes import kill_workers
from local.cloud.start import start
from local.emulator import iam_usage
from model.grants import as_list
from model.settings import ROOT
from model.templates import pieces
from tools.client import Shop

# Where the flows of a service are tested, if not under its own name.
TESTS = {
    "feed-pipeline": ("test_feeds",),
    "edge": ("test_redirects", "test_storefront"),
    "partners": ("test_partners", "test_payments"),
    "payments": ("test_payments", "test_orders"),
    "orders": ("test_orders", "test_payments"),
    "sequences": ("test_sequences", "test_vouchers"),
    "foundation": ("test_operations",),
    "event-bus": ("test_archive_replay", "test_operations"),
}
SAMPLES, POISON = (ROOT / "tests" / "integration" / f"test_{name}.py" for name in ("sample_events", "poison"))
NEEDED = "tests/templates/test_needed_permissions.py"
# (physical role, policy name, index of the statement)
Statement = tuple[str, str, int]


def statements() -> list[tuple[str, Statement]]:
    """(service, statement) of every statement that let a call through."""
    roles = {one["physical_id"]: one for one in emulator_client.resources() if one["type"] == "AWS::IAM::Role"}
    services = dict(iam_report.roles_by_service(list(roles.values())))
    used = {(role, policy, number) for role, policy, number, _, _ in iam_usage.read() if role in roles}
    return sorted((services[role], (role, policy, number)) for role, policy, number in used if role in services)


@contextmanager
def without(iam: Any, statement: Statement) -> Iterator[dict[str, Any]]:
    """The statement, which its role does not have for the duration of the block."""
    role, policy, number = statement
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    left = copy.deepcopy(document)
    taken = left["Statement"].pop(number)
    try:
        if left["Statement"]:
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(left))
        else:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
        kill_workers()  # warm functions remember what they were allowed to read before
        yield taken
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def needed(service: str, role: str, taken: dict[str, Any]) -> bool:
    """Does the template's own check miss the statement?"""
    granted = list(iam_report.granted(pieces()[service]))
    actions = as_list(taken["Action"])
    left = [grant for grant in granted if grant.role != role or grant.action not in actions]
    return iam_report.unmet(pieces()[service], left) != []


def missed_by(service: str) -> str:
    """The first test of the service that fails now, "" if none does."""
    own = f"test_{service.replace('-', '_')}"
    files = [ROOT / "tests" / "integration" / f"{name}.py" for name in TESTS.get(service, (own,))]
    others = [str(POISON), "-k", f"{service}-"], [str(SAMPLES), "-k", f"{service}- and takes_its_sample"]
    for arguments in ([*map(str, files)], *others):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        failed = [line.split(" ")[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        if failed:
            return failed[0].removeprefix("tests/integration/")
    return ""


@click.command(epilog="make iam-mutation SAMPLE=20 SEED=1")
@click.option("--sample", type=click.IntRange(min=1), envvar="SAMPLE", default=20, show_default=True, help="How many.")
@click.option("--seed", type=int, envvar="SEED", default=1, show_default=True, help="Selects the statements.")
@click.pass_context
def main(ctx: click.Context, sample: int, seed: int) -> None:
    """Start the shop; remove statements of policies, one at a time, and check that a test fails."""
    ctx.invoke(start)
    console, iam = Console(width=200, highlight=False), Shop.from_environment().aws("iam")
    # The role of the integration tests has no service to test: each of its grants is a call of a test itself.
    found = [one for one in statements() if one[0] in pieces() and one[0] != DELIVERY]
    survived = 0
    logical = {one["physical_id"]: one["logical_id"] for one in emulator_client.resources()}
    chosen = random.Random(seed).sample(found, min(sample, len(found)))
    for number, (service, statement) in enumerate(chosen, start=1):
        began = time.monotonic()
        with without(iam, statement) as taken:
            test = NEEDED if needed(service, logical[statement[0]], taken) else missed_by(service)
        survived += not test
        actions = taken["Action"] if isinstance(taken["Action"], str) else ", ".join(taken["Action"])
        console.print(
            f"{number:3}/{len(chosen)} {time.monotonic() - began:5.0f} s  "
            f"{service:20} {actions:70} {'detected by ' + test if test else '[red]not detected[/]'}"
        )
    console.print(f"{len(chosen) - survived} of {len(chosen)} were detected (seed {seed}).")
    raise SystemExit(1 if survived else 0)
