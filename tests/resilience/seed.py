"""``SETPIECES_SEED`` repeats a run of a campaign; ``SETPIECES_TORTURE=1`` makes it a long one."""

import os

SEED = int(os.environ.get("SETPIECES_SEED", "20191202"))
TORTURE = bool(os.environ.get("SETPIECES_TORTURE"))
