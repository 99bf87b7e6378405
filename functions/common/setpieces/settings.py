"""What the template tells a function through its environment variables."""

import os


def setting(name: str) -> str:
    """The value of environment variable ``name``; a missing one is a fault of the template and raises KeyError."""
    return os.environ[name]


STAGE = os.environ.get("STAGE", "local")
SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME", "setpieces")
SITE_ID = os.environ.get("SITE_ID", "Brick Shop")
