"""``SETPIECES_SEED`` repeats a run of the abuse campaign; ``SETPIECES_TORTURE=1`` makes it a long one."""

import os
import random

SEED = int(os.environ.get("SETPIECES_SEED") or random.SystemRandom().randrange(1_000_000))
LONG = os.environ.get("SETPIECES_TORTURE") == "1"
