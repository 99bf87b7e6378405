"""The declarations of the repository: its templates, the routes of its events, the permissions that it grants.

Imports no other room. On import, it adds the folders of the services and of ``packages/`` to Python's path: tools use
rules of services, such as those that ``tools.redirects`` checks. mypy and pytest have these folders in pyproject.toml.
"""

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[1]
# At the end: a service never hides a library.
sys.path += [str(folder) for folder in sorted((*_ROOT.glob("functions/*/"), *_ROOT.glob("packages/*/src/")))]
