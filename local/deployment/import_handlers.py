"""Imports the handlers of functions, run by the functions' interpreter: no package of this repository but the layer's is there.

    python -I import_handlers.py '{"paths": [...], "libraries": [...]}'

Each line of the input is a request: {"functions": [{"file", "line", "name", "handler", "folder", "environment"}],
"uses": [{"file", "line", "module", "names", "environment"}]}, where ``uses`` are names that modules of the layer must have.
Each line of the output is the answer: what could not be imported, [{"file", "line", "reason"}]. Handlers are imported in
copies of this process, which has ``libraries`` imported, as many at a time as there are cores.
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
given: dict[str, Any] = json.loads(sys.argv[1])
sys.path[:0] = given["paths"]
for library in given["libraries"]:
    with suppress(ModuleNotFoundError):
        importlib.import_module(library)


def located(error: BaseException, function: dict[str, Any]) -> dict[str, Any]:
    """Where in the function's or the layer's own code the error is; the template's line if it is in none."""
    if isinstance(error, SyntaxError) and error.filename:
        return {"file": error.filename, "line": error.lineno or 0, "reason": f"SyntaxError: {error.msg}"}
    folders = (function["folder"] + os.sep, *(path + os.sep for path in given["paths"][:-1]))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folders)]
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else (function["file"], function["line"])
    return {"file": file, "line": line, "reason": f"{type(error).__name__}: {error} (handler of {function['name']})"}


def failures(function: dict[str, Any]) -> Findings:
    """What is wrong with the handler; nothing if it can be called."""
    sys.path.insert(0, function["folder"])
    os.environ.update(function["environment"], AWS_LAMBDA_FUNCTION_NAME=function["name"])
    module, _, name = function["handler"].rpartition(".")
    try:
        handler = getattr(__import__(module, fromlist=[name]), name)
    except BaseException as error:
        return [located(error, function)]
    if not callable(handler):
        return [{"file": function["file"], "line": function["line"], "reason": f"{function['handler']} is no function"}]
    return []


def missing(uses: list[dict[str, Any]]) -> Findings:
    """Names that the layer's modules do not have, and modules that cannot be imported."""
    os.environ.update(uses[0]["environment"])
    results: Findings = []
    for use in uses:
        try:
            module = __import__(use["module"], fromlist=["*"])
        except BaseException as error:
            results.append(located(error, {**use, "folder": os.sep, "name": use["module"]}))
            continue
        results += [
            {**use, "environment": None, "reason": f"ImportError: {use['module']} has no {name}"}
            for name in use["names"]
            if not hasattr(module, name)
        ]
    return results


def start_copy(check: Callable[[], Findings]) -> tuple[int, int]:
    """A copy of this process that writes what ``check`` finds: (process id, pipe to read it from)."""
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


def answer(child: int, reader: int, file: str, line: int) -> Findings:
    """What a copy found."""
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        return [{"file": file, "line": line, "reason": "importing it ended the process"}]
    findings: Findings = json.loads(text)
    return findings


for request in map(json.loads, sys.stdin):
    found: Findings = []
    checks = [(partial(failures, each), each["file"], each["line"]) for each in request["functions"]]
    if request["uses"]:
        checks.append((partial(missing, request["uses"]), request["uses"][0]["file"], 0))
    cores = os.cpu_count() or 1
    for some in (checks[first : first + cores] for first in range(0, len(checks), cores)):
        copies = [(*start_copy(check), file, line) for check, file, line in some]
        for copy in copies:
            found += answer(*copy)
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()
