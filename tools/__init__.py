"""Commands and clients for a shop of any stage, on AWS or on this machine. ``tools.cli`` is the command line."""

import model  # noqa: F401  its import sets Python's path
