"""Several calls of other systems at once."""

from collections.abc import Callable, Sequence
from typing import TypeVar

AT_ONCE = 8

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def call_all(call: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
    """The results of ``call`` for each argument; the first error is raised, after all calls have ended."""
    # The first one alone: it looks up the address for all, and often there is only one.
    results = [call(argument) for argument in arguments[:1]]
    if arguments[1:]:
        # Imported here: most requests need no threads, and a cold start pays for it.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(AT_ONCE) as executor:
            results += executor.map(call, arguments[1:])
    return results
