"""A copy of the repository, in which tests and benchmarks of ``make watch`` edit files.

The developer's files do not change. ``restore`` reverts all edits, and the watch brings the originals into the shop.
"""

import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from model.settings import ROOT

LINKED = (".venv", ".venv-sam", ".venv-policy")
ENDED = "<ended>"
OUTCOME = re.compile(r"^  (ok|not deployed)\b")


class Checkout:
    """A copy of the repository's files, edits included, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
        for name in LINKED:
            (folder / name).unlink(missing_ok=True)
            (folder / name).symlink_to((ROOT / name).resolve())
        self._originals: dict[Path, bytes | None] = {}

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        """Replace the text of a file by ``change(text)``. The text of a new file is empty."""
        path = self.root / name
        self._originals.setdefault(path, path.read_bytes() if path.exists() else None)
        path.write_text(change(path.read_text() if path.exists() else ""))

    def restore(self) -> None:
        """Revert all edits."""
        for path, content in self._originals.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        self._originals.clear()


class Watch:
    """``python -m local.cloud.watch`` in a checkout, for the shop of ``environment``, with its output.

    The processes that it restarts run from the checkout; the storefront does from the start.
    """

    def __init__(self, checkout: Checkout, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "local.cloud.watch"],
            cwd=checkout.root,
            env={**os.environ, **environment, "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.lines_until(re.compile("^Watching"), 300)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(ENDED)

    def lines_until(self, pattern: re.Pattern[str], seconds: float) -> list[str]:
        """The output up to a line with ``pattern``. Raises ``TimeoutError`` with the output so far."""
        lines: list[str] = []
        deadline = time.monotonic() + seconds
        while not (lines and pattern.search(lines[-1])):
            try:
                lines.append(self._lines.get(timeout=max(0.0, deadline - time.monotonic())))
                if lines[-1] == ENDED:
                    raise RuntimeError("the watch ended:\n" + "\n".join(lines))
            except queue.Empty:
                raise TimeoutError(f"no line with {pattern.pattern} in {seconds} s:\n" + "\n".join(lines)) from None
        return lines

    def outcome(self, seconds: float = 120) -> str:
        """The output for one edit."""
        return "\n".join(self.lines_until(OUTCOME, seconds))

    @property
    def process(self) -> psutil.Process:
        """The process, to measure its resources."""
        return psutil.Process(self._process.pid)

    def running(self) -> bool:
        """True if the watch has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the watch; the shop keeps running."""
        self._process.terminate()
        self._process.wait(30)
