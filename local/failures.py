"""Expected failures of commands, each as one sentence for the terminal: what failed, why, and what to do.

Commands raise ``CommandFailed`` for what they know; ``explain`` does it for what libraries raise. Anything else is a bug and
keeps its traceback.
"""

import errno
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import Any

import httpx
from botocore import exceptions as aws
from click.exceptions import ClickException

from local.processes import listening
from local.settings import AWS_ENDPOINT, AWS_PORT, FRONT_DOOR, STATE
from local.stages import current_stage

START = "Start it with: make start"
CREDENTIALS = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
# What is wrong with this machine, not with a command.
MACHINE = (errno.EACCES, errno.EEXIST, errno.ENOSPC, errno.ENOTDIR, errno.EROFS)


class CommandFailed(ClickException):
    """An expected failure; the message says what failed, why, and what to do."""


def did_you_mean(name: str, names: Iterable[str], count: int = 3) -> str:
    """`` Did you mean a or b?`` of the names closest to ``name``, "" if none is close."""
    matches = get_close_matches(name, list(names), n=count, cutoff=0.6)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def requires_shop(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that needs the shop: in the local stage it fails at once, without the retries of SDKs, if none runs."""

    @wraps(command)
    def checked(*arguments: Any, **options: Any) -> Any:
        if current_stage() == "local":
            check_running()
        return command(*arguments, **options)

    return checked


def check_running() -> None:
    """Raises ``CommandFailed`` if nothing listens where the emulated AWS should be."""
    if not listening(AWS_PORT):
        raise CommandFailed(f"The shop is not running (nothing listens at {AWS_ENDPOINT}). {START}")


def explain(error: Exception) -> ClickException | None:
    """``error`` for the reader, if it is one that can be expected; None for a bug."""
    for kind, explanation in EXPLANATIONS:
        if isinstance(error, kind):
            message = explanation(error)
            return CommandFailed(message) if message else None
    return None


def _answered(error: httpx.HTTPStatusError) -> str:
    answer = error.response
    answer.read()
    return (
        f"{answer.request.method} {answer.request.url} was answered {answer.status_code}: {answer.text[:300]} "
        "Is the shop well? (make status)"
    )


def _no_answer(error: httpx.HTTPError) -> str:
    request: httpx.Request | None = getattr(error, "_request", None)
    return _unreachable(str(request.url) if request else "", error)


def _no_answer_of_aws(error: aws.HTTPClientError | aws.ConnectionError) -> str:
    return _unreachable(str(error.kwargs.get("endpoint_url", "")), error)


def _unreachable(url: str, error: Exception) -> str:
    if current_stage() != "local" and not url.startswith((AWS_ENDPOINT, FRONT_DOOR)):
        return f"{url or 'AWS'} does not answer ({error}). Check the network and your credentials, then try again."
    name = "front door" if url.startswith(FRONT_DOOR) else "emulated AWS"
    address = FRONT_DOOR if url.startswith(FRONT_DOOR) else AWS_ENDPOINT
    if "refused" in str(error) or isinstance(error, aws.EndpointConnectionError):
        return f"The {name} does not answer at {address}: it is not running. {START}"
    return f"The {name} at {address} gave no answer ({error or type(error).__name__}). What runs: make status"


def _refused(error: aws.ClientError) -> str:
    reason = error.response["Error"]
    advice = "Is everything deployed? (make status)"
    if current_stage() != "local":
        advice = f"Is stage {current_stage()} deployed, and are these the credentials of its account?"
    elif reason["Code"] in CREDENTIALS:
        advice = f"The credentials do not belong to the shop that runs at {AWS_ENDPOINT}. What runs: make status"
    return f"AWS refused {error.operation_name}: {reason['Code']}: {reason.get('Message', '')}. {advice}"


def _configuration(error: aws.BotoCoreError) -> str:
    return f"AWS cannot be called for stage {current_stage()}: {error} Set AWS_PROFILE, or a key and AWS_REGION."


def _file(error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and error.filename and str(error.filename).startswith(str(STATE)):
        return f"The shop has not been started here: there is no {error.filename}. {START}"
    if error.errno in MACHINE and error.filename:
        return f"{error.filename}: {error.strerror}. Set SETPIECES_STATE to another folder if it is about the state."
    return ""


EXPLANATIONS: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
    (httpx.HTTPStatusError, _answered),
    (httpx.TransportError, _no_answer),
    (aws.HTTPClientError, _no_answer_of_aws),
    (aws.ConnectionError, _no_answer_of_aws),
    (aws.ClientError, _refused),
    (aws.NoCredentialsError, _configuration),
    (aws.PartialCredentialsError, _configuration),
    (aws.NoRegionError, _configuration),
    (aws.ProfileNotFound, _configuration),
    (aws.TokenRetrievalError, _configuration),
    (aws.SSOError, _configuration),
    (OSError, _file),
)
