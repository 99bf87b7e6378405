"""Measures the memory of functions in the local cloud."""

import threading
from contextlib import suppress
from pathlib import Path

import psutil

from local.cloud.processes import workers


class Memory:
    """Peak resident memory of the processes of each function, in MB, sampled while the block runs."""

    def __init__(self, functions: tuple[str, ...]) -> None:
        """``functions`` are names of the form ``<service>-<function>``."""
        self._functions = functions
        self.peak: dict[str, int] = {}
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch)

    def __enter__(self) -> "Memory":
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._stopped.wait(0.5):
            for process, name in workers():
                with suppress(psutil.Error, OSError, StopIteration):
                    function = next(each for each in self._functions if name.endswith(f"-{each}"))
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    (peak,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
                    self.peak[function] = max(self.peak.get(function, 0), int(peak) // 1024)
