"""The processes in which the local cloud runs functions."""

from contextlib import suppress

import psutil

from local.processes import EMULATOR


def kill_workers() -> int:
    """Kill every process in which a function runs, only those of our own emulator; how many there were."""
    emulator = EMULATOR.running()
    assert emulator
    killed = 0
    for child in emulator.children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # ended by itself, or waits for the emulator to notice that it has
            if "_worker.py" in " ".join(child.cmdline()):
                child.kill()
                killed += 1
    return killed
