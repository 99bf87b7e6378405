"""cfn-lint in this process, used by several threads."""

import subprocess
import sys

from model.settings import ROOT

TWO_THREADS = """
import threading
from pathlib import Path
from local.deployment import lint

template, results, ready = Path("templates/foundation.yaml"), {}, threading.Barrier(2)

def check(name, linter):
    ready.wait()
    results[name] = linter()

threads = [
    threading.Thread(target=check, args=("text", lambda: lint.errors('{"Resources": {"A": {"Type": "AWS::None::None"}}}'))),
    threading.Thread(target=check, args=("file", lambda: list(lint.template(template)))),
]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print([match.rule.id for match in results["text"]], results["file"])
"""


def test_two_threads_load_the_linter_at_the_same_time():
    """Without the lock, one thread sees modules of cfn-lint that the other has imported in part."""
    process = subprocess.run([sys.executable, "-c", TWO_THREADS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert process.stdout == "['E3006'] []\n", process.stderr
