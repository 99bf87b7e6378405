"""cfn-lint in this process: errors with their lines, whichever thread asks first."""

import subprocess
import sys

from model.settings import ROOT

TWO_THREADS = """
import threading
from pathlib import Path
from local.deployment import lint

template, found, ready = Path("templates/foundation.yaml"), {}, threading.Barrier(2)

def ask(name, question):
    ready.wait()
    found[name] = question()

threads = [
    threading.Thread(target=ask, args=("text", lambda: lint.errors('{"Resources": {"A": {"Type": "AWS::None::None"}}}'))),
    threading.Thread(target=ask, args=("file", lambda: list(lint.template(template)))),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print([match.rule.id for match in found["text"]], found["file"])
"""


def test_two_threads_may_load_the_linter_at_once():
    """Seen in `make start` of a changed template and a changed state machine: the modules of cfn-lint were half imported."""
    process = subprocess.run([sys.executable, "-c", TWO_THREADS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.stdout == "['E3006'] []\n", process.stderr
