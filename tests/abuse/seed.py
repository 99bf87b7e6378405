"""``SETPIECES_SEED`` repeats a run of the abuse campaign; ``SETPIECES_TORTURE=1`` makes it a long one."""

import os
import random

# Kept in the environment: pytest's workers, which inherit it, must collect the same tests.
_DRAWN = os.environ.setdefault("SETPIECES_ABUSE_SEED", str(random.SystemRandom().randrange(1_000_000)))
SEED = int(os.environ.get("SETPIECES_SEED") or _DRAWN)
LONG = os.environ.get("SETPIECES_TORTURE") == "1"
