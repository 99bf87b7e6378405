"""``make stop`` and ``make reset``: stop the processes of the local cloud, and keep or delete its state."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import click
import psutil
from rich.console import Console

from local.cloud.processes import ALL, EMULATOR, Process
from local.settings import SCRATCH, STATE
from model.settings import ROOT
from tools.progress import step

# The emulator saves its state when it ends, which takes long for a large shop on a busy machine.
SAVE_SECONDS = 120
# The other processes save nothing: time for requests in flight.
GRACE_SECONDS = 2
KILL_SECONDS = 10

console = Console(highlight=False)


@click.command()
def stop() -> None:
    """Stop all processes; the state is kept for the next start."""
    running = [process for process in ALL if process.running()]
    if not running:
        end((), 0)
        console.print(f"No process was running.{_state_summary()}", soft_wrap=True)
        return
    front = [process for process in running if process is not EMULATOR]
    if front:
        with step(f"stopping {_names(front)}"):
            end(front, GRACE_SECONDS)
    if EMULATOR in running:
        with step(f"stopping {_names([EMULATOR])}, which saves its state"):
            end([EMULATOR], SAVE_SECONDS)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    console.print(f"Stopped.{_state_summary()}", soft_wrap=True)


@click.command()
def reset() -> None:
    """Stop all processes and delete the state: stacks, data, keys, accounts, mails and logs."""
    running = [process for process in ALL if process.running()]
    if running:
        with step(f"stopping {_names(running)} without saving the state"):
            end(running, 0)
    end((), 0)
    if not STATE.exists():
        console.print(f"No state to delete ({_relative(STATE)}).", soft_wrap=True)
        return
    count, size = _size(STATE)
    with step(f"deleting {_relative(STATE)}: {count:,} files, {size / 1e6:,.0f} MB"):
        shutil.rmtree(STATE)
    console.print("The local cloud is empty. Start it with: make start")


def end(processes: Iterable[Process], seconds: float) -> None:
    """Terminate processes at the same time, and kill those that run after ``seconds``, with their children.

    With 0 seconds all are killed at once.
    """
    running = {process: system for process in processes if (system := process.running())}
    children = [child for parent in running.values() for child in _children(parent)]
    for each in running.values() if seconds else ():
        with suppress(psutil.NoSuchProcess):
            each.terminate()
    wait(running.values(), seconds)
    remaining = [*running.values(), *children, *orphans()]
    for each in remaining:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    wait(remaining, KILL_SECONDS)
    for process in running:
        process.pid_file.unlink(missing_ok=True)


def wait(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Wait until processes have ended, at most ``seconds``."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(is_running, processes)):
        time.sleep(0.02)


def orphans() -> list[psutil.Process]:
    """Processes of functions that a killed emulator left behind. They run files below ``SCRATCH``."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(argument.startswith(f"{SCRATCH}{os.sep}") for argument in process.info["cmdline"] or ())
    ]


def is_running(process: psutil.Process) -> bool:
    """True if the process runs. A zombie, which its parent has not waited for, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _children(parent: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return parent.children(recursive=True)
    return []


def _names(processes: Iterable[Process]) -> str:
    return ", ".join(f"{process.name} ({process.pid()})" for process in processes)


def _state_summary() -> str:
    count, size = _size(STATE)
    return f" The state is kept in {_relative(STATE)} ({size / 1e6:,.0f} MB); make reset deletes it." if count else ""


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _size(folder: Path) -> tuple[int, int]:
    """(number of files, bytes) below a folder."""
    sizes = [entry.stat(follow_symlinks=False).st_size for entry in _files(folder)]
    return len(sizes), sum(sizes)


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    """The files below a folder, without those deleted in the meantime."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path))
            else:
                yield entry
