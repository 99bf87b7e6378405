"""What a patch of MiniStack is, and the changes that patches have in common.

A patch is a function with the decorator ``patch``; ``local/emulator/patches`` has a module for each AWS service.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any


class NoLongerNeeded(Exception):
    """The emulator lacks the text that a patch replaces: check whether the patch is still needed."""


@dataclass(frozen=True)
class Patch:
    """A difference between MiniStack and AWS, with the function that removes it.

    ``aws`` and ``emulator`` describe the behaviour of each without the patch, ``reason`` why the difference matters here.
    ``upstream`` is the URL of MiniStack's issue or pull request about the behaviour, or ``not reported``. ``tests`` are names
    of tests besides the one that is named after the patch.
    """

    name: str
    area: str
    aws: str
    emulator: str
    reason: str
    upstream: str
    tests: tuple[str, ...]
    apply: Callable[[], None]

    @property
    def where(self) -> str:
        """``file:function`` of the patch."""
        return f"{self.apply.__module__.replace('.', '/')}.py:{self.apply.__name__}"

    @property
    def node_ids(self) -> tuple[str, ...]:
        """The pytest node ids of its tests: the patches of a module are tested by the module of the same name."""
        file = f"tests/integration/parity/test_{self.apply.__module__.rpartition('.')[2]}.py"
        return tuple(f"{file}::{test}" for test in (f"test_{self.name.replace('-', '_')}", *self.tests))


registered: list[Patch] = []


def patch(
    name: str, *, area: str, aws: str, emulator: str, reason: str, upstream: str, tests: tuple[str, ...] = ()
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register the decorated function as a patch; patches are applied in the order of their registration."""

    def register(function: Callable[[], None]) -> Callable[[], None]:
        registered.append(Patch(name, area, aws, emulator, reason, upstream, tests, function))
        return function

    return register


def source_of(function: Any) -> str:
    """The source of a function; ``inspect`` does not know the source of one that was patched before."""
    return getattr(function, "patched_source", None) or textwrap.dedent(inspect.getsource(function))


def replace_in_function(owner: Any, name: str, old: str, new: str) -> None:
    """Recompile the function ``name`` of ``owner``, a module or a class, with ``old`` replaced by ``new``.

    Raises ``NoLongerNeeded`` unless ``old`` occurs exactly once.
    """
    module = owner if isinstance(owner, ModuleType) else sys.modules[owner.__module__]
    source = source_of(getattr(owner, name))
    if source.count(old) != 1:
        raise NoLongerNeeded(f"{owner.__name__}.{name} does not contain {old!r} exactly once")
    scope: dict[str, Any] = {}
    patched_source = source.replace(old, new)
    exec(compile(patched_source, module.__file__ or module.__name__, "exec"), module.__dict__, scope)
    scope[name].patched_source = patched_source
    setattr(owner, name, scope[name])


def replace_in_text(module: ModuleType, name: str, old: str, new: str) -> None:
    """Replace ``old`` by ``new`` in the string ``module.name``.

    Raises ``NoLongerNeeded`` unless ``old`` occurs exactly once.
    """
    text = getattr(module, name)
    if text.count(old) != 1:
        raise NoLongerNeeded(f"{module.__name__}.{name} does not contain {old!r} exactly once")
    setattr(module, name, text.replace(old, new))
