"""Copies of a deployed shop, each with a state folder and ports of its own, without building and deploying again.

    python -m local.cloud.clone stop-idle        wait until no state machine runs in the shop of this environment; stop it
    python -m local.cloud.clone start SOURCE     copy the stopped shop of folder SOURCE to this environment; start the copy

A deployed shop contains its ports: in queue URLs, in addresses in Parameter Store and in environment variables of functions.
``copy`` replaces them by the ports of the copy.
"""

import json
import random
import re
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from local.cloud.processes import ALL
from local.settings import HOST, SCRATCH, STATE
from local.storefront import container
from tools.client import Shop, eventually

PORTS = ("SETPIECES_AWS_PORT", "SETPIECES_FRONT_DOOR_PORT", "SETPIECES_STOREFRONT_PORT", "SETPIECES_SESSIONS_PORT")
INSTANCE_FILE = "instance.json"
# Below the range of ephemeral ports: an outgoing connection could take the port of a process during its restart.
FIRST_PORT, LAST_PORT = 20_000, 32_000
# Large folders that no process writes.
SHARED = ("lambda-runtime", "build")
# Files of the source's processes and of its history.
NOT_COPIED = ("*.pid", "*.version", "*.log", "tmp", "iam-usage.jsonl", "reports", "screenshots", "shops", "checks")


@dataclass(frozen=True)
class Instance:
    """A shop on this machine: the folder of its state, and its ports by environment variable."""

    state: Path
    ports: dict[str, int]

    @classmethod
    def create(cls, state: Path) -> "Instance":
        """A new instance with free ports, recorded in its folder."""
        instance = cls(state, dict(zip(PORTS, free_ports(len(PORTS)), strict=True)))
        instance.save()
        return instance

    @classmethod
    def load(cls, state: Path) -> "Instance":
        """The instance recorded in a folder."""
        return cls(state, json.loads((state / INSTANCE_FILE).read_text()))

    def save(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        (self.state / INSTANCE_FILE).write_text(json.dumps(self.ports))

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that select this shop for all tools, see ``local.settings``."""
        return {name: str(port) for name, port in self.ports.items()} | {"SETPIECES_STATE": str(self.state)}


def free_ports(count: int) -> list[int]:
    """Ports that are free for TCP and UDP: the emulator uses its API's port number for the X-Ray daemon, too."""
    ports: list[int] = []
    with ExitStack() as sockets:
        for port in random.SystemRandom().sample(range(FIRST_PORT, LAST_PORT), 1000):
            if len(ports) == count:
                return ports
            try:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    sockets.enter_context(socket.socket(type=kind)).bind((HOST, port))
            except OSError:
                continue
            ports.append(port)
    raise OSError(f"There are fewer than {count} free ports between {FIRST_PORT} and {LAST_PORT}.")


def copy(source: Instance, target: Instance) -> None:
    """Copy the state of a stopped shop, with the ports of ``target`` in its addresses."""
    ignored = shutil.ignore_patterns(*NOT_COPIED, *SHARED, INSTANCE_FILE)
    shutil.copytree(source.state, target.state, ignore=ignored, dirs_exist_ok=True)
    for shared in SHARED:
        (target.state / shared).symlink_to((source.state / shared).resolve())
    for file in [*target.state.glob("*"), *target.state.glob("state/*.json")]:
        if file.is_file() and file.name != INSTANCE_FILE:
            file.write_bytes(_with_ports(file.read_bytes(), source.ports, target.ports))


def _with_ports(content: bytes, old: dict[str, int], new: dict[str, int]) -> bytes:
    by_port = {str(port).encode(): str(new[name]).encode() for name, port in old.items()}
    pattern = rb"(127\.0\.0\.1|localhost):(%s)\b" % b"|".join(by_port)
    return re.sub(pattern, lambda match: match[1] + b":" + by_port[match[2]], content)


@click.group()
def main() -> None:
    """Copy a deployed shop."""


@main.command("stop-idle")
def stop_idle() -> None:
    """Stop the shop of this environment after its running state machines have ended."""
    eventually(_no_execution_runs, timeout=300, every=0.5)
    for process in reversed(ALL):
        process.stop()
    shutil.rmtree(SCRATCH, ignore_errors=True)


def _no_execution_runs() -> bool:
    states = Shop.from_environment().aws("stepfunctions")
    machines = states.get_paginator("list_state_machines").paginate().search("stateMachines[].stateMachineArn")
    return not any(
        states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"] for machine in machines
    )


@main.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
def start(source: Path) -> None:
    """Copy the stopped shop from folder SOURCE to this environment, and start the copy."""
    original = Instance.load(source)
    copy(original, Instance.load(STATE))
    for process in ALL:
        process.start(seconds=120)
    shop = Shop.from_environment()
    # In this order, because the emulator deregisters all targets of the host, whatever their port.
    container.deregister(shop.aws("elbv2"), original.ports["SETPIECES_STOREFRONT_PORT"])
    container.register(shop.aws("elbv2"))
    # This request starts the catalog's functions and those of the simulators behind it.
    eventually(lambda: shop.call("GET", "/catalog/v1/products").is_success, timeout=120)


if __name__ == "__main__":
    main()
