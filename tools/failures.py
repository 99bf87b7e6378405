"""Expected failures of commands, each as a message with the failure, its reason and the remedy.

Commands raise ``CommandFailed``; ``explain`` translates exceptions of libraries. Any other exception is a bug and keeps its
traceback.
"""

import errno
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import wraps
from typing import Any

import httpx
from botocore import exceptions as aws
from click.exceptions import ClickException

from local.ports import listening
from local.settings import AWS_ENDPOINT, AWS_PORT, FRONT_DOOR, STATE
from tools.stages import current_stage

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
# Errors of files that are caused by the machine, not by a bug.
MACHINE = (errno.EACCES, errno.EEXIST, errno.ENOSPC, errno.ENOTDIR, errno.EROFS)


class CommandFailed(ClickException):
    """An expected failure; the message has the failure, its reason and the remedy."""


def did_you_mean(name: str, names: Iterable[str], count: int = 3) -> str:
    """`` Did you mean a or b?`` of the names closest to ``name``, "" if none is close."""
    matches = get_close_matches(name, list(names), n=count, cutoff=0.6)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def requires_shop(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command that needs the shop: in the local stage it fails at once, without retries of SDKs, if no shop runs."""

    @wraps(command)
    def checked(*arguments: Any, **options: Any) -> Any:
        if current_stage() == "local":
            check_running()
        return command(*arguments, **options)

    return checked


def check_running() -> None:
    """Raises ``CommandFailed`` if nothing listens at the port of the emulated AWS."""
    if not listening(AWS_PORT):
        raise CommandFailed(f"The shop is not running (nothing listens at {AWS_ENDPOINT}). {START}")


def explain(error: Exception) -> ClickException | None:
    """The failure for an expected ``error``; None for a bug."""
    for kind, explanation in EXPLANATIONS:
        if isinstance(error, kind):
            message = explanation(error)
            return CommandFailed(message) if message else None
    return None


def _error_status(error: httpx.HTTPStatusError) -> str:
    response = error.response
    response.read()
    return (
        f"{response.request.method} {response.request.url} returned {response.status_code}: {response.text[:300]} "
        "Check the shop: make status"
    )


def _no_response(error: httpx.HTTPError) -> str:
    request: httpx.Request | None = getattr(error, "_request", None)
    return _unreachable(str(request.url) if request else "", error)


def _no_response_of_aws(error: aws.HTTPClientError | aws.ConnectionError) -> str:
    return _unreachable(str(error.kwargs.get("endpoint_url", "")), error)


def _unreachable(url: str, error: Exception) -> str:
    if current_stage() != "local" and not url.startswith((AWS_ENDPOINT, FRONT_DOOR)):
        return f"{url or 'AWS'} does not respond ({error}). Check the network and your credentials, then try again."
    name = "front door" if url.startswith(FRONT_DOOR) else "emulated AWS"
    address = FRONT_DOOR if url.startswith(FRONT_DOOR) else AWS_ENDPOINT
    if "refused" in str(error) or isinstance(error, aws.EndpointConnectionError):
        return f"The {name} does not respond at {address}: it is not running. {START}"
    return f"The {name} at {address} did not respond ({error or type(error).__name__}). Check the shop: make status"


def _refused(error: aws.ClientError) -> str:
    reason = error.response["Error"]
    advice = "Check that everything is deployed: make status"
    if current_stage() != "local":
        advice = f"Check that stage {current_stage()} is deployed, and that the credentials are of its account."
    elif reason["Code"] in CREDENTIALS:
        advice = f"The credentials do not belong to the shop at {AWS_ENDPOINT}. Check the shop: make status"
    return f"AWS refused {error.operation_name}: {reason['Code']}: {reason.get('Message', '')}. {advice}"


def _configuration(error: aws.BotoCoreError) -> str:
    return f"AWS cannot be called for stage {current_stage()}: {error} Set AWS_PROFILE, or a key and AWS_REGION."


def _file(error: OSError) -> str:
    if isinstance(error, FileNotFoundError) and error.filename and str(error.filename).startswith(str(STATE)):
        return f"{error.filename} does not exist: the shop has not been started here. {START}"
    if error.errno in MACHINE and error.filename:
        return (
            f"{error.filename}: {error.strerror}. If it is the folder of the state, set SETPIECES_STATE to another one."
        )
    return ""


EXPLANATIONS: tuple[tuple[type[Exception], Callable[[Any], str]], ...] = (
    (httpx.HTTPStatusError, _error_status),
    (httpx.TransportError, _no_response),
    (aws.HTTPClientError, _no_response_of_aws),
    (aws.ConnectionError, _no_response_of_aws),
    (aws.ClientError, _refused),
    (aws.NoCredentialsError, _configuration),
    (aws.PartialCredentialsError, _configuration),
    (aws.NoRegionError, _configuration),
    (aws.ProfileNotFound, _configuration),
    (aws.TokenRetrievalError, _configuration),
    (aws.SSOError, _configuration),
    (OSError, _file),
)
