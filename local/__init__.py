"""The local cloud: runs the deployable templates on one machine. Development only, never deployed.

emulator/     MiniStack in our own process, with patches where it differs from AWS
front_door/   every deployed API under one address, with the paths of the custom domain
cloud/        start, stop, status, and the loop that brings edits into the running shop
campaigns/    reports and long campaigns against the running shop
"""

import model  # noqa: F401  its import sets Python's path
