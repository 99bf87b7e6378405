"""The local cloud: runs the deployable templates on one machine. Development only, never deployed.

emulator.py      MiniStack in our own process, with the corrections of corrections.py
corrections.py   where the emulator differs from AWS in what we deploy: one small named rule each
names.py         what of ours has a name that AWS gives once, and whether it is taken
nested_stacks.py what the emulator's CloudFormation leaves of a nested stack
front_door.py    gives every deployed API the path it has on the custom domain in AWS
gateway/         executes deployed API Gateway REST APIs
cli.py           the command line behind the Makefile; commands are in modules of their own
cloud.py         start
failures.py      expected failures of commands, each as one sentence
deploy.py        sam build, sam deploy; for the local cloud and for AWS
seed.py          sample data
differences.py   where it differs from AWS besides
parity.py        every difference from AWS, with its reason and its test
"""

import sys
from pathlib import Path

# Tools import packages of services, such as the rules that ``local.redirects`` checks. mypy and pytest have these folders in
# pyproject.toml, a function has its own one. At the end: a service never hides a library.
sys.path += [str(folder) for folder in sorted((Path(__file__).parents[1] / "functions").iterdir()) if folder.is_dir()]
