"""Lambda's response and log for an invocation whose worker cannot be initialised, or that does not end in time.

The texts are those of the runtime, https://github.com/aws/aws-lambda-python-runtime-interface-client
(awslambdaric/bootstrap.py), and of Lambda's log format "Text", which functions have unless a template says otherwise.
"""

import signal
import subprocess
from datetime import UTC, datetime
from typing import Any

# The runtime indents the lines of a traceback by these.
NO_BREAK_SPACE = "\u00a0"
EXIT_ERROR = "Runtime.ExitError"
EXIT_SECONDS = 1.0


class InitFailed(RuntimeError):
    """A worker cannot be initialised. Its caller gets ``response``; ``output`` is what the function printed before."""

    def __init__(self, response: dict[str, Any], output: str) -> None:
        super().__init__(f"{response['errorType']}: {response['errorMessage']}")
        self.response, self.output = response, output


def init_failed(worker: Any, response: dict[str, Any] | None = None) -> InitFailed:
    """The failure of a ``worker`` whose process ends after this ``response``, or has ended without one."""
    try:
        status = worker._proc.wait(EXIT_SECONDS)
    except subprocess.TimeoutExpired:  # for example, the function's threads still run
        worker._proc.kill()
        status = worker._proc.wait()
    worker._stderr_thread.join(EXIT_SECONDS)  # until the whole output is read
    if response is None:
        reason = f"exit status {status}" if status >= 0 else f"signal: {signal.strsignal(-status)}".lower()
        response = {"errorMessage": f"Error: Runtime exited with error: {reason}", "errorType": EXIT_ERROR}
    return InitFailed(response, worker._drain_stderr())


def init_error(error: Exception, module: str, handler: str, imported: bool) -> dict[str, object]:
    """The response to an ``error`` of importing ``module`` or, if that is ``imported``, of looking up its ``handler``.

    Runs in the worker: its source is inserted before the worker's script, so it uses no names of this module.
    """
    import traceback

    error_type, message, trace = type(error).__name__, str(error), []
    if isinstance(error, ImportError):
        error_type, message = "Runtime.ImportModuleError", f"Unable to import module '{module}': {error}"
    elif isinstance(error, SyntaxError):
        error_type, message = "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}"
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
    elif imported and isinstance(error, AttributeError):
        error_type, message = "Runtime.HandlerNotFound", f"Handler '{handler}' missing on module '{module}'"
    else:
        frames = traceback.extract_tb(error.__traceback__)[1:]  # without the worker's own
        # As the runtime does, without the carets below a line.
        trace = traceback.format_list(
            [traceback.FrameSummary(f.filename, f.lineno, f.name, line=f.line) for f in frames]
        )
    return {"errorMessage": message, "errorType": error_type, "requestId": "", "stackTrace": trace}


def not_started(request_id: str, error: Exception) -> dict[str, Any]:
    """The result of an invocation whose worker did not start."""
    if isinstance(error, InitFailed):
        response, output = dict(error.response), error.output
    else:
        response, output = {"errorMessage": str(error), "errorType": type(error).__name__}, ""
    event = error_event(response)
    if response["errorType"] == EXIT_ERROR:  # Lambda, not the runtime, reports the end of a process
        response["errorMessage"] = f"RequestId: {request_id} {response['errorMessage']}"
        event = f"{response['errorMessage']}\n{EXIT_ERROR}"
    return _failed(response, output, event, f"error\tError Type: {response['errorType']}")


def timed_out(request_id: str, result: dict[str, Any]) -> dict[str, Any]:
    """The result of an invocation that did not end in time; ``result`` is the worker's."""
    response = {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request_id} Error: {result['error']}"}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _failed(response, result.get("log", ""), f"{now} {request_id} {result['error']}", "timeout")


def error_event(response: dict[str, Any]) -> str:
    """The log event of an error; it has several lines."""
    message = response["errorMessage"]
    summary = f"[ERROR] {response['errorType']}" + (f": {message}" if message else "")
    lines = [line for entry in response.get("stackTrace", ()) for line in entry.splitlines()]
    return "\n".join([summary, "Traceback (most recent call last):", *map(_indented, lines)])


def _indented(line: str) -> str:
    text = line.lstrip(" ")
    return NO_BREAK_SPACE * (len(line) - len(text)) + text


def log_events(start: str, log: str, end: str, report: str, failure: dict[str, str] | None) -> list[str]:
    """The log events of an invocation, one for each line of ``log`` except that of its ``failure``, which is last."""
    if not failure:
        return [start, *log.splitlines(), end, report]
    output = log.removesuffix(failure["event"])
    return [start, *output.splitlines(), failure["event"], end, report + failure["status"]]


def _failed(response: dict[str, Any], output: str, event: str, status: str) -> dict[str, Any]:
    failure = {"event": event, "status": f"\tStatus: {status}"}
    return {"body": response, "error": True, "log": "\n".join(filter(None, (output, event))), "failure": failure}
