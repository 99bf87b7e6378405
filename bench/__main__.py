"""``make bench``: run every benchmark, or those named, against the running shop: ``python -m bench [name ...]``.

Absolute times differ between machines and hours; each benchmark prints ratios, and what they are against, measured in one run.
Tables go to the screen, figures to ``bench/results/<name>.json``.
"""

import importlib
import pkgutil
import sys

import bench

TOOLS = {"__main__", "black_friday_users", "prices", "report", "variant"}


def main() -> None:
    names = sorted({module.name for module in pkgutil.iter_modules(bench.__path__)} - TOOLS)
    chosen = sys.argv[1:] or names
    unknown = set(chosen) - set(names)
    if unknown:
        raise SystemExit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(names)}.")
    for name in chosen:
        importlib.import_module(f"bench.{name}").run()


if __name__ == "__main__":
    main()
