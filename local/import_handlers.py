"""Imports the handlers of functions, run by the functions' interpreter: no package of this repository but the layer's is there.

Input: {"paths": [...], "functions": [{"file", "line", "name", "handler", "folder", "environment"}],
"uses": [{"file", "line", "module", "names", "environment"}]}, where ``uses`` are names that modules of the layer must have.
Output: what could not be imported, [{"file", "line", "reason"}]. Each is imported in a copy of this process, which has the
runtime's libraries imported.
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

given: dict[str, Any] = json.load(sys.stdin)
sys.path[:0] = given["paths"]
import aws_lambda_powertools  # noqa: E402, F401
import boto3  # noqa: E402, F401  what every function imports


def located(error: BaseException, function: dict[str, Any]) -> dict[str, Any]:
    """Where in the function's or the layer's own code the error is; the template's line if it is in none."""
    if isinstance(error, SyntaxError) and error.filename:
        return {"file": error.filename, "line": error.lineno or 0, "reason": f"SyntaxError: {error.msg}"}
    folders = (function["folder"] + os.sep, *(path + os.sep for path in given["paths"][:-1]))
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folders)]
    file, line = (frames[-1].filename, frames[-1].lineno) if frames else (function["file"], function["line"])
    return {"file": file, "line": line, "reason": f"{type(error).__name__}: {error} (handler of {function['name']})"}


def failures(function: dict[str, Any]) -> list[dict[str, Any]]:
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


def missing(uses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Names that the layer's modules do not have, and modules that cannot be imported."""
    os.environ.update(uses[0]["environment"])
    results: list[dict[str, Any]] = []
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


def in_copy(check: Callable[[Any], list[dict[str, Any]]], subject: Any, file: str, line: int) -> list[dict[str, Any]]:
    """The findings of ``check(subject)``, made in a copy of this process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(2, 1)
        with os.fdopen(writer, "w") as pipe:
            json.dump(check(subject), pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if answer:
        findings: list[dict[str, Any]] = json.loads(answer)
        return findings
    return [{"file": file, "line": line, "reason": "importing it ended the process"}]


found = [
    result
    for function in given["functions"]
    for result in in_copy(failures, function, function["file"], function["line"])
]
if given["uses"]:
    found += in_copy(missing, given["uses"], given["uses"][0]["file"], 0)
sys.stdout.write(json.dumps(found))
