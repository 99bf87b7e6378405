"""Where a shop can be: this machine (local), and an AWS account per stage."""

import os

STAGES = ("local", "dev", "test", "prod")


def current_stage() -> str:
    """The stage that commands work with: ``SETPIECES_STAGE``, by default local."""
    return os.environ.get("SETPIECES_STAGE", "local")
