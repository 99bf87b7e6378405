"""Brings edited files into the running shop: deploys the changed stacks, and restarts the processes with changed code."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import yaml

from local import emulator_client
from local.cloud import published_addresses
from local.cloud.processes import EMULATOR, FRONT_DOOR_PROCESS, SESSIONS, STOREFRONT, Process, kill_workers
from local.deployment import checks, lint, update
from local.deployment.findings import Finding, Rejected
from local.deployment.layer import refresh_layers, restore_layers
from local.deployment.package import NeedsBuild
from local.deployment.update import Plan, Progress
from local.settings import FRONT_DOOR, STOREFRONT_FOLDER
from local.storefront import container
from model import sources
from model.settings import ROOT
from model.sources import below

LOCAL = (EMULATOR, FRONT_DOOR_PROCESS, SESSIONS)
FOLDERS = ("templates", "functions", "schemas", "statemachines", "storefront", "local", "model", "packages", "tools")
FILES = ("samconfig.toml", "requirements-dev.txt")


def snapshot() -> dict[Path, str]:
    """{file: digest} of all files whose edits have an effect."""
    files = [file for name in (*FOLDERS, *FILES) for file in below(ROOT / name)]
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()}


def changed(before: dict[Path, str], now: dict[Path, str]) -> set[Path]:
    """The files that are new, changed or deleted."""
    return {file for file in before.keys() | now.keys() if before.get(file) != now.get(file)}


def pending() -> Plan:
    """The changes since the last deployment. Raises ``Rejected`` if a template cannot be read."""
    try:
        return update.plan(sources.templates(), update.recorded() or {})
    except _UNREADABLE:
        findings = list(_broken_templates())
        if not findings:
            raise
        raise Rejected(findings) from None


# Raised for invalid YAML, a nested template that does not exist, and resources without a type.
_UNREADABLE = (yaml.YAMLError, OSError, LookupError, TypeError, AttributeError)


def _broken_templates() -> Iterator[Finding]:
    for file in below(sources.SHOP.parent):
        try:
            template = sources.read(file)
            template.functions()
            yield from checks.references(template)
        except _UNREADABLE:
            yield from list(checks.check_file(file)) or lint.template(file)


def bring_in(changed: set[Path], progress: Progress) -> list[str]:
    """Check and deploy the pending changes, and restart the processes that run ``changed`` files.

    Returns the names of the deployed templates and restarted processes. Raises ``Rejected``, ``DeployFailed`` and
    ``CannotStart``; the shop then runs its previous version. Raises ``NeedsBuild`` if the changes need ``sam build``.
    """
    plan = pending()
    if update.needs_build(plan):
        raise NeedsBuild(f"built anew: {update.summary(plan.changed)}")
    deployed = {ROOT / name for name in plan.now} | plan.changed
    names = deploy_pending(plan, progress)
    return names + restart_changed() if changed - deployed or not STOREFRONT.pid() else names


def deploy_pending(plan: Plan, progress: Progress) -> list[str]:
    """Check and deploy ``plan``. Returns the names of the templates. Raises ``Rejected`` and ``DeployFailed``."""
    if not plan.changed:
        return []
    checks.check(plan.templates, plan.stacks, plan.changed)
    if plan.changes_layer():
        refresh_layers(plan)
        kill_workers()
        progress("updating all functions with the layer's new files, before its new version is deployed")
    try:
        update.update(plan, progress)
    except BaseException:
        undo()
        raise
    published_addresses.point_to_front_door(update.client("ssm"), emulator_client.resources())
    httpx.post(f"{FRONT_DOOR}/_front_door/reload", timeout=30).raise_for_status()
    update.record(plan.now)
    restore_layers()
    if sources.SHOP in plan.changed or any(_runs_container(template) for template in plan.stacks):
        STOREFRONT.stop()  # its environment comes from its task definition and from parameters of the shop
    return plan.names


def undo() -> None:
    """Remove the refreshed layers of an update that failed or was killed."""
    if restore_layers():
        kill_workers()


def _runs_container(template: sources.Template) -> bool:
    return any(each["Type"] == "AWS::ECS::TaskDefinition" for _, each in sources.single_resources(template.document))


def restart_changed() -> list[str]:
    """Restart the processes whose code has changed. Returns their names. Raises ``Rejected`` and ``CannotStart``."""
    replaced = [process for process in LOCAL if not process.current()]
    for process in replaced:
        checks.importable(process.module)
    checks.pages()
    if not STOREFRONT.current():
        checks.importable("app.main", ROOT / "storefront")
    _copy_storefront()
    if EMULATOR in replaced:
        FRONT_DOOR_PROCESS.stop()  # its credentials are those of the previous emulator
    started = [process.name for process in LOCAL if process.start(seconds=60)]
    if SESSIONS.name in started or EMULATOR.name in started:
        STOREFRONT.stop()
    if STOREFRONT.start():
        container.register(update.client("elbv2"))
        started.append(STOREFRONT.name)
    return started


def _copy_storefront() -> None:
    """Copy the checked files for the running storefront, which reads templates of pages for each request."""
    source = ROOT / "storefront"
    files = {file.relative_to(source): file.read_bytes() for file in below(source)}
    for file in below(STOREFRONT_FOLDER):
        if file.relative_to(STOREFRONT_FOLDER) not in files:
            file.unlink()
    for name, content in files.items():
        copy = STOREFRONT_FOLDER / name
        if not copy.exists() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)


def running() -> list[Process]:
    """The running processes of the local cloud."""
    return [process for process in (*LOCAL, STOREFRONT) if process.pid()]
