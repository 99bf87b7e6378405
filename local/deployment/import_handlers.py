"""Imports handlers in the interpreter of functions, which has only the layer of this repository's packages.

    python -I import_handlers.py '{"paths": [...], "libraries": [...]}'

Each line of the input is a request: {"functions": [{"file", "line", "name", "handler", "folder", "environment"}],
"uses": [{"file", "line", "module", "names", "environment"}]}, where ``uses`` are names that modules of the layer must have.
Each line of the output is a response: the failed imports, [{"file", "line", "reason"}]. Handlers are imported in forks of
this process, which has imported ``libraries``. One fork runs per core.
"""

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

Findings = list[dict[str, Any]]
settings: dict[str, Any] = json.loads(sys.argv[1])
sys.path[:0] = settings["paths"]
for library in settings["libraries"]:
    with suppress(ModuleNotFoundError):
        importlib.import_module(library)


def located(error: BaseException, function: dict[str, Any]) -> dict[str, Any]:
    """The error with its last line in code of the function or layer; with the template's line if there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return {"file": error.filename, "line": error.lineno or 0, "reason": f"SyntaxError: {error.msg}"}
    folders = (function["folder"] + os.sep, *(path + os.sep for path in settings["paths"][:-1]))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folders)]
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else (function["file"], function["line"])
    return {"file": file, "line": line, "reason": f"{type(error).__name__}: {error} (handler of {function['name']})"}


def failures(function: dict[str, Any]) -> Findings:
    """The failed import of a handler; empty if it can be called."""
    sys.path.insert(0, function["folder"])
    os.environ.update(function["environment"], AWS_LAMBDA_FUNCTION_NAME=function["name"])
    module, _, name = function["handler"].rpartition(".")
    try:
        handler = getattr(__import__(module, fromlist=[name]), name)
    except BaseException as error:
        return [located(error, function)]
    if not callable(handler):
        return [
            {"file": function["file"], "line": function["line"], "reason": f"{function['handler']} is not a function"}
        ]
    return []


def missing(uses: list[dict[str, Any]]) -> Findings:
    """Modules of the layer that cannot be imported, and names that they lack."""
    os.environ.update(uses[0]["environment"])
    results: Findings = []
    for use in uses:
        try:
            module = __import__(use["module"], fromlist=use["names"])
        except BaseException as error:
            results.append(located(error, {**use, "folder": os.sep, "name": use["module"]}))
            continue
        results += [
            {**use, "environment": None, "reason": f"ImportError: {use['module']} has no {name}"}
            for name in use["names"]
            if not hasattr(module, name)
        ]
    return results


def start_fork(check: Callable[[], Findings]) -> tuple[int, int]:
    """Run ``check`` in a fork: (process id, pipe from which to read its findings)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.dup2(2, 1)
        with os.fdopen(writer, "w") as pipe:
            json.dump(check(), pipe)
        os._exit(0)
    os.close(writer)
    return child, reader


def findings_of(child: int, reader: int, file: str, line: int) -> Findings:
    """The findings of a fork."""
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        return [{"file": file, "line": line, "reason": "the import ended the process"}]
    findings: Findings = json.loads(text)
    return findings


for request in map(json.loads, sys.stdin):
    results: Findings = []
    checks = [(partial(failures, each), each["file"], each["line"]) for each in request["functions"]]
    if request["uses"]:
        checks.append((partial(missing, request["uses"]), request["uses"][0]["file"], 0))
    cores = os.cpu_count() or 1
    for batch in (checks[first : first + cores] for first in range(0, len(checks), cores)):
        forks = [(*start_fork(check), file, line) for check, file, line in batch]
        for fork in forks:
            results += findings_of(*fork)
    sys.stdout.write(json.dumps(results) + "\n")
    sys.stdout.flush()
