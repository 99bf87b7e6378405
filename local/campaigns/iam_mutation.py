"""``make iam-mutation``: remove statements from deployed roles, one at a time, and check that a test fails.

    make iam-mutation SAMPLE=20 SEED=1    20 statements that the last test run used; exits with 1 if one is not detected

The statement is removed from the role in the running local cloud, the tests of its service run until one fails, and the
statement is restored. tests/templates/test_needed_permissions.py does so for all permissions that templates need and the
local cloud does not enforce.
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
from local.campaigns import iam_needs, iam_report
from local.cloud.integration_role import SERVICE as DELIVERY
from local.cloud.processes import kill_workers
from local.cloud.start import start
from local.emulator import iam_usage
from model.grants import as_list
from model.settings import ROOT
from model.templates import pieces
from tools.client import Shop

# The tests of a service's flows, if they have another name.
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
    """(service, statement) of each statement that allowed a call."""
    roles = {one["physical_id"]: one for one in emulator_client.resources() if one["type"] == "AWS::IAM::Role"}
    services = dict(iam_report.roles_by_service(list(roles.values())))
    used = {(role, policy, number) for role, policy, number, _, _ in iam_usage.read() if role in roles}
    return sorted((services[role], (role, policy, number)) for role, policy, number in used if role in services)


@contextmanager
def without(iam: Any, statement: Statement) -> Iterator[dict[str, Any]]:
    """Remove the statement from its role during the block. Returns the statement."""
    role, policy, number = statement
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    remaining = copy.deepcopy(document)
    removed = remaining["Statement"].pop(number)
    try:
        if remaining["Statement"]:
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(remaining))
        else:
            iam.delete_role_policy(RoleName=role, PolicyName=policy)
        kill_workers()  # warm functions have cached what they read
        yield removed
    finally:
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))


def needed_by_template(service: str, role: str, statement: dict[str, Any]) -> bool:
    """True if a resource of the template needs the statement."""
    actions = as_list(statement["Action"])
    remaining = [
        grant for grant in iam_needs.grants(pieces()[service]) if grant.role != role or grant.action not in actions
    ]
    return iam_needs.unmet(pieces()[service], remaining) != []


def failing_test(service: str) -> str:
    """Run the tests of the service until one fails. Returns its id, "" if all pass."""
    own = f"test_{service.replace('-', '_')}"
    files = [ROOT / "tests" / "integration" / f"{name}.py" for name in TESTS.get(service, (own,))]
    other_tests = [str(POISON), "-k", f"{service}-"], [str(SAMPLES), "-k", f"{service}- and takes_its_sample"]
    for arguments in ([*map(str, files)], *other_tests):
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
    candidates = [each for each in statements() if each[0] in pieces() and each[0] != DELIVERY]
    survived = 0
    logical = {one["physical_id"]: one["logical_id"] for one in emulator_client.resources()}
    mutations = random.Random(seed).sample(candidates, min(sample, len(candidates)))
    for number, (service, statement) in enumerate(mutations, start=1):
        began = time.monotonic()
        with without(iam, statement) as removed:
            needed = needed_by_template(service, logical[statement[0]], removed)
            test = NEEDED if needed else failing_test(service)
        survived += not test
        actions = removed["Action"] if isinstance(removed["Action"], str) else ", ".join(removed["Action"])
        console.print(
            f"{number:3}/{len(mutations)} {time.monotonic() - began:5.0f} s  "
            f"{service:20} {actions:70} {'detected by ' + test if test else '[red]not detected[/]'}"
        )
    console.print(f"{len(mutations) - survived} of {len(mutations)} were detected (seed {seed}).")
    raise SystemExit(1 if survived else 0)
