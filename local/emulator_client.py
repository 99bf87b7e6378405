"""Requests to the emulator's administrative routes, ``/_setpieces/*`` and ``/_ministack/*``.

python -m local.emulator_client PUT /_setpieces/deliveries '{"late_seconds": 5}'
"""

import json
from functools import cache
from typing import Any

import click
import httpx

from local.credentials import TOKEN_HEADER, token
from local.settings import AWS_ENDPOINT, aws_environment

# Cached because each client would spend 40 ms of CPU on reading the certificates.
tls = cache(httpx.create_ssl_context)


def request(
    method: str, path: str, *, endpoint: str = AWS_ENDPOINT, secret: str = "", timeout: float = 30, **content: Any
) -> httpx.Response:
    """The emulator's response; ``content`` is passed to httpx. ``secret`` is root's, by default of our own local cloud."""
    secret = secret or aws_environment()["AWS_SECRET_ACCESS_KEY"]
    headers = {TOKEN_HEADER: token(secret)}
    return httpx.request(method, f"{endpoint}{path}", headers=headers, timeout=timeout, verify=tls(), **content)


def resources() -> list[dict[str, Any]]:
    """Each deployed resource with its stack and properties, see ``local.emulator.server``."""
    return request("GET", "/_setpieces/resources").raise_for_status().json()


@click.command()
@click.argument("method")
@click.argument("path")
@click.argument("body", required=False)
def main(method: str, path: str, body: str | None) -> None:
    """Send a request and print the response. BODY is JSON."""
    try:
        response = request(method.upper(), path, json=json.loads(body) if body else None)
    except json.JSONDecodeError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="BODY") from error
    except httpx.HTTPError as error:
        raise click.ClickException(f"The local cloud does not answer ({error}). Start it with: make start") from error
    click.echo(response.text)
    if response.is_error:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
