"""The local cloud: runs the deployable templates on one machine. Development only, never deployed.

emulator/     MiniStack in our own process, with patches where it differs from AWS
front_door/   all deployed APIs at one address, with the paths of the custom domain
storefront/   the storefront's container and its session store as processes of this machine
deployment/   checks of changed files, packaging of changed templates, updates of the stack
cloud/        start, stop, status, and the watch that brings edits into the running shop
campaigns/    the demo, reports and long campaigns on this machine
"""

import model  # noqa: F401  its import sets Python's path
