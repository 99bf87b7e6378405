"""A faster way to write the emulator's state when it ends.

MiniStack passes each service's state to ``json.dump``, which encodes in Python, piece by piece. ``json.dumps`` encodes the same
text in C, in a fraction of the CPU time, for which ``make stop`` waits.
"""

import json
from types import SimpleNamespace
from typing import Any, TextIO


def encode_in_c() -> None:
    """Let MiniStack's persistence encode with ``json.dumps``."""
    from ministack.core import persistence

    persistence.json = SimpleNamespace(**vars(json) | {"dump": dump})


def dump(document: Any, file: TextIO, **options: Any) -> None:
    """The same as ``json.dump``."""
    file.write(json.dumps(document, **options))
