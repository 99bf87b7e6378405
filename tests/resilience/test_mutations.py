"""Builds that are broken on purpose: the invariants must detect each defect.

Each mutation replaces one text of the deployed code of the running shop, or a deployed setting (``mutations.py``). A small
campaign then provokes the fault: duplicate messages, a disabled consumer, a partner outage, repeated events. One specific
invariant must be violated. After the original is restored, the same campaign satisfies every invariant.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.spokes import dead_letters
from tests.resilience.disturbances import get_mapping, wait_until_idle
from tests.resilience.mutations import MUTATIONS, Campaign, Mutation, Unreported
from tests.resilience.retrying_client import Client, Refused
from tools.client import Shop, eventually
from tools.drivers.invariants.runner import assert_invariants, violations
from tools.drivers.invariants.violations import Violations
from tools.drivers.promises import Promises
from tools.drivers.queues import depths, is_dead

LIVE = "live"
REPORT_FAILURES = ["ReportBatchItemFailures"]


@contextmanager
def apply_mutation(shop: Shop, mutation: Mutation | Unreported) -> Iterator[None]:
    """Apply the mutation during the block. Fails if it is stale."""
    undo: list[Callable[[], Any]] = []
    try:
        if isinstance(mutation, Unreported):
            undo.append(disable_failure_reports(shop, mutation.queue))
        else:
            for function in mutation.functions:
                undo.append(changed(shop, f"setpieces-{shop.stage}-{function}", mutation))
        yield
    finally:
        for each in reversed(undo):
            each()


def disable_failure_reports(shop: Shop, queue: str) -> Callable[[], Any]:
    """Disable failure reports of the queue's mapping. Returns a function that restores them."""
    mapping, api = get_mapping(shop, queue), shop.aws("lambda")
    assert mapping["FunctionResponseTypes"] == REPORT_FAILURES, f"stale: {queue} does not report failures"
    api.update_event_source_mapping(UUID=mapping["UUID"], FunctionResponseTypes=[])
    return lambda: api.update_event_source_mapping(UUID=mapping["UUID"], FunctionResponseTypes=REPORT_FAILURES)


def changed(shop: Shop, function: str, mutation: Mutation) -> Callable[[], Any]:
    """Deploy a function with the mutation, under its alias if it has one. Returns a function that restores it."""
    api = shop.aws("lambda")
    # The emulator does not sign the link, so its route requires the token.
    link = urlsplit(api.get_function(FunctionName=function)["Code"]["Location"])
    original = shop.emulator("GET", link.path).raise_for_status().content
    version = {alias["Name"]: alias["FunctionVersion"] for alias in api.list_aliases(FunctionName=function)["Aliases"]}
    deploy(shop, function, apply_to_zip(original, mutation), publish=bool(version))

    def undo() -> None:
        if version:
            api.update_alias(FunctionName=function, Name=LIVE, FunctionVersion=version[LIVE])
        deploy(shop, function, original, publish=False)

    return undo


def apply_to_zip(original: bytes, mutation: Mutation) -> bytes:
    """Return the function's zip with the mutation."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as before, zipfile.ZipFile(changed, "w") as after:
        text = before.read(mutation.file).decode()
        times = text.count(mutation.old)
        assert times == 1, f"stale: {mutation.file} has {mutation.old!r} {times} times, say in MUTATIONS what it is now"
        for name in before.namelist():
            content = text.replace(mutation.old, mutation.new).encode() if name == mutation.file else before.read(name)
            after.writestr(name, content)
    return changed.getvalue()


def deploy(shop: Shop, function: str, code: bytes, publish: bool) -> None:
    api = shop.aws("lambda")
    version = api.update_function_code(FunctionName=function, ZipFile=code, Publish=publish)["Version"]
    eventually(lambda: api.get_function_configuration(FunctionName=function)["LastUpdateStatus"] == "Successful")
    if publish:
        api.update_alias(FunctionName=function, Name=LIVE, FunctionVersion=version)


def run(shop: Shop, campaign: Campaign) -> Promises:
    """Run one campaign until all queues are empty."""
    promises = Promises.of(shop)
    client = Client(shop, promises, campaign.__name__)
    try:
        campaign(client)
    except Refused as refused:
        promises.failures.append(str(refused))
    wait_until_idle(shop, promises)
    return promises


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_invariants_detect_a_broken_build(shop: Shop, mutation: Mutation | Unreported):
    def complaints() -> Violations:
        return violations(shop, promises, [mutation.complains]).get(mutation.complains.__name__, [])

    with apply_mutation(shop, mutation):
        promises = run(shop, mutation.campaign)
        complaint_details = eventually(complaints)
        # The violation is permanent: no pending message repairs it.
        wait_until_idle(shop, promises)
        assert complaints()
    delete_dead_letters(shop, promises)
    print(f"\n{mutation.name}: {complaint_details[0]}")
    assert_invariants(shop, run(shop, mutation.campaign))


def delete_dead_letters(shop: Shop, promises: Promises) -> None:
    """Delete dead letters of a broken build."""
    for queue in filter(is_dead, depths(shop)):
        for order in promises.orders:
            dead_letters(shop, queue.removeprefix(f"setpieces-{shop.stage}-"), order.number)
